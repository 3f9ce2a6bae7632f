//! Runs a server with `show-config` and takes the list from its log.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::case::Case;

/// A folder of its own for the files of a case, the same path for every server.
fn folder() -> std::path::PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("uwsgi-cases-{}-{number}", std::process::id()))
}

/// The lines of the list that `program` shows; none where it refuses the configuration. The folder of the case
/// is written as `DIR`.
pub(crate) fn shown(program: &str, case: &Case) -> Vec<String> {
    let folder = folder();
    for (name, text) in &case.files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    let lines = run(program, case, &folder);
    std::fs::remove_dir_all(&folder).unwrap();
    let name = folder.to_string_lossy().into_owned();
    let stem = folder.file_name().unwrap().to_string_lossy().into_owned();
    lines.into_iter().map(|line| line.replace(&name, "DIR").replace(&stem, "DIRNAME")).collect()
}

fn run(program: &str, case: &Case, folder: &Path) -> Vec<String> {
    let mut child = Command::new(program)
        .args(&case.args)
        .arg("--show-config")
        .current_dir(folder)
        .env_clear()
        .envs([("HOME", "/root"), ("PATH", "/usr/bin:/bin")])
        .envs(case.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut list = Vec::new();
    let mut inside = false;
    for line in BufReader::new(child.stderr.take().unwrap()).split(b'\n') {
        let line = String::from_utf8_lossy(&line.unwrap()).trim_end().to_owned();
        match line.as_str() {
            ";end of configuration" => break,
            "[uwsgi]" => inside = true,
            "" => {} // of a value with line breaks
            _ if inside => list.push(line),
            _ => {}
        }
    }
    // It may have gone on to serve.
    let _ = child.kill();
    child.wait().unwrap();
    list
}
