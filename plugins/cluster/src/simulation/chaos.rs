//! Everything that can go wrong, at random; then it stops, and all has to be well soon.

use rand::RngExt;
use rand::seq::IteratorRandom;

use crate::node::Event;

use super::{Memory, Network, World, with_seeds};

/// Between two disturbances, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 100..4_000;
/// A majority of voters that lose their memory within so long is more than what leases can bear: see the doc of elections.
const FORGETFUL_MS: u64 = 20_000;

struct Chaos {
    world: World,
    /// When nodes were started without their memory.
    forgot: Vec<u64>,
}

impl Chaos {
    fn new(seed: u64, size: usize) -> Self {
        let mut world = World::new(seed, size, Network::usual());
        for at in 0..size {
            if world.rng.random_bool(0.5) {
                world.processes[at].memory = Memory::Kept;
            }
        }
        world.start_all();
        world.run(8_000);
        Self { world, forgot: Vec::new() }
    }

    fn disturb(&mut self) {
        let world = &mut self.world;
        let size = world.processes.len();
        let what = world.rng.random_range(0..12);
        if std::env::var_os("UWSGI_CLUSTER_TRACE").is_some() {
            eprintln!("{} ms: disturbance {what}", world.now);
        }
        match what {
            0 | 1 => {
                let down = size - world.live().count();
                let leader = world.leaders().first().copied();
                let any = (0..size).choose(&mut world.rng).unwrap();
                let at = leader.filter(|_| world.rng.random_bool(0.4)).unwrap_or(any);
                if down < size / 2 && world.processes[at].node.is_some() {
                    if world.rng.random_bool(0.3) {
                        world.step(at, Event::Leave);
                        world.run(350);
                    }
                    world.kill(at);
                }
            }
            2 | 3 => self.start_one(),
            4 => {
                let count = world.rng.random_range(1..=size / 2);
                let side = (0..size).sample(&mut world.rng, count);
                world.part(&side);
            }
            5 => {
                // One way only: somebody is heard by nobody, or hears nobody.
                let at = world.rng.random_range(0..size);
                let deaf = world.rng.random_bool(0.5);
                for other in (0..size).filter(|other| *other != at) {
                    world.cut.insert(if deaf { (other, at) } else { (at, other) });
                }
            }
            6 => {
                for _ in 0..size {
                    let pair = (world.rng.random_range(0..size), world.rng.random_range(0..size));
                    world.cut.insert(pair);
                }
            }
            10 | 11 => self.shake(),
            7 => world.network = Network::bad(),
            8 => world.network = Network { delay: (0, 700), ..Network::bad() },
            _ => {
                world.cut.clear();
                world.network = Network::usual();
            }
        }
    }

    /// Cuts the leader off, and starts those anew that have just promised it their votes.
    fn shake(&mut self) {
        let world = &mut self.world;
        let Some(leader) = world.leaders().first().copied() else { return };
        world.part(&[leader]);
        let others: Vec<_> = world.live().filter(|at| *at != leader).collect();
        for at in others {
            if world.rng.random_bool(0.7) && world.processes[at].memory == Memory::Kept {
                world.kill(at);
                world.run(50);
                world.start(at);
            }
        }
    }

    fn start_one(&mut self) {
        let world = &mut self.world;
        let down = (0..world.processes.len()).filter(|at| world.processes[*at].node.is_none());
        let Some(at) = down.choose(&mut world.rng) else { return };
        let now = world.now;
        self.forgot.retain(|since| since + FORGETFUL_MS > now);
        let forgets = world.processes[at].memory == Memory::Lost;
        if forgets && self.forgot.len() >= world.processes.len().div_ceil(2) - 1 {
            return;
        }
        if forgets {
            self.forgot.push(now);
        }
        world.start(at);
    }

    fn calm(&mut self) {
        self.world.cut.clear();
        self.world.network = Network::usual();
    }
}

fn run(seed: u64, size: usize, disturbances: usize) {
    let mut chaos = Chaos::new(seed, size);
    for _ in 0..disturbances {
        chaos.disturb();
        let pause = chaos.world.rng.random_range(PAUSE_MS);
        chaos.world.run(pause);
    }
    chaos.calm();
    let world = &mut chaos.world;
    // Of more than 64 each hears only some with each second.
    let within_ms = if size > 64 { 16_000 } else { 5_000 };
    let took = world.until(within_ms, World::agrees);
    assert!(took.is_some(), "after {within_ms} ms {:?}\n{}", world.disagreement(), world.logs());
    while chaos.world.live().count() < size {
        chaos.start_one();
        chaos.world.run(6_000);
    }
    let world = &mut chaos.world;
    let took = world.until(30_000, World::has_one_leader);
    assert!(took.is_some(), "no leader\n{}", world.logs());
    let lineage = |at: usize| world.processes[at].node.as_ref().unwrap().electorate().lineage;
    assert!((1..size).all(|at| lineage(at) == lineage(0)));
    world.run(5_000);
    // A suspicion may be in the air at any moment: a probe was lost, and its answer by way of others too.
    let well = |world: &World| world.agrees() && world.has_one_leader();
    assert!(world.until(1_500, well).is_some(), "{:?}", world.disagreement());
}

#[test]
fn three_and_five_nodes_come_through() {
    with_seeds(12, 3_000, |seed| run(seed, if seed % 2 == 0 { 3 } else { 5 }, 40));
}

#[test]
fn nine_nodes_come_through() {
    with_seeds(3, 600, |seed| run(seed, 9, 40));
}

#[test]
fn fifty_nodes_come_through() {
    with_seeds(1, 10, |seed| run(seed, 50, 10));
}

#[test]
fn two_hundred_nodes_come_through() {
    with_seeds(0, 2, |seed| run(seed, 200, 6)) // a minute each: only the long run has it;
}
