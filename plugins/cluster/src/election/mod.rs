//! Who leads: a lease by votes, pure.
//!
//! # How it goes
//! A voter promises its vote to one candidate at a time, for [`LEASE_MS`] from when it *got* the question. A candidate that has
//! the votes of more than half of the [`Electorate`] leads for [`LEASE_OWN_MS`] from when it *sent* the question, and asks again
//! every [`RENEW_MS`]. The electorate itself is changed by leaders only, one voter at a time. What a leader may do (change
//! the electorate) needs a majority; what it may tell its instance ([`Election::leads_until`]) needs `cluster-quorum` votes too, so that a
//! founder can admit those whose votes it lacks.
//!
//! # Why there are never two leaders at one instant in one lineage
//! The argument is Raft's for its terms and single-server changes of members, with leases in place of a log.
//!
//! 1. *One electorate.* Two leases at one instant would need two majorities; these share a voter, and it promised both. It
//!    promises one at a time. The lease of a leader begins before each of its voters' promises and is 10 % shorter, so that it ends before
//!    them as long as no two clocks run more than 5 % apart each from true time (2,700 x 1.05 = 2,835 < 3,000 x 0.95 = 2,850). A candidate may renew its own
//!    promise only.
//! 2. *Electorates that differ by one voter.* Their majorities share a voter as well: the same.
//! 3. *Electorates that differ by more.* Let an electorate be *settled* when a majority of it has granted it. (a) A leader makes the
//!    next one only when its own last one is settled, and its first one in a term has the voters of the one it was voted on. (b) A voter
//!    refuses electorates with an earlier version than its own, and terms earlier than the last it voted in; of one term it votes
//!    for one candidate. So each term has one leader, versions (term, number) are unique, and who wins a later term shares a voter with the
//!    majority of every settled electorate: it was voted on that one or one made from it. Thus electorates that are in use at
//!    one instant are neighbours in one chain, which is case 2. (The step of (a) at the begin of a term is what Raft lacked at first: without it two leaders can
//!    each add another voter to one electorate, and get majorities that share none.)
//!
//! ## Cases
//! - *A voter restarts.* It forgets its promise, so it gives none for one lease after its start. With `cluster-state`
//!   it remembers electorate and term ([`Outcome::Save`] comes before the vote is sent); for whom it voted in that term it does not remember, so in that term it
//!   votes only for who says that it has won. Without `cluster-state` it knows nothing, and takes part again only when a leader asks it
//!   (which has a majority without it, so that nothing settled is lost) or, where no leader comes for [`UNSURE_MS`],
//!   with the latest electorate that anybody told it. Only this last resort, a majority of voters that lose their memory at one
//!   time *and* do not see those who did not lose it for so long, can revive an old electorate; `cluster-state` closes it.
//! - *The electorate changes while a new leader comes.* (a) and (b): either the change was settled, then the new leader has it, or it was not,
//!   then the first electorate of the new term has a later version and the change is refused by all who granted that.
//! - *Leave and join again under one key.* A vote is a key's, whatever its life. Who left is taken out by a leader; what it remembers is an electorate it was
//!   in, which is older than the settled one without it, so nobody of a majority grants on it. Two lives of one key do not overlap: both
//!   have the same address.
//! - *A `known` file that is old* (from a backup): the same as a lost memory of what came after it. It votes on no older electorate than
//!   that, is told the later one when it is denied or asked, and a majority of such voters is the same last resort as above.
//! - *Messages that come late.* A grant counts for the round it names, from when that was sent, so late ones prolong nothing. A question that comes late can have a promise
//!   given to nobody's use, which costs a lease of time at most.
//! - *A leader that hangs* stops by the clock, in its instance too: [`Election::leads_until`] is an instant, not a state.
//!
//! ## The exception
//! Two clusters that were *founded apart* have two lineages, and each may have its leader, until they meet: the one with fewer
//! voters (then the one with the larger number) ends at once. A node that is started with the configuration, without `cluster-state`, and cannot reach its cluster
//! for [`FOUND_MS`] founds one. Who does not want that sets `cluster-state` or `cluster-quorum`.

mod candidate;
mod change;
#[cfg(test)]
mod tests;
mod voter;

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::id::{Millis, NodeKey};
use crate::wire::{self, Electorate};
use candidate::Candidacy;

/// How long a vote is promised, by the voter's clock.
pub const LEASE_MS: u64 = 3_000;
/// How long a leader leads with the votes of one round, by its own clock.
pub const LEASE_OWN_MS: u64 = 2_700;
/// Between two rounds of a leader.
pub const RENEW_MS: u64 = 500;
/// How long a founder hears of no electorate before it founds.
pub const FOUND_MS: u64 = 3_000;
/// How long after its start a node that has forgotten everything votes only for those who lead.
pub const UNSURE_MS: u64 = 3 * LEASE_MS;
/// More voters than these are not admitted: a leader asks each twice a second, and an electorate goes in one datagram.
pub const VOTERS_MAX: usize = 51;
/// Between the times at which candidates stand, in the order of their keys.
const RANK_MS: u64 = 700;
/// Lineages of which the latest version is remembered.
const LINEAGES_MAX: usize = 16;

/// What another node is good for, as membership and the node itself say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It answers (suspects too).
    Alive,
    /// It answers, and is not to lead.
    Draining,
    /// It does not answer.
    Down,
    /// It said that it goes.
    Left,
}

/// All nodes that are known, the own one too; no observers.
pub type World = BTreeMap<NodeKey, Condition>;

/// What an election wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A message to a node.
    Send(NodeKey, wire::Election),
    /// To be kept before what comes after it is sent.
    Save(Electorate),
    /// For people.
    Log(String),
}

/// What an election is made with.
#[derive(Clone, Debug)]
pub struct Voter {
    /// Key of this node.
    pub own: NodeKey,
    /// `cluster-quorum`.
    pub quorum_min: u32,
    /// `cluster-forget`, in milliseconds.
    pub forget_ms: u64,
    /// It may found.
    pub founder: bool,
    /// It only looks on.
    pub observer: bool,
    /// What was kept of an earlier life.
    pub known: Option<Electorate>,
    /// Of chance.
    pub seed: u64,
}

/// The choice of a leader, as one node takes part in it.
pub struct Election {
    plan: Voter,
    rng: StdRng,
    started: Millis,
    electorate: Electorate,
    /// Latest versions by lineage.
    seen: BTreeMap<u64, u64>,
    /// For whom it voted in the term of the electorate, where it still knows.
    voted: Option<NodeKey>,
    promise: Option<(NodeKey, Millis)>,
    /// Before this it votes only for those who lead.
    unsure_until: Millis,
    leader: Option<(NodeKey, Millis)>,
    candidacy: Option<Candidacy>,
    round: u64,
    /// Since when there is no leader that it knows of.
    vacant_since: Option<Millis>,
    /// Not before this it stands again.
    retry_at: Millis,
    /// How often it stood in vain since somebody led.
    failures: u32,
    next_query: Millis,
    /// Who else asked for an electorate, and when.
    seekers: BTreeMap<NodeKey, Millis>,
    /// Voters that are not there, and since when.
    missing: BTreeMap<NodeKey, Millis>,
    /// Voters that are to be taken out by command.
    forgotten: BTreeSet<NodeKey>,
    leaving: bool,
    wake: Millis,
    told_leader: Option<NodeKey>,
}

impl Election {
    /// A node that starts now.
    pub fn new(now: Millis, plan: Voter) -> Self {
        let known = plan.known.clone().filter(|known| known.lineage != 0);
        let unsure_until = if known.is_some() { 0 } else { now + UNSURE_MS };
        let electorate = known.unwrap_or_default();
        Self {
            rng: StdRng::seed_from_u64(plan.seed),
            started: now,
            seen: BTreeMap::from([(electorate.lineage, electorate.version)]),
            electorate,
            voted: None,
            promise: None,
            unsure_until,
            leader: None,
            candidacy: None,
            round: 0,
            vacant_since: None,
            retry_at: 0,
            failures: 0,
            next_query: now,
            seekers: BTreeMap::new(),
            missing: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            leaving: false,
            wake: now,
            told_leader: None,
            plan,
        }
    }

    /// A message came from a node.
    pub fn receive(
        &mut self,
        now: Millis,
        from: NodeKey,
        message: wire::Election,
        out: &mut Vec<Outcome>,
    ) {
        match message {
            wire::Election::Ask { round, electorate, leads } => {
                self.asked(now, from, round, (electorate, leads), out);
            }
            wire::Election::Granted { round, version } => {
                self.granted(now, from, round, version, out);
            }
            wire::Election::Denied { promised, electorate, .. } => {
                if self.electorate.lineage == 0 && electorate.is_none() {
                    self.note_seeker(now, from);
                }
                self.denied(now, (promised, electorate), out);
            }
        }
        self.wake = self.wake.min(now);
    }

    /// Time has passed, or the world is another.
    pub fn tick(&mut self, now: Millis, world: &World, out: &mut Vec<Outcome>) {
        self.note_missing(now, world);
        self.expire(now, out);
        if self.electorate.lineage == 0 {
            self.seek(now, world, out);
        }
        if self.candidacy.is_some() {
            self.step_if_unfit(now, world, out);
            self.change(now, world, out);
            self.rounds(now, world, out);
            if self.leaving && self.may_change(now) {
                self.candidacy = None; // the others have what they need
            }
        } else {
            self.stand_if_due(now, world, out);
        }
        self.tell_leader(now, out);
        self.wake = self.next(now);
    }

    /// When [`Election::tick`] is wanted.
    pub fn next_wake(&self) -> Millis {
        self.wake
    }

    /// Until when this node leads by its own clock, if it does.
    pub fn leads_until(&self, now: Millis) -> Option<Millis> {
        let until = self.candidacy.as_ref().map(Candidacy::leads_until)?;
        (until > now && !self.leaving).then_some(until)
    }

    /// Who leads, as far as this node knows.
    pub fn leader(&self, now: Millis) -> Option<NodeKey> {
        if self.leads_until(now).is_some() {
            return Some(self.plan.own);
        }
        let enough = self.electorate.voters.len() >= self.quorum_min();
        self.leader.filter(|(_, until)| *until > now && enough).map(|(key, _)| key)
    }

    /// Who has a vote.
    pub const fn electorate(&self) -> &Electorate {
        &self.electorate
    }

    /// Votes that make a leader.
    pub fn needed(&self) -> usize {
        self.majority().max(self.quorum_min())
    }

    /// A node is to have no vote any more, by command; only at the leader.
    pub fn forget(&mut self, key: NodeKey) {
        if self.electorate.voters.contains(&key) {
            self.forgotten.insert(key);
        }
    }

    /// The node goes: it leads no more, and where it led it takes itself out first, so that a majority of the others is enough for them.
    pub fn leave(&mut self, now: Millis, world: &World, out: &mut Vec<Outcome>) {
        if self.leads_until(now).is_some() {
            out.push(Outcome::Log("cluster: this node leads no more (it leaves)".to_owned()));
        }
        self.leaving = true;
        self.hand_over(now, world, out);
        self.wake = now;
    }

    fn majority(&self) -> usize {
        self.electorate.voters.len() / 2 + 1
    }

    fn quorum_min(&self) -> usize {
        usize::try_from(self.plan.quorum_min).unwrap_or(VOTERS_MAX).min(VOTERS_MAX)
    }

    /// Promises end, and what is known of a leader.
    fn expire(&mut self, now: Millis, out: &mut Vec<Outcome>) {
        self.promise = self.promise.filter(|(_, until)| *until > now);
        self.leader = self.leader.filter(|(_, until)| *until > now);
        self.lapse(now, out);
        // While its vote is another one's it waits for that one; then the order of candidates begins anew.
        let waits = self.promise.is_some_and(|(to, _)| to != self.plan.own);
        let led = self.leader.is_some() || self.acts(now) || waits;
        if self.leader.is_some() {
            self.failures = 0;
        }
        self.vacant_since = if led { None } else { self.vacant_since.or(Some(now)) };
    }

    fn tell_leader(&mut self, now: Millis, out: &mut Vec<Outcome>) {
        let leader = self.leader(now);
        if leader != self.told_leader {
            self.told_leader = leader;
            if let Some(leader) = leader.filter(|leader| *leader != self.plan.own) {
                out.push(Outcome::Log(format!("cluster: {leader} leads")));
            }
        }
    }

    fn next(&self, now: Millis) -> Millis {
        let ends = [
            self.candidacy.as_ref().map(Candidacy::next),
            self.leader.map(|(_, until)| until),
            self.vacant_since.map(|_| now + 50),
        ];
        ends.into_iter().flatten().min().unwrap_or(now + RENEW_MS).max(now + 1)
    }
}

/// Of two lineages that meet the one that ends is the one with fewer voters, then the one with the larger number.
fn wins(one: &Electorate, other: &Electorate) -> bool {
    (one.voters.len(), std::cmp::Reverse(one.lineage))
        > (other.voters.len(), std::cmp::Reverse(other.lineage))
}

/// Bits of a version for the number within a term.
const NUMBER_BITS: u32 = 16;

/// Version of the first electorate of a term.
const fn first_version(term: u64) -> u64 {
    term << NUMBER_BITS
}

/// Term in which an electorate was made.
const fn term_of(version: u64) -> u64 {
    version >> NUMBER_BITS
}
