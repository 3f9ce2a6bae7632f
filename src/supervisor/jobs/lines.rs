//! Texts that people and scripts look for in the log, as uWSGI writes them (seen with 2.0.31).

use std::io;
use std::path::Path;

use super::{Ended, Pid};

pub(super) fn cron_registered(command: &str) -> String {
    format!("[uwsgi-cron] command \"{command}\" registered as cron task")
}

pub(super) fn cron_running(command: &str, pid: Pid) -> String {
    format!("[uwsgi-cron] running \"{command}\" (pid {pid})")
}

/// Seconds are begun ones: uWSGI, which looks once a second, never says 0.
pub(super) fn cron_exited(command: &str, pid: Pid, after_ms: u64) -> String {
    let seconds = after_ms.div_ceil(1_000).max(1);
    format!(
        "[uwsgi-cron] command \"{command}\" running with pid {pid} exited after {seconds} second(s)"
    )
}

/// Ours: uWSGI does not say how a command ended.
pub(super) fn cron_went_wrong(command: &str, pid: Pid, ended: Ended) -> String {
    format!("[uwsgi-cron] command \"{command}\" (pid {pid}): {ended}")
}

pub(super) fn cron_harakiri(command: &str, pid: Pid) -> String {
    format!("*** HARAKIRI ON CRON \"{command}\" (pid: {pid}) ***")
}

pub(super) fn cron_failed(command: &str, error: &io::Error) -> String {
    format!("[uwsgi-cron] cannot run \"{command}\": {error}")
}

pub(super) fn cron_too_many(command: &str, runs: usize) -> String {
    format!("[uwsgi-cron] \"{command}\" is not started: {runs} of it still run")
}

pub(super) fn stopping(pid: Pid, command: &str) -> String {
    format!("[uwsgi-daemons] stopping daemon (pid: {pid}): {command}")
}

pub(super) fn no_mercy(pid: Pid, command: &str) -> String {
    format!("[uwsgi-daemons] daemon did not die in time, killing (pid: {pid}): {command}")
}

pub(super) fn annihilated(pid: Pid, command: &str) -> String {
    format!("daemon \"{command}\" (pid: {pid}) annihilated")
}

pub(super) fn daemon_ended(pid: Pid, command: &str, ended: Ended) -> String {
    format!("[uwsgi-daemons] \"{command}\" (pid: {pid}) {ended}")
}

pub(super) fn daemon_failed(command: &str, error: &io::Error) -> String {
    format!("[uwsgi-daemons] cannot run \"{command}\": {error}")
}

pub(super) fn throttling(command: &str, pause_ms: u64) -> String {
    format!("[uwsgi-daemons] throttling \"{command}\" for {} seconds", pause_ms / 1_000)
}

pub(super) fn valid_pidfile(command: &str, pid: Pid) -> String {
    format!("[uwsgi-daemons] found valid/active pidfile for \"{command}\" (pid: {pid})")
}

pub(super) fn changed_pid(command: &str, old: Pid, new: Pid) -> String {
    format!("[uwsgi-daemons] found changed pid for \"{command}\" (old_pid: {old} new_pid: {new})")
}

pub(super) fn did_not_daemonize(command: &str) -> String {
    format!("[uwsgi-daemons] \"{command}\" did not daemonize !!!")
}

pub(super) fn daemon_touched(path: &Path, command: &str, pid: Pid) -> String {
    let path = path.display();
    format!("*** {path} has been touched... reloading daemon \"{command}\" (pid: {pid}) !!! ***")
}

pub(super) fn cannot_stat(path: &Path) -> String {
    let path = path.display();
    format!("unable to stat() {path}, events will be triggered as soon as the file is created")
}

pub(super) fn touched(path: &Path, what: &str) -> String {
    format!("*** {} has been touched... {what} !!! ***", path.display())
}

pub(super) fn fs_registered(path: &Path) -> String {
    format!("[uwsgi-fsmon] registered monitor for \"{}\"", path.display())
}

pub(super) fn fs_event(path: &Path) -> String {
    format!("[uwsgi-fsmon] detected event on \"{}\"", path.display())
}

pub(super) fn touch_running(command: &str) -> String {
    format!("[uwsgi-touch-exec] running {command}")
}

pub(super) fn touch_went_wrong(pid: Pid, ended: Ended) -> String {
    format!("[uwsgi-touch-exec] the command (pid: {pid}) {ended}")
}

pub(super) fn touch_failed(command: &str, error: &io::Error) -> String {
    format!("[uwsgi-touch-exec] cannot run {command}: {error}")
}

pub(super) fn touch_too_many(command: &str, runs: usize) -> String {
    format!("[uwsgi-touch-exec] {command} is not run: {runs} commands still run")
}
