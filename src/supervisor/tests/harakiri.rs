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

/// A request of 2.5 seconds gets both grades, the next one on its core the first one again.
#[test]
fn each_request_gets_each_grade_once() {
    let grades = grades::Limits { log_ms: Some(1_000), interrupt_ms: Some(2_000) };
    let timeouts = Timeouts { grades, ..Timeouts::default() };
    let mut world = World::serving(Settings { timeouts, ..SERVING });
    world.request(101, 1, 3_000);
    world.pass(2_500);
    assert_eq!(
        world.log,
        [
            "harakiri-log: worker 1 core 1 is in 127.0.0.1 - POST /body for 1.0 seconds: its stack",
            "harakiri-interrupt: worker 1 core 1 is in 127.0.0.1 - POST /body for 2.0 seconds: \
             it is answered with 504 and interrupted",
        ]
    );
    world.request_ends(101, 1);
    world.request(101, 1, 3_000);
    world.pass(1_500);
    assert_eq!(world.told(Order::LogStack { core: CoreId(1) }), [101, 101]);
    assert_eq!(world.told(Order::Interrupt { core: CoreId(1) }), [101]);
    assert!(world.told(Order::Harakiri { core: CoreId(1) }).is_empty());
}

#[test]
fn harakiri_comes_after_the_grades() {
    let grades = grades::Limits { log_ms: None, interrupt_ms: Some(2_000) };
    let timeouts = Timeouts { grades, ..Timeouts::default() };
    let mut world = World::serving(Settings { timeouts, ..SERVING });
    world.request(101, 0, 3_000);
    world.pass(4_000);
    assert_eq!(world.told(Order::Interrupt { core: CoreId(0) }), [101]);
    assert_eq!(world.told(Order::Harakiri { core: CoreId(0) }), [101]);
    assert_eq!(world.killed(), [101]);
}

const GRACEFUL: Timeouts = Timeouts { graceful: Some((Signal::SIGUSR2, 5_000)), ..NO_TIMEOUTS };

#[test]
fn the_graceful_signal_comes_before_the_kill() {
    let mut world = World::serving(Settings { timeouts: GRACEFUL, ..SERVING });
    world.request(101, 0, 3_000);
    world.pass(3_000);
    assert_eq!(
        world.log,
        [
            "*** HARAKIRI ON WORKER 1 (pid: 101, try: 1, graceful: yes) ***",
            "HARAKIRI !!! worker 1 status !!!",
            "HARAKIRI [core 0] 127.0.0.1 - POST /body since 1795229051",
            "HARAKIRI !!! end of worker 1 status !!!",
            "HARAKIRI: graceful termination attempt on worker 1 with signal 12. Next harakiri: 1795229059",
            "HARAKIRI triggered by worker 1 core 0 !!!",
            "HARAKIRI: worker 1 core 0 was in this request for 3.0 seconds",
        ]
    );
    assert!(
        world
            .done
            .iter()
            .any(|action| matches!(action, Action::Kill { signal: Signal::SIGUSR2, .. }))
    );
    world.forget();
    world.pass(4_999);
    assert!(world.log.is_empty() && world.done.is_empty(), "{:?}", world.done);
    world.pass(1);
    assert_eq!(world.log[0], "*** HARAKIRI ON WORKER 1 (pid: 101, try: 2, graceful: no) ***");
    assert_eq!(world.told(Order::Harakiri { core: CoreId(0) }), [101]);
    world.pass(1_000);
    assert_eq!(world.killed(), [101]);
}

#[test]
fn the_next_request_gets_a_graceful_signal_of_its_own() {
    let mut world = World::serving(Settings { timeouts: GRACEFUL, ..SERVING });
    world.request(101, 0, 3_000);
    world.pass(4_000);
    world.request_ends(101, 0);
    world.request(101, 0, 3_000);
    world.forget();
    world.pass(5_000);
    assert_eq!(world.log[0], "*** HARAKIRI ON WORKER 1 (pid: 101, try: 1, graceful: yes) ***");
    assert!(world.told(Order::Harakiri { core: CoreId(0) }).is_empty());
}

#[test]
fn requests_are_left_alone_while_the_listen_queue_is_short() {
    let timeouts = Timeouts { queue_threshold: Some(5), ..Timeouts::default() };
    let mut world = World::serving(Settings { timeouts, ..SERVING });
    world.cores.backlog = Some(Backlog { length: 4, max: 100 });
    world.request(101, 0, 3_000);
    world.pass(3_500);
    let line = "HARAKIRI: Skipping harakiri on worker 1. Listen queue is smaller than the threshold (4 < 5)";
    assert_eq!(world.log, [line]);
    world.pass(1_000);
    assert_eq!(world.log, [line, line], "once a second, as uWSGI");
    world.cores.backlog = Some(Backlog { length: 5, max: 100 });
    world.pass(1_000);
    assert_eq!(world.told(Order::Harakiri { core: CoreId(0) }), [101]);
}

#[test]
fn a_queue_that_cannot_be_measured_keeps_nobody_alive() {
    let timeouts = Timeouts { queue_threshold: Some(5), ..Timeouts::default() };
    let mut world = World::serving(Settings { timeouts, ..SERVING });
    world.request(101, 0, 3_000);
    world.pass(3_000);
    assert_eq!(world.told(Order::Harakiri { core: CoreId(0) }), [101]);
}
