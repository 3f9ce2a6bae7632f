//! What runs on the leader alone, and what is seen of all.

use std::time::{Duration, Instant};

use super::five::{CLIENTS, Five, NODES, needs_a_network};
use crate::support::eventually;

/// A cron is due once a minute.
const CRON_PATIENCE: Duration = Duration::from_secs(150);
const RUNS: &str = "[uwsgi-cron] running \"echo cron has run\"";

/// How often a node has run the cron.
fn runs(five: &Five, host: u8) -> usize {
    five.nodes[&host].log.text().matches(RUNS).count()
}

#[test]
fn crons_run_on_the_leader_alone() {
    needs_a_network!();
    let five = Five::start(Five::network(), &["--cron", "-1 -1 -1 -1 -1 echo cron has run"]);
    let leader = five.await_leader(&NODES);
    let wanted = if std::env::var_os("UWSGI_LONG_TESTS").is_some() { 2 } else { 1 };
    let start = Instant::now();
    while runs(&five, leader) < wanted {
        assert!(start.elapsed() < CRON_PATIENCE, "the leader, host {leader}, runs no cron");
        std::thread::sleep(Duration::from_millis(50));
    }
    five.nodes[&leader].wait_for("cron has run");
    for host in NODES.into_iter().filter(|host| *host != leader) {
        assert_eq!(runs(&five, host), 0, "host {host} does not lead");
    }
    five.assert_one_leader_at_a_time();
}

#[test]
fn the_logs_of_all_nodes_are_seen_as_one() {
    needs_a_network!();
    let five = Five::start(Five::network(), &[]);
    let leader = five.await_leader(&NODES);
    let log = five.told(CLIENTS, &["log"]);
    let led = format!(" host{leader} ");
    let line = log.lines().find(|line| line.contains(&led) && line.contains("this node leads"));
    assert!(line.is_some(), "{log}");
    for host in NODES {
        let node = &five.nodes[&host];
        assert!(!node.log.text().contains("to all of you"), "not yet");
    }
    let told = five.network.on(CLIENTS, || {
        let mut command = std::process::Command::new(crate::support::setup::binary());
        command.args([
            "--cluster-log",
            super::five::GROUP,
            "--cluster-secret",
            super::five::SECRET,
        ]);
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        std::io::Write::write_all(&mut writer, b"to all of you\n").expect("there is room");
        drop(writer);
        command.stdin(reader).output().expect("run the program")
    });
    assert!(told.status.success(), "{told:?}");
    for host in NODES {
        five.nodes[&host].wait_for("<*>to all of you<*>");
    }
    eventually("the view of all logs to have it of each", || {
        let log = five.told(CLIENTS, &["log"]);
        NODES.iter().all(|host| {
            let host = format!(" host{host} ");
            log.lines().any(|line| line.contains(&host) && line.contains("to all of you"))
        })
    });
}
