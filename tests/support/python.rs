//! Virtualenvs that `tests/setup.sh` made in the cache.

use std::path::{Path, PathBuf};

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
