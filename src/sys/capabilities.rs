//! Capabilities of Linux (capabilities(7)): root's rights, one by one.
//!
//! What is kept is put into all five sets, the ambient one among them, so that it outlives the change of the user
//! and an exec of this program; everything else leaves the bounding set too and does not come back.

#![allow(unsafe_code)]

use std::io;

use nix::errno::Errno;

/// Names by number, as the kernel counts, without `CAP_`.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];
/// Number of `setuid`.
const SETUID: u32 = 7;
/// Version 3 of the interface: two words of 32 bits a set.
const VERSION_3: u32 = 0x2008_0522;

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u64);

/// The argument that says which interface and which process.
#[repr(C)]
struct Head {
    version: u32,
    pid: i32,
}

/// One word of the three sets.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Word {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

impl Capabilities {
    /// Names with commas between them, with or without `cap_`, in any case.
    ///
    /// # Errors
    /// The name that is unknown.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut set = 0;
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let name = word.to_ascii_lowercase();
            let name = name.strip_prefix("cap_").unwrap_or(&name);
            let number = NAMES.iter().position(|known| *known == name);
            set |= 1 << number.ok_or_else(|| word.to_owned())?;
        }
        Ok(Self(set))
    }

    /// Whether a process that has them may become any user.
    pub fn may_change_user(self) -> bool {
        self.0 >> SETUID & 1 == 1
    }

    /// Takes everything else from the bounding set, and lets what is permitted outlive the change of the user.
    /// Call it as root, before that change; [`Capabilities::take`] after it.
    ///
    /// # Errors
    /// `EPERM` without `setpcap`.
    pub fn prepare(self) -> io::Result<()> {
        for number in
            (0..NAMES.len()).filter(|number| self.0 >> number & 1 == 0 && bounded(*number))
        {
            match prctl(libc::PR_CAPBSET_DROP, number as libc::c_ulong, 0) {
                // An older kernel does not know the newest ones.
                Err(error) if error.raw_os_error() != Some(libc::EINVAL) => return Err(error),
                _ => {}
            }
        }
        prctl(libc::PR_SET_KEEPCAPS, 1, 0)
    }

    /// Keeps these capabilities and no others.
    ///
    /// # Errors
    /// `EPERM` where the process has not got one of them.
    pub fn take(self) -> io::Result<()> {
        let word = |bits: u32| Word { effective: bits, permitted: bits, inheritable: bits };
        let words = [word(self.0 as u32), word((self.0 >> 32) as u32)];
        let head = Head { version: VERSION_3, pid: 0 };
        // SAFETY: both point to values of the layout that capset(2) reads for version 3 (one head, two words),
        // and they outlive the call.
        let result = unsafe {
            libc::syscall(libc::SYS_capset, &raw const head, (&raw const words).cast::<Word>())
        };
        Errno::result(result)?;
        let ambient = |action, number| prctl(libc::PR_CAP_AMBIENT, action, number);
        ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong, 0)?;
        for number in (0..NAMES.len()).filter(|number| self.0 >> number & 1 == 1) {
            ambient(libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong, number as libc::c_ulong)?;
        }
        Ok(())
    }
}

/// Whether the bounding set has it: to drop what is dropped would need `setpcap` again.
fn bounded(number: usize) -> bool {
    let none: libc::c_ulong = 0;
    // SAFETY: the option takes numbers only.
    unsafe { libc::prctl(libc::PR_CAPBSET_READ, number as libc::c_ulong, none, none, none) == 1 }
}

fn prctl(option: i32, second: libc::c_ulong, third: libc::c_ulong) -> io::Result<()> {
    let none: libc::c_ulong = 0;
    // SAFETY: the options used here take numbers only; unused arguments must be zero.
    Errno::result(unsafe { libc::prctl(option, second, third, none, none) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_names() {
        assert_eq!(Capabilities::parse("chown"), Ok(Capabilities(1)));
        let several = Capabilities::parse("net_bind_service, CAP_SETGID").unwrap();
        assert_eq!(several, Capabilities(1 << 10 | 1 << 6));
        assert_eq!(Capabilities::parse("checkpoint_restore"), Ok(Capabilities(1 << 40)));
        assert_eq!(Capabilities::parse("fly"), Err("fly".to_owned()));
    }
}
