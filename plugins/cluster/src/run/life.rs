//! One life of a node: the loop that is the same for both protocols. What they differ in is a [`Heart`].

use std::net::SocketAddr;

use uwsgi_plugin_api::cluster::{Load, Options, Outgoing};
use uwsgi_plugin_api::{Instance, PluginError, Settings};

use super::station::{Happening, Station};
use super::workshop::{Outcome, Question, Workshop};
use super::{End, clock, reachable, seeds_of};
use crate::id::{Millis, RollId};
use crate::node::LEAVE_MS;
use crate::plan::Plan;
use crate::sockets::ipv4_beside;
use crate::wire::Electorate;

/// How often the instance is asked for its load, in milliseconds.
const LOAD_EVERY: Millis = 1_000;
/// How often it is asked for its configuration, as it may have been reloaded by hand, and secrets and the own address are looked
/// at. In milliseconds.
const CONFIG_EVERY: Millis = 5_000;
/// How often seeds are looked up again and the group is joined again, in milliseconds.
const LOOK_EVERY: Millis = 30_000;
/// So many looks in vain for the own address are no loss yet.
const MISSES_MAX: u32 = 2;

/// What a node decides, in one of the protocols.
pub(super) trait Heart {
    /// Something happened; does with the hands what is to be done.
    fn beat(&mut self, what: Happened, hands: &mut Hands<'_, '_>);
    /// When [`Happened::Tick`] is wanted, at the latest.
    fn next_wake(&self) -> Millis;
    /// Who has a vote, where there are votes.
    fn electorate(&self) -> Option<Electorate>;
}

/// What happens to a node, whatever it speaks.
pub(super) enum Happened {
    Datagram(SocketAddr, Vec<u8>),
    Outgoing(Outgoing),
    Load { load: Option<Load>, address: String },
    Config { version: u64, options: Options },
    Seeds(Vec<SocketAddr>),
    Applied(RollId, Result<(), String>),
    Tick,
    Leave,
}

/// What a heart may use.
pub(super) struct Hands<'a, 's> {
    pub(super) settings: &'a Settings,
    pub(super) plan: &'a Plan,
    pub(super) log: &'a dyn Fn(&str),
    pub(super) station: &'a mut Station<'s>,
    pub(super) instance: &'a dyn Instance,
    pub(super) workshop: Workshop,
    /// Where the node speaks.
    pub(super) own: SocketAddr,
}

/// See the module.
pub(super) struct Life<'a, 's> {
    hands: Hands<'a, 's>,
    heart: Box<dyn Heart>,
    config: Option<(u64, Options)>,
    load_at: Millis,
    /// It was asked for and has not come.
    load_is_due: bool,
    config_at: Millis,
    look_at: Millis,
    misses: u32,
    /// Set when the end was asked for.
    ends_at: Option<Millis>,
}

impl<'a, 's> Life<'a, 's> {
    pub(super) fn new(hands: Hands<'a, 's>, heart: Box<dyn Heart>) -> Self {
        let now = clock::monotonic();
        Self {
            hands,
            heart,
            config: None,
            load_at: now,
            load_is_due: false,
            config_at: now,
            look_at: now + LOOK_EVERY,
            misses: 0,
            ends_at: None,
        }
    }

    /// Lives until its end; gives also who had a vote then.
    ///
    /// # Errors
    /// The poller fails.
    pub(super) fn live(mut self) -> Result<(End, Option<Electorate>), PluginError> {
        let end = self.live_on()?;
        Ok((end, self.heart.electorate()))
    }

    fn live_on(&mut self) -> Result<End, PluginError> {
        let mut happenings = Vec::new();
        loop {
            self.beat(Happened::Tick);
            let now = clock::monotonic();
            if self.ends_at.is_some_and(|end| now >= end) {
                return Ok(End::Asked);
            }
            if self.misses > MISSES_MAX {
                return Ok(End::AddressLost);
            }
            if let Some(secrets) = self.look(now) {
                return Ok(End::SecretsChanged(secrets));
            }
            let wait = self.hands.station.wait(self.wake_at(), &mut happenings);
            wait.map_err(|error| PluginError(format!("cluster: poll: {error}")))?;
            happenings.drain(..).for_each(|happening| self.take(happening));
            while let Some(outcome) = self.hands.workshop.outcome() {
                self.learn(outcome);
            }
            if self.hands.station.is_stopped() && self.ends_at.is_none() {
                self.beat(Happened::Leave);
                self.ends_at = Some(clock::monotonic() + LEAVE_MS);
            }
        }
    }

    fn beat(&mut self, what: Happened) {
        self.heart.beat(what, &mut self.hands);
    }

    fn wake_at(&self) -> Millis {
        let own = self.load_at.min(self.config_at).min(self.look_at);
        own.min(self.heart.next_wake()).min(self.ends_at.unwrap_or(Millis::MAX))
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Datagram(from, bytes) => self.beat(Happened::Datagram(from, bytes)),
            Happening::Outgoing(outgoing) => self.beat(Happened::Outgoing(outgoing)),
            Happening::Nonsense => {
                (self.hands.log)("cluster: a process of the instance said what is no message");
            }
        }
    }

    /// What is looked at from time to time. Gives secrets that are new.
    fn look(&mut self, now: Millis) -> Option<Vec<Vec<u8>>> {
        let mut secrets = None;
        if now >= self.load_at {
            self.load_at = now + LOAD_EVERY;
            if !self.load_is_due {
                self.load_is_due = self.hands.workshop.ask(Question::Load);
            }
            let sockets = self.hands.station.sockets.as_mut();
            let line = sockets.and_then(|sockets| sockets.troubles.line(now));
            line.iter().for_each(|line| (self.hands.log)(line));
        }
        if now >= self.config_at {
            self.config_at = now + CONFIG_EVERY;
            self.hands.workshop.ask(Question::Config);
            if let Some(sockets) = &self.hands.station.sockets {
                self.misses = if sockets.has_own_address() { 0 } else { self.misses + 1 };
            }
            // A file that is being written, or gone, changes nothing yet.
            let plan = Plan::read(self.hands.settings).ok();
            secrets = plan.map(|plan| plan.secrets).filter(|new| *new != self.hands.plan.secrets);
        }
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            if !self.hands.plan.seeds.is_empty() {
                self.hands.workshop.ask(Question::Seeds(self.hands.plan.seeds.clone()));
            }
            if let Some(sockets) = &mut self.hands.station.sockets {
                sockets.rejoin();
            }
        }
        secrets
    }

    fn learn(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Load(load, address) => {
                self.load_is_due = false;
                let address = reachable(&address, self.hands.own, ipv4_beside);
                self.beat(Happened::Load { load, address });
            }
            Outcome::Config(Ok((version, options))) => {
                let config = Some((version, options));
                if self.config != config {
                    self.config.clone_from(&config);
                    config.into_iter().for_each(|(version, options)| {
                        self.beat(Happened::Config { version, options });
                    });
                }
            }
            // It starts, or reloads; where it was never known it is asked soon again.
            Outcome::Config(Err(_)) if self.config.is_none() => {
                self.config_at = clock::monotonic() + LOAD_EVERY;
            }
            Outcome::Config(Err(_)) => {}
            Outcome::Seeds(addresses) => {
                let seeds = seeds_of(self.hands.plan, addresses);
                self.beat(Happened::Seeds(seeds));
            }
            Outcome::Applied(roll, result) => self.beat(Happened::Applied(roll, result)),
        }
    }
}
