//! Commands that one process gives to another instance, and the exit statuses that scripts know from uWSGI
//! (behaviour note 2.7).
//!
//! A command is one exchange of this process alone: nothing here serves, starts threads or keeps state. Every wait
//! for a peer is bounded, but for what `connect-and-read` prints: that ends when the peer does.

pub mod commands;
pub mod door;
mod error;
mod node;
mod pidfile;
mod print;
mod remote;

use std::io;
use std::time::Duration;

use crate::config::Inquiry;
use crate::log;
use crate::sys::signal::Signal;

use error::ControlError;

/// Longest wait for the answer to a ping, where `ping-timeout` says nothing; uWSGI's.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// Longest wait for a connection or an answer of all other commands; uWSGI's `socket-timeout`.
const PEER_TIMEOUT: Duration = Duration::from_secs(4);

/// Commands that are a signal to the process in a pid file; that of `pause` (`suspend`, `resume`) is a toggle.
const SIGNALS: &[(&str, Signal)] = &[("stop", Signal::SIGINT), ("pause", Signal::SIGTSTP)];

/// Performs the command; its answer goes to standard output, what is wrong to the log. Returns the exit status.
pub fn run(inquiry: &Inquiry, ping_timeout: Option<Duration>) -> i32 {
    let Inquiry { name, target } = inquiry;
    // 0 is no wish, as in uWSGI.
    let ping_timeout = ping_timeout.filter(|timeout| !timeout.is_zero());
    match perform(name, target, ping_timeout.unwrap_or(PING_TIMEOUT)) {
        Ok(()) => 0,
        Err(error) => {
            log::line(format_args!("--{name} {target}: {error}"));
            error.status()
        }
    }
}

fn perform(name: &'static str, target: &str, ping_timeout: Duration) -> Result<(), ControlError> {
    if let Some((_, signal)) = SIGNALS.iter().find(|(known, _)| *known == name) {
        return pidfile::signal(target, *signal);
    }
    match name {
        "reload" => pidfile::reload(target),
        "sites" => pidfile::sites(target, &mut io::stdout().lock()),
        "ping" => remote::ping(target, ping_timeout),
        "signal" => remote::signal(target),
        "connect-and-read" => print::connection(target, &mut io::stdout().lock()),
        "extract" => print::content(target, &mut io::stdout().lock()),
        _ => Err(ControlError::NoSuchCommand),
    }
}
