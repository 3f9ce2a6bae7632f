//! A change over all nodes at the node that leads: who is told is told by transfers, what comes back goes to [`Roll`].

use std::collections::HashMap;

use uwsgi_plugin_api::cluster::Options;

use super::{Action, Node, Wanted};
use crate::id::{Millis, NodeKey, RollId, TransferId};
use crate::roll::{Fleet, Order, Roll, Standing};
use crate::wire::{Blob, Reply, Request};

/// Between two looks at a change.
const LOOK_MS: u64 = 200;
/// Changes that have ended and are remembered.
const PAST_MAX: usize = 8;

/// The change that this node conducts.
#[derive(Debug)]
pub(super) struct Rolling {
    roll: Roll,
    config: Option<(u64, Options)>,
    /// Requests whose answers are awaited: to whom, and whether it was the way back.
    asked: HashMap<TransferId, (NodeKey, bool)>,
    /// Lines of progress that are in the log.
    logged: usize,
    pub(super) next_look: Millis,
}

impl Node {
    pub(super) fn begin_roll(
        &mut self,
        now: Millis,
        config: Option<Options>,
        parallel: u16,
        actions: &mut Vec<Action>,
    ) -> Reply {
        if self.election.leads_until(now).is_none() {
            return Reply::Failed(self.who_leads(now));
        }
        if let Some(rolling) = &self.rolling {
            return Reply::Failed(format!("change {} is on its way", rolling.roll.id().0));
        }
        let version = self.unix_version(now);
        let config = config.map(|options| (version, options));
        let own = self.plan.member.key;
        let others = self.nodes.iter().filter(|(_, known)| {
            known.about.is_some() && !known.is_observer() && !known.has_left()
        });
        let mut order: Vec<_> = others.map(|(key, _)| (*key, self.name(*key))).collect();
        order.push((own, self.name(own)));
        let count = order.len();
        let changes = config.as_ref().map(|(version, _)| *version);
        let id = RollId(version);
        let mut roll = Roll::new(id, changes, parallel, order);
        let observers = self.nodes.values().filter(|known| known.is_observer()).count();
        if observers > 0 {
            roll.say(format!("{observers} nodes only look on and are left out"));
        }
        let what = if config.is_some() { "a configuration" } else { "a reload" };
        self.log(now, format!("cluster: change {version}: {what} for {count} nodes"), actions);
        let (asked, logged) = (HashMap::new(), 0);
        self.rolling = Some(Rolling { roll, config, asked, logged, next_look: now });
        Reply::Rolling { roll: version }
    }

    pub(super) fn progress(&self, id: RollId) -> Reply {
        match &self.rolling {
            Some(rolling) if rolling.roll.id() == id => {
                return Reply::Progress(rolling.roll.progress().clone());
            }
            _ => {}
        }
        match self.past.iter().find(|(past, _)| *past == id) {
            Some((_, progress)) => Reply::Progress(progress.clone()),
            None => Reply::Failed(format!("change {} is not known here", id.0)),
        }
    }

    /// Goes on with the change on its way.
    pub(super) fn conduct(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let Some(next_look) = self.rolling.as_ref().map(|rolling| rolling.next_look) else {
            return;
        };
        let leads = self.election.leads_until(now).is_some();
        if now < next_look && leads {
            return;
        }
        let fleet = self.fleet(now);
        let Some(mut rolling) = self.rolling.take() else { return };
        rolling.next_look = now + LOOK_MS;
        let mut orders = Vec::new();
        if leads {
            rolling.roll.tick(now, &fleet, &mut orders);
        } else {
            rolling.roll.abandon("this node leads no more");
        }
        let id = rolling.roll.id();
        for line in rolling.roll.progress().lines.iter().skip(rolling.logged) {
            self.log(now, format!("cluster: change {}: {line}", id.0), actions);
        }
        rolling.logged = rolling.roll.progress().lines.len();
        if rolling.roll.is_over() {
            self.past.push_front((id, rolling.roll.progress().clone()));
            self.past.truncate(PAST_MAX);
        } else {
            self.rolling = Some(rolling);
            for order in orders {
                self.order(now, order, actions);
            }
        }
    }

    fn order(&mut self, now: Millis, order: Order, actions: &mut Vec<Action>) {
        let Order { to, undo } = order;
        let Some(rolling) = &mut self.rolling else { return };
        let id = rolling.roll.id();
        let config = match undo {
            false => rolling.config.clone(),
            // What this node still has, for who has lost what was before.
            true => {
                let version = self.about.config.version;
                let options = self.options.clone().filter(|_| version != id.0);
                options.map(|options| (version, options))
            }
        };
        if to == self.plan.member.key {
            let wanted =
                config.map_or(Wanted::Same, |(version, options)| Wanted::These(version, options));
            return self.ordered(now, id, (wanted, undo), None, actions);
        }
        let Some(peer) = self.membership.held(to).map(|(member, _)| member.into()) else {
            return self.told_result(now, (id, undo), to, Err("it is not known".into()));
        };
        let request = Request::Apply { roll: id.0, config, undo }.to_bytes();
        let number = self.transfers.start(now, peer, Blob::Request, request);
        rolling.asked.insert(number, (to, undo));
    }

    /// An answer to a request of this node's came.
    pub(super) fn replied(&mut self, now: Millis, to: TransferId, from: NodeKey, bytes: &[u8]) {
        let Some(rolling) = &mut self.rolling else { return };
        let Some((key, undo)) = rolling.asked.get(&to).copied().filter(|(key, _)| *key == from)
        else {
            return;
        };
        rolling.asked.remove(&to);
        let result = match Reply::from_bytes(bytes) {
            Ok(Reply::Done) => Ok(()),
            Ok(Reply::Failed(why)) => Err(why),
            Ok(_) | Err(_) => Err("it answers something else".to_owned()),
        };
        let id = rolling.roll.id();
        self.told_result(now, (id, undo), key, result);
    }

    /// A request could not be brought to a node, as far as is known.
    pub(super) fn unsent(&mut self, now: Millis, transfer: TransferId, to: NodeKey, why: &str) {
        let Some(rolling) = &mut self.rolling else { return };
        if let Some((key, undo)) = rolling.asked.remove(&transfer)
            && key == to
        {
            rolling.roll.unanswered(key, undo, why);
            rolling.next_look = now;
        }
    }

    pub(super) fn told_result(
        &mut self,
        now: Millis,
        (id, undo): (RollId, bool),
        from: NodeKey,
        result: Result<(), String>,
    ) {
        match &mut self.rolling {
            Some(rolling) if rolling.roll.id() == id => {
                rolling.roll.answered(now, from, undo, result);
                rolling.next_look = now;
            }
            _ => {}
        }
    }

    fn fleet(&self, now: Millis) -> Fleet {
        let mut fleet = Fleet::new();
        for (member, state, _) in self.membership.members() {
            let Some(known) = self.nodes.get(&member.key) else { continue };
            let Some(about) = &known.about else { continue };
            let alive = state != foca::State::Down && !known.has_left();
            let (ready, version) = (about.load.is_some(), about.config.version);
            fleet.insert(
                member.key,
                Standing { life: member.life, alive, ready, version, told: known.told },
            );
        }
        let (ready, version) = (self.about.load.is_some(), self.about.config.version);
        let life = self.plan.member.life;
        let own = Standing { life, alive: true, ready, version, told: now };
        fleet.insert(self.plan.member.key, own);
        fleet
    }
}
