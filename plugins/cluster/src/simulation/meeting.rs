//! How soon nodes know each other.

use super::{Network, World, with_seeds};

fn knows_all(size: usize, seed: u64, within_ms: u64) {
    let mut world = World::new(seed, size, Network::usual());
    world.start_all();
    let took = world.until(within_ms, World::agrees);
    let wrong = world.disagreement();
    assert!(took.is_some(), "after {within_ms} ms {wrong:?}");
    let lead = world.until(20_000, World::has_one_leader);
    assert!(lead.is_some(), "no leader\n{}", world.logs());
    world.until(60_000, |world| {
        let voters = |at: usize| world.processes[at].instance.view.voters as usize;
        world.live().all(|at| voters(at) == size.min(crate::election::VOTERS_MAX))
    });
    let all_vote = world.now;
    world.run(2_000);
    let (sent, bytes, begin) = (world.sent, world.sent_bytes, world.now);
    world.kinds.clear();
    world.run(if size > 64 { 4_000 } else { 10_000 });
    let (calm, end) = (world.until(1_500, World::agrees).is_some(), world.now);
    assert!(calm, "{:?}\n{}", world.disagreement(), world.logs());
    let share = |count: u64| count as f64 * 1_000.0 / (end - begin) as f64 / size as f64;
    eprintln!(
        "{size} nodes, seed {seed}: know each other after {} ms, led after {} ms more, all vote at {all_vote} ms; \
         {:.1} messages and {:.0} bytes a node and second: {:?}",
        took.unwrap_or_default(),
        lead.unwrap_or_default(),
        share(world.sent - sent),
        share(world.sent_bytes - bytes),
        world.kinds,
    );
}

/// A node dies, and comes back.
fn is_seen(size: usize, seed: u64) {
    let mut world = World::new(seed, size, Network::usual());
    world.start_all();
    world.run(6_000);
    let dies = seed as usize % size;
    world.kill(dies);
    let gone = world.until(5_000, World::agrees);
    assert!(gone.is_some(), "{:?}\n{}", world.disagreement(), world.logs());
    world.run(3_000);
    world.start(dies);
    let back = world.until(5_000, World::agrees);
    assert!(back.is_some(), "{:?}\n{}", world.disagreement(), world.logs());
    eprintln!(
        "{size} nodes, seed {seed}: down is known after {gone:?} ms, up again after {back:?}"
    );
}

#[test]
fn who_dies_and_comes_back_is_seen_by_all_within_five_seconds() {
    with_seeds(4, 200, |seed| is_seen(5, seed));
    with_seeds(1, 20, |seed| is_seen(50, seed));
}

#[test]
fn five_nodes_know_each_other_at_once() {
    with_seeds(5, 100, |seed| knows_all(5, seed, 1_500));
}

#[test]
fn fifty_nodes_know_each_other_within_three_seconds() {
    with_seeds(1, 20, |seed| knows_all(50, seed, 3_000));
}

#[test]
fn two_hundred_nodes_know_each_other_within_five_seconds() {
    with_seeds(1, 3, |seed| knows_all(200, seed, 5_000));
}

#[test]
fn without_a_group_some_seeds_are_enough() {
    with_seeds(1, 20, |seed| {
        let mut world = World::new(seed, 20, Network { multicast: false, ..Network::usual() });
        let seeds = [world.processes[3].key, world.processes[7].key];
        world.plans = Box::new(move |plan| plan.seeds = seeds.to_vec());
        world.start_all();
        assert!(world.until(5_000, World::agrees).is_some(), "{:?}", world.disagreement());
        assert!(world.until(10_000, World::has_one_leader).is_some());
    });
}
