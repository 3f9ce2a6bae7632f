//! From a fresh fork to a worker.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::exit;
use std::sync::atomic::Ordering::Relaxed;

use super::context::{Birth, Loading, name_process};
use crate::supervisor::exit_code;
use crate::sys::process::{self, Pid};
use crate::sys::signal::{self, Signal};

/// Runs the worker's whole life in the child. Everything that belongs to its maker alone is closed.
pub(super) fn live(loading: &mut Loading, birth: Birth, parent: Pid) -> ! {
    let worker = birth.worker;
    loading.board.process(birth.place).pid.store(process::current().as_raw(), Relaxed);
    // Who asks a worker that is still booting for its state gets no answer, and does no harm.
    if let Err(error) = signal::restore_defaults_but(&[Signal::SIGUSR1, Signal::SIGUSR2]) {
        crate::log::line(format_args!("worker {worker}: {error}"));
    }
    let orphan = loading.no_orphans && !process::die_with_parent(parent).unwrap_or(true);
    if orphan {
        exit(exit_code::END);
    }
    name_process(&loading.process_names, format_args!("worker {worker}"));
    let run = AssertUnwindSafe(|| (loading.hooks.worker)(birth));
    // A panic must not unwind into the loop of which this process is a copy. The panic hook has said what happened.
    exit(catch_unwind(run).unwrap_or(exit_code::FAILURE))
}
