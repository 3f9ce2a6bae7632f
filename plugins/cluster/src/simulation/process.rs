//! A process of the simulation: a node, its clock, its instance.

use uwsgi_plugin_api::cluster::{ClusterView, Load, NodeState, Options};

use crate::id::{Life, Member, Millis, NodeKey, RollId};
use crate::node::{Action, Event, Node, Plan, Wanted};
use crate::wire::Electorate;

/// What a process remembers when it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// `cluster-state` is set.
    Kept,
    /// It is not.
    Lost,
}

/// A change that an instance is making.
pub(crate) struct Making {
    pub(crate) ready_at: Millis,
    roll: RollId,
    config: Wanted,
}

/// An instance that pretends.
pub(crate) struct Instance {
    pub(crate) config: (u64, Options),
    before: Option<(u64, Options)>,
    pub(crate) making: Option<Making>,
    /// It does not come up with new options.
    pub(crate) broken: bool,
    /// It may be leader until then, in true time.
    pub(crate) leads_until: Millis,
    /// Of which lineage.
    pub(crate) lineage: u64,
    pub(crate) view: ClusterView,
    pub(crate) draining: bool,
}

/// See the module. Times are true ones but for what goes into the node.
pub(crate) struct Process {
    pub(crate) key: NodeKey,
    pub(crate) node: Option<Node>,
    pub(crate) life: Life,
    /// How fast its clock runs, and what it showed at the beginning.
    rate: f64,
    offset: f64,
    pub(crate) founder: bool,
    pub(crate) memory: Memory,
    pub(crate) kept: Option<Electorate>,
    pub(crate) instance: Instance,
    pub(crate) log: Vec<(Millis, String)>,
    /// When it is to be woken, as far as that is planned.
    pub(crate) wake: Millis,
    pub(crate) load_at: Millis,
}

impl Process {
    pub(crate) fn new(key: NodeKey, founder: bool, (rate, offset): (f64, f64)) -> Self {
        let config = (0, vec![("module".to_owned(), "app".to_owned())]);
        let instance = Instance {
            config,
            before: None,
            making: None,
            broken: false,
            leads_until: 0,
            lineage: 0,
            view: ClusterView::default(),
            draining: false,
        };
        Self {
            key,
            node: None,
            life: Life(0),
            rate,
            offset,
            founder,
            memory: Memory::Lost,
            kept: None,
            instance,
            log: Vec::new(),
            wake: Millis::MAX,
            load_at: 0,
        }
    }

    pub(crate) fn local(&self, now: Millis) -> Millis {
        (self.offset + now as f64 * self.rate) as Millis
    }

    pub(crate) fn in_truth(&self, local: Millis) -> Millis {
        if local > Millis::MAX / 4 {
            return Millis::MAX;
        }
        ((local as f64 - self.offset) / self.rate).ceil().max(0.0) as Millis
    }

    pub(crate) fn start(&mut self, now: Millis, seed: u64, plan: impl FnOnce(&mut Plan)) {
        self.life = Life(seed | 1);
        let epoch = 1_700_000_000_000 + now;
        let mut made = Plan {
            group: "225.1.1.1:1717".into(),
            member: Member { key: self.key, life: self.life, epoch },
            hostname: format!("n{}", self.key),
            version: "0".into(),
            seeds: Vec::new(),
            multicast: true,
            quorum_min: 1,
            forget_ms: 3_600_000,
            observer: false,
            founder: self.founder,
            draining: false,
            known: self.kept.clone().filter(|_| self.memory == Memory::Kept),
            seed,
        };
        plan(&mut made);
        self.node = Some(Node::new(made));
        self.load_at = now;
        self.instance.making = None;
    }

    /// The process is gone at once; its instance goes on.
    pub(crate) fn kill(&mut self) {
        self.node = None;
        self.wake = Millis::MAX;
        self.instance.making = None;
    }

    pub(crate) fn step(&mut self, now: Millis, event: Event, out: &mut Vec<Action>) {
        let local = self.local(now);
        if let Some(node) = &mut self.node {
            node.step(local, event, out);
        }
    }

    /// What the instance does by itself.
    pub(crate) fn live(&mut self, now: Millis, out: &mut Vec<Action>) {
        if now >= self.load_at {
            self.load_at = now + 1_000;
            let load = Some(Load { workers: 1, threads: 4, busy: 0, queue: 0, requests: now });
            let address = format!("{}:3031", self.key.ip());
            let (version, options) = self.instance.config.clone();
            self.step(now, Event::Load { load, address }, out);
            self.step(now, Event::Config { version, options }, out);
        }
        if self.instance.making.as_ref().is_some_and(|making| making.ready_at <= now) {
            self.make(now, out);
        }
    }

    fn make(&mut self, now: Millis, out: &mut Vec<Action>) {
        let Some(Making { roll, config, .. }) = self.instance.making.take() else { return };
        let instance = &mut self.instance;
        let broken = instance.broken && matches!(config, Wanted::These(..));
        if !broken {
            match config {
                Wanted::Same => {}
                Wanted::These(version, options) => {
                    instance.before = Some(instance.config.clone());
                    instance.config = (version, options);
                }
                Wanted::Back { from, version, options } => {
                    if instance.config.0 == from {
                        instance.config = (version, options);
                    }
                }
                Wanted::Before => {
                    instance.config = instance.before.take().expect("nothing to go back to");
                }
            }
        }
        let (version, options) = instance.config.clone();
        let result = if broken { Err("no module named broken".to_owned()) } else { Ok(()) };
        self.step(now, Event::Config { version, options }, out);
        self.step(now, Event::Applied { roll, result }, out);
    }

    pub(crate) fn apply(&mut self, roll: RollId, config: Wanted, ready_at: Millis) {
        assert!(self.instance.making.is_none(), "two changes at one time");
        self.instance.making = Some(Making { ready_at, roll, config });
    }

    /// State in which it shows another one.
    pub(crate) fn sees(&self, key: NodeKey) -> Option<NodeState> {
        let node = self.instance.view.nodes.iter().find(|node| node.endpoint == key);
        node.map(|node| node.state)
    }
}
