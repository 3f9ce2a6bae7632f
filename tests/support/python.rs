//! Virtualenvs that `tests/setup.sh` made in the cache.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The virtualenv `name` of the cache, if it was built.
pub fn virtualenv(name: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("UWSGI_CACHE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache"), PathBuf::from);
    let folder = cache.join(name);
    folder.join("bin/python").exists().then_some(folder)
}

/// `3.11` for a virtualenv of that version, from its `pyvenv.cfg`.
pub fn version(virtualenv: &Path) -> Option<String> {
    let config = std::fs::read_to_string(virtualenv.join("pyvenv.cfg")).ok()?;
    let version = config.lines().find_map(|line| line.strip_prefix("version = "))?;
    let mut parts = version.split('.');
    Some(format!("{}.{}", parts.next()?, parts.next()?))
}

/// Whether another user than root can read the Python that `Setup::public_python` takes.
pub fn public() -> bool {
    if !super::setup::original() {
        return Path::new("/usr/bin/python3").exists();
    }
    let prefix =
        Command::new("python3").args(["-c", "import sys; print(sys.base_prefix)"]).output();
    let prefix = String::from_utf8(prefix.expect("run python3").stdout).expect("a path");
    Path::new(prefix.trim()).ancestors().all(|folder| {
        std::fs::metadata(folder).is_ok_and(|data| data.permissions().mode() & 0o005 == 0o005)
    })
}
