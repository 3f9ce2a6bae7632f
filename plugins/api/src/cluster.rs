//! Instances that know of each other: what a cluster tells of its nodes, and what its node needs of the instance.
//!
//! The node of an instance is a gateway ([`crate::Cargo::Cluster`]): a process of its own that lives through reloads. It publishes
//! a [`ClusterView`] for all other processes, and asks its instance for what others want of it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{OptionRow, PluginError, Settings};

/// Options in their order, by canonical names, with the values that they have after expansion.
pub type Options = Vec<(String, String)>;

/// What a node is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It answers and takes requests.
    Alive,
    /// It did not answer, and has still time to.
    Suspect,
    /// It answers and is to get no new requests.
    Draining,
    /// It does not answer.
    Down,
    /// It said that it goes.
    Left,
}

impl NodeState {
    /// The state in a word, as everybody is told it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Draining => "draining",
            Self::Down => "down",
            Self::Left => "left",
        }
    }
}

/// What a node has to do at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Worker processes that serve.
    pub workers: u16,
    /// Request threads of all of them.
    pub threads: u32,
    /// Those that run a request.
    pub busy: u32,
    /// Connections that wait to be accepted.
    pub queue: u32,
    /// Requests since the start.
    pub requests: u64,
}

/// Which configuration a node runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConfigMark {
    /// Unix time in milliseconds of the change that brought it to the cluster; 0 for what a node read from its own files.
    pub version: u64,
    /// Of all shared options with their values; equal where the configurations are.
    pub hash: u64,
}

/// A node as another one sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterNode {
    /// Name of its host.
    pub hostname: String,
    /// Where it serves: its first socket. Empty where it has none.
    pub address: String,
    /// Where it speaks to other nodes; no two nodes have the same.
    pub endpoint: SocketAddr,
    /// Its state.
    pub state: NodeState,
    /// Grows with each time that it had to say that it lives, and with each start.
    pub incarnation: u64,
    /// Its load when it spoke last.
    pub load: Load,
    /// Version of its program.
    pub version: String,
    /// Its configuration.
    pub config: ConfigMark,
    /// Milliseconds since it was heard of last.
    pub silent_ms: u64,
    /// It only looks on (`cluster-nodes`): it serves nobody of the cluster and has no vote.
    pub observer: bool,
    /// It is the node that says this.
    pub own: bool,
    /// It is the leader.
    pub leader: bool,
}

impl ClusterNode {
    /// A node of which nothing is known but where it should be.
    pub fn unknown(endpoint: SocketAddr) -> Self {
        Self {
            hostname: String::new(),
            address: String::new(),
            endpoint,
            state: NodeState::Down,
            incarnation: 0,
            load: Load::default(),
            version: String::new(),
            config: ConfigMark::default(),
            silent_ms: 0,
            observer: false,
            own: false,
            leader: false,
        }
    }

    /// Whether requests may be sent to it.
    pub fn takes_requests(&self) -> bool {
        self.state == NodeState::Alive && !self.observer && !self.address.is_empty()
    }
}

/// Datagrams that were not taken, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Not signed with a secret of this cluster.
    pub forged: u64,
    /// Seen before, or older than anything that is remembered.
    pub replayed: u64,
    /// Signed at a time that is too far from this node's clock.
    pub skewed: u64,
    /// Signed, and not understood.
    pub malformed: u64,
    /// Larger than a datagram may be, or cut.
    pub oversized: u64,
}

/// What a node knows of its cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// `GROUP:PORT`.
    pub group: String,
    /// All nodes, this one too, by endpoint.
    pub nodes: Vec<ClusterNode>,
    /// Nodes that have a vote.
    pub voters: u32,
    /// Votes that make a leader.
    pub quorum: u32,
    /// Datagrams that were not taken.
    pub refused: Refused,
}

impl ClusterView {
    /// The node that says this.
    pub fn own(&self) -> Option<&ClusterNode> {
        self.nodes.iter().find(|node| node.own)
    }

    /// The leader, where one is known.
    pub fn leader(&self) -> Option<&ClusterNode> {
        self.nodes.iter().find(|node| node.leader)
    }

    /// Nodes that take requests, the one with the most room first: by busy threads and waiting connections for each thread. Those
    /// with the same load are ordered by `turn`, so that who asks again and again with another number spreads requests.
    pub fn best(&self, turn: usize) -> Vec<&ClusterNode> {
        let mut nodes: Vec<_> = self.nodes.iter().filter(|node| node.takes_requests()).collect();
        if !nodes.is_empty() {
            let first = turn % nodes.len();
            nodes.rotate_left(first);
        }
        nodes.sort_by_key(|node| {
            let waiting = u64::from(node.load.busy) + u64::from(node.load.queue);
            waiting * 1_000 / u64::from(node.load.threads.max(1))
        });
        nodes
    }
}

/// What the node of a cluster may ask of its instance. Calls may be made from any thread.
pub trait Instance: Send + Sync {
    /// Shows a view to all processes of the instance. Until `leads_until_ms` of the monotonic clock (0: not at all) the
    /// instance is the leader, whatever becomes of the node's process.
    fn publish(&self, view: &ClusterView, leads_until_ms: u64);
    /// The instance is to get no new requests, or gets them again.
    fn drain(&self, on: bool);
    /// Whether it is to get none.
    fn is_draining(&self) -> bool;
    /// Gives its applications what one of `from` has sent.
    fn deliver(&self, from: &str, message: &[u8]) {
        let _ = (from, message);
    }
    /// Its load; `None` while it is not ready.
    fn load(&self) -> Option<Load>;
    /// Name of its first socket, resolved (`192.0.2.1:3031`), as others can reach it.
    fn address(&self) -> String;
    /// The shared options that it runs with, and which change brought them.
    ///
    /// # Errors
    /// The instance does not answer.
    fn config(&self) -> Result<(u64, Options), PluginError>;
    /// Puts the instance to these options from its next reload on, which change `version` brought; `None` for its own files.
    ///
    /// # Errors
    /// Out of memory.
    fn stage(&self, config: Option<(u64, &Options)>) -> Result<(), PluginError>;
    /// What [`Instance::stage`] was last told, also before a start of the node's process.
    fn staged(&self) -> Option<(u64, Options)>;
    /// Whether the instance was started with options of its own: it may be a cluster where there is none. One that has its
    /// options from others waits for them.
    fn is_founder(&self) -> bool {
        self.staged().is_none()
    }
    /// Keeps what the next process of the node is to know if this one dies: it is the node's own, and gone with the instance.
    fn keep(&self, _state: &[u8]) {}
    /// What [`Instance::keep`] was last given.
    fn kept(&self) -> Option<Vec<u8>> {
        None
    }
    /// Reloads gracefully; returns when the new workers serve.
    ///
    /// # Errors
    /// Why the reload came to nothing; what served before serves on.
    fn reload(&self) -> Result<(), PluginError>;
}

/// A message that a process of the instance gives to its node: one datagram of [`crate::Post::input`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outgoing {
    /// A line for the logs of all nodes.
    Log(String),
    /// Bytes for the applications of all other nodes (`uwsgi.send_multicast_message`).
    Message(Vec<u8>),
    /// A line of this instance's own log, for who asks for it (`uwsgi cluster log`).
    Line(String),
}

/// What an application of another node has sent to all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterMessage {
    /// Counts what this instance got, from 1.
    pub number: u64,
    /// Name of the sender's host, or its address where that is not known.
    pub from: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A command `uwsgi cluster WORD ...`, or an option that commands a cluster and ends (`cluster-reload`, `cluster-log`).
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// `nodes`, `drain`, ...
    pub words: &'a [String],
    /// How the cluster is reached: the plugin's own options.
    pub settings: &'a Settings,
    /// Reads a configuration as an instance would, from these arguments, and gives its shared options.
    pub read_config: &'a dyn Fn(&[String]) -> Result<Options, PluginError>,
}

/// What the server asks of the plugin that makes clusters.
pub trait Clustering: Send + Sync {
    /// Whether an option stays on its node: it says how the cluster is reached, or names the files that others were read
    /// from. An instance of which nothing but such options is given, and which is to join, has its configuration from others.
    fn stays_here(&self, option: &str) -> bool;
    /// Waits until some node of the cluster has a configuration and takes it.
    ///
    /// # Errors
    /// The settings cannot be used. Silence is no error: it is waited on.
    fn fetch(&self, settings: &Settings, log: &dyn Fn(&str))
    -> Result<(u64, Options), PluginError>;
    /// Performs an order; the answer goes to `out`, what is wrong is the error.
    ///
    /// # Errors
    /// Why it could not be done.
    fn perform(&self, order: Order<'_>, out: &mut dyn std::io::Write) -> Result<(), PluginError>;
    /// How an order is written, for the help.
    fn usage(&self) -> &'static str;
    /// Option rows; the same as the gateway's.
    fn options(&self) -> &'static [OptionRow];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(address: &str, busy: u32, queue: u32, threads: u32) -> ClusterNode {
        ClusterNode {
            hostname: String::new(),
            address: address.to_owned(),
            endpoint: SocketAddr::from(([127, 0, 0, 1], 1)),
            state: NodeState::Alive,
            incarnation: 0,
            load: Load { workers: 1, threads, busy, queue, requests: 0 },
            version: String::new(),
            config: ConfigMark::default(),
            silent_ms: 0,
            observer: false,
            own: false,
            leader: false,
        }
    }

    fn order(view: &ClusterView, turn: usize) -> String {
        view.best(turn).iter().map(|node| node.address.as_str()).collect()
    }

    #[test]
    fn the_best_node_has_the_most_room_for_its_size() {
        let nodes = vec![node("a", 2, 0, 4), node("b", 2, 0, 8), node("c", 0, 9, 9)];
        let view = ClusterView { nodes, ..ClusterView::default() };
        assert_eq!(order(&view, 0), "bac");
    }

    #[test]
    fn equals_take_turns_and_others_are_left_out() {
        let mut nodes = vec![node("a", 0, 0, 4), node("b", 0, 0, 4), node("c", 0, 0, 4)];
        let view = ClusterView { nodes: nodes.clone(), ..ClusterView::default() };
        assert_eq!([0, 1, 2, 3].map(|turn| order(&view, turn)), ["abc", "bca", "cab", "abc"]);
        nodes[0].state = NodeState::Draining;
        nodes[1].observer = true;
        nodes[2].address.clear();
        let view = ClusterView { nodes, ..ClusterView::default() };
        assert_eq!(order(&view, 1), "");
    }
}
