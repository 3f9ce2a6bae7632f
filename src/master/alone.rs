//! Processes without a master, as uWSGI has them: the first process is worker 1, the others are forked
//! once and never again. They are not told of its end either: while one lives, requests are served.

use std::sync::atomic::Ordering::Relaxed;

use uwsgi_plugin_api::WorkerId;

use super::child;
use super::context::{Birth, Loading, name_process};
use crate::log;
use crate::shm::PlaceId;
use crate::supervisor::Trial;
use crate::sys::process::{self, Fork, Pid};
use crate::sys::{clock, signal};

/// Loads the applications, then runs worker 1 in this process and the others as its children. Returns worker 1's exit
/// status; in the children it never returns.
pub fn run_without_master(mut loading: Loading) -> i32 {
    if let Err(status) = (loading.hooks.load)() {
        return status;
    }
    let first = process::current();
    let (workers, cores) = (loading.board.workers(), loading.board.cores());
    prepare(&loading, WorkerId(1));
    settle(&loading, WorkerId(1), first);
    let only = if workers == 1 { " (and the only)" } else { "" };
    log::line(format_args!("spawned uWSGI worker 1{only} (pid: {first}, cores: {cores})"));
    for worker in loading.board.worker_ids().skip(1) {
        prepare(&loading, worker);
        (loading.hooks.before_fork)();
        let forked = match process::fork() {
            Ok(Fork::Child) => child::live(&mut loading, birth(worker), first),
            Ok(Fork::Parent(pid)) => Ok(pid),
            Err(error) => Err(error),
        };
        (loading.hooks.after_fork_parent)();
        match forked {
            Ok(pid) => {
                settle(&loading, worker, pid);
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
    name_process(&loading.process_names, format_args!("worker 1"));
    let code = (loading.hooks.worker)(birth(WorkerId(1)));
    loading.vacuum.remove();
    code
}

fn place(worker: WorkerId) -> PlaceId {
    PlaceId(worker.0 - 1)
}

fn birth(worker: WorkerId) -> Birth {
    Birth { worker, place: place(worker), channel: None, trial: Trial::None, first_life: true }
}

fn prepare(loading: &Loading, worker: WorkerId) {
    loading.board.start_life(worker, place(worker), clock::monotonic_ms());
    loading.board.worker(worker).last_spawn_unix.store(clock::unix_seconds(), Relaxed);
    loading.board.seat(worker, Some(place(worker)));
}

fn settle(loading: &Loading, worker: WorkerId, pid: Pid) {
    loading.board.process(place(worker)).pid.store(pid.as_raw(), Relaxed);
}
