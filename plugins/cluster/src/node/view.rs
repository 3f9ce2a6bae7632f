//! The cluster as this node sees it: for its instance, for who asks, for the log.

use std::collections::BTreeSet;

use uwsgi_plugin_api::cluster::{ClusterNode, ClusterView, NodeState};

use super::{Action, Known, Node};
use crate::id::{Member, Millis, NodeKey};
use crate::membership::Membership;

/// A view is shown so often at least.
const SHOW_MS: u64 = 1_000;
/// Between two looks for nodes that run another configuration.
const DIFFERS_MS: u64 = 1_000;
/// A node is named in the log without its name when it did not tell it for so long.
const NAMELESS_MS: u64 = 2_000;
/// Bits of an incarnation for suspicions that were answered; the epoch lies above them.
const INCARNATION_BITS: u32 = 16;

impl Node {
    /// Shows the view and says what has changed, where it is time.
    pub(super) fn show(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let leads_until = self.election.leads_until(now).unwrap_or(0);
        let due = now >= self.clock.publish || self.clock.changed.is_some_and(|at| at <= now);
        if !due && leads_until == self.shown_until {
            return;
        }
        self.clock.changed = None;
        self.clock.publish = now + SHOW_MS;
        self.shown_until = leads_until;
        self.say_states(now, actions);
        self.say_differences(now, actions);
        let view = Box::new(self.view(now));
        actions.push(Action::Publish { view, leads_until });
    }

    /// The view of this moment.
    pub(super) fn view(&self, now: Millis) -> ClusterView {
        let leader = self.election.leader(now);
        let others = self.membership.members().filter_map(|(member, state, incarnation)| {
            let known = self.nodes.get(&member.key)?;
            let state = state_of(known, state);
            // Of a node that was down before it could say who it is there is nothing to show.
            (known.about.is_some() || state != NodeState::Down)
                .then(|| shown(now, (member, incarnation), state, known))
        });
        let mut nodes: Vec<_> = others.chain([self.own_node()]).collect();
        // Who has a vote and was not there since this node started: it is missed, and may be forgotten.
        let voters = &self.election.electorate().voters;
        let shown: BTreeSet<_> = nodes.iter().map(|node| node.endpoint).collect();
        let silent_ms = now.saturating_sub(self.started.unwrap_or(now));
        let missing = |key: &NodeKey| ClusterNode { silent_ms, ..ClusterNode::unknown(*key) };
        nodes.extend(voters.difference(&shown).map(missing));
        nodes.sort_unstable_by_key(|node| node.endpoint);
        for node in &mut nodes {
            node.leader = Some(node.endpoint) == leader;
        }
        ClusterView {
            group: self.plan.group.clone(),
            nodes,
            voters: u32::try_from(self.election.electorate().voters.len()).unwrap_or(u32::MAX),
            quorum: u32::try_from(self.election.needed()).unwrap_or(u32::MAX),
            refused: self.refused,
        }
    }

    fn own_node(&self) -> ClusterNode {
        let member = self.membership.own();
        let state = match (self.clock.left, self.about.draining) {
            (Some(_), _) => NodeState::Left,
            (None, true) => NodeState::Draining,
            (None, false) => NodeState::Alive,
        };
        let known = Known { about: Some(self.about.clone()), ..Known::new(0, member.life) };
        ClusterNode { own: true, silent_ms: 0, ..shown(0, (member, 0), state, &known) }
    }

    /// A node's name for people: its host and where it speaks.
    pub(super) fn name(&self, key: NodeKey) -> String {
        let about = if key == self.plan.member.key {
            Some(&self.about)
        } else {
            self.nodes.get(&key).and_then(|known| known.about.as_ref())
        };
        let hostname = about.map(|about| about.hostname.as_str()).filter(|name| !name.is_empty());
        hostname.map_or_else(|| key.to_string(), |hostname| format!("{hostname} ({key})"))
    }

    fn say_states(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let mut lines = Vec::new();
        for (member, state, _) in self.membership.members() {
            let Some(known) = self.nodes.get(&member.key) else { continue };
            let state = state_of(known, state);
            let named = known.about.as_ref().is_some_and(|about| about.member.life == member.life);
            let nameless = !named && now.saturating_sub(known.heard) < NAMELESS_MS;
            let quiet = known.said.is_none() && matches!(state, NodeState::Down | NodeState::Left);
            let said = Some((state, member.life));
            if state == NodeState::Suspect || nameless || quiet || known.said == said {
                continue;
            }
            let again = known.said.is_some_and(|(_, life)| life != member.life);
            let word = match state {
                NodeState::Alive if again => "is up again, restarted",
                NodeState::Alive if matches!(known.said, Some((NodeState::Draining, _))) => {
                    "takes requests again"
                }
                NodeState::Alive => "is up",
                NodeState::Draining => "is draining",
                NodeState::Left => "has left",
                _ => "is down",
            };
            lines.push((member.key, said, format!("cluster: {} {word}", self.name(member.key))));
        }
        for (key, said, line) in lines {
            if let Some(known) = self.nodes.get_mut(&key) {
                known.said = said;
            }
            self.log(now, line, actions);
        }
    }

    /// The leader says once which nodes run another configuration than itself; not while a change is on its way.
    fn say_differences(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let leads = self.election.leads_until(now).is_some();
        if !leads || self.rolling.is_some() || now < self.clock.differs || self.options.is_none() {
            return;
        }
        self.clock.differs = now + DIFFERS_MS;
        let own = self.about.config.hash;
        let mut lines = Vec::new();
        for member in self.alive().collect::<Vec<_>>() {
            let name = self.name(member.key);
            let Some(known) = self.nodes.get_mut(&member.key) else { continue };
            let Some(about) = &known.about else { continue };
            let (hash, ready) = (about.config.hash, about.load.is_some());
            if hash == own {
                known.differs = None;
            } else if ready
                && hash != 0
                && known.differs != Some((own, hash))
                && !known.is_observer()
            {
                known.differs = Some((own, hash));
                lines.push(format!("cluster: {name} runs another configuration than this node"));
            }
        }
        for line in lines {
            self.log(now, line, actions);
        }
    }

    /// Nodes that are down for long are forgotten.
    pub(super) fn forget_old(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let forget_ms = self.plan.forget_ms;
        let old = self.nodes.iter().find(|(_, known)| {
            known.down_since.is_some_and(|since| now.saturating_sub(since) >= forget_ms)
        });
        if let Some(key) = old.map(|(key, _)| *key) {
            self.drop_node(now, key, actions);
        }
    }

    pub(super) fn drop_node(&mut self, now: Millis, key: NodeKey, actions: &mut Vec<Action>) {
        let name = self.name(key);
        if self.nodes.remove(&key).is_some() {
            self.log(now, format!("cluster: {name} is forgotten"), actions);
        }
        self.with_membership(now, actions, |membership: &mut Membership, now, out| {
            membership.forget(now, key, out);
        });
        self.clock.changed.get_or_insert(now);
    }
}

fn state_of(known: &Known, state: foca::State) -> NodeState {
    match state {
        _ if known.has_left() => NodeState::Left,
        foca::State::Down => NodeState::Down,
        foca::State::Suspect => NodeState::Suspect,
        foca::State::Alive if known.is_draining() => NodeState::Draining,
        foca::State::Alive => NodeState::Alive,
    }
}

fn shown(
    now: Millis,
    (member, incarnation): (Member, u16),
    state: NodeState,
    known: &Known,
) -> ClusterNode {
    let about = known.about.as_ref();
    let text = |text: fn(&crate::wire::About) -> &String| about.map(text).cloned();
    ClusterNode {
        hostname: text(|about| &about.hostname).unwrap_or_default(),
        address: text(|about| &about.address).unwrap_or_default(),
        endpoint: member.key,
        state,
        incarnation: (member.epoch << INCARNATION_BITS) | u64::from(incarnation),
        load: about.and_then(|about| about.load).unwrap_or_default(),
        version: text(|about| &about.version).unwrap_or_default(),
        config: about.map(|about| about.config).unwrap_or_default(),
        silent_ms: now.saturating_sub(known.heard),
        observer: known.is_observer(),
        own: false,
        leader: false,
    }
}
