//! The plugin on every Python that is found: a process for each version and group of cases, because a
//! process can have one interpreter only.
//!
//! Pythons come from `UWSGI_TEST_PYTHONS` (paths separated by colons), else from pyenv and `/usr/bin`.
#![allow(clippy::unwrap_used, unreachable_pub)] // test code

mod groups;
mod support;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

const PYTHON: &str = "UWSGI_TEST_PYTHON";
const GROUP: &str = "UWSGI_TEST_GROUP";

fn main() -> ExitCode {
    if let (Some(python), Ok(group)) = (std::env::var_os(PYTHON), std::env::var(GROUP)) {
        groups::run(&group, &PathBuf::from(python));
        return ExitCode::SUCCESS;
    }
    if std::env::args().any(|argument| argument == "--ignored") {
        // As libtest: none of these tests is ignored.
        return ExitCode::SUCCESS;
    }
    let filter: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let pythons = pythons();
    assert!(!pythons.is_empty(), "no Python with a shared library was found to test with");
    let mut failures = 0;
    for python in &pythons {
        for group in groups::names() {
            let name = format!("{} {group}", python.display());
            if filter.iter().all(|text| name.contains(text.as_str()))
                && !passes(python, group, &name)
            {
                failures += 1;
            }
        }
    }
    println!("{} Pythons, {failures} failures", pythons.len());
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn passes(python: &PathBuf, group: &str, name: &str) -> bool {
    let output = Command::new(std::env::current_exe().unwrap())
        .env(PYTHON, python)
        .env(GROUP, group)
        .env_remove("VIRTUAL_ENV")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps"))
        .output()
        .unwrap();
    println!("test {name} ... {}", if output.status.success() { "ok" } else { "FAILED" });
    if !output.status.success() {
        println!("{}", output.status);
        println!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    output.status.success()
}

fn pythons() -> Vec<PathBuf> {
    if let Some(list) = std::env::var_os("UWSGI_TEST_PYTHONS") {
        return std::env::split_paths(&list).collect();
    }
    let mut found: Vec<PathBuf> = std::env::var_os("HOME")
        .map(|home| PathBuf::from(home).join(".pyenv/versions"))
        .and_then(|folder| folder.read_dir().ok())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin/python3"))
        .chain([PathBuf::from("/usr/bin/python3"), PathBuf::from("/usr/local/bin/python3")])
        .filter(supported)
        .collect();
    found.sort();
    found
}

/// 3.9 or later, with a shared library.
fn supported(python: &PathBuf) -> bool {
    let question = "import os, sys, sysconfig as s; sys.exit(sys.version_info < (3, 9) or not \
                    any(os.path.exists(os.path.join(d, s.get_config_var('INSTSONAME') or '-')) \
                    for d in (s.get_config_var('LIBDIR'), '/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu')))";
    Command::new(python)
        .args(["-c", question])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
