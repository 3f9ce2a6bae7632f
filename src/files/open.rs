//! Opening below a directory.

use std::fs::{File, Metadata};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::sys::beneath::Resolver;

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
    /// Nobody can say whether it is there.
    Failed(Errno),
}

impl Opened {
    /// Pipes and devices are no files here.
    fn new(result: nix::Result<OwnedFd>) -> Self {
        let file = match result {
            Ok(fd) => File::from(fd),
            Err(Errno::EXDEV) => return Self::Outside,
            Err(Errno::EACCES | Errno::EPERM) => return Self::Forbidden,
            Err(errno) if is_trouble(errno) => return Self::Failed(errno),
            Err(_) => return Self::Nothing,
        };
        match file.metadata() {
            Ok(metadata) if metadata.is_file() => Self::File(file, metadata),
            Ok(metadata) if metadata.is_dir() => Self::Directory,
            _ => Self::Nothing,
        }
    }

    /// Of everything below a directory that cannot be opened itself.
    pub(super) fn without_root(errno: Errno) -> Self {
        if is_trouble(errno) { Self::Failed(errno) } else { Self::Nothing }
    }
}

/// The machine's, or that of a name that changes all the time.
fn is_trouble(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::EIO | Errno::EAGAIN | Errno::ESTALE
    )
}

/// A directory, or the file that is mapped in place of one.
pub(super) struct Root<'a> {
    path: &'a Path,
    fd: OwnedFd,
    resolver: Resolver,
}

impl<'a> Root<'a> {
    /// # Errors
    /// As open(2).
    pub(super) fn open(path: &'a Path, resolver: Resolver) -> nix::Result<Self> {
        let fd = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Self { path, fd, resolver })
    }

    /// Opens `path`, which is relative, below this directory. Nothing is waited for.
    pub(super) fn below(&self, path: &Path) -> Opened {
        Opened::new(self.resolver.open(self.fd.as_fd(), path))
    }

    /// The same for a path that [`Root::below`] found to lead out, or could not follow: where it really ends, if that is
    /// below this directory (an absolute link) or one of these.
    pub(super) fn where_it_ends(&self, path: &Path, safe: &[PathBuf]) -> Opened {
        // Nobody may find out by `..` what there is beside the directory.
        if !stays_below(path) {
            return Opened::Outside;
        }
        let Ok(real) = self.path.join(path).canonicalize() else { return Opened::Nothing };
        for place in std::iter::once(self.path).chain(safe.iter().map(PathBuf::as_path)) {
            let Ok(place) = place.canonicalize() else { continue };
            let Ok(rest) = real.strip_prefix(&place) else { continue };
            let rest = if rest.as_os_str().is_empty() { Path::new(".") } else { rest };
            // Followed once more from the directory: what became a link in the meantime leads nowhere.
            return match Root::open(&place, self.resolver) {
                Ok(root) => root.below(rest),
                Err(errno) => Opened::without_root(errno),
            };
        }
        Opened::Outside
    }
}

/// No `..` goes up further than the path went down.
fn stays_below(path: &Path) -> bool {
    let mut depth = 0_usize;
    path.components().all(|component| {
        let next = match component {
            Component::ParentDir => depth.checked_sub(1),
            Component::Normal(_) => depth.checked_add(1),
            _ => Some(depth),
        };
        depth = next.unwrap_or(0);
        next.is_some()
    })
}

/// A file that is mapped by itself.
pub(super) fn mapped(path: &Path) -> Opened {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    Opened::new(open(path, flags, Mode::empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_counted() {
        for (path, stays) in [
            ("a/../b", true),
            ("./a", true),
            ("..", false),
            ("a/../../a", false),
            ("a/b/../..", true),
        ] {
            assert_eq!(stays_below(Path::new(path)), stays, "{path}");
        }
    }
}
