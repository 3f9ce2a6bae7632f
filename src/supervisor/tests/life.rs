//! Start, death, respawn, stop and reload.

use super::*;

#[test]
fn start_spawns_every_worker() {
    let mut world = World::new(SERVING);
    world.send(Event::Start);
    assert_eq!(
        world.log,
        [
            "spawned uWSGI worker 1 (pid: 101, cores: 2)",
            "spawned uWSGI worker 2 (pid: 102, cores: 2)"
        ]
    );
}

#[test]
fn a_killed_worker_is_respawned_at_once() {
    let mut world = World::serving(SERVING);
    world.dies(102, 9);
    assert_eq!(
        world.log,
        [
            "DAMN ! worker 2 (pid: 102) died, killed by signal 9 :( trying respawn ...",
            "Respawned uWSGI worker 2 (new pid: 103)"
        ]
    );
}

#[test]
fn each_respawn_is_told_once() {
    let mut world = World::serving(SERVING);
    let told = |world: &World| {
        let told = |action: &&Action| matches!(action, Action::Seated { respawn: true, .. });
        world.done.iter().filter(told).count()
    };
    // At once, where the worker is gone.
    world.dies(102, 9);
    world.ready(103);
    assert_eq!(told(&world), 1);
    // When it serves, where it takes over.
    let seat = world.seat(101);
    world.send(Event::Spent { seat });
    assert_eq!(told(&world), 1);
    world.ready(104);
    world.exits(101, exit_code::RECYCLE);
    assert_eq!(told(&world), 2);
    // Not in a reload.
    world.command(Command::Reload);
    for pid in 105..world.next_pid {
        world.ready(pid);
    }
    assert_eq!(told(&world), 2);
}

#[test]
fn a_worker_that_exits_by_itself_says_its_status() {
    let mut world = World::serving(SERVING);
    world.exits(101, 3);
    assert_eq!(
        world.log,
        [
            "worker 1 (pid: 101) exited with status 3",
            "DAMN ! worker 1 (pid: 101) died :( trying respawn ...",
            "Respawned uWSGI worker 1 (new pid: 103)"
        ]
    );
}

#[test]
fn a_recycled_worker_is_no_accident() {
    let mut world = World::serving(SERVING);
    let seat = world.seat(101);
    world.send(Event::Draining { seat });
    world.exits(101, exit_code::RECYCLE);
    assert_eq!(
        world.log,
        ["Respawned uWSGI worker 1 (new pid: 103)", "worker 1 buried after 1 seconds"]
    );
}

#[test]
fn fast_recycling_is_not_throttled() {
    let mut world = World::serving(SERVING);
    for (pid, next) in [(101, 103), (103, 104), (104, 105), (105, 106)] {
        world.exits(pid, exit_code::RECYCLE);
        world.ready(next);
        world.pass(10);
    }
    assert_eq!(world.spawned(), [1, 1, 1, 1]);
}

#[test]
fn a_worker_that_recycles_but_hangs_gets_mercy_and_then_none() {
    let mut world = World::serving(SERVING);
    let seat = world.seat(101);
    world.send(Event::Draining { seat });
    world.pass(59_999);
    assert!(world.killed().is_empty());
    world.pass(1);
    assert_eq!(world.killed(), [101]);
    world.dies(101, 9);
    assert_eq!(
        world.log,
        [
            "Respawned uWSGI worker 1 (new pid: 103)",
            "worker 1 (pid: 101) is taking too much time to die...NO MERCY !!!",
            "worker 1 buried after 60 seconds"
        ]
    );
}

#[test]
fn an_orphan_of_the_application_is_nobodys_worker() {
    let mut world = World::serving(SERVING);
    world.exits(4711, 1);
    assert!(world.log.is_empty() && world.done.is_empty());
}

#[test]
fn dying_at_once_again_and_again_is_throttled_with_a_growing_pause() {
    let mut world = World::new(Settings { workers: 1, ..SERVING });
    world.send(Event::Start);
    let mut pauses = Vec::new();
    for pid in 101..109 {
        let died = world.now;
        world.forget();
        world.exits(pid, 1);
        while world.spawned().is_empty() {
            world.pass(100);
        }
        pauses.push(world.now.since(died));
    }
    assert_eq!(pauses, [0, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    assert!(world.log.contains(
        &"worker respawning too fast !!! i have to sleep a bit (30 seconds)...".to_owned()
    ));
}

#[test]
fn a_good_life_ends_the_throttling() {
    let mut world = World::new(Settings { workers: 1, ..SERVING });
    world.send(Event::Start);
    world.exits(101, 1);
    world.exits(102, 1);
    world.pass(2_000);
    world.ready(103);
    world.pass(5_000);
    world.forget();
    world.dies(103, 11);
    world.exits(104, 1);
    world.exits(105, 1);
    world.pass(1_999);
    assert_eq!(world.spawned(), [1, 1]);
    world.pass(1);
    assert_eq!(world.spawned(), [1, 1, 1]);
}

#[test]
fn a_stop_during_the_throttle_ends_the_instance_at_once() {
    let mut world = World::new(Settings { workers: 1, ..SERVING });
    world.send(Event::Start);
    world.exits(101, 1);
    world.exits(102, 1);
    world.pass(500);
    world.command(Command::Stop);
    assert_eq!(world.end(), Some(&Action::Exit { code: 0 }));
    world.forget();
    world.pass(100_000);
    assert!(world.done.is_empty() && world.log.is_empty());
}

#[test]
fn a_stop_ends_the_workers_and_then_the_master() {
    let mut world = World::serving(SERVING);
    world.command(Command::Stop);
    assert_eq!(world.told(Order::Stop), [101, 102]);
    world.pass(200);
    world.exits(101, exit_code::END);
    assert_eq!(world.end(), None);
    world.pass(1_000);
    world.exits(102, exit_code::END);
    assert_eq!(
        world.log,
        [
            "SIGINT/SIGTERM received...killing workers...",
            "worker 1 buried after 1 seconds",
            "worker 2 buried after 2 seconds",
        ]
    );
    assert_eq!(world.end(), Some(&Action::Exit { code: 0 }));
}

#[test]
fn a_worker_that_is_still_starting_is_stopped_by_a_signal_too() {
    let mut world = World::new(Settings { workers: 1, ..SERVING });
    world.send(Event::Start);
    world.command(Command::Stop);
    let signal = Action::Kill { pid: Pid::from_raw(101), signal: Signal::SIGTERM };
    assert!(world.done.contains(&signal), "{:?}", world.done);
}

#[test]
fn a_worker_that_ignores_the_stop_is_killed_when_mercy_ends() {
    let mut world = World::serving(SERVING);
    world.command(Command::Stop);
    world.exits(101, exit_code::END);
    world.pass(60_000);
    assert_eq!(world.killed(), [102]);
    world.dies(102, 9);
    assert_eq!(world.end(), Some(&Action::Exit { code: 0 }));
}

#[test]
fn a_second_interrupt_does_not_wait() {
    let mut world = World::serving(SERVING);
    world.command(Command::Stop);
    world.command(Command::Stop);
    world.command(Command::Stop);
    assert_eq!(world.killed(), [101, 102]);
}

#[test]
fn a_second_interrupt_kills_a_worker_that_is_being_forked() {
    let mut world = World::serving(SERVING);
    let mut actions = Vec::new();
    let event = Event::Exited { pid: Pid::from_raw(101), ended: Ended::Signal(9) };
    world.supervisor.step(world.now, event, &mut actions);
    let Some(Action::Spawn { seat, .. }) = actions.last().cloned() else { panic!("{actions:?}") };
    // The mold is still at it.
    world.molds.clear();
    world.command(Command::Stop);
    world.command(Command::Stop);
    // The mold is not killed before it has said whom it forked.
    let mold = Action::KillMold { generation: Generation(1) };
    assert!(!world.done.contains(&mold));
    world.send(Event::Spawned { seat, pid: Pid::from_raw(103) });
    assert_eq!(world.killed(), [102, 103]);
    assert!(world.done.contains(&mold));
}

#[test]
fn an_application_that_asks_to_stop_twice_does_not_kill() {
    let mut world = World::serving(SERVING);
    world.send(Event::StopAsked);
    world.send(Event::StopAsked);
    assert_eq!((world.told(Order::Stop), world.killed()), (vec![101, 102], vec![]));
}

#[test]
fn a_graceful_stop_lets_requests_finish() {
    let mut world = World::serving(SERVING);
    world.command(Command::GracefulStop);
    assert_eq!((world.told(Order::Finish), world.told(Order::Stop)), (vec![101, 102], vec![]));
    world.exits(101, exit_code::END);
    world.exits(102, exit_code::END);
    assert_eq!(world.end(), Some(&Action::Exit { code: 0 }));
}

#[test]
fn an_interrupt_cuts_a_graceful_stop_short() {
    let mut world = World::serving(SERVING);
    world.command(Command::GracefulStop);
    world.command(Command::Stop);
    assert_eq!(world.told(Order::Stop), [101, 102]);
    assert!(world.killed().is_empty());
    world.command(Command::Stop);
    assert_eq!(world.killed(), [101, 102]);
}

#[test]
fn a_lame_duck_serves_until_its_time_is_over() {
    let mut world = World::serving(Settings { lame_duck_ms: 5_000, ..SERVING });
    world.command(Command::GracefulStop);
    assert_eq!((world.told(Order::LameDuck), world.told(Order::Finish)), (vec![101, 102], vec![]));
    world.pass(4_999);
    assert!(world.told(Order::Finish).is_empty());
    world.pass(1);
    assert_eq!(world.told(Order::Finish), [101, 102]);
}

#[test]
fn whoever_asks_again_does_not_wait_for_a_lame_duck() {
    for (again, order) in [(Command::GracefulStop, Order::Finish), (Command::Stop, Order::Stop)] {
        let mut world = World::serving(Settings { lame_duck_ms: 5_000, ..SERVING });
        world.command(Command::GracefulStop);
        world.command(again);
        assert_eq!(world.told(order), [101, 102]);
        world.exits(101, exit_code::END);
        world.exits(102, exit_code::END);
        assert_eq!(world.end(), Some(&Action::Exit { code: 0 }), "{again:?}");
    }
}

#[test]
fn workers_are_added_and_taken_away() {
    let mut world = World::serving(SERVING);
    world.command(Command::FewerWorkers);
    world.pass(0);
    // The older one without a request.
    assert_eq!(world.told(Order::Drain), [101]);
    world.command(Command::FewerWorkers);
    world.pass(0);
    assert_eq!(world.told(Order::Drain), [101]);
    world.exits(101, exit_code::RECYCLE);
    world.logged("uWSGI worker 1 cheaped.");
    assert!(world.spawned().is_empty());
    world.command(Command::MoreWorkers);
    world.command(Command::MoreWorkers);
    world.pass(0);
    assert_eq!(world.spawned(), [1]);
}

#[test]
fn a_pause_holds_for_workers_that_come_later() {
    let mut world = World::serving(SERVING);
    world.command(Command::Pause);
    assert_eq!(world.told(Order::Pause), [101, 102]);
    world.dies(101, 9);
    world.ready(103);
    assert_eq!(world.told(Order::Pause), [101, 102, 103]);
    world.command(Command::Pause);
    assert_eq!(world.told(Order::Resume), [102, 103]);
}

#[test]
fn a_worker_that_has_done_its_share_serves_until_its_successor_does() {
    let mut world = World::serving(SERVING);
    for pid in [101, 102] {
        let seat = world.seat(pid);
        world.send(Event::Spent { seat });
    }
    // One at a time.
    assert_eq!(world.spawned(), [1]);
    assert!(world.told(Order::Drain).is_empty());
    world.ready(103);
    assert_eq!((world.told(Order::Drain), world.spawned()), (vec![101], vec![1, 2]));
    world.exits(101, exit_code::RECYCLE);
    world.logged("worker 1 killed successfully (pid: 101)");
}

#[test]
fn a_successor_that_dies_leaves_the_old_one_serving() {
    let mut world = World::serving(SERVING);
    let seat = world.seat(101);
    world.send(Event::Spent { seat });
    for pid in [103, 104, 105] {
        world.exits(pid, 1);
        world.pass(10_000);
    }
    assert!(world.told(Order::Drain).is_empty() && world.killed().is_empty());
    assert_eq!(world.spawned(), [1, 1, 1, 1]);
}

#[test]
fn old_workers_are_replaced_one_after_the_other() {
    let mut world = World::serving(Settings {
        lifetime_ms_max: Some(10_000),
        lifetime_delta_ms: 5_000,
        ..SERVING
    });
    world.pass(8_000);
    assert_eq!(world.spawned(), [1]);
    world.logged("worker 1 lifetime reached, it was running for 10 second(s)");
    world.ready(103);
    world.pass(5_000);
    assert_eq!(world.spawned(), [1, 2]);
}

#[test]
fn a_worker_that_is_too_large_is_killed() {
    let mut world = World::serving(Settings { evil_rss_bytes: Some(1_000), ..SERVING });
    world.cores.memory.insert(102, (1_000, 5));
    world.pass(1_000);
    assert_eq!(world.killed(), [102]);
    world.logged("*** EVIL RELOAD ON WORKER 2 RSS: 1000 bytes ***");
}

#[test]
fn need_app_ends_the_instance_at_its_first_start_only() {
    let settings = Settings { workers: 1, need_app: true, ..SERVING };
    let mut world = World::new(settings.clone());
    world.send(Event::Start);
    world.exits(101, exit_code::NO_APP);
    assert_eq!(
        world.log[1..],
        [
            "OOPS ! failed loading app in worker 1 (pid 101)",
            "need-app requested, destroying the instance...",
        ]
    );
    assert_eq!(world.end(), Some(&Action::Exit { code: 22 }));

    let mut world = World::serving(settings);
    world.dies(101, 9);
    world.exits(102, exit_code::NO_APP);
    assert_eq!(world.end(), None);
    world.pass(2_000);
    assert_eq!(world.spawned(), [1, 1]);
}

#[test]
fn a_fork_that_fails_is_tried_again_later() {
    let mut world = World::serving(Settings { throttle_ms: 0, ..SERVING });
    let mut actions = Vec::new();
    let event = Event::Exited { pid: Pid::from_raw(101), ended: Ended::Signal(9) };
    world.supervisor.step(world.now, event, &mut actions);
    let Some(Action::Spawn { seat, .. }) = actions.last() else { panic!("{actions:?}") };
    let error = &std::io::Error::from_raw_os_error(11);
    world.send(Event::SpawnFailed { seat: *seat, error });
    assert!(world.log[0].starts_with("fork(): "), "{:?}", world.log);
    assert!(world.spawned().is_empty());
    world.pass(1_000);
    assert_eq!(world.spawned(), [1]);
}

#[test]
fn a_chain_waits_for_a_worker_that_boots_for_another_reason() {
    let mut world = World::serving(SERVING);
    world.dies(101, 9);
    world.command(Command::ChainReload);
    assert_eq!(world.spawned(), [1]);
    world.ready(103);
    assert_eq!(world.spawned(), [1, 1], "its turn comes first");
    world.ready(104);
    assert_eq!(world.spawned(), [1, 1, 2]);
}
