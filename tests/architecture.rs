//! The design, as far as a machine can check it: which crate may use which, which room of `src/` may use which,
//! and where `unsafe` may live.
#![allow(clippy::unwrap_used)] // panicking is how a test fails

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Rust files below `folder`, relative to the repository.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The lines of a file with their numbers, without comments.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned());
    lines.enumerate().map(|(number, line)| (number + 1, line)).collect()
}

/// Pairs of crate and crate it uses, both of this workspace, tests and build scripts aside.
fn arrows() -> Vec<(String, String)> {
    let args =
        ["tree", "--workspace", "--all-features", "--edges=normal", "--depth=1", "--prefix=depth"];
    let output = Command::new(env!("CARGO"))
        .args(args)
        .arg("--offline")
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut user = String::new();
    let mut found = Vec::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let Some(name) = line.get(1..).and_then(|rest| rest.split(' ').next()) else { continue };
        if line.starts_with('0') {
            user = name.to_owned();
        } else if name.starts_with("uwsgi") {
            found.push((user.clone(), name.to_owned()));
        }
    }
    found
}

#[test]
fn crates_use_only_what_lies_below_them() {
    let found = arrows();
    assert!(found.contains(&("uwsgi-rs".into(), "uwsgi-protocol".into())), "{found:?}");
    for (user, used) in found {
        let allowed: &[&str] = match user.as_str() {
            "uwsgi-protocol" => &[],
            "uwsgi-plugin-api" => &["uwsgi-protocol"],
            "uwsgi-rs" => continue,
            _ => &["uwsgi-plugin-api", "uwsgi-protocol"],
        };
        assert!(allowed.contains(&used.as_str()), "{user} must not use {used}");
    }
}

/// The rooms of `src/` from the ground up, as `src/lib.rs` lists them.
fn rooms() -> Vec<String> {
    let room =
        |line: &str| Some(line.trim().strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned());
    code(Path::new("src/lib.rs")).into_iter().filter_map(|(_, line)| room(&line)).collect()
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names
}

/// Names directly below `crate::` that a file uses, with their lines.
fn uses(path: &Path) -> Vec<(usize, String)> {
    let text = code(path).into_iter().map(|(_, line)| line + "\n").collect::<String>();
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        // `$crate::` of a macro is this crate too; `some_crate::` is another.
        if text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let line = text[..at].matches('\n').count() + 1;
        let rest = &text[at + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => first_names(group),
            None => vec![name(rest)],
        };
        found.extend(names.into_iter().map(|name| (line, name)));
    }
    found
}

fn name(text: &str) -> String {
    text.chars().take_while(|&character| character.is_alphanumeric() || character == '_').collect()
}

/// The first names of a group `a::b, c::{d, e}}`.
fn first_names(group: &str) -> Vec<String> {
    let mut names = vec![name(group.trim_start())];
    let mut depth = 1;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(name(group[at + 1..].trim_start())),
            _ => {}
        }
    }
    names
}

#[test]
fn rooms_use_only_rooms_above_them() {
    let rooms = rooms();
    assert_eq!(rooms.first().map(String::as_str), Some("sys"), "the list starts at the ground");
    assert_ne!(rooms, sorted(&rooms), "rustfmt has sorted the list: separate its lines");
    let floor = |name: &str| rooms.iter().position(|room| room == name);
    let mut wrong = Vec::new();
    for path in sources("src") {
        let Some(room) = path.components().nth(1).map(|part| part.as_os_str().to_string_lossy())
        else {
            continue;
        };
        let Some(own) = floor(room.trim_end_matches(".rs")) else { continue }; // main.rs and lib.rs see all
        let uses = uses(&path).into_iter();
        let below = uses.filter(|(_, name)| floor(name).is_some_and(|other| other > own));
        wrong.extend(below.map(|(line, name)| format!("{}:{line} uses {name}", path.display())));
    }
    assert!(
        wrong.is_empty(),
        "a room may use rooms above it in src/lib.rs, never below:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn unsafe_lives_where_the_design_allows_it() {
    let allowed = |path: &Path| {
        let text = path.to_string_lossy();
        text.starts_with("src/sys/")
            || text == "src/shm/arena.rs"
            || text.starts_with("plugins/python/src/ffi/")
            || path.file_name().is_some_and(|name| name == "abi.rs" || name == "ffi.rs")
    };
    let shipped = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "src");
    let mut wrong = Vec::new();
    for path in ["src", "plugins", "protocol"]
        .into_iter()
        .flat_map(sources)
        .filter(|path| shipped(path) && !allowed(path))
    {
        let lines = code(&path).into_iter();
        let bad = lines.filter(|(_, line)| {
            line.contains("allow(unsafe_code)")
                || line.contains("unsafe {")
                || line.contains("unsafe fn")
        });
        wrong.extend(bad.map(|(line, _)| format!("{}:{line}", path.display())));
    }
    assert!(wrong.is_empty(), "unsafe outside of its places:\n{}", wrong.join("\n"));
}

/// What `config/read/open.rs` takes from outside can be noted and given again; what others took could not.
#[test]
fn a_configuration_is_opened_in_one_place() {
    let outside = [
        "fs::",
        "File::",
        "exists()",
        "is_file()",
        "is_dir()",
        "canonicalize(",
        "SystemTime",
        "glob::",
        "env::var(",
        "process::Command",
        "io::stdin",
    ];
    let mut wrong = Vec::new();
    for path in sources("src/config") {
        if path.ends_with("read/open.rs") || path.to_string_lossy().contains("/tests") {
            continue;
        }
        let shipped = code(&path).into_iter().take_while(|(_, line)| line != "mod tests {");
        let bad = shipped.filter(|(_, line)| outside.iter().any(|word| line.contains(word)));
        wrong.extend(bad.map(|(line, text)| format!("{}:{line}: {text}", path.display())));
    }
    assert!(wrong.is_empty(), "only config/read/open.rs looks outside:\n{}", wrong.join("\n"));
}

#[test]
fn files_can_be_held_in_the_head() {
    let folders = ["src", "plugins", "protocol", "tests", "benches"].into_iter().flat_map(sources);
    let long = folders.filter_map(|path| {
        let lines = fs::read_to_string(root().join(&path)).unwrap().lines().count();
        (lines > 600).then(|| format!("{} has {lines} lines", path.display()))
    });
    let long = long.collect::<Vec<_>>();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn names_are_read_from_uses() {
    assert_eq!(first_names("sys::clock, shm::{Board, slot}, log}; net"), ["sys", "shm", "log"]);
    assert_eq!(name("master::run()"), "master");
}
