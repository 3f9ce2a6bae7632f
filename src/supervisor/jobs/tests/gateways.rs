//! Gateways: when they end, and what waits for that.

use super::*;
use crate::config::model::jobs::Gateway;

fn gateway(name: &str, carries_log: bool) -> Spec {
    let gateway = Gateway { arguments: Vec::new(), input: name.to_owned(), carries_log };
    Spec { gateway: Some(gateway), ..daemon(name) }
}

/// An instance with a daemon, a gateway of requests and one of the log: processes 101 to 103.
fn world() -> World {
    let daemons = vec![daemon("d"), gateway("requests", false), gateway("log", true)];
    let mut world = World::of(Config { daemons, workers_wait: true, ..config() });
    world.done();
    world
}

#[test]
fn in_a_graceful_stop_gateways_end_before_the_workers_do() {
    let mut world = world();
    world.send(JobEvent::Draining);
    assert_eq!(world.done(), ["SIGTERM 102"]);
    world.exits(102, 0);
    assert_eq!(world.done(), ["SIGKILL 102", "ask GracefulStop"], "the workers need not wait");
    world.send(JobEvent::Stopping);
    assert_eq!(world.done(), ["SIGTERM 101"]);
}

#[test]
fn a_gateway_has_the_time_of_a_worker() {
    let mut world = world();
    world.send(JobEvent::Draining);
    world.done();
    world.pass(59_999);
    assert_eq!(world.done(), [""; 0]);
    world.pass(1);
    assert_eq!(world.done(), ["SIGKILL 102"]);
}

#[test]
fn who_carries_the_log_ends_last() {
    let mut world = world();
    world.send(JobEvent::Stopping);
    assert_eq!(world.done(), ["SIGTERM 101", "SIGTERM 102"]);
    world.exits(101, 0);
    assert!(!world.jobs.has_nothing_to_say());
    world.exits(102, 0);
    assert!(world.jobs.has_nothing_to_say() && !world.jobs.is_quiet());
    world.done();
    for expected in [&["SIGTERM 103"][..], &[]] {
        world.send(JobEvent::Silence);
        assert_eq!(world.done(), expected, "it is told once");
    }
    world.exits(103, 0);
    assert!(world.jobs.is_quiet());
}

#[test]
fn a_gateway_that_dies_in_a_graceful_stop_is_not_waited_for() {
    let mut world = world();
    world.exits(102, 9);
    world.done();
    world.send(JobEvent::Draining);
    assert_eq!(world.done(), ["ask GracefulStop"]);
}

#[test]
fn gateways_outlive_reloads() {
    let mut before = world();
    let lines = before.jobs.save();
    let mut jobs = Jobs::new(before.jobs.config.clone(), before.now);
    jobs.restore(lines.iter().map(String::as_str));
    let mut world = World::before_begin(jobs);
    world.begin();
    assert_eq!(world.done(), ["SIGTERM 101"], "a daemon of the server's own is renewed");
    before.done();
}

#[test]
fn a_gateway_comes_back_at_once_the_first_time() {
    let mut world = world();
    world.exits(102, 1);
    world.pass(0);
    assert_eq!(world.done(), ["start Daemon(1) again"]);
    world.exits(104, 1);
    world.pass(999);
    assert_eq!(world.done(), [""; 0], "but not one that dies again and again");
    world.pass(1);
    assert_eq!(world.done(), ["start Daemon(1) again"]);
}
