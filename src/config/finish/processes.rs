//! Master, workers and threads, and how long they live.

use std::time::Duration;

use super::timeouts::timeouts;
use super::{SECONDS_MAX, narrow};
use crate::config::model::Processes;
use crate::config::values::Values;
use crate::sys::machine::Machine;

pub(super) fn processes(values: &mut Values<'_>, machine: &Machine) -> Processes {
    let seconds = Duration::from_secs;
    let harakiri = values.positive("harakiri", SECONDS_MAX).map(seconds);
    Processes {
        master: values.flag("master"),
        workers: narrow(
            values.number_or_auto("processes", 1..=u64::from(u16::MAX), machine.processors as u64),
            1,
        ),
        threads: narrow(values.positive("threads", u64::from(u16::MAX)), 1),
        lazy_apps: values.flag("lazy-apps") || values.flag("lazy"),
        need_app: values.flag("need-app"),
        harakiri,
        max_requests: values.positive("max-requests", u64::MAX),
        max_requests_delta: values.number("max-requests-delta", 0..=u64::MAX).unwrap_or(0),
        min_worker_lifetime: seconds(
            values.number("min-worker-lifetime", 0..=SECONDS_MAX).unwrap_or(10),
        ),
        worker_mercy: seconds(values.number("worker-reload-mercy", 0..=SECONDS_MAX).unwrap_or(60)),
        forkbomb_delay: seconds(values.number("forkbomb-delay", 0..=SECONDS_MAX).unwrap_or(2)),
        die_on_term: values.flag("die-on-term"),
        no_orphans: values.flag("no-orphans"),
        limit_as_bytes: mebibytes(values, "limit-as"),
        timeouts: timeouts(values, harakiri),
        reload_on_rss_bytes: mebibytes(values, "reload-on-rss"),
        reload_on_as_bytes: mebibytes(values, "reload-on-as"),
    }
}

/// An option's mebibytes, in bytes.
fn mebibytes(values: &mut Values<'_>, name: &str) -> Option<u64> {
    values.positive(name, u64::MAX >> 20).map(|mebibytes| mebibytes << 20)
}
