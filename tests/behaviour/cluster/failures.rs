//! Nodes die, links are cut and heal: the states are right on all nodes soon, and nobody asks the dead.

use uwsgi_plugin_api::cluster::NodeState;

use super::five::{CLIENTS, Five, NODES, all, but, needs_a_network, spread};
use crate::support::client::Address;
use crate::support::fronts::{Front, program};

/// Requests after each change of states.
const REQUESTS: usize = 80;

#[test]
fn states_are_right_soon_whatever_happens_to_nodes() {
    needs_a_network!();
    needs!(program("nginx").is_some(), "nginx is not installed");
    let mut five = Five::start(Five::network(), &[]);
    five.await_leader(&NODES);
    let upstreams = five.upstreams();
    let nginx = five.network.on(CLIENTS, || Front::nginx_of(&upstreams, &five.address(1)));
    let serve = |five: &Five, what: &str| {
        let answers = five.network.on(CLIENTS, || spread(&nginx.address, REQUESTS));
        println!("{what}, through nginx: {answers:?}");
        // The query that balancers have: each address that it gives serves.
        for address in five.told(CLIENTS, &["best", "--all"]).lines() {
            let Address::Tcp(address) = Address::parse(address) else { panic!("{address}") };
            let std::net::IpAddr::V4(ip) = address.ip() else { panic!("{address}") };
            assert!(five.ask(ip.octets()[3]).starts_with("host"));
        }
    };
    serve(&five, "five nodes");

    five.kill(3);
    let others = [1, 2, 4, 5];
    five.await_states("kill -9 of a node", &others, &but(&[(3, NodeState::Down)]));
    assert_eq!(five.told(CLIENTS, &["best", "--all"]).lines().count(), 4);
    serve(&five, "without host 3");

    five.network.cut(4);
    let down = [(3, NodeState::Down), (4, NodeState::Down)];
    five.await_states("a cut link", &[1, 2, 5], &but(&down));
    let mut alone = all(NodeState::Down);
    alone.insert(4, NodeState::Alive);
    five.await_states("a cut link, from behind it", &[4], &alone);
    let behind = five.view(4).expect("its own node answers");
    assert!(behind.leader().is_none(), "who is alone follows nobody: {behind:?}");
    serve(&five, "without hosts 3 and 4");

    five.network.heal(4);
    five.await_states("a healed link", &others, &but(&[(3, NodeState::Down)]));
    five.start_node(3);
    five.await_all_alive("a node that starts again");
    serve(&five, "five nodes again");

    five.kill(1);
    five.await_states(
        "kill -9 of the configured one",
        &[2, 3, 4, 5],
        &but(&[(1, NodeState::Down)]),
    );
    five.start_node(1);
    five.await_all_alive("the configured one starts again");
    five.await_leader(&NODES);
    serve(&five, "five nodes after all");
    five.assert_one_leader_at_a_time();
}

#[test]
fn a_leader_that_is_cut_off_stops_before_another_begins() {
    needs_a_network!();
    let five = Five::start(Five::network(), &[]);
    let leader = five.await_leader(&NODES);
    let others: Vec<_> = NODES.into_iter().filter(|host| *host != leader).collect();
    five.network.cut(leader);
    five.await_states("a leader cut off", &others, &but(&[(leader, NodeState::Down)]));
    let next = five.await_leader(&others);
    assert_ne!(next, leader);
    five.nodes[&leader].wait_for("<*>cluster: this node leads no more<*>");
    five.network.heal(leader);
    five.await_all_alive("it is back");
    five.await_leader(&NODES);
    five.assert_one_leader_at_a_time();
}
