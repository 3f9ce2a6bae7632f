//! What a voter does: promise, deny, learn who has a vote.

use super::{Election, LEASE_MS, LINEAGES_MAX, Outcome, UNSURE_MS, term_of, wins};
use crate::id::{Millis, NodeKey};
use crate::wire::{self, Electorate};

/// Seekers of an electorate that are remembered.
const SEEKERS_MAX: usize = 64;

/// Why a vote is not given.
enum Refusal {
    /// The candidate knows less than this voter.
    Behind,
    /// It is promised.
    Promised(NodeKey),
    /// This voter gives none at the moment.
    Silent,
}

impl Election {
    pub(super) fn asked(
        &mut self,
        now: Millis,
        from: NodeKey,
        round: u64,
        (electorate, leads): (Electorate, bool),
        out: &mut Vec<Outcome>,
    ) {
        if electorate.lineage == 0 {
            self.note_seeker(now, from);
            let told = (self.electorate.lineage != 0).then(|| self.electorate.clone());
            return deny(from, round, (None, told), out);
        }
        if !self.learn(now, &electorate, leads, out) {
            let told = Some(self.electorate.clone());
            return deny(from, round, (None, told), out);
        }
        if leads {
            self.unsure_until = 0;
            self.leader = Some((from, now + LEASE_MS));
        }
        match self.refusal(now, from, (&electorate, leads)) {
            Some(Refusal::Behind) => {
                let told = Some(self.electorate.clone());
                deny(from, round, (None, told), out);
            }
            Some(Refusal::Promised(to)) => deny(from, round, (Some(to), None), out),
            Some(Refusal::Silent) => deny(from, round, (None, None), out),
            None if electorate.voters.contains(&self.plan.own) && !self.plan.observer => {
                self.vote(now, from, electorate.term, out);
                let version = electorate.version;
                out.push(Outcome::Send(from, wire::Election::Granted { round, version }));
            }
            None => {}
        }
    }

    /// Somebody else knows of no electorate.
    pub(super) fn note_seeker(&mut self, now: Millis, from: NodeKey) {
        if self.seekers.len() < SEEKERS_MAX || self.seekers.contains_key(&from) {
            self.seekers.insert(from, now);
        }
    }

    /// Takes an electorate over where it is later, or of a lineage that wins. False: this node's own is to be told instead.
    pub(super) fn learn(
        &mut self,
        now: Millis,
        told: &Electorate,
        leads: bool,
        out: &mut Vec<Outcome>,
    ) -> bool {
        let own = &self.electorate;
        if told.lineage == own.lineage {
            if told.version < own.version
                || (told.version == own.version && told.voters != own.voters)
            {
                return false;
            }
            if told.version > own.version {
                self.step_down("another electorate is in force", now, out);
                self.adopt(told, out);
            }
            return true;
        }
        let stale = self.seen.get(&told.lineage).is_some_and(|seen| told.version < *seen);
        if own.lineage != 0 && (stale || !wins(told, own)) {
            return false;
        }
        if stale {
            return true; // nothing better is known, and this is not used either
        }
        if own.lineage != 0 {
            self.step_down("it met a larger cluster", now, out);
            if !leads {
                self.unsure_until = self.unsure_until.max(now + UNSURE_MS);
            }
        }
        self.electorate.term = 0;
        self.adopt(told, out);
        true
    }

    fn adopt(&mut self, told: &Electorate, out: &mut Vec<Outcome>) {
        let term = self.electorate.term.max(term_of(told.version));
        if term != self.electorate.term || told.lineage != self.electorate.lineage {
            self.voted = None;
        }
        self.electorate = Electorate { term, ..told.clone() };
        self.remember();
        let voters = &self.electorate.voters;
        self.missing.retain(|key, _| voters.contains(key));
        self.forgotten.retain(|key| voters.contains(key));
        out.push(Outcome::Save(self.electorate.clone()));
    }

    pub(super) fn remember(&mut self) {
        self.seen.insert(self.electorate.lineage, self.electorate.version);
        while self.seen.len() > LINEAGES_MAX {
            let own = self.electorate.lineage;
            let Some(other) = self.seen.keys().copied().find(|lineage| *lineage != own) else {
                return;
            };
            self.seen.remove(&other);
        }
    }

    /// Why a candidate does not get this node's vote. Its electorate is the own one by now.
    fn refusal(
        &self,
        now: Millis,
        from: NodeKey,
        (asked, leads): (&Electorate, bool),
    ) -> Option<Refusal> {
        let own = &self.electorate;
        if asked.lineage != own.lineage || asked.version < own.version || asked.term < own.term {
            return Some(Refusal::Behind);
        }
        // For whom it voted in this term is forgotten with a restart; then only who has won it is known to be the one.
        let another = match self.voted {
            Some(voted) => voted != from,
            None => !leads,
        };
        if asked.term == own.term && another {
            return Some(Refusal::Behind);
        }
        match self.promise {
            Some((to, until)) if to != from && until > now => return Some(Refusal::Promised(to)),
            _ => {}
        }
        let early = now < self.started + LEASE_MS || (now < self.unsure_until && !leads);
        // A leader that goes is no voter of its last electorate.
        let stranger = !asked.voters.contains(&from) && !leads;
        (early || stranger).then_some(Refusal::Silent)
    }

    pub(super) fn vote(&mut self, now: Millis, to: NodeKey, term: u64, out: &mut Vec<Outcome>) {
        let new = self.electorate.term != term;
        self.electorate.term = term;
        self.voted = Some(to);
        self.promise = Some((to, now + LEASE_MS));
        if new {
            out.push(Outcome::Save(self.electorate.clone()));
        }
    }
}

fn deny(
    to: NodeKey,
    round: u64,
    (promised, electorate): (Option<NodeKey>, Option<Electorate>),
    out: &mut Vec<Outcome>,
) {
    out.push(Outcome::Send(to, wire::Election::Denied { round, promised, electorate }));
}
