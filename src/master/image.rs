//! Binary reload: the same process becomes a new image of the program.

use std::io;

use super::MasterContext;
use crate::log;
use crate::sys::memory;
use crate::sys::signal::{self, Signal, SignalQueue};

/// From the start of the program until the master listens: a reload asked for in this time has nothing
/// to reload, and must not end the process as its signal's default would. Call it early in `main`.
///
/// # Errors
/// None with these signals.
pub fn ignore_reload_signals(die_on_term: bool) -> io::Result<()> {
    let brutal = if die_on_term { Signal::SIGQUIT } else { Signal::SIGTERM };
    use Signal::{SIGALRM, SIGHUP, SIGTSTP, SIGUSR1, SIGUSR2};
    signal::ignore(&[SIGHUP, brutal, SIGUSR1, SIGUSR2, SIGALRM, SIGTSTP])
}

/// Replaces the master. Returns only when that failed, listening to signals again.
pub(super) fn replace(context: &MasterContext, signals: &SignalQueue) -> io::Error {
    say_what_happens(context);
    let ready =
        ignore_reload_signals(context.processes.die_on_term).and_then(|()| signal::release());
    let error = match ready.and_then(|()| context.origin.reexec(&context.listeners)) {
        Err(error) => error,
        Ok(never) => match never {},
    };
    match signals.resume(&signal::OURS) {
        Ok(()) => error,
        Err(second) => second,
    }
}

fn say_what_happens(context: &MasterContext) {
    log::line(format_args!("chdir() to {}", context.origin.directory.display()));
    let most = memory::open_files_max().unwrap_or(u64::MAX);
    log::line(format_args!("closing all non-uwsgi socket fds > 2 (max_fd = {most})..."));
    for (id, (name, fd)) in context.listeners.iter().enumerate() {
        log::line(format_args!("found fd {fd} mapped to socket {id} ({name})"));
    }
    log::line(format_args!("running {}", context.origin.program.display()));
}
