//! Clocks.

use nix::time::{ClockId, clock_gettime};

fn read(clock: ClockId) -> (u64, u64) {
    // The clocks used here exist on every Linux; a zero would only make waits end early.
    clock_gettime(clock).map_or((0, 0), |time| (time.tv_sec() as u64, time.tv_nsec() as u64))
}

/// Monotonic time in microseconds.
pub fn monotonic_us() -> u64 {
    let (seconds, nanoseconds) = read(ClockId::CLOCK_MONOTONIC);
    seconds * 1_000_000 + nanoseconds / 1_000
}

/// Monotonic time in milliseconds.
pub fn monotonic_ms() -> u64 {
    let (seconds, nanoseconds) = read(ClockId::CLOCK_MONOTONIC);
    seconds * 1_000 + nanoseconds / 1_000_000
}

/// Seconds since 1970, at the kernel's tick.
pub fn unix_seconds() -> u64 {
    read(ClockId::CLOCK_REALTIME_COARSE).0
}
