//! How nodes come together: greetings, what each tells of itself, farewells.
//!
//! A greeting goes to the group, to seeds and to nodes that are down: about once a second while something is missing, else every
//! five seconds, and in a large cluster from each node the less often, so that all of them together greet about as often as
//! sixteen nodes would.

use rand::RngExt;
use rand::seq::SliceRandom;
use uwsgi_plugin_api::cluster::{Load, Options};

use super::known::is_same;
use super::{Action, Known, NODES_MAX, Node};
use crate::election::{Condition, World};
use crate::id::{Member, Millis, NodeKey, Peer};
use crate::membership::{Membership, Notice};
use crate::wire::{About, Message};

/// Between two greetings while something is missing.
const HELLO_MS: u64 = 1_000;
/// And while nothing is.
const HELLO_REST_MS: u64 = 5_000;
/// So many nodes greet at their full pace.
const GREETERS: usize = 16;
/// Seeds, voters that are remembered and silent nodes that are greeted at a time, each.
const GREETED_MAX: usize = 16;
/// Silent ones of these, in a cluster that has a group.
const SILENT_MAX: usize = 4;
/// Nodes that answer a greeting to all, about.
const WELCOMERS: usize = 8;
/// Others that are told of in an answer.
const OTHERS_MAX: usize = 31;
/// Greetings that are answered in a second.
const WELCOMES_MAX: u32 = 64;
/// Between two times that a node tells of itself, where only its load changes.
const ABOUT_MS: u64 = 1_000;
/// And where something else does.
const NEWS_MS: u64 = 100;
/// Nodes that are told at a time.
const ABOUT_MAX: usize = 64;
/// Between two times that a node is told that it is held for silent.
const CONFRONT_MS: u64 = 500;
/// A node from which nothing came for so long is doubted: three messages of each second were lost, or it is gone.
const SILENT_MS: u64 = 3_200;
/// Between two looks for such nodes.
const DOUBT_EVERY_MS: u64 = 250;
/// A node for which others spoke up, and that is still not heard here, is not doubted again for so long.
const DOUBT_AGAIN_MS: u64 = 30_000;
/// One that others suspect is given up here after that, where nobody tells that it is down.
const DOUBT_END_MS: u64 = 2_000;

impl Node {
    pub(super) fn greet(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if now >= self.clock.second {
            self.clock.second = now + 1_000;
            self.clock.welcomes = WELCOMES_MAX;
        }
        if now < self.clock.hello || self.clock.left.is_some() {
            return;
        }
        let hello = Message::Hello { member: self.membership.own(), guest: false };
        let mut keys = self.silent();
        let missing = !keys.is_empty() || self.alive().next().is_none();
        keys.shuffle(&mut self.rng);
        keys.truncate(if self.plan.multicast { SILENT_MAX } else { GREETED_MAX });
        keys.extend(self.strangers(missing));
        let crowd = (self.alive().count() / GREETERS).max(1) as u64;
        let rest = if missing || !keys.is_empty() { HELLO_MS } else { HELLO_REST_MS };
        self.clock.hello = now + rest * crowd + self.rng.random_range(0..HELLO_MS / 5);
        if self.plan.multicast {
            actions.push(Action::Multicast(hello.clone()));
        }
        for key in keys {
            actions.push(Action::Send(Peer { key, life: None }, hello.clone()));
        }
    }

    /// Nodes that are down and did not leave.
    fn silent(&self) -> Vec<NodeKey> {
        let silent = self.nodes.iter().filter(|(_, known)| {
            known.down_since.is_some() && !known.has_left() && known.about.is_some()
        });
        silent.map(|(key, _)| *key).collect()
    }

    /// Seeds and remembered voters that were never met; all seeds where nobody is there.
    fn strangers(&mut self, alone: bool) -> Vec<NodeKey> {
        let voters = self.plan.known.iter().flat_map(|known| &known.voters);
        let mut keys: Vec<_> = self.plan.seeds.iter().chain(voters).copied().collect();
        let own = self.membership.own().key;
        keys.retain(|key| *key != own && (alone || !self.nodes.contains_key(key)));
        keys.sort_unstable();
        keys.dedup();
        keys.shuffle(&mut self.rng);
        keys.truncate(GREETED_MAX);
        keys
    }

    pub(super) fn hello(
        &mut self,
        now: Millis,
        from: Peer,
        (member, guest): (Member, bool),
        actions: &mut Vec<Action>,
    ) {
        if !guest && !self.is_from(from, &member) {
            return;
        }
        let mut first = Vec::new();
        if !guest {
            first.extend(self.later(&member));
            self.meet(now, &[member], actions);
            self.confront(now, from.key, actions);
        }
        let crowd = self.alive().count().max(1);
        let chosen = guest || !first.is_empty() || self.rng.random_range(0..crowd) < WELCOMERS;
        if chosen && self.clock.welcomes > 0 && self.clock.left.is_none() {
            self.clock.welcomes -= 1;
            let mut others: Vec<_> = self.alive().filter(|other| other.key != from.key).collect();
            others.shuffle(&mut self.rng);
            others.truncate(OTHERS_MAX);
            first.append(&mut others);
            let member = self.membership.own();
            actions.push(Action::Send(from, Message::Welcome { member, others: first }));
        }
    }

    pub(super) fn welcome(
        &mut self,
        now: Millis,
        from: Peer,
        (member, others): (Member, Vec<Member>),
        actions: &mut Vec<Action>,
    ) {
        if !self.is_from(from, &member) {
            return;
        }
        let own = self.membership.own();
        if let Some(past) = others.iter().find(|other| other.key == own.key && **other != own) {
            let epoch = past.epoch;
            self.with_membership(now, actions, |membership, now, out| {
                membership.rise(now, epoch, out);
            });
        }
        self.meet(now, &[member], actions);
        self.confront(now, from.key, actions);
        self.meet(now, &others, actions);
    }

    pub(super) fn told_about(
        &mut self,
        now: Millis,
        from: Peer,
        about: About,
        actions: &mut Vec<Action>,
    ) {
        if !self.is_from(from, &about.member) {
            return;
        }
        let member = about.member;
        if let Some(later) = self.later(&member) {
            let own = self.membership.own();
            let welcome = Message::Welcome { member: own, others: vec![later] };
            return actions.push(Action::Send(from, welcome));
        }
        if !about.leaving {
            self.meet(now, &[member], actions);
        }
        let Some(known) = self.nodes.get_mut(&from.key) else { return };
        if known.take(now, about) {
            self.clock.changed.get_or_insert(now + NEWS_MS);
        }
        self.confront(now, from.key, actions);
    }

    /// A node was heard: where it is held for silent, it is told so, and says that it is not.
    fn confront(&mut self, now: Millis, key: NodeKey, actions: &mut Vec<Action>) {
        let Some(known) = self.nodes.get_mut(&key) else { return };
        if known.confronted + CONFRONT_MS <= now && !known.has_left() {
            known.confronted = now;
            self.with_membership(now, actions, |membership, _, out| membership.confront(key, out));
        }
    }

    /// Nodes from which nothing came for longer than they keep silent: gossip that they are down may have missed this one.
    pub(super) fn doubt_silent(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if now < self.clock.doubt || self.clock.left.is_some() {
            return;
        }
        self.clock.doubt = now + DOUBT_EVERY_MS;
        let bound = SILENT_MS * self.nodes.len().div_ceil(ABOUT_MAX).max(1) as u64;
        let all: Vec<_> = self.membership.members().collect();
        for (member, state, _) in all {
            let Some(known) = self.nodes.get_mut(&member.key) else { continue };
            let pause = match state {
                foca::State::Alive => DOUBT_AGAIN_MS,
                foca::State::Suspect => DOUBT_END_MS,
                foca::State::Down => continue,
            };
            let doubted = known.doubted.is_some_and(|at| now - at < pause);
            if doubted || now.saturating_sub(known.heard) < bound {
                continue;
            }
            known.doubted = Some(now);
            self.with_membership(now, actions, |membership, now, out| {
                membership.doubt(now, member.key, out);
            });
        }
    }

    /// This node as others know it, where that is a later one than it says that it is: its clock went back.
    fn later(&self, member: &Member) -> Option<Member> {
        let (held, _) = self.membership.held(member.key)?;
        (held.life != member.life && held.epoch >= member.epoch).then_some(held)
    }

    fn is_from(&self, from: Peer, member: &Member) -> bool {
        let own = self.membership.own();
        member.key == from.key && from.life == Some(member.life) && member.key != own.key
    }

    fn meet(&mut self, now: Millis, members: &[Member], actions: &mut Vec<Action>) {
        self.with_membership(now, actions, |membership, now, out| {
            membership.meet(now, members, out);
        });
    }

    /// Something came from a node.
    pub(super) fn heard(&mut self, now: Millis, from: Peer) {
        if let Some(known) = self.nodes.get_mut(&from.key)
            && known.about.as_ref().is_some_and(|about| Some(about.member.life) == from.life)
        {
            known.heard = now;
            known.doubted = None;
        }
    }

    pub(super) fn noticed(&mut self, now: Millis, notice: Notice) {
        let (Notice::Up(member) | Notice::Down(member) | Notice::Renewed(member)) = notice;
        if member.key == self.membership.own().key {
            return;
        }
        if !self.nodes.contains_key(&member.key) {
            if self.nodes.len() >= NODES_MAX {
                return;
            }
            self.nodes.insert(member.key, Known::new(now, member.life));
            // It is told at once who this is.
            self.clock.about = self.clock.about.min(now + NEWS_MS);
        }
        let Some(known) = self.nodes.get_mut(&member.key) else { return };
        known.life = member.life;
        match notice {
            Notice::Down(_) => known.down_since = known.down_since.or(Some(now)),
            Notice::Up(_) => known.down_since = None,
            Notice::Renewed(_) => {}
        }
        self.clock.changed.get_or_insert(now + NEWS_MS);
    }

    /// Others that live, in their present lives.
    pub(super) fn alive(&self) -> impl Iterator<Item = Member> + '_ {
        let alive = self.membership.members().filter(|(_, state, _)| *state != foca::State::Down);
        alive.map(|(member, ..)| member)
    }

    /// Who could have a vote, and how they are.
    pub(super) fn world(&self) -> World {
        let mut world = World::new();
        for (member, state, _) in self.membership.members() {
            let Some(known) = self.nodes.get(&member.key) else { continue };
            if known.about.is_none() || known.is_observer() {
                continue;
            }
            let condition = if known.has_left() {
                Condition::Left
            } else if state == foca::State::Down {
                Condition::Down
            } else if known.is_draining() {
                Condition::Draining
            } else {
                Condition::Alive
            };
            world.insert(member.key, condition);
        }
        if !self.plan.observer {
            let own = match (self.clock.left, self.about.draining) {
                (Some(_), _) => Condition::Left,
                (None, true) => Condition::Draining,
                (None, false) => Condition::Alive,
            };
            world.insert(self.membership.own().key, own);
        }
        world
    }

    pub(super) fn set_load(&mut self, now: Millis, load: Option<Load>, address: String) {
        let before = self.about.clone();
        self.about.load = load;
        self.about.address = address;
        if !is_same(&before, &self.about) {
            self.news(now);
        }
    }

    pub(super) fn set_config(&mut self, now: Millis, version: u64, options: Options) {
        let mark = super::commands::mark(version, &options);
        if self.options.is_none() || mark != self.about.config {
            self.about.config = mark;
            self.options = Some(options);
            self.news(now);
        }
    }

    /// Something but the load has changed.
    pub(super) fn news(&mut self, now: Millis) {
        self.clock.news.get_or_insert(now);
        self.clock.changed.get_or_insert(now);
    }

    /// Tells others of this node: all of them what is new, 64 by turns how busy it is.
    pub(super) fn tell_about(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let news = self.clock.news.is_some_and(|at| at <= now);
        if !news && now < self.clock.about {
            return;
        }
        self.clock.news = None;
        self.clock.about = now + if self.clock.left.is_some() { NEWS_MS } else { ABOUT_MS };
        self.about.member = self.membership.own();
        self.about.serial += 1;
        let mut others: Vec<_> = self.alive().collect();
        others.sort_unstable_by_key(|member| member.key);
        if !news && others.len() > ABOUT_MAX {
            let turn = self.clock.about_turn % others.len();
            others.rotate_left(turn);
            others.truncate(ABOUT_MAX);
            self.clock.about_turn = turn + ABOUT_MAX;
        }
        for member in others {
            let about = Message::About(self.about.clone());
            actions.push(Action::Send(member.into(), about));
        }
    }

    pub(super) fn tell_line(&mut self, now: Millis, line: String, actions: &mut Vec<Action>) {
        self.journal.add(self.unix(now), line.clone());
        for member in self.alive() {
            actions.push(Action::Send(member.into(), Message::Log(line.clone())));
        }
        actions.push(Action::Log(line));
    }

    pub(super) fn tell_payload(&mut self, bytes: Vec<u8>, actions: &mut Vec<Action>) {
        for member in self.alive() {
            actions.push(Action::Send(member.into(), Message::Payload(bytes.clone())));
        }
    }

    /// Says three times that it goes: by then somebody has heard it, and tells others.
    pub(super) fn leave(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if self.clock.left.is_some() {
            return;
        }
        let world = self.world();
        self.with_election(now, actions, |election, now, out| election.leave(now, &world, out));
        self.clock.left = Some(now);
        self.about.leaving = true;
        self.news(now);
        self.tell_about(now, actions);
        self.with_membership(now, actions, Membership::leave);
        self.tell_about(now, actions);
    }
}
