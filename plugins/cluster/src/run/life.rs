//! One life of a node: what happens goes into [`Node`], what it wants is done.

use std::net::SocketAddr;

use uwsgi_plugin_api::cluster::{Options, Refused};
use uwsgi_plugin_api::{Instance, PluginError};

use super::mail::Mail;
use super::station::{Happening, Station};
use super::workshop::{Outcome, Question, Workshop};
use super::{End, clock, reachable, seeds_of, state};
use crate::id::{Member, Millis};
use crate::node::{self, Action, Event, Node};
use crate::plan::Plan;

/// How often the instance's load is told, in milliseconds.
const LOAD_EVERY: Millis = 1_000;
/// How often its configuration is asked for: it may have been reloaded by hand. In milliseconds.
const CONFIG_EVERY: Millis = 5_000;
/// How often seeds are looked up again and the group is joined again, in milliseconds.
const LOOK_EVERY: Millis = 30_000;
/// How long a node that leaves still answers, in milliseconds.
const PARTING: Millis = 300;
/// Steps of looking in vain for the own address until it is lost.
const MISSES_MAX: u32 = 2;

/// See the module.
pub(super) struct Life<'a, 's> {
    plan: &'a Plan,
    log: &'a dyn Fn(&str),
    station: &'a mut Station<'s>,
    instance: &'a dyn Instance,
    workshop: Workshop,
    mail: Mail,
    node: Node,
    own: SocketAddr,
    actions: Vec<Action>,
    happenings: Vec<Happening>,
    config: Option<(u64, Options)>,
    refused: Refused,
    load_at: Millis,
    config_at: Millis,
    look_at: Millis,
    misses: u32,
    /// Set when the end was asked for.
    ends_at: Option<Millis>,
}

impl<'a, 's> Life<'a, 's> {
    /// # Errors
    /// A secret, the file of `cluster-state`, or no random numbers.
    pub(super) fn begin(
        plan: &'a Plan,
        log: &'a dyn Fn(&str),
        station: &'a mut Station<'s>,
        instance: &'a dyn Instance,
        workshop: Workshop,
        seeds: &[SocketAddr],
    ) -> Result<Self, PluginError> {
        let wrong = |error: String| PluginError(format!("cluster: {error}"));
        let mail = Mail::open(plan).map_err(|error| wrong(error.to_string()))?;
        let sockets = station.sockets.as_ref().ok_or_else(|| wrong("no sockets".to_owned()))?;
        let own = sockets.address();
        let group = plan.group.to_string();
        let known = match &plan.state {
            Some(path) => state::read(path, &group)
                .map_err(|why| wrong(format!("cluster-state = {why} (remove it to begin anew)")))?,
            None => None,
        };
        let now = clock::monotonic();
        let seed = getrandom::u64().map_err(|error| wrong(error.to_string()))?;
        let hostname = nix::unistd::gethostname().unwrap_or_default();
        let node = Node::new(node::Plan {
            group,
            member: Member { key: own, life: mail.life, epoch: clock::unix() },
            hostname: hostname.to_string_lossy().into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seeds: seeds.to_vec(),
            multicast: true,
            quorum_min: plan.quorum_min,
            forget_ms: plan.forget_ms,
            observer: plan.observer,
            // What came from others is no reason to be a cluster without them.
            founder: !plan.observer && instance.staged().is_none(),
            known,
            seed,
        });
        Ok(Self {
            plan,
            log,
            station,
            instance,
            workshop,
            mail,
            node,
            own,
            actions: Vec::new(),
            happenings: Vec::new(),
            config: None,
            refused: Refused::default(),
            load_at: now,
            config_at: now,
            look_at: now + LOOK_EVERY,
            misses: 0,
            ends_at: None,
        })
    }

    /// # Errors
    /// The poller fails.
    pub(super) fn live(mut self) -> Result<End, PluginError> {
        self.step(Event::Tick);
        loop {
            let now = clock::monotonic();
            if self.ends_at.is_some_and(|end| now >= end) {
                return Ok(End::Asked);
            }
            if self.misses > MISSES_MAX {
                return Ok(End::AddressLost);
            }
            self.look(now);
            let wait = self.station.wait(self.wake_at(), &mut self.happenings);
            wait.map_err(|error| PluginError(format!("cluster: poll: {error}")))?;
            let mut happenings = std::mem::take(&mut self.happenings);
            for happening in happenings.drain(..) {
                self.take(happening);
            }
            self.happenings = happenings; // its memory is used again
            while let Some(outcome) = self.workshop.outcome() {
                self.learn(outcome);
            }
            self.step(Event::Tick);
            if self.station.is_stopped() && self.ends_at.is_none() {
                self.step(Event::Leave);
                self.ends_at = Some(clock::monotonic() + PARTING);
            }
        }
    }

    fn wake_at(&self) -> Millis {
        let own = self.load_at.min(self.config_at).min(self.look_at);
        own.min(self.node.next_wake()).min(self.ends_at.unwrap_or(Millis::MAX))
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Datagram(from, bytes) => {
                if let Some(received) = self.mail.take(from, &bytes) {
                    self.step(Event::Received(received));
                }
            }
            Happening::Outgoing(outgoing) => self.step(Event::Outgoing(outgoing)),
            Happening::Nonsense => {
                (self.log)("cluster: a process of the instance said what is no message");
            }
        }
    }

    /// What is looked at from time to time.
    fn look(&mut self, now: Millis) {
        if now >= self.load_at {
            self.load_at = now + LOAD_EVERY;
            let address = reachable(&self.instance.address(), self.own);
            self.step(Event::Load { load: self.instance.load(), address });
            let refused = self.mail.refused();
            if refused != self.refused {
                self.refused = refused;
                self.step(Event::Refused(refused));
            }
            let line = self.station.sockets.as_mut().and_then(|sockets| sockets.troubles.line(now));
            line.iter().for_each(|line| (self.log)(line));
        }
        if now >= self.config_at {
            self.config_at = now + CONFIG_EVERY;
            self.workshop.ask(Question::Config);
        }
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            if !self.plan.seeds.is_empty() {
                self.workshop.ask(Question::Seeds(self.plan.seeds.clone()));
            }
            if let Some(sockets) = &mut self.station.sockets {
                sockets.rejoin();
                self.misses = if sockets.has_own_address() { 0 } else { self.misses + 1 };
            }
        }
    }

    fn learn(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Config(Ok(config)) => {
                if self.config.as_ref() != Some(&config) {
                    let (version, options) = config.clone();
                    self.config = Some(config);
                    self.step(Event::Config { version, options });
                }
            }
            // It starts, or reloads; where it was never known it is asked soon again.
            Outcome::Config(Err(_)) if self.config.is_none() => {
                self.config_at = clock::monotonic() + LOAD_EVERY;
            }
            Outcome::Config(Err(_)) => {}
            Outcome::Seeds(addresses) => {
                self.step(Event::Seeds(seeds_of(self.plan, addresses)));
            }
            Outcome::Saved(Ok(())) => {}
            Outcome::Saved(Err(why)) => (self.log)(&format!("cluster-state: {why}")),
            Outcome::Applied(roll, result) => {
                // Before the others hear that it is done they are to hear what it is.
                self.load_at = clock::monotonic();
                self.look(self.load_at);
                self.step(Event::Applied { roll, result });
            }
        }
    }

    fn step(&mut self, event: Event) {
        let mut actions = std::mem::take(&mut self.actions);
        self.node.step(clock::monotonic(), event, &mut actions);
        let mut refused = None;
        for action in actions.drain(..) {
            refused = self.perform(action).or(refused);
        }
        self.actions = actions; // its memory is used again
        if let Some(event) = refused {
            self.step(event);
        }
    }

    /// Does it; what could not even be begun comes back as an event.
    fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Send(peer, message) => {
                if let Some(sockets) = &mut self.station.sockets {
                    self.mail.send(sockets, peer, &message);
                }
            }
            Action::Multicast(message) => {
                if let Some(sockets) = &mut self.station.sockets {
                    self.mail.send_group(sockets, &message);
                }
            }
            Action::Apply { roll, config } => {
                if !self.workshop.change(roll, config) {
                    let result = Err("this node is busy with other changes".to_owned());
                    return Some(Event::Applied { roll, result });
                }
            }
            Action::Drain(on) => self.instance.drain(on),
            Action::Publish { view, leads_until } => self.instance.publish(&view, leads_until),
            Action::Log(line) => (self.log)(&line),
            Action::Save(electorate) => {
                if let Some(path) = &self.plan.state {
                    let group = self.plan.group.to_string();
                    let question = Question::Save(path.clone(), group, electorate);
                    if !self.workshop.ask(question) {
                        (self.log)(
                            "cluster-state: too much to write at once; the next change writes it",
                        );
                    }
                }
            }
        }
        None
    }
}
