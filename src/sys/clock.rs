//! Time. Deadlines are on the monotonic clock, which all processes of the machine share.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Milliseconds of the monotonic clock.
#[inline]
pub fn monotonic_ms() -> u64 {
    to_ms(read(ClockId::CLOCK_MONOTONIC))
}

/// Microseconds of the monotonic clock.
#[inline]
pub fn monotonic_us() -> u64 {
    let now = read(ClockId::CLOCK_MONOTONIC);
    now.as_secs() * 1_000_000 + u64::from(now.subsec_micros())
}

/// Milliseconds of the monotonic clock as of the kernel's last tick: up to 10 ms late, about a quarter
/// of the cost. For deadlines of seconds.
#[inline]
pub fn monotonic_coarse_ms() -> u64 {
    to_ms(read(ClockId::CLOCK_MONOTONIC_COARSE))
}

/// Unix time in microseconds.
#[inline]
pub fn unix_us() -> u64 {
    let now = read(ClockId::CLOCK_REALTIME);
    now.as_secs() * 1_000_000 + u64::from(now.subsec_micros())
}

/// Unix time in seconds, up to 10 ms late.
#[inline]
pub fn unix_seconds() -> u64 {
    read(ClockId::CLOCK_REALTIME_COARSE).as_secs()
}

#[inline]
fn read(clock: ClockId) -> Duration {
    // These clocks exist in every kernel since 2.6.32, and the call has no other error.
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}

#[inline]
fn to_ms(time: Duration) -> u64 {
    time.as_secs() * 1_000 + u64::from(time.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_agree() {
        let (ms, us) = (monotonic_ms(), monotonic_us());
        assert!(us / 1_000 >= ms && us / 1_000 - ms < 10_000, "{ms} ms, {us} us");
        assert!(monotonic_coarse_ms() <= monotonic_ms());
        let system = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert!(system.as_secs() - unix_seconds() <= 1);
        assert!(unix_us() / 1_000_000 - system.as_secs() <= 1);
    }
}
