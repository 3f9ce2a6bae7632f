//! What a process does when its parent is killed while it cannot look: it removes files and ends.
//!
//! A process that imports an application is in code of others and hears nothing, so the kernel tells it by a signal, and
//! what is to be done is done in the signal's handler: with what was written down before, and with nothing but system
//! calls.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use nix::unistd::getppid;

use super::process::Pid;

/// A file that is removed where it still is the one that was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heirloom {
    /// Its absolute path.
    pub path: CString,
    /// How it is known.
    pub mark: Mark,
}

/// How a file is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// By device, inode and the nanoseconds of its last change.
    Place(u64, u64, i64),
    /// By its whole content, at most [`TEXT_BYTES_MAX`] bytes.
    Text(Vec<u8>),
}

/// Longest content that is compared.
pub const TEXT_BYTES_MAX: usize = 64;

static WILL: OnceLock<Vec<Heirloom>> = OnceLock::new();

/// From now on the files are removed, and this process ends with status 1, when `parent` ends; until
/// [`super::process::outlive_parent`]. False when it is gone already. A process has one will: later files are passed over.
///
/// # Errors
/// None on Linux.
pub fn make(files: Vec<Heirloom>, parent: Pid) -> io::Result<bool> {
    let _ = WILL.set(files);
    let signal = libc::SIGRTMAX();
    // SAFETY: zero bytes are a valid `sigaction`; the handler makes system calls only, and reads memory that is never
    // written again.
    let set = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = execute as extern "C" fn(libc::c_int) as usize;
        libc::sigaction(signal, &action, std::ptr::null_mut())
    };
    if set != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call takes numbers.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(getppid() == parent)
}

extern "C" fn execute(_signal: libc::c_int) {
    for file in WILL.get().map(Vec::as_slice).unwrap_or_default() {
        let same = match &file.mark {
            Mark::Place(device, inode, changed) => has_place(file, (*device, *inode, *changed)),
            Mark::Text(text) => has_text(file, text),
        };
        if same {
            // SAFETY: the path is a C string. Nobody is left to hear of an error.
            unsafe { libc::unlink(file.path.as_ptr()) };
        }
    }
    // SAFETY: nothing of this process runs after the call.
    unsafe { libc::_exit(1) }
}

fn has_place(file: &Heirloom, place: (u64, u64, i64)) -> bool {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the path is a C string, and `stat` is written where the call returns 0.
    let stat = unsafe {
        if libc::lstat(file.path.as_ptr(), stat.as_mut_ptr()) != 0 {
            return false;
        }
        stat.assume_init()
    };
    (stat.st_dev, stat.st_ino, stat.st_mtime_nsec) == place
}

fn has_text(file: &Heirloom, text: &[u8]) -> bool {
    let mut bytes = [0_u8; TEXT_BYTES_MAX + 1];
    // SAFETY: the path is a C string, the buffer is as long as said, and the descriptor is this function's own.
    let count = unsafe {
        let fd =
            libc::open(file.path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK);
        if fd < 0 {
            return false;
        }
        let count = libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len());
        libc::close(fd);
        count
    };
    usize::try_from(count).is_ok_and(|count| bytes.get(..count) == Some(text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use super::*;

    fn heirloom(path: &Path, mark: Mark) -> Heirloom {
        Heirloom { path: CString::new(path.as_os_str().as_bytes()).unwrap(), mark }
    }

    #[test]
    fn a_file_is_known_by_its_place_or_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        std::fs::write(&path, "17\n").unwrap();
        let file = std::fs::symlink_metadata(&path).unwrap();
        let place = (file.dev(), file.ino(), file.mtime_nsec());
        let known = heirloom(&path, Mark::Text(b"17\n".to_vec()));
        assert!(has_text(&known, b"17\n") && has_place(&known, place));
        assert!(!has_text(&known, b"17") && !has_text(&known, b"18\n"));
        assert!(!has_place(&known, (place.0, place.1, place.2 + 1)));
        std::fs::write(&path, "x".repeat(100)).unwrap();
        assert!(!has_text(&known, b"17\n"));
        std::fs::remove_file(&path).unwrap();
        assert!(!has_text(&known, b"17\n") && !has_place(&known, place));
    }
}
