//! Who leads, when nodes come, go, and are cut off. That no two lead at one time is checked with every step of every run.

use crate::node::Event;
use crate::wire::Request;

use super::{Memory, Network, World, with_seeds};

fn cluster(seed: u64, size: usize) -> World {
    let mut world = World::new(seed, size, Network::usual());
    world.start_all();
    assert!(world.until(15_000, World::has_one_leader).is_some(), "{}", world.logs());
    world.run(3_000);
    world
}

#[test]
fn a_majority_goes_on_and_a_minority_does_not() {
    with_seeds(4, 150, |seed| {
        let mut world = cluster(seed, 5);
        let first = world.leaders()[0];
        let side = [first, (first + 1) % 5];
        world.part(&side);
        world.run(3_000);
        assert!(!side.iter().any(|at| world.leaders().contains(at)), "a lease has an end");
        let next = world.until(9_000, |world| !world.leaders().is_empty());
        assert!(next.is_some(), "{}", world.logs());
        world.run(5_000);
        assert!(!side.iter().any(|at| world.leaders().contains(at)));
        world.cut.clear();
        assert!(world.until(5_000, World::agrees).is_some(), "{:?}", world.disagreement());
        assert!(world.until(5_000, World::has_one_leader).is_some(), "{}", world.logs());
    });
}

#[test]
fn a_leader_that_dies_or_goes_has_a_successor() {
    with_seeds(3, 100, |seed| {
        let mut world = cluster(seed, 5);
        let first = world.leaders()[0];
        if seed % 2 == 0 {
            world.kill(first);
        } else {
            world.step(first, Event::Leave);
            world.run(400);
            world.kill(first);
        }
        let next = |world: &World| world.has_one_leader() && world.leaders() != [first];
        let took = world.until(9_000, next);
        assert!(took.is_some(), "{}", world.logs());
        assert!(world.until(5_000, World::agrees).is_some());
        eprintln!("seed {seed}: the next leader after {} ms", took.unwrap_or_default());
    });
}

#[test]
fn of_two_the_one_that_stays_leads() {
    with_seeds(4, 100, |seed| {
        let mut world = cluster(seed, 2);
        let goes = if seed % 2 == 0 { world.leaders()[0] } else { 1 - world.leaders()[0] };
        world.step(goes, Event::Leave);
        world.run(400);
        world.kill(goes);
        world.run(9_000);
        let electorate = world.processes[1 - goes].node.as_ref().unwrap().electorate();
        assert_eq!(world.leaders(), [1 - goes], "{electorate:?}\n{}", world.logs());
        world.start(goes);
        assert!(world.until(6_000, World::agrees).is_some());
        let both =
            |world: &World| world.live().all(|at| world.processes[at].instance.view.voters == 2);
        assert!(world.until(9_000, both).is_some(), "{}", world.logs());
    });
}

#[test]
fn who_drains_does_not_lead() {
    let mut world = cluster(1, 3);
    let first = world.leaders()[0];
    world.ask(first, &Request::Drain(true));
    assert!(world.processes[first].instance.draining);
    assert!(!world.leaders().contains(&first));
    let next = |world: &World| world.has_one_leader() && world.leaders() != [first];
    assert!(world.until(9_000, next).is_some(), "{}", world.logs());
}

#[test]
fn where_all_drain_one_leads_all_the_same() {
    with_seeds(3, 60, |seed| {
        let mut world = cluster(seed, 3);
        (0..3).for_each(|at| assert!(world.ask(at, &Request::Drain(true)).is_some()));
        assert!(world.until(12_000, World::has_one_leader).is_some(), "{}", world.logs());
        world.run(9_000);
        assert!(world.has_one_leader(), "{}", world.logs());
        // One that takes requests again is the better leader.
        let last = (0..3).rfind(|at| !world.leaders().contains(at)).expect("two do not lead");
        world.ask(last, &Request::Drain(false));
        let it = |world: &World| world.leaders() == [last];
        assert!(world.until(12_000, it).is_some(), "{}", world.logs());
    });
}

#[test]
fn clusters_that_were_founded_apart_become_one() {
    with_seeds(4, 100, |seed| {
        let mut world = World::new(seed, 7, Network::usual());
        let side: Vec<_> = (0..1 + seed as usize % 3).collect();
        world.part(&side);
        world.start_all();
        world.run(12_000);
        assert_eq!(world.leaders().len(), 2, "{}", world.logs());
        world.cut.clear();
        let one = |world: &World| {
            let lineage =
                |at: usize| world.processes[at].node.as_ref().unwrap().electorate().lineage;
            let voters = |at: usize| world.processes[at].instance.view.voters;
            let same = (1..7).all(|at| lineage(at) == lineage(0) && voters(at) == 7);
            world.has_one_leader() && same
        };
        assert!(world.until(12_000, one).is_some(), "{}", world.logs());
        assert!(world.agrees());
    });
}

#[test]
fn a_quorum_is_waited_for() {
    with_seeds(2, 50, |seed| {
        let mut world = World::new(seed, 5, Network::usual());
        world.plans = Box::new(|plan| plan.quorum_min = 3);
        world.start(0);
        world.start(1);
        world.run(15_000);
        assert!(world.leaders().is_empty(), "{}", world.logs());
        world.start(2);
        assert!(world.until(9_000, World::has_one_leader).is_some(), "{}", world.logs());
    });
}

#[test]
fn a_cluster_that_is_started_again_leads_itself_again() {
    with_seeds(4, 60, |seed| {
        let mut world = cluster(seed, 5);
        let memory = if seed % 2 == 0 { Memory::Kept } else { Memory::Lost };
        for at in 0..5 {
            world.processes[at].memory = memory;
            world.kill(at);
        }
        world.run(5_000);
        // With its memory one alone is no cluster.
        world.start(2);
        world.run(12_000);
        assert_eq!(world.leaders().is_empty(), memory == Memory::Kept, "{}", world.logs());
        for at in [0, 1, 3, 4] {
            world.start(at);
        }
        assert!(world.until(20_000, World::has_one_leader).is_some(), "{}", world.logs());
        assert!(world.until(5_000, World::agrees).is_some());
    });
}

#[test]
fn a_node_whose_clock_went_back_is_a_member_all_the_same() {
    let mut world = cluster(1, 4);
    world.kill(2);
    world.run(1_000);
    world.plans = Box::new(|plan| plan.member.epoch -= 86_400_000);
    world.start(2);
    assert!(world.until(6_000, World::agrees).is_some(), "{:?}", world.disagreement());
}
