//! Starts the server under test and speaks to it, so that a test is three lines.
//!
//! The server is the binary named by `UWSGI_BIN` (else ours, as cargo built it). The same tests run against the
//! original: `ours_only!` leaves a test there with its reason, and a test of something ours does not do yet is
//! `#[ignore = "gap: reason"]`; `tests/ignored.sh` fails as soon as such a test passes.

pub mod answer;
pub mod client;
pub mod fastcgi;
pub mod fifo;
pub mod fronts;
pub mod load;
pub mod log;
pub mod mongrel2;
pub mod namespace;
pub mod pattern;
pub mod process;
pub mod python;
pub mod request;
pub mod server;
pub mod setup;
pub mod stand_in;
pub mod temp;
pub mod websocket;

use std::time::{Duration, Instant};

pub use answer::Answer;
pub use client::{Address, Connection};
pub use load::Load;
pub use request::Request;
pub use server::Server;
pub use setup::{Setup, Wire};

/// How long a condition is waited for before the test fails. Generous: only a broken server ever needs it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` holds, and fails the test with `what` where it never does.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends the test with a printed reason where the server under test is the original.
macro_rules! ours_only {
    ($reason:literal) => {
        if $crate::support::setup::original() {
            println!("skipped against the original: {}", $reason);
            return;
        }
    };
}

/// Ends the test with a printed reason unless `$condition` holds on this machine.
macro_rules! needs {
    ($condition:expr, $reason:literal) => {
        if !$condition {
            println!("skipped: {}", format_args!($reason));
            return;
        }
    };
}
