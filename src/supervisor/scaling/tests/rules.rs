//! What the behaviour note and the documentation of uWSGI promise of each algorithm, and the bounds of all.

use std::time::Duration;

use super::*;

#[test]
fn spare_starts_when_nobody_was_idle_for_longer_than_overload() {
    let mut world = World::new(settings(Algorithm::Spare), 1);
    world.pass(3, 1);
    assert_eq!(world.active(), 1);
    world.pass(1, 1);
    assert_eq!(world.active(), 2);
    // One is idle now.
    world.pass(50, 1);
    assert_eq!(world.active(), 2);
    world.pass(4, 2);
    assert_eq!(world.active(), 3);
}

#[test]
fn spare_starts_step_workers_up_to_processes() {
    let mut world = World::new(Scaling { step: 2, ..settings(Algorithm::Spare) }, 1);
    world.pass(4, 1);
    assert_eq!(world.active(), 3);
    world.pass(40, 9);
    assert_eq!(world.active(), 4);
}

#[test]
fn spare_stops_one_every_overload_ticks_and_keeps_one_idle() {
    let mut world = World::new(Scaling { overload: 2, ..settings(Algorithm::Spare) }, 4);
    world.pass(10, 2);
    assert_eq!(world.active(), 3, "two are busy and one is idle");
    world.pass(1, 0);
    assert_eq!(world.active(), 3);
    world.pass(1, 0);
    assert_eq!(world.active(), 2);
    world.pass(2, 0);
    assert_eq!(world.active(), 1);
    world.pass(50, 0);
    assert_eq!(world.active(), 1, "never below cheaper");
}

#[test]
fn the_oldest_worker_without_a_request_is_stopped_and_the_lowest_number_started() {
    let mut world = World::new(Scaling { overload: 1, ..settings(Algorithm::Spare) }, 3);
    for (id, since) in [(1, 500), (2, 300), (3, 400)] {
        world.worker(id).since = Millis(since);
    }
    // Worker 2 is older but busy.
    world.workers.sort_by_key(|worker| worker.since);
    world.pass(3, 1);
    assert_eq!(world.ids(), [1, 2]);
    world.pass(2, 2);
    assert_eq!(world.ids(), [1, 2, 3]);
}

#[test]
fn a_queue_longer_than_overload_starts_workers_at_each_tick() {
    let mut world = World::new(settings(Algorithm::Backlog), 1);
    world.queue = 3;
    world.pass(5, 1);
    assert_eq!(world.active(), 1, "3 is not more than 3");
    world.queue = 4;
    world.pass(1, 1);
    assert_eq!(world.active(), 2);
    world.pass(9, 2);
    assert_eq!(world.active(), 4);
}

#[test]
fn a_short_queue_stops_workers_that_are_not_needed() {
    let mut world = World::new(settings(Algorithm::Backlog), 4);
    world.pass(20, 2);
    assert_eq!(world.active(), 3, "two would be busy all the time");
    world.pass(1, 0);
    assert_eq!(world.active(), 2);
    world.pass(1, 0);
    assert_eq!(world.active(), 1);
    world.pass(9, 0);
    assert_eq!(world.active(), 1);
}

#[test]
fn a_queue_that_is_not_known_changes_nothing() {
    let mut world = World::new(settings(Algorithm::Backlog), 2);
    for _ in 0..10 {
        world.now = world.now + 1_000;
        let view = View { workers: &world.workers, backlog: None };
        let change = world.scaler.tick(world.now, &view);
        assert_eq!(change, Change::default());
    }
}

#[test]
fn busyness_above_the_maximum_starts_workers_once_a_cycle() {
    let mut world = World::new(settings(Algorithm::Busyness), 1);
    world.pass(3, 1);
    assert_eq!(world.active(), 1);
    world.pass(1, 1);
    assert_eq!(world.active(), 2);
    world.pass(3, 1);
    assert_eq!(world.active(), 2, "50 % is not more than 50 %");
    world.pass(3, 2);
    assert_eq!(world.active(), 3);
    world.pass(30, 3);
    assert_eq!(world.active(), 4);
    let expected = [
        "[busyness] 3s average busyness is at 100%, will spawn 1 new worker(s)",
        "[busyness] 3s average busyness is at 100%, will spawn 1 new worker(s)",
        "[busyness] 3s average busyness is at 100%, will spawn 1 new worker(s)",
        "[busyness] 3s average busyness is at 75% but we already started maximum number of workers available with \
         current limits (4)",
    ];
    assert_eq!(world.log[..4], expected);
}

#[test]
fn busyness_below_the_minimum_stops_one_after_multiplier_cycles() {
    let busyness = Busyness { multiplier: 4, ..Busyness::DEFAULT };
    let mut world =
        World::new(Scaling { overload: 2, busyness, ..settings(Algorithm::Busyness) }, 3);
    world.pass(8, 0);
    assert_eq!(world.active(), 3);
    world.pass(1, 0);
    assert_eq!(world.active(), 2);
    world.pass(7, 0);
    assert_eq!(world.active(), 2);
    world.pass(1, 0);
    assert_eq!(world.active(), 1);
    world.pass(40, 0);
    assert_eq!(world.active(), 1);
    assert_eq!(
        world.log,
        [
            "[busyness] 2s average busyness is at 0%, cheap one of 3 running workers",
            "[busyness] 2s average busyness is at 0%, cheap one of 2 running workers"
        ]
    );
}

#[test]
fn a_request_that_does_not_end_counts_as_busy_all_the_time() {
    let mut world = World::new(settings(Algorithm::Busyness), 1);
    world.pass(2, 0);
    for _ in 0..2 {
        world.now = world.now + 1_000;
        // It has just begun: little time, but nothing was completed.
        world.worker(1).busy = true;
        world.tick();
    }
    assert_eq!(world.active(), 2);
}

#[test]
fn waiting_connections_start_emergency_workers() {
    let busyness = Busyness { alert: 4, alert_step: 2, ..Busyness::DEFAULT };
    let mut world =
        World::new(Scaling { overload: 20, busyness, ..settings(Algorithm::Busyness) }, 1);
    world.queue = 4;
    world.pass(5, 1);
    assert_eq!(world.active(), 1);
    world.queue = 13;
    world.pass(1, 1);
    assert_eq!(world.active(), 3);
    world.pass(1, 1);
    assert_eq!(world.active(), 4);
    assert_eq!(
        world.log,
        [
            "[busyness] 13 requests in listen queue, spawning 2 emergency worker(s) (2)!",
            "[busyness] 13 requests in listen queue, spawning 1 emergency worker(s) (3)!"
        ]
    );
}

#[test]
fn connections_that_wait_for_long_start_an_emergency_worker() {
    let busyness = Busyness { nonzero: Duration::from_secs(3), ..Busyness::DEFAULT };
    let mut world =
        World::new(Scaling { overload: 60, busyness, ..settings(Algorithm::Busyness) }, 1);
    world.queue = 2;
    world.pass(3, 1);
    assert_eq!(world.active(), 1);
    world.pass(1, 1);
    assert_eq!(world.active(), 2);
    assert_eq!(
        world.log,
        [
            "[busyness] backlog was non-zero for 3 second(s), spawning new worker(s)",
            "[busyness] 2 requests in listen queue, spawning 1 emergency worker(s) (1)!"
        ]
    );
    world.queue = 0;
    world.pass(2, 1);
    world.queue = 2;
    world.pass(3, 1);
    assert_eq!(world.active(), 2, "the time counts from anew");
}

#[test]
fn manual_does_nothing_by_itself() {
    let mut world = World::new(settings(Algorithm::Manual), 2);
    world.queue = 90;
    world.pass(60, 2);
    world.queue = 0;
    world.pass(60, 0);
    assert_eq!(world.ids(), [1, 2]);
}

#[test]
fn by_hand_the_bounds_hold() {
    for algorithm in [Algorithm::Manual, Algorithm::Spare, Algorithm::Busyness, Algorithm::Backlog]
    {
        let mut world = World::new(settings(algorithm), 2);
        world.by_hand(1);
        assert_eq!(world.ids(), [1, 2, 3]);
        world.by_hand(9);
        assert_eq!(world.ids(), [1, 2, 3, 4]);
        world.by_hand(-1);
        assert_eq!(world.ids(), [2, 3, 4]);
        // uWSGI stops the last one too, and nobody serves.
        world.by_hand(-9);
        assert_eq!(world.ids(), [4]);
    }
}

#[test]
fn by_hand_busy_workers_are_stopped_last() {
    let mut world = World::new(settings(Algorithm::Manual), 3);
    world.pass(1, 2);
    world.by_hand(-2);
    assert_eq!(world.ids(), [2]);
    let view = View { workers: &world.workers, backlog: None };
    assert_eq!(
        by_hand(&view, -1, (None, 4)),
        Change::default(),
        "one is the least without cheaper"
    );
    assert_eq!(by_hand(&view, 5, (None, 4)).start, 3);
}

#[test]
fn the_soft_limit_of_memory_lets_nothing_start() {
    let limits = Scaling { rss_soft_bytes: Some(200), ..settings(Algorithm::Spare) };
    let mut world = World::new(limits, 2);
    world.worker(1).rss_bytes = 100;
    world.worker(2).rss_bytes = 100;
    world.pass(30, 2);
    assert_eq!(world.active(), 2);
    world.by_hand(1);
    assert_eq!(
        world.log,
        ["no more than 2 workers: the memory of all of them together is at cheaper-rss-limit-soft"]
    );
    world.worker(1).rss_bytes = 99;
    world.pass(4, 2);
    assert_eq!(world.active(), 3);
}

#[test]
fn the_hard_limit_of_memory_stops_one_at_each_tick() {
    let limits = Scaling {
        rss_soft_bytes: Some(200),
        rss_hard_bytes: Some(250),
        ..settings(Algorithm::Manual)
    };
    let mut world = World::new(limits, 4);
    world.workers.iter_mut().for_each(|worker| worker.rss_bytes = 100);
    world.pass(1, 4);
    assert_eq!(world.ids(), [2, 3, 4]);
    world.pass(5, 4);
    assert_eq!(world.ids(), [3, 4]);
    assert_eq!(
        world.log,
        [
            "cheaper hard rss memory limit exceeded, cheap one of 4 workers",
            "cheaper hard rss memory limit exceeded, cheap one of 3 workers"
        ]
    );
    // The last one goes on, whatever it has.
    world.worker(3).rss_bytes = 9_000;
    world.worker(4).rss_bytes = 9_000;
    world.pass(9, 4);
    assert_eq!(world.active(), 1);
}

#[test]
fn a_worker_that_the_hard_limit_would_stop_is_not_started() {
    let limits = Scaling {
        rss_soft_bytes: Some(250),
        rss_hard_bytes: Some(260),
        ..settings(Algorithm::Spare)
    };
    let mut world = World::new(limits, 2);
    world.workers.iter_mut().for_each(|worker| worker.rss_bytes = 100);
    world.pass(60, 2);
    assert_eq!((world.active(), world.log.len()), (2, 0));
}

#[test]
fn surplus_workers_stop_when_they_were_idle_for_long() {
    let idle =
        Scaling { surplus_idle: Some(Duration::from_secs(5)), ..settings(Algorithm::Manual) };
    let mut world = World::new(idle, 4);
    world.pass(5, 1);
    assert_eq!(world.active(), 4);
    world.pass(3, 1);
    assert_eq!(world.ids(), [1], "one at each tick, the busy one stays");
    // With spare one of them is the reserve.
    let mut world = World::new(Scaling { algorithm: Algorithm::Spare, ..idle }, 3);
    world.pass(60, 1);
    assert_eq!(world.ids(), [1, 3]);
}

#[test]
fn nothing_more_is_started_while_the_last_ones_boot() {
    for algorithm in [Algorithm::Backlog, Algorithm::Busyness, Algorithm::Spare] {
        let busyness =
            Busyness { alert: 1_000, nonzero: Duration::from_secs(600), ..Busyness::DEFAULT };
        let mut world = World::new(Scaling { busyness, ..settings(algorithm) }, 2);
        world.queue = 50;
        world.worker(2).serving = false;
        world.pass(30, 1);
        assert_eq!(world.active(), 2, "{algorithm:?}");
        world.worker(2).serving = true;
        world.pass(8, 2);
        assert!(world.active() > 2, "{algorithm:?}");
    }
}

#[test]
fn too_few_workers_become_cheaper_at_once() {
    let mut world = World::new(Scaling { least: Some(3), ..settings(Algorithm::Manual) }, 1);
    world.pass(1, 0);
    assert_eq!(world.active(), 3);
}

#[test]
fn without_cheaper_there_is_no_scaler() {
    assert!(Scaler::new(&Scaling::all(4), 4).is_none());
}

#[test]
fn idle_counts_from_the_last_request() {
    let mut world = World::new(settings(Algorithm::Manual), 2);
    let mut idle = Idle::new(Duration::from_secs(3));
    let mut look = |world: &mut World, busy: usize| {
        world.pass(1, busy);
        idle.tick(world.now, &world.workers)
    };
    let seen: Vec<bool> = [0, 0, 0, 1, 0, 0, 0, 0, 0].map(|busy| look(&mut world, busy)).to_vec();
    assert_eq!(seen, [false, false, false, false, false, false, false, true, false]);
    // A request between two ticks counts.
    world.worker(2).requests += 1;
    assert!(!look(&mut world, 0));
    // One that was just replaced has done nothing.
    world.worker(2).since = world.now;
    world.worker(2).requests = 0;
    let seen: Vec<bool> = (0..4).map(|_| look(&mut world, 0)).collect();
    assert_eq!(seen, [false, false, false, true]);
}
