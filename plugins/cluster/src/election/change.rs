//! Who has a vote: found a cluster, admit, take out.

use std::collections::BTreeSet;

use rand::RngExt;

use super::{
    Condition, Election, FOUND_MS, NUMBER_BITS, Outcome, RANK_MS, VOTERS_MAX, World, first_version,
};
use crate::id::{Millis, NodeKey};
use crate::wire::{self, Electorate};

/// Between two questions for an electorate.
const QUERY_MS: u64 = 500;
/// Nodes that are asked at a time.
const QUERIES: usize = 3;
/// So long a seeker is waited for that would found first.
const SEEKER_MS: u64 = 2_000;
/// At most so many of them.
const SEEKERS_BEFORE_MAX: usize = 8;

impl Election {
    /// Asks for an electorate; a founder that hears of none makes one.
    pub(super) fn seek(&mut self, now: Millis, world: &World, out: &mut Vec<Outcome>) {
        let own = self.plan.own;
        let alive = world.get(&own) == Some(&Condition::Alive) && !self.leaving;
        self.seekers.retain(|_, asked| *asked + SEEKER_MS > now);
        let before = self.seekers.range(..own).count().min(SEEKERS_BEFORE_MAX);
        let wait = FOUND_MS + RANK_MS * u64::try_from(before).unwrap_or(0);
        if self.plan.founder && !self.plan.observer && alive && now >= self.started + wait {
            self.found(now, out);
            return;
        }
        if now < self.next_query {
            return;
        }
        self.next_query = now + QUERY_MS;
        let there = |condition: &Condition| *condition != Condition::Down;
        let mut others: Vec<_> = world.iter().filter(|(_, condition)| there(condition)).collect();
        others.retain(|(key, _)| **key != own);
        self.round += 1;
        for number in 0..QUERIES.min(others.len()) {
            // The first in order are always asked: where they know nothing either, they found first.
            let at = if number == 0 { self.rng.random_range(0..others.len()) } else { 0 };
            let (key, _) = others.remove(at);
            let electorate = Electorate::default();
            let ask = wire::Election::Ask { round: self.round, electorate, leads: false };
            out.push(Outcome::Send(*key, ask));
        }
    }

    fn found(&mut self, now: Millis, out: &mut Vec<Outcome>) {
        self.electorate = Electorate {
            lineage: self.rng.random_range(1..=u64::MAX),
            version: first_version(1),
            term: 1,
            voters: BTreeSet::from([self.plan.own]),
        };
        self.remember();
        self.voted = None;
        self.unsure_until = 0;
        self.vacant_since = Some(now);
        out.push(Outcome::Save(self.electorate.clone()));
        out.push(Outcome::Log("cluster: no other node has a cluster: this one founds it".into()));
    }

    pub(super) fn note_missing(&mut self, now: Millis, world: &World) {
        for voter in &self.electorate.voters {
            if matches!(world.get(voter), Some(Condition::Alive | Condition::Draining)) {
                self.missing.remove(voter);
                self.forgotten.remove(voter);
            } else {
                self.missing.entry(*voter).or_insert(now);
            }
        }
    }

    /// The next change of the electorate, where one is wanted and the last one is settled.
    pub(super) fn change(&mut self, now: Millis, world: &World, out: &mut Vec<Outcome>) {
        if !self.may_change(now) || self.leaving {
            return;
        }
        if let Some(key) = self.to_take_out(now, world) {
            self.propose(now, out, |voters| voters.remove(&key));
        } else if let Some(key) = self.to_admit(world) {
            self.propose(now, out, |voters| voters.insert(key));
        }
    }

    fn to_take_out(&self, now: Millis, world: &World) -> Option<NodeKey> {
        let gone = |key: &&NodeKey| {
            let missing = self.missing.get(*key);
            world.get(*key) == Some(&Condition::Left)
                || missing.is_some() && self.forgotten.contains(*key)
                || missing.is_some_and(|since| now - since >= self.plan.forget_ms)
        };
        self.electorate.voters.iter().filter(|key| **key != self.plan.own).find(gone).copied()
    }

    fn to_admit(&self, world: &World) -> Option<NodeKey> {
        let voters = &self.electorate.voters;
        let alive = world.iter().filter(|(_, condition)| **condition == Condition::Alive);
        let key = alive.map(|(key, _)| *key).find(|key| !voters.contains(key))?;
        (voters.len() < VOTERS_MAX).then_some(key)
    }

    fn propose(
        &mut self,
        now: Millis,
        out: &mut Vec<Outcome>,
        change: impl FnOnce(&mut BTreeSet<NodeKey>) -> bool,
    ) {
        let next = self.electorate.version + 1;
        if next & ((1 << NUMBER_BITS) - 1) == 0 {
            return; // a term has so many changes; the next leader goes on
        }
        let mut changed = self.electorate.clone();
        if change(&mut changed.voters) && !changed.voters.is_empty() && changed.fits() {
            changed.version = next;
            self.electorate = changed;
            self.remember();
            out.push(Outcome::Save(self.electorate.clone()));
            self.ask_soon(now);
        }
    }

    /// Takes itself out where it may, and asks at once: there is no later.
    pub(super) fn hand_over(&mut self, now: Millis, world: &World, out: &mut Vec<Outcome>) {
        let own = self.plan.own;
        if self.may_change(now) && self.electorate.voters.len() > 1 {
            self.propose(now, out, |voters| voters.remove(&own));
            self.ask_soon(now);
            self.rounds(now, world, out);
        } else {
            self.step_down("it leaves", now, out);
        }
    }
}
