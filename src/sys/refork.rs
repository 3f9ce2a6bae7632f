//! A child that goes on in place of this process, which only stands for it outside: into a new pid namespace.

use std::io;
use std::os::fd::AsFd;
use std::process::exit;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::process::{self, Ended, Fork, Pid};
use super::signal::{self, Signal, SignalQueue};

/// Status of a shell for what a signal ended, less the signal's number.
const KILLED: i32 = 128;

/// Forks. The child returns. The parent hands on its signals, waits for the child's end and exits as it did.
///
/// Must run before any thread is started.
///
/// # Errors
/// Process limit, or no memory; in a pid namespace whose init has ended.
pub fn continue_in_child() -> io::Result<()> {
    // No signal may be lost between the fork and the parent's loop.
    signal::hold(&signal::OURS)?;
    match process::fork() {
        Ok(Fork::Child) => signal::release(),
        Ok(Fork::Parent(child)) => match SignalQueue::new(&signal::OURS) {
            Ok(queue) => exit(stand_for(child, &queue)),
            Err(error) => {
                // Nobody could end the child from outside.
                let _ = process::send_signal(child, Signal::SIGKILL);
                Err(error)
            }
        },
        Err(error) => {
            signal::release()?;
            Err(error)
        }
    }
}

/// The exit status of the child.
fn stand_for(child: Pid, queue: &SignalQueue) -> i32 {
    loop {
        // The end of the child is a signal too. An error of poll would be an interruption.
        let _ = poll(&mut [PollFd::new(queue.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE);
        while let Ok(Some(signal)) = queue.take() {
            if signal != Signal::SIGCHLD {
                // A child that is gone is collected below.
                let _ = process::send_signal(child, signal);
            }
        }
        while let Some((pid, ended)) = process::reap() {
            if pid == child {
                return match ended {
                    Ended::Code(code) => code,
                    Ended::Signal(signal) => KILLED + signal,
                };
            }
        }
    }
}
