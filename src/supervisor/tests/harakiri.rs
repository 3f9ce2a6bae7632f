//! Requests that are out of time.

use super::*;

#[test]
fn harakiri_is_told_in_uwsgis_words_at_its_time() {
    let mut world = World::serving(SERVING);
    world.request(102, 0, 3_000);
    world.pass(2_999);
    assert!(world.log.is_empty(), "{:?}", world.log);
    world.pass(1);
    assert_eq!(
        world.log,
        [
            "*** HARAKIRI ON WORKER 2 (pid: 102, try: 1, graceful: yes) ***",
            "HARAKIRI !!! worker 2 status !!!",
            "HARAKIRI [core 0] 127.0.0.1 - POST /body since 1795229051",
            "HARAKIRI !!! end of worker 2 status !!!",
            "HARAKIRI triggered by worker 2 core 0 !!!",
            "HARAKIRI: worker 2 core 0 was in this request for 3.0 seconds",
            "Respawned uWSGI worker 2 (new pid: 103)"
        ]
    );
    assert_eq!(world.told(Order::Harakiri { core: CoreId(0) }), [102]);
    world.pass(999);
    assert!(world.killed().is_empty());
    world.pass(1);
    assert_eq!(world.killed(), [102]);
    world.dies(102, 9);
    assert_eq!(
        world.log[7..],
        ["DAMN ! worker 2 (pid: 102) died, killed by signal 9 :( trying respawn ..."]
    );
}

#[test]
fn harakiri_waits_for_the_workers_other_requests() {
    let mut world = World::serving(SERVING);
    world.request(101, 0, 3_000);
    world.pass(2_000);
    world.request(101, 1, 3_000);
    world.pass(2_500);
    assert_eq!(
        (world.told(Order::Harakiri { core: CoreId(0) }), world.killed()),
        (vec![101], vec![])
    );
    world.request_ends(101, 1);
    world.pass(1_000);
    assert_eq!(world.killed(), [101]);
}

#[test]
fn harakiri_does_not_wait_for_ever() {
    let mut world = World::serving(SERVING);
    world.request(101, 0, 3_000);
    world.request(101, 1, 1_000_000);
    world.pass(3_000 + 3_000 + 999);
    assert!(world.killed().is_empty());
    world.pass(1);
    assert_eq!(world.killed(), [101]);
}

#[test]
fn two_stuck_cores_are_both_told() {
    let mut world = World::serving(SERVING);
    world.request(101, 0, 3_000);
    world.request(101, 1, 3_500);
    world.pass(3_500);
    assert_eq!(world.told(Order::Harakiri { core: CoreId(0) }), [101]);
    assert_eq!(world.told(Order::Harakiri { core: CoreId(1) }), [101]);
    world.pass(999);
    assert!(world.killed().is_empty());
    world.pass(1);
    assert_eq!(world.killed(), [101]);
}

#[test]
fn a_stuck_worker_is_replaced_before_it_has_ended() {
    let mut world = World::serving(SERVING);
    world.request(101, 0, 3_000);
    world.pass(3_000);
    assert_eq!(world.spawned(), [1]);
    assert_ne!(world.seat(103), world.seat(101));
}

#[test]
fn harakiri_also_ends_a_request_of_the_old_generation() {
    let mut world = World::serving(SERVING);
    world.request(101, 0, 3_000);
    world.command(Command::Reload);
    world.ready(103);
    assert_eq!(world.told(Order::Drain), [101]);
    world.pass(4_000);
    assert_eq!(world.killed(), [101]);
}

#[test]
fn the_clients_bytes_cannot_forge_a_line() {
    let mut world = World::serving(SERVING);
    world.request(101, 0, 10);
    let key = (world.seat(101), CoreId(0));
    let running = &mut world.cores.requests.get_mut(&key).unwrap().1;
    running.description = b"::1 - GET /\nspawned\x1b[2J\xff".to_vec();
    world.pass(1_000);
    assert_eq!(
        world.log[2],
        "HARAKIRI [core 0] ::1 - GET /\\x0aspawned\\x1b[2J\u{fffd} since 1795229051"
    );
}
