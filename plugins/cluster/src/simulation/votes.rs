//! Elections alone, far wilder than nodes are: who has a vote changes all the time, everybody sees another world, clocks run up to 5 %
//! apart, voters start anew with what they kept. Only one thing is asked: never two leaders at one instant.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};

use super::with_seeds;
use crate::election::{Condition, Election, Outcome, Voter, World};
use crate::id::{Millis, NodeKey};
use crate::wire::{self, Electorate};

/// Nodes of a run.
const SIZE: usize = 7;
/// A step of true time, in milliseconds.
const STEP_MS: u64 = 25;
/// A run in true time, in milliseconds.
const RUN_MS: u64 = 240_000;

struct One {
    key: NodeKey,
    election: Election,
    kept: Electorate,
    world: World,
    rate: f64,
    /// What it told its instance, in true time.
    leads_until: Millis,
    life: u64,
}

struct Wild {
    now: Millis,
    rng: StdRng,
    all: Vec<One>,
    /// By when they come: to whom in which life, from whom.
    coming: BTreeMap<(Millis, u64), (usize, u64, NodeKey, wire::Election)>,
    count: u64,
    /// Nodes of one number hear each other.
    sides: [u8; SIZE],
    led: u64,
    versions: u64,
}

fn key(at: usize) -> NodeKey {
    ([10, 0, 0, at as u8 + 1], 1717).into()
}

fn election(at: usize, now: Millis, known: Option<Electorate>, seed: u64) -> Election {
    let (own, quorum_min, forget_ms) = (key(at), 1, 4_000);
    Election::new(
        now,
        Voter { own, quorum_min, forget_ms, founder: false, observer: false, known, seed },
    )
}

impl Wild {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        // All of them know the same first electorate: what is founded apart is another matter.
        let size = rng.random_range(1..=SIZE);
        let voters = (0..size).map(key).collect();
        let first = Electorate { lineage: 1, version: 1 << 16, term: 1, voters };
        let all = (0..SIZE).map(|at| One {
            key: key(at),
            election: election(at, 0, Some(first.clone()), rng.random()),
            kept: first.clone(),
            world: (0..SIZE).map(|other| (key(other), Condition::Alive)).collect(),
            rate: rng.random_range(0.951..1.049),
            leads_until: 0,
            life: 0,
        });
        let all = all.collect();
        let (coming, sides) = (BTreeMap::new(), [0; SIZE]);
        Self { now: 0, rng, all, coming, count: 0, sides, led: 0, versions: 0 }
    }

    fn step(&mut self) {
        self.now += STEP_MS;
        if self.rng.random_bool(0.03) {
            self.disturb();
        }
        while let Some(first) = self.coming.first_entry()
            && first.key().0 <= self.now
        {
            let (at, life, from, message) = first.remove();
            if self.all[at].life == life {
                self.act(at, |election, now, _, out| election.receive(now, from, message, out));
            }
        }
        for at in 0..SIZE {
            self.act(at, |election, now, world, out| election.tick(now, world, out));
        }
    }

    fn disturb(&mut self) {
        let at = self.rng.random_range(0..SIZE);
        match self.rng.random_range(0..10) {
            0 | 1 => {
                let sides = self.rng.random_range(1..=3);
                self.sides = std::array::from_fn(|_| self.rng.random_range(0..sides));
            }
            2 => self.sides = [0; SIZE],
            3 => self.restart(at),
            4 => {
                // Some of a leader's voters go over to others, fresh from a start or not.
                let Some(leader) = self.all.iter().position(|one| one.leads_until > self.now)
                else {
                    return;
                };
                for other in (0..SIZE).filter(|other| *other != leader) {
                    if self.sides[other] == self.sides[leader] && self.rng.random_bool(0.5) {
                        self.sides[other] = (self.sides[leader] + 1) % 3;
                        if self.rng.random_bool(0.7) {
                            self.restart(other);
                        }
                    }
                }
            }
            _ => {
                // It is told something of somebody, true or not.
                let conditions = [
                    Condition::Alive,
                    Condition::Alive,
                    Condition::Alive,
                    Condition::Left,
                    Condition::Down,
                    Condition::Draining,
                ];
                let condition = *conditions.iter().choose(&mut self.rng).unwrap();
                let whom = self.rng.random_range(0..SIZE);
                if whom != at || condition == Condition::Alive {
                    self.all[at].world.insert(key(whom), condition);
                }
            }
        }
    }

    fn restart(&mut self, at: usize) {
        let seed = self.rng.random();
        let one = &mut self.all[at];
        one.life += 1;
        let local = (self.now as f64 * one.rate) as Millis;
        one.election = election(at, local, Some(one.kept.clone()), seed);
    }

    fn act(
        &mut self,
        at: usize,
        call: impl FnOnce(&mut Election, Millis, &World, &mut Vec<Outcome>),
    ) {
        let mut out = Vec::new();
        let one = &mut self.all[at];
        let local = (self.now as f64 * one.rate) as Millis;
        call(&mut one.election, local, &one.world, &mut out);
        one.leads_until = match one.election.leads_until(local) {
            Some(until) => (until as f64 / one.rate) as Millis,
            None => 0,
        };
        let from = one.key;
        for outcome in out {
            match outcome {
                Outcome::Save(electorate) => {
                    self.versions += u64::from(electorate.version != self.all[at].kept.version);
                    self.all[at].kept = electorate;
                }
                Outcome::Send(to, message) => {
                    let other = (0..SIZE).find(|other| key(*other) == to).unwrap();
                    if self.sides[at] == self.sides[other] && self.rng.random_bool(0.9) {
                        // Some are on their way for longer than a lease.
                        let slow = self.rng.random_bool(0.02);
                        let delay = self.rng.random_range(0..if slow { 6_000 } else { 150 });
                        self.count += 1;
                        let life = self.all[other].life;
                        let place = (self.now + delay, self.count);
                        self.coming.insert(place, (other, life, from, message));
                    }
                }
                Outcome::Log(_) => {}
            }
        }
        self.check();
    }

    fn check(&mut self) {
        let mut leaders = self.all.iter().filter(|one| one.leads_until > self.now);
        if let Some(first) = leaders.next() {
            self.led += 1;
            if let Some(second) = leaders.next() {
                panic!(
                    "at {} both {} and {} lead: {:?} {:?}",
                    self.now,
                    first.key,
                    second.key,
                    first.election.electorate(),
                    second.election.electorate()
                );
            }
        }
    }
}

#[test]
fn however_voters_change_one_leads() {
    let led = std::cell::Cell::new((0, 0));
    with_seeds(25, 5_000, |seed| {
        let mut wild = Wild::new(seed);
        while wild.now < RUN_MS {
            wild.step();
        }
        let (before, versions) = led.get();
        led.set((before + wild.led, versions + wild.versions));
    });
    let (led, versions) = led.get();
    assert!(led > 0 && versions > 0, "nobody ever led, so nothing was shown");
}
