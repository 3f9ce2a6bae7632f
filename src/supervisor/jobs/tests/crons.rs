//! When commands run (behaviour note 3.14; the table was checked with uWSGI 2.0.31 on a Friday, November 27th).

use super::super::cron::is_due;
use super::*;

#[test]
fn schedules_name_minutes_as_in_uwsgi() {
    use Field::{At, Every};
    let friday = LocalTime { unix_minute: 0, minute: 30, hour: 4, day: 27, month: 11, weekday: 5 };
    for (minute, hour, day, month, weekday, due) in [
        (Every(1), Every(1), Every(1), Every(1), Every(1), true),
        (At(30), At(4), At(27), At(11), At(5), true),
        (At(31), Every(1), Every(1), Every(1), Every(1), false),
        (Every(15), Every(2), Every(1), Every(1), Every(1), true),
        (Every(7), Every(1), Every(1), Every(1), Every(1), false),
        (Every(1), At(5), Every(1), Every(1), Every(1), false),
        // Days and months are divided too.
        (Every(1), Every(1), Every(3), Every(1), Every(1), true),
        (Every(1), Every(1), Every(2), Every(1), Every(1), false),
        (Every(1), Every(1), Every(1), Every(11), Every(1), true),
        (Every(1), Every(1), Every(1), At(12), Every(1), false),
        (Every(1), Every(1), Every(1), Every(1), Every(7), false),
        // Of a day and a weekday, one will do.
        (Every(1), Every(1), At(27), Every(1), At(0), true),
        (Every(1), Every(1), At(1), Every(1), At(5), true),
        (Every(1), Every(1), At(1), Every(1), At(0), false),
        (Every(1), Every(1), Every(3), Every(1), At(0), false),
        (Every(1), Every(1), At(1), Every(1), Every(1), false),
    ] {
        let schedule = Schedule { minute, hour, day, month, weekday };
        assert_eq!(is_due(&schedule, friday), due, "{schedule:?}");
    }
}

#[test]
fn a_command_runs_once_a_minute_from_the_minute_of_the_start_on() {
    let mut world = World::of(Config { crons: vec![cron("a")], ..config() });
    world.pass(10_000);
    assert_eq!(world.done(), ["start Cron(0)"]);
    world.exits(101, 0);
    world.pass(10_000);
    assert_eq!(world.done(), Vec::<String>::new());
    assert_eq!(
        world.log(),
        [
            "[uwsgi-cron] command \"a\" registered as cron task",
            "[uwsgi-cron] running \"a\" (pid 101)",
            "[uwsgi-cron] command \"a\" running with pid 101 exited after 10 second(s)"
        ]
    );
    world.outside.local = local(1_001);
    world.pass(1_000);
    assert_eq!(world.done(), ["start Cron(0)"]);
}

#[test]
fn how_a_command_failed_is_said() {
    let mut world = World::of(Config { crons: vec![cron("a")], ..config() });
    world.log();
    world.exits(101, 3);
    assert_eq!(world.log()[0], "[uwsgi-cron] command \"a\" (pid 101): exited with 3");
}

#[test]
fn a_unique_command_waits_for_its_end() {
    let unique = Cron { unique: true, ..cron("a") };
    let mut world = World::of(Config { crons: vec![unique], ..config() });
    world.outside.local = local(1_001);
    world.pass(5_000);
    assert_eq!(world.done(), ["start Cron(0)"]);
    world.exits(101, 0);
    world.pass(1_000);
    assert_eq!(world.done(), ["start Cron(0)"], "the minute is not over");
    world.exits(102, 0);
    world.pass(5_000);
    assert_eq!(world.done(), Vec::<String>::new());
}

#[test]
fn the_number_of_runs_is_bounded() {
    let mut world = World::of(Config { crons: vec![cron("a")], ..config() });
    for minute in 1_001..1_040 {
        world.outside.local = local(minute);
        world.pass(60_000);
    }
    assert_eq!(world.done().len(), RUNS_MAX);
    assert!(world.log().contains(&"[uwsgi-cron] \"a\" is not started: 16 of it still run".into()));
}

#[test]
fn harakiri_kills_the_whole_session() {
    let limited = Cron { harakiri: Some(Duration::from_secs(5)), ..cron("a") };
    let mut world = World::of(Config { crons: vec![limited], ..config() });
    world.done();
    world.pass(4_999);
    assert_eq!(world.done(), Vec::<String>::new());
    world.pass(1);
    assert_eq!(world.done(), ["SIGKILL 101"]);
    assert_eq!(world.log()[2], "*** HARAKIRI ON CRON \"a\" (pid: 101) ***");
    world.pass(5_000);
    assert_eq!(world.done(), Vec::<String>::new(), "once");
}

#[test]
fn a_stop_lets_commands_go_on_and_starts_none() {
    let mut world = World::of(Config { crons: vec![cron("a")], ..config() });
    world.done();
    world.send(JobEvent::Stopping);
    assert!(world.jobs.is_quiet());
    world.outside.local = local(1_001);
    world.pass(5_000);
    assert_eq!(world.done(), Vec::<String>::new());
}

#[test]
fn a_command_that_cannot_be_started_is_tried_in_its_next_minute() {
    let mut world = World::before_begin(Jobs::new(
        Arc::new(Config { crons: vec![cron("a")], ..config() }),
        Millis(0),
    ));
    world.starts_fail = true;
    world.begin();
    world.pass(5_000);
    assert_eq!(world.done(), ["start Cron(0)"]);
    assert!(world.log()[1].starts_with("[uwsgi-cron] cannot run \"a\": "));
    world.outside.local = local(1_001);
    world.pass(1_000);
    assert_eq!(world.done(), ["start Cron(0)"]);
}

#[test]
fn where_another_node_leads_nothing_runs_and_no_minute_is_made_up() {
    let mut world = World::of(Config { crons: vec![cron("a")], ..config() });
    world.done();
    world.exits(101, 0);
    world.outside.follows = true;
    world.outside.local = local(1_001);
    world.pass(2_000);
    world.outside.follows = false;
    world.pass(50_000);
    assert_eq!(world.done(), [""; 0], "the leader before has run it in this minute");
    world.outside.local = local(1_002);
    world.pass(2_000);
    assert_eq!(world.done(), ["start Cron(0)"]);
}

#[test]
fn a_command_that_waits_for_itself_is_left_to_the_next_leader() {
    let unique = Cron { unique: true, ..cron("a") };
    let mut world = World::of(Config { crons: vec![unique], ..config() });
    assert_eq!(world.done(), ["start Cron(0)"]);
    world.outside.local = local(1_001);
    world.pass(2_000);
    world.outside.follows = true;
    world.pass(2_000);
    world.exits(101, 0);
    world.outside.follows = false;
    world.pass(20_000);
    assert_eq!(world.done(), [""; 0]);
}
