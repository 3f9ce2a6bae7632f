//! Processes as the system sees them.

use std::os::unix::fs::MetadataExt as _;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};

/// Sends `signal`; a process that is gone already is not an error.
pub fn send(pid: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid), signal);
}

/// Whether `pid` exists and is more than a zombie.
pub fn alive(pid: i32) -> bool {
    stat_field(pid, 3).is_some_and(|state| state != "Z" && state != "X")
}

/// The master of a daemon, which has left the group of its test and leads none: ended whatever becomes of the test.
pub struct Daemon(pub i32);

impl Drop for Daemon {
    fn drop(&mut self) {
        if alive(self.0) {
            let group = getpgid(Some(Pid::from_raw(self.0)));
            let killed = group.and_then(|group| killpg(group, Signal::SIGKILL));
            let _ = killed; // it has ended meanwhile
        }
    }
}

/// Live children of `pid`.
pub fn children(pid: i32) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").expect("/proc is there on Linux");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let parent = pid.to_string();
    pids.filter(|&child| stat_field(child, 4).as_deref() == Some(&parent) && alive(child)).collect()
}

/// Live processes of the group `group`: a server and whatever it started that did not leave.
pub fn group(group: i32) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").expect("/proc is there on Linux");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let group = group.to_string();
    pids.filter(|&pid| stat_field(pid, 5).as_deref() == Some(&group) && alive(pid)).collect()
}

/// Device and inode of the program that `pid` runs.
pub fn program(pid: i32) -> Option<(u64, u64)> {
    let data = std::fs::metadata(format!("/proc/{pid}/exe")).ok()?;
    Some((data.dev(), data.ino()))
}

/// Line `key` of `/proc/PID/status`, without the key.
pub fn status_line(pid: i32, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// Whether `pid` catches `signal`, or has it blocked to read it from a descriptor.
pub fn handles(pid: i32, signal: Signal) -> bool {
    let mask =
        |key| u64::from_str_radix(&status_line(pid, key).unwrap_or_default(), 16).unwrap_or(0);
    (mask("SigCgt") | mask("SigBlk")) >> (signal as u32 - 1) & 1 == 1
}

/// Field `number` (as proc(5) counts, from 3) of `/proc/PID/stat`.
fn stat_field(pid: i32, number: usize) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &text[text.rfind(')')? + 2..];
    after_name.split(' ').nth(number - 3).map(str::to_owned)
}

/// A child whose command line has this in it, arguments separated by blanks; waits until it is there.
#[track_caller]
pub fn child_with(parent: i32, wanted: &str) -> i32 {
    let command = |pid: i32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        text.replace('\0', " ")
    };
    let mut found = None;
    super::eventually(&format!("a process of {wanted:?}"), || {
        found = children(parent).into_iter().find(|pid| command(*pid).contains(wanted));
        found.is_some()
    });
    found.expect("it was found")
}
