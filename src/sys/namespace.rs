//! Namespaces of the kernel, and the root of the file system.

use std::fmt;
use std::io;
use std::path::Path;

use nix::sched::CloneFlags;

use super::mount;

/// Namespaces by the names that people write; uWSGI's are `fs`, `pid`, `ipc`, `uts`, `net`, `user`.
const NAMES: [(&str, CloneFlags); 10] = [
    ("mount", CloneFlags::CLONE_NEWNS),
    ("mnt", CloneFlags::CLONE_NEWNS),
    ("fs", CloneFlags::CLONE_NEWNS),
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("net", CloneFlags::CLONE_NEWNET),
    ("cgroup", CloneFlags::CLONE_NEWCGROUP),
    ("files", CloneFlags::CLONE_FILES),
    ("user", CloneFlags::CLONE_NEWUSER),
    ("pid", CloneFlags::CLONE_NEWPID),
];

/// Namespaces to leave for new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespaces(CloneFlags);

impl Namespaces {
    /// Names with commas between them.
    ///
    /// # Errors
    /// The name that is unknown.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut flags = CloneFlags::empty();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let found = NAMES.iter().find(|(name, _)| *name == word);
            flags |= found.ok_or_else(|| word.to_owned())?.1;
        }
        Ok(Self(flags))
    }

    /// The names that are accepted.
    pub fn names() -> String {
        NAMES.map(|(name, _)| name).join(", ")
    }

    /// Whether there is a namespace of processes among them: only children are born into it, and the first of them
    /// is its init, with whose end all others end.
    pub fn has_processes(self) -> bool {
        self.0.contains(CloneFlags::CLONE_NEWPID)
    }

    /// The number that uWSGI logs.
    pub fn mask(self) -> i32 {
        self.0.bits()
    }

    /// Leaves them for new ones. Mounts that follow stay in the new mount namespace. The process has one thread.
    ///
    /// # Errors
    /// As unshare(2); `EPERM` without the rights for it.
    pub fn unshare(self) -> io::Result<()> {
        nix::sched::unshare(self.0)?;
        if self.0.contains(CloneFlags::CLONE_NEWNS) {
            mount::keep_to_ourselves()?;
        }
        Ok(())
    }
}

/// Makes `directory` the root of the file system, and the working directory.
///
/// # Errors
/// As chroot(2).
pub fn change_root(directory: &Path) -> io::Result<()> {
    nix::unistd::chroot(directory)?;
    std::env::set_current_dir("/")
}

/// Exchanges the root: `new`, which must be a mount, becomes it, the old one is found at `old`, below `new`.
///
/// # Errors
/// As pivot_root(2).
pub fn pivot_root(new: &Path, old: &Path) -> io::Result<()> {
    nix::unistd::pivot_root(new, old)?;
    std::env::set_current_dir("/")
}

/// Sets the name of the machine, of this namespace's.
///
/// # Errors
/// As sethostname(2).
pub fn set_hostname(name: &str) -> io::Result<()> {
    Ok(nix::unistd::sethostname(name)?)
}

impl fmt::Display for Namespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A namespace with several names is shown by its first one.
        let mut left = self.0;
        for (name, flag) in NAMES {
            if left.contains(flag) {
                let comma = if left == self.0 { "" } else { "," };
                write!(f, "{comma}{name}")?;
                left.remove(flag);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_have_names() {
        let both = Namespaces::parse("uts, fs").unwrap();
        assert_eq!(both.0, CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNS);
        assert_eq!(both.to_string(), "mount,uts");
        assert_eq!(both.mask(), 0x0402_0000);
        assert_eq!(Namespaces::parse("uts,bogus"), Err("bogus".to_owned()));
        assert!(Namespaces::parse("pid").unwrap().has_processes() && !both.has_processes());
    }
}
