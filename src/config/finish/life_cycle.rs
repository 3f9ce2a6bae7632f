//! Reloads, recycling, and the ways to ask for them.

use std::path::PathBuf;
use std::time::Duration;

use super::{SECONDS_MAX, narrow};
use crate::config::model::{Check, LifeCycle};
use crate::config::values::Values;
use crate::sys::machine::Machine;

/// uWSGI's number of fifos.
const FIFOS_MAX: usize = 10;
/// Successors that boot at the same time, and workers that are recycled at it, are at most this many.
const PARALLEL_MAX: u64 = u16::MAX as u64;
/// Share of the workers that are recycled at the same time, in percent.
const RECYCLE_PERCENT: u64 = 25;

pub(super) fn life_cycle(values: &mut Values<'_>, workers: u16, machine: &Machine) -> LifeCycle {
    let seconds = Duration::from_secs;
    let mebibytes = |values: &mut Values<'_>, name: &str| {
        values.positive(name, u64::MAX >> 20).map(|mebibytes| mebibytes << 20)
    };
    let percent = values.number("recycle-share", 1..=100).unwrap_or(RECYCLE_PERCENT);
    LifeCycle {
        gunicorn_signals: gunicorn_signals(values),
        graceful_on_term: values.flag("graceful-on-term"),
        exit_on_reload: values.flag("exit-on-reload"),
        fifos: fifos(values),
        reload_mercy: seconds(values.number("reload-mercy", 0..=SECONDS_MAX).unwrap_or(60)),
        check: check(values),
        retries: narrow(values.number("reload-retry", 0..=u64::from(u16::MAX)), 0),
        boots_max: narrow(
            values.number("reload-parallel", 1..=PARALLEL_MAX),
            u16::try_from(machine.cores).unwrap_or(u16::MAX).max(1),
        ),
        recycles_max: narrow(Some((u64::from(workers) * percent / 100).max(1)), 1),
        max_requests_jitter: values.number("max-requests-jitter", 0..=u64::MAX).unwrap_or(0),
        lame_duck: seconds(values.number("lame-duck", 0..=SECONDS_MAX).unwrap_or(0)),
        lifetime: values.positive("max-worker-lifetime", SECONDS_MAX).map(seconds),
        lifetime_delta: seconds(
            values.number("max-worker-lifetime-delta", 0..=SECONDS_MAX).unwrap_or(0),
        ),
        evil_rss_bytes: mebibytes(values, "evil-reload-on-rss"),
        evil_as_bytes: mebibytes(values, "evil-reload-on-as"),
        replaces: false,
    }
}

fn gunicorn_signals(values: &mut Values<'_>) -> bool {
    let Some(directive) = values.last("signals") else { return false };
    match directive.text() {
        "gunicorn" => true,
        "uwsgi" => false,
        _ => {
            values.error(directive, "no such set of signals; accepted: uwsgi, gunicorn");
            false
        }
    }
}

fn fifos(values: &mut Values<'_>) -> Vec<PathBuf> {
    let given = values.all("master-fifo").to_vec();
    if let Some(surplus) = given.get(FIFOS_MAX) {
        values
            .error(surplus, "too many master fifos; accepted: at most 10, for the commands 0 to 9");
    }
    given.iter().take(FIFOS_MAX).map(|directive| PathBuf::from(directive.text())).collect()
}

/// `METHOD PATH STATUS`.
fn check(values: &mut Values<'_>) -> Option<Check> {
    let directive = values.last("reload-check")?;
    let words: Vec<&str> = directive.text().split_whitespace().collect();
    let check = match words[..] {
        [method, target, status] => status
            .parse()
            .ok()
            .filter(|status| (100..=599).contains(status))
            .filter(|_| method.bytes().all(|byte| byte.is_ascii_uppercase()))
            .filter(|_| target.starts_with('/'))
            .map(|status| Check { method: method.to_owned(), target: target.to_owned(), status }),
        _ => None,
    };
    if check.is_none() {
        values.error(
            directive,
            "no request that could be made; accepted: METHOD PATH STATUS, such as GET /healthz 200",
        );
    }
    check
}
