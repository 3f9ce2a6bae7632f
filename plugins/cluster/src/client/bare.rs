//! Commands to a cluster with `cluster-compat`, and options from it: one datagram to the group, or what is heard of it.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use uwsgi_plugin_api::PluginError;
use uwsgi_plugin_api::cluster::{ClusterView, Options};
use uwsgi_protocol::cluster::Datagram;

use super::{json_of, say, table};
use crate::compat::fetch::Fetch;
use crate::compat::{self, ANNOUNCE_MS, Action, Event};
use crate::id::Millis;
use crate::plan::Plan;
use crate::run::{clock, hostname, resolve_seeds};
use crate::sockets::{DATAGRAM_ROOM, Ear, Role, Sockets};

/// How long it is listened for nodes, in milliseconds: each says once in ten seconds that it is there.
const LISTEN: Millis = ANNOUNCE_MS + 1_000;
/// How often it is looked again whether there is a network, in milliseconds.
const OPEN_EVERY: Millis = 1_000;

/// Somebody who hears the group and speaks to it.
pub(super) struct Bare {
    sockets: Sockets,
    poll: Poll,
    group: String,
}

impl Bare {
    /// # Errors
    /// There is no network.
    pub(super) fn open(plan: &Plan) -> Result<Self, PluginError> {
        let group = plan.group.to_string();
        let wrong = |why: String| PluginError(format!("cluster {group}: {why}"));
        let mut sockets =
            Sockets::open(plan, Role::Listener, &resolve_seeds(plan)).map_err(wrong)?;
        let poll = Poll::new().map_err(|error| wrong(error.to_string()))?;
        for (number, (_, socket)) in sockets.sources().enumerate() {
            let registered = poll.registry().register(socket, Token(number), Interest::READABLE);
            registered.map_err(|error: io::Error| wrong(error.to_string()))?;
        }
        Ok(Self { sockets, poll, group })
    }

    /// To all nodes.
    ///
    /// # Errors
    /// It is longer than nodes take, or the network refuses it.
    fn send(&mut self, datagram: &Datagram<'_>) -> Result<(), PluginError> {
        let wrong = |why: &str| PluginError(format!("cluster {}: {why}", self.group));
        let bytes = datagram.encode().ok_or_else(|| wrong("this does not fit into a datagram"))?;
        self.sockets.send_group(&bytes);
        match self.sockets.troubles.line(0) {
            Some(line) => Err(PluginError(line)),
            None => Ok(()),
        }
    }

    /// A line for the logs of all nodes.
    pub(super) fn log(&mut self, line: &str) -> Result<(), PluginError> {
        self.send(&Datagram::Log(format!("{line}\n").as_bytes()))
    }

    /// The next datagram, if one comes before this time.
    fn hear(&mut self, until: Millis) -> Result<Option<(SocketAddr, Vec<u8>)>, PluginError> {
        let mut buffer = [0; DATAGRAM_ROOM];
        loop {
            for ear in [Ear::Own, Ear::Group] {
                if let Some((count, from)) = self.sockets.receive(ear, &mut buffer) {
                    return Ok(Some((from, buffer[..count].to_vec())));
                }
            }
            let left = until.saturating_sub(clock::monotonic());
            if left == 0 {
                return Ok(None);
            }
            let mut events = Events::with_capacity(4);
            match self.poll.poll(&mut events, Some(Duration::from_millis(left))) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(PluginError(format!("cluster {}: {error}", self.group)));
                }
                _ => {}
            }
        }
    }
}

/// What can be done to such a cluster.
///
/// # Errors
/// Why it could not be done; most of it cannot.
pub(super) fn perform(plan: &Plan, words: &[&str], out: &mut dyn Write) -> Result<(), PluginError> {
    match words {
        ["nodes"] => say(out, &table::render(&listen(plan)?)),
        ["nodes", "--json"] => say(out, &json_of(&listen(plan)?)?),
        // Whether anybody has heard it nobody says.
        ["reload"] => Bare::open(plan)?.send(&Datagram::Reload { confirm: false }),
        _ => Err(PluginError(
            "with cluster-compat a cluster knows only: nodes, reload, and the option cluster-log"
                .to_owned(),
        )),
    }
}

/// The nodes that say that they are there.
fn listen(plan: &Plan) -> Result<ClusterView, PluginError> {
    let mut bare = Bare::open(plan)?;
    let mut node = compat::Node::new(compat::Plan {
        group: bare.group.clone(),
        own: bare.sockets.address(),
        hostname: hostname(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        observer: true,
    });
    let until = clock::monotonic() + LISTEN;
    let (mut view, mut actions) = (ClusterView::default(), Vec::new());
    loop {
        let heard = bare.hear(until.min(node.next_wake()))?;
        let event =
            heard.map_or(Event::Tick, |(from, datagram)| Event::Received { from, datagram });
        let now = clock::monotonic();
        node.step(now, event, &mut actions);
        for action in actions.drain(..) {
            // It only looks on: nothing is said to anybody.
            if let Action::Publish(seen) = action {
                view = *seen;
            }
        }
        if now >= until {
            return Ok(view);
        }
    }
}

/// Options that some node tells; waits for ever.
pub(super) fn fetch(plan: &Plan, log: &dyn Fn(&str)) -> Result<(u64, Options), PluginError> {
    let mut bare = open_patiently(plan, log);
    let mut fetch = Fetch::new(&bare.group, &hostname());
    let mut actions = Vec::new();
    loop {
        fetch.tick(clock::monotonic(), &mut actions);
        let heard = bare.hear(fetch.next_wake().unwrap_or(0))?;
        let options = heard
            .and_then(|(_, datagram)| fetch.receive(clock::monotonic(), &datagram, &mut actions));
        for action in actions.drain(..) {
            match action {
                Action::Multicast(bytes) => bare.sockets.send_group(&bytes),
                Action::Log(line) => log(&line),
                Action::Reload | Action::Publish(_) | Action::Deliver { .. } => {}
            }
        }
        let trouble = bare.sockets.troubles.line(clock::monotonic());
        trouble.iter().for_each(|line| log(line));
        if let Some(options) = options {
            return Ok((0, options));
        }
    }
}

fn open_patiently(plan: &Plan, log: &dyn Fn(&str)) -> Bare {
    let mut told = false;
    loop {
        match Bare::open(plan) {
            Ok(bare) => return bare,
            Err(error) if !told => {
                log(&format!("{error}; it is tried again"));
                told = true;
            }
            Err(_) => {}
        }
        std::thread::sleep(Duration::from_millis(OPEN_EVERY));
    }
}
