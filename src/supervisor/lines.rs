//! Texts that people and scripts look for in the log, as uWSGI writes them (fixtures of 2.0.31).

use std::fmt::Write;

use uwsgi_plugin_api::{CoreId, WorkerId};

use super::{Ended, Millis, Pid, Running};

pub(super) const GRACEFUL_RELOAD: &str = "...gracefully killing workers...";
pub(super) const BRUTAL_RELOAD: &str = "...brutally killing workers...";
pub(super) const STOP: &str = "SIGINT/SIGTERM received...killing workers...";
pub(super) const REEXEC: &str = "binary reloading uWSGI...";
pub(super) const GOODBYE: &str = "goodbye to uWSGI.";
pub(super) const NEED_APP: &str = "need-app requested, destroying the instance...";

pub(super) fn spawned(worker: WorkerId, pid: Pid, cores: u16) -> String {
    format!("spawned uWSGI worker {worker} (pid: {pid}, cores: {cores})")
}

pub(super) fn respawned(worker: WorkerId, pid: Pid) -> String {
    format!("Respawned uWSGI worker {worker} (new pid: {pid})")
}

pub(super) fn draining(worker: WorkerId, pid: Pid) -> String {
    format!("Gracefully killing worker {worker} (pid: {pid})...")
}

/// Seconds are begun ones: uWSGI, which looks once a second, never says 0.
pub(super) fn buried(worker: WorkerId, after_ms: u64) -> String {
    format!("worker {worker} buried after {} seconds", seconds(after_ms).max(1))
}

pub(super) fn recycled(worker: WorkerId, pid: Pid) -> String {
    format!("worker {worker} killed successfully (pid: {pid})")
}

pub(super) fn died(worker: WorkerId, pid: Pid, ended: Ended) -> String {
    let how = match ended {
        Ended::Code(_) => String::new(),
        Ended::Signal(signal) => format!(", killed by signal {signal}"),
    };
    format!("DAMN ! worker {worker} (pid: {pid}) died{how} :( trying respawn ...")
}

/// Ours: uWSGI does not say the status.
pub(super) fn exit_status(worker: WorkerId, pid: Pid, code: i32) -> String {
    format!("worker {worker} (pid: {pid}) exited with status {code}")
}

pub(super) fn load_failed(worker: WorkerId, pid: Pid) -> String {
    format!("OOPS ! failed loading app in worker {worker} (pid {pid})")
}

pub(super) fn no_mercy(worker: WorkerId, pid: Pid) -> String {
    format!("worker {worker} (pid: {pid}) is taking too much time to die...NO MERCY !!!")
}

pub(super) fn throttled(delay_ms: u64) -> String {
    format!(
        "worker respawning too fast !!! i have to sleep a bit ({} seconds)...",
        seconds(delay_ms)
    )
}

pub(super) fn harakiri(worker: WorkerId, pid: Pid) -> String {
    format!("*** HARAKIRI ON WORKER {worker} (pid: {pid}, try: 1, graceful: yes) ***")
}

pub(super) fn harakiri_status(worker: WorkerId) -> String {
    format!("HARAKIRI !!! worker {worker} status !!!")
}

pub(super) fn harakiri_core(core: CoreId, running: &Running) -> String {
    format!(
        "HARAKIRI [core {core}] {} since {}",
        printable(&running.description),
        running.since_unix
    )
}

pub(super) fn harakiri_status_end(worker: WorkerId) -> String {
    format!("HARAKIRI !!! end of worker {worker} status !!!")
}

pub(super) fn harakiri_trigger(worker: WorkerId, core: CoreId) -> String {
    format!("HARAKIRI triggered by worker {worker} core {core} !!!")
}

/// Ours: how long the request had run.
pub(super) fn harakiri_age(
    worker: WorkerId,
    core: CoreId,
    running: &Running,
    now: Millis,
) -> String {
    let tenths = now.since(running.since) / 100;
    format!(
        "HARAKIRI: worker {worker} core {core} was in this request for {}.{} seconds",
        tenths / 10,
        tenths % 10
    )
}

fn seconds(ms: u64) -> u64 {
    ms.div_ceil(1_000)
}

/// The client's bytes must not break the log's lines or the reader's terminal.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        if character.is_control() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{:02x}", u32::from(character));
        } else {
            out.push(character);
        }
        out
    })
}
