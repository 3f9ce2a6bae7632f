//! What a reading saw of the outside, so that it can be read again when the outside has changed.
//!
//! A master that starts itself again, or a process that it starts later, must serve the configuration that was
//! checked, not what has become of its files since. The first reading notes every answer (the text of files, of
//! standard input and of schemes, what paths are and which match a pattern, the folders of variables, the time and
//! the [`Machine`]); a later one takes its answers from there and opens nothing.
//!
//! The command line and the environment are not in it: they are the [`Source`](super::Source), whose owner keeps
//! them.

mod codec;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use codec::Bytes;
pub(super) use codec::Codec;

use super::magic::Place;
use super::read::PathKind;
use super::{Shared, Variable};
use crate::sys::machine::Machine;

/// A snapshot is at most this long, encoded.
const SNAPSHOT_BYTES_MAX: usize = 64 << 20;
/// What an encoded snapshot begins with.
const TITLE: &[u8; 8] = b"uwsgisrc";
/// Changes with whatever `codec` writes.
const VERSION: u32 = 3;
/// Title, version, checksum.
const HEAD_BYTES: usize = 8 + 4 + 8;

/// Why there is no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// More than the bound.
    #[error("the configuration and all that it reads is more than {SNAPSHOT_BYTES_MAX} bytes")]
    TooLong,
    /// By another version of the program.
    #[error("the snapshot of the configuration has version {0}; accepted: {VERSION}")]
    Version(u32),
    /// These bytes are none, or not as they were written.
    #[error("the snapshot of the configuration is damaged")]
    Damaged,
}

/// Answers by what was asked, in the order in which they were given: standard input can be read twice.
pub(super) type Record<A> = BTreeMap<String, VecDeque<A>>;

/// All answers, by kind of question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Files, and whatever a scheme names.
    pub contents: Record<Result<Arc<[u8]>, String>>,
    /// What paths are.
    pub kinds: Record<PathKind>,
    /// Patterns.
    pub paths: Record<Result<Vec<String>, String>>,
    /// Folders of variables.
    pub folders: Record<Result<Vec<Variable>, String>>,
    /// Where files are.
    pub places: Record<Place>,
}

/// What one reading saw.
#[derive(Clone, Debug)]
pub struct Snapshot {
    machine: Machine,
    /// When the reading began, since 1970; encoded in whole microseconds.
    pub(super) began: Duration,
    pub(super) seen: Seen,
    /// Of `seen`, about as it is encoded. Above the bound `seen` is empty.
    bytes: usize,
    /// Options of a cluster, where those were read instead of files.
    shared: Option<Arc<Shared>>,
}

impl Snapshot {
    /// Nothing seen yet.
    pub(super) fn new(machine: &Machine, began: Duration) -> Self {
        Self { machine: machine.clone(), began, seen: Seen::default(), bytes: 0, shared: None }
    }

    /// No file was seen, but these options.
    pub(super) fn of_shared(machine: &Machine, shared: Arc<Shared>) -> Self {
        Self { shared: Some(shared), ..Self::new(machine, Duration::ZERO) }
    }

    /// The options of a cluster that were read instead of files.
    pub fn shared(&self) -> Option<&Arc<Shared>> {
        self.shared.as_ref()
    }

    /// The machine as it was when the configuration was read: reading and checking again need the same.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Notes an answer; nothing more where it is too much.
    pub(super) fn note<A: Codec>(
        &mut self,
        record: fn(&mut Seen) -> &mut Record<A>,
        question: &str,
        answer: A,
    ) {
        let mut encoded = Vec::new();
        answer.put(&mut encoded);
        self.bytes = self.bytes.saturating_add(encoded.len() + question.len());
        match self.bytes <= SNAPSHOT_BYTES_MAX {
            true => {
                record(&mut self.seen).entry(question.to_owned()).or_default().push_back(answer);
            }
            false => self.seen = Seen::default(),
        }
    }

    /// The bytes that [`Self::decode`] reads.
    ///
    /// # Errors
    /// [`SnapshotError::TooLong`].
    pub fn encode(&self) -> Result<Vec<u8>, SnapshotError> {
        let mut body = Vec::new();
        self.machine.put(&mut body);
        self.began.put(&mut body);
        self.seen.put(&mut body);
        self.shared.put(&mut body);
        if self.bytes > SNAPSHOT_BYTES_MAX || body.len() > SNAPSHOT_BYTES_MAX - HEAD_BYTES {
            return Err(SnapshotError::TooLong);
        }
        let checksum = checksum(&body).to_le_bytes();
        Ok([&TITLE[..], &VERSION.to_le_bytes(), &checksum, &body].concat())
    }

    /// Reads what [`Self::encode`] has written.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        if bytes.len() > SNAPSHOT_BYTES_MAX {
            return Err(SnapshotError::TooLong);
        }
        let (head, body) = bytes.split_at_checked(HEAD_BYTES).ok_or(SnapshotError::Damaged)?;
        let mut head = Bytes(head);
        if head.split(TITLE.len()) != Some(TITLE) {
            return Err(SnapshotError::Damaged);
        }
        match u32::take(&mut head) {
            Some(VERSION) => {}
            Some(version) => return Err(SnapshotError::Version(version)),
            None => return Err(SnapshotError::Damaged),
        }
        if u64::take(&mut head) != Some(checksum(body)) {
            return Err(SnapshotError::Damaged);
        }
        Self::body(body).ok_or(SnapshotError::Damaged)
    }

    fn body(bytes: &[u8]) -> Option<Self> {
        let mut from = Bytes(bytes);
        let machine = Machine::take(&mut from)?;
        let began = Duration::take(&mut from)?;
        let seen = Seen::take(&mut from)?;
        let shared = Codec::take(&mut from)?;
        from.0.is_empty().then_some(Self { machine, began, seen, bytes: bytes.len(), shared })
    }
}

/// FNV-1a: finds damage, not malice.
fn checksum(bytes: &[u8]) -> u64 {
    let add = |sum: u64, &byte: &u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, add)
}

#[cfg(test)]
mod tests;
