//! What the next image of the master goes on with.

use super::*;

#[test]
fn crons_go_on_and_do_not_run_again_in_their_minute() {
    let limited =
        Cron { harakiri: Some(Duration::from_secs(30)), unique: true, ..cron("a\nb \\n") };
    let crons = vec![limited, cron("a"), cron("gone")];
    let mut world = World::of(Config { crons: crons.clone(), ..config() });
    world.pass(5_000);
    let kept = Config { crons: vec![crons[1].clone(), crons[0].clone()], ..config() };
    let mut world = world.next_image(kept);
    world.begin();
    world.pass(5_000);
    assert_eq!(world.done(), Vec::<String>::new());
    world.pass(20_000);
    assert_eq!(world.done(), ["SIGKILL 101"], "its time began before");
    world.killed(101);
    world.exits(103, 0);
    let log = world.log();
    assert!(log[3].ends_with(": killed by signal 9"), "{log:?}");
    assert!(log[5].contains("gone\" running with pid 103 exited after 30"), "{log:?}");
}

#[test]
fn a_daemon_that_is_configured_no_more_is_ended() {
    let daemons = vec![daemon("a"), daemon("b")];
    let mut world = World::of(Config { daemons, ..config() });
    world.pass(5_000);
    let stop_signal = Signal::SIGINT;
    let other = Spec { text: "other".into(), stop_signal, ..daemon("c") };
    let mut world = world.next_image(Config { daemons: vec![other, daemon("b")], ..config() });
    world.begin();
    assert_eq!(world.done(), ["SIGTERM 102", "SIGTERM 101", "start Daemon(0)"]);
    assert!(!world.jobs.is_quiet());
    world.pass(3_000);
    assert_eq!(world.done(), ["SIGKILL 102", "SIGKILL 101"]);
    world.killed(101);
    assert_eq!(world.done(), ["SIGKILL 101"]);
    world.killed(102);
    world.pass(0);
    assert_eq!(world.done(), ["SIGKILL 102", "start Daemon(1) again"]);
}

#[test]
fn a_daemon_that_is_configured_again_while_it_ends_is_not_started_beside_itself() {
    let mut world = World::of(Config { daemons: vec![daemon("a")], ..config() });
    world = world.next_image(config());
    world.begin();
    world = world.next_image(Config { daemons: vec![daemon("a")], ..config() });
    world.done();
    world.begin();
    assert_eq!(world.done(), Vec::<String>::new());
    world.exits(101, 0);
    world.pass(0);
    assert_eq!(world.done(), ["SIGKILL 101", "start Daemon(0) again"]);
}

#[test]
fn what_is_hidden_in_a_text_makes_another_process_and_is_not_told() {
    let with = |secret: &str| {
        let text = format!("d{}secret={secret}", jobs::Daemon::HIDDEN);
        Config { daemons: vec![jobs::Daemon { text, ..daemon("d") }], ..config() }
    };
    let mut world = World::of(with("one"));
    world.done();
    let mut world = world.next_image(with("two"));
    world.begin();
    assert!(world.done().contains(&"SIGTERM 101".to_owned()));
    world.exits(101, 0);
    world.pass(0);
    let said = world.log();
    assert!(said.contains(&"daemon \"d\" (pid: 101) annihilated".to_owned()), "{said:?}");
    assert!(!said.join(" ").contains("secret"), "{said:?}");
}

#[test]
fn two_daemons_with_the_same_text_are_two() {
    let daemons = vec![daemon("a"), daemon("a")];
    let mut world = World::of(Config { daemons: daemons.clone(), ..config() });
    assert_eq!(world.done(), ["start Daemon(0)", "start Daemon(1)"]);
    let mut world = world.next_image(Config { daemons, ..config() });
    world.begin();
    assert_eq!(world.done(), ["SIGTERM 101", "SIGTERM 102"]);
}

#[test]
fn the_second_handover_is_as_good_as_the_first() {
    let mut world = World::of(Config { daemons: vec![daemon("a")], ..config() });
    world.done();
    let mut world = world.next_image(config());
    world.begin();
    assert_eq!(world.done(), ["SIGTERM 101"]);
    world.pass(1_000);
    let mut world = world.next_image(config());
    world.begin();
    world.pass(1_999);
    assert_eq!(world.done(), Vec::<String>::new());
    world.pass(1);
    assert_eq!(world.done(), ["SIGKILL 101"]);
}

#[test]
fn a_pause_is_kept() {
    let mut world = World::of(Config { daemons: vec![daemon("a")], ..config() });
    world.exits(101, 1);
    let mut world = world.next_image(Config { daemons: vec![daemon("a")], ..config() });
    world.done();
    world.begin();
    world.pass(999);
    assert_eq!(world.done(), Vec::<String>::new());
    world.pass(1);
    assert_eq!(world.done(), ["start Daemon(0) again"]);
}

#[test]
fn a_file_that_was_touched_meanwhile_is_noticed() {
    let touches = vec![touch("a b", Then::Reload), touch("new", Then::Reload)];
    let mut world = World::of(Config { touches: touches.clone(), ..config() });
    world.outside.stamps.insert("a b".into(), stamp(1));
    let mut world = world.next_image(Config { touches, ..config() });
    world.begin();
    assert_eq!(world.done(), ["ask Reload"]);
    assert_eq!(world.log(), ["*** a b has been touched... grace them all !!! ***"]);
}

#[test]
fn broken_lines_are_passed_over() {
    let config = Config { daemons: vec![daemon("a")], crons: vec![cron("c")], ..config() };
    let mut jobs = Jobs::new(Arc::new(config), Millis(0));
    jobs.restore([
        "",
        "daemon",
        "daemon plain up x 1 1 - 15 attach-daemon a",
        "daemon plain up -5 1 1 - 15 attach-daemon a",
        "daemon plain up 1 1 1 - 15 attach-daemon a",
        "cron x -1 -1 -1 -1 -1 c",
        "cron-run 0 5 - -1 -1 -1 -1 -1 c",
        "touch 1 2",
        "something new",
    ]);
    let mut world = World::before_begin(jobs);
    world.begin();
    assert_eq!(world.done(), ["start Cron(0)", "start Daemon(0)"]);
}
