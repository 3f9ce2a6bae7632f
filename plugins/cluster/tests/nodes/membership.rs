//! Nodes find each other, agree on a leader, and notice who goes.

use std::net::UdpSocket;
use std::sync::atomic::Ordering;

use uwsgi_plugin_api::Instance as _;
use uwsgi_plugin_api::cluster::{NodeState, Outgoing};

use crate::support::{Meeting, Node, eventually, options, together};

#[test]
fn nodes_of_a_group_see_each_other_and_one_leads() {
    let meeting = Meeting::new();
    let nodes = [meeting.founder("a"), meeting.follower("b"), meeting.follower("c")];
    together(&nodes.each_ref());
    eventually("one to lead", || nodes.iter().filter(|node| node.leads()).count() == 1);
    let leader = nodes[0].view().leader().map(|node| node.endpoint);
    let leads: Vec<_> = nodes.iter().filter(|node| node.leads()).map(Node::endpoint).collect();
    assert_eq!(leads, [leader.expect("there is one")]);
    let mut addresses: Vec<_> =
        nodes[2].view().nodes.iter().map(|node| node.address.clone()).collect();
    addresses.sort();
    assert_eq!(addresses, ["a:3031", "b:3031", "c:3031"]);
}

#[test]
fn who_leaves_says_so_and_the_others_agree_on_another_leader() {
    let meeting = Meeting::new();
    let mut nodes = vec![meeting.founder("a"), meeting.follower("b"), meeting.follower("c")];
    together(&[&nodes[0], &nodes[1], &nodes[2]]);
    let led = nodes[0].view().leader().map(|node| node.endpoint);
    let at = nodes.iter().position(|node| Some(node.endpoint()) == led).expect("one of them");
    let mut gone = nodes.remove(at);
    gone.stop();
    eventually("the others to see that it left", || {
        nodes
            .iter()
            .all(|node| node.states() == [NodeState::Alive, NodeState::Alive, NodeState::Left])
    });
    eventually("another leader", || {
        let leader = nodes[0].view().leader().map(|node| node.endpoint);
        leader.is_some() && leader != led && nodes[1].view().leader().map(|n| n.endpoint) == leader
    });
}

#[test]
fn a_node_whose_process_is_killed_knows_who_has_a_vote() {
    let meeting = Meeting::new();
    let kept = {
        let nodes = [meeting.founder("a"), meeting.founder("b")];
        together(&nodes.each_ref());
        nodes[0].instance.kept()
    };
    // The other one is gone: alone it is not the cluster.
    let again = meeting.again("a", kept);
    eventually("the votes to be known", || again.view().voters == 2);
    assert!(!again.leads());
    assert!(!again.log().iter().any(|line| line.contains("founds")), "{:?}", again.log());
}

#[test]
fn seeds_are_enough_where_the_group_is_not_heard() {
    // Nobody on loopback hears a broadcast.
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let meeting = Meeting::at(&format!(":{port}")).with("cluster-seed", "127.0.0.1");
    let first = meeting.founder("a");
    assert_eq!(first.endpoint().port(), port);
    let others = [meeting.follower("b"), meeting.follower("c")];
    together(&[&first, &others[0], &others[1]]);
}

#[test]
fn a_configuration_is_fetched_from_whom_it_is_first() {
    let meeting = Meeting::new();
    let fetched = std::thread::spawn({
        let meeting = meeting.clone();
        move || meeting.fetch()
    });
    let _node = meeting.founder("a");
    assert_eq!(fetched.join().expect("no panic"), (0, options("first")));
}

#[test]
fn a_line_for_all_is_in_every_log() {
    let meeting = Meeting::new();
    let nodes = [meeting.founder("a"), meeting.follower("b")];
    together(&nodes.each_ref());
    nodes[0].say(&Outgoing::Log("to all of you".to_owned()));
    for node in &nodes {
        eventually("the line", || node.log().iter().any(|line| line.contains("to all of you")));
    }
    let shown = meeting.perform(&["log"]).expect("nodes answer");
    assert!(shown.lines().any(|line| line.contains("to all of you")), "{shown}");
}

#[test]
fn who_looks_on_has_no_part() {
    let meeting = Meeting::new();
    let node = meeting.founder("a");
    let group = meeting.group.clone();
    let mut looks_on = meeting.clone();
    looks_on.settings.retain(|(name, _)| name != "cluster");
    let observer = looks_on.with("cluster-nodes", &group).founder("b");
    eventually("both to see each other", || {
        node.states().len() == 2 && observer.states().len() == 2
    });
    eventually("a leader", || node.view().leader().is_some());
    assert!(node.leads() && !observer.leads());
    assert_eq!(node.view().voters, 1);
    let best = meeting.perform(&["best", "--all"]).expect("one takes requests");
    assert_eq!(best, "a:3031\n");
    meeting.perform(&["reload"]).expect("whoever is asked, the leader is found");
    let reloads = [&node, &observer].map(|node| node.instance.reloads.load(Ordering::SeqCst));
    assert_eq!(reloads, [1, 0]);
}
