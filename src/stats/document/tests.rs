//! The recorded document of uWSGI 2.0.31 (`tests/vectors/stats-2.0.31.json`), and what differs from it on request.

use super::super::Request;
use super::*;

const RECORDED: &str = include_str!("../../../tests/vectors/stats-2.0.31.json");

/// The recorded document without the parts that this server does not have.
fn recorded() -> String {
    let without = |text: String, from: &str, to: &str| {
        let (start, end) = (text.find(from).unwrap(), text.find(to).unwrap());
        format!("{}{}", &text[..start], &text[end..])
    };
    without(RECORDED.to_owned(), "\t\"caches\":[", "\t\"sockets\":[")
}

fn instance() -> Instance {
    let names = "user 0,signal,filemon,timer,rbtimer,cron,rpc,snmp,cache_mycache,metrics";
    let socket =
        |name: &str, protocol| Socket { name: name.to_owned(), protocol, queue: 0, queue_max: 100 };
    Instance {
        version: "2.0.31".to_owned(),
        pid: 24275,
        cwd: "/srv/app".to_owned(),
        daemons: vec![Daemon { command: "sleep 100".to_owned(), pid: 24282, respawns: 0 }],
        locks: names.split(',').map(|name| (name.to_owned(), 0)).collect(),
        sockets: vec![socket("127.0.0.1:19501", "http"), socket("127.0.0.1:19502", "uwsgi")],
        workers: vec![first(), second()],
        ..Instance::default()
    }
}

fn cores(requests: u64) -> Vec<Core> {
    vec![Core { requests, ..Core::default() }, Core { id: 1, ..Core::default() }]
}

fn first() -> Worker {
    Worker {
        id: 1,
        pid: 24277,
        accepting: true,
        requests: 2,
        delta_requests: 2,
        exceptions: 1,
        status: "idle",
        rss: 12_550_144,
        vsz: 136_986_624,
        running_time: 1240,
        last_spawn: 1_795_227_747,
        respawn_count: 1,
        tx: 722,
        avg_rt: 493,
        apps: vec![AppStatus { requests: 2, exceptions: 1, ..AppStatus::default() }],
        cores: cores(2),
        ..Worker::default()
    }
}

fn second() -> Worker {
    Worker {
        id: 2,
        pid: 24278,
        requests: 1,
        delta_requests: 1,
        exceptions: 0,
        rss: 12_091_392,
        running_time: 565,
        tx: 5914,
        avg_rt: 282,
        apps: vec![AppStatus { requests: 1, ..AppStatus::default() }],
        cores: cores(1),
        ..first()
    }
}

#[test]
fn the_recorded_document_is_written_byte_for_byte() {
    assert_eq!(document(&instance(), Style::default()), recorded());
}

#[test]
fn without_white_space_it_is_the_same_document() {
    let text = document(&instance(), Style { minified: true, ..Style::default() });
    assert!(!text.contains(['\n', '\t']), "{text}");
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(read(&text), read(&recorded()));
}

#[test]
fn cores_can_be_left_out() {
    let text = document(&instance(), Style { no_cores: true, ..Style::default() });
    assert!(!text.contains("\"cores\"") && text.contains("\"apps\""), "{text}");
}

#[test]
fn a_running_request_shows_its_variables() {
    let vars = vec![b"REQUEST_METHOD=GET".to_vec(), b"REQUEST_URI=/a\"b".to_vec()];
    let mut instance = instance();
    instance.workers[0].cores[0].request = Some(Request { vars, started: 7 });
    let text = document(&instance, Style::default());
    let expected = "\t\t\t\t\t\"in_request\":1,\n\t\t\t\t\t\"vars\":[\n\"REQUEST_METHOD=GET\",\n\"REQUEST_URI=/a\\\"b\",\n\"\"\n\
                    \t\t\t\t\t],\n\t\t\t\t\t\"req_info\":\t\t\t\t\t{\n\t\t\t\t\t\t\"request_start\":7\n\t\t\t\t\t}\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn crons_are_shown_where_there_are_any() {
    let mut instance = instance();
    assert!(!document(&instance, Style::default()).contains("crons"));
    instance.crons = vec![Cron {
        day: -1,
        month: -1,
        week: -1,
        command: "true".to_owned(),
        pid: -1,
        ..Cron::default()
    }];
    // Seen with uWSGI 2.0.31.
    let end = "\t\"crons\":[\n\t\t{\n\t\t\t\"minute\":0,\n\t\t\t\"hour\":0,\n\t\t\t\"day\":-1,\n\t\t\t\"month\":-1,\n\t\t\t\"week\":-1,\n\
               \t\t\t\"command\":\"true\",\n\t\t\t\"unique\":0,\n\t\t\t\"legion\":\"\",\n\t\t\t\"pid\":-1,\n\t\t\t\"started_at\":0\n\t\t}\n\t]\n}";
    let text = document(&instance, Style::default());
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn the_longest_queue_is_the_load() {
    let mut instance = instance();
    instance.sockets[1].queue = 9;
    let read: serde_json::Value =
        serde_json::from_str(&document(&instance, Style::default())).unwrap();
    assert_eq!((&read["listen_queue"], &read["load"]), (&9.into(), &9.into()));
}

#[test]
fn a_cluster_is_told_of_where_there_is_one() {
    use uwsgi_plugin_api::cluster::{ClusterNode, ClusterView, ConfigMark, Load, NodeState};
    let node = ClusterNode {
        hostname: "one".to_owned(),
        address: "192.0.2.1:3031".to_owned(),
        endpoint: "192.0.2.1:1717".parse().unwrap(),
        state: NodeState::Suspect,
        incarnation: 3,
        load: Load { workers: 1, threads: 2, busy: 1, queue: 4, requests: 5 },
        version: "0.1.0".to_owned(),
        config: ConfigMark { version: 7, hash: 8 },
        silent_ms: 9,
        observer: false,
        own: true,
        leader: true,
    };
    let group = "225.1.1.1:1717".to_owned();
    let view = ClusterView { group, nodes: vec![node], voters: 1, quorum: 1, ..Default::default() };
    let cluster = Some(Cluster { view, leads: true, draining: false });
    let text =
        document(&Instance { cluster, ..instance() }, Style { minified: true, no_cores: true });
    let end = &text[text.find("\"cluster\"").unwrap()..];
    assert_eq!(
        end,
        "\"cluster\":{\"group\":\"225.1.1.1:1717\",\"leads\":1,\"draining\":0,\"voters\":1,\"quorum\":1,\
         \"refused\":{\"forged\":0,\"replayed\":0,\"skewed\":0,\"malformed\":0,\"oversized\":0},\
         \"nodes\":[{\"hostname\":\"one\",\"address\":\"192.0.2.1:3031\",\"endpoint\":\"192.0.2.1:1717\",\
         \"state\":\"suspect\",\"version\":\"0.1.0\",\"leader\":1,\"own\":1,\"observer\":0,\"workers\":1,\
         \"threads\":2,\"busy\":1,\"queue\":4,\"requests\":5,\"silent_ms\":9,\"config\":7}]}}"
    );
    assert!(!document(&instance(), Style::default()).contains("cluster"));
}
