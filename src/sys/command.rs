//! Commands of the configuration, run by a shell.

#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::process::{Ended, Pid};
use super::signal;

/// The shell where none that was asked for is there.
const SHELL: &str = "/bin/sh";
/// Pause between two looks at a command that has a time limit.
const LOOK_MS: u64 = 10;

/// The first of `candidates` (`binsh`) that is there.
pub fn shell(candidates: &[PathBuf]) -> &Path {
    candidates.iter().find(|path| path.exists()).map_or(Path::new(SHELL), PathBuf::as_path)
}

/// A command that runs. Dropping it neither ends it nor waits for it.
#[derive(Debug)]
pub struct Running(std::process::Child);

/// Starts `command` by `shell -c`. It gets no descriptors but 0 to 2, no blocked signals, and the default
/// dispositions of those that this process ignores while it starts.
///
/// # Errors
/// The shell cannot be started.
pub fn spawn(shell: &Path, command: &str) -> io::Result<Running> {
    let mut process = Command::new(shell);
    process.arg("-c").arg(command);
    // SAFETY: sigaction and sigprocmask, all that `restore_defaults` calls, are async-signal-safe.
    unsafe { process.pre_exec(signal::restore_defaults) };
    Ok(Running(process.spawn()?))
}

impl Running {
    /// Its process id, until it was waited for.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.0.id()).unwrap_or(i32::MAX))
    }

    /// Waits for its end, for `limit` at the longest; after that it is killed.
    ///
    /// # Errors
    /// Somebody else has waited for it.
    pub fn wait(mut self, limit: Option<Duration>) -> io::Result<Ended> {
        let Some(limit) = limit else { return Ok(ended(self.0.wait()?)) };
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(ended(status));
            }
            if Instant::now() >= until {
                self.0.kill()?;
                return Ok(ended(self.0.wait()?));
            }
            std::thread::sleep(Duration::from_millis(LOOK_MS));
        }
    }
}

fn ended(status: std::process::ExitStatus) -> Ended {
    match status.code() {
        Some(code) => Ended::Code(code),
        None => Ended::Signal(status.signal().unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_shell_that_is_there_is_taken() {
        let candidates = ["/nonexistent".into(), "/proc/self/exe".into()];
        assert_eq!(shell(&candidates), Path::new("/proc/self/exe"));
        assert_eq!(shell(&candidates[..1]), Path::new(SHELL));
    }

    #[test]
    fn the_end_of_a_command_is_told() {
        let run = |command, limit| spawn(Path::new(SHELL), command).unwrap().wait(limit).unwrap();
        assert_eq!(run("exit 7", None), Ended::Code(7));
        assert_eq!(run("kill -TERM $$", Some(Duration::MAX / 4)), Ended::Signal(15));
        assert_eq!(run("exec sleep 1000", Some(Duration::ZERO)), Ended::Signal(9));
    }
}
