//! File systems that hooks mount and unmount.

use std::io;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags};

/// What a mount may be, as words of `mount` actions.
const MOUNT_FLAGS: &[(&str, MsFlags)] = &[
    ("ro", MsFlags::MS_RDONLY),
    ("rdonly", MsFlags::MS_RDONLY),
    ("nosuid", MsFlags::MS_NOSUID),
    ("nodev", MsFlags::MS_NODEV),
    ("noexec", MsFlags::MS_NOEXEC),
    ("noatime", MsFlags::MS_NOATIME),
    ("nodiratime", MsFlags::MS_NODIRATIME),
    ("relatime", MsFlags::MS_RELATIME),
    ("strictatime", MsFlags::MS_STRICTATIME),
    ("sync", MsFlags::MS_SYNCHRONOUS),
    ("dirsync", MsFlags::MS_DIRSYNC),
    ("mandlock", MsFlags::MS_MANDLOCK),
    ("silent", MsFlags::MS_SILENT),
    ("bind", MsFlags::MS_BIND),
    ("rbind", MsFlags::MS_BIND.union(MsFlags::MS_REC)),
    ("move", MsFlags::MS_MOVE),
    ("remount", MsFlags::MS_REMOUNT),
    ("rec", MsFlags::MS_REC),
    ("private", MsFlags::MS_PRIVATE),
    ("slave", MsFlags::MS_SLAVE),
    ("shared", MsFlags::MS_SHARED),
    ("unbindable", MsFlags::MS_UNBINDABLE),
];
/// How a file system may be unmounted.
const UNMOUNT_FLAGS: &[(&str, MntFlags)] = &[
    ("force", MntFlags::MNT_FORCE),
    ("detach", MntFlags::MNT_DETACH),
    ("expire", MntFlags::MNT_EXPIRE),
];

/// Checked words of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountFlags(MsFlags);

impl MountFlags {
    /// Words with commas between them; nothing is no flag.
    ///
    /// # Errors
    /// The words that are accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut flags = MsFlags::empty();
        for word in words(text) {
            flags |= find(MOUNT_FLAGS, word)?;
        }
        Ok(Self(flags))
    }
}

/// Checked words of an unmount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnmountFlags(MntFlags);

impl UnmountFlags {
    /// As [`MountFlags::parse`].
    ///
    /// # Errors
    /// The words that are accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut flags = MntFlags::empty();
        for word in words(text) {
            flags |= find(UNMOUNT_FLAGS, word)?;
        }
        Ok(Self(flags))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn find<T: Copy>(table: &[(&str, T)], word: &str) -> Result<T, String> {
    let found = table.iter().find(|(name, _)| *name == word).map(|(_, flag)| *flag);
    found.ok_or_else(|| {
        let names: Vec<_> = table.iter().map(|(name, _)| *name).collect();
        format!("unknown flag {word}; accepted: {}", names.join(", "))
    })
}

/// Mounts a file system of the type `kind` at `directory`.
///
/// # Errors
/// As mount(2); `EPERM` without the rights for it.
pub fn mount(kind: &str, source: &str, directory: &Path, flags: MountFlags) -> io::Result<()> {
    Ok(nix::mount::mount(Some(source), directory, Some(kind), flags.0, None::<&str>)?)
}

/// Unmounts what is mounted at `directory`.
///
/// # Errors
/// As umount(2).
pub fn unmount(directory: &Path, flags: UnmountFlags) -> io::Result<()> {
    Ok(nix::mount::umount2(directory, flags.0)?)
}

/// Keeps what is mounted from now on from reaching other mount namespaces: a new one shares its mounts with the
/// old where the system made them shared, as systemd does.
///
/// # Errors
/// As mount(2).
pub fn keep_to_ourselves() -> io::Result<()> {
    let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    Ok(nix::mount::mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_words() {
        let flags = MountFlags::parse("ro,nosuid").unwrap();
        assert_eq!(flags.0, MsFlags::MS_RDONLY | MsFlags::MS_NOSUID);
        assert_eq!(MountFlags::parse("").unwrap().0, MsFlags::empty());
        assert!(MountFlags::parse("size=1m").unwrap_err().starts_with("unknown flag size=1m"));
        assert_eq!(UnmountFlags::parse("detach").unwrap().0, MntFlags::MNT_DETACH);
        assert!(UnmountFlags::parse("ro").is_err());
    }
}
