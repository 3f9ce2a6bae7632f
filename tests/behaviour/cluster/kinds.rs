//! Other ways to meet than a multicast group of IPv4, each with two hosts: one is configured, the other one asks.

use std::process::Command;

use uwsgi_plugin_api::cluster::{ClusterView, NodeState};

use super::five::{SECRET, needs_a_network};
use crate::support::namespace::Network;
use crate::support::setup::{app, binary};
use crate::support::{Server, Setup, Wire, eventually};

/// Two nodes with these options, on hosts that were prepared; each sees both, and both serve.
#[track_caller]
fn two_meet(network: &Network, cluster: &[&str]) {
    let setup = || {
        Setup::new(Wire::Uwsgi).env("UWSGI_CLUSTER_SECRET", SECRET).args(cluster.iter().copied())
    };
    let start = |host: u8, setup: Setup| -> Server { network.on(host, || setup.launch()) };
    let probe = app("probe.py").display().to_string();
    let first = setup().args(["--socket", ":3031", "--wsgi-file", &probe, "--processes", "1"]);
    let nodes = [start(1, first), start(2, setup())];
    for node in &nodes {
        node.wait_spawned(0, 1);
    }
    for host in [1, 2] {
        eventually(&format!("host {host} to see two nodes and a leader, {cluster:?}"), || {
            let output = network.on(host, || {
                let mut command = Command::new(binary());
                command.arg("cluster").args(cluster).args(["nodes", "--json"]);
                command.env("UWSGI_CLUSTER_SECRET", SECRET).output().expect("run the program")
            });
            let view = serde_json::from_slice::<ClusterView>(&output.stdout).ok();
            view.is_some_and(|view| {
                let alive = view.nodes.iter().filter(|node| node.state == NodeState::Alive);
                alive.count() == 2 && view.leader().is_some()
            })
        });
    }
}

#[test]
fn a_group_of_ipv6_on_one_link() {
    needs_a_network!();
    let network = Network::new(2);
    two_meet(&network, &["--cluster", "[ff02::1717]:1717%eth0"]);
}

#[test]
fn broadcast() {
    needs_a_network!();
    let network = Network::new(2);
    two_meet(&network, &["--cluster", ":1717", "--cluster-interface", "eth0"]);
}

#[test]
fn seeds_where_no_multicast_goes() {
    needs_a_network!();
    let network = Network::new(2);
    for host in [1, 2] {
        network.on(host, || {
            let deleted = Command::new("ip").args(["route", "del", "224.0.0.0/4"]).status();
            assert!(deleted.expect("run ip").success());
        });
    }
    let seed = network.address(1).to_string();
    two_meet(&network, &["--cluster", "225.1.1.1:1717", "--cluster-seed", &seed]);
}
