//! One node is configured, all serve.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::five::{CLIENTS, Five, MONGREL2, NODES, needs_a_network, spread};
use crate::support::eventually;
use crate::support::fronts::{Front, program};
use crate::support::mongrel2::{self, Headers, Plan};
use crate::support::namespace::Network;

/// Requests of an even spread.
fn count() -> usize {
    if std::env::var_os("UWSGI_LONG_TESTS").is_some() { 50_000 } else { 1_000 }
}

/// Each of the five has answered its fifth, give or take a few.
#[track_caller]
fn assert_even(what: &str, answers: &BTreeMap<String, usize>) {
    println!("{what}: {answers:?}");
    let fair = answers.values().sum::<usize>() / NODES.len();
    assert_eq!(answers.len(), NODES.len(), "{answers:?}");
    for (host, count) in answers {
        assert!(count.abs_diff(fair) <= fair / 20, "{host} has answered {count} of {answers:?}");
    }
}

#[test]
fn all_serve_what_one_is_told_behind_nginx_and_mongrel2() {
    needs_a_network!();
    needs!(program("nginx").is_some(), "nginx is not installed");
    needs!(mongrel2::installed(), "Mongrel2 is not installed");
    let network = Five::network();
    let host = IpAddr::from(network.address(MONGREL2));
    let front = network.on(MONGREL2, || Plan::new(Headers::Tnetstring).reached_at(host).start());
    let five = Five::start(network, &["--zeromq", &front.pair(0)]);
    for host in NODES {
        eventually("the node to serve", || five.health(host) == 200);
        assert_eq!(five.ask(host), format!("{} one", Network::hostname(host)));
    }

    five.await_leader(&NODES);
    let upstreams = five.upstreams();
    let nginx = five.network.on(CLIENTS, || Front::nginx_of(&upstreams, &five.address(1)));
    let answers = five.network.on(CLIENTS, || spread(&nginx.address, count()));
    assert_even("nginx", &answers);

    five.network.on(MONGREL2, || {
        let mut all = BTreeMap::new();
        eventually("handlers of all nodes", || {
            all = spread(&front.address, 8 * NODES.len());
            all.len() == NODES.len()
        });
        assert_even("Mongrel2", &spread(&front.address, count()));
    });
    five.assert_one_leader_at_a_time();
}

#[test]
fn a_node_that_is_drained_gets_nothing_new_until_it_is_resumed() {
    needs_a_network!();
    let five = Five::start(Five::network(), &[]);
    let best = |five: &Five| {
        let told = five.told(CLIENTS, &["best", "--all"]);
        let mut hosts: Vec<_> = told.lines().map(str::to_owned).collect();
        hosts.sort();
        hosts
    };
    let addresses =
        |hosts: &[u8]| -> Vec<_> { hosts.iter().map(|host| five.address(*host).text()).collect() };
    five.await_leader(&NODES);
    assert_eq!(best(&five), addresses(&NODES));
    five.told(CLIENTS, &["drain", &Network::hostname(2)]);
    let draining = super::five::but(&[(2, uwsgi_plugin_api::cluster::NodeState::Draining)]);
    five.await_states("the drained node to be known", &NODES, &draining);
    assert_eq!(best(&five), addresses(&[1, 3, 4, 5]));
    eventually("its health to say so", || five.health(2) == 503);
    assert_eq!(five.ask(2), "host2 one", "who comes all the same is served");
    five.told(CLIENTS, &["resume", &five.network.address(2).to_string()]);
    five.await_all_alive("the resumed node to be known");
    assert_eq!(best(&five), addresses(&NODES));
    eventually("its health to be well", || five.health(2) == 200);
    five.assert_one_leader_at_a_time();
}
