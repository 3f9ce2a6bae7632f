//! Which datagrams of which senders were seen: a window of sequence numbers for each life.

use std::collections::HashMap;

use super::SealError;
use crate::id::Life;

/// Sequence numbers that are remembered of a sender: how far a datagram may be overtaken by others.
pub(super) const WINDOW: u64 = 1_024;
/// Senders that are remembered, in 600 KiB.
pub(super) const LIVES_MAX: usize = 4_096;

const WORDS: usize = (WINDOW / 64) as usize;

pub(super) struct Replays {
    lives: HashMap<Life, Heard>,
    /// A sender is forgotten when so much time has passed since it sent the last datagram. By then its datagrams are too old to be taken
    /// anyway.
    remember_ms: u64,
}

/// What was heard of a life.
struct Heard {
    /// The largest sequence number.
    newest: u64,
    /// Bit `n % WINDOW` is for number n; those of `newest - WINDOW` and before are other numbers' now.
    seen: [u64; WORDS],
    /// The latest time that a datagram had.
    sent_ms: u64,
}

impl Replays {
    pub(super) fn new(remember_ms: u64) -> Self {
        Self { lives: HashMap::new(), remember_ms }
    }

    /// Remembers a datagram that was checked otherwise.
    ///
    /// # Errors
    /// It was seen, may have been seen, or there is no room to remember it.
    pub(super) fn admit(
        &mut self,
        from: Life,
        sequence: u64,
        sent_ms: u64,
        now_ms: u64,
    ) -> Result<(), SealError> {
        if let Some(heard) = self.lives.get_mut(&from) {
            heard.sent_ms = heard.sent_ms.max(sent_ms);
            return if heard.mark(sequence) { Ok(()) } else { Err(SealError::Replayed) };
        }
        if self.lives.len() >= LIVES_MAX {
            let remember_ms = self.remember_ms;
            self.lives.retain(|_, heard| now_ms.saturating_sub(heard.sent_ms) <= remember_ms);
        }
        if self.lives.len() >= LIVES_MAX {
            return Err(SealError::Forged);
        }
        let mut heard = Heard { newest: sequence, seen: [0; WORDS], sent_ms };
        heard.mark(sequence);
        self.lives.insert(from, heard);
        Ok(())
    }
}

impl Heard {
    /// Whether a number is new.
    fn mark(&mut self, sequence: u64) -> bool {
        if sequence > self.newest {
            let skipped = (sequence - self.newest).min(WINDOW);
            for n in sequence - (skipped - 1)..=sequence {
                let (word, bit) = place(n);
                self.seen[word] &= !bit;
            }
            self.newest = sequence;
        } else if self.newest - sequence >= WINDOW {
            return false;
        }
        let (word, bit) = place(sequence);
        let new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        new
    }
}

fn place(sequence: u64) -> (usize, u64) {
    let at = sequence % WINDOW;
    ((at / 64) as usize, 1 << (at % 64))
}
