//! When daemons start and end (behaviour note 3.12).

use super::*;

const NOTHING: [&str; 0] = [];

fn plain() -> World {
    let mut world = World::of(Config { daemons: vec![daemon("d")], ..config() });
    assert_eq!(world.done(), ["start Daemon(0)"]);
    world
}

fn smart() -> Spec {
    Spec { pidfile: Some("p".into()), ..daemon("d") }
}

fn write(world: &World, pid: Option<i32>) {
    let mut files = world.outside.pidfiles.borrow_mut();
    files.remove(Path::new("p"));
    files.extend(pid.map(|pid| (PathBuf::from("p"), pid)));
}

#[test]
fn a_daemon_that_ends_is_started_again_at_once() {
    let mut world = plain();
    world.pass(5_000);
    world.exits(101, 0);
    world.pass(0);
    assert_eq!(world.done(), ["start Daemon(0) again"]);
}

#[test]
fn deaths_at_once_make_the_pause_longer() {
    let mut world = plain();
    for (pid, pause_ms) in (101..).zip([1_000, 2_000, 3_000, 4_000]) {
        world.exits(pid, 1);
        world.pass(pause_ms - 1);
        assert_eq!(world.done(), NOTHING, "after {pid}");
        world.pass(1);
        assert_eq!(world.done(), ["start Daemon(0) again"]);
    }
    let log = world.log();
    assert_eq!(log[0], "[uwsgi-daemons] \"d\" (pid: 101) exited with 1");
    assert_eq!(log[1], "[uwsgi-daemons] throttling \"d\" for 1 seconds");
    // A proper life makes it good.
    world.pass(3_000);
    world.exits(105, 0);
    world.pass(0);
    assert_eq!(world.done(), ["start Daemon(0) again"]);
}

#[test]
fn the_pause_has_an_upper_end() {
    let spec = Spec { throttle_max: Duration::from_secs(2), ..daemon("d") };
    let mut world = World::of(Config { daemons: vec![spec], ..config() });
    world.starts_fail = true;
    world.exits(101, 1);
    world.done();
    world.pass(1_000 + 4 * 2_000);
    assert_eq!(world.done().len(), 5);
}

#[test]
fn a_stop_ends_daemons_with_all_they_have_started() {
    let mut world = plain();
    world.send(JobEvent::Stopping);
    assert_eq!(world.done(), ["SIGTERM 101"]);
    assert!(!world.jobs.is_quiet());
    world.exits(101, 0);
    assert_eq!(world.done(), ["SIGKILL 101"], "what is left of its session");
    assert!(world.jobs.is_quiet());
    assert_eq!(
        world.log(),
        ["[uwsgi-daemons] stopping daemon (pid: 101): d", "daemon \"d\" (pid: 101) annihilated"]
    );
    world.pass(60_000);
    assert_eq!(world.done(), NOTHING);
}

#[test]
fn daemons_stay_while_requests_are_finished_but_none_is_started() {
    let control = Spec { control: true, ..daemon("c") };
    let mut world = World::of(Config { daemons: vec![daemon("d"), control], ..config() });
    world.done();
    world.send(JobEvent::Draining);
    world.pass(10_000);
    assert_eq!(world.done(), NOTHING);
    world.exits(101, 1);
    world.pass(10_000);
    assert_eq!(world.done(), NOTHING);
    world.send(JobEvent::Stopping);
    assert_eq!(world.done(), ["SIGTERM 102"]);
    world.send(JobEvent::Draining);
    world.exits(102, 0);
    assert!(world.jobs.is_quiet());
}

#[test]
fn mercy_is_limited_and_a_second_stop_has_none() {
    let mut world = plain();
    world.send(JobEvent::Stopping);
    world.pass(2_999);
    assert_eq!(world.done(), ["SIGTERM 101"]);
    world.pass(1);
    assert_eq!(world.done(), ["SIGKILL 101"]);
    assert_eq!(world.log()[1], "[uwsgi-daemons] daemon did not die in time, killing (pid: 101): d");
    let mut world = plain();
    world.send(JobEvent::Stopping);
    world.send(JobEvent::Stopping);
    world.pass(0);
    assert_eq!(world.done, ["SIGTERM 101"]);
    world.send(JobEvent::Hurry);
    world.pass(0);
    assert_eq!(world.done(), ["SIGTERM 101", "SIGKILL 101"]);
}

#[test]
fn a_stop_during_the_pause_starts_nothing() {
    let mut world = plain();
    world.exits(101, 1);
    world.send(JobEvent::Stopping);
    world.pass(10_000);
    assert_eq!(world.done(), NOTHING);
    assert!(world.jobs.is_quiet());
}

#[test]
fn the_end_of_a_control_daemon_is_that_of_the_instance() {
    let spec = Spec { control: true, ..daemon("d") };
    let mut world = World::of(Config { daemons: vec![spec], ..config() });
    world.done();
    world.exits(101, 0);
    world.pass(10_000);
    assert_eq!(world.done(), ["ask GracefulStop"]);
}

#[test]
fn a_touched_file_renews_the_daemon() {
    let stop_signal = Signal::SIGUSR1;
    let spec =
        Spec { touch: vec!["a".into(), "b".into()], stop_signal, control: true, ..daemon("d") };
    let mut world = World::of(Config { daemons: vec![spec], ..config() });
    world.done();
    world.outside.stamps.insert("b".into(), stamp(1));
    world.pass(1_000);
    assert_eq!(world.done(), ["SIGUSR1 101"]);
    let line = "*** b has been touched... reloading daemon \"d\" (pid: 101) !!! ***";
    assert_eq!(world.log().last().map(String::as_str), Some(line));
    world.killed(101);
    world.pass(0);
    assert_eq!(world.done(), ["start Daemon(0) again"], "no pause, and no end of the instance");
}

#[test]
fn a_reload_renews_the_servers_own_and_no_others() {
    let told = Spec { reload_signal: Some(Signal::SIGHUP), ..daemon("told") };
    let daemons = vec![daemon("d"), told, smart()];
    let mut world = World::of(Config { daemons: daemons.clone(), ..config() });
    write(&world, Some(103));
    world.pass(1_000);
    let mut world = world.next_image(Config { daemons, ..config() });
    world.begin();
    world.pass(2_000);
    assert_eq!(world.done(), ["SIGTERM 101", "SIGHUP 102"]);
    world.exits(101, 0);
    world.pass(0);
    assert_eq!(world.done(), ["SIGKILL 101", "start Daemon(0) again"]);
    world.pass(1_000);
    assert_eq!(world.done(), ["SIGKILL 102"], "it is out of time");
}

#[test]
fn a_living_pid_file_is_left_alone() {
    let mut world = World::before_begin(Jobs::new(
        Arc::new(Config { daemons: vec![smart()], ..config() }),
        Millis(0),
    ));
    write(&world, Some(77));
    world.begin();
    world.pass(5_000);
    assert_eq!(world.done(), NOTHING);
    assert_eq!(world.log(), ["[uwsgi-daemons] found valid/active pidfile for \"d\" (pid: 77)"]);
    write(&world, Some(78));
    world.pass(1_000);
    assert_eq!(
        world.log(),
        ["[uwsgi-daemons] found changed pid for \"d\" (old_pid: 77 new_pid: 78)"]
    );
    world.send(JobEvent::Stopping);
    world.pass(5_000);
    assert_eq!(world.done(), NOTHING);
    assert!(world.jobs.is_quiet());
}

#[test]
fn a_program_may_go_to_the_background_and_is_started_again_when_it_is_gone() {
    let mut world = World::of(Config { daemons: vec![smart()], ..config() });
    assert_eq!(world.done(), ["start Daemon(0)"]);
    world.exits(101, 0);
    world.pass(4_000);
    write(&world, Some(500));
    world.pass(5_000);
    assert_eq!(world.done(), NOTHING);
    // Its death is seen at once where the master is told of it.
    write(&world, None);
    world.exits(500, 0);
    world.pass(0);
    assert_eq!(world.done(), ["start Daemon(0) again"]);
}

#[test]
fn a_pid_file_that_does_not_come_is_complained_about() {
    let mut world = World::of(Config { daemons: vec![smart()], ..config() });
    world.exits(101, 127);
    world.done();
    world.pass(9_000);
    assert_eq!(world.done(), NOTHING);
    world.pass(2_000);
    assert_eq!(world.done(), ["start Daemon(0) again"]);
    assert_eq!(world.log()[1], "[uwsgi-daemons] \"d\" did not daemonize !!!");
}

#[test]
fn a_program_that_stays_in_the_foreground_without_a_pid_file_is_not_started_twice() {
    let mut world = World::of(Config { daemons: vec![smart()], ..config() });
    world.done();
    world.pass(60_000);
    assert_eq!(world.done(), NOTHING);
    assert_eq!(world.log(), ["[uwsgi-daemons] \"d\" did not daemonize !!!"]);
}

#[test]
fn programs_with_a_pid_file_are_throttled_too() {
    let spec = Spec { daemonize: true, ..smart() };
    let mut world = World::of(Config { daemons: vec![spec], ..config() });
    world.done();
    for (pid, pause_ms) in (101..).zip([1_000_u64, 2_000, 3_000]) {
        write(&world, Some(pid));
        world.pass(1_000);
        write(&world, None);
        world.exits(pid, 1);
        world.pass(pause_ms - 1);
        assert_eq!(world.done(), NOTHING, "{pid}");
        // The file is looked at once a second.
        world.pass(1_001);
        assert_eq!(world.done(), ["start Daemon(0) again"]);
    }
}

#[test]
fn control_and_touch_work_by_pid_file_too() {
    let spec = Spec { control: true, touch: vec!["a".into()], ..smart() };
    let mut world = World::of(Config { daemons: vec![spec], ..config() });
    world.exits(101, 0);
    write(&world, Some(500));
    world.pass(5_000);
    world.done();
    world.outside.stamps.insert("a".into(), stamp(1));
    world.pass(1_000);
    assert_eq!(world.done(), ["SIGTERM 500 or process"]);
    write(&world, None);
    world.pass(1_000);
    assert_eq!(world.done(), ["start Daemon(0) again"]);
    write(&world, Some(600));
    world.exits(102, 0);
    world.pass(5_000);
    write(&world, None);
    world.pass(1_000);
    assert_eq!(world.done(), ["ask GracefulStop"]);
}

#[test]
fn a_reload_is_told_to_programs_that_want_to_know() {
    let spec = Spec { notify: true, reload_signal: Some(Signal::SIGUSR2), ..smart() };
    let daemons = vec![spec];
    let mut world = World::of(Config { daemons: daemons.clone(), ..config() });
    write(&world, Some(500));
    world.exits(101, 0);
    world.pass(2_000);
    let mut world = world.next_image(Config { daemons, ..config() });
    world.begin();
    world.pass(1_000);
    assert_eq!(world.done(), ["SIGUSR2 500 or process"]);
}
