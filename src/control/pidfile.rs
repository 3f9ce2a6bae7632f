//! Signals to the process whose id is in a file.
//!
//! uWSGI takes a file without a number for process 0, and so signals its own process group: the shell script that
//! called it, or everything in a container. Here only one number is a process, and process 1 only where it runs this
//! program, as in a container; any other would be the init of the machine.

use std::io::Write;

use super::commands::SITES;
use super::{ControlError, door, print};
use crate::config;
use crate::sys::process::{Pid, send_signal};
use crate::sys::signal::Signal;

/// As much of a wrong file is shown, in characters.
const SHOWN_MAX: usize = 40;

/// Sends `signal` to the process whose id is in `file`, which may have a scheme, as in uWSGI.
pub(super) fn signal(file: &str, signal: Signal) -> Result<(), ControlError> {
    let pid = process(file)?;
    send_signal(Pid::from_raw(pid), signal).map_err(|source| ControlError::Kill { pid, source })
}

/// Asks the master whose id is in `file` for a reload and waits for what becomes of it. One that cannot be asked (uWSGI, or
/// an instance without a master) gets the signal instead.
pub(super) fn reload(file: &str) -> Result<(), ControlError> {
    let pid = process(file)?;
    match door::ask(pid, "reload").map_err(ControlError::NoAnswer)? {
        Some(door::Answer::Done | door::Answer::Text(_)) => Ok(()),
        Some(door::Answer::Failed(why)) => Err(ControlError::CommandFailed(why)),
        None => signal(file, Signal::SIGHUP),
    }
}

/// Prints the sites of the master whose id is in `file`, as a table.
pub(super) fn sites(file: &str, output: &mut impl Write) -> Result<(), ControlError> {
    let pid = process(file)?;
    match door::ask(pid, SITES).map_err(ControlError::NoAnswer)? {
        Some(door::Answer::Text(text)) => print::print(text.as_bytes(), output).map(drop),
        Some(door::Answer::Done) => Ok(()),
        Some(door::Answer::Failed(why)) => Err(ControlError::CommandFailed(why)),
        None => Err(ControlError::NoMaster(pid)),
    }
}

fn process(file: &str) -> Result<i32, ControlError> {
    let content = config::read_target(file).map_err(ControlError::Unreadable)?;
    let found = pid(&content).filter(|pid| *pid > 1 || first_is_this_program());
    found.ok_or_else(|| ControlError::NoPid(shown(&content)))
}

/// Whether process 1 runs the same file as this process.
fn first_is_this_program() -> bool {
    let own = std::fs::read_link("/proc/self/exe");
    own.is_ok_and(|own| std::fs::read_link("/proc/1/exe").is_ok_and(|first| first == own))
}

/// The one number that is all of `content` but for blanks around it. 0 and negative numbers are process groups for
/// kill(2).
fn pid(content: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(content.trim_ascii()).ok()?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|pid| digits && *pid > 0)
}

fn shown(content: &[u8]) -> String {
    match content.trim_ascii() {
        [] => "nothing".to_owned(),
        bytes => {
            let text = String::from_utf8_lossy(bytes);
            let end = text.char_indices().nth(SHOWN_MAX).map_or(text.len(), |(at, _)| at);
            format!("{:?}{}", &text[..end], if end < text.len() { "..." } else { "" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_number_is_a_process() {
        for (content, expected) in [
            ("4711\n", Some(4711)),
            (" 4711\r\n", Some(4711)),
            ("2", Some(2)),
            ("", None),
            ("\n", None),
            ("garbage", None),
            ("0\n", None),
            ("1\n", Some(1)),
            ("-4711\n", None),
            ("+4711\n", None),
            ("4711x\n", None),
            ("4711\n4712\n", None),
            ("4294967296\n", None),
            ("2147483648\n", None),
            ("99999999999999999999\n", None),
        ] {
            assert_eq!(pid(content.as_bytes()), expected, "{content:?}");
        }
        assert_eq!(pid(b"\xff\n"), None);
    }

    #[test]
    fn wrong_files_are_shown_in_short() {
        assert_eq!(shown(b" \n"), "nothing");
        assert_eq!(shown(b"a\n"), "\"a\"");
        assert_eq!(shown("é".repeat(41).as_bytes()), format!("{:?}...", "é".repeat(40)));
    }
}
