//! Virtualenvs and other folders with a Python in them.

use std::path::{Path, PathBuf};

use super::{Interpreter, Tried, is_executable, library, of_program};

/// What `pyvenv.cfg` says that matters here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Config {
    /// Folder of the interpreter that the virtualenv was made with.
    home: Option<PathBuf>,
    /// Its version, as `3.11`.
    version: Option<String>,
}

/// The interpreter of a folder: a virtualenv, or a prefix with `bin/python3`.
pub(super) fn in_folder(
    folder: &Path,
    named_by: &'static str,
    tried: &mut Tried,
) -> Option<Interpreter> {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    if !folder.is_dir() {
        tried.note(format!("{}: no such folder", folder.display()));
        return None;
    }
    let Some(program) = ["python", "python3"]
        .map(|name| folder.join("bin").join(name))
        .into_iter()
        .find(|p| is_executable(p))
    else {
        tried.note(format!("{}: no executable bin/python or bin/python3", folder.display()));
        return None;
    };
    let Ok(text) = std::fs::read_to_string(folder.join("pyvenv.cfg")) else {
        let found = of_program(&program, None, named_by, tried)?;
        return Some(Interpreter { home: Some(folder), ..found });
    };
    let config = parse(&text);
    let version = config.version.as_deref();
    let base = config.home.into_iter().flat_map(|home| {
        let versioned = version.map(|version| home.join(format!("python{version}")));
        versioned.into_iter().chain([home.join("python3"), home.join("python")])
    });
    for base in base.filter(|base| is_executable(base)) {
        if let Some((library, version)) = library::beside(&base, version, tried) {
            return Some(Interpreter { library, version, program, home: None, named_by });
        }
    }
    let found = of_program(&program, version, named_by, tried)?;
    Some(Interpreter { program, ..found })
}

/// Version of the Python that a virtualenv was made for, as `3.11`; `None` where that is not said.
pub(super) fn version(folder: &Path) -> Option<String> {
    parse(&std::fs::read_to_string(folder.join("pyvenv.cfg")).ok()?).version
}

fn parse(text: &str) -> Config {
    let mut config = Config::default();
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        let value = value.trim();
        match key.trim() {
            "home" => config.home = Some(value.into()),
            "version" | "version_info" => config.version = short_version(value),
            _ => {}
        }
    }
    config
}

/// `3.11` of `3.11.7` or `3.11.7.final.0`.
fn short_version(text: &str) -> Option<String> {
    let mut parts = text.split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (digits(major) && digits(minor)).then(|| format!("{major}.{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_of_venv_virtualenv_and_uv() {
        let venv = "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\nexecutable = /usr/bin/python3.11\n";
        let virtualenv =
            "home = /opt/py/bin\nimplementation = CPython\nversion_info = 3.9.18.final.0\n";
        let uv = "home=/u/bin\nversion_info=3.13.0\nuv = 0.5\n";
        for (text, home, version) in
            [(venv, "/usr/bin", "3.11"), (virtualenv, "/opt/py/bin", "3.9"), (uv, "/u/bin", "3.13")]
        {
            let expected = Config { home: Some(home.into()), version: Some(version.into()) };
            assert_eq!(parse(text), expected);
        }
        assert_eq!(parse("nonsense\nversion = three\n"), Config::default());
    }
}
