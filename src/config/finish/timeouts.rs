//! Requests that take too long: the grades before `harakiri`.

use std::time::Duration;

use super::SECONDS_MAX;
use crate::config::Diagnostic;
use crate::config::model::{Graceful, Timeouts};
use crate::config::values::Values;

/// SIGTERM, as in uWSGI.
const GRACEFUL_SIGNAL: u64 = 15;
/// The last signal that has a name.
const SIGNAL_MAX: u64 = 31;

pub(super) fn timeouts(values: &mut Values<'_>, harakiri: Option<Duration>) -> Timeouts {
    let timeouts = Timeouts {
        log: seconds(values, "harakiri-log"),
        interrupt: seconds(values, "harakiri-interrupt"),
        graceful: graceful(values),
        queue_threshold: values.positive("harakiri-queue-threshold", u64::MAX),
    };
    for (name, grade) in
        [("harakiri-log", timeouts.log), ("harakiri-interrupt", timeouts.interrupt)]
    {
        never_happens(values, name, grade, harakiri);
    }
    timeouts
}

fn seconds(values: &mut Values<'_>, name: &str) -> Option<Duration> {
    values.positive(name, SECONDS_MAX).map(Duration::from_secs)
}

fn graceful(values: &mut Values<'_>) -> Option<Graceful> {
    let signal = values.number("harakiri-graceful-signal", 1..=SIGNAL_MAX);
    let timeout = seconds(values, "harakiri-graceful-timeout")?;
    Some(Graceful { timeout, signal: signal.unwrap_or(GRACEFUL_SIGNAL) as i32 })
}

/// A grade that comes after the last one does nothing.
fn never_happens(
    values: &mut Values<'_>,
    name: &str,
    grade: Option<Duration>,
    harakiri: Option<Duration>,
) {
    let late = grade.zip(harakiri).is_some_and(|(grade, harakiri)| grade >= harakiri);
    if let (true, Some(directive)) = (late, values.last(name)) {
        let text =
            "never happens, because harakiri ends the request before; accepted: less than harakiri";
        values.problems.push(Diagnostic::warning(directive, text));
    }
}
