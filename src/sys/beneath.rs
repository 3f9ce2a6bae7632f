//! Opens files below a directory so that no name leads out of it: the kernel watches every step of the way.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::Mode;

/// A rename beside the way makes the kernel unsure (`EAGAIN`); so often it is asked again.
const TRIES_MAX: u32 = 16;

/// How a name is followed on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolver {
    /// openat2(2), Linux 5.6: symbolic links are followed as long as they stay below.
    Kernel,
    /// Step by step without following any link: an older kernel, or a filter that knows no openat2.
    Steps,
}

impl Resolver {
    /// The best one that works here.
    pub fn probe() -> Self {
        let root = open("/", path_only(), Mode::empty());
        match root.map(|root| beneath(root.as_fd(), Path::new("."), path_only())) {
            Ok(Ok(_)) => Self::Kernel,
            _ => Self::Steps,
        }
    }

    /// Opens `name` below `directory` for reading, without waiting for the other end of a fifo.
    ///
    /// # Errors
    /// As openat(2); `EXDEV` for a name that leads out of the directory, or for one of which that cannot be told
    /// ([`Resolver::Steps`] and a link or `..` on the way).
    pub fn open(self, directory: BorrowedFd<'_>, name: &Path) -> nix::Result<OwnedFd> {
        match self {
            Self::Kernel => beneath(directory, name, reading()),
            Self::Steps => steps(directory, name),
        }
    }
}

fn path_only() -> OFlag {
    OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC
}

fn reading() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC
}

fn beneath(directory: BorrowedFd<'_>, name: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags).resolve(resolve);
    let mut tries = 0;
    loop {
        tries += 1;
        match openat2(directory, name, how) {
            Err(Errno::EAGAIN | Errno::EINTR) if tries < TRIES_MAX => {}
            result => return result,
        }
    }
}

fn steps(directory: BorrowedFd<'_>, name: &Path) -> nix::Result<OwnedFd> {
    let bytes = name.as_os_str().as_bytes();
    if bytes.starts_with(b"/") {
        return Err(Errno::EXDEV);
    }
    let mut parts = bytes.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    let mut next = parts.next();
    let mut at: Option<OwnedFd> = None;
    while let Some(part) = next {
        next = parts.next();
        if part == b".." {
            return Err(Errno::EXDEV);
        }
        let flags = match (&next, bytes.ends_with(b"/")) {
            (Some(_), _) => path_only(),
            (None, true) => reading() | OFlag::O_DIRECTORY,
            (None, false) => reading(),
        };
        let from = at.as_ref().map_or(directory, AsFd::as_fd);
        match openat(from, part, flags | OFlag::O_NOFOLLOW, Mode::empty()) {
            Ok(fd) => at = Some(fd),
            // A link is told from a file that is no directory only by whoever resolves the whole name.
            Err(Errno::ELOOP | Errno::ENOTDIR) => return Err(Errno::EXDEV),
            Err(error) => return Err(error),
        }
    }
    match at {
        Some(fd) => Ok(fd),
        None => openat(directory, ".", reading(), Mode::empty()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A root with a file, a directory, and links of every sort, beside a directory with a secret.
    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("root/sub")).unwrap();
        fs::create_dir(at("root-secret")).unwrap();
        fs::write(at("root-secret/key"), "secret").unwrap();
        fs::write(at("root/file"), "file").unwrap();
        fs::write(at("root/sub/deep"), "deep").unwrap();
        symlink("file", at("root/link")).unwrap();
        symlink("../file", at("root/sub/up")).unwrap();
        symlink("../root-secret", at("root/out")).unwrap();
        symlink("../root-secret/key", at("root/key")).unwrap();
        symlink(at("root/file"), at("root/absolute")).unwrap();
        symlink("/proc/self/root", at("root/magic")).unwrap();
        symlink("loop", at("root/loop")).unwrap();
        dir
    }

    fn read(resolver: Resolver, dir: &tempfile::TempDir, name: &str) -> nix::Result<String> {
        let root = open(&dir.path().join("root"), path_only(), Mode::empty())?;
        let fd = resolver.open(root.as_fd(), Path::new(name))?;
        let mut text = String::new();
        fs::File::from(fd).read_to_string(&mut text).unwrap();
        Ok(text)
    }

    #[test]
    fn no_name_leads_out() {
        let dir = tree();
        for resolver in [Resolver::Kernel, Resolver::Steps] {
            for name in [
                "../root-secret/key",
                "..",
                "sub/../../root-secret/key",
                "/etc/passwd",
                "out/key",
                "key",
                "absolute",
                "magic/etc/passwd",
            ] {
                assert_eq!(read(resolver, &dir, name), Err(Errno::EXDEV), "{resolver:?} {name}");
            }
        }
    }

    #[test]
    fn what_stays_below_is_opened() {
        let dir = tree();
        for resolver in [Resolver::Kernel, Resolver::Steps] {
            assert_eq!(read(resolver, &dir, "file").unwrap(), "file");
            assert_eq!(read(resolver, &dir, ".//sub//deep").unwrap(), "deep");
            assert_eq!(read(resolver, &dir, "sub/none"), Err(Errno::ENOENT));
            assert!(read(resolver, &dir, "file/").is_err());
        }
        assert_eq!(read(Resolver::Kernel, &dir, "link").unwrap(), "file");
        assert_eq!(read(Resolver::Kernel, &dir, "sub/up").unwrap(), "file");
        assert_eq!(read(Resolver::Kernel, &dir, "sub/../file").unwrap(), "file");
        assert_eq!(read(Resolver::Kernel, &dir, "loop"), Err(Errno::ELOOP));
        assert_eq!(read(Resolver::Steps, &dir, "link"), Err(Errno::EXDEV));
    }
}
