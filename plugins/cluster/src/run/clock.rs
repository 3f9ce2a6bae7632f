//! The two clocks of a node; nothing else in this crate asks for the time.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use crate::id::Millis;

/// Milliseconds of the system's monotonic clock, the one by which the server reads how long a leader leads.
pub(crate) fn monotonic() -> Millis {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC);
    let time = time.expect("every Linux has this clock");
    millis(time.tv_sec()) * 1_000 + millis(time.tv_nsec()) / 1_000_000
}

/// Unix time in milliseconds.
pub(crate) fn unix() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn millis(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
