//! The shared library that belongs to an interpreter.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::Tried;
use super::ask::Answer;

/// The library beside a program, by file names alone, with its version. `version` is a hint, as `3.11`.
pub(super) fn beside(
    program: &Path,
    version: Option<&str>,
    tried: &mut Tried,
) -> Option<(PathBuf, String)> {
    let real = program.canonicalize().ok()?;
    if is_script(&real) {
        return None; // a shim: only it knows what it runs
    }
    let name = real.file_name()?.to_str()?;
    let version = name.strip_prefix("python").filter(|rest| rest.contains('.')).or(version)?;
    if !at_least_39(version) {
        tried.note(too_old(&program.display(), version));
        return None;
    }
    let file = format!("libpython{version}.so.1.0");
    let prefix = real.parent()?.parent()?;
    let multiarch = format!("lib/{}-linux-gnu", std::env::consts::ARCH);
    for folder in ["lib", "lib64", multiarch.as_str()] {
        let candidate = prefix.join(folder).join(&file);
        if candidate.is_file() {
            return Some((candidate, version.to_owned()));
        }
    }
    tried.note(format!(
        "{}: no {file} in lib, lib64 or {multiarch} of {}",
        program.display(),
        prefix.display()
    ));
    None
}

/// The library that an interpreter reported.
pub(super) fn reported(answer: &Answer, tried: &mut Tried) -> Option<PathBuf> {
    let program = answer.executable.display();
    if answer.free_threaded {
        tried.note(format!(
            "{program}: a free-threaded build of Python, which is not supported yet"
        ));
        return None;
    }
    if !at_least_39(&answer.version) {
        tried.note(too_old(&program, &answer.version));
        return None;
    }
    let names = [answer.library_name.clone(), format!("libpython{}.so.1.0", answer.version)];
    let folders = [answer.library_folder.clone(), answer.base_prefix.join("lib")];
    for folder in &folders {
        for name in names.iter().filter(|name| name.contains(".so")) {
            let candidate = folder.join(name);
            if candidate.is_file() {
                return Some(candidate);
            }
        }
    }
    tried.note(format!(
        "{program}: Python {} without a shared library (looked for {} in {}); install its libpython package or use a build made with --enable-shared",
        answer.version,
        names[1],
        folders[0].display(),
    ));
    None
}

fn at_least_39(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next(), parts.next()) >= (Some(3), Some(9))
}

fn too_old(program: &std::path::Display<'_>, version: &str) -> String {
    format!("{program}: Python {version} is too old, 3.9 or later is needed")
}

fn is_script(path: &Path) -> bool {
    let mut start = [0u8; 2];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start == *b"#!"
}
