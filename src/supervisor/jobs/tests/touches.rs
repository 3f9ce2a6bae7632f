//! What follows when files change (behaviour note 3.8).

use super::*;

fn world(touches: Vec<Touch>) -> World {
    let mut world =
        World::before_begin(Jobs::new(Arc::new(Config { touches, ..config() }), Millis(0)));
    world.outside.stamps.insert("there".into(), stamp(5));
    world.begin();
    world
}

fn set(world: &mut World, time: Option<i128>) {
    world.outside.stamps.remove(Path::new("there"));
    world.outside.stamps.extend(time.map(|time| (PathBuf::from("there"), stamp(time))));
}

#[test]
fn every_kind_asks_for_its_command() {
    for (then, expected, line) in [
        (Then::Reload, "ask Reload", "*** there has been touched... grace them all !!! ***"),
        (
            Then::ReloadWorkers,
            "ask ReloadWorkers",
            "*** there has been touched... workers reload !!! ***",
        ),
        (
            Then::ChainReload,
            "ask ChainReload",
            "*** there has been touched... chain reload !!! ***",
        ),
        (Then::RotateLogs, "ask RotateLogs", ""),
        (Then::ReopenLogs, "ask ReopenLogs", ""),
        (Then::Run("echo".into()), "start Touch(0)", "[uwsgi-touch-exec] running echo"),
        (Then::FsReload, "ask Reload", "[uwsgi-fsmon] detected event on \"there\""),
        (Then::FsBrutalReload, "ask BrutalReload", "[uwsgi-fsmon] detected event on \"there\""),
    ] {
        let mut world = world(vec![touch("there", then)]);
        world.log();
        world.pass(5_000);
        assert_eq!(world.done(), Vec::<String>::new());
        set(&mut world, Some(6));
        world.pass(1_000);
        assert_eq!(world.done(), [expected]);
        assert_eq!(world.log().join(""), line);
    }
}

#[test]
fn another_time_another_file_and_a_new_or_missing_one_are_changes() {
    let mut world = world(vec![touch("there", Then::Reload)]);
    for (time, asks) in [
        (Some(5), false),
        (Some(6), true),
        (Some(4), true),
        (None, true),
        (None, false),
        (Some(4), true),
    ] {
        set(&mut world, time);
        world.pass(1_000);
        assert_eq!(world.done() == ["ask Reload"], asks, "{time:?}");
    }
    let replaced = Stamp { identity: (1, 8), ..stamp(4) };
    world.outside.stamps.insert("there".into(), replaced);
    world.pass(1_000);
    assert_eq!(world.done(), ["ask Reload"]);
}

#[test]
fn a_missing_file_is_told_at_the_start() {
    let mut world = world(vec![touch("missing", Then::Reload), touch("there", Then::FsReload)]);
    assert_eq!(
        world.log(),
        [
            "unable to stat() missing, events will be triggered as soon as the file is created",
            "[uwsgi-fsmon] registered monitor for \"there\""
        ]
    );
}

#[test]
fn an_event_is_seen_at_once_and_many_count_once() {
    let mut world = world(vec![touch("there", Then::Reload)]);
    for time in 6..10 {
        set(&mut world, Some(time));
        world.send(JobEvent::Changed { path: Path::new("there") });
        world.pass(20);
    }
    assert_eq!(world.done(), Vec::<String>::new());
    world.pass(50);
    assert_eq!(world.done(), ["ask Reload"]);
}

#[test]
fn a_file_that_is_written_all_the_time_is_not_waited_for() {
    let mut world = world(vec![touch("there", Then::Reload)]);
    for time in 6..206 {
        set(&mut world, Some(time));
        world.send(JobEvent::Changed { path: Path::new("there") });
        world.pass(10);
    }
    // One each half a second, not one each second or none.
    assert!((3..=5).contains(&world.done().len()));
}

#[test]
fn events_without_another_time_count_in_directories_only() {
    let mut world = world(vec![touch("there", Then::Reload), touch("folder", Then::FsReload)]);
    world.send(JobEvent::Changed { path: Path::new("there") });
    world.pass(1_000);
    assert_eq!(world.done(), Vec::<String>::new());
    world.send(JobEvent::Changed { path: Path::new("folder") });
    world.pass(1_000);
    assert_eq!(world.done(), ["ask Reload"]);
}

#[test]
fn files_that_change_together_ask_once() {
    let mut world = world(vec![touch("there", Then::Reload), touch("other", Then::Reload)]);
    set(&mut world, Some(6));
    world.outside.stamps.insert("other".into(), stamp(1));
    world.pass(1_000);
    assert_eq!(world.done(), ["ask Reload"]);
}

#[test]
fn a_stop_looks_at_no_file_any_more() {
    let mut world = world(vec![touch("there", Then::Reload)]);
    world.send(JobEvent::Stopping);
    set(&mut world, Some(6));
    world.send(JobEvent::Changed { path: Path::new("there") });
    world.pass(5_000);
    assert_eq!(world.done(), Vec::<String>::new());
}

#[test]
fn commands_that_run_are_bounded() {
    let mut world = world(vec![touch("there", Then::Run("x".into()))]);
    for time in 6..60 {
        set(&mut world, Some(time));
        world.pass(1_000);
    }
    assert_eq!(world.done().len(), RUNS_MAX);
    world.log();
    world.exits(101, 3);
    assert_eq!(world.log(), ["[uwsgi-touch-exec] the command (pid: 101) exited with 3"]);
    set(&mut world, Some(60));
    world.pass(1_000);
    assert_eq!(world.done().len(), 1);
}
