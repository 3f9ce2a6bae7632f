//! The nodes that announce themselves, by where they serve.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use uwsgi_plugin_api::cluster::{ClusterNode, Load, NodeState};
use uwsgi_protocol::cluster::{Node, address};

use super::Plan;
use crate::id::Millis;

/// Nodes of a table, as in the original.
pub(super) const NODES_MAX: usize = 100;
/// A node that was silent for longer is taken for dead, in milliseconds.
pub(super) const SILENCE_MS_MAX: Millis = 30_000;
/// A node that was silent for longer has missed two announcements, and gets no requests.
const SUSPECT_MS: Millis = 21_000;

#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<SocketAddr, Row>,
}

#[derive(Debug)]
struct Row {
    hostname: String,
    workers: u32,
    requests: u64,
    heard: Millis,
    disabled: bool,
}

/// What the documentation promises of 95/1 to 95/3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Remove,
    Enable,
    Disable,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Remove => "removed",
            Self::Enable => "enabled",
            Self::Disable => "disabled",
        })
    }
}

/// There is no room for another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the table has {NODES_MAX} nodes")]
pub(super) struct Full;

/// Where a node serves: what it says, at the address that it speaks from where it says only a port.
pub(super) fn key(text: &[u8], from: SocketAddr) -> Option<SocketAddr> {
    let (ip, port) = address(text)?;
    let ip = ip.filter(|ip| !ip.is_unspecified()).map_or(from.ip(), IpAddr::V4);
    Some(SocketAddr::new(ip, port))
}

impl Table {
    /// A node says that it is there. Gives whether it is new.
    pub(super) fn announce(
        &mut self,
        now: Millis,
        key: SocketAddr,
        node: &Node<'_>,
    ) -> Result<bool, Full> {
        let known = self.rows.get(&key).map(|row| row.disabled);
        if known.is_none() && self.rows.len() >= NODES_MAX {
            return Err(Full);
        }
        let row = Row {
            hostname: super::escaped(node.hostname),
            workers: node.workers,
            requests: node.requests,
            heard: now,
            disabled: known.unwrap_or(false),
        };
        self.rows.insert(key, row);
        Ok(known.is_none())
    }

    /// Whether this changed something.
    pub(super) fn change(&mut self, key: SocketAddr, change: Change) -> bool {
        if change == Change::Remove {
            return self.rows.remove(&key).is_some();
        }
        let disabled = change == Change::Disable;
        let row = self.rows.get_mut(&key).filter(|row| row.disabled != disabled);
        row.map(|row| row.disabled = disabled).is_some()
    }

    /// Removes who was silent for too long.
    pub(super) fn forget(&mut self, now: Millis) -> Vec<SocketAddr> {
        let silent = |row: &Row| row.heard + SILENCE_MS_MAX < now;
        let dead = self.rows.iter().filter(|(_, row)| silent(row)).map(|(key, _)| *key);
        let dead: Vec<_> = dead.collect();
        dead.iter().for_each(|key| {
            self.rows.remove(key);
        });
        dead
    }

    /// When the next one has been silent for too long.
    pub(super) fn due(&self) -> Option<Millis> {
        self.rows.values().map(|row| row.heard + SILENCE_MS_MAX + 1).min()
    }

    pub(super) fn nodes(&self, now: Millis) -> Vec<ClusterNode> {
        self.rows.iter().map(|(key, row)| row.node(*key, now)).collect()
    }
}

impl Row {
    fn node(&self, key: SocketAddr, now: Millis) -> ClusterNode {
        let silent_ms = now.saturating_sub(self.heard);
        let state = match () {
            () if self.disabled => NodeState::Draining,
            () if silent_ms > SUSPECT_MS => NodeState::Suspect,
            () => NodeState::Alive,
        };
        ClusterNode {
            hostname: self.hostname.clone(),
            address: key.to_string(),
            state,
            load: idle(self.workers, self.requests),
            silent_ms,
            ..ClusterNode::unknown(key)
        }
    }
}

/// The node of this instance, as others would see it.
pub(super) fn own(plan: &Plan, key: Option<SocketAddr>, load: Load, address: &str) -> ClusterNode {
    ClusterNode {
        hostname: plan.hostname.clone(),
        address: key.map_or_else(|| address.to_owned(), |key| key.to_string()),
        state: NodeState::Alive,
        load: idle(u32::from(load.workers), load.requests),
        version: plan.version.clone(),
        own: true,
        ..ClusterNode::unknown(key.unwrap_or(plan.own))
    }
}

/// A load of which only the size is known.
fn idle(workers: u32, requests: u64) -> Load {
    let workers = u16::try_from(workers).unwrap_or(u16::MAX);
    Load { workers, threads: u32::from(workers), busy: 0, queue: 0, requests }
}
