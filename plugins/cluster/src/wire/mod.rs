//! What nodes say to each other, inside of a sealed datagram.
//!
//! # Form
//! A byte for the version ([`VERSION`]), a byte for the kind, then the fields in their order: integers little-endian, texts and
//! bytes behind a length of two bytes, an address as a 4 or a 6, its octets and its port. There is one form for each message, so
//! what was decoded is the same bytes again when it is encoded. There is no other state and no clock.
//!
//! # How large
//! An ordinary message has [`MESSAGE_BYTES_MAX`] at the most. Two may be larger, up to [`MESSAGE_BYTES_LARGEST`], and then
//! go in two fragments: what an application sends ([`Message::Payload`]), and what carries an [`Electorate`]. Its voters take 6 bytes each in IPv4
//! and 18 in IPv6, so that [`VOTERS_BYTES_MAX`] is enough for 300 or 100 of them. A digest would be shorter, but a voter could then not
//! follow a change of the electorate without another question, in the one moment when answers are rare. Whoever changes an electorate asks
//! [`Electorate::fits`] before; what does not fit is an error of [`Message::encode`], never a part of the truth.
//!
//! Texts for people ([`Message::Log`], reasons, names of hosts) are cut at a whole character, and the others of a [`Message::Welcome`] to
//! what fits: both are allowed to tell less.
//!
//! Addresses have no scope: what a link is called is each host's own affair.

use std::collections::BTreeSet;

use uwsgi_plugin_api::cluster::{ConfigMark, Load};

use crate::id::{Life, Member, NodeKey, TransferId};

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::WireError;

/// First byte of each message. A node understands no other.
pub const VERSION: u8 = 1;
/// Most bytes of an ordinary encoded message: with seal and headers it fits into a packet of 1,280 bytes, which every IPv6 network
/// carries whole.
pub const MESSAGE_BYTES_MAX: usize = 1_140;
/// Most bytes of any encoded message: with its seal it is a datagram of 2,048 bytes.
pub const MESSAGE_BYTES_LARGEST: usize = 1_956;
/// Bytes of a transfer in one message.
pub const CHUNK_BYTES: usize = 1_024;
/// Bytes that the voters of an electorate may take, 6 each in IPv4 and 18 in IPv6.
pub const VOTERS_BYTES_MAX: usize = 1_800;
/// Bytes of an application in one message.
pub const PAYLOAD_BYTES_MAX: usize = MESSAGE_BYTES_LARGEST - 4;
/// Bytes of the membership library in one message.
pub const GOSSIP_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 4;
/// Bytes of a line for the logs of others; what is longer is cut.
pub const LOG_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 4;
/// Bytes of a host's name, and of an address in words.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of the program's version.
pub const VERSION_BYTES_MAX: usize = 64;
/// Bytes of a reason.
pub const WHY_BYTES_MAX: usize = 512;

/// What one node says to another, or to all.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// To the group, to seeds and to nodes that were silent: here I am. Answered by [`Message::Welcome`].
    Hello {
        /// Who.
        member: Member,
        /// It is no node and joins nothing (a command, or a node that looks for its configuration): it only wants to know
        /// who is there.
        guest: bool,
    },
    /// Here I am too, and others that live, some of them where they are many: the first that fit are sent, 48 of them in IPv4 and 31 in
    /// IPv6, so the sender puts them in a changing order.
    Welcome {
        /// Who.
        member: Member,
        /// Others.
        others: Vec<Member>,
    },
    /// Of the membership library; its bytes.
    Gossip(Vec<u8>),
    /// What a node tells of itself, about once a second.
    About(About),
    /// Of the choice of a leader.
    Election(Election),
    /// A part of a blob.
    Chunk {
        /// Of which.
        transfer: TransferId,
        /// What the whole blob is.
        kind: Blob,
        /// Number of this part, from 0.
        number: u32,
        /// Bytes of the whole.
        total: u32,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// All parts below this number have come, and those of the 64 after it whose bit is set.
    ChunkAck {
        /// Of which blob.
        transfer: TransferId,
        /// The first part that is missing.
        next: u32,
        /// Bit n: part `next + 1 + n` has come.
        later: u64,
    },
    /// The blob is not taken.
    ChunkRefused {
        /// Which.
        transfer: TransferId,
        /// Why.
        why: String,
    },
    /// A line for the log of every node.
    Log(String),
    /// Bytes of an application for every node.
    Payload(Vec<u8>),
}

/// What a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blob {
    /// A [`Request`] in JSON; the answer is a `Reply`.
    Request,
    /// A [`Reply`] in JSON, to the request whose transfer had this number.
    Reply(TransferId),
}

/// What a node tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Who.
    pub member: Member,
    /// Grows with each of these messages.
    pub serial: u64,
    /// Name of the host.
    pub hostname: String,
    /// Where it serves.
    pub address: String,
    /// Version of the program.
    pub version: String,
    /// Its load; `None` while it is not ready.
    pub load: Option<Load>,
    /// Its configuration.
    pub config: ConfigMark,
    /// It gets no new requests.
    pub draining: bool,
    /// It has a part in nothing but membership.
    pub observer: bool,
    /// It goes.
    pub leaving: bool,
}

/// Who has a vote. Changed by leaders only, one node at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Electorate {
    /// Random, given by the node that founded the cluster; 0: none yet.
    pub lineage: u64,
    /// Grows with each change: the term of the leader that made it, and its number in that term.
    pub version: u64,
    /// The latest term that whoever tells this has voted in, or heard of in a denial. Each term has one leader at most. It is no part of
    /// what the electorate is: two with one version are the same.
    pub term: u64,
    /// Those who have a vote.
    pub voters: BTreeSet<NodeKey>,
}

impl Electorate {
    /// Whether it can be told to others in one message.
    pub fn fits(&self) -> bool {
        encode::voters_bytes(&self.voters) <= VOTERS_BYTES_MAX
    }
}

/// Messages of the choice of a leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Election {
    /// I want to lead, or to lead on, in the term of this electorate: your vote for the length of a lease from when you get this. With an
    /// electorate of lineage 0: I know of none, do you?
    Ask {
        /// Grows with each of a candidate's rounds.
        round: u64,
        /// As the candidate knows it.
        electorate: Electorate,
        /// The candidate has got the votes of this term already: it leads.
        leads: bool,
    },
    /// You have it.
    Granted {
        /// Of which round.
        round: u64,
        /// Version of the electorate that was granted on.
        version: u64,
    },
    /// You have it not.
    Denied {
        /// Of which round.
        round: u64,
        /// To whom it is promised, where that is why.
        promised: Option<NodeKey>,
        /// The voter's electorate, where that or its term is later than the candidate's, and that is why.
        electorate: Option<Electorate>,
    },
}

/// What is asked of a node: by another one, or by a command. Sent as a blob.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Request {
    /// The cluster as this node sees it.
    View,
    /// The shared options this node runs with.
    Config,
    /// Take no new requests, or take them again.
    Drain(bool),
    /// Reload, to other options where some are given: a leader to a node. Answered when it is done.
    Apply {
        /// Part of which change.
        roll: u64,
        /// Which change brings them, and the options; `None`: those it has.
        config: Option<(u64, Vec<(String, String)>)>,
        /// Go back to what the node ran before this change.
        undo: bool,
    },
    /// Change all nodes one after the other: a command to the leader. Answered at once with the number of the change.
    Roll {
        /// New options; `None`: a reload.
        config: Option<Vec<(String, String)>>,
        /// Nodes at a time, at least 1.
        parallel: u16,
    },
    /// How far a change is.
    Progress {
        /// Which.
        roll: u64,
    },
    /// Lines of the log that this node remembers, after this number.
    Log {
        /// 0 for all.
        after: u64,
    },
    /// Forget a node that is down, so that it has no vote any more: a command to the leader.
    Forget(NodeKey),
}

/// The answer to a [`Request`]. Sent as a blob.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Reply {
    /// Done.
    Done,
    /// Not done, and why.
    Failed(String),
    /// To [`Request::View`].
    View(uwsgi_plugin_api::cluster::ClusterView),
    /// To [`Request::Config`].
    Config {
        /// Which change brought them.
        version: u64,
        /// The options.
        options: Vec<(String, String)>,
    },
    /// To [`Request::Roll`].
    Rolling {
        /// Its number.
        roll: u64,
    },
    /// To [`Request::Progress`].
    Progress(Progress),
    /// To [`Request::Log`].
    Log {
        /// Number, Unix time in milliseconds, text.
        lines: Vec<(u64, u64, String)>,
    },
}

/// How far a change of all nodes is.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    /// What happened, in order, for people.
    pub lines: Vec<String>,
    /// Set at the end: all nodes have it, or why it was taken back.
    pub outcome: Option<Result<(), String>>,
}

impl From<Member> for crate::id::Peer {
    fn from(member: Member) -> Self {
        Self { key: member.key, life: Some(member.life) }
    }
}

/// A message with whom it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Where the datagram came from.
    pub from: NodeKey,
    /// In which life its sender was.
    pub life: Life,
    /// What it said.
    pub message: Message,
}
