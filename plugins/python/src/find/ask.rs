//! Asking an interpreter about itself, by running it once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What it answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// As `3.11`.
    pub(super) version: String,
    pub(super) executable: PathBuf,
    pub(super) base_prefix: PathBuf,
    pub(super) library_folder: PathBuf,
    pub(super) library_name: String,
    pub(super) free_threaded: bool,
}

const QUESTION: &str = "\
import sys, sysconfig
get = sysconfig.get_config_var
print('%d.%d' % sys.version_info[:2])
print(sys.executable)
print(sys.base_prefix)
print(get('LIBDIR') or '')
print(get('INSTSONAME') or get('LDLIBRARY') or '')
print(get('Py_GIL_DISABLED') or 0)
";

/// The version of an interpreter with all its parts, as `3.11.7`.
///
/// # Errors
/// Why it did not say.
pub(super) fn version(program: &Path) -> Result<String, String> {
    let question = "import platform; print(platform.python_version())";
    let output = Command::new(program)
        .args(["-I", "-S", "-c", question])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{} cannot be run: {error}", program.display()))?;
    match String::from_utf8_lossy(&output.stdout).trim() {
        "" => Err(format!("{} did not answer ({})", program.display(), output.status)),
        version => Ok(version.to_owned()),
    }
}

/// Runs the interpreter and reads its answer.
///
/// # Errors
/// Why there is none.
pub(super) fn ask(program: &Path) -> Result<Answer, String> {
    let output = Command::new(program)
        .args(["-I", "-S", "-c", QUESTION])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let answer = (|| {
        let mut next = || lines.next().map(str::to_owned);
        Some(Answer {
            version: next()?,
            executable: next()?.into(),
            base_prefix: next()?.into(),
            library_folder: next()?.into(),
            library_name: next()?,
            free_threaded: next()? == "1",
        })
    })();
    answer.ok_or_else(|| {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let last = complaint.lines().last().unwrap_or("no output").to_owned();
        format!("did not answer ({}): {last}", output.status)
    })
}
