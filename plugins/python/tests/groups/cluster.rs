//! What an application sees of a cluster, and that it sees nothing without one.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use uwsgi_plugin_api::cluster::{ClusterNode, ClusterView, ConfigMark, Load, NodeState};

use super::Server;

fn node(number: u16, state: NodeState) -> ClusterNode {
    ClusterNode {
        hostname: format!("node{number}"),
        address: format!("192.0.2.{number}:3031"),
        endpoint: format!("192.0.2.{number}:1717").parse().unwrap(),
        state,
        incarnation: 0,
        load: Load { threads: 1, ..Load::default() },
        version: String::new(),
        config: ConfigMark::default(),
        silent_ms: 0,
        observer: false,
        own: number == 1,
        leader: number == 1,
    }
}

fn values(server: &mut Server, table: &[(&str, &str)]) {
    for (expression, value) in table {
        let path = format!("/call_uwsgi?{expression}");
        assert_eq!(server.get(&path).ok(), *value, "{expression}");
    }
}

pub fn run(python: &Path) {
    let mut server = Server::probe(python);
    values(
        &mut server,
        &[
            ("uwsgi.cluster()", "None"),
            ("uwsgi.cluster_nodes()", "[]"),
            ("uwsgi.cluster_best_node()", "None"),
            ("uwsgi.cluster_is_leader()", "False"),
            ("uwsgi.cluster_node_name()==uwsgi.hostname", "True"),
            ("uwsgi.cluster_node_name('192.0.2.1:3031')", "None"),
        ],
    );
    assert!(!server.get("/environ_").ok().contains("uwsgi.cluster"));
    bare_messages(&mut server);

    let nodes = vec![
        node(1, NodeState::Alive),
        node(2, NodeState::Down),
        node(3, NodeState::Draining),
        node(4, NodeState::Alive),
    ];
    let group = "225.1.1.1:1717".to_owned();
    let view = ClusterView { group, nodes, ..ClusterView::default() };
    server.host.cluster.set(Arc::new(view)).unwrap();
    values(
        &mut server,
        &[
            ("uwsgi.cluster()", "b'225.1.1.1:1717'"),
            ("uwsgi.cluster_nodes()", "[b'192.0.2.1:3031', b'192.0.2.4:3031']"),
            ("uwsgi.cluster_best_node()", "b'192.0.2.1:3031'"),
            ("uwsgi.cluster_best_node()", "b'192.0.2.4:3031'"),
            ("uwsgi.cluster_best_node()", "b'192.0.2.1:3031'"),
            ("uwsgi.cluster_is_leader()", "True"),
            ("uwsgi.cluster_node_name(b'192.0.2.2:3031')", "b'node2'"),
            ("uwsgi.cluster_node_name('192.0.2.9:3031')", "None"),
            ("uwsgi.send_multicast_message('225.1.1.1:1717',b'x')", "True"),
        ],
    );
    assert_eq!(
        server.host.take_calls(),
        ["Message([120])"],
        "its own cluster's messages are signed"
    );
}

/// What a request's environ shows where the instance is in a cluster.
pub fn environ(python: &Path) {
    let server = Server::start(python, &[("wsgi-file", "probe.py")]);
    let view = ClusterView { group: "225.1.1.1:1717".to_owned(), ..ClusterView::default() };
    server.host.cluster.set(Arc::new(view)).unwrap();
    let mut server = server.loaded();
    let host = server.get("/call_uwsgi?uwsgi.hostname").ok();
    let environ = server.get("/environ_").ok();
    assert!(environ.contains("uwsgi.cluster=b'225.1.1.1:1717'\n"), "{environ}");
    assert!(environ.contains(&format!("uwsgi.cluster_node={host}\n")), "{environ}");
}

fn bare_messages(server: &mut Server) {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let address = peer.local_addr().unwrap();
    let send = format!("uwsgi.send_multicast_message('{address}','hello')");
    values(server, &[(&send, "True")]);
    let mut bytes = [0; 64];
    let length = peer.recv(&mut bytes).unwrap();
    assert_eq!(&bytes[..length], b"\x4a\x05\0\0hello");
    for wrong in ["'nowhere','x'", "'127.0.0.1:1',b'x'*65001", "'127.0.0.1:1'", "1,2"] {
        let path = format!("/call_uwsgi?uwsgi.send_multicast_message({wrong})");
        assert!(server.get(&path).outcome.exception, "{wrong}");
    }
}
