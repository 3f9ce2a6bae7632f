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
    world.send(Event::Draining { worker: WorkerId(1) });
    world.exits(101, exit_code::RECYCLE);
    assert_eq!(
        world.log,
        ["worker 1 killed successfully (pid: 101)", "Respawned uWSGI worker 1 (new pid: 103)"]
    );
}

#[test]
fn fast_recycling_is_not_throttled() {
    let mut world = World::serving(SERVING);
    for pid in [101, 103, 104, 105] {
        world.exits(pid, exit_code::RECYCLE);
        world.send(Event::Ready { worker: WorkerId(1) });
        world.pass(10);
    }
    assert_eq!(world.spawned(), [1, 1, 1, 1]);
}

#[test]
fn a_worker_that_recycles_but_hangs_gets_mercy_and_then_none() {
    let mut world = World::serving(SERVING);
    world.send(Event::Draining { worker: WorkerId(1) });
    world.pass(59_999);
    assert!(world.killed().is_empty());
    world.pass(1);
    assert_eq!(world.killed(), [101]);
    assert_eq!(world.log, ["worker 1 (pid: 101) is taking too much time to die...NO MERCY !!!"]);
    world.dies(101, 9);
    assert_eq!(
        world.log[1..],
        ["worker 1 buried after 60 seconds", "Respawned uWSGI worker 1 (new pid: 103)"]
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
    world.send(Event::Ready { worker: WorkerId(1) });
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
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        let mut world = World::new(Settings { workers: 1, ..SERVING });
        world.send(Event::Start);
        world.exits(101, 1);
        world.exits(102, 1);
        world.pass(500);
        world.signal(signal);
        assert_eq!(world.end(), Some(&Action::Exit { code: 0 }));
        world.forget();
        world.pass(100_000);
        assert!(world.done.is_empty() && world.log.is_empty());
    }
}

#[test]
fn a_reload_during_the_throttle_happens_at_once() {
    let mut world = World::new(Settings { workers: 1, ..SERVING });
    world.send(Event::Start);
    world.exits(101, 1);
    world.exits(102, 1);
    world.signal(Signal::SIGHUP);
    assert_eq!(world.end(), Some(&Action::Reexec));
}

#[test]
fn a_stop_ends_the_workers_and_then_the_master() {
    let mut world = World::serving(SERVING);
    world.signal(Signal::SIGINT);
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
            "goodbye to uWSGI."
        ]
    );
    assert_eq!(world.end(), Some(&Action::Exit { code: 0 }));
}

#[test]
fn a_worker_that_is_still_starting_is_stopped_by_a_signal_too() {
    let mut world = World::new(Settings { workers: 1, ..SERVING });
    world.send(Event::Start);
    world.signal(Signal::SIGINT);
    let signal = Action::Kill { pid: Pid::from_raw(101), signal: Signal::SIGTERM };
    assert!(world.done.contains(&signal), "{:?}", world.done);
}

#[test]
fn a_worker_that_ignores_the_stop_is_killed_when_mercy_ends() {
    let mut world = World::serving(SERVING);
    world.signal(Signal::SIGINT);
    world.exits(101, exit_code::END);
    world.pass(60_000);
    assert_eq!(world.killed(), [102]);
    world.dies(102, 9);
    assert_eq!(world.end(), Some(&Action::Exit { code: 0 }));
}

#[test]
fn a_second_interrupt_does_not_wait() {
    let mut world = World::serving(SERVING);
    world.signal(Signal::SIGINT);
    world.signal(Signal::SIGINT);
    world.signal(Signal::SIGINT);
    assert_eq!(world.killed(), [101, 102]);
}

#[test]
fn an_application_that_asks_to_stop_twice_does_not_kill() {
    let mut world = World::serving(SERVING);
    world.send(Event::StopAsked);
    world.send(Event::StopAsked);
    assert_eq!((world.told(Order::Stop), world.killed()), (vec![101, 102], vec![]));
}

#[test]
fn what_a_signal_means() {
    use Signal::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2};
    let drain = Some("...gracefully killing workers...");
    let brutal = Some("...brutally killing workers...");
    let stop = Some("SIGINT/SIGTERM received...killing workers...");
    let table = [
        (SIGHUP, drain, drain),
        (SIGTERM, brutal, stop),
        (SIGINT, stop, stop),
        (SIGQUIT, stop, brutal),
        (SIGUSR1, None, None),
        (SIGUSR2, None, None),
        (SIGALRM, None, None),
        (SIGTSTP, None, None),
    ];
    for (signal, normally, with_die_on_term) in table {
        for (die_on_term, line) in [(false, normally), (true, with_die_on_term)] {
            let mut world = World::serving(Settings { die_on_term, ..SERVING });
            world.signal(signal);
            assert_eq!(
                world.log.first().map(String::as_str),
                line,
                "{signal}, die-on-term {die_on_term}"
            );
        }
    }
}

#[test]
fn a_graceful_reload_drains_and_then_becomes_a_new_image() {
    let mut world = World::serving(SERVING);
    world.signal(Signal::SIGHUP);
    assert_eq!(world.told(Order::Drain), [101, 102]);
    world.signal(Signal::SIGHUP);
    world.pass(900);
    world.exits(102, exit_code::RECYCLE);
    world.exits(101, exit_code::RECYCLE);
    assert_eq!(
        world.log,
        [
            "...gracefully killing workers...",
            "Gracefully killing worker 1 (pid: 101)...",
            "Gracefully killing worker 2 (pid: 102)...",
            "worker 2 buried after 1 seconds",
            "worker 1 buried after 1 seconds",
            "binary reloading uWSGI..."
        ]
    );
    assert_eq!(world.end(), Some(&Action::Reexec));
}

#[test]
fn a_failed_reload_starts_the_workers_again() {
    let mut world = World::serving(SERVING);
    world.signal(Signal::SIGHUP);
    world.exits(101, exit_code::RECYCLE);
    world.exits(102, exit_code::RECYCLE);
    world.forget();
    world.send(Event::ReexecFailed { error: &std::io::Error::other("no such program") });
    assert_eq!(world.spawned(), [1, 2]);
    assert!(world.log[0].contains("no such program"), "{:?}", world.log);
}

#[test]
fn a_brutal_reload_overtakes_a_graceful_one() {
    let mut world = World::serving(SERVING);
    world.signal(Signal::SIGHUP);
    world.signal(Signal::SIGTERM);
    assert_eq!(world.told(Order::Stop), [101, 102]);
    world.exits(101, exit_code::END);
    world.exits(102, exit_code::END);
    assert_eq!(world.end(), Some(&Action::Reexec));
}

#[test]
fn a_stop_overtakes_a_reload_but_not_the_other_way() {
    let mut world = World::serving(SERVING);
    world.signal(Signal::SIGHUP);
    world.signal(Signal::SIGINT);
    world.signal(Signal::SIGHUP);
    world.signal(Signal::SIGTERM);
    assert_eq!(world.told(Order::Stop), [101, 102]);
    world.exits(101, exit_code::END);
    world.exits(102, exit_code::END);
    assert_eq!(world.end(), Some(&Action::Exit { code: 0 }));
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
            "goodbye to uWSGI."
        ]
    );
    assert_eq!(world.end(), Some(&Action::Exit { code: 22 }));

    let mut world = World::serving(settings);
    world.dies(101, 9);
    world.exits(102, exit_code::NO_APP);
    assert_eq!(world.end(), None);
    assert_eq!(world.spawned(), [1, 1]);
}

#[test]
fn a_fork_that_fails_is_tried_again_later() {
    let mut world = World::new(Settings { workers: 1, throttle_ms: 0, ..SERVING });
    let mut actions = Vec::new();
    world.supervisor.step(world.now, Event::Start, &mut actions);
    let error = &std::io::Error::from_raw_os_error(11);
    world.send(Event::SpawnFailed { worker: WorkerId(1), error });
    assert!(world.log[0].starts_with("fork(): "), "{:?}", world.log);
    assert!(world.spawned().is_empty());
    world.pass(1_000);
    assert_eq!(world.spawned(), [1]);
}
