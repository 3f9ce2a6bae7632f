//! What peers and strangers get from a node, message by message. What many of them come to is for the simulation.

use uwsgi_plugin_api::cluster::{Load, NodeState};

use super::*;
use crate::id::{Life, Member, TransferId};
use crate::wire::{Reply, Request};

const OWN: &str = "192.0.2.1:1717";

fn plan() -> Plan {
    let member = Member { key: OWN.parse().unwrap(), life: Life(1), epoch: 1_700_000_000_000 };
    Plan {
        group: "225.1.1.1:1717".into(),
        member,
        hostname: "one".into(),
        version: "0".into(),
        seeds: Vec::new(),
        multicast: true,
        quorum_min: 1,
        forget_ms: 60_000,
        observer: false,
        founder: true,
        draining: false,
        known: None,
        seed: 1,
    }
}

fn member(number: u32) -> Member {
    let [_, two, three, four] = number.to_be_bytes();
    let key = ([10, two, three, four], 1717).into();
    Member { key, life: Life(100 + u64::from(number)), epoch: 1_700_000_000_000 }
}

fn about(number: u32, serial: u64) -> About {
    About {
        member: member(number),
        serial,
        hostname: format!("host{number}"),
        address: format!("host{number}:3031"),
        version: "0".into(),
        load: Some(Load { workers: 1, threads: 1, busy: 0, queue: 0, requests: serial }),
        config: ConfigMark::default(),
        draining: false,
        observer: false,
        leaving: false,
    }
}

/// A node that is driven by hand.
struct Driven {
    node: Node,
    now: Millis,
}

impl Driven {
    fn new(plan: Plan) -> Self {
        let mut driven = Self { node: Node::new(plan), now: 1_000 };
        driven.step(Event::Tick);
        driven
    }

    fn step(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.node.step(self.now, event, &mut actions);
        actions
    }

    fn receive(&mut self, from: Member, message: Message) -> Vec<Action> {
        let received = Received { from: from.key, life: from.life, message };
        self.step(Event::Received(received))
    }

    fn pass(&mut self, ms: Millis) -> Vec<Action> {
        let mut actions = Vec::new();
        for _ in 0..ms / 50 {
            self.now += 50;
            actions.append(&mut self.step(Event::Tick));
        }
        actions
    }

    /// A request in one part, and the answer in one.
    fn ask(&mut self, from: Member, number: u64, request: &Request) -> Option<Reply> {
        let bytes = request.to_bytes();
        let total = u32::try_from(bytes.len()).unwrap();
        let transfer = TransferId(number);
        let chunk = Message::Chunk { transfer, kind: Blob::Request, number: 0, total, bytes };
        let mut actions = self.receive(from, chunk);
        actions.append(&mut self.pass(50));
        actions.into_iter().find_map(|action| match action {
            Action::Send(to, Message::Chunk { kind: Blob::Reply(to_number), bytes, .. }) => {
                let right = to == Peer::from(from) && to_number == transfer;
                right.then(|| Reply::from_bytes(&bytes).unwrap())
            }
            _ => None,
        })
    }

    fn logged(actions: &[Action]) -> Vec<&str> {
        fn line(action: &Action) -> Option<&str> {
            match action {
                Action::Log(line) => Some(line.as_str()),
                _ => None,
            }
        }
        actions.iter().filter_map(line).collect()
    }
}

fn welcomed(actions: &[Action], to: Member) -> Option<&Vec<Member>> {
    actions.iter().find_map(|action| match action {
        Action::Send(peer, Message::Welcome { others, .. }) if *peer == to.into() => Some(others),
        _ => None,
    })
}

#[test]
fn a_guest_is_told_who_is_there_and_becomes_nobody() {
    let mut driven = Driven::new(plan());
    driven.receive(member(1), Message::Hello { member: member(1), guest: false });
    let guest = member(9);
    let actions = driven.receive(guest, Message::Hello { member: guest, guest: true });
    assert_eq!(welcomed(&actions, guest), Some(&vec![member(1)]));
    let Some(Reply::View(view)) = driven.ask(guest, 1, &Request::View) else { panic!("no view") };
    let keys: Vec<_> = view.nodes.iter().map(|node| node.endpoint).collect();
    assert_eq!(keys, [member(1).key, driven.node.plan.member.key]);
}

#[test]
fn nobody_speaks_for_another_one() {
    let mut driven = Driven::new(plan());
    for message in [
        Message::Hello { member: member(2), guest: false },
        Message::Welcome { member: member(2), others: vec![member(3)] },
        Message::About(about(2, 1)),
    ] {
        driven.receive(member(1), message);
    }
    assert_eq!(driven.node.nodes.len(), 0);
}

#[test]
fn no_more_nodes_are_kept_in_mind_than_a_thousand() {
    let mut driven = Driven::new(plan());
    for number in 1..=1_500 {
        driven.receive(member(number), Message::About(about(number, 1)));
    }
    assert_eq!(driven.node.nodes.len(), NODES_MAX);
    assert!(driven.node.view(driven.now).nodes.len() <= NODES_MAX + 1);
}

#[test]
fn greetings_of_a_second_are_answered_so_often_and_no_more() {
    let mut driven = Driven::new(plan());
    let mut answers = 0;
    for number in 0..500 {
        let guest = member(9_000 + number);
        let actions = driven.receive(guest, Message::Hello { member: guest, guest: true });
        answers += usize::from(welcomed(&actions, guest).is_some());
    }
    assert_eq!(answers, 64);
    driven.pass(1_000);
    let guest = member(1);
    let actions = driven.receive(guest, Message::Hello { member: guest, guest: true });
    assert!(welcomed(&actions, guest).is_some());
}

#[test]
fn guests_that_take_no_answers_get_no_more_of_them() {
    let mut driven = Driven::new(plan());
    for number in 0..100 {
        driven.ask(member(9_000 + number), 1, &Request::View);
    }
    assert_eq!(driven.node.answers.len(), ANSWERS_MAX);
    assert_eq!(driven.ask(member(9_999), 1, &Request::View), None);
    driven.receive(member(1), Message::About(about(1, 1)));
    assert!(driven.ask(member(1), 1, &Request::View).is_some(), "nodes are no guests");
    driven.pass(11_000);
    assert!(driven.ask(member(9_998), 1, &Request::View).is_some());
}

#[test]
fn a_configuration_is_told_once_it_is_known() {
    let mut driven = Driven::new(plan());
    let failed = driven.ask(member(9), 1, &Request::Config);
    assert_eq!(failed, Some(Reply::Failed("this node has no configuration yet".into())));
    let options = vec![("module".to_owned(), "app".to_owned())];
    driven.step(Event::Config { version: 5, options: options.clone() });
    let told = driven.ask(member(9), 2, &Request::Config);
    assert_eq!(told, Some(Reply::Config { version: 5, options }));
}

#[test]
fn lines_are_remembered_for_who_asks() {
    let mut driven = Driven::new(plan());
    driven.step(Event::Outgoing(Outgoing::Line("hello".into())));
    driven.receive(member(1), Message::Log("from another one".into()));
    let Some(Reply::Log { lines }) = driven.ask(member(9), 1, &Request::Log { after: 0 }) else {
        panic!("no lines")
    };
    let text = |number: usize| (lines[number].0, lines[number].2.as_str());
    assert_eq!((text(0), text(1)), ((1, "hello"), (2, "from another one")));
    let after = driven.ask(member(9), 2, &Request::Log { after: 2 });
    assert_eq!(after, Some(Reply::Log { lines: Vec::new() }));
}

#[test]
fn who_comes_and_goes_is_said_once() {
    let mut driven = Driven::new(plan());
    let mut actions = driven.receive(member(1), Message::About(about(1, 1)));
    actions.append(&mut driven.pass(200));
    let up = "cluster: host1 (10.0.0.1:1717) is up";
    assert_eq!(Driven::logged(&actions), [up]);
    actions = driven.receive(member(1), Message::About(About { draining: true, ..about(1, 2) }));
    actions.append(&mut driven.receive(member(1), Message::About(about(1, 1))));
    actions.append(&mut driven.pass(200));
    assert_eq!(Driven::logged(&actions), ["cluster: host1 (10.0.0.1:1717) is draining"]);
    assert_eq!(driven.node.view(driven.now).nodes[0].state, NodeState::Draining);
    actions = driven.receive(member(1), Message::About(About { leaving: true, ..about(1, 3) }));
    actions.append(&mut driven.pass(200));
    assert_eq!(Driven::logged(&actions), ["cluster: host1 (10.0.0.1:1717) has left"]);
    let next = Member { life: Life(7), epoch: member(1).epoch + 5, ..member(1) };
    actions = driven.receive(next, Message::About(About { member: next, ..about(1, 1) }));
    actions.append(&mut driven.pass(200));
    assert_eq!(Driven::logged(&actions), [format!("{up} again, restarted")]);
}

#[test]
fn who_is_down_for_long_is_forgotten() {
    let mut driven = Driven::new(plan());
    driven.receive(member(1), Message::About(about(1, 1)));
    let actions = driven.pass(8_000);
    let lines = Driven::logged(&actions);
    assert!(lines.contains(&"cluster: host1 (10.0.0.1:1717) is down"), "{lines:?}");
    let state = |driven: &Driven| {
        let view = driven.node.view(driven.now);
        view.nodes.iter().find(|node| node.endpoint == member(1).key).map(|node| node.state)
    };
    assert_eq!(state(&driven), Some(NodeState::Down));
    driven.pass(61_000);
    assert_eq!(state(&driven), None);
}

#[test]
fn who_leaves_says_so_and_then_nothing() {
    let mut driven = Driven::new(plan());
    driven.receive(member(1), Message::About(about(1, 1)));
    let mut actions = driven.step(Event::Leave);
    actions.append(&mut driven.pass(LEAVE_MS));
    let leaving = actions
        .iter()
        .filter(|action| matches!(action, Action::Send(_, Message::About(about)) if about.leaving));
    assert!(leaving.count() >= 3);
    assert_eq!(driven.node.next_wake(), u64::MAX);
    assert!(driven.pass(5_000).is_empty());
}

#[test]
fn who_has_a_vote_and_was_never_there_is_missed() {
    let voter = member(7).key;
    let voters = [OWN.parse().unwrap(), voter].into();
    let known = Electorate { lineage: 1, term: 1, version: 1 << 32, voters };
    let mut driven = Driven::new(Plan { known: Some(known), ..plan() });
    driven.pass(5_000);
    let view = driven.node.view(driven.now);
    let states: Vec<_> = view.nodes.iter().map(|node| (node.endpoint, node.state)).collect();
    assert!(states.contains(&(voter, NodeState::Down)), "{states:?}");
    assert!(view.nodes.iter().all(|node| node.own || node.silent_ms >= 5_000), "{view:?}");
    driven.receive(member(7), Message::About(about(7, 1)));
    let view = driven.node.view(driven.now);
    let count = view.nodes.iter().filter(|node| node.endpoint == voter).count();
    assert_eq!(count, 1, "once: {view:?}");
}
