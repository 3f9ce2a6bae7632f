//! The last lines of the log, for who asks for them.

use std::collections::VecDeque;

/// Lines that are remembered.
const LINES_MAX: usize = 1_000;
/// Bytes of a line; what is longer is cut.
const LINE_BYTES_MAX: usize = 1_024;

/// See the module. Lines are numbered from 1 on.
#[derive(Debug, Default)]
pub(super) struct Journal {
    lines: VecDeque<(u64, u64, String)>,
    count: u64,
}

impl Journal {
    /// Keeps a line of this moment (Unix time in milliseconds).
    pub(super) fn add(&mut self, unix_ms: u64, mut line: String) {
        let mut end = line.len().min(LINE_BYTES_MAX);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        self.count += 1;
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back((self.count, unix_ms, line));
    }

    /// Lines with a larger number.
    pub(super) fn after(&self, number: u64) -> Vec<(u64, u64, String)> {
        // Who asks for lines that are not there yet has seen those of an earlier life.
        let number = if number > self.count { 0 } else { number };
        self.lines.iter().filter(|line| line.0 > number).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thousand_lines_are_there_and_long_ones_are_cut() {
        let mut journal = Journal::default();
        for number in 0..1_500_u64 {
            journal.add(number, format!("line {number}"));
        }
        assert_eq!(journal.after(0).len(), 1_000);
        assert_eq!(journal.after(1_499), [(1_500, 1_499, "line 1499".to_owned())]);
        assert_eq!(journal.after(1_500), []);
        assert_eq!(journal.after(9_999).len(), 1_000, "this is another life");
        journal.add(0, "\u{20ac}".repeat(1_000));
        assert_eq!(journal.after(1_500)[0].2.len(), 1_023);
    }
}
