//! What is asked of a node, by other nodes and by commands, and what it answers.

use sha2::{Digest, Sha256};
use uwsgi_plugin_api::cluster::{ConfigMark, Options};

use super::{ANSWERS_MAX, Action, Node, Wanted};
use crate::id::{Millis, NodeKey, Peer, RollId, TransferId};
use crate::transfer::Arrived;
use crate::wire::{Blob, Reply, Request};

/// A change that the instance is making.
#[derive(Debug)]
pub(super) struct Applying {
    pub(super) roll: RollId,
    undo: bool,
    /// Who waits for the answer; nobody where it is this node that leads.
    reply: Option<(Peer, TransferId)>,
    /// It is to be taken back as soon as it is made, and who waits for that.
    then_undo: Option<Option<(Peer, TransferId)>>,
}

/// An order from somebody who may be the leader: a node that has just come to know of others hears who leads within a second.
#[derive(Debug)]
pub(super) struct Early {
    since: Millis,
    roll: RollId,
    order: (Wanted, bool),
    reply: (Peer, TransferId),
}

/// How long such an order is kept.
const EARLY_MS: u64 = 2_000;

impl Node {
    pub(super) fn requested(&mut self, now: Millis, arrived: Arrived, actions: &mut Vec<Action>) {
        let Arrived { from, transfer, bytes, .. } = arrived;
        if self.answers.len() >= ANSWERS_MAX && !self.nodes.contains_key(&from.key) {
            return; // who asks and does not take answers asks in vain
        }
        let Ok(request) = Request::from_bytes(&bytes) else {
            return self.answer(now, (from, transfer), &Reply::Failed("not understood".into()));
        };
        let reply = match request {
            Request::View => Reply::View(self.view(now)),
            Request::Config => self.configuration(),
            Request::Drain(on) => self.drain(now, on, actions),
            Request::Apply { roll, config, undo } => {
                let wanted = config
                    .map_or(Wanted::Same, |(version, options)| Wanted::These(version, options));
                let reply = Some((from, transfer));
                return self.ordered(now, RollId(roll), (wanted, undo), reply, actions);
            }
            Request::Roll { config, parallel } => self.begin_roll(now, config, parallel, actions),
            Request::Progress { roll } => self.progress(RollId(roll)),
            Request::Log { after } => Reply::Log { lines: self.journal.after(after) },
            Request::Forget(key) => self.forget(now, key, from.key, actions),
        };
        self.answer(now, (from, transfer), &reply);
    }

    pub(super) fn answer(&mut self, now: Millis, to: (Peer, TransferId), reply: &Reply) {
        let (peer, transfer) = to;
        let number = self.transfers.start(now, peer, Blob::Reply(transfer), reply.to_bytes());
        if !self.nodes.contains_key(&peer.key) {
            self.answers.insert(number, peer);
        }
    }

    fn configuration(&self) -> Reply {
        match &self.options {
            Some(options) => {
                let version = self.about.config.version;
                Reply::Config { version, options: options.clone() }
            }
            None => Reply::Failed("this node has no configuration yet".into()),
        }
    }

    fn drain(&mut self, now: Millis, on: bool, actions: &mut Vec<Action>) -> Reply {
        if self.about.draining != on {
            self.about.draining = on;
            actions.push(Action::Drain(on));
            let line = if on { "drains: no new requests" } else { "takes requests again" };
            self.log(now, format!("cluster: this node {line}"), actions);
            self.news(now);
            let world = self.world();
            self.with_election(now, actions, |election, now, out| election.tick(now, &world, out));
        }
        Reply::Done
    }

    /// A change, or the way back from one; obeyed only where it comes from the leader.
    pub(super) fn ordered(
        &mut self,
        now: Millis,
        roll: RollId,
        (mut wanted, undo): (Wanted, bool),
        reply: Option<(Peer, TransferId)>,
        actions: &mut Vec<Action>,
    ) {
        let leader = self.election.leader(now);
        let from = reply.map_or(self.plan.member.key, |(peer, _)| peer.key);
        if let (None, None, Some(reply)) = (leader, &self.early, reply) {
            self.early = Some(Early { since: now, roll, order: (wanted, undo), reply });
            return;
        }
        if leader != Some(from) {
            return self.report(now, roll, undo, reply, Err(self.who_leads(now)));
        }
        match &mut self.applying {
            Some(applying) if applying.roll != roll => {
                let why = format!("change {} is on its way", applying.roll.0);
                return self.report(now, roll, undo, reply, Err(why));
            }
            Some(applying) if undo && !applying.undo => {
                applying.then_undo = Some(reply);
                return;
            }
            Some(applying) => {
                applying.reply = reply; // asked again
                return;
            }
            // This process did not make the change. One that is dead may have.
            None if undo && self.applied != Some(roll) => match wanted {
                Wanted::These(version, options) => {
                    wanted = Wanted::Back { from: roll.0, version, options };
                }
                _ if self.about.config.version == roll.0 => {
                    let why = "it does not know any more what was before".to_owned();
                    return self.report(now, roll, undo, reply, Err(why));
                }
                _ => return self.report(now, roll, undo, reply, Ok(())),
            },
            None => {}
        }
        self.apply(now, roll, (wanted, undo), reply, actions);
    }

    /// Does what was ordered too early, or says that it does not.
    pub(super) fn obey_early(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let known = self.election.leader(now).is_some();
        match self.early.take_if(|early| known || now >= early.since + EARLY_MS) {
            Some(Early { roll, order, reply, .. }) if known => {
                self.ordered(now, roll, order, Some(reply), actions);
            }
            Some(Early { roll, order: (_, undo), reply, .. }) => {
                let why = self.who_leads(now);
                self.report(now, roll, undo, Some(reply), Err(why));
            }
            None => {}
        }
    }

    fn apply(
        &mut self,
        now: Millis,
        roll: RollId,
        (wanted, undo): (Wanted, bool),
        reply: Option<(Peer, TransferId)>,
        actions: &mut Vec<Action>,
    ) {
        let what = if undo { "is taken back" } else { "comes to this node" };
        self.log(now, format!("cluster: change {} {what}", roll.0), actions);
        let config = match wanted {
            Wanted::Back { .. } => wanted,
            _ if undo => Wanted::Before,
            _ => wanted,
        };
        if !undo {
            self.applied = None; // what was before the last change is now what was before this one
        }
        self.applying = Some(Applying { roll, undo, reply, then_undo: None });
        actions.push(Action::Apply { roll, config });
    }

    /// The instance has made a change, or not.
    pub(super) fn applied(
        &mut self,
        now: Millis,
        roll: RollId,
        result: Result<(), String>,
        actions: &mut Vec<Action>,
    ) {
        if self.applying.as_ref().is_none_or(|applying| applying.roll != roll) {
            return;
        }
        let Some(Applying { undo, reply, then_undo, .. }) = self.applying.take() else { return };
        match &result {
            Ok(()) => self.applied = (!undo).then_some(roll),
            Err(why) => {
                self.log(now, format!("cluster: change {} failed here: {why}", roll.0), actions);
            }
        }
        let made = result.is_ok();
        self.report(now, roll, undo, reply, result);
        match then_undo {
            Some(reply) if made => self.apply(now, roll, (Wanted::Before, true), reply, actions),
            Some(reply) => self.report(now, roll, true, reply, Ok(())),
            None => {}
        }
    }

    fn report(
        &mut self,
        now: Millis,
        roll: RollId,
        undo: bool,
        reply: Option<(Peer, TransferId)>,
        result: Result<(), String>,
    ) {
        match reply {
            Some(to) => {
                let reply = result.map_or_else(Reply::Failed, |()| Reply::Done);
                self.answer(now, to, &reply);
            }
            None => self.told_result(now, (roll, undo), self.plan.member.key, result),
        }
    }

    fn forget(
        &mut self,
        now: Millis,
        key: NodeKey,
        from: NodeKey,
        actions: &mut Vec<Action>,
    ) -> Reply {
        let leads = self.election.leads_until(now).is_some();
        if !leads && self.election.leader(now) != Some(from) {
            return Reply::Failed(self.who_leads(now));
        }
        if key == self.plan.member.key || self.alive().any(|member| member.key == key) {
            return Reply::Failed(format!("{key} lives"));
        }
        if !self.nodes.contains_key(&key) && !self.election.electorate().voters.contains(&key) {
            return Reply::Failed(format!("{key} is not known"));
        }
        self.drop_node(now, key, actions);
        if leads {
            self.election.forget(key);
            let others: Vec<_> = self.alive().collect();
            for member in others {
                let request = Request::Forget(key).to_bytes();
                self.transfers.start(now, member.into(), Blob::Request, request);
            }
        }
        Reply::Done
    }

    /// For who asks a node that does not lead for what only a leader does.
    pub(super) fn who_leads(&self, now: Millis) -> String {
        match self.election.leader(now) {
            Some(key) => format!("{} leads: ask {key}", self.name(key)),
            None => "no node leads at the moment".to_owned(),
        }
    }
}

/// What a configuration is compared by. The hash is the begin of the SHA-256 of all names and values with their lengths.
pub(super) fn mark(version: u64, options: &Options) -> ConfigMark {
    let mut sum = Sha256::new();
    for text in options.iter().flat_map(|(name, value)| [name, value]) {
        sum.update((text.len() as u64).to_le_bytes());
        sum.update(text.as_bytes());
    }
    let mut hash = [0; 8];
    hash.copy_from_slice(&sum.finalize()[..8]);
    ConfigMark { version, hash: u64::from_le_bytes(hash) }
}
