//! Descriptor 2 and the files it is turned to.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{dup2_stderr, dup2_stdout, write};

/// Mode of a new log file, as uWSGI's.
const MODE: u32 = 0o640;
/// A reader of the log that takes nothing for this long loses lines.
const FULL_PIPE_WAIT_MS: u16 = 100;

/// Why the log cannot go there.
#[derive(Debug, thiserror::Error)]
#[error("cannot log to {path}: {source}")]
pub struct LogError {
    path: PathBuf,
    source: io::Error,
}

/// Writes bytes to the log as they are, in one write(2) where the system takes them at once. Takes no lock, so
/// that no thread can hold one over a fork. Errors are of no interest: there is no other place to tell of them.
pub fn raw(mut bytes: &[u8]) {
    if super::channel::sent(bytes) {
        return;
    }
    while !bytes.is_empty() {
        match write(io::stderr(), bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) if has_room() => {}
            Err(_) => return,
        }
    }
}

/// Waits a moment for a full pipe that somebody made non-blocking.
fn has_room() -> bool {
    let stderr = io::stderr();
    let mut log = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    poll(&mut log, PollTimeout::from(FULL_PIPE_WAIT_MS)).is_ok_and(|ready| ready > 0)
}

/// The file that the log was turned to.
static FILE: OnceLock<PathBuf> = OnceLock::new();

/// Turns standard output and the log to a file, appending; what was open there is closed. The first file is the one
/// that [`reopen`] opens again.
///
/// # Errors
/// [`LogError`] where the file cannot be opened; nothing has changed then.
pub fn redirect(path: &Path) -> Result<(), LogError> {
    open(path)?;
    // The working directory may be another one by then.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let _ = FILE.set(path);
    Ok(())
}

/// Opens the log file again under its name, so that one that was renamed is let go of. Does nothing where the log is no
/// file of ours.
pub fn reopen() {
    if let Some(path) = FILE.get()
        && let Err(error) = open(path)
    {
        super::line(format_args!("{error}; the log goes on where it is"));
    }
}

fn open(path: &Path) -> Result<(), LogError> {
    let failed = |source: io::Error| LogError { path: path.to_owned(), source };
    let file =
        OpenOptions::new().append(true).create(true).mode(MODE).open(path).map_err(failed)?;
    dup2_stdout(&file).map_err(|error| failed(error.into()))?;
    dup2_stderr(&file).map_err(|error| failed(error.into()))
}
