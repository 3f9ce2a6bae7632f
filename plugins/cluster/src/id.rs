//! Who a node is.

use std::net::SocketAddr;

/// Where a node speaks to others: what it is known by, over restarts too.
pub type NodeKey = SocketAddr;

/// Milliseconds of a clock that never goes back.
pub type Millis = u64;

/// One life of a process that speaks in a cluster: random, new with each start. Datagrams are sealed from one life to
/// another, so that what was recorded is nothing to those who come later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life(pub u64);

/// A node in one of its lives, as membership knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its key.
    pub key: NodeKey,
    /// Its life.
    pub life: Life,
    /// Grows with each life, and each time that it comes back after it was said to be down: Unix time in milliseconds, or one more
    /// than before. Of two members with one key the one with the larger number is the later.
    pub epoch: u64,
}

/// Somebody to send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Where.
    pub key: NodeKey,
    /// In which life; `None` where that is not known, or for whoever is there.
    pub life: Option<Life>,
}

/// One change that goes over all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RollId(pub u64);

/// A blob on its way in several datagrams; chosen by its sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub u64);
