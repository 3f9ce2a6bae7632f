//! Opening below a directory.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

/// What a path names.
#[derive(Debug)]
pub(super) enum Opened {
    /// A regular file.
    File(File, Metadata),
    /// A directory.
    Directory,
    /// Nothing that could be served.
    Nothing,
    /// It leads out of the directory.
    Outside,
    /// The server may not read it.
    Forbidden,
}

/// A directory, or the file that is mapped in place of one.
pub(super) fn root(path: &Path) -> io::Result<OwnedFd> {
    Ok(open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?)
}

/// Opens `path`, which is relative, below `root`. Nothing is waited for: pipes and devices are no files here.
pub(super) fn below(root: BorrowedFd<'_>, path: &Path) -> Opened {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags).resolve(resolve);
    /// The kernel gives up where somebody renames directories at the same time.
    const TRIES: u32 = 16;
    for _ in 0..TRIES {
        return match openat2(root, path, how) {
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            Err(Errno::EXDEV) => Opened::Outside,
            Err(Errno::EACCES | Errno::EPERM) => Opened::Forbidden,
            Err(_) => Opened::Nothing,
            Ok(fd) => looked_at(File::from(fd)),
        };
    }
    Opened::Nothing
}

/// A file that is mapped by itself.
pub(super) fn mapped(path: &Path) -> Opened {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    match open(path, flags, Mode::empty()) {
        Ok(fd) => looked_at(File::from(fd)),
        Err(Errno::EACCES | Errno::EPERM) => Opened::Forbidden,
        Err(_) => Opened::Nothing,
    }
}

fn looked_at(file: File) -> Opened {
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Opened::File(file, metadata),
        Ok(metadata) if metadata.is_dir() => Opened::Directory,
        _ => Opened::Nothing,
    }
}

/// A path that leads out of its directory, opened where it ends, if that is below one of these.
pub(super) fn in_safe_place(path: &Path, safe: &[PathBuf]) -> Opened {
    let Ok(real) = path.canonicalize() else { return Opened::Nothing };
    for place in safe {
        let Ok(place) = place.canonicalize() else { continue };
        let Ok(rest) = real.strip_prefix(&place) else { continue };
        if let Ok(root) = root(&place) {
            return below(root.as_fd(), rest);
        }
    }
    Opened::Outside
}
