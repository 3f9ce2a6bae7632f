//! Bounds how often something is told that others can make happen as often as they like.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Lines of one kind in a second.
const LINES_PER_SECOND_MAX: u64 = 5;

/// One kind of line in one process. Two threads may rarely write a line too much.
#[derive(Debug, Default)]
pub struct Throttle {
    /// Unix time of the lines that are counted.
    second: AtomicU64,
    /// Lines in it.
    lines: AtomicU64,
    /// Lines that were left out since the last one.
    left_out: AtomicU64,
}

impl Throttle {
    /// Whether a line may be written now; then how many were left out before it.
    pub fn admits(&self, now_s: u64) -> Option<u64> {
        if self.second.swap(now_s, Relaxed) != now_s {
            self.lines.store(0, Relaxed);
        }
        if self.lines.fetch_add(1, Relaxed) < LINES_PER_SECOND_MAX {
            return Some(self.left_out.swap(0, Relaxed));
        }
        self.left_out.fetch_add(1, Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_few_lines_and_a_number() {
        let throttle = Throttle::default();
        let admitted = (0..100).filter(|_| throttle.admits(7).is_some()).count() as u64;
        assert_eq!(admitted, LINES_PER_SECOND_MAX);
        assert_eq!(throttle.admits(8), Some(100 - LINES_PER_SECOND_MAX));
        assert_eq!(throttle.admits(8), Some(0));
    }
}
