//! The input buffer of a connection.
//!
//! ```text
//!   0        start                       end            capacity
//!   | gone   | received, not yet consumed | room         |
//! ```
//! `start <= end <= capacity`. A request's head stays where it is while the request runs: only
//! [`Input::make_room`] moves bytes, and it is called between requests or while a head is incomplete.

/// Received bytes that are not consumed yet.
#[derive(Debug, Default)]
pub struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    /// Uses memory of an earlier buffer; its length is the capacity.
    pub fn with_memory(bytes: Vec<u8>) -> Self {
        Self { bytes, start: 0, end: 0 }
    }

    /// Gives the memory back where nothing is held.
    pub fn release(&mut self) -> Option<Vec<u8>> {
        if self.is_empty() && !self.bytes.is_empty() {
            (self.start, self.end) = (0, 0);
            return Some(std::mem::take(&mut self.bytes));
        }
        None
    }

    /// Bytes received and not consumed.
    pub fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The same, to change in place (a chunked body is decoded where it lies).
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Number of bytes received and not consumed.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// True when nothing is held.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Drops the first `count` bytes.
    pub fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Drops bytes from the end (they were moved elsewhere).
    pub fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start + len);
    }

    /// Sees to it that `len` bytes fit in all, and at least one more than are held.
    pub fn make_room(&mut self, len: usize) {
        let need = len.max(self.len() + 1);
        if self.bytes.len() - self.start >= need {
            return;
        }
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.bytes.len() < need {
            // At least twice: a head that grows byte by byte must not be read byte by byte.
            self.bytes.resize(need.max(2 * self.bytes.len()), 0);
        }
    }

    /// The room behind the data.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// `count` bytes were written to the room.
    pub fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// Appends bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.make_room(self.len() + bytes.len());
        self.room()[..bytes.len()].copy_from_slice(bytes);
        self.filled(bytes.len());
    }

    /// Puts bytes before those that are held.
    pub fn precede(&mut self, bytes: &[u8]) {
        self.extend(bytes);
        self.data_mut().rotate_right(bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_growth_and_compaction() {
        let mut input = Input::with_memory(vec![0; 8]);
        input.extend(b"abcdefgh");
        input.consume(6);
        input.extend(b"ijklmnop");
        assert_eq!(input.data(), b"ghijklmnop");
        input.consume(10);
        assert!(input.release().is_some());
        assert!(input.release().is_none());
        input.extend(b"abcd");
        input.consume(1);
        input.consume(usize::MAX);
        assert!(input.is_empty(), "all is all, whatever went before");
        input.extend(b"cd");
        input.precede(b"ab");
        assert_eq!(input.data(), b"abcd");
    }
}
