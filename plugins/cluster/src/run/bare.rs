//! The heart of a node with `cluster-compat`: what comes goes as it is into [`compat::Node`].

use super::life::{Hands, Happened, Heart};
use super::{clock, hostname};
use crate::compat::{self, Action, Event};
use crate::id::{Millis, RollId};
use crate::node::Wanted;
use crate::wire::Electorate;

/// What is said at the start, so that nobody says that he did not know.
pub(super) const WARNING: &str = "*** WARNING: cluster-compat: nothing is signed or sealed. Everybody who reaches the group reads the \
                                  configuration of this instance, reloads it and writes to its log ***";

/// See the module.
pub(super) struct Bare {
    node: compat::Node,
    actions: Vec<Action>,
}

impl Bare {
    pub(super) fn begin(hands: &Hands<'_, '_>) -> Self {
        let node = compat::Node::new(compat::Plan {
            group: hands.plan.group.to_string(),
            own: hands.own,
            hostname: hostname(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            observer: hands.plan.observer,
        });
        Self { node, actions: Vec::new() }
    }

    fn perform(action: Action, hands: &mut Hands<'_, '_>) {
        match action {
            Action::Multicast(bytes) => {
                if let Some(sockets) = &mut hands.station.sockets {
                    sockets.send_group(&bytes);
                }
            }
            // Where there is no room one is under way.
            Action::Reload => drop(hands.workshop.change(RollId::default(), Wanted::Same)),
            Action::Publish(view) => hands.instance.publish(&view, 0),
            Action::Log(line) => (hands.log)(&line),
            Action::Deliver { from, bytes } => hands.instance.deliver(&from, &bytes),
        }
    }
}

impl Heart for Bare {
    fn beat(&mut self, what: Happened, hands: &mut Hands<'_, '_>) {
        let event = match what {
            Happened::Datagram(from, datagram) => Event::Received { from, datagram },
            Happened::Outgoing(outgoing) => Event::Outgoing(outgoing),
            Happened::Load { load, address } => Event::Load { load, address },
            Happened::Config { options, .. } => Event::Config(options),
            Happened::Applied(_, Err(why)) => return (hands.log)(&format!("cluster: {why}")),
            Happened::Seeds(_) | Happened::Applied(_, Ok(())) | Happened::Leave => return,
            Happened::Tick => Event::Tick,
        };
        self.node.step(clock::monotonic(), event, &mut self.actions);
        self.actions.drain(..).for_each(|action| Self::perform(action, hands));
    }

    fn next_wake(&self) -> Millis {
        self.node.next_wake()
    }

    fn electorate(&self) -> Option<Electorate> {
        None
    }
}
