//! The first generation, reloads, and the way back.

use super::*;

/// Serves, and loads new generations only when the test says so.
fn world() -> World {
    let mut world = World::serving(SERVING);
    world.molds_load = false;
    world
}

#[test]
fn a_new_generation_serves_before_the_old_one_is_sent_away() {
    let mut world = world();
    world.command(Command::Reload);
    assert!(world.spawned().is_empty());
    world.pass(30_000);
    world.loaded(2);
    // The first one alone: the generation has to prove itself.
    assert_eq!((world.spawned(), world.told(Order::Drain)), (vec![1], vec![]));
    world.ready(103);
    assert_eq!((world.spawned(), world.told(Order::Drain)), (vec![1, 2], vec![101]));
    world.ready(104);
    assert_eq!(world.told(Order::Drain), [101, 102]);
    assert_eq!(world.end(), Some(&Action::Reexec));
    assert_eq!(world.reports(), [Ok(())]);
    assert_eq!(
        world.log,
        [
            "reloading: generation 2 is loaded while generation 1 serves",
            "spawned uWSGI worker 1 (pid: 103, cores: 2)",
            "...gracefully killing workers...",
            "Gracefully killing worker 1 (pid: 101)...",
            "spawned uWSGI worker 2 (pid: 104, cores: 2)",
            "Gracefully killing worker 2 (pid: 102)...",
            "binary reloading uWSGI..."
        ]
    );
}

#[test]
fn the_next_image_goes_on_with_what_was_saved() {
    let mut world = world();
    world.command(Command::Reload);
    world.loaded(2);
    world.ready(103);
    world.ready(104);
    let saved = world.supervisor.save(world.now);
    let staying = |process: &&SavedProcess| process.serving;
    let pids = saved.processes.iter().filter(staying).map(|process| process.pid.as_raw());
    assert_eq!(pids.collect::<Vec<_>>(), [103, 104]);
    world.supervisor = Supervisor::resume(SERVING, &saved, world.now);
    world.forget();
    world.exits(101, exit_code::RECYCLE);
    world.exits(102, exit_code::RECYCLE);
    world.dies(103, 9);
    assert_eq!(world.spawned(), [1]);
    world.logged("worker 2 buried after 1 seconds");
}

#[test]
fn a_brutal_reload_waits_for_the_new_generation_and_for_nothing_else() {
    let mut world = world();
    world.command(Command::BrutalReload);
    world.loaded(2);
    world.ready(103);
    world.logged("...brutally killing workers...");
    assert_eq!(world.told(Order::Stop), [101]);
    world.ready(104);
    assert_eq!((world.told(Order::Stop), world.told(Order::Drain)), (vec![101, 102], vec![]));
    world.exits(101, exit_code::END);
    assert_eq!(world.end(), None);
    world.exits(102, exit_code::END);
    assert_eq!(world.end(), Some(&Action::Reexec));
}

#[test]
fn a_reload_is_over_when_no_old_worker_takes_requests() {
    let mut world = world();
    world.command(Command::Reload);
    world.loaded(2);
    world.ready(103);
    let seat = world.seat(102);
    let mut actions = Vec::new();
    // The second one does not say yet that it takes nothing new.
    world.supervisor.step(world.now, Event::Ready { seat: world.seat(104) }, &mut actions);
    assert!(!actions.contains(&Action::Reexec));
    actions.clear();
    world.supervisor.step(world.now, Event::Draining { seat }, &mut actions);
    assert!(actions.contains(&Action::Reexec));
}

#[test]
fn a_configuration_that_cannot_be_loaded_changes_nothing() {
    let mut world = world();
    world.command(Command::Reload);
    world.mold_ends(Generation(2), 1);
    world.logged("reload FAILED: its process exited with 1 while it was loaded; generation 1 goes on serving");
    assert!(world.reports()[0].is_err());
    world.pass(100_000);
    assert!(world.spawned().is_empty() && world.told(Order::Drain).is_empty());
    world.dies(101, 9);
    assert_eq!((world.spawned(), world.seat(103).generation), (vec![1], Generation(1)));
}

#[test]
fn a_worker_that_does_not_get_ready_changes_nothing() {
    let mut world = world();
    world.command(Command::Reload);
    world.loaded(2);
    world.exits(103, 1);
    world.logged("reload FAILED: worker 1 exited with 1 before it was ready");
    assert_eq!(world.molds, [Generation(1)]);
    assert!(world.told(Order::Drain).is_empty());
    assert_eq!(world.spawned(), [1]);
}

#[test]
fn a_generation_that_fails_later_is_taken_back() {
    let mut world = world();
    world.command(Command::Reload);
    world.loaded(2);
    world.ready(103);
    for pid in [104, 105, 106] {
        world.exits(pid, 1);
        world.pass(10_000);
    }
    world.logged("reload FAILED");
    // Worker 1 is of the failed generation and serves until its successor of the old one does.
    assert_eq!(world.told(Order::Drain), [101]);
    assert_eq!(world.seat(107).generation, Generation(1));
    world.ready(107);
    assert_eq!(world.told(Order::Drain), [101, 103]);
    assert_eq!(world.end(), None);
}

#[test]
fn a_failed_reload_is_tried_again_where_that_was_asked_for() {
    let mut world = World::serving(Settings { retries: 2, ..SERVING });
    world.molds_load = false;
    world.command(Command::Reload);
    let mut tries = 0;
    for _ in 0..20 {
        if let Some(generation) = world.molds.iter().find(|one| **one != Generation(1)).copied() {
            tries += 1;
            world.mold_ends(generation, 1);
        }
        world.pass(1_000);
    }
    assert_eq!(tries, 3);
}

#[test]
fn a_reload_that_hangs_is_given_up_where_that_is_asked_for() {
    let mut world = World::serving(Settings { retries: 2, ..SERVING });
    world.molds_load = false;
    world.command(Command::Reload);
    world.command(Command::Reload);
    assert_eq!(world.molds, [Generation(1), Generation(2)]);
    world.command(Command::GiveUpReload);
    world.logged("reload FAILED: it takes too long; generation 1 goes on serving");
    assert_eq!(world.reports(), [Err("it takes too long".to_owned())]);
    world.mold_ends(Generation(2), 9);
    world.pass(100_000);
    assert_eq!(world.molds, [Generation(1)], "nobody asks for it any more");
    // Of one that serves, or of none, nothing is given up.
    world.command(Command::GiveUpReload);
    world.command(Command::Reload);
    assert_eq!(world.molds, [Generation(1), Generation(3)]);
}

#[test]
fn a_reload_that_is_asked_for_during_one_follows_it() {
    let mut world = world();
    assert_eq!(world.supervisor.next_round(), 1);
    world.command(Command::Reload);
    assert_eq!(world.supervisor.next_round(), 2);
    world.command(Command::Reload);
    world.command(Command::Reload);
    world.loaded(2);
    world.ready(103);
    world.ready(104);
    assert_eq!(world.supervisor.save(world.now).again, Some(false));

    let mut world = self::world();
    world.command(Command::Reload);
    world.command(Command::Reload);
    world.mold_ends(Generation(2), 1);
    assert_eq!(world.molds, [Generation(1), Generation(3)]);
}

#[test]
fn the_number_of_workers_follows_the_configuration() {
    for (workers, drained) in [(3, vec![101, 102]), (1, vec![101, 102])] {
        let mut world = world();
        world.command(Command::Reload);
        world.loaded(workers);
        world.ready(103);
        for pid in 104..=102 + i32::from(workers) {
            world.ready(pid);
        }
        assert_eq!(world.told(Order::Drain), drained);
        assert_eq!(world.end(), Some(&Action::Reexec));
        assert_eq!(world.supervisor.save(world.now).workers, workers);
    }
}

#[test]
fn a_stop_overtakes_a_reload_but_not_the_other_way() {
    let mut world = world();
    world.command(Command::Reload);
    world.command(Command::Stop);
    world.command(Command::Reload);
    world.command(Command::BrutalReload);
    assert_eq!(world.told(Order::Stop), [101, 102]);
    assert_eq!(world.reports(), [Err("the instance stops".to_owned())]);
    world.exits(101, exit_code::END);
    world.exits(102, exit_code::END);
    assert_eq!(world.end(), Some(&Action::Exit { code: 0 }));
}

#[test]
fn a_chain_replaces_one_worker_after_the_other() {
    let mut world = World::serving(SERVING);
    world.command(Command::ChainReload);
    assert_eq!(world.spawned(), [1]);
    world.ready(103);
    assert_eq!((world.spawned(), world.told(Order::Drain)), (vec![1, 2], vec![101]));
    world.ready(104);
    assert_eq!(world.told(Order::Drain), [101, 102]);
    let chain: Vec<_> = world.log.iter().filter(|line| line.starts_with("chain")).collect();
    assert_eq!(
        chain,
        [
            "chain next victim is worker 1",
            "chain next victim is worker 2",
            "chain reloading complete"
        ]
    );
    assert_eq!(world.end(), None);
}

#[test]
fn all_workers_are_replaced_as_fast_as_they_may_boot() {
    let mut world = World::serving(Settings { workers: 3, ..SERVING });
    world.command(Command::ReloadWorkers);
    assert_eq!(world.spawned(), [1, 2]);
    world.ready(104);
    world.ready(105);
    world.ready(106);
    assert_eq!(world.told(Order::Drain), [101, 102, 103]);
}

#[test]
fn a_lost_mold_is_loaded_again() {
    let mut world = world();
    world.mold_ends(Generation(1), 137);
    world.pass(1_000);
    assert_eq!(world.molds, [Generation(2)]);
    world.mold_ends(Generation(2), 1);
    world.pass(1_000);
    assert_eq!(world.molds, [Generation(3)]);
    world.loaded(2);
    world.ready(103);
    world.ready(104);
    assert_eq!(world.end(), Some(&Action::Reexec));
}

#[test]
fn an_application_that_dies_while_it_is_loaded_is_tried_again_ever_later() {
    let mut world = World::new(SERVING);
    world.molds_load = false;
    world.send(Event::Start);
    let mut pauses = Vec::new();
    for number in 1..7 {
        let died = world.now;
        world.mold_ends(Generation(number), 139);
        while world.molds.is_empty() {
            world.pass(500);
        }
        pauses.push(world.now.since(died));
    }
    assert_eq!(pauses, [2_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
    world.logged("the application failed 6 times; attempt 7 follows in 30 seconds");
    world.loaded(2);
    assert_eq!(world.spawned(), [1, 2]);
}

#[test]
fn what_says_that_it_cannot_be_loaded_ends_the_instance() {
    for code in [exit_code::FAILURE, exit_code::NO_APP] {
        let mut world = World::new(SERVING);
        world.molds_load = false;
        world.send(Event::Start);
        world.mold_ends(Generation(1), code);
        assert_eq!(world.end(), Some(&Action::Exit { code }));
    }
}

#[test]
fn a_mold_that_does_not_end_is_killed() {
    let mut world = world();
    world.molds.clear();
    world.command(Command::Stop);
    world.exits(101, exit_code::END);
    world.exits(102, exit_code::END);
    assert_eq!(world.end(), None);
    world.pass(31_000);
    assert!(world.done.contains(&Action::KillMold { generation: Generation(1) }));
    assert_eq!(world.end(), Some(&Action::Exit { code: 0 }));
}

#[test]
fn a_successor_that_may_serve_already_is_not_cut_off() {
    let mut world = world();
    let seat = world.seat(101);
    // One of the old generation that takes the place of another; its word that it serves is on its way.
    world.send(Event::Spent { seat });
    world.command(Command::Reload);
    world.loaded(2);
    let candidate = world.next_pid - 1;
    world.ready(candidate);
    assert!(world.told(Order::Drain).contains(&103), "{:?}", world.told(Order::Drain));
    assert!(world.told(Order::Stop).is_empty());
}
