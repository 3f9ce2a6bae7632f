//! Changes of a configuration go over all nodes while clients ask, and come back where they cannot go on.

use super::five::{CLIENTS, Five, NODES, needs_a_network, texts};
use crate::support::namespace::Network;
use crate::support::{Load, Request, Wire, eventually};

/// Clients of every node itself: no front end hides what fails.
fn loads(five: &Five) -> Vec<Load> {
    let start = |host: &u8| {
        let address = five.address(*host);
        five.network.on(CLIENTS, || {
            Load::at(address, Wire::Uwsgi, Request::get("/"), 1, |text| text.starts_with("host"))
        })
    };
    NODES.iter().map(start).collect()
}

#[test]
fn a_change_rolls_under_load_and_a_broken_one_is_taken_back() {
    needs_a_network!();
    let five = Five::start(Five::network(), &[]);
    five.await_leader(&NODES);
    let loads = loads(&five);
    loads.iter().for_each(|load| load.wait_answers(20));

    let two = five.options("two");
    let words: Vec<_> = ["config"].into_iter().chain(two.iter().map(String::as_str)).collect();
    let told = five.told(CLIENTS, &words);
    for host in NODES {
        assert_eq!(five.ask(host), format!("{} two", Network::hostname(host)), "{told}");
        let address = five.network.address(host).to_string();
        assert!(told.lines().any(|line| line.contains(&address)), "{told}");
    }
    println!("{told}");

    let broken = five.options("missing");
    let words: Vec<_> = ["config"].into_iter().chain(broken.iter().map(String::as_str)).collect();
    let marks: Vec<_> = NODES.iter().map(|host| five.nodes[host].log.mark()).collect();
    let output = five.command(CLIENTS, &words);
    let (out, error) = texts(&output);
    println!("{out}{error}");
    assert_eq!(output.status.code(), Some(1), "{out}{error}");
    let tried = NODES
        .iter()
        .zip(&marks)
        .filter(|(host, mark)| five.nodes[host].log.text()[**mark..].contains("missing.py"));
    assert_eq!(tried.count(), 1, "only the first node tries it: {out}{error}");
    for host in NODES {
        assert_eq!(five.ask(host), format!("{} two", Network::hostname(host)));
    }
    eventually("all to run the same", || {
        let view = five.view(1);
        view.is_some_and(|view| view.nodes.iter().all(|node| node.config == view.nodes[0].config))
    });

    let told = five.told(CLIENTS, &["reload", "--parallel", "2"]);
    println!("{told}");
    loads.iter().for_each(|load| load.wait_answers(20));
    loads.into_iter().for_each(Load::stop_without_failure);
    five.assert_one_leader_at_a_time();
}

#[test]
fn who_comes_after_a_change_gets_the_change() {
    needs_a_network!();
    let mut five = Five::start(Five::network(), &[]);
    five.await_leader(&NODES);
    five.kill(5);
    let down = super::five::but(&[(5, uwsgi_plugin_api::cluster::NodeState::Down)]);
    five.await_states("the dead node to be known", &[1, 2, 3, 4], &down);
    let two = five.options("two");
    let words: Vec<_> = ["config"].into_iter().chain(two.iter().map(String::as_str)).collect();
    five.told(CLIENTS, &words);
    five.start_node(5);
    five.await_all_alive("it to be back");
    eventually("it to serve", || five.health(5) == 200);
    assert_eq!(five.ask(5), "host5 two");
    five.assert_one_leader_at_a_time();
}
