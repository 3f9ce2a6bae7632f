//! Texts that people and scripts look for in the log, as uWSGI writes them (fixtures of 2.0.31).

use std::fmt::Write;

use uwsgi_plugin_api::{CoreId, WorkerId};

use super::grades::Grade;
use super::{Ended, Generation, Millis, Pid, Running, Signal};

pub(super) const GRACEFUL_RELOAD: &str = "...gracefully killing workers...";
pub(super) const BRUTAL_RELOAD: &str = "...brutally killing workers...";
pub(super) const GRACEFUL_STOP: &str = "graceful shutdown triggered...";
pub(super) const CHAIN_COMPLETE: &str = "chain reloading complete";
pub(super) const STOP: &str = "SIGINT/SIGTERM received...killing workers...";
pub(super) const CHEAP: &str = "cheap mode enabled: waiting for socket connection...";
pub(super) const GO_CHEAP: &str = "going cheap...";
pub(super) const REEXEC: &str = "binary reloading uWSGI...";
/// The last line of an instance.
pub const GOODBYE: &str = "goodbye to uWSGI.";
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

/// Ours does not say how long ago in Unix seconds.
pub(super) fn inactive(seconds: u64) -> String {
    format!("workers have been inactive for more than {seconds} seconds")
}

pub(super) fn cheaped(worker: WorkerId) -> String {
    format!("uWSGI worker {worker} cheaped.")
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

/// Ours: how often it was tried, and when it is tried again.
pub(super) fn attempts(what: &str, failures: u32, pause_ms: u64) -> String {
    let times = if failures == 1 { "once" } else { &format!("{failures} times") };
    let next = seconds(pause_ms);
    format!("{what} failed {times}; attempt {} follows in {next} seconds", failures + 1)
}

pub(super) fn boot_failed(ended: Ended) -> String {
    format!("the process that loads the application {ended}")
}

pub(super) fn reload_begins(Generation(new): Generation, Generation(old): Generation) -> String {
    format!("reloading: generation {new} is loaded while generation {old} serves")
}

pub(super) fn reload_failed(Generation(number): Generation, why: &str) -> String {
    format!("reload FAILED: {why}; generation {number} goes on serving")
}

pub(super) fn mold_lost(Generation(number): Generation, ended: Ended) -> String {
    format!("the process that forks the workers of generation {number} {ended}; loading it again")
}

pub(super) fn reexec_failed(error: &std::io::Error) -> String {
    format!("unable to execute the new image of the master: {error}; the old one goes on")
}

pub(super) fn wanted(before: u16, now: u16) -> String {
    format!("number of workers changed from {before} to {now}")
}

pub(super) fn paused(paused: bool) -> &'static str {
    match paused {
        true => "*** PAUSE (press start to resume, if you do not have a joypad send SIGTSTP) ***",
        false => "*** (SIGTSTP received) resuming workers ***",
    }
}

pub(super) fn chain_next(worker: WorkerId) -> String {
    format!("chain next victim is worker {worker}")
}

pub(super) fn lifetime(worker: WorkerId, age_ms: u64) -> String {
    let age = age_ms / 1_000;
    format!("worker {worker} lifetime reached, it was running for {age} second(s)")
}

pub(super) fn evil(worker: WorkerId, what: &str, bytes: u64) -> String {
    format!("*** EVIL RELOAD ON WORKER {worker} {what}: {bytes} bytes ***")
}

/// uWSGI calls the first attempt a graceful one even where no signal comes before the kill.
pub(super) fn harakiri(worker: WorkerId, pid: Pid, attempt: u32) -> String {
    let graceful = if attempt == 1 { "yes" } else { "no" };
    format!(
        "*** HARAKIRI ON WORKER {worker} (pid: {pid}, try: {attempt}, graceful: {graceful}) ***"
    )
}

pub(super) fn harakiri_graceful(worker: WorkerId, signal: Signal, next_unix: u64) -> String {
    format!(
        "HARAKIRI: graceful termination attempt on worker {worker} with signal {}. Next harakiri: {next_unix}",
        signal as i32
    )
}

pub(super) fn harakiri_skipped(worker: WorkerId, waiting: u64, threshold: u64) -> String {
    format!(
        "HARAKIRI: Skipping harakiri on worker {worker}. Listen queue is smaller than the threshold ({waiting} < {threshold})"
    )
}

/// Ours: uWSGI has no grades.
pub(super) fn grade(
    grade: Grade,
    (worker, core): (WorkerId, CoreId),
    running: &Running,
    now: Millis,
) -> String {
    let (option, what) = match grade {
        Grade::Log => ("harakiri-log", "its stack"),
        Grade::Interrupt => ("harakiri-interrupt", "it is answered with 504 and interrupted"),
    };
    let request = printable(&running.description);
    let age = seconds_and_tenths(now.since(running.since));
    format!("{option}: worker {worker} core {core} is in {request} for {age} seconds: {what}")
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
    let age = seconds_and_tenths(now.since(running.since));
    format!("HARAKIRI: worker {worker} core {core} was in this request for {age} seconds")
}

fn seconds_and_tenths(ms: u64) -> String {
    format!("{}.{}", ms / 1_000, ms % 1_000 / 100)
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
