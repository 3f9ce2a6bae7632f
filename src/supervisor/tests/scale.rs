//! The number of workers, and instances without any.

use super::*;
use crate::config::model::Algorithm;

/// One worker at the least, one at the start, four at the most.
fn cheaper() -> Settings {
    let scaling = Scaling { least: Some(1), initial: 1, overload: 1, ..Scaling::all(4) };
    Settings { workers: 4, scaling, ..SERVING }
}

fn with(scaling: Scaling) -> Settings {
    Settings { scaling, ..cheaper() }
}

impl World {
    /// The process is busy from now on, or not any more.
    fn busy(&mut self, pid: i32, busy: bool) {
        let seat = self.seat(pid);
        self.cores.work.entry(seat).or_default().busy = busy;
    }

    /// So many seconds in which these processes are busy.
    fn work(&mut self, seconds: u32, pids: &[i32]) {
        for _ in 0..seconds {
            for pid in pids {
                let seat = self.seat(*pid);
                let work = self.cores.work.entry(seat).or_default();
                *work = Work { busy: true, busy_us: work.busy_us + 1_000_000, ..*work };
                work.requests += 1;
            }
            self.pass(1_000);
        }
        pids.iter().for_each(|pid| self.busy(*pid, false));
    }

    fn watching(&self) -> Vec<bool> {
        let watches = self.done.iter().filter_map(|action| match action {
            Action::WatchListeners(watch) => Some(*watch),
            _ => None,
        });
        watches.collect()
    }
}

#[test]
fn workers_follow_the_load_up_and_down() {
    let mut world = World::new(cheaper());
    world.send(Event::Start);
    assert_eq!(world.spawned(), [1]);
    world.ready(101);
    world.work(3, &[101]);
    assert_eq!(world.spawned(), [1, 2]);
    world.ready(102);
    world.work(3, &[101, 102]);
    assert_eq!(world.spawned(), [1, 2, 3]);
    world.ready(103);
    world.pass(10_000);
    // The oldest first; each finishes what it does.
    assert_eq!(world.told(Order::Drain), [101, 102]);
    world.exits(101, exit_code::RECYCLE);
    world.logged("worker 1 killed successfully (pid: 101)");
    world.logged("uWSGI worker 1 cheaped.");
    world.exits(102, exit_code::RECYCLE);
    world.forget();
    world.work(4, &[103]);
    assert_eq!(world.spawned(), [1], "the lowest number comes back first");
    world.logged("Respawned uWSGI worker 1 (new pid: 104)");
}

#[test]
fn a_worker_that_dies_is_replaced_and_others_are_not() {
    let mut world = World::serving(with(Scaling { initial: 2, ..cheaper().scaling }));
    world.work(2, &[101]);
    world.dies(102, 9);
    assert_eq!(world.spawned(), [2]);
}

#[test]
fn a_backlog_starts_workers() {
    let algorithm = Algorithm::Backlog;
    let mut world = World::serving(with(Scaling { algorithm, ..cheaper().scaling }));
    world.cores.backlog = Some(Backlog { length: 2, max: 100 });
    world.pass(1_000);
    assert_eq!(world.spawned(), [2]);
    world.pass(5_000);
    assert_eq!(world.spawned(), [2], "it still boots");
    world.ready(102);
    world.pass(1_000);
    assert_eq!(world.spawned(), [2, 3]);
}

#[test]
fn busyness_greets_at_the_start() {
    let algorithm = Algorithm::Busyness;
    let mut world = World::new(with(Scaling { algorithm, ..cheaper().scaling }));
    world.send(Event::Start);
    world.logged(
        "[busyness] settings: min=25%, max=50%, overload=1, multiplier=10, respawn penalty=2",
    );
}

#[test]
fn memory_bounds_the_number() {
    let scaling = Scaling {
        initial: 3,
        algorithm: Algorithm::Manual,
        rss_soft_bytes: Some(250),
        rss_hard_bytes: Some(280),
        ..cheaper().scaling
    };
    let mut world = World::serving(with(scaling));
    for pid in 101..104 {
        world.cores.memory.insert(pid, (100, 0));
    }
    world.pass(1_000);
    world.logged("cheaper hard rss memory limit exceeded, cheap one of 3 workers");
    assert_eq!(world.told(Order::Drain), [101]);
    world.exits(101, exit_code::RECYCLE);
    world.command(Command::MoreWorkers);
    world.pass(5_000);
    assert!(world.spawned().is_empty(), "one more would be too much again");
}

#[test]
fn a_reload_keeps_the_number_and_stops_nobody_meanwhile() {
    let mut world = World::serving(with(Scaling { initial: 3, overload: 9, ..cheaper().scaling }));
    world.molds_load = false;
    world.command(Command::Reload);
    world.pass(20_000);
    assert!(world.told(Order::Drain).is_empty());
    world.loaded(4);
    world.ready(104);
    assert_eq!(world.spawned().len(), 3);
    assert_eq!(world.supervisor.wanted.count(), 3);
}

#[test]
fn the_candidate_of_a_reload_is_a_worker_that_is_wanted() {
    let mut world = World::serving(with(Scaling { initial: 2, ..cheaper().scaling }));
    world.work(1, &[102]);
    world.pass(10_000);
    world.exits(101, exit_code::RECYCLE);
    world.forget();
    world.command(Command::Reload);
    assert_eq!(world.spawned(), [2]);
    world.ready(103);
    assert_eq!(world.told(Order::Drain), [102]);
}

#[test]
fn a_cheap_instance_starts_its_workers_at_the_first_connection() {
    for (scaling, expected) in [
        (Scaling { cheap: true, ..Scaling::all(4) }, &[1, 2, 3, 4][..]),
        (Scaling { cheap: true, initial: 2, ..cheaper().scaling }, &[1]),
    ] {
        let mut world = World::new(with(scaling));
        world.send(Event::Start);
        world.pass(10_000);
        assert!(world.spawned().is_empty());
        assert_eq!(world.watching(), [true]);
        world.logged("cheap mode enabled: waiting for socket connection...");
        world.send(Event::Connection);
        assert_eq!(world.spawned(), expected);
        assert_eq!(world.watching(), [true, false]);
        world.send(Event::Connection);
        assert_eq!(world.spawned(), expected);
    }
}

#[test]
fn an_idle_instance_sends_its_workers_away_until_somebody_connects() {
    let idle = Some(Duration::from_secs(3));
    let mut world =
        World::serving(Settings { scaling: Scaling { idle, ..Scaling::all(2) }, ..SERVING });
    world.work(3, &[102]);
    world.pass(3_000);
    assert!(world.watching().is_empty());
    world.pass(2_000);
    world.logged("workers have been inactive for more than 3 seconds");
    world.logged("cheap mode enabled: waiting for socket connection...");
    assert_eq!(world.watching(), [true]);
    assert_eq!(world.told(Order::Finish), [101, 102]);
    // Somebody comes before they are gone.
    world.send(Event::Connection);
    assert_eq!((world.watching(), world.spawned()), (vec![true, false], vec![1, 2]));
    world.exits(101, exit_code::END);
    world.exits(102, exit_code::END);
    world.ready(103);
    world.ready(104);
    world.forget();
    world.pass(60_000);
    assert_eq!(world.watching(), [true]);
}

#[test]
fn an_idle_instance_stops_where_it_is_to() {
    let scaling =
        Scaling { idle: Some(Duration::from_secs(3)), die_on_idle: true, ..Scaling::all(2) };
    let mut world = World::serving(Settings { scaling, ..SERVING });
    world.pass(10_000);
    world.logged("workers have been inactive for more than 3 seconds");
    assert_eq!(world.told(Order::Stop), [101, 102]);
    world.exits(101, exit_code::END);
    world.exits(102, exit_code::END);
    assert_eq!(world.end(), Some(&Action::Exit { code: 0 }));
}

#[test]
fn going_cheap_is_a_command_too_and_a_worker_more_ends_it() {
    let mut world = World::serving(SERVING);
    world.command(Command::GoCheap);
    world.command(Command::GoCheap);
    world.logged("going cheap...");
    assert_eq!(world.watching(), [true]);
    world.command(Command::MoreWorkers);
    world.pass(0);
    assert_eq!((world.watching(), world.spawned()), (vec![true, false], vec![1]));
    // Workers that were drained do not come back at a connection.
    world.command(Command::DrainWorkers);
    world.send(Event::Connection);
    assert_eq!((world.watching(), world.spawned()), (vec![true, false], vec![1]));
}

#[test]
fn a_reload_of_a_sleeping_instance_leaves_it_asleep() {
    let mut world = World::new(with(Scaling { cheap: true, ..Scaling::all(4) }));
    world.send(Event::Start);
    world.command(Command::Reload);
    // The new generation has to prove that it can serve.
    assert_eq!(world.spawned(), [1]);
    world.ready(101);
    assert_eq!(world.told(Order::Finish), [101]);
    world.send(Event::Draining { seat: world.seat(101) });
    assert_eq!(world.end(), Some(&Action::Reexec));
    let saved = world.supervisor.save(world.now);
    let settings = with(Scaling { cheap: true, ..Scaling::all(4) });
    let mut next = Supervisor::resume(settings, &saved, world.now);
    assert!(next.is_asleep());
    let mut actions = Vec::new();
    next.step(world.now, Event::Connection, &mut actions);
    assert_eq!(actions[0], Action::WatchListeners(false));
}

#[test]
fn a_stop_of_a_sleeping_instance_is_a_stop() {
    let mut world = World::new(with(Scaling { cheap: true, ..Scaling::all(4) }));
    world.send(Event::Start);
    world.command(Command::Stop);
    assert_eq!(world.watching(), [true, false]);
    assert_eq!(world.end(), Some(&Action::Exit { code: 0 }));
}

#[test]
fn the_next_image_knows_who_is_wanted() {
    let manual = Scaling { initial: 3, algorithm: Algorithm::Manual, ..cheaper().scaling };
    let mut world = World::serving(with(manual));
    world.command(Command::FewerWorkers);
    world.pass(0);
    let saved = world.supervisor.save(world.now);
    assert_eq!(saved.absent, [WorkerId(1), WorkerId(4)]);
    let resumed = |settings| Supervisor::resume(settings, &saved, world.now).wanted.workers();
    assert_eq!(resumed(cheaper()), [WorkerId(2), WorkerId(3)]);
    // Nobody sees to the number any more.
    let all: Vec<_> = (1..=4).map(WorkerId).collect();
    assert_eq!(resumed(with(Scaling::all(4))), all);
    let by_hand = Saved { automatic: false, ..saved.clone() };
    let next = Supervisor::resume(with(Scaling::all(4)), &by_hand, world.now);
    assert_eq!(next.wanted.workers(), [WorkerId(2), WorkerId(3)]);
}
