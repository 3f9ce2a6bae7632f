//! From a fresh fork to a worker.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::exit;
use std::sync::atomic::Ordering::Relaxed;

use uwsgi_plugin_api::WorkerId;

use super::MasterContext;
use crate::supervisor::exit_code;
use crate::sys::channel::Channel;
use crate::sys::process::{self, Pid};
use crate::sys::signal;

/// Runs the worker's whole life in the child. Everything that belongs to the master alone is closed.
pub(super) fn live(
    context: &mut MasterContext,
    worker: WorkerId,
    channel: Option<Channel>,
    parent: Pid,
) -> ! {
    context.board.worker(worker).pid.store(process::current().as_raw(), Relaxed);
    if let Err(error) = signal::restore_defaults() {
        crate::log::line(format_args!("worker {worker}: {error}"));
    }
    let orphan = context.processes.no_orphans && !process::die_with_parent(parent).unwrap_or(true);
    if orphan {
        exit(exit_code::END);
    }
    context.name_process(format_args!("worker {worker}"));
    let run = AssertUnwindSafe(|| (context.hooks.worker)(worker, channel));
    // A panic must not unwind into the master's loop, of which this process is a copy. The panic hook has
    // said what happened.
    exit(catch_unwind(run).unwrap_or(exit_code::FAILURE))
}
