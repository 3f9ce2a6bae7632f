//! Nodes that speak the bare protocol of uWSGI 0.9.8 to 1.4.

use std::sync::atomic::Ordering;

use uwsgi_plugin_api::cluster::Outgoing;

use crate::support::{Meeting, eventually, options};

fn meeting() -> Meeting {
    Meeting::new().with("cluster-compat", "1")
}

#[test]
fn nodes_know_each_other_and_do_what_they_are_told() {
    let meeting = meeting();
    let nodes = [meeting.serving("127.0.0.1:3031"), meeting.serving("127.0.0.1:3032")];
    for node in &nodes {
        eventually("two nodes", || node.view().nodes.len() == 2);
        assert!(node.log()[0].contains("WARNING: cluster-compat"), "{:?}", node.log());
    }
    assert!(!nodes[0].leads() && !nodes[1].leads());
    let table = meeting.perform(&["nodes"]).expect("they announce themselves");
    assert!(table.contains("127.0.0.1:3031") && table.contains("127.0.0.1:3032"), "{table}");
    nodes[0].say(&Outgoing::Log("to all of you".to_owned()));
    eventually("the line of the other", || {
        nodes[1].log().iter().any(|line| line.contains("to all of you"))
    });
    meeting.perform(&["reload"]).expect("it is sent");
    for node in &nodes {
        eventually("a reload", || node.instance.reloads.load(Ordering::SeqCst) == 1);
    }
    let error = meeting.perform(&["drain", "x"]).expect_err("that is not known");
    assert!(error.contains("cluster-compat"), "{error}");
}

#[test]
fn an_instance_without_options_gets_some() {
    let meeting = meeting();
    let fetched = std::thread::spawn({
        let meeting = meeting.clone();
        move || meeting.fetch()
    });
    let node = meeting.serving("127.0.0.1:3031");
    eventually("its own view", || node.view().nodes.len() == 1);
    assert_eq!(fetched.join().expect("no panic"), (0, options("first")));
}
