//! Gateways: when they end, and what waits for that.

use super::*;
use crate::config::model::jobs::Gateway;

fn gateway(name: &str, cargo: Cargo) -> Spec {
    let (arguments, secrets) = (Vec::new(), Vec::new());
    let gateway = Gateway { arguments, secrets, input: name.to_owned(), cargo };
    Spec { gateway: Some(gateway), ..daemon(name) }
}

/// An instance with a daemon, a gateway of requests and one of the log: processes 101 to 103.
fn world() -> World {
    let daemons =
        vec![daemon("d"), gateway("requests", Cargo::Requests), gateway("log", Cargo::Log)];
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

/// The same with the node of a cluster in the place of the log: process 103.
fn node() -> World {
    let daemons =
        vec![daemon("d"), gateway("requests", Cargo::Requests), gateway("node", Cargo::Cluster)];
    let mut world = World::of(Config { daemons, workers_wait: true, ..config() });
    world.done();
    world
}

#[test]
fn the_node_of_a_cluster_leaves_it_when_a_graceful_stop_begins() {
    let mut world = node();
    world.send(JobEvent::Draining);
    assert_eq!(world.done(), ["SIGTERM 102", "SIGTERM 103"]);
    world.exits(102, 0);
    assert_eq!(
        world.done(),
        ["SIGKILL 102", "ask GracefulStop"],
        "the workers wait for requests only"
    );
    let mut world = node();
    world.send(JobEvent::Stopping);
    assert_eq!(world.done(), ["SIGTERM 101", "SIGTERM 102", "SIGTERM 103"]);
}

#[test]
fn while_the_instance_is_drained_nobody_brings_requests() {
    let mut world = node();
    for expected in [&["SIGTERM 102"][..], &[]] {
        world.send(JobEvent::TakesRequests(false));
        assert_eq!(world.done(), expected, "it is told once");
    }
    world.exits(102, 0);
    world.pass(600_000);
    assert_eq!(world.done(), ["SIGKILL 102"], "what is left of its session");
    world.send(JobEvent::TakesRequests(true));
    world.pass(0);
    assert_eq!(world.done(), ["start Daemon(1) again"]);
}

#[test]
fn a_gateway_that_is_wanted_again_while_it_ends_comes_back() {
    let mut world = node();
    world.send(JobEvent::TakesRequests(false));
    world.send(JobEvent::TakesRequests(true));
    world.done();
    world.exits(102, 0);
    world.pass(0);
    assert_eq!(world.done(), ["SIGKILL 102", "start Daemon(1) again"]);
}

#[test]
fn a_gateway_that_does_not_end_in_a_drain_is_killed_after_the_mercy_of_workers() {
    let mut world = node();
    world.send(JobEvent::TakesRequests(false));
    world.pass(59_999);
    assert_eq!(world.done(), ["SIGTERM 102"]);
    world.pass(1);
    assert_eq!(world.done(), ["SIGKILL 102"]);
}

#[test]
fn a_drained_instance_stays_so_in_the_next_image_and_stops_as_any_other() {
    let mut before = node();
    before.send(JobEvent::TakesRequests(false));
    before.exits(102, 0);
    before.done();
    let config = (*before.jobs.config).clone();
    let mut world = before.next_image(config);
    world.send(JobEvent::TakesRequests(false));
    world.begin();
    world.pass(2_000);
    assert_eq!(world.done(), ["SIGTERM 101"], "only the daemon is renewed");
    world.send(JobEvent::Draining);
    assert_eq!(world.done(), ["SIGTERM 103", "ask GracefulStop"]);
    world.send(JobEvent::TakesRequests(true));
    world.pass(10_000);
    assert!(!world.done().iter().any(|done| done.starts_with("start")), "nothing starts any more");
}
