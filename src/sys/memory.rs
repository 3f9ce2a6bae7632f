//! Memory of this process and of others, and limits on it.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Seek, Write};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{SysconfVar, sysconf};

/// A file without a name that holds `bytes`, to be read from its beginning.
///
/// # Errors
/// Out of descriptors or memory.
pub fn file_of(name: &CStr, bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// What a process uses, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory.
    pub rss_bytes: u64,
    /// Address space.
    pub vsz_bytes: u64,
}

/// Usage of this process; zeros where `/proc` is not mounted.
pub fn usage() -> Usage {
    fs::read_to_string("/proc/self/statm").ok().and_then(|text| parse(&text)).unwrap_or_default()
}

/// Usage of another process; zeros where it is gone.
pub fn usage_of(pid: i32) -> Usage {
    let text = fs::read_to_string(format!("/proc/{pid}/statm"));
    text.ok().and_then(|text| parse(&text)).unwrap_or_default()
}

/// What a process costs, with what it shares divided among those who share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Proportional set: its own memory, and of shared pages its part.
    pub pss_bytes: u64,
    /// Unique set: what would be free without it.
    pub uss_bytes: u64,
}

/// The share of a process; `None` where it is gone, belongs to somebody else, or the kernel is older than 4.14. The
/// kernel walks all its pages for it: milliseconds for a large process, so not for every request.
pub fn share_of(pid: i32) -> Option<Share> {
    parse_rollup(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?)
}

/// Size of a memory page in bytes.
pub fn page_bytes() -> u64 {
    sysconf(SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|size| u64::try_from(size).ok())
        .unwrap_or(4096)
}

/// Limits the address space of this process and its children (`limit-as`).
///
/// # Errors
/// When the hard limit is lower and the process may not raise it.
pub fn limit_address_space(bytes: u64) -> std::io::Result<()> {
    Ok(setrlimit(Resource::RLIMIT_AS, bytes, bytes)?)
}

/// Most processes of this user; `None` without a limit.
pub fn processes_max() -> Option<u64> {
    soft_limit(Resource::RLIMIT_NPROC)
}

/// Most open files of this process; `None` without a limit.
pub fn open_files_max() -> Option<u64> {
    soft_limit(Resource::RLIMIT_NOFILE)
}

fn soft_limit(resource: Resource) -> Option<u64> {
    let (soft, _) = getrlimit(resource).ok()?;
    (soft != nix::sys::resource::RLIM_INFINITY).then_some(soft)
}

/// `statm`: pages of address space, then resident pages.
fn parse(statm: &str) -> Option<Usage> {
    let mut pages = statm.split_ascii_whitespace().map(|field| field.parse::<u64>().ok());
    let page = page_bytes();
    let vsz_bytes = pages.next()?? * page;
    Some(Usage { rss_bytes: pages.next()?? * page, vsz_bytes })
}

/// `smaps_rollup`: a line of addresses, then `Name:   N kB`.
fn parse_rollup(text: &str) -> Option<Share> {
    let bytes = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kibibytes.checked_mul(1024)
    };
    let uss_bytes = bytes("Private_Clean")? + bytes("Private_Dirty")?;
    Some(Share { pss_bytes: bytes("Pss")?, uss_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_at_most_what_is_resident() {
        let own = i32::try_from(std::process::id()).expect("a pid is positive");
        let share = share_of(own).expect("the kernel has smaps_rollup");
        assert!(share.uss_bytes > 0 && share.uss_bytes <= share.pss_bytes, "{share:?}");
        assert_eq!(share_of(0), None);
        assert_eq!(parse_rollup("00-ff ---p 0 0 0 [rollup]\nRss: 8 kB\nPss: x kB\n"), None);
    }

    #[test]
    fn another_process_is_seen_as_it_sees_itself() {
        let own = i32::try_from(std::process::id()).expect("a pid is positive");
        assert!(usage_of(own).rss_bytes > 100_000);
        assert_eq!(usage_of(0), Usage::default());
    }

    #[test]
    fn this_process_uses_memory() {
        let usage = usage();
        assert!(usage.rss_bytes > 100_000 && usage.vsz_bytes > usage.rss_bytes, "{usage:?}");
    }

    #[test]
    fn nonsense_is_no_usage() {
        assert_eq!(parse("12"), None);
        assert_eq!(parse("a b"), None);
    }
}
