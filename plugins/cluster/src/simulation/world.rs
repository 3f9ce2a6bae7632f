//! The network of the simulation, and the time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uwsgi_plugin_api::cluster::NodeState;

use super::process::Process;
use crate::id::{Millis, NodeKey, Peer};
use crate::node::{Action, Event, Plan};
use crate::wire::{Message, Received};

/// How a network behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    /// Of so many datagrams in a thousand nothing comes.
    pub(crate) lost: u32,
    /// So many come twice.
    pub(crate) doubled: u32,
    /// At the least and at the most, so that later ones overtake.
    pub(crate) delay: (Millis, Millis),
    /// Groups reach all.
    pub(crate) multicast: bool,
}

impl Network {
    pub(crate) const fn usual() -> Self {
        Self { lost: 10, doubled: 5, delay: (0, 5), multicast: true }
    }

    pub(crate) const fn bad() -> Self {
        Self { lost: 80, doubled: 30, delay: (0, 120), multicast: true }
    }
}

/// A datagram on its way. Ordered by when it comes.
struct Datagram {
    to: Peer,
    received: Received,
}

type Plans = Box<dyn Fn(&mut Plan)>;

/// Everything there is.
pub(crate) struct World {
    pub(crate) now: Millis,
    pub(crate) seed: u64,
    pub(crate) rng: StdRng,
    pub(crate) network: Network,
    pub(crate) processes: Vec<Process>,
    pub(crate) index: BTreeMap<NodeKey, usize>,
    /// From whom to whom nothing comes.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    events: BinaryHeap<Reverse<(Millis, u64)>>,
    /// What happens by the number of its event: a datagram comes, or a process wakes.
    coming: BTreeMap<u64, Result<Datagram, usize>>,
    count: u64,
    pub(crate) sent: u64,
    pub(crate) sent_bytes: u64,
    /// Counts of messages by kind.
    pub(crate) kinds: BTreeMap<&'static str, u64>,
    pub(crate) plans: Plans,
    /// Replies to requests of the guest.
    pub(crate) guest: super::rolls::Guest,
    /// How long an instance takes to reload.
    pub(crate) reload_ms: Millis,
}

impl World {
    pub(crate) fn new(seed: u64, size: usize, network: Network) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let clock = |rng: &mut StdRng| {
            (rng.random_range(0.98..1.02), rng.random_range(1_000.0..9_000_000.0))
        };
        let keys = (0..size).map(|number| {
            let [.., high, low] = (number as u32 + 1).to_be_bytes();
            NodeKey::from(([10, 0, high, low], 1717))
        });
        let processes: Vec<_> = keys.map(|key| Process::new(key, true, clock(&mut rng))).collect();
        let index = processes.iter().enumerate().map(|(at, process)| (process.key, at)).collect();
        Self {
            now: 0,
            seed,
            rng,
            network,
            processes,
            index,
            cut: BTreeSet::new(),
            events: BinaryHeap::new(),
            coming: BTreeMap::new(),
            count: 0,
            sent: 0,
            sent_bytes: 0,
            kinds: BTreeMap::new(),
            plans: Box::new(|_| {}),
            guest: super::rolls::Guest::new(seed),
            reload_ms: 300,
        }
    }

    pub(crate) fn start(&mut self, at: usize) {
        let seed = self.rng.random();
        let now = self.now;
        let multicast = self.network.multicast;
        let plans = &self.plans;
        self.processes[at].start(now, seed, |plan| {
            plan.multicast = multicast;
            plans(plan);
        });
        self.step(at, Event::Tick);
    }

    pub(crate) fn start_all(&mut self) {
        for at in 0..self.processes.len() {
            self.start(at);
        }
    }

    pub(crate) fn kill(&mut self, at: usize) {
        self.processes[at].kill();
    }

    pub(crate) fn step(&mut self, at: usize, event: Event) {
        let mut actions = Vec::new();
        self.processes[at].step(self.now, event, &mut actions);
        self.perform(at, actions);
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, ms: Millis) {
        let end = self.now + ms;
        while let Some(Reverse((at, number))) = self.events.peek().copied()
            && at <= end
        {
            self.events.pop();
            self.now = self.now.max(at);
            match self.coming.remove(&number) {
                Some(Ok(datagram)) => self.deliver(datagram),
                Some(Err(process)) => self.wake(process, at),
                None => {}
            }
        }
        self.now = end;
    }

    /// Lets time pass until something is so; the milliseconds that took.
    pub(crate) fn until(&mut self, ms_max: Millis, so: impl Fn(&Self) -> bool) -> Option<Millis> {
        let begin = self.now;
        while !so(self) {
            if self.now - begin >= ms_max {
                return None;
            }
            self.run(20);
        }
        Some(self.now - begin)
    }

    fn wake(&mut self, at: usize, when: Millis) {
        if self.processes[at].wake != when {
            return; // it was woken before
        }
        self.processes[at].wake = Millis::MAX;
        let mut actions = Vec::new();
        self.processes[at].live(self.now, &mut actions);
        self.processes[at].step(self.now, Event::Tick, &mut actions);
        self.perform(at, actions);
    }

    fn deliver(&mut self, datagram: Datagram) {
        if datagram.to.key == self.guest.key {
            let out = self.guest.receive(self.now, datagram.received);
            return self.send_guest(out);
        }
        let Some(&at) = self.index.get(&datagram.to.key) else { return };
        let process = &self.processes[at];
        if datagram.to.life.is_none_or(|life| life == process.life) && process.node.is_some() {
            self.step(at, Event::Received(datagram.received));
        }
    }

    fn perform(&mut self, at: usize, actions: Vec<Action>) {
        let now = self.now;
        for action in actions {
            match action {
                Action::Send(peer, message) => self.send(at, peer, message),
                Action::Multicast(message) => {
                    for to in 0..self.processes.len() {
                        if to != at {
                            let key = self.processes[to].key;
                            self.send(at, Peer { key, life: None }, message.clone());
                        }
                    }
                }
                Action::Apply { roll, config } => {
                    let ready_at = now + self.rng.random_range(0..=self.reload_ms);
                    self.processes[at].apply(roll, config, ready_at);
                }
                Action::Drain(on) => self.processes[at].instance.draining = on,
                Action::Publish { view, leads_until } => {
                    let process = &mut self.processes[at];
                    process.instance.view = *view;
                    let until = if leads_until == 0 { 0 } else { process.in_truth(leads_until) };
                    process.instance.leads_until = until;
                    let electorate = process.node.as_ref().map(|node| node.electorate());
                    process.instance.lineage = electorate.map_or(0, |known| known.lineage);
                    self.check_leaders(at);
                }
                Action::Log(line) => self.processes[at].log.push((now, line)),
                Action::Deliver { .. } => {} // nobody sends any
                Action::Save(electorate) => self.processes[at].kept = Some(electorate),
            }
        }
        self.plan_wake(at);
    }

    fn plan_wake(&mut self, at: usize) {
        let process = &mut self.processes[at];
        let Some(node) = &process.node else { return };
        let mut wake = process.in_truth(node.next_wake()).min(process.load_at);
        if let Some(making) = &process.instance.making {
            wake = wake.min(making.ready_at);
        }
        let wake = wake.max(self.now + 1);
        if wake < process.wake {
            process.wake = wake;
            self.schedule(wake, Err(at));
        }
    }

    fn schedule(&mut self, at: Millis, what: Result<Datagram, usize>) {
        self.count += 1;
        self.events.push(Reverse((at, self.count)));
        self.coming.insert(self.count, what);
    }

    pub(crate) fn send(&mut self, at: usize, to: Peer, message: Message) {
        self.sent += 1;
        *self.kinds.entry(kind(&message)).or_default() += 1;
        if self.sent.is_multiple_of(16) {
            let bytes = message.encode().expect("every message has a form");
            self.sent_bytes += 16 * bytes.len() as u64;
            assert_eq!(Message::decode(&bytes).as_ref(), Ok(&message));
        }
        let (key, life) = (self.processes[at].key, self.processes[at].life);
        if let Some(&other) = self.index.get(&to.key)
            && self.cut.contains(&(at, other))
        {
            return;
        }
        self.carry(to, Received { from: key, life, message });
    }

    pub(crate) fn carry(&mut self, to: Peer, received: Received) {
        if self.rng.random_range(0..1_000) < self.network.lost {
            return;
        }
        let times = if self.rng.random_range(0..1_000) < self.network.doubled { 2 } else { 1 };
        for _ in 0..times {
            let (least, most) = self.network.delay;
            let at = self.now + self.rng.random_range(least..=most);
            self.schedule(at, Ok(Datagram { to, received: received.clone() }));
        }
    }

    /// Never two leaders at one instant within one lineage.
    fn check_leaders(&self, at: usize) {
        let own = &self.processes[at];
        if own.instance.leads_until <= self.now {
            return;
        }
        for (other, process) in self.processes.iter().enumerate() {
            let both = other != at && process.instance.leads_until > self.now;
            let same = process.instance.lineage == own.instance.lineage;
            assert!(
                !(both && same),
                "seed {}: at {} ms both {} and {} lead:\n{:?}\n{:?}\n{}\n{}",
                self.seed,
                self.now,
                own.key,
                process.key,
                own.node.as_ref().map(|node| node.electorate()),
                process.node.as_ref().map(|node| node.electorate()),
                own.log.iter().map(|(at, line)| format!("{at} {line}\n")).collect::<String>(),
                process.log.iter().map(|(at, line)| format!("{at} {line}\n")).collect::<String>(),
            );
        }
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.processes.len()).filter(|at| self.processes[*at].node.is_some())
    }

    /// Those that lead at the moment.
    pub(crate) fn leaders(&self) -> Vec<usize> {
        let leads = |at: &usize| self.processes[*at].instance.leads_until > self.now;
        (0..self.processes.len()).filter(leads).collect()
    }

    /// All that live show one leader, the same, and it leads.
    pub(crate) fn has_one_leader(&self) -> bool {
        let [leader] = self.leaders()[..] else { return false };
        let key = self.processes[leader].key;
        self.live().all(|at| {
            let view = &self.processes[at].instance.view;
            view.leader().is_some_and(|node| node.endpoint == key)
        })
    }

    /// What is wrong in what a node shows of another one.
    pub(crate) fn disagreement(&self) -> Option<String> {
        for at in self.live() {
            for (other, process) in self.processes.iter().enumerate().filter(|(o, _)| *o != at) {
                let shown = self.processes[at].sees(process.key);
                let right = match (process.node.is_some(), shown) {
                    (true, Some(NodeState::Alive)) => true,
                    (true, _) => false,
                    (false, None | Some(NodeState::Down | NodeState::Left)) => true,
                    (false, _) => false,
                };
                if !right {
                    return Some(format!("{at} shows {other} as {shown:?}"));
                }
            }
        }
        None
    }

    /// All that live show all as they are.
    pub(crate) fn agrees(&self) -> bool {
        self.disagreement().is_none()
    }

    /// Cuts one side from the other, in both directions.
    pub(crate) fn part(&mut self, side: &[usize]) {
        for one in 0..self.processes.len() {
            for other in 0..self.processes.len() {
                if side.contains(&one) != side.contains(&other) {
                    self.cut.insert((one, other));
                }
            }
        }
    }

    pub(crate) fn logs(&self) -> String {
        let mut lines: Vec<_> = self
            .processes
            .iter()
            .flat_map(|process| process.log.iter().map(|(at, line)| (*at, process.key, line)))
            .collect();
        lines.sort();
        lines.iter().map(|(at, key, line)| format!("{at} {key} {line}\n")).collect()
    }
}

fn kind(message: &Message) -> &'static str {
    match message {
        Message::Hello { .. } => "hello",
        Message::Welcome { .. } => "welcome",
        Message::Gossip(_) => "gossip",
        Message::About(_) => "about",
        Message::Election(_) => "election",
        Message::Chunk { .. } | Message::ChunkAck { .. } | Message::ChunkRefused { .. } => "chunk",
        Message::Log(_) | Message::Payload(_) => "other",
    }
}
