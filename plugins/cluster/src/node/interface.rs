//! What a node is made with, what happens to it, and what is to be done for it.

use uwsgi_plugin_api::cluster::{ClusterView, Load, Options, Outgoing, Refused};

use crate::id::{Member, NodeKey, Peer, RollId};
use crate::wire::{Electorate, Message, Received};

/// What a node is made with.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `GROUP:PORT`, for people.
    pub group: String,
    /// Who it is.
    pub member: Member,
    /// Name of its host.
    pub hostname: String,
    /// Version of the program.
    pub version: String,
    /// Where others may be that the group does not reach.
    pub seeds: Vec<NodeKey>,
    /// There is a group to speak to.
    pub multicast: bool,
    /// `cluster-quorum`: fewer votes never make a leader.
    pub quorum_min: u32,
    /// `cluster-forget`, in milliseconds.
    pub forget_ms: u64,
    /// `cluster-nodes`.
    pub observer: bool,
    /// It has its configuration from itself: it may found a cluster where it finds none.
    pub founder: bool,
    /// The instance gets no new requests: an earlier process of its node was told so.
    pub draining: bool,
    /// Who had a vote when this node was last alive, where that was kept.
    pub known: Option<Electorate>,
    /// Of the random numbers.
    pub seed: u64,
}

/// What happens to a node.
#[derive(Clone, Debug)]
pub enum Event {
    /// A message came.
    Received(Received),
    /// Time has passed. Wanted at [`Node::next_wake`](super::Node::next_wake), at the latest.
    Tick,
    /// The instance told its load and where it serves.
    Load {
        /// `None` while it is not ready.
        load: Option<Load>,
        /// `host:port`, or empty.
        address: String,
    },
    /// The configuration that the instance runs with.
    Config {
        /// Which change brought it.
        version: u64,
        /// Its shared options.
        options: Options,
    },
    /// What [`Action::Apply`] came to.
    Applied {
        /// Which.
        roll: RollId,
        /// Why not, where not.
        result: Result<(), String>,
    },
    /// A process of the instance wants to say something to all.
    Outgoing(Outgoing),
    /// Where seeds are now.
    Seeds(Vec<NodeKey>),
    /// Datagrams that were not taken, in all.
    Refused(Refused),
    /// The instance ends: say so to the others.
    Leave,
}

/// What is to be done for a node.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send this to one.
    Send(Peer, Message),
    /// Send this to the group.
    Multicast(Message),
    /// Reload the instance, and say what it came to by [`Event::Applied`].
    Apply {
        /// Which.
        roll: RollId,
        /// To which options.
        config: Wanted,
    },
    /// The instance is to get no new requests, or gets them again.
    Drain(bool),
    /// Show this to the processes of the instance.
    Publish {
        /// What.
        view: Box<ClusterView>,
        /// Until when it leads, by the clock of the events; 0: not at all.
        leads_until: u64,
    },
    /// A line for the log.
    Log(String),
    /// For the applications of the instance.
    Deliver {
        /// The host of the application that sent it.
        from: String,
        /// What it sent.
        bytes: Vec<u8>,
    },
    /// Keep who has a vote, where it outlives this process (`cluster-state`).
    Save(Electorate),
}

/// Which options a reload is to bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Those that the instance has.
    Same,
    /// These, by this change.
    These(u64, Options),
    /// Those before the last change.
    Before,
    /// These, where what it has is of the change `from`: so goes back who does not know what was before.
    Back {
        /// The version that is taken back.
        from: u64,
        /// Version of what comes in its place.
        version: u64,
        /// What comes in its place.
        options: Options,
    },
}
