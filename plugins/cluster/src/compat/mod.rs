//! A node of the multicast cluster of uWSGI 0.9.7 to 1.4 (`cluster-compat`), pure: what happened goes in, what is to be done comes out.
//!
//! Protocol reference 6, behaviour note 9.1. Nothing in this protocol is signed: whoever reaches the port reads the configuration and
//! reloads the nodes, as with the original. What is bounded here is how often: lines of strangers in the log, answers, reloads and rows of
//! the table. There is no leader, no vote and no change of configuration; [`fetch`] is how an instance without options gets some.
//!
//! Otherwise than the original: a node knows its own datagrams by their source and not by their content, `:3031` is the socket at the
//! source's address, removing, disabling and enabling nodes is heeded, and a node whose last two announcements are missing is not chosen.

use std::net::SocketAddr;

use uwsgi_plugin_api::cluster::{ClusterView, Load, Options, Outgoing, Refused};
use uwsgi_protocol::Reject;
use uwsgi_protocol::cluster::{DATAGRAM_BYTES_MAX, Datagram, Node as Announced, decode};

use crate::id::Millis;

pub mod allowed;
pub mod fetch;
mod log;
mod table;
#[cfg(test)]
mod tests;

use log::Budget;
use table::{Change, Table};

/// A node announces itself so often, in milliseconds.
pub const ANNOUNCE_MS: Millis = 10_000;
/// The least time between two answers with the configuration. Each goes to the group, so one is for all who asked meanwhile.
pub const ANSWER_MS_MIN: Millis = 100;
/// The least time between two reloads that strangers ask for.
pub const RELOAD_MS_MIN: Millis = 1_000;
/// The view is shown again after so many milliseconds, for what it says of silence.
pub const PUBLISH_MS: Millis = 1_000;
/// Most bytes of a datagram's block that is sent.
const BLOCK_BYTES_MAX: usize = DATAGRAM_BYTES_MAX - 4;

/// What a node is made with.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `GROUP:PORT`, for people.
    pub group: String,
    /// Where its datagrams come from.
    pub own: SocketAddr,
    /// Name of its host.
    pub hostname: String,
    /// Version of the program.
    pub version: String,
    /// `cluster-nodes`: it says hello and nothing else.
    pub observer: bool,
}

/// What happens to a node.
#[derive(Clone, Debug)]
pub enum Event {
    /// A datagram came.
    Received {
        /// From where.
        from: SocketAddr,
        /// Its bytes.
        datagram: Vec<u8>,
    },
    /// Time has passed. Wanted at [`Node::next_wake`], at the latest.
    Tick,
    /// The instance told its load and where it serves.
    Load {
        /// `None` while it is not ready.
        load: Option<Load>,
        /// `host:port`, or empty.
        address: String,
    },
    /// The shared options that the instance runs with.
    Config(Options),
    /// A process of the instance wants to say something to all.
    Outgoing(Outgoing),
}

/// What is to be done for a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this to the group.
    Multicast(Vec<u8>),
    /// Reload the instance.
    Reload,
    /// Show this to the processes of the instance.
    Publish(Box<ClusterView>),
    /// A line for the log.
    Log(String),
    /// For the applications of the instance, from this address.
    Deliver {
        /// Who sent it.
        from: String,
        /// What was sent.
        bytes: Vec<u8>,
    },
}

/// A node.
#[derive(Debug)]
pub struct Node {
    plan: Plan,
    table: Table,
    started: bool,
    /// What it says of itself, where it can be said.
    load: Option<Load>,
    address: String,
    config: Option<Options>,
    announce_at: Millis,
    /// 0: at once.
    publish_at: Millis,
    /// Somebody asked for the configuration.
    asked: bool,
    answer_at: Millis,
    reload_at: Millis,
    budget: Budget,
    refused: Refused,
}

impl Node {
    /// A node that does nothing before its first event.
    pub fn new(plan: Plan) -> Self {
        Self {
            table: Table::default(),
            started: false,
            load: None,
            address: String::new(),
            config: None,
            announce_at: 0,
            publish_at: 0,
            asked: false,
            answer_at: 0,
            reload_at: 0,
            budget: Budget::default(),
            refused: Refused::default(),
            plan,
        }
    }

    /// Something happened at `now`.
    pub fn step(&mut self, now: Millis, event: Event, out: &mut Vec<Action>) {
        if !self.started {
            self.started = true;
            send(&Datagram::Hello(self.plan.hostname.as_bytes()), out);
        }
        match event {
            Event::Received { from, datagram } => self.receive(now, from, &datagram, out),
            Event::Tick => {}
            Event::Load { load, address } => self.told(now, load, address, out),
            Event::Config(options) => self.config = Some(options),
            Event::Outgoing(outgoing) => speak(&outgoing, out),
        }
        self.keep_up(now, out);
    }

    /// When [`Event::Tick`] is wanted, at the latest.
    pub fn next_wake(&self) -> Millis {
        let announce = self.announces().then_some(self.announce_at);
        let answer = self.asked.then_some(self.answer_at);
        let more = announce.into_iter().chain(answer).chain(self.table.due());
        more.fold(self.publish_at, Millis::min)
    }

    /// What is due.
    fn keep_up(&mut self, now: Millis, out: &mut Vec<Action>) {
        for address in self.table.forget(now) {
            out.push(Action::Log(format!(
                "[uWSGI cluster] no presence announce in the last 30 seconds by node {address}, i assume it is dead."
            )));
            self.publish_at = now;
        }
        if self.announces() && now >= self.announce_at {
            self.announce_at = now + ANNOUNCE_MS;
            self.announce(out);
        }
        if self.asked && now >= self.answer_at {
            self.asked = false;
            self.answer_at = now + ANSWER_MS_MIN;
            self.answer(out);
        }
        out.extend(self.budget.left_out(now).map(Action::Log));
        if now >= self.publish_at {
            self.publish_at = now + PUBLISH_MS;
            out.push(Action::Publish(Box::new(self.view(now))));
        }
    }

    fn announces(&self) -> bool {
        let address = uwsgi_protocol::cluster::address(self.address.as_bytes());
        !self.plan.observer && self.load.is_some() && address.is_some()
    }

    fn told(&mut self, now: Millis, load: Option<Load>, address: String, out: &mut Vec<Action>) {
        let moved = self.address != address;
        if moved || self.load.is_some() != load.is_some() {
            (self.announce_at, self.publish_at) = (now, now);
        }
        (self.load, self.address) = (load, address);
        if moved && !self.address.is_empty() && !self.plan.observer && self.own_key().is_none() {
            let (group, address) = (&self.plan.group, &self.address);
            out.push(Action::Log(format!(
                "[uWSGI cluster {group}] {address} is no address in IPv4: old nodes cannot know this one"
            )));
        }
    }

    /// Where this instance serves, where others can know it.
    fn own_key(&self) -> Option<SocketAddr> {
        table::key(self.address.as_bytes(), self.plan.own)
    }

    fn announce(&self, out: &mut Vec<Action>) {
        let hostname = self.plan.hostname.as_bytes();
        let hostname = &hostname[..hostname.len().min(uwsgi_protocol::cluster::HOSTNAME_BYTES_MAX)];
        let workers = u32::from(self.load.map_or(0, |load| load.workers));
        // All versions say 0 requests.
        let node = Announced { hostname, address: &self.address, workers, requests: 0 };
        send(&Datagram::Node(node), out);
    }

    fn receive(&mut self, now: Millis, from: SocketAddr, bytes: &[u8], out: &mut Vec<Action>) {
        if from == self.plan.own {
            return;
        }
        let line = match decode(bytes) {
            Ok(Datagram::Hello(hostname)) => {
                let (group, hostname) = (&self.plan.group, escaped(hostname));
                Some(format!("[uWSGI cluster {group}] new node available: {hostname}"))
            }
            Ok(Datagram::Node(node)) => self.announced(now, from, &node),
            Ok(Datagram::Remove(address)) => self.change(from, address, Change::Remove),
            Ok(Datagram::Enable(address)) => self.change(from, address, Change::Enable),
            Ok(Datagram::Disable(address)) => self.change(from, address, Change::Disable),
            Ok(Datagram::Log(text)) => return self.write(now, from, text, out),
            Ok(Datagram::Message(bytes)) => {
                out.push(Action::Deliver { from: from.ip().to_string(), bytes: bytes.to_vec() });
                None
            }
            Ok(Datagram::Reload { .. }) if now >= self.reload_at => {
                self.reload_at = now + RELOAD_MS_MIN;
                out.push(Action::Reload);
                Some(format!("[uWSGI cluster {}] {} wants a reload", self.plan.group, from.ip()))
            }
            Ok(Datagram::OptionsRequest) => {
                self.asked = !self.plan.observer && self.config.is_some();
                None
            }
            // A reload too soon after another, and what no version of uWSGI's heeds.
            Ok(_) => None,
            Err(Reject { reason: "packet_too_big", .. }) => {
                self.refused.oversized += 1;
                None
            }
            Err(_) => {
                self.refused.malformed += 1;
                None
            }
        };
        out.extend(line.and_then(|line| self.budget.line(now, line)).map(Action::Log));
    }

    /// A stranger's lines for the log.
    fn write(&mut self, now: Millis, from: SocketAddr, text: &[u8], out: &mut Vec<Action>) {
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let (group, from) = (&self.plan.group, from.ip());
            let line = format!("[uWSGI cluster {group}] {from}: {}", escaped(line));
            out.extend(self.budget.line(now, line).map(Action::Log));
        }
    }

    /// A node is there. Gives what is to be said of it.
    fn announced(&mut self, now: Millis, from: SocketAddr, node: &Announced<'_>) -> Option<String> {
        let key = table::key(node.address.as_bytes(), from);
        let key = key.filter(|key| Some(*key) != self.own_key())?;
        match self.table.announce(now, key, node) {
            Ok(true) => {
                self.publish_at = 0;
                Some(format!("[uWSGI cluster] added node {key}"))
            }
            Ok(false) => None,
            Err(full) => Some(format!("[uWSGI cluster] {full}: node {key} is left out")),
        }
    }

    /// Somebody speaks of a node. Gives what is to be said of it, where that changes something.
    fn change(&mut self, from: SocketAddr, address: &[u8], change: Change) -> Option<String> {
        let key = table::key(address, from).filter(|key| self.table.change(*key, change))?;
        self.publish_at = 0;
        let (group, from) = (&self.plan.group, from.ip());
        Some(format!("[uWSGI cluster {group}] node {key} is {change} by {from}"))
    }

    /// Tells the configuration to the group. A part of it would be worse than nothing.
    fn answer(&self, out: &mut Vec<Action>) {
        let Some(options) = &self.config else { return };
        let pairs = options.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let datagram = Datagram::Options(pairs.collect()).encode();
        let group = &self.plan.group;
        let Some(datagram) = datagram.filter(|_| !options.is_empty()) else {
            out.push(Action::Log(format!(
                "[uWSGI cluster {group}] requested configuration data, but {} options do not fit into a datagram of {DATAGRAM_BYTES_MAX} bytes: not sent",
                options.len()
            )));
            return;
        };
        let bytes = datagram.len();
        out.push(Action::Log(format!(
            "[uWSGI cluster {group}] requested configuration data, sending {bytes} bytes"
        )));
        out.push(Action::Multicast(datagram));
    }

    /// The cluster as this node knows it. What others have to do at the moment is not known, so nobody is said to have anything: whoever
    /// takes the best takes turns.
    fn view(&self, now: Millis) -> ClusterView {
        let mut nodes = self.table.nodes(now);
        if let Some(load) = self.load.filter(|_| !self.plan.observer) {
            nodes.push(table::own(&self.plan, self.own_key(), load, &self.address));
        }
        nodes.sort_by_key(|node| node.endpoint);
        let group = self.plan.group.clone();
        ClusterView { group, nodes, voters: 0, quorum: 0, refused: self.refused }
    }
}

/// What a process of the instance says to all.
fn speak(outgoing: &Outgoing, out: &mut Vec<Action>) {
    match outgoing {
        Outgoing::Log(line) => {
            let text = line.trim_end_matches('\n').as_bytes();
            let text = &text[..text.len().min(BLOCK_BYTES_MAX - 1)];
            // Old nodes write a line as it is.
            send(&Datagram::Log(&[text, b"\n"].concat()), out);
        }
        Outgoing::Message(bytes) if bytes.len() > BLOCK_BYTES_MAX => {
            let bytes = bytes.len();
            out.push(Action::Log(format!(
                "cluster: a message of {bytes} bytes is longer than {BLOCK_BYTES_MAX}: not sent"
            )));
        }
        Outgoing::Message(bytes) => send(&Datagram::Message(bytes), out),
        // Old nodes cannot be asked for their lines.
        Outgoing::Line(_) => {}
    }
}

fn send(datagram: &Datagram<'_>, out: &mut Vec<Action>) {
    out.extend(datagram.encode().map(Action::Multicast));
}

/// Bytes of a stranger, safe for a log and a terminal.
fn escaped(bytes: &[u8]) -> String {
    let escape = |text: &mut String, char: char| match char {
        '\'' | '"' => text.push(char),
        _ => text.extend(char.escape_debug()),
    };
    String::from_utf8_lossy(bytes).chars().fold(String::new(), |mut text, char| {
        escape(&mut text, char);
        text
    })
}
