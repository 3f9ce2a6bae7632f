//! A node, pure: what happened goes in, what is to be done comes out. No clock, no socket, no chance but its own seed.
//!
//! It is made of the parts beside it: who is there ([`crate::membership`]), who leads ([`crate::election`]), changes over all
//! nodes ([`crate::roll`]), blobs ([`crate::transfer`]). This module adds what they say to each other: greetings, what each tells of
//! itself, what is asked and answered, and the view that the instance gets.
//!
//! For who runs it: [`Action::Save`] comes before the votes that rest on it, so it is to be durable before what follows is sent; a new
//! configuration is told by [`Event::Config`] before [`Event::Applied`]; after [`Event::Leave`] a node wants to be ticked for
//! [`LEAVE_MS`] more.

mod commands;
mod interface;
mod journal;
mod known;
mod meeting;
mod rolling;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, HashMap, VecDeque};

use rand::SeedableRng;
use rand::rngs::StdRng;
use uwsgi_plugin_api::cluster::{ConfigMark, Options, Outgoing, Refused};

use crate::election::{Election, Outcome, Voter};
use crate::id::{Millis, NodeKey, Peer, RollId, TransferId};
use crate::membership::{Membership, Told};
use crate::transfer::{Ended, Transfers};
use crate::wire::{About, Blob, Electorate, Message, Progress, Received};
use commands::{Applying, Early};
pub use interface::{Action, Event, Plan, Wanted};
use journal::Journal;
use known::Known;
use rolling::Rolling;

/// Nodes that are kept in mind.
pub const NODES_MAX: usize = 1_024;
/// How long a node that leaves still speaks.
pub const LEAVE_MS: u64 = 300;
/// For how many nodes membership is set at first.
const SIZE_HINT: usize = 10;
/// Answers to guests that are on their way at one time.
const ANSWERS_MAX: usize = 64;

/// A node of a cluster.
pub struct Node {
    plan: Plan,
    /// Time of the first step.
    started: Option<Millis>,
    rng: StdRng,
    membership: Membership,
    election: Election,
    transfers: Transfers,
    nodes: BTreeMap<NodeKey, Known>,
    about: About,
    options: Option<Options>,
    journal: Journal,
    rolling: Option<Rolling>,
    /// The last changes that have ended.
    past: VecDeque<(RollId, Progress)>,
    applying: Option<Applying>,
    /// An order that came before it was known who leads.
    early: Option<Early>,
    /// The last change that this node took part in, while it can go back.
    applied: Option<RollId>,
    /// Who waits for which of this node's answers.
    answers: HashMap<TransferId, Peer>,
    refused: Refused,
    clock: Clock,
    /// Until when it told its instance that it leads.
    shown_until: Millis,
    /// Messages of transfers on their way out, kept for their memory.
    parts: Vec<(Peer, Message)>,
}

/// What is to be done when.
#[derive(Debug, Default)]
struct Clock {
    hello: Millis,
    doubt: Millis,
    about: Millis,
    /// Something but the load has changed: not before this it is told.
    news: Option<Millis>,
    publish: Millis,
    /// The view has changed: not before this it is shown.
    changed: Option<Millis>,
    /// Greetings that may still be answered until the next second.
    welcomes: u32,
    second: Millis,
    left: Option<Millis>,
    gone: bool,
    /// Not before this the leader looks again for nodes with another configuration.
    differs: Millis,
    about_turn: usize,
}

impl Node {
    /// A node that begins with its first step.
    pub fn new(plan: Plan) -> Self {
        let about = About {
            member: plan.member,
            serial: 0,
            hostname: plan.hostname.clone(),
            address: String::new(),
            version: plan.version.clone(),
            load: None,
            config: ConfigMark::default(),
            draining: plan.draining,
            observer: plan.observer,
            leaving: false,
        };
        Self {
            started: None,
            rng: StdRng::seed_from_u64(plan.seed),
            membership: Membership::new(plan.member, SIZE_HINT, plan.seed ^ 1),
            election: election(0, &plan),
            transfers: Transfers::new(plan.seed ^ plan.member.life.0),
            nodes: BTreeMap::new(),
            about,
            options: None,
            journal: Journal::default(),
            rolling: None,
            past: VecDeque::new(),
            applying: None,
            early: None,
            applied: None,
            answers: HashMap::new(),
            refused: Refused::default(),
            clock: Clock::default(),
            shown_until: 0,
            parts: Vec::new(),
            plan,
        }
    }

    /// Something happened; what is to be done for it is added to `actions`, in its order.
    pub fn step(&mut self, now: Millis, event: Event, actions: &mut Vec<Action>) {
        if self.started.is_none() {
            self.started = Some(now);
            self.election = election(now, &self.plan);
        }
        match event {
            Event::Received(received) => self.receive(now, received, actions),
            Event::Tick => {}
            Event::Load { load, address } => self.set_load(now, load, address),
            Event::Config { version, options } => self.set_config(now, version, options),
            Event::Applied { roll, result } => self.applied(now, roll, result, actions),
            Event::Outgoing(Outgoing::Log(line)) => self.tell_line(now, line, actions),
            Event::Outgoing(Outgoing::Message(bytes)) => self.tell_payload(bytes, actions),
            Event::Outgoing(Outgoing::Line(line)) => self.journal.add(self.unix(now), line),
            Event::Seeds(seeds) => self.plan.seeds = seeds,
            Event::Refused(refused) => self.refused = refused,
            Event::Leave => self.leave(now, actions),
        }
        self.turn(now, actions);
    }

    /// When [`Event::Tick`] is wanted; `u64::MAX` when it has left.
    pub fn next_wake(&self) -> Millis {
        let clock = &self.clock;
        if clock.gone {
            return u64::MAX;
        }
        let fixed = clock
            .hello
            .min(clock.doubt)
            .min(clock.about)
            .min(clock.publish)
            .min(self.election.next_wake());
        let rolling = self.rolling.as_ref().map(|rolling| rolling.next_look);
        let parts = [
            clock.news,
            clock.left.map(|left| left + LEAVE_MS),
            clock.changed,
            self.membership.next_wake(),
            self.transfers.next_wake(),
            rolling,
        ];
        parts.into_iter().flatten().fold(fixed, Millis::min)
    }

    /// Who has a vote, as far as this node knows.
    pub const fn electorate(&self) -> &Electorate {
        self.election.electorate()
    }

    /// All that is done by time, and by what has changed.
    fn turn(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if self.clock.left.is_some_and(|left| now >= left + LEAVE_MS) {
            self.clock.gone = true;
            return;
        }
        if self.membership.next_wake().is_some_and(|wake| wake <= now) {
            self.with_membership(now, actions, Membership::tick);
        }
        if self.election.next_wake() <= now {
            let world = self.world();
            self.with_election(now, actions, |election, now, out| election.tick(now, &world, out));
        }
        self.obey_early(now, actions);
        self.conduct(now, actions);
        self.doubt_silent(now, actions);
        self.greet(now, actions);
        self.tell_about(now, actions);
        self.forget_old(now, actions);
        if self.transfers.next_wake().is_some_and(|wake| wake <= now) {
            let mut parts = std::mem::take(&mut self.parts);
            let ended = self.transfers.tick(now, &mut parts);
            self.post(parts, actions);
            for Ended { transfer, to, result } in ended {
                self.answers.remove(&transfer);
                if let Err(why) = result {
                    self.unsent(now, transfer, to.key, &why.to_string());
                }
            }
        }
        self.show(now, actions);
    }

    fn with_membership(
        &mut self,
        now: Millis,
        actions: &mut Vec<Action>,
        call: impl FnOnce(&mut Membership, Millis, &mut Told),
    ) {
        let mut told = Told::default();
        call(&mut self.membership, now, &mut told);
        for (to, bytes) in told.sends {
            actions.push(Action::Send(to.into(), Message::Gossip(bytes)));
        }
        for notice in told.notices {
            self.noticed(now, notice);
        }
    }

    fn with_election(
        &mut self,
        now: Millis,
        actions: &mut Vec<Action>,
        call: impl FnOnce(&mut Election, Millis, &mut Vec<Outcome>),
    ) {
        let before = (self.election.leader(now), self.election.leads_until(now).is_some());
        let mut out = Vec::new();
        call(&mut self.election, now, &mut out);
        for outcome in out {
            match outcome {
                Outcome::Send(to, message) => {
                    // Somebody in no known life is not there: what is said to nobody in particular could be said again later.
                    if let Some(peer) = self.peer(to) {
                        actions.push(Action::Send(peer, Message::Election(message)));
                    }
                }
                Outcome::Save(electorate) => actions.push(Action::Save(electorate)),
                Outcome::Log(line) => self.log(now, line, actions),
            }
        }
        let after = (self.election.leader(now), self.election.leads_until(now).is_some());
        if before != after {
            self.clock.changed = Some(now);
        }
    }

    fn receive(&mut self, now: Millis, received: Received, actions: &mut Vec<Action>) {
        let from = Peer { key: received.from, life: Some(received.life) };
        self.heard(now, from);
        match received.message {
            Message::Hello { member, guest } => self.hello(now, from, (member, guest), actions),
            Message::Welcome { member, others } => {
                self.welcome(now, from, (member, others), actions);
            }
            Message::Gossip(bytes) => {
                self.with_membership(now, actions, |membership, now, out| {
                    membership.receive(now, &bytes, out);
                });
            }
            Message::About(about) => self.told_about(now, from, about, actions),
            Message::Election(message) => {
                self.with_election(now, actions, |election, now, out| {
                    election.receive(now, from.key, message, out);
                });
            }
            Message::Log(line) => {
                self.journal.add(self.unix(now), line.clone());
                actions.push(Action::Log(line));
            }
            Message::Payload(bytes) => {
                let about = self.nodes.get(&from.key).and_then(|known| known.about.as_ref());
                let host = about.map(|about| about.hostname.clone());
                let from = host.unwrap_or_else(|| from.key.to_string());
                actions.push(Action::Deliver { from, bytes });
            }
            part => {
                let mut parts = std::mem::take(&mut self.parts);
                let arrived = self.transfers.receive(now, from, &part, &mut parts);
                self.post(parts, actions);
                if let Some(arrived) = arrived {
                    match arrived.kind {
                        Blob::Request => self.requested(now, arrived, actions),
                        Blob::Reply(to) => self.replied(now, to, from.key, &arrived.bytes),
                    }
                }
            }
        }
    }

    fn post(&mut self, mut parts: Vec<(Peer, Message)>, actions: &mut Vec<Action>) {
        actions.extend(parts.drain(..).map(|(peer, message)| Action::Send(peer, message)));
        self.parts = parts;
    }

    /// A line for people: the log's, and those who ask for it.
    fn log(&mut self, now: Millis, line: String, actions: &mut Vec<Action>) {
        self.journal.add(self.unix(now), line.clone());
        actions.push(Action::Log(line));
    }

    /// Unix time in milliseconds: this node's life began with its epoch.
    fn unix(&self, now: Millis) -> u64 {
        self.plan.member.epoch + now.saturating_sub(self.started.unwrap_or(now))
    }

    /// A node in the life that is known of it.
    fn peer(&self, key: NodeKey) -> Option<Peer> {
        self.membership.held(key).map(|(member, _)| member.into())
    }

    fn unix_version(&self, now: Millis) -> u64 {
        let known = self.nodes.values().filter_map(|known| known.about.as_ref());
        let latest = known.map(|about| about.config.version).chain([self.about.config.version]);
        self.unix(now).max(latest.max().unwrap_or(0).saturating_add(1))
    }
}

fn election(now: Millis, plan: &Plan) -> Election {
    let voter = Voter {
        own: plan.member.key,
        quorum_min: plan.quorum_min,
        forget_ms: plan.forget_ms,
        founder: plan.founder,
        observer: plan.observer,
        known: plan.known.clone(),
        seed: plan.seed ^ 2,
    };
    Election::new(now, voter)
}
