//! Somebody who asks a cluster and is no part of it: a command, or a node that looks for its configuration.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use uwsgi_plugin_api::PluginError;
use uwsgi_plugin_api::cluster::{ClusterNode, ClusterView};

use crate::id::{Member, Millis, NodeKey, Peer, TransferId};
use crate::plan::Plan;
use crate::run::mail::Mail;
use crate::run::{clock, resolve_seeds};
use crate::sockets::{DATAGRAM_ROOM, Ear, Role, Sockets};
use crate::transfer::{Arrived, Transfers};
use crate::wire::{Blob, Message, Reply, Request};

/// After the first node has answered, so long others are waited for, in milliseconds.
const TOGETHER: Millis = 300;
/// So long the first one is waited for, in milliseconds.
pub(super) const FIRST_MAX: Millis = 3_000;
/// How often it is asked who is there, in milliseconds: a datagram may be lost.
const HELLO_EVERY: Millis = 250;
/// How long a node may take to answer what it knows, in milliseconds.
pub(super) const ANSWER_MAX: Millis = 5_000;
/// Nodes that are remembered.
const KNOWN_MAX: usize = 4_096;
/// Datagrams that are taken before time is looked at.
const BATCH: usize = 256;

/// See the module.
pub(super) struct Guest {
    plan: Plan,
    sockets: Sockets,
    poll: Poll,
    mail: Mail,
    transfers: Transfers,
    seeds: Vec<SocketAddr>,
    own: Member,
    /// Those that have answered.
    known: BTreeMap<NodeKey, Member>,
    arrived: Vec<Arrived>,
    failed: Vec<(TransferId, String)>,
}

impl Guest {
    /// # Errors
    /// The settings, or there is no network.
    pub(super) fn open(plan: &Plan) -> Result<Self, PluginError> {
        let wrong = |why: String| PluginError(format!("cluster {}: {why}", plan.group));
        let seeds = resolve_seeds(plan);
        let mut sockets = Sockets::open(plan, Role::Guest, &seeds).map_err(wrong)?;
        let mail = Mail::open(plan).map_err(|error| wrong(error.to_string()))?;
        let system = |error: io::Error| wrong(error.to_string());
        let poll = Poll::new().map_err(system)?;
        for (_, socket) in sockets.sources() {
            poll.registry().register(socket, Token(0), Interest::READABLE).map_err(system)?;
        }
        let own = Member { key: sockets.address(), life: mail.life, epoch: clock::unix() };
        let number = getrandom::u64().map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            plan: plan.clone(),
            sockets,
            poll,
            mail,
            transfers: Transfers::new(number),
            seeds,
            own,
            known: BTreeMap::new(),
            arrived: Vec::new(),
            failed: Vec::new(),
        })
    }

    /// Asks who is there, and waits until some have answered; none may.
    ///
    /// # Errors
    /// The system.
    pub(super) fn look(&mut self, patience: Millis) -> Result<Vec<Member>, PluginError> {
        self.known.clear();
        let until = clock::monotonic() + patience;
        self.greet(until, |known| !known.is_empty())?;
        if !self.known.is_empty() {
            self.turn_until(clock::monotonic() + TOGETHER)?;
        }
        Ok(self.known.values().copied().collect())
    }

    /// As [`Guest::look`]; nobody there is an error that says where it was asked.
    pub(super) fn find(&mut self) -> Result<Vec<Member>, PluginError> {
        let members = self.look(FIRST_MAX)?;
        if members.is_empty() { Err(PluginError(self.nobody())) } else { Ok(members) }
    }

    /// One node in the life that it has now.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) fn meet(&mut self, key: NodeKey) -> Result<Member, PluginError> {
        if let Some(member) = self.known.get(&key) {
            return Ok(*member);
        }
        self.seeds.push(key);
        let until = clock::monotonic() + FIRST_MAX;
        self.greet(until, |known| known.contains_key(&key))?;
        self.seeds.retain(|seed| *seed != key);
        let member = self.known.get(&key).copied();
        member.ok_or_else(|| PluginError(format!("cluster: {key} does not answer")))
    }

    /// Asks a node and waits for what it says.
    ///
    /// # Errors
    /// It does not answer in time, or refuses.
    pub(super) fn ask(
        &mut self,
        member: Member,
        request: &Request,
        patience: Millis,
    ) -> Result<Reply, PluginError> {
        let wrong = |why: &str| PluginError(format!("cluster: {}: {why}", member.key));
        let now = clock::monotonic();
        let peer = Peer::from(member);
        let number = self.transfers.start(now, peer, Blob::Request, request.to_bytes());
        let until = now + patience;
        loop {
            let answers =
                |one: &Arrived| one.from.key == peer.key && one.kind == Blob::Reply(number);
            if let Some(at) = self.arrived.iter().position(answers) {
                let reply = Reply::from_bytes(&self.arrived.swap_remove(at).bytes)
                    .map_err(|error| wrong(&error.to_string()))?;
                return match reply {
                    Reply::Failed(why) => Err(wrong(&why)),
                    reply => Ok(reply),
                };
            }
            if let Some((_, why)) = self.failed.iter().find(|(failed, _)| *failed == number) {
                // It may have begun another life since it was met.
                self.known.remove(&member.key);
                return Err(wrong(why));
            }
            if clock::monotonic() >= until {
                self.known.remove(&member.key);
                return Err(wrong("no answer in time"));
            }
            self.turn(until)?;
        }
    }

    /// The cluster as one of these sees it.
    ///
    /// # Errors
    /// None of them says it.
    pub(super) fn view(&mut self, members: &[Member]) -> Result<ClusterView, PluginError> {
        let mut last = PluginError(self.nobody());
        let mut members = members.to_vec();
        // The node of this host knows what it is asked for from here.
        members.sort_by_key(|member| member.key.ip() != self.own.key.ip());
        for member in members {
            match self.ask(member, &Request::View, ANSWER_MAX) {
                Ok(Reply::View(view)) => return Ok(view),
                Ok(_) => last = PluginError(format!("cluster: {} says no view", member.key)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The leader of a view.
    ///
    /// # Errors
    /// There is none, or it does not answer.
    pub(super) fn leader(&mut self, view: &ClusterView) -> Result<Member, PluginError> {
        let leader = view.leader().ok_or_else(|| {
            PluginError(format!(
                "cluster {}: there is no leader (it needs {} of {} votes); nothing is changed without one",
                view.group, view.quorum, view.voters
            ))
        })?;
        self.meet(leader.endpoint)
    }

    /// A line for the logs of all nodes, to each of those that have answered.
    pub(super) fn log(&mut self, line: &str) -> Result<(), PluginError> {
        let message = Message::Log(line.to_owned());
        for member in self.known.values().copied().collect::<Vec<_>>() {
            self.mail.send(&mut self.sockets, member.into(), &message);
        }
        self.turn(clock::monotonic() + 1)
    }

    /// Lets datagrams come until this time.
    pub(super) fn turn_until(&mut self, until: Millis) -> Result<(), PluginError> {
        while clock::monotonic() < until {
            self.turn(until)?;
        }
        Ok(())
    }

    fn nobody(&mut self) -> String {
        let mut asked = vec![self.plan.group.to_string()];
        asked.extend(self.plan.seeds.iter().map(ToString::to_string));
        let refused = self.mail.refused();
        let hint = if refused.skewed > 0 {
            "nodes answer, but their clocks differ too much from this one (cluster-clock-tolerance)"
        } else if refused.forged > 0 {
            "somebody answers with another secret"
        } else {
            "is a node there? the secret has to be that of the nodes, clocks have to agree, and where multicast does not go \
             cluster-seed = HOST names a node (cluster-interface: where to ask)"
        };
        let trouble = self.sockets.troubles.line(0).map(|line| format!(" ({line})"));
        format!(
            "cluster: nobody answers; asked {} from {}: {hint}{}",
            asked.join(", "),
            self.own.key,
            trouble.unwrap_or_default()
        )
    }

    /// Says hello until it is enough.
    fn greet(
        &mut self,
        until: Millis,
        enough: impl Fn(&BTreeMap<NodeKey, Member>) -> bool,
    ) -> Result<(), PluginError> {
        let mut hello_at = 0;
        while !enough(&self.known) {
            let now = clock::monotonic();
            if now >= until {
                break;
            }
            if now >= hello_at {
                hello_at = now + HELLO_EVERY;
                let hello = Message::Hello { member: self.own, guest: true };
                self.mail.send_group(&mut self.sockets, &hello);
                for key in self.seeds.clone() {
                    self.mail.send(&mut self.sockets, Peer { key, life: None }, &hello);
                }
            }
            self.turn(until.min(hello_at))?;
        }
        Ok(())
    }

    /// Sends what is due, sleeps until something comes or until this time, and takes it.
    fn turn(&mut self, until: Millis) -> Result<(), PluginError> {
        let system = |error: io::Error| PluginError(format!("cluster: {error}"));
        let mut out = Vec::new();
        let now = clock::monotonic();
        for ended in self.transfers.tick(now, &mut out) {
            if let Err(error) = ended.result {
                self.failed.push((ended.transfer, error.to_string()));
            }
        }
        self.send_all(&mut out);
        let mut buffer = [0; DATAGRAM_ROOM];
        let mut heard = false;
        for _ in 0..BATCH {
            let Some((count, from)) = self.sockets.receive(Ear::Own, &mut buffer) else { break };
            heard = true;
            self.take(from, &buffer[..count]);
        }
        if heard {
            return Ok(());
        }
        let due = self.transfers.next_wake().unwrap_or(until).min(until);
        let left = Duration::from_millis(due.saturating_sub(clock::monotonic()).max(1));
        match self.poll.poll(&mut Events::with_capacity(4), Some(left)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(system(error)),
            _ => Ok(()),
        }
    }

    fn take(&mut self, from: SocketAddr, datagram: &[u8]) {
        let Some(received) = self.mail.take(from, datagram) else { return };
        match &received.message {
            Message::Welcome { member, .. }
                if member.key == from && member.life == received.life =>
            {
                if self.known.len() < KNOWN_MAX {
                    self.known.insert(from, *member);
                }
            }
            message => {
                let peer = Peer { key: from, life: Some(received.life) };
                let mut out = Vec::new();
                let now = clock::monotonic();
                // Only answers are waited for.
                self.arrived.extend(
                    (self.transfers.receive(now, peer, message, &mut out))
                        .filter(|arrived| matches!(arrived.kind, Blob::Reply(_))),
                );
                self.send_all(&mut out);
            }
        }
    }

    fn send_all(&mut self, out: &mut Vec<(Peer, Message)>) {
        for (peer, message) in out.drain(..) {
            self.mail.send(&mut self.sockets, peer, &message);
        }
    }
}

/// The node that somebody means: by endpoint, address, host name, or the address where it speaks.
///
/// # Errors
/// None, or more than one.
pub(super) fn node<'a>(view: &'a ClusterView, text: &str) -> Result<&'a ClusterNode, PluginError> {
    let named = |node: &&ClusterNode| {
        let endpoint = node.endpoint;
        [endpoint.to_string(), endpoint.ip().to_string()].iter().any(|name| name == text)
            || node.address == text
            || node.hostname == text
    };
    let mut found = view.nodes.iter().filter(named);
    let exact = view.nodes.iter().find(|node| node.endpoint.to_string() == text);
    match (exact, found.next(), found.next()) {
        (Some(node), ..) | (None, Some(node), None) => Ok(node),
        (None, Some(_), Some(_)) => {
            let all: Vec<_> =
                view.nodes.iter().filter(named).map(|n| n.endpoint.to_string()).collect();
            Err(PluginError(format!("cluster: {text:?} may be {}: say which", all.join(" or "))))
        }
        (None, None, _) => {
            let all: Vec<_> = view.nodes.iter().map(|node| node.endpoint.to_string()).collect();
            Err(PluginError(format!("cluster: no node {text:?}; there are: {}", all.join(", "))))
        }
    }
}
