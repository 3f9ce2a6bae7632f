use std::net::Ipv4Addr;

use proptest::prelude::*;
use serde_json::Value;
use uwsgi_plugin_api::cluster::NodeState;

use super::fetch::{ANSWER_MS_MAX, Fetch};
use super::*;

const GROUP: &str = "225.1.1.1:1717";
const LOAD: Load = Load { workers: 3, threads: 6, busy: 1, queue: 0, requests: 7 };

fn source(last: u8) -> SocketAddr {
    (Ipv4Addr::new(192, 0, 2, last), 1717).into()
}

fn node_of(last: u8, observer: bool) -> Node {
    Node::new(Plan {
        group: GROUP.to_owned(),
        own: source(last),
        hostname: format!("node{last}.example"),
        version: "1.0".to_owned(),
        observer,
    })
}

fn multicast(action: &Action) -> Option<&[u8]> {
    match action {
        Action::Multicast(bytes) => Some(bytes),
        _ => None,
    }
}

fn line(action: &Action) -> Option<&str> {
    match action {
        Action::Log(line) => Some(line),
        _ => None,
    }
}

fn view(action: &Action) -> Option<&ClusterView> {
    match action {
        Action::Publish(view) => Some(view),
        _ => None,
    }
}

/// A node and all that it did.
struct Played {
    node: Node,
    done: Vec<Action>,
}

impl Played {
    fn new(last: u8) -> Self {
        Self { node: node_of(last, false), done: Vec::new() }
    }

    /// A node that serves.
    fn ready(last: u8) -> Self {
        let mut played = Self::new(last);
        let address = format!("192.0.2.{last}:3031");
        played.step(0, Event::Load { load: Some(LOAD), address });
        played
    }

    fn step(&mut self, now: Millis, event: Event) {
        self.node.step(now, event, &mut self.done);
    }

    fn hear(&mut self, now: Millis, from: u8, datagram: &Datagram<'_>) {
        let datagram = datagram.encode().unwrap();
        self.step(now, Event::Received { from: source(from), datagram });
    }

    /// Lets time pass, and the node do what it wants to meanwhile.
    fn until(&mut self, now: Millis) {
        while self.node.next_wake() <= now {
            let wake = self.node.next_wake();
            self.step(wake, Event::Tick);
        }
    }

    fn sent(&self) -> Vec<&[u8]> {
        self.done.iter().filter_map(multicast).collect()
    }

    fn lines(&self) -> Vec<&str> {
        self.done.iter().filter_map(line).collect()
    }

    fn reloads(&self) -> usize {
        self.done.iter().filter(|action| **action == Action::Reload).count()
    }

    /// Addresses that the last view shows in a state.
    fn shown(&self, state: NodeState) -> Vec<String> {
        let view = self.done.iter().rev().find_map(view).expect("a view was shown");
        let nodes = view.nodes.iter().filter(|node| node.state == state);
        nodes.map(|node| node.address.clone()).collect()
    }
}

/// The sessions of the vectors: time, last byte of the source's address, bytes.
fn traces() -> Vec<Vec<(Millis, u8, Vec<u8>)>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/cluster.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let unhex = |text: &str| -> Vec<u8> {
        let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(digits).collect()
    };
    let datagram = |json: &Value| {
        let time = (json["t"].as_f64().unwrap() * 1_000.0) as Millis;
        let from: Ipv4Addr = json["from"].as_str().unwrap().parse().unwrap();
        (time, from.octets()[3], unhex(json["hex"].as_str().unwrap()))
    };
    let trace = |json: &Value| {
        let datagrams = json["expect"]["ok"]["datagrams"].as_array().unwrap();
        datagrams.iter().map(datagram).collect()
    };
    let all = all.as_array().unwrap().iter();
    let traces: Vec<_> = all.filter(|json| json["kind"] == "cluster.trace").map(trace).collect();
    assert_eq!(traces.len(), 2);
    traces
}

fn owned(options: &[(&[u8], &[u8])]) -> Options {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    options.iter().map(|(name, value)| (text(name), text(value))).collect()
}

/// In the place of the original's first node we say the same, until all of them are reloaded.
#[test]
fn a_session_of_the_original_goes_on_with_us_in_it() {
    for trace in traces() {
        let reload = trace.iter().position(|(_, _, bytes)| bytes[0] == 98).unwrap();
        let own = |of: &[(Millis, u8, Vec<u8>)]| -> Vec<Vec<u8>> {
            of.iter().filter(|(_, from, _)| *from == 1).map(|(_, _, bytes)| bytes.clone()).collect()
        };
        let theirs = own(&trace[..reload]);
        let find = |modifier1: u8, modifier2: u8| {
            let kind = |bytes: &&Vec<u8>| bytes[0] == modifier1 && bytes[3] == modifier2;
            decode(theirs.iter().find(kind).unwrap()).unwrap()
        };
        let (Datagram::Node(node), Datagram::Options(options)) = (find(95, 0), find(99, 1)) else {
            panic!("a node and its options");
        };
        let mut played = Played::new(1);
        let start = trace[0].0;
        played.step(start, Event::Config(owned(&options)));
        let address = node.address.to_owned();
        played.step(start, Event::Load { load: Some(LOAD), address });
        for (time, from, bytes) in &trace[..=reload] {
            played.until(*time);
            let (from, datagram) = (source(*from), bytes.clone());
            played.step(*time, Event::Received { from, datagram });
        }
        assert_eq!(played.sent(), theirs);
        assert_eq!(played.reloads(), 1);
        let lines = played.lines();
        for line in [
            "[uWSGI cluster 225.1.1.1:1717] new node available: node2.example",
            "[uWSGI cluster] added node 192.0.2.2:3031",
            "[uWSGI cluster 225.1.1.1:1717] 192.0.2.4: hello cluster",
            "[uWSGI cluster 225.1.1.1:1717] new node available: node3.example",
        ] {
            assert!(lines.contains(&line), "{line}: {lines:?}");
        }
        assert_eq!(played.shown(NodeState::Alive), ["192.0.2.1:3031", "192.0.2.2:3031"]);
    }
}

/// In the place of the third node, a router that only looks on, and of the second one, which has no options.
#[test]
fn onlookers_say_hello_and_new_nodes_get_options() {
    for trace in traces() {
        let mut router = Played { node: node_of(3, true), done: Vec::new() };
        router.step(0, Event::Config(vec![("master".to_owned(), "true".to_owned())]));
        router.step(0, Event::Load { load: Some(LOAD), address: "192.0.2.3:80".to_owned() });
        let mut fetch = Fetch::new(GROUP, "node2.example");
        let (mut asked, mut options) = (Vec::new(), None);
        let born = trace.iter().find(|(_, from, _)| *from == 2).unwrap().0;
        for (time, from, bytes) in &trace {
            let event = Event::Received { from: source(*from), datagram: bytes.clone() };
            router.until(*time);
            router.step(*time, event);
            if *time >= born {
                fetch.tick(*time, &mut asked);
                let got = fetch.receive(*time, bytes, &mut asked);
                options = options.or(got);
            }
        }
        assert_eq!(router.sent(), [b"\x49\x0d\0\0node3.example"]);
        assert_eq!(router.shown(NodeState::Alive), ["192.0.2.1:3031", "192.0.2.2:3031"]);
        let sent = |action: &&Action| matches!(action, Action::Multicast(_));
        let question = [b"\x49\x0d\0\0node2.example".to_vec(), b"\x63\0\0\0".to_vec()];
        let question = question.map(Action::Multicast);
        assert_eq!(asked.iter().filter(sent).collect::<Vec<_>>(), question.each_ref());
        let options = options.expect("an answer");
        let names: Vec<_> = options.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["socket", "master", "processes", "wsgi-file"]);
        let refused = "cluster: options of 225.1.1.1:1717 that are not taken from others: ini";
        assert!(asked.contains(&Action::Log(refused.to_owned())));
    }
}

fn announced(address: &str) -> Datagram<'_> {
    Datagram::Node(Announced { hostname: b"h", address, workers: 2, requests: 0 })
}

#[test]
fn silent_nodes_are_not_chosen_and_then_forgotten() {
    let mut played = Played::ready(1);
    played.hear(5_000, 2, &announced("192.0.2.2:3031"));
    played.until(26_000);
    assert_eq!(played.shown(NodeState::Alive), ["192.0.2.1:3031", "192.0.2.2:3031"]);
    played.until(28_000);
    assert_eq!(played.shown(NodeState::Suspect), ["192.0.2.2:3031"]);
    let dead = "[uWSGI cluster] no presence announce in the last 30 seconds by node 192.0.2.2:3031, i assume it is dead.";
    played.until(35_000);
    assert!(!played.lines().contains(&dead));
    played.until(36_000);
    assert!(played.lines().contains(&dead));
    assert_eq!(played.shown(NodeState::Alive), ["192.0.2.1:3031"]);
    assert_eq!(played.shown(NodeState::Suspect), Vec::<String>::new());
}

#[test]
fn who_says_only_a_port_serves_where_it_speaks() {
    let mut played = Played::ready(1);
    for from in [1, 2, 3] {
        played.hear(1, from, &announced(":3031"));
    }
    played.hear(2, 3, &announced("0.0.0.0:3031"));
    played.hear(2, 2, &announced("192.0.2.1:3031"));
    played.until(1_000);
    let all = ["192.0.2.1:3031", "192.0.2.2:3031", "192.0.2.3:3031"];
    assert_eq!(played.shown(NodeState::Alive), all, "one of them is this node itself");
}

#[test]
fn nodes_are_removed_disabled_and_enabled_by_their_address() {
    let mut played = Played::ready(1);
    let two = announced("192.0.2.2:3031");
    let (address, others) = (&b"192.0.2.2:3031"[..], ["192.0.2.1:3031"]);
    let both = ["192.0.2.1:3031", "192.0.2.2:3031"];
    played.hear(1, 2, &two);
    played.hear(2, 4, &Datagram::Disable(address));
    assert_eq!(played.shown(NodeState::Alive), others);
    assert_eq!(played.shown(NodeState::Draining), ["192.0.2.2:3031"]);
    played.hear(3, 2, &two);
    played.until(1_500);
    assert_eq!(played.shown(NodeState::Alive), others, "it stays so");
    played.hear(1_600, 4, &Datagram::Enable(address));
    assert_eq!(played.shown(NodeState::Alive), both);
    played.hear(1_700, 4, &Datagram::Remove(address));
    assert_eq!(played.shown(NodeState::Alive), others);
    played.hear(1_800, 2, &two);
    assert_eq!(played.shown(NodeState::Alive), both, "it is there, whatever was said");
    let before = played.done.len();
    played.hear(1_900, 4, &Datagram::Remove(b"192.0.2.9:1"));
    played.hear(1_900, 4, &Datagram::Disable(b"nonsense"));
    assert_eq!(played.done.len(), before, "nobody's address changes nothing");
}

#[test]
fn the_table_has_an_end() {
    let mut played = Played::ready(1);
    for port in 1..=101 {
        played.hear(1, 2, &announced(&format!("192.0.2.2:{port}")));
    }
    played.until(1_000);
    assert_eq!(played.shown(NodeState::Alive).len(), 101, "100 and this one");
    assert!(!played.shown(NodeState::Alive).contains(&"192.0.2.2:101".to_owned()));
    played.hear(1_500, 2, &announced("192.0.2.2:7"));
    assert_eq!(played.shown(NodeState::Alive).len(), 101, "who is in it stays in it");
}

#[test]
fn lines_of_strangers_are_escaped_and_bounded() {
    let mut played = Played::ready(1);
    played.hear(1, 4, &Datagram::Log(b"\x1b[2Ja's \"\nb\xff\n"));
    played.hear(1, 4, &Datagram::Hello(b"\0\xff\n"));
    let group = "[uWSGI cluster 225.1.1.1:1717]";
    assert_eq!(
        played.lines(),
        [
            format!("{group} 192.0.2.4: \\u{{1b}}[2Ja's \""),
            format!("{group} 192.0.2.4: b\u{fffd}"),
            format!("{group} new node available: \\0\u{fffd}\\n"),
        ]
    );
    for _ in 0..500 {
        played.hear(2, 4, &Datagram::Log(b"x"));
    }
    assert_eq!(played.lines().len(), 100);
    played.until(2_000);
    assert_eq!(played.lines()[100], "[uWSGI cluster] 403 lines of others were left out");
    played.hear(2_001, 4, &Datagram::Log(b"y"));
    assert!(played.lines()[101].ends_with(": y"));
}

#[test]
fn own_datagrams_are_known_by_their_source() {
    let mut played = Played::ready(1);
    let before = played.done.len();
    for datagram in
        [Datagram::Reload { confirm: false }, Datagram::Log(b"x"), Datagram::Hello(b"x")]
    {
        played.hear(1, 1, &datagram);
    }
    assert_eq!(played.done.len(), before);
    let same_host = SocketAddr::new(source(1).ip(), 4_000);
    let datagram = Datagram::Reload { confirm: false }.encode().unwrap();
    played.step(2, Event::Received { from: same_host, datagram });
    assert_eq!(played.reloads(), 1, "another program of this host is another");
}

#[test]
fn reloads_have_a_pause_between_them() {
    let mut played = Played::ready(1);
    for now in [1, 2, 900, 1_000, 1_001, 1_500] {
        played.hear(now, 4, &Datagram::Reload { confirm: true });
    }
    assert_eq!(played.reloads(), 2);
    played.hear(3_000, 4, &Datagram::BrutalReload { confirm: false });
    assert_eq!(played.reloads(), 2, "no version heeds it");
}

#[test]
fn an_answer_is_for_all_who_asked() {
    let mut played = Played::ready(1);
    played.hear(10, 2, &Datagram::OptionsRequest);
    played.until(2_000);
    assert_eq!(played.sent().len(), 2, "hello and who it is: there is nothing to tell yet");
    played.step(2_000, Event::Config(vec![("master".into(), "true".into())]));
    for from in [2, 3, 4] {
        played.hear(3_000, from, &Datagram::OptionsRequest);
    }
    let answer = &b"\x63\x0e\0\x01\x06\0master\x04\0true"[..];
    assert_eq!(played.sent()[2..], [answer]);
    played.until(3_100);
    assert_eq!(played.sent()[2..], [answer, answer], "who asked meanwhile");
    assert!(played.lines()[0].ends_with("requested configuration data, sending 18 bytes"));
}

#[test]
fn options_that_do_not_fit_are_not_told() {
    let mut played = Played::ready(1);
    for (now, value, told) in [(1_000, 4_085, true), (2_000, 4_086, false)] {
        let before = played.sent().len();
        played.step(0, Event::Config(vec![("set".into(), "v".repeat(value))]));
        played.hear(now, 2, &Datagram::OptionsRequest);
        assert_eq!(played.sent().len() > before, told, "{value}");
    }
    let before = played.sent().len();
    played.step(3_000, Event::Config(Vec::new()));
    played.hear(3_000, 2, &Datagram::OptionsRequest);
    assert_eq!(played.sent().len(), before, "nothing is no answer");
    let last = played.lines().last().unwrap().to_owned();
    assert!(last.contains("do not fit into a datagram of 4096 bytes"), "{last}");
}

#[test]
fn a_node_says_what_old_ones_can_take() {
    let mut played = Played::new(1);
    played.step(0, Event::Outgoing(Outgoing::Log("x".repeat(5_000))));
    played.step(0, Event::Outgoing(Outgoing::Message(b"any".to_vec())));
    played.step(0, Event::Outgoing(Outgoing::Message(vec![0; 4_093])));
    let sent = played.sent();
    assert_eq!(sent[1].len(), 4_096);
    assert!(sent[1].ends_with(b"xx\n"));
    assert_eq!(sent[2], b"\x4a\x03\0\0any");
    assert_eq!(sent.len(), 3);
    assert!(played.lines()[0].contains("4093 bytes"));
    for address in ["/tmp/x.sock", "[::1]:3031", "node.example:3031"] {
        let lines = played.lines().len();
        played.step(1, Event::Load { load: Some(LOAD), address: address.to_owned() });
        assert_eq!(played.sent().len(), 3, "{address}");
        assert_eq!(played.lines().len(), lines + 1);
    }
    played.step(2, Event::Load { load: None, address: "192.0.2.1:3031".to_owned() });
    assert_eq!(played.sent().len(), 3, "it does not serve yet");
    played.step(3, Event::Load { load: Some(LOAD), address: "192.0.2.1:3031".to_owned() });
    assert_eq!(played.sent().len(), 4);
}

#[test]
fn whoever_takes_the_best_takes_turns() {
    let mut played = Played::ready(1);
    for from in [2, 3] {
        played.hear(1, from, &announced(":3031"));
    }
    let view = played.node.view(1);
    let best = |turn| view.best(turn)[0].address.clone();
    assert_eq!([0, 1, 2, 3].map(best).map(|address| address.as_bytes()[8]), *b"1231");
    assert!(view.own().is_some() && view.leader().is_none());
}

#[test]
fn datagrams_that_are_none_are_counted() {
    let mut played = Played::ready(1);
    for datagram in [&b""[..], b"\x5f\0\0\0", b"\xff\0\0\0", b"\x63\xff\xff\x01"] {
        played.step(1, Event::Received { from: source(2), datagram: datagram.to_vec() });
    }
    let refused = played.node.view(1).refused;
    assert_eq!(refused, Refused { malformed: 3, oversized: 1, ..Refused::default() });
}

#[test]
fn an_answer_is_taken_once_and_only_while_it_is_asked_for() {
    let answer = Datagram::Options(vec![(b"processes", b"2"), (b"exec-asap", b"id")]);
    let answer = answer.encode().unwrap();
    let nothing = Datagram::Options(vec![(b"exec-asap", b"id")]).encode().unwrap();
    let mut fetch = Fetch::new(GROUP, "h");
    let mut out = Vec::new();
    assert_eq!(fetch.receive(0, &answer, &mut out), None, "nobody asked");
    assert_eq!(fetch.next_wake(), Some(0));
    fetch.tick(5, &mut out);
    assert_eq!(fetch.next_wake(), Some(5 + ANSWER_MS_MAX));
    fetch.tick(6, &mut out);
    assert_eq!(out.len(), 3, "hello, a line and a question");
    assert_eq!(fetch.receive(7, &nothing, &mut out), None);
    assert_eq!(fetch.receive(5 + ANSWER_MS_MAX, &answer, &mut out), None, "too late");
    fetch.tick(5 + ANSWER_MS_MAX, &mut out);
    let options = fetch.receive(6 + ANSWER_MS_MAX, &answer, &mut out);
    assert_eq!(options, Some(vec![("processes".to_owned(), "2".to_owned())]));
    assert_eq!(fetch.next_wake(), None);
    assert_eq!(fetch.receive(7 + ANSWER_MS_MAX, &answer, &mut out), None, "the first one wins");
    let refused = out.iter().filter(
        |action| matches!(action, Action::Log(line) if line.ends_with("from others: exec-asap")),
    );
    assert_eq!(refused.count(), 2);
}

#[test]
fn the_empty_answer_of_1_4_is_told_and_waited_on() {
    let mut fetch = Fetch::new(GROUP, "h");
    let mut out = Vec::new();
    fetch.tick(0, &mut out);
    out.clear();
    assert_eq!(fetch.receive(1, b"\x63\x75\x00\x01", &mut out), None);
    let [Action::Log(line)] = &out[..] else { panic!("one line: {}", out.len()) };
    assert!(line.contains(GROUP) && line.contains("1.4"), "{line}");
    assert_eq!(fetch.next_wake(), Some(ANSWER_MS_MAX), "it is asked again");
}

proptest! {
    #[test]
    fn whatever_comes_the_node_goes_on_and_keeps_its_limits(
        datagrams in prop::collection::vec(
            (0_u8..6, 90_u8..101, 0_u8..4, prop::collection::vec(any::<u8>(), 0..60), 0_u64..3_000),
            0..60,
        ),
    ) {
        let mut played = Played::ready(1);
        played.step(0, Event::Config(vec![("master".into(), "true".into())]));
        let mut now = 0;
        for (from, modifier1, modifier2, block, pause) in datagrams {
            now += pause;
            played.until(now);
            let mut datagram = vec![modifier1, block.len() as u8, 0, modifier2];
            datagram.extend(block);
            played.step(now, Event::Received { from: source(from), datagram });
        }
        prop_assert!(played.node.next_wake() > now);
        let seconds = now as usize / 1_000 + 1;
        prop_assert!(played.reloads() <= seconds);
        prop_assert!(played.lines().len() <= seconds * 120 + 20);
    }
}
