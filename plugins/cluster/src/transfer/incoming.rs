//! Blobs that come from other nodes.

use std::collections::{HashMap, VecDeque};

use super::{
    Arrived, BLOB_BYTES_MAX, FINISHED_MAX, FINISHED_MS, INCOMING_BYTES_MAX, INCOMING_MAX, PEER_MAX,
    UNFINISHED_MS_MAX, chunks, range,
};
use crate::id::{Millis, Peer, TransferId};
use crate::wire::{Blob, Message};

/// Sender, and the number that it chose.
type Key = (Peer, TransferId);

#[derive(Debug, Default)]
pub(super) struct Incoming {
    unfinished: HashMap<Key, Parts>,
    /// Number of parts of those that were delivered.
    finished: HashMap<Key, u32>,
    /// The same, the oldest first, with the time.
    finished_order: VecDeque<(Millis, Key)>,
}

/// A blob of which parts have come.
#[derive(Debug)]
struct Parts {
    kind: Blob,
    /// As long as the whole.
    bytes: Vec<u8>,
    /// The first part that is missing.
    next: u32,
    /// Bit n: part `next + 1 + n` is there.
    later: u64,
    heard: Millis,
}

impl Incoming {
    /// Takes a part. Gives the answer, and the blob where it was the last.
    pub(super) fn receive(
        &mut self,
        now: Millis,
        from: Peer,
        message: &Message,
    ) -> (Option<Message>, Option<Arrived>) {
        let Message::Chunk { transfer, kind, number, total, bytes } = message else {
            return (None, None);
        };
        let (transfer, key, total) = (*transfer, (from, *transfer), *total as usize);
        if let Some(count) = self.finished.get(&key) {
            return (Some(Message::ChunkAck { transfer, next: *count, later: 0 }), None);
        }
        let is_part = *number < chunks(total) && range(*number, total).len() == bytes.len();
        let admitted = if is_part {
            self.admit(now, key, *kind, total)
        } else {
            Err("a part that the blob has not")
        };
        if let Err(why) = admitted {
            let why = why.to_owned();
            return (Some(Message::ChunkRefused { transfer, why }), None);
        }
        let parts = self.unfinished.entry(key).or_insert_with(|| Parts::new(*kind, total));
        parts.heard = now;
        parts.add(*number, bytes);
        let (next, later) = (parts.next, parts.later);
        let answer = Message::ChunkAck { transfer, next, later };
        if next < chunks(total) {
            return (Some(answer), None);
        }
        let bytes = self.unfinished.remove(&key).map(|parts| parts.bytes).unwrap_or_default();
        self.remember(now, key, next);
        (Some(answer), Some(Arrived { from, transfer, kind: *kind, bytes }))
    }

    /// Whether a part of such a blob may be taken. A blob of one part needs no room: it does not stay.
    fn admit(
        &mut self,
        now: Millis,
        key: Key,
        kind: Blob,
        total: usize,
    ) -> Result<(), &'static str> {
        if let Some(parts) = self.unfinished.get(&key) {
            let same = parts.kind == kind && parts.bytes.len() == total;
            return if same { Ok(()) } else { Err("another blob has this number") };
        }
        if total > BLOB_BYTES_MAX {
            return Err("the blob is too large");
        }
        if chunks(total) == 1 {
            return Ok(());
        }
        self.forget(now);
        let of_peer = self.unfinished.keys().filter(|(peer, _)| peer.key == key.0.key).count();
        let bytes: usize = self.unfinished.values().map(|parts| parts.bytes.len()).sum();
        if of_peer >= PEER_MAX
            || self.unfinished.len() >= INCOMING_MAX
            || bytes + total > INCOMING_BYTES_MAX
        {
            return Err("too many transfers at a time");
        }
        Ok(())
    }

    fn remember(&mut self, now: Millis, key: Key, count: u32) {
        if self.finished_order.len() >= FINISHED_MAX {
            self.forget_oldest();
        }
        self.finished.insert(key, count);
        self.finished_order.push_back((now, key));
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.finished_order.pop_front() {
            self.finished.remove(&key);
        }
    }

    /// Forgets what is old.
    pub(super) fn forget(&mut self, now: Millis) {
        self.unfinished.retain(|_, parts| parts.heard + UNFINISHED_MS_MAX > now);
        while self.finished_order.front().is_some_and(|(at, _)| at + FINISHED_MS <= now) {
            self.forget_oldest();
        }
    }

    /// When the next unfinished one is to be forgotten. Finished ones hold little, and go when somebody looks.
    pub(super) fn due(&self) -> Option<Millis> {
        self.unfinished.values().map(|parts| parts.heard + UNFINISHED_MS_MAX).min()
    }
}

impl Parts {
    fn new(kind: Blob, total: usize) -> Self {
        Self { kind, bytes: vec![0; total], next: 0, later: 0, heard: 0 }
    }

    /// Adds a part of this blob, where it is new and not too far ahead of the others.
    fn add(&mut self, number: u32, part: &[u8]) {
        let Some(ahead) = number.checked_sub(self.next) else { return };
        if ahead > u64::BITS {
            return;
        }
        let total = self.bytes.len();
        self.bytes[range(number, total)].copy_from_slice(part);
        if ahead > 0 {
            self.later |= 1 << (ahead - 1);
            return;
        }
        let together = self.later.trailing_ones();
        self.next += 1 + together;
        self.later = self.later.checked_shr(together + 1).unwrap_or(0);
    }
}
