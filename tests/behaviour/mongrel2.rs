//! Behind a real Mongrel2, and behind a stand-in for it.
//!
//! The original's plugin loses every answer with today's libzmq (only heads leave it), so these are for ours alone.

use std::path::Path;

use crate::support::mongrel2::Mongrel2;
use crate::support::setup::{Setup, Wire, app};
use crate::support::{Server, process};

/// Ends the test with a printed reason where it cannot be run.
macro_rules! behind_mongrel2 {
    () => {
        ours_only!("its plugin sends no bodies with libzmq 3 or later");
        needs!($crate::support::mongrel2::installed(), "Mongrel2 is not installed");
    };
}

mod clients;
mod garbage;
mod life_cycle;
mod requests;
mod restarts;
mod slow_clients;
mod sockets;
mod uploads;
mod wake_ups;

/// Whether what takes minutes is to run, too.
fn long() -> bool {
    std::env::var_os("UWSGI_LONG_TESTS").is_some()
}

/// A server with the probe application, behind these endpoints.
fn behind(pair: &str) -> Setup {
    serving(pair, "probe.py")
}

/// A server with an application of `tests/apps`, behind these endpoints.
fn serving(pair: &str, name: &str) -> Setup {
    Setup::new(Wire::Http).args(["--zeromq", pair, "--wsgi-file"]).arg(app(name))
}

/// The process that takes messages from Mongrel2.
fn gateway(server: &Server) -> i32 {
    process::child_with(server.pid(), "gateway mongrel2")
}

/// Memory of a process that is its own, in KiB.
fn memory_kib(pid: i32) -> u64 {
    let anonymous = process::status_line(pid, "RssAnon").unwrap_or_default();
    anonymous.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// What the application `marked.py` began: number of the request, process; as often as it was begun.
fn marks(file: &Path) -> Vec<(u64, i32)> {
    let bytes = std::fs::read(file).unwrap_or_default();
    let word = |bytes: &[u8]| u32::from_ne_bytes(bytes.try_into().expect("four bytes"));
    let slots = bytes.chunks_exact(8).map(|slot| (word(&slot[..4]), word(&slot[4..])));
    let begun = (0..).zip(slots).flat_map(|(number, (pid, times))| {
        let pid = i32::try_from(pid).expect("a process");
        std::iter::repeat_n((number, pid), times as usize)
    });
    begun.collect()
}

/// Marks of one server behind `mongrel2` are in this file.
fn marked(mongrel2: &Mongrel2) -> Setup {
    let file = mongrel2.path("marks").display().to_string();
    serving(&mongrel2.pair(0), "marked.py").env("MARKS", &file)
}
