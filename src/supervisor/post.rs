//! What is remembered of a worker's number from one process to the next.

use super::Millis;

/// Longest pause before the next attempt, unless `forkbomb-delay` itself is longer.
pub(super) const THROTTLE_MS_MAX: u64 = 30_000;

/// How often something has died at once, in a row, and when to try again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Throttle {
    pub(super) quick_deaths: u32,
    /// Not before this moment.
    pub(super) until: Millis,
}

impl Throttle {
    /// Counts a death and says how long to wait before the next attempt: nothing the first time, then
    /// `first_ms`, doubled each time.
    pub(super) fn penalty_ms(&mut self, quick: bool, first_ms: u64) -> u64 {
        self.quick_deaths = if quick { self.quick_deaths.saturating_add(1) } else { 0 };
        let Some(doublings) = self.quick_deaths.checked_sub(2) else { return 0 };
        let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        first_ms.saturating_mul(factor).min(THROTTLE_MS_MAX.max(first_ms))
    }
}

/// A worker's number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Post {
    pub(super) throttle: Throttle,
    /// It had a process of this master before: the next one is a respawn, unless it is part of a reload.
    pub(super) manned: bool,
}
