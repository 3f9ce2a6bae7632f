//! A change that goes over all nodes, as the leader conducts it: pure.
//!
//! Nodes are changed in the order of their keys, the leader last, some at a time. Each is told, answers, and then has to show
//! itself ready with what it was told. The first that fails stops it: nobody else is told, those that are on their way are waited for, and
//! all that have (or may have) the new configuration are told to go back, one by one, the last changed first. A reload without new options
//! has nothing to go back to.
//!
//! Not here: how a node is told (a transfer), and what happens when the lead is lost: [`Roll::abandon`] ends it with a word, and nodes
//! keep what they have.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::id::{Life, Millis, NodeKey, RollId};
use crate::wire::Progress;

/// How long a node may take to reload.
pub const APPLY_MS_MAX: u64 = 120_000;
/// How long it may take to show itself ready after that.
pub const READY_MS_MAX: u64 = 30_000;
/// How long a node that is down is waited for when it is to go back.
pub const BACK_MS_MAX: u64 = 10_000;
/// Lines of progress that are kept.
const LINES_MAX: usize = 4_096;

/// How a node stands at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which process it is.
    pub life: Life,
    /// It answers.
    pub alive: bool,
    /// It has workers that serve.
    pub ready: bool,
    /// Version of its configuration.
    pub version: u64,
    /// When it told that.
    pub told: Millis,
}

/// All nodes that are known.
pub type Fleet = BTreeMap<NodeKey, Standing>;

/// A node is to be told to apply the change, or to go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Whom.
    pub to: NodeKey,
    /// Go back.
    pub undo: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Waiting,
    /// Since then, in this life.
    Told(Millis, Life),
    /// It says that it is done.
    Answered(Millis),
    Ready,
    /// It did not work, and the node has what it had before.
    Failed,
    /// It did not answer: nobody knows what it has.
    Unknown,
    /// Is to go back since then; whether it was told.
    Back(Millis, bool),
    /// Went back, or never had anything.
    Over,
    /// Could not be brought back.
    Kept,
}

/// A change on its way.
#[derive(Clone, Debug)]
pub struct Roll {
    id: RollId,
    /// Version of the new configuration; `None`: a reload.
    version: Option<u64>,
    parallel: usize,
    /// Nodes in order, with their names for people.
    order: Vec<(NodeKey, String)>,
    steps: BTreeMap<NodeKey, Step>,
    /// Nodes in the order in which they were told.
    told: Vec<NodeKey>,
    failure: Option<String>,
    progress: Progress,
}

impl Roll {
    /// A change of these nodes, in their order.
    pub fn new(
        id: RollId,
        version: Option<u64>,
        parallel: u16,
        order: Vec<(NodeKey, String)>,
    ) -> Self {
        let steps = order.iter().map(|(key, _)| (*key, Step::Waiting)).collect();
        let parallel = usize::from(parallel.max(1));
        let (told, failure, progress) = (Vec::new(), None, Progress::default());
        Self { id, version, parallel, order, steps, told, failure, progress }
    }

    /// Its number.
    pub const fn id(&self) -> RollId {
        self.id
    }

    /// How far it is.
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Whether it has ended.
    pub const fn is_over(&self) -> bool {
        self.progress.outcome.is_some()
    }

    /// A word for people.
    pub fn say(&mut self, line: String) {
        if self.progress.lines.len() < LINES_MAX {
            self.progress.lines.push(line);
        }
    }

    /// A node has answered what it was told.
    pub fn answered(&mut self, now: Millis, from: NodeKey, undo: bool, result: Result<(), String>) {
        let Some(step) = self.steps.get(&from).cloned() else { return };
        match (step, undo, result) {
            (Step::Told(..), false, Ok(())) => {
                self.steps.insert(from, Step::Answered(now));
            }
            (Step::Told(..), false, Err(why)) => self.fail(from, Step::Failed, &why),
            (Step::Back(_, true), true, Ok(())) => {
                self.steps.insert(from, Step::Over);
                self.say(format!("{}: taken back", self.name(from)));
            }
            (Step::Back(_, true), true, Err(why)) => self.keep(from, &why),
            _ => {}
        }
    }

    /// A node could not be told, or did not say that it heard: nobody knows.
    pub fn unanswered(&mut self, from: NodeKey, undo: bool, why: &str) {
        match (self.steps.get(&from), undo) {
            (Some(Step::Told(..)), false) => self.fail(from, Step::Unknown, why),
            (Some(Step::Back(_, true)), true) => self.keep(from, why),
            _ => {}
        }
    }

    /// Nothing more is done: the lead is lost.
    pub fn abandon(&mut self, why: &str) {
        if !self.is_over() {
            let reason = format!("{why}; nodes keep what they have");
            self.say(reason.clone());
            self.progress.outcome = Some(Err(reason));
        }
    }

    /// Time has passed, or nodes stand otherwise.
    pub fn tick(&mut self, now: Millis, fleet: &Fleet, out: &mut Vec<Order>) {
        if self.is_over() {
            return;
        }
        for key in self.told.clone() {
            self.look_at(now, key, fleet.get(&key));
        }
        let busy = |step: &&Step| matches!(step, Step::Told(..) | Step::Answered(_));
        let busy = self.steps.values().filter(busy).count();
        if self.failure.is_none() {
            self.go_on(now, busy, fleet, out);
        } else if busy == 0 {
            self.go_back(now, fleet, out);
        }
    }

    /// A node that was told may have become ready, or late, or is gone.
    fn look_at(&mut self, now: Millis, key: NodeKey, standing: Option<&Standing>) {
        let alive = standing.is_some_and(|standing| standing.alive);
        match self.steps.get(&key) {
            Some(Step::Told(..) | Step::Answered(_)) if !alive => {
                self.fail(key, Step::Unknown, "it is down");
            }
            Some(Step::Told(_, life)) if standing.is_some_and(|now| now.life != *life) => {
                self.fail(key, Step::Unknown, "its process was replaced");
            }
            Some(Step::Told(since, _)) if now - since >= APPLY_MS_MAX => {
                let why = format!("no answer within {} s", APPLY_MS_MAX / 1_000);
                self.fail(key, Step::Unknown, &why);
            }
            Some(Step::Answered(since)) => {
                let since = *since;
                let ready = standing.is_some_and(|standing| {
                    let wanted = self.version.is_none_or(|version| version == standing.version);
                    standing.ready && wanted && standing.told >= since
                });
                if ready {
                    self.steps.insert(key, Step::Ready);
                    self.say(format!("{}: ready", self.name(key)));
                } else if now - since >= READY_MS_MAX {
                    let why = format!("not ready within {} s", READY_MS_MAX / 1_000);
                    self.fail(key, Step::Unknown, &why);
                }
            }
            _ => {}
        }
    }

    fn go_on(&mut self, now: Millis, mut busy: usize, fleet: &Fleet, out: &mut Vec<Order>) {
        for (to, name) in self.order.clone() {
            if busy >= self.parallel {
                return;
            }
            if self.steps.get(&to) != Some(&Step::Waiting) {
                continue;
            }
            if let Some(standing) = fleet.get(&to).filter(|standing| standing.alive) {
                self.steps.insert(to, Step::Told(now, standing.life));
                self.told.push(to);
                self.say(format!("{name}: told"));
                out.push(Order { to, undo: false });
                busy += 1;
            } else {
                self.steps.insert(to, Step::Over);
                self.say(format!("{name}: left out, it is down"));
            }
        }
        if busy == 0 {
            let count = self.steps.values().filter(|step| **step == Step::Ready).count();
            self.say(format!("done: {count} nodes"));
            self.progress.outcome = Some(Ok(()));
        }
    }

    /// One node at a time goes back, the last that was told first.
    fn go_back(&mut self, now: Millis, fleet: &Fleet, out: &mut Vec<Order>) {
        let changed = |step: Option<&Step>| {
            matches!(step, Some(Step::Ready | Step::Unknown | Step::Back(..)))
        };
        while let Some(to) =
            self.told.iter().rev().find(|key| changed(self.steps.get(key))).copied()
        {
            if self.version.is_none() {
                self.steps.insert(to, Step::Over);
                continue;
            }
            let alive = fleet.get(&to).is_some_and(|standing| standing.alive);
            match self.steps.get(&to) {
                Some(Step::Back(since, true)) if now - since >= APPLY_MS_MAX => {
                    self.keep(to, "no answer");
                }
                Some(Step::Back(since, _)) if !alive && now - since >= BACK_MS_MAX => {
                    self.keep(to, "it is down");
                }
                Some(Step::Back(_, true)) => return,
                Some(Step::Back(..)) if !alive => return,
                Some(Step::Back(..)) => {
                    self.steps.insert(to, Step::Back(now, true));
                    out.push(Order { to, undo: true });
                    return;
                }
                _ => {
                    self.steps.insert(to, Step::Back(now, false));
                    self.say(format!("{}: to be taken back", self.name(to)));
                }
            }
        }
        self.end();
    }

    fn end(&mut self) {
        let mut reason = self.failure.clone().unwrap_or_default();
        let kept = self.order.iter().filter(|(key, _)| self.steps.get(key) == Some(&Step::Kept));
        let kept: Vec<_> = kept.map(|(_, name)| name.as_str()).collect();
        if !kept.is_empty() {
            reason = format!("{reason}; not taken back: {}", kept.join(", "));
        } else if self.version.is_some() {
            reason = format!("{reason}; all nodes have what they had before");
        }
        self.say(reason.clone());
        self.progress.outcome = Some(Err(reason));
    }

    fn fail(&mut self, key: NodeKey, step: Step, why: &str) {
        self.steps.insert(key, step);
        let line = format!("{}: failed, {why}", self.name(key));
        self.failure.get_or_insert_with(|| line.clone());
        self.say(line);
    }

    fn keep(&mut self, key: NodeKey, why: &str) {
        self.steps.insert(key, Step::Kept);
        self.say(format!("{}: not taken back, {why}", self.name(key)));
    }

    fn name(&self, key: NodeKey) -> String {
        let found = self.order.iter().find(|(other, _)| *other == key);
        found.map_or_else(|| key.to_string(), |(_, name)| name.clone())
    }
}
