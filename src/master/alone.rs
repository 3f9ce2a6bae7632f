//! Processes without a master, as uWSGI has them: the first process is worker 1, the others are forked
//! once and never again. They are not told of its end either: while one lives, requests are served.

use std::sync::atomic::Ordering::Relaxed;

use uwsgi_plugin_api::WorkerId;

use super::{MasterContext, child};
use crate::log;
use crate::sys::process::{self, Fork};
use crate::sys::{clock, signal};

/// Runs worker 1 in this process and the others as its children. Returns worker 1's exit status; in
/// the children it never returns.
pub fn run_without_master(mut context: MasterContext) -> i32 {
    let first = process::current();
    let (workers, cores) = (context.board.workers(), context.board.cores());
    prepare(&context, WorkerId(1));
    context.board.worker(WorkerId(1)).pid.store(first.as_raw(), Relaxed);
    let only = if workers == 1 { " (and the only)" } else { "" };
    log::line(format_args!("spawned uWSGI worker 1{only} (pid: {first}, cores: {cores})"));
    for worker in context.board.worker_ids().skip(1) {
        prepare(&context, worker);
        (context.hooks.before_fork)();
        let forked = match process::fork() {
            Ok(Fork::Child) => child::live(&mut context, worker, None, first),
            Ok(Fork::Parent(pid)) => Ok(pid),
            Err(error) => Err(error),
        };
        (context.hooks.after_fork_parent)();
        match forked {
            Ok(pid) => {
                context.board.worker(worker).pid.store(pid.as_raw(), Relaxed);
                log::line(format_args!(
                    "spawned uWSGI worker {worker} (pid: {pid}, cores: {cores})"
                ));
            }
            Err(error) => log::line(format_args!("fork(): {error}; worker {worker} is missing")),
        }
    }
    if let Err(error) = signal::restore_defaults() {
        log::line(format_args!("worker 1: {error}"));
    }
    context.name_process(format_args!("worker 1"));
    let code = (context.hooks.worker)(WorkerId(1), None);
    context.vacuum.remove();
    code
}

fn prepare(context: &MasterContext, worker: WorkerId) {
    context.board.start_life(worker, clock::monotonic_ms(), clock::unix_seconds());
}
