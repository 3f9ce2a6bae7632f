//! What a candidate does, and a leader, which is one that has won: ask in rounds, count votes.

use std::collections::{BTreeMap, VecDeque};

use rand::RngExt;

use super::{
    Condition, Election, LEASE_MS, LEASE_OWN_MS, Outcome, RANK_MS, RENEW_MS, World, first_version,
};
use crate::id::{Millis, NodeKey};
use crate::wire;

/// Between two rounds of a candidate that has not won, and between the last moment of a leader and the first candidate.
const TRY_MS: u64 = 250;
/// Between two rounds of a leader that goes: it has no time to lose.
const LEAVE_MS: u64 = 60;
/// A candidate that has not won by then gives up for a while.
const GIVE_UP_MS: u64 = 1_200;
/// After so many times without a win in a row it waits until its votes are free again.
const FAILURES_MAX: u32 = 2;
/// The longest such while, besides.
const PAUSE_MS_MAX: u64 = 1_500;
/// Between two rounds of a leader at the least, where it has something new.
const ROUND_MS_MIN: u64 = 30;
/// Rounds whose answers are still taken.
const ROUNDS_MAX: usize = 16;
/// Those without a vote hear of a leader with each of so many rounds.
const ROUNDS_FOR_ALL: u64 = 2;

/// A vote.
struct Grant {
    /// When the question was sent.
    sent: Millis,
    /// On which electorate.
    version: u64,
}

/// A candidate of one term.
pub(super) struct Candidacy {
    won: bool,
    since: Millis,
    grants: BTreeMap<NodeKey, Grant>,
    /// Number and time of the last rounds.
    rounds: VecDeque<(u64, Millis)>,
    next_round: Millis,
    /// The lease that a majority has promised, for what is the leader's to do.
    until: Millis,
    /// The same with the votes that people asked for.
    leads_until: Millis,
    told: bool,
    /// Voters are promised to a candidate that comes before this one.
    second: bool,
}

impl Candidacy {
    pub(super) const fn leads_until(&self) -> Millis {
        self.leads_until
    }

    pub(super) fn next(&self) -> Millis {
        let end = if self.until > 0 { self.until } else { self.since + GIVE_UP_MS };
        self.next_round.min(end)
    }

    /// When the last of so many votes was asked for.
    fn sent_by(
        &self,
        voters: &std::collections::BTreeSet<NodeKey>,
        count: usize,
    ) -> Option<Millis> {
        let given = self.grants.iter().filter(|(key, _)| voters.contains(key));
        let mut sent: Vec<_> = given.map(|(_, grant)| grant.sent).collect();
        sent.sort_unstable_by(|one, other| other.cmp(one));
        sent.get(count.max(1) - 1).copied()
    }
}

impl Election {
    /// It has the lease of a majority.
    pub(super) fn acts(&self, now: Millis) -> bool {
        self.candidacy.as_ref().is_some_and(|candidacy| candidacy.until > now)
    }

    /// It may change the electorate: it has won its term, and its last electorate is settled.
    pub(super) fn may_change(&self, now: Millis) -> bool {
        let Some(candidacy) = &self.candidacy else { return false };
        let version = self.electorate.version;
        let voters = &self.electorate.voters;
        let settled = candidacy
            .grants
            .iter()
            .filter(|(key, grant)| voters.contains(key) && grant.version == version);
        candidacy.won && self.acts(now) && settled.count() >= self.majority()
    }

    pub(super) fn stand_if_due(&mut self, now: Millis, world: &World, out: &mut Vec<Outcome>) {
        let own = self.plan.own;
        let promised = self.promise.is_some_and(|(to, _)| to != own);
        let early = now < self.started + LEASE_MS || now < self.unsure_until;
        let Some(vacant_since) = self.vacant_since else { return };
        let fit = self.is_fit(world) && !self.plan.observer;
        if promised || early || !fit || self.leaving || !self.electorate.voters.contains(&own) {
            return;
        }
        let before = self.electorate.voters.iter().take_while(|key| **key != own);
        let alive = before.filter(|key| world.get(key) == world.get(&own));
        let rank = u64::try_from(alive.count()).unwrap_or(u64::MAX);
        let since = vacant_since.max(self.unsure_until).max(self.started + LEASE_MS);
        if now >= self.retry_at.max(since + TRY_MS / 5 + rank * RANK_MS) {
            self.stand(now, world, out);
        }
    }

    fn stand(&mut self, now: Millis, world: &World, out: &mut Vec<Outcome>) {
        self.candidacy = Some(Candidacy {
            won: false,
            since: now,
            grants: BTreeMap::new(),
            rounds: VecDeque::new(),
            next_round: now,
            until: 0,
            leads_until: 0,
            told: false,
            second: false,
        });
        self.take_term(now, out);
        self.rounds(now, world, out);
    }

    /// Votes for itself in a new term, unless nobody else has heard of the present one of its own.
    fn take_term(&mut self, now: Millis, out: &mut Vec<Outcome>) {
        let own = self.plan.own;
        let unused = self.voted == Some(own)
            && first_version(self.electorate.term) > self.electorate.version;
        let term = self.electorate.term + u64::from(!unused);
        self.vote(now, own, term, out);
    }

    /// Asks all voters, where it is time.
    pub(super) fn rounds(&mut self, now: Millis, world: &World, out: &mut Vec<Outcome>) {
        let (own, leaving) = (self.plan.own, self.leaving);
        let Some(candidacy) = &mut self.candidacy else { return };
        if now < candidacy.next_round {
            return;
        }
        self.round += 1;
        candidacy.rounds.push_back((self.round, now));
        if candidacy.rounds.len() > ROUNDS_MAX {
            candidacy.rounds.pop_front();
        }
        candidacy.next_round = now
            + match candidacy.won {
                _ if leaving => LEAVE_MS,
                true => RENEW_MS,
                false => TRY_MS,
            };
        let version = self.electorate.version;
        candidacy.grants.insert(own, Grant { sent: now, version });
        let leads = candidacy.won;
        self.promise = Some((own, now + LEASE_MS));
        let ask =
            wire::Election::Ask { round: self.round, electorate: self.electorate.clone(), leads };
        let voters = &self.electorate.voters;
        let all = leads && self.round.is_multiple_of(ROUNDS_FOR_ALL);
        let others = world.iter().filter(|(key, condition)| {
            let there = matches!(condition, Condition::Alive | Condition::Draining);
            all && there && !voters.contains(key)
        });
        for to in voters.iter().chain(others.map(|(key, _)| key)).filter(|key| **key != own) {
            out.push(Outcome::Send(*to, ask.clone()));
        }
        self.count(now, out);
    }

    pub(super) fn granted(
        &mut self,
        now: Millis,
        from: NodeKey,
        round: u64,
        version: u64,
        out: &mut Vec<Outcome>,
    ) {
        let Some(candidacy) = &mut self.candidacy else { return };
        let Some((_, sent)) = candidacy.rounds.iter().find(|(number, _)| *number == round) else {
            return;
        };
        let newer = candidacy.grants.get(&from).is_none_or(|grant| grant.sent < *sent);
        if newer && self.electorate.voters.contains(&from) {
            candidacy.grants.insert(from, Grant { sent: *sent, version });
            self.count(now, out);
        }
    }

    /// Counts votes: the lease begins with the oldest question of those that are needed.
    fn count(&mut self, now: Millis, out: &mut Vec<Outcome>) {
        let (majority, needed) = (self.majority(), self.needed());
        let voters = &self.electorate.voters;
        let Some(candidacy) = &mut self.candidacy else { return };
        let lease = |count| candidacy.sent_by(voters, count).map_or(0, |sent| sent + LEASE_OWN_MS);
        let (until, leads_until) = (lease(majority), lease(needed));
        candidacy.until = candidacy.until.max(until);
        candidacy.leads_until = candidacy.leads_until.max(leads_until);
        if !candidacy.won && until > now {
            candidacy.won = true;
            self.failures = 0;
            candidacy.next_round = now;
            // The first of a term has the voters that it was won with: see the module's doc, (a).
            self.electorate.version = first_version(self.electorate.term);
            self.remember();
            self.leader = None;
            out.push(Outcome::Save(self.electorate.clone()));
        }
        self.tell_lead(now, out);
    }

    fn tell_lead(&mut self, now: Millis, out: &mut Vec<Outcome>) {
        let leads = self.leads_until(now);
        let votes = self.electorate.voters.len();
        let needed = self.needed();
        if let (Some(until), Some(candidacy)) = (leads, &mut self.candidacy)
            && !candidacy.told
        {
            candidacy.told = true;
            let line = format!(
                "cluster: this node leads ({needed} of {votes} votes are enough, for {} ms from now on)",
                until - now
            );
            out.push(Outcome::Log(line));
        }
    }

    pub(super) fn denied(
        &mut self,
        now: Millis,
        (promised, electorate): (Option<NodeKey>, Option<wire::Electorate>),
        out: &mut Vec<Outcome>,
    ) {
        if let (Some(other), Some(candidacy)) = (promised, &mut self.candidacy) {
            candidacy.second |= other < self.plan.own;
        }
        let Some(told) = electorate.filter(|told| told.lineage != 0) else { return };
        self.learn(now, &told, false, out);
        let won = self.candidacy.as_ref().is_some_and(|candidacy| candidacy.won);
        let later = told.term > self.electorate.term || (told.term == self.electorate.term && !won);
        if told.lineage != self.electorate.lineage || !later {
            return;
        }
        // Somebody else stood in this term or a later one: the own one is worth nothing to those who voted there.
        self.electorate.term = told.term;
        self.voted = None;
        let acts = self.acts(now);
        if let Some(candidacy) = &mut self.candidacy {
            if acts {
                candidacy.won = false;
                candidacy.since = now;
                candidacy.grants.clear();
                candidacy.rounds.clear();
                candidacy.next_round = now;
                self.take_term(now, out);
            } else {
                self.withdraw(now);
            }
        }
    }

    /// A leader whose lease has ended leads no more; a candidate that did not win gives up.
    pub(super) fn lapse(&mut self, now: Millis, out: &mut Vec<Outcome>) {
        let Some(candidacy) = &mut self.candidacy else { return };
        if candidacy.told && candidacy.leads_until <= now {
            candidacy.told = false;
            out.push(Outcome::Log("cluster: this node leads no more (votes are missing)".into()));
        }
        let acted = candidacy.until > 0;
        let late = if acted { candidacy.until <= now } else { candidacy.since + GIVE_UP_MS <= now };
        if late {
            self.withdraw(now);
        }
    }

    /// Ends the candidacy. Answers that are still to come count for nothing, so its own vote is free.
    fn withdraw(&mut self, now: Millis) {
        let ended = self.candidacy.take();
        let (won, second) = ended.map_or((false, false), |ended| (ended.until > 0, ended.second));
        self.promise = self.promise.filter(|(to, _)| *to != self.plan.own);
        self.failures += u32::from(!won);
        self.vacant_since = None;
        // Votes that were given are promised for a lease. Two that stand again before that would hold theirs against each other for
        // ever: the later in order lets its own go, and the first does so too when that does not help.
        let lets_go = !won && (second || self.failures > FAILURES_MAX);
        let least = if lets_go { LEASE_MS } else { 0 };
        self.retry_at = now + least + self.rng.random_range(TRY_MS..PAUSE_MS_MAX);
    }

    /// Ends it for a reason that is to be told where it led.
    pub(super) fn step_down(&mut self, why: &str, now: Millis, out: &mut Vec<Outcome>) {
        if self.candidacy.as_ref().is_some_and(|candidacy| candidacy.told) {
            out.push(Outcome::Log(format!("cluster: this node leads no more ({why})")));
        }
        if self.candidacy.is_some() {
            self.withdraw(now);
        }
    }

    pub(super) fn step_if_unfit(&mut self, now: Millis, world: &World, out: &mut Vec<Outcome>) {
        if !self.leaving && !self.is_fit(world) {
            self.step_down("it drains", now, out);
        }
    }

    /// It may lead: it is not drained, or all voters are. Without any leader nothing could be changed, nor crons run.
    fn is_fit(&self, world: &World) -> bool {
        let mut voters = self.electorate.voters.iter().filter_map(|key| world.get(key));
        match world.get(&self.plan.own) {
            Some(Condition::Alive) => true,
            Some(Condition::Draining) => voters.all(|condition| *condition != Condition::Alive),
            _ => false,
        }
    }

    pub(super) fn ask_soon(&mut self, now: Millis) {
        if let Some(candidacy) = &mut self.candidacy {
            let last = candidacy.rounds.back().map_or(0, |(_, sent)| *sent);
            candidacy.next_round = now.max(last + ROUND_MS_MIN);
        }
    }
}
