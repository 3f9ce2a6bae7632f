//! Since when an application has not been heard of, for listeners where that is bounded (`http-timeout`).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::sys::clock;

/// No application is waited for.
const NOBODY: u64 = u64::MAX;

/// Written by the request thread, read by the control thread, which checks what it read by the request's serial number.
#[derive(Debug)]
pub struct Silence {
    /// Monotonic milliseconds, or [`NOBODY`].
    since_ms: AtomicU64,
    /// In milliseconds; [`NOBODY`] without a bound.
    limit_ms: AtomicU64,
}

impl Default for Silence {
    fn default() -> Self {
        Self { since_ms: AtomicU64::new(NOBODY), limit_ms: AtomicU64::new(NOBODY) }
    }
}

impl Silence {
    /// A request begins at `now_ms`.
    pub fn begin(&self, limit: Option<Duration>, now_ms: u64) {
        let limit_ms = limit.map_or(NOBODY, |limit| limit.as_millis() as u64);
        self.since_ms.store(if limit.is_some() { now_ms } else { NOBODY }, Relaxed);
        self.limit_ms.store(limit_ms, Relaxed);
    }

    /// The application did something that its client notices, or goes on after it has waited for its client.
    pub fn heard(&self) {
        if self.limit_ms.load(Relaxed) != NOBODY {
            self.since_ms.store(clock::monotonic_ms(), Relaxed);
        }
    }

    /// From now on the application waits for its client, which has a time-out of its own.
    pub fn client_is_awaited(&self) {
        self.since_ms.store(NOBODY, Relaxed);
    }

    /// When it is too much, in monotonic milliseconds; `None`: never.
    pub fn due_ms(&self) -> Option<u64> {
        let due = self.since_ms.load(Relaxed).saturating_add(self.limit_ms.load(Relaxed));
        (due != NOBODY).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_application_that_has_a_bound_is_ever_due() {
        let silence = Silence::default();
        assert_eq!(silence.due_ms(), None);
        silence.heard();
        silence.begin(None, 5);
        silence.heard();
        assert_eq!(silence.due_ms(), None);
        silence.begin(Some(Duration::from_secs(1)), 5);
        assert_eq!(silence.due_ms(), Some(1_005));
        silence.client_is_awaited();
        assert_eq!(silence.due_ms(), None);
        silence.heard();
        assert!(silence.due_ms() >= Some(1_000));
    }
}
