//! Blobs that do not fit into a datagram: cut into parts, acknowledged, sent again where they are lost. Pure: time and messages come
//! from outside, messages to send go out.
//!
//! A sender has 16 parts on their way at a time. The receiver acknowledges each with all that it has. What is not
//! acknowledged after 200 ms is sent again, then after twice as long, up to a second; what others have overtaken by three, at once. Who
//! receives a blob gets it once, in whole or not at all; the sender hears that it arrived, or that it may not have.

use std::collections::HashMap;

use crate::id::{Millis, NodeKey, Peer, TransferId};
use crate::wire::{Blob, CHUNK_BYTES, Message};

mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

use incoming::Incoming;
use outgoing::Outgoing;

/// Bytes of a blob.
pub const BLOB_BYTES_MAX: usize = 4 << 20;
/// Parts of a blob on their way.
pub const WINDOW_CHUNKS: u32 = 16;
/// Unfinished blobs that come in.
pub const INCOMING_MAX: usize = 64;
/// Bytes of all of them.
pub const INCOMING_BYTES_MAX: usize = 16 << 20;
/// Unfinished blobs that come in from one peer. No more than so many are sent to one at a time: others wait.
pub const PEER_MAX: usize = 4;
/// Blobs that go out or wait to.
pub const OUTGOING_MAX: usize = 256;
/// Bytes of all of them.
pub const OUTGOING_BYTES_MAX: usize = 64 << 20;
/// Finished blobs that are remembered, so that none is delivered twice.
pub const FINISHED_MAX: usize = 4_096;
/// How long a sender waits first for an acknowledgement, in milliseconds.
pub const AGAIN_MS_MIN: Millis = 200;
/// And how long at the most.
pub const AGAIN_MS_MAX: Millis = 1_000;
/// A sender gives up so many milliseconds after the last new acknowledgement.
pub const SILENCE_MS_MAX: Millis = 10_000;
/// A receiver forgets an unfinished blob so many milliseconds after its last part.
pub const UNFINISHED_MS_MAX: Millis = 15_000;
/// How long a finished blob is remembered, in milliseconds.
pub const FINISHED_MS: Millis = 30_000;

/// A blob that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// From whom.
    pub from: Peer,
    /// Its number, chosen by its sender.
    pub transfer: TransferId,
    /// What it is.
    pub kind: Blob,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// What became of a blob that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub transfer: TransferId,
    /// To whom.
    pub to: Peer,
    /// It arrived, or it is not known to.
    pub result: Result<(), TransferError>,
}

/// Why a blob did not arrive, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// More than [`BLOB_BYTES_MAX`].
    #[error("more than {BLOB_BYTES_MAX} bytes")]
    TooLarge,
    /// More than [`OUTGOING_MAX`] or [`OUTGOING_BYTES_MAX`] wait already.
    #[error("too much is waiting to be sent")]
    Full,
    /// No acknowledgement for [`SILENCE_MS_MAX`].
    #[error("no answer for 10 seconds")]
    Silent,
    /// The receiver does not want it.
    #[error("refused: {0}")]
    Refused(String),
}

/// All blobs of a node, in both directions.
#[derive(Debug)]
pub struct Transfers {
    next_id: u64,
    /// In the order in which they were given.
    outgoing: Vec<Outgoing>,
    incoming: Incoming,
    /// Told by the next [`Transfers::tick`].
    ended: Vec<Ended>,
    /// Something is to be done since then.
    due: Option<Millis>,
}

impl Transfers {
    /// Numbers blobs from `seed` on: another number in each life.
    pub fn new(seed: u64) -> Self {
        Self {
            next_id: seed,
            outgoing: Vec::new(),
            incoming: Incoming::default(),
            ended: Vec::new(),
            due: None,
        }
    }

    /// Begins to send a blob, with the next [`Transfers::tick`]. What becomes of it is told there, too where it cannot even begin.
    pub fn start(&mut self, now: Millis, to: Peer, kind: Blob, bytes: Vec<u8>) -> TransferId {
        let transfer = TransferId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let waiting: usize = self.outgoing.iter().map(Outgoing::bytes).sum();
        let fault = if bytes.len() > BLOB_BYTES_MAX {
            Some(TransferError::TooLarge)
        } else if self.outgoing.len() >= OUTGOING_MAX || waiting + bytes.len() > OUTGOING_BYTES_MAX
        {
            Some(TransferError::Full)
        } else {
            None
        };
        match fault {
            Some(fault) => self.end(now, transfer, to, Err(fault)),
            None => self.outgoing.push(Outgoing::new(transfer, to, kind, bytes)),
        }
        self.due.get_or_insert(now);
        transfer
    }

    /// Takes a message of a transfer; others are nothing to it. What is to be sent at once is put into `out`.
    pub fn receive(
        &mut self,
        now: Millis,
        from: Peer,
        message: &Message,
        out: &mut Vec<(Peer, Message)>,
    ) -> Option<Arrived> {
        match message {
            Message::Chunk { .. } => {
                let (answer, arrived) = self.incoming.receive(now, from, message);
                out.extend(answer.map(|answer| (from, answer)));
                return arrived;
            }
            Message::ChunkAck { transfer, next, later } => {
                let at = self.outgoing.iter().position(|sent| sent.is(*transfer, from))?;
                let sent = &mut self.outgoing[at];
                sent.acknowledge(now, *next, *later, out);
                if sent.is_complete() {
                    let sent = self.outgoing.remove(at);
                    self.end(now, *transfer, sent.to, Ok(()));
                }
            }
            Message::ChunkRefused { transfer, why } => {
                let at = self.outgoing.iter().position(|sent| sent.is(*transfer, from))?;
                let sent = self.outgoing.remove(at);
                self.end(now, *transfer, sent.to, Err(TransferError::Refused(why.clone())));
            }
            _ => {}
        }
        None
    }

    /// Sends what is due, forgets what is old, and tells which blobs have ended since the last call.
    pub fn tick(&mut self, now: Millis, out: &mut Vec<(Peer, Message)>) -> Vec<Ended> {
        self.due = None;
        self.incoming.forget(now);
        let silent = |sent: &mut Outgoing| sent.gives_up_at().is_some_and(|at| at <= now);
        for sent in self.outgoing.extract_if(.., silent) {
            let result = Err(TransferError::Silent);
            self.ended.push(Ended { transfer: sent.transfer, to: sent.to, result });
        }
        let mut peers: HashMap<NodeKey, usize> = HashMap::new();
        for sent in &mut self.outgoing {
            let count = peers.entry(sent.to.key).or_default();
            *count += 1;
            if *count <= PEER_MAX {
                sent.send(now, out);
            }
        }
        std::mem::take(&mut self.ended)
    }

    /// When [`Transfers::tick`] is wanted, at the latest.
    pub fn next_wake(&self) -> Option<Millis> {
        let outgoing = self.outgoing.iter().filter_map(Outgoing::due);
        outgoing.chain(self.incoming.due()).chain(self.due).min()
    }

    fn end(
        &mut self,
        now: Millis,
        transfer: TransferId,
        to: Peer,
        result: Result<(), TransferError>,
    ) {
        self.ended.push(Ended { transfer, to, result });
        self.due.get_or_insert(now);
    }
}

/// Parts of a blob; also one of nothing has one.
fn chunks(total: usize) -> u32 {
    let count = total.div_ceil(CHUNK_BYTES).max(1);
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Where a part lies in its blob.
fn range(number: u32, total: usize) -> std::ops::Range<usize> {
    let start = (number as usize * CHUNK_BYTES).min(total);
    start..(start + CHUNK_BYTES).min(total)
}
