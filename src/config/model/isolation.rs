//! What the processes may use, and what they are kept apart from.

use std::path::PathBuf;

use crate::sys::capabilities::Capabilities;
use crate::sys::namespace::Namespaces;

/// Limits, namespaces, the root of the file system, rights.
#[derive(Clone, Debug, Default)]
pub struct Isolation {
    /// `cpu-affinity`: processors of each worker.
    pub processors: Option<u16>,
    /// `limit-nproc`: processes of the user.
    pub processes_max: Option<u64>,
    /// `max-fd`: open descriptors of each process.
    pub descriptors_max: Option<u64>,
    /// `prio`, from -20 to 20.
    pub priority: Option<i32>,
    /// `unshare`: namespaces to leave before the root changes.
    pub namespaces: Option<Namespaces>,
    /// `unshare2`: namespaces to leave when it has changed.
    pub late_namespaces: Option<Namespaces>,
    /// `jailed`: post-jail hooks run although no namespace is left.
    pub jailed: bool,
    /// `chroot`.
    pub root: Option<PathBuf>,
    /// `pivot-root`: the new root, and where the old one is found.
    pub pivot: Option<(PathBuf, PathBuf)>,
    /// `add-gid`: further groups, by name or number.
    pub groups: Vec<String>,
    /// `no-initgroups`: not the further groups of the user.
    pub no_initgroups: bool,
    /// `cap`: what is left of root's rights.
    pub capabilities: Option<Capabilities>,
    /// `refork*`: forks once more at these moments.
    pub refork: Refork,
}

impl Isolation {
    /// Whether something in it needs root.
    pub fn needs_root(&self) -> bool {
        self.namespaces.is_some()
            || self.late_namespaces.is_some()
            || self.root.is_some()
            || self.pivot.is_some()
            || self.capabilities.is_some()
    }
}

/// When a child goes on in place of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refork {
    /// `refork-post-jail`: when namespaces were left.
    pub post_jail: bool,
    /// `refork-as-root`: before uid and gid take effect.
    pub as_root: bool,
    /// `refork`: when they took effect.
    pub as_user: bool,
}
