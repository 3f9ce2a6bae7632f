//! What is done to a cluster by commands.

use std::sync::atomic::Ordering;

use uwsgi_plugin_api::Instance as _;
use uwsgi_plugin_api::cluster::{ClusterView, NodeState};

use crate::support::{BROKEN, Meeting, eventually, options, together};

fn hashes_are_equal(view: &ClusterView) -> bool {
    let first = view.nodes[0].config;
    first.hash != 0 && view.nodes.iter().all(|node| node.config == first)
}

#[test]
fn a_change_goes_over_all_nodes() {
    let meeting = Meeting::new();
    let nodes = [meeting.founder("a"), meeting.follower("b"), meeting.follower("c")];
    together(&nodes.each_ref());
    eventually("configurations to be known", || hashes_are_equal(&nodes[0].view()));
    let said = meeting.perform(&["config", "second"]).expect("it works");
    for node in &nodes {
        let (version, runs) = node.runs();
        assert!(version > 0 && runs == options("second"), "{said}");
    }
    eventually("it to be seen", || nodes.iter().all(|node| hashes_are_equal(&node.view())));
    assert!(said.lines().count() >= 3, "{said}");
    let said = meeting.perform(&["reload", "--parallel", "2"]).expect("it works");
    for node in &nodes {
        assert_eq!(node.instance.reloads.load(Ordering::SeqCst), 2, "{said}");
        assert_eq!(node.runs().1, options("second"));
    }
}

#[test]
fn a_change_that_fails_stops_at_the_first_node_and_is_taken_back() {
    let meeting = Meeting::new();
    let nodes = [meeting.founder("a"), meeting.follower("b"), meeting.follower("c")];
    together(&nodes.each_ref());
    eventually("configurations to be known", || hashes_are_equal(&nodes[0].view()));
    let error = meeting.perform(&["config", BROKEN]).expect_err("it cannot work");
    assert!(error.contains("no module named missing"), "{error}");
    let reloaded = nodes.iter().filter(|node| node.instance.reloads.load(Ordering::SeqCst) > 0);
    assert_eq!(reloaded.count(), 1, "{error}");
    for node in &nodes {
        assert_eq!(node.runs().1, options("first"));
        let staged = node.instance.staged().map(|(_, options)| options);
        assert!(staged.is_none_or(|staged| staged == options("first")));
    }
}

#[test]
fn a_node_is_drained_and_comes_back() {
    let meeting = Meeting::new();
    let nodes = [meeting.founder("a"), meeting.follower("b")];
    together(&nodes.each_ref());
    let name = nodes[1].endpoint().to_string();
    meeting.perform(&["drain", &name]).expect("it answers");
    assert!(nodes[1].instance.is_draining() && !nodes[0].instance.is_draining());
    eventually("all to see it", || {
        nodes.iter().all(|node| node.states() == [NodeState::Alive, NodeState::Draining])
    });
    assert_eq!(meeting.perform(&["best", "--all"]).as_deref(), Ok("a:3031\n"));
    meeting.perform(&["resume", "b:3031"]).expect("it answers");
    together(&nodes.each_ref());
    assert!(!nodes[1].instance.is_draining());
}

#[test]
fn commands_show_what_nodes_see() {
    let meeting = Meeting::new();
    let nodes = [meeting.founder("a"), meeting.follower("b")];
    together(&nodes.each_ref());
    let table = meeting.perform(&["nodes"]).expect("nodes answer");
    assert!(
        table.contains("a:3031") && table.contains("b:3031") && table.contains("leader: "),
        "{table}"
    );
    let json = meeting.perform(&["nodes", "--json"]).expect("nodes answer");
    let view: ClusterView = serde_json::from_str(&json).expect("a view");
    assert_eq!((view.nodes.len(), view.voters), (2, nodes[0].view().voters));
    let error = meeting.perform(&["drain", "nobody"]).expect_err("no such node");
    assert!(error.contains(&nodes[0].endpoint().to_string()), "{error}");
    let error = meeting.perform(&["dance"]).expect_err("no such word");
    assert!(error.contains("uwsgi cluster [OPTIONS] nodes"), "{error}");
}
