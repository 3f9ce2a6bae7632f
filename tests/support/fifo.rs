//! Writes to the master's fifo as `echo r > fifo` does, but is never stuck where nobody reads.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::eventually;

/// Writes `bytes` in one go. A fifo that is being made anew is waited for.
#[track_caller]
pub fn write(path: &Path, bytes: &[u8]) {
    eventually(&format!("a reader of {}", path.display()), || try_write(path, bytes));
}

/// Whether somebody reads the fifo and took `bytes`.
pub fn try_write(path: &Path, bytes: &[u8]) -> bool {
    open(path).and_then(|mut file| file.write_all(bytes)).is_ok()
}

/// The writing end; an error where nobody reads.
pub fn open(path: &Path) -> io::Result<File> {
    // Without O_CREAT: a file in the place of the fifo would take everything and tell nobody.
    OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path)
}
