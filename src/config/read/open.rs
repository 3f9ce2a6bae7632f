//! All that a reading takes from outside: bytes of a path, of `-` or of one of uWSGI's schemes (behaviour note 2.5),
//! folders, patterns, and what a path is. Nothing else in `config` looks at the world.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::variables::Variable;
use crate::config::magic::Place;

/// A configuration is at most this long; more is an endless stream.
const BYTES_MAX: u64 = 64 << 20;

/// Longest wait for a configuration over HTTP.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Schemes that read what is inside of a program or comes from an emperor: there is no such thing here.
const NOT_HERE: &[(&str, &str)] = &[
    ("data", "blobs behind the program's own file do not exist here"),
    ("section", "sections of the program's own file do not exist here"),
    ("sym", "symbols of the program's own file do not exist here"),
    ("call", "functions of loaded libraries cannot be called"),
    ("callint", "functions of loaded libraries cannot be called"),
    ("emperor", "there is no emperor"),
];

/// The scheme of `target` and what stands behind it, where it has one that is known.
pub(super) fn scheme(target: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    let known = ["http", "exec", "fd", "file"].contains(&scheme)
        || NOT_HERE.iter().any(|(name, _)| *name == scheme);
    known.then_some((scheme, rest))
}

/// Reads all of `target`: a path, `-` for standard input, or `file://`, `fd://`, `exec://`, `http://`.
///
/// # Errors
/// Why it cannot be read, as a fragment that names what was tried.
pub fn read(target: &str) -> Result<Vec<u8>, String> {
    let bytes = match scheme(target) {
        None if target == "-" => all(io::stdin().lock()).map_err(text)?,
        None => all(File::open(target).map_err(text)?).map_err(text)?,
        Some(("file", path)) => all(File::open(path).map_err(text)?).map_err(text)?,
        Some(("fd", number)) => descriptor(number)?,
        Some(("exec", command)) => output(command)?,
        Some(("http", _)) => download(target)?,
        Some((scheme, _)) => {
            let why = NOT_HERE.iter().find(|(name, _)| *name == scheme).map_or("", |(_, why)| why);
            return Err(format!("{scheme}:// is not supported: {why}"));
        }
    };
    Ok(bytes)
}

/// What a path names; links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum PathKind {
    /// Nothing that is there, or that may be seen.
    Nothing,
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A socket, a device, ...
    Other,
}

/// What `path` is.
pub(super) fn kind(path: &str) -> PathKind {
    match std::fs::metadata(path) {
        Ok(data) if data.is_file() => PathKind::File,
        Ok(data) if data.is_dir() => PathKind::Folder,
        Ok(_) => PathKind::Other,
        Err(_) => PathKind::Nothing,
    }
}

/// Where the file `given` is; links in its folder are resolved, the file itself is not.
pub(in crate::config) fn place(given: &str, cwd: &Path) -> Place {
    let absolute = cwd.join(given);
    let parent = absolute.parent().unwrap_or(Path::new("/"));
    let parent = parent.canonicalize().unwrap_or_else(|_| parent.to_owned());
    let mut directory = parent.to_string_lossy().into_owned();
    if !directory.ends_with('/') {
        directory.push('/');
    }
    Place { directory, inode: std::fs::metadata(&absolute).ok().map(|data| data.ino()) }
}

/// Paths that match a pattern, at most `most`, in alphabetical order.
///
/// # Errors
/// Why it is no pattern.
pub(super) fn paths(pattern: &str, most: usize) -> Result<Vec<String>, String> {
    let paths = glob::glob(pattern).map_err(|error| format!("no valid pattern: {error}"))?;
    let paths = paths.filter_map(Result::ok).take(most);
    Ok(paths.map(|path| path.to_string_lossy().into_owned()).collect())
}

/// The variables of a folder: a file each, whose text is the value, without the blanks at its end. An empty file
/// removes its variable. Hidden files and folders are left out.
///
/// # Errors
/// Why it cannot be read, or which file is no variable.
pub(super) fn folder(path: &str) -> Result<Vec<Variable>, String> {
    let wrong = |error: io::Error| format!("cannot read the folder {path}: {error}");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || !entry.path().is_file() {
            continue;
        }
        if name.contains('=') {
            return Err(format!("{name} cannot be the name of a variable"));
        }
        let bytes = File::open(entry.path()).and_then(all).map_err(wrong)?;
        let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        let text = std::str::from_utf8(text).map_err(|_| format!("{name} is not valid UTF-8"))?;
        found.push((name, Some(text.trim_end().to_owned()).filter(|text| !text.is_empty())));
    }
    found.sort();
    Ok(found)
}

/// The time since 1970; zero for a clock before it.
pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn text(error: io::Error) -> String {
    error.to_string()
}

fn all(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("more than {BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

fn descriptor(number: &str) -> Result<Vec<u8>, String> {
    let fd: RawFd = number.parse().ok().filter(|fd| *fd >= 0).ok_or_else(|| {
        format!("fd://{number} names no descriptor; accepted: fd:// and a number")
    })?;
    crate::sys::listen::duplicate(fd).map(File::from).and_then(all).map_err(text)
}

/// What a command of the shell writes. Unlike in uWSGI, one that fails is an error: half a configuration must
/// not be served.
fn output(command: &str) -> Result<Vec<u8>, String> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("/bin/sh cannot be started: {error}"))?;
    let stdout = child.stdout.take().expect("standard output was asked to be a pipe");
    let bytes = all(stdout).map_err(text);
    let status = child.wait().map_err(text)?;
    let bytes = bytes?;
    if !status.success() {
        return Err(format!("the command failed: {status}"));
    }
    Ok(bytes)
}

fn download(url: &str) -> Result<Vec<u8>, String> {
    let agent = ureq::Agent::config_builder().timeout_global(Some(DOWNLOAD_TIMEOUT)).build();
    let mut response =
        ureq::Agent::from(agent).get(url).call().map_err(|error| error.to_string())?;
    let body = response.body_mut().with_config().limit(BYTES_MAX).read_to_vec();
    body.map_err(|error| error.to_string())
}
