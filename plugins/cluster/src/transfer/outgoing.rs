//! One blob on its way to another node.

use super::{AGAIN_MS_MAX, AGAIN_MS_MIN, SILENCE_MS_MAX, WINDOW_CHUNKS, chunks, range};
use crate::id::{Millis, Peer, TransferId};
use crate::wire::{Blob, Message};

/// A part that overtook a missing one by so many says that this is lost.
const OVERTAKEN: u32 = 3;

#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) transfer: TransferId,
    pub(super) to: Peer,
    kind: Blob,
    bytes: Vec<u8>,
    /// All parts before it have arrived.
    next: u32,
    /// Bit n: part `next + 1 + n` has arrived.
    later: u64,
    /// Parts of the window that were sent, part n at `n % WINDOW_CHUNKS`.
    sent: [Option<Sent>; WINDOW_CHUNKS as usize],
    /// No part from here on was sent.
    sent_to: u32,
    again_ms: Millis,
    /// When it began, or something new was acknowledged; `None` while it waits for its turn.
    progress: Option<Millis>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Millis,
    /// Others have overtaken it, and it was sent again for that.
    overtaken: bool,
}

impl Outgoing {
    pub(super) fn new(transfer: TransferId, to: Peer, kind: Blob, bytes: Vec<u8>) -> Self {
        Self {
            transfer,
            to,
            kind,
            bytes,
            next: 0,
            later: 0,
            sent: [None; WINDOW_CHUNKS as usize],
            sent_to: 0,
            again_ms: AGAIN_MS_MIN,
            progress: None,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether an answer of `from` is about it.
    pub(super) fn is(&self, transfer: TransferId, from: Peer) -> bool {
        let life = self.to.life.is_none() || self.to.life == from.life;
        self.transfer == transfer && self.to.key == from.key && life
    }

    pub(super) fn is_complete(&self) -> bool {
        self.next >= chunks(self.bytes.len())
    }

    pub(super) fn gives_up_at(&self) -> Option<Millis> {
        self.progress.map(|progress| progress + SILENCE_MS_MAX)
    }

    /// When it wants to send again, or gives up.
    pub(super) fn due(&self) -> Option<Millis> {
        let missing = self.window().filter(|number| !self.has(*number));
        let again = missing.filter_map(|number| self.sent[slot(number)]);
        let again = again.map(|sent| sent.at + self.again_ms);
        again.chain(self.gives_up_at()).min()
    }

    /// Sends what was not sent yet, and what was not acknowledged in time.
    pub(super) fn send(&mut self, now: Millis, out: &mut Vec<(Peer, Message)>) {
        self.progress.get_or_insert(now);
        let mut late = false;
        for number in self.window() {
            let due = match self.sent[slot(number)] {
                None => true,
                Some(sent) => {
                    let again = !self.has(number) && now >= sent.at + self.again_ms;
                    late |= again;
                    again
                }
            };
            if due {
                self.send_chunk(number, Sent { at: now, overtaken: false }, out);
            }
        }
        if late {
            self.again_ms = (self.again_ms * 2).min(AGAIN_MS_MAX);
        }
    }

    /// What the receiver has. An answer that was overtaken by a later one, or speaks of what was not sent, is nothing.
    pub(super) fn acknowledge(
        &mut self,
        now: Millis,
        next: u32,
        later: u64,
        out: &mut Vec<(Peer, Message)>,
    ) {
        if next < self.next || next > self.sent_to {
            return;
        }
        let ahead = self.sent_to.saturating_sub(next + 1);
        let later = later & 1_u64.checked_shl(ahead).map_or(u64::MAX, |bit| bit - 1);
        let new = next > self.next || later & !self.later != 0;
        if !new {
            return;
        }
        for number in self.next..next.min(self.next + WINDOW_CHUNKS) {
            self.sent[slot(number)] = None;
        }
        self.later = if next > self.next { later } else { self.later | later };
        self.next = next;
        self.progress = Some(now);
        self.again_ms = AGAIN_MS_MIN;
        self.send_overtaken(now, out);
        self.send(now, out);
    }

    fn send_overtaken(&mut self, now: Millis, out: &mut Vec<(Peer, Message)>) {
        let last = self.next + (u64::BITS - self.later.leading_zeros());
        for number in self.next..(last + 1).saturating_sub(OVERTAKEN) {
            let first = self.sent[slot(number)].is_some_and(|sent| !sent.overtaken);
            if first && !self.has(number) {
                self.send_chunk(number, Sent { at: now, overtaken: true }, out);
            }
        }
    }

    fn send_chunk(&mut self, number: u32, sent: Sent, out: &mut Vec<(Peer, Message)>) {
        self.sent[slot(number)] = Some(sent);
        self.sent_to = self.sent_to.max(number + 1);
        let total = self.bytes.len();
        out.push((
            self.to,
            Message::Chunk {
                transfer: self.transfer,
                kind: self.kind,
                number,
                total: u32::try_from(total).expect("a blob has 4 MiB at the most"),
                bytes: self.bytes[range(number, total)].to_vec(),
            },
        ));
    }

    /// Numbers of the parts that may be on their way.
    fn window(&self) -> std::ops::Range<u32> {
        self.next..(self.next + WINDOW_CHUNKS).min(chunks(self.bytes.len()))
    }

    /// Whether a part of the window has arrived.
    fn has(&self, number: u32) -> bool {
        let ahead = number.checked_sub(self.next + 1);
        ahead.is_some_and(|ahead| self.later.checked_shr(ahead).is_some_and(|bits| bits & 1 == 1))
    }
}

fn slot(number: u32) -> usize {
    (number % WINDOW_CHUNKS) as usize
}
