//! Changes over all nodes.

use crate::id::{Life, Millis, NodeKey, Peer, TransferId};
use crate::transfer::Transfers;
use crate::wire::{Blob, Message, Progress, Received, Reply, Request};

use super::{Network, World, with_seeds};

/// Somebody who asks.
pub(crate) struct Guest {
    pub(crate) key: NodeKey,
    life: Life,
    transfers: Transfers,
    replies: Vec<(TransferId, Reply)>,
}

impl Guest {
    pub(crate) fn new(seed: u64) -> Self {
        let key = ([10, 9, 9, 9], 9).into();
        Self { key, life: Life(9), transfers: Transfers::new(seed), replies: Vec::new() }
    }

    pub(crate) fn receive(&mut self, now: Millis, received: Received) -> Vec<(Peer, Message)> {
        let from = Peer { key: received.from, life: Some(received.life) };
        let mut out = Vec::new();
        if let Some(arrived) = self.transfers.receive(now, from, &received.message, &mut out)
            && let Blob::Reply(to) = arrived.kind
        {
            let reply = Reply::from_bytes(&arrived.bytes).expect("a reply");
            self.replies.push((to, reply));
        }
        out
    }
}

impl World {
    pub(crate) fn send_guest(&mut self, out: Vec<(Peer, Message)>) {
        for (to, message) in out {
            let received = Received { from: self.guest.key, life: self.guest.life, message };
            self.carry(to, received);
        }
    }

    /// Asks a node and waits for its answer; `None` where none came.
    pub(crate) fn ask(&mut self, at: usize, request: &Request) -> Option<Reply> {
        let peer = Peer { key: self.processes[at].key, life: Some(self.processes[at].life) };
        let begin = self.now;
        let id = self.guest.transfers.start(begin, peer, Blob::Request, request.to_bytes());
        while self.now < begin + 5_000 {
            let mut out = Vec::new();
            let now = self.now;
            self.guest.transfers.tick(now, &mut out);
            self.send_guest(out);
            if let Some(found) = self.guest.replies.iter().position(|(to, _)| *to == id) {
                return Some(self.guest.replies.remove(found).1);
            }
            self.run(20);
        }
        None
    }

    fn roll(&mut self, leader: usize, parallel: u16) -> u64 {
        let config = Some(vec![("module".to_owned(), "new".to_owned())]);
        match self.ask(leader, &Request::Roll { config, parallel }) {
            Some(Reply::Rolling { roll }) => roll,
            other => panic!("not rolling: {other:?}\n{}", self.logs()),
        }
    }

    fn outcome(&mut self, leader: usize, roll: u64) -> Progress {
        for _ in 0..600 {
            match self.ask(leader, &Request::Progress { roll }) {
                Some(Reply::Progress(progress)) if progress.outcome.is_some() => return progress,
                Some(Reply::Failed(why)) => panic!("{why}"),
                _ => self.run(500),
            }
        }
        panic!("change {roll} never ends\n{}", self.logs());
    }

    fn versions(&self) -> Vec<u64> {
        self.processes.iter().map(|process| process.instance.config.0).collect()
    }
}

/// A cluster with a leader, all of them voters.
fn cluster(seed: u64, size: usize) -> (World, usize) {
    let mut world = World::new(seed, size, Network::usual());
    world.start_all();
    assert!(world.until(15_000, |world| world.has_one_leader() && world.agrees()).is_some());
    world.run(3_000);
    let leader = world.leaders()[0];
    (world, leader)
}

#[test]
fn a_change_comes_to_all() {
    with_seeds(3, 60, |seed| {
        let (mut world, leader) = cluster(seed, 5);
        let roll = world.roll(leader, 1 + (seed % 3) as u16);
        let progress = world.outcome(leader, roll);
        assert_eq!(progress.outcome, Some(Ok(())), "{:#?}", progress.lines);
        assert_eq!(world.versions(), [roll; 5]);
    });
}

#[test]
fn a_broken_node_has_all_go_back() {
    with_seeds(6, 200, |seed| {
        let (mut world, leader) = cluster(seed, 5);
        let broken = seed as usize % 5;
        world.processes[broken].instance.broken = true;
        let roll = world.roll(leader, 1 + (seed % 3) as u16);
        let progress = world.outcome(leader, roll);
        let why = progress.outcome.expect("ended").expect_err("it fails");
        assert!(why.contains("no module named broken"), "{why}");
        assert!(why.contains("all nodes have what they had before"), "{why}");
        assert_eq!(world.versions(), [0; 5], "{:#?}", progress.lines);
    });
}

#[test]
fn a_node_that_dies_has_the_others_go_back() {
    with_seeds(3, 100, |seed| {
        let (mut world, leader) = cluster(seed, 5);
        let dies = (leader + 1 + seed as usize % 4) % 5;
        world.reload_ms = 4_000;
        let roll = world.roll(leader, 1);
        let told = world.until(60_000, |world| world.processes[dies].instance.making.is_some());
        assert!(told.is_some());
        world.kill(dies);
        let progress = world.outcome(leader, roll);
        assert!(progress.outcome.is_some_and(|outcome| outcome.is_err()));
        assert_eq!(world.versions(), [0; 5], "{:#?}", progress.lines);
    });
}

#[test]
fn a_node_that_gets_another_process_goes_back_all_the_same() {
    with_seeds(3, 60, |seed| {
        let (mut world, leader) = cluster(seed, 5);
        world.processes[leader].instance.broken = true; // the last one
        world.reload_ms = 4_000;
        let roll = world.roll(leader, 1);
        let changed = |world: &World| world.versions().iter().position(|version| *version == roll);
        assert!(world.until(60_000, |world| changed(world).is_some()).is_some());
        let again = changed(&world).expect("one is");
        world.kill(again);
        world.start(again);
        let progress = world.outcome(leader, roll);
        let why = progress.outcome.expect("ended").expect_err("it fails");
        let back = why.contains("all nodes have what they had before");
        assert_eq!(world.versions() == [0; 5], back, "{:#?}", progress.lines);
        assert!(back, "{:#?}", progress.lines);
    });
}

#[test]
fn who_does_not_lead_says_who_does_and_obeys_nobody_else() {
    let (mut world, leader) = cluster(1, 3);
    let other = (leader + 1) % 3;
    let key = world.processes[leader].key;
    let said = |reply: Option<Reply>| match reply {
        Some(Reply::Failed(why)) => why,
        other => panic!("{other:?}"),
    };
    let why = said(world.ask(other, &Request::Roll { config: None, parallel: 1 }));
    assert!(why.ends_with(&format!("leads: ask {key}")), "{why}");
    let apply = Request::Apply { roll: 1, config: Some((7, Vec::new())), undo: false };
    assert!(said(world.ask(other, &apply)).contains("leads: ask"));
    assert!(said(world.ask(leader, &apply)).contains("leads: ask"));
    world.run(2_000);
    assert_eq!(world.versions(), [0; 3]);
}

#[test]
fn a_leader_that_dies_leaves_a_word() {
    with_seeds(3, 60, |seed| {
        let (mut world, leader) = cluster(seed, 5);
        world.reload_ms = 2_000;
        let roll = world.roll(leader, 1);
        let half = world.until(60_000, |world| world.versions().contains(&roll));
        assert!(half.is_some());
        world.kill(leader);
        let next = |world: &World| world.has_one_leader() && !world.leaders().contains(&leader);
        assert!(world.until(15_000, next).is_some(), "{}", world.logs());
        world.run(5_000);
        let versions = world.versions();
        let lives: Vec<_> = world.live().map(|at| versions[at]).collect();
        let differ = lives.iter().any(|version| *version != lives[0]);
        let next = world.leaders()[0];
        let lines = || world.processes[next].log.iter().map(|(_, line)| line.as_str());
        let word = lines().any(|line| line.contains("runs another configuration"));
        assert!(word || !differ, "{lives:?}\n{}", world.logs());
        world.start(leader);
        assert!(world.until(15_000, World::agrees).is_some());
        world.reload_ms = 100;
        let leader = world.leaders()[0];
        let roll = world.roll(leader, 2);
        assert_eq!(world.outcome(leader, roll).outcome, Some(Ok(())), "{}", world.logs());
        assert_eq!(world.versions(), [roll; 5]);
    });
}
