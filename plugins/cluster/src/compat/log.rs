//! Lines in the log that strangers cause: so many a second, then only their number.

use crate::id::Millis;

/// Lines a second.
pub(super) const LINES_MAX: u32 = 100;
const SECOND_MS: Millis = 1_000;

#[derive(Debug, Default)]
pub(super) struct Budget {
    /// When this second ends.
    until: Millis,
    used: u32,
    left_out: u64,
}

impl Budget {
    /// A line, where there is room for it.
    pub(super) fn line(&mut self, now: Millis, line: String) -> Option<String> {
        if now >= self.until {
            self.until = now + SECOND_MS;
            self.used = 0;
        }
        if self.used >= LINES_MAX {
            self.left_out += 1;
            return None;
        }
        self.used += 1;
        Some(line)
    }

    /// Once the second is over: how many lines had no room.
    pub(super) fn left_out(&mut self, now: Millis) -> Option<String> {
        if self.left_out == 0 || now < self.until {
            return None;
        }
        let count = std::mem::take(&mut self.left_out);
        Some(format!("[uWSGI cluster] {count} lines of others were left out"))
    }
}
