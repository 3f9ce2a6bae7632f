//! Which interpreter, and where its shared library is.
//!
//! The order: the virtualenv that was named, the interpreter that was named, `VIRTUAL_ENV`, `python3` in PATH. Files tell
//! nearly always where the library is; only a script in the interpreter's place (pyenv's shims) or an unusual
//! installation makes us run the interpreter and ask it.

mod ask;
mod library;
mod pyenv;
mod venv;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::options::Options;

/// An interpreter that can be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interpreter {
    /// Its shared library.
    pub(crate) library: PathBuf,
    /// Its version, as `3.11`.
    pub(crate) version: String,
    /// What Python shall take as its own executable.
    pub(crate) program: PathBuf,
    /// `PYTHONHOME`, for a prefix that is no virtualenv.
    pub(crate) home: Option<PathBuf>,
    /// Who named it: `virtualenv`, `VIRTUAL_ENV`, `python`, `PATH`.
    pub(crate) named_by: &'static str,
}

/// Where we look besides the options.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// `VIRTUAL_ENV`.
    pub(crate) virtual_env: Option<PathBuf>,
    /// `PATH`.
    pub(crate) path: OsString,
}

impl Surroundings {
    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        Self {
            virtual_env: std::env::var_os("VIRTUAL_ENV").filter(|v| !v.is_empty()).map(Into::into),
            path: std::env::var_os("PATH").unwrap_or_default(),
        }
    }
}

/// What was tried, one line each.
#[derive(Debug, Default)]
pub(crate) struct Tried(Vec<String>);

impl Tried {
    fn note(&mut self, line: impl Into<String>) {
        self.0.push(line.into());
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.0 {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

/// Finds the interpreter.
///
/// # Errors
/// What was looked for and where, as text for the user.
pub(crate) fn find(options: &Options, around: &Surroundings) -> Result<Interpreter, String> {
    let mut tried = Tried::default();
    if let Some(home) = &options.home {
        return venv::in_folder(home, "virtualenv", &mut tried).ok_or_else(|| {
            format!("no usable Python in the virtualenv {}:{tried}", home.display())
        });
    }
    if let Some(python) = &options.python {
        let found = executable(python, around);
        return found
            .as_deref()
            .and_then(|program| of_program(program, None, "python", &mut tried))
            .ok_or_else(|| {
                if found.is_none() {
                    tried.note("no such executable");
                }
                format!("python = {} cannot be used:{tried}", python.display())
            });
    }
    if let Some(folder) = &around.virtual_env
        && let Some(found) = venv::in_folder(folder, "VIRTUAL_ENV", &mut tried)
    {
        return Ok(found);
    }
    for folder in std::env::split_paths(&around.path) {
        let program = folder.join("python3");
        if is_executable(&program)
            && let Some(found) = of_program(&program, None, "PATH", &mut tried)
        {
            return Ok(found);
        }
    }
    if tried.0.is_empty() {
        tried.note(format!("no python3 in PATH ({})", around.path.display()));
    }
    Err(format!(
        "no Python interpreter with a shared library was found; name one with --virtualenv or --python. Tried:{tried}"
    ))
}

/// Whether this Python can run what lies in a virtualenv; one that does not say what it is for is given a chance.
pub(crate) fn suits(home: &Path, minor: u32) -> bool {
    venv::version(home).is_none_or(|version| version == format!("3.{minor}"))
}

/// The version of the interpreter that would be loaded, with all its parts.
///
/// # Errors
/// As [`find`], or why the interpreter did not say.
pub(crate) fn version(options: &Options, around: &Surroundings) -> Result<String, String> {
    ask::version(&find(options, around)?.program)
}

/// The interpreter that a program is; `version` is a hint from elsewhere, as `3.11`.
fn of_program(
    program: &Path,
    version: Option<&str>,
    named_by: &'static str,
    tried: &mut Tried,
) -> Option<Interpreter> {
    let absolute = std::path::absolute(program).unwrap_or_else(|_| program.to_path_buf());
    let absolute = pyenv::behind_shim(&absolute).unwrap_or(absolute);
    if let Some((library, version)) = library::beside(&absolute, version, tried) {
        return Some(Interpreter { library, version, program: absolute, home: None, named_by });
    }
    match ask::ask(&absolute) {
        Ok(answer) => {
            let version = answer.version.clone();
            let library = library::reported(&answer, tried)?;
            Some(Interpreter { library, version, program: answer.executable, home: None, named_by })
        }
        Err(reason) => {
            tried.note(format!("{}: {reason}", absolute.display()));
            None
        }
    }
}

/// A program by its path, or by its name in PATH.
fn executable(program: &Path, around: &Surroundings) -> Option<PathBuf> {
    if program.components().count() > 1 || program.is_absolute() {
        return is_executable(program).then(|| program.to_path_buf());
    }
    std::env::split_paths(&around.path)
        .map(|folder| folder.join(program))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
