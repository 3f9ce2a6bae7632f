//! A short byte string with one writer and any number of readers, none of which waits.
//!
//! A sequence lock over words: the writer makes the number odd, writes, makes it even again; a reader
//! that saw an odd or a changed number reads again. The words are atomics, so a torn read is detected,
//! not undefined. A writer that was killed in the middle leaves an odd number: readers get `None` until
//! the slot's next owner writes.

use std::sync::atomic::{self, AtomicU64, Ordering};

/// How often a reader tries before it says that there is nothing to read.
const READ_TRIES: usize = 64;

const WORD: usize = size_of::<u64>();

/// The atomic operations a [`SeqBytes`] needs; the model checker brings its own.
pub trait AtomicWord {
    /// Loads the value.
    fn load(&self, order: Ordering) -> u64;
    /// Stores the value.
    fn store(&self, value: u64, order: Ordering);
    /// A memory fence.
    fn fence(order: Ordering);
}

impl AtomicWord for AtomicU64 {
    #[inline]
    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }
    #[inline]
    fn store(&self, value: u64, order: Ordering) {
        self.store(value, order);
    }
    #[inline]
    fn fence(order: Ordering) {
        atomic::fence(order);
    }
}

/// At most `8 * WORDS` bytes. All zero is the empty string.
#[derive(Debug)]
pub struct SeqBytes<const WORDS: usize, A: AtomicWord = AtomicU64> {
    /// Odd while the writer writes.
    sequence: A,
    /// Length in bytes, at most [`Self::CAPACITY`].
    length: A,
    words: [A; WORDS],
}

impl<const WORDS: usize> SeqBytes<WORDS> {
    /// The empty string.
    pub(super) const fn empty() -> Self {
        Self {
            sequence: AtomicU64::new(0),
            length: AtomicU64::new(0),
            words: [const { AtomicU64::new(0) }; WORDS],
        }
    }
}

impl<const WORDS: usize, A: AtomicWord> SeqBytes<WORDS, A> {
    /// Most bytes it holds; `write` cuts what is longer.
    pub const CAPACITY: usize = WORDS * WORD;

    /// Replaces the text by the concatenation of `parts`, cut to [`Self::CAPACITY`] bytes.
    ///
    /// Only the slot's single writer may call this.
    #[inline]
    pub fn write(&self, parts: &[&[u8]]) {
        // Odd also where a writer that was killed left it odd.
        let odd = self.sequence.load(Ordering::Relaxed).wrapping_add(1) | 1;
        self.sequence.store(odd, Ordering::Relaxed);
        A::fence(Ordering::Release); // the odd number is seen before any of the words below
        let length = self.store_words(parts);
        self.length.store(length as u64, Ordering::Relaxed);
        self.sequence.store(odd.wrapping_add(1), Ordering::Release);
    }

    /// Another number after each `write`: who has read the text already need not copy it again.
    #[inline]
    pub fn version(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    /// The text as one `write` left it; `None` while it is being replaced, or was left half written.
    pub fn read(&self) -> Option<Vec<u8>> {
        (0..READ_TRIES).find_map(|_| self.try_read())
    }

    fn store_words(&self, parts: &[&[u8]]) -> usize {
        let mut words = self.words.iter();
        let mut pending = [0; WORD];
        let mut filled = 0;
        let mut length = 0;
        for part in parts {
            let mut rest = &part[..part.len().min(Self::CAPACITY - length)];
            length += rest.len();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(WORD - filled));
                pending[filled..filled + now.len()].copy_from_slice(now);
                filled += now.len();
                rest = later;
                if filled == WORD {
                    if let Some(word) = words.next() {
                        word.store(u64::from_ne_bytes(pending), Ordering::Relaxed);
                    }
                    filled = 0;
                }
            }
        }
        if filled > 0
            && let Some(word) = words.next()
        {
            word.store(u64::from_ne_bytes(pending), Ordering::Relaxed);
        }
        length
    }

    fn try_read(&self) -> Option<Vec<u8>> {
        let before = self.sequence.load(Ordering::Acquire);
        if before & 1 == 1 {
            return None;
        }
        let length = (self.length.load(Ordering::Relaxed) as usize).min(Self::CAPACITY);
        let mut text = Vec::with_capacity(length.next_multiple_of(WORD));
        for word in &self.words[..length.div_ceil(WORD)] {
            text.extend_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        text.truncate(length);
        A::fence(Ordering::Acquire); // the words above are read before the number below
        (self.sequence.load(Ordering::Relaxed) == before).then_some(text)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn empty<const WORDS: usize>() -> SeqBytes<WORDS> {
        SeqBytes::empty()
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_cut_to_the_capacity(
            writes in prop::collection::vec(
                prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..5), 1..4)
        ) {
            let slot = empty::<8>();
            for parts in &writes {
                let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                slot.write(&parts);
                let mut whole = parts.concat();
                whole.truncate(64);
                prop_assert_eq!(slot.read(), Some(whole));
            }
        }
    }

    #[test]
    fn a_writer_that_died_halfway_hides_the_text_until_the_next_write() {
        let slot = empty::<8>();
        slot.write(&[b"GET /"]);
        slot.sequence.store(slot.sequence.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        assert_eq!(slot.read(), None);
        slot.write(&[b"POST /"]);
        assert_eq!(slot.read().as_deref(), Some(&b"POST /"[..]));
    }

    #[test]
    fn a_new_slot_reads_as_empty() {
        assert_eq!(empty::<8>().read(), Some(Vec::new()));
    }
}

/// Every interleaving of one writer and one reader, with the weak memory order of the model.
/// Run with `RUSTFLAGS="--cfg loom" cargo test --release --lib loom_`.
#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;

    use super::*;

    type Word = loom::sync::atomic::AtomicU64;

    impl AtomicWord for Word {
        fn load(&self, order: Ordering) -> u64 {
            self.load(order)
        }
        fn store(&self, value: u64, order: Ordering) {
            self.store(value, order);
        }
        fn fence(order: Ordering) {
            loom::sync::atomic::fence(order);
        }
    }

    fn empty() -> SeqBytes<2, Word> {
        SeqBytes {
            sequence: Word::new(0),
            length: Word::new(0),
            words: [Word::new(0), Word::new(0)],
        }
    }

    #[test]
    fn loom_a_reader_never_sees_parts_of_two_texts() {
        loom::model(|| {
            let slot = Arc::new(empty());
            let writer = {
                let slot = slot.clone();
                loom::thread::spawn(move || {
                    slot.write(&[b"aaaaaaaaaaaa"]);
                    slot.write(&[b"bbbbbbbb"]);
                })
            };
            if let Some(text) = slot.try_read() {
                let known: [&[u8]; 3] = [b"", b"aaaaaaaaaaaa", b"bbbbbbbb"];
                assert!(known.contains(&text.as_slice()), "torn: {text:?}");
            }
            writer.join().unwrap();
            assert_eq!(slot.try_read().as_deref(), Some(&b"bbbbbbbb"[..]));
        });
    }
}
