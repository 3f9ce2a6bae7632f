//! How slowly a body may come.
//!
//! `socket-timeout` bounds each silence, so a client that sends a byte a second could hold a connection, or a thread, for
//! hours. A body gets a grace and then has to keep up an average. Only time in which the server waits counts: an
//! application that reads slowly is no fault of the client.

/// The grace is so many of the longest silences: who allows long ones expects slow clients.
const GRACE_SILENCES: u64 = 10;

/// The slowest body that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    bytes_per_s: u32,
    grace_ms: u64,
}

impl Pace {
    /// `silence_ms` is the longest wait for a single piece.
    pub fn new(bytes_per_s: u32, silence_ms: u64) -> Self {
        Self { bytes_per_s, grace_ms: silence_ms.saturating_mul(GRACE_SILENCES) }
    }

    /// Milliseconds that may have been waited for the first `received` bytes.
    pub fn allows_ms(&self, received: u64) -> u64 {
        let earned = received.saturating_mul(1000) / u64::from(self.bytes_per_s.max(1));
        self.grace_ms.saturating_add(earned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_a_second_ends_with_the_grace_and_a_slow_line_does_not() {
        let pace = Pace::new(240, 4_000);
        let lasts = |bytes_per_s: u64| {
            (1..3600).find(|second| second * 1000 > pace.allows_ms(second * bytes_per_s))
        };
        assert_eq!(lasts(1), Some(41));
        assert_eq!(lasts(240), None, "an hour at the lowest rate");
        assert_eq!(pace.allows_ms(u64::MAX), u64::MAX / 240 + 40_000, "no overflow");
    }
}
