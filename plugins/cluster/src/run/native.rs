//! The heart of a node that speaks the sealed protocol: messages go into [`Node`], what it wants is done.

use std::net::SocketAddr;

use uwsgi_plugin_api::PluginError;
use uwsgi_plugin_api::cluster::Refused;

use super::life::{Hands, Happened, Heart};
use super::mail::Mail;
use super::{clock, hostname, state};
use crate::id::{Member, Millis};
use crate::node::{self, Action, Event, Node};
use crate::wire::Electorate;

/// How often it is told what was refused, in milliseconds.
const REFUSED_EVERY: Millis = 1_000;
/// How often it is logged that clocks differ, in milliseconds.
const CLOCKS_EVERY: Millis = 60_000;

/// So that it does not have to be found out.
const CLOCKS: &str = "cluster: *** WARNING: what others say is not listened to, as it is signed at a time that is too far from this \
                      host's clock (NTP, or cluster-clock-tolerance) ***";

/// See the module.
pub(super) struct Native {
    node: Node,
    mail: Mail,
    actions: Vec<Action>,
    refused: Refused,
    refused_at: Millis,
    clocks_at: Millis,
}

impl Native {
    /// A node in a new life; `before`: who had a vote in the one before.
    ///
    /// # Errors
    /// A secret, the file of `cluster-state`, or no random numbers.
    pub(super) fn begin(
        hands: &Hands<'_, '_>,
        seeds: &[SocketAddr],
        before: Option<Electorate>,
    ) -> Result<Self, PluginError> {
        let wrong = |error: String| PluginError(format!("cluster: {error}"));
        let plan = hands.plan;
        let mail = Mail::open(plan).map_err(|error| wrong(error.to_string()))?;
        let group = plan.group.to_string();
        let known = match &plan.state {
            _ if before.is_some() => before,
            Some(path) => state::read(path, &group)
                .map_err(|why| wrong(format!("cluster-state = {why} (remove it to begin anew)")))?,
            // A process before this one knew it and is dead.
            None => hands.instance.kept().and_then(|text| state::parse(&text, &group).ok()),
        };
        let node = Node::new(node::Plan {
            group,
            member: Member { key: hands.own, life: mail.life, epoch: clock::unix() },
            hostname: hostname(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seeds: seeds.to_vec(),
            multicast: true,
            quorum_min: plan.quorum_min,
            forget_ms: plan.forget_ms,
            observer: plan.observer,
            // What came from others is no reason to be a cluster without them.
            founder: !plan.observer && hands.instance.is_founder(),
            draining: hands.instance.is_draining(),
            known,
            seed: getrandom::u64().map_err(|error| wrong(error.to_string()))?,
        });
        let refused = Refused::default();
        Ok(Self { node, mail, actions: Vec::new(), refused, refused_at: 0, clocks_at: 0 })
    }

    fn step(&mut self, event: Event, hands: &mut Hands<'_, '_>) {
        let mut actions = std::mem::take(&mut self.actions);
        self.node.step(clock::monotonic(), event, &mut actions);
        let not_begun: Vec<_> =
            actions.drain(..).filter_map(|action| self.perform(action, hands)).collect();
        self.actions = actions; // its memory is used again
        not_begun.into_iter().for_each(|event| self.step(event, hands));
    }

    /// Does it; what could not even be begun comes back as an event.
    fn perform(&mut self, action: Action, hands: &mut Hands<'_, '_>) -> Option<Event> {
        match action {
            Action::Send(peer, message) => {
                if let Some(sockets) = &mut hands.station.sockets {
                    self.mail.send(sockets, peer, &message);
                }
            }
            Action::Multicast(message) => {
                if let Some(sockets) = &mut hands.station.sockets {
                    self.mail.send_group(sockets, &message);
                }
            }
            Action::Apply { roll, config } => {
                if !hands.workshop.change(roll, config) {
                    let result = Err("this node is busy with other changes".to_owned());
                    return Some(Event::Applied { roll, result });
                }
            }
            Action::Drain(on) => hands.instance.drain(on),
            Action::Publish { view, leads_until } => hands.instance.publish(&view, leads_until),
            Action::Log(line) => (hands.log)(&line),
            Action::Deliver { from, bytes } => hands.instance.deliver(&from, &bytes),
            Action::Save(electorate) => {
                // Here, not by a thread: the votes that rest on it are the next actions.
                let text = state::text(&hands.plan.group.to_string(), &electorate);
                hands.instance.keep(&text);
                let Some(path) = &hands.plan.state else { return None };
                if let Err(error) = state::write(path, &text) {
                    (hands.log)(&format!("cluster-state = {}: {error}", path.display()));
                }
            }
        }
        None
    }
}

impl Heart for Native {
    fn beat(&mut self, what: Happened, hands: &mut Hands<'_, '_>) {
        let event = match what {
            Happened::Datagram(from, bytes) => match self.mail.take(from, &bytes) {
                Some(received) => Event::Received(received),
                None => return,
            },
            Happened::Outgoing(outgoing) => Event::Outgoing(outgoing),
            Happened::Load { load, address } => Event::Load { load, address },
            Happened::Config { version, options } => Event::Config { version, options },
            Happened::Seeds(seeds) => Event::Seeds(seeds),
            Happened::Applied(roll, result) => Event::Applied { roll, result },
            Happened::Tick => Event::Tick,
            Happened::Leave => Event::Leave,
        };
        self.step(event, hands);
        let (now, refused) = (clock::monotonic(), self.mail.refused());
        if refused != self.refused && now >= self.refused_at {
            // Signed by one who has the secret: two halves of one cluster may each take themselves for all of it.
            if refused.skewed != self.refused.skewed && now >= self.clocks_at {
                self.clocks_at = now + CLOCKS_EVERY;
                (hands.log)(CLOCKS);
            }
            (self.refused, self.refused_at) = (refused, now + REFUSED_EVERY);
            self.step(Event::Refused(refused), hands);
        }
    }

    fn next_wake(&self) -> Millis {
        let untold = self.mail.refused() != self.refused;
        let own = if untold { self.refused_at } else { Millis::MAX };
        self.node.next_wake().min(own)
    }

    fn electorate(&self) -> Option<Electorate> {
        Some(self.node.electorate().clone()).filter(|electorate| electorate.lineage != 0)
    }
}
