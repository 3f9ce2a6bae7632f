//! The number of workers is made to follow what people and the scaling machine say; no workers while nobody needs them.

use std::time::Duration;

use super::decisions::{Phase, TICK_MS};
use super::scaling::{Idle, Scaler, View, WorkerView, by_hand};
use super::wanted::Wanted;
use super::{Action, Cores, Millis, Settings, Supervisor, lines};
use crate::config::model::Scaling;

/// Changes of mind of people between two ticks that are kept apart.
const ASKED_MAX: usize = 64;

/// What is known of the number of workers.
#[derive(Debug)]
pub(super) struct Scale {
    scaler: Option<Scaler>,
    idle: Option<Idle>,
    /// When they are asked next.
    next: Millis,
    /// Workers more or fewer that people have asked for since the last tick, one after the other.
    by_hand: Vec<i32>,
    /// No workers until the next connection, which the master waits for.
    pub(super) asleep: bool,
}

impl Scale {
    pub(super) fn new(settings: &Settings, now: Millis) -> Self {
        let scaling = &settings.scaling;
        Self {
            scaler: Scaler::new(scaling, settings.workers),
            idle: scaling.idle.map(Idle::new),
            next: now + TICK_MS,
            by_hand: Vec::new(),
            asleep: scaling.cheap,
        }
    }

    pub(super) fn resume(settings: &Settings, asleep: bool, now: Millis) -> Self {
        Self { asleep, ..Self::new(settings, now) }
    }

    /// Who is wanted at the start.
    pub(super) fn initial(settings: &Settings) -> Wanted {
        let Scaling { least, initial, cheap, .. } = settings.scaling;
        let count = match (cheap, least) {
            (true, _) => 0,
            (false, None) => settings.workers,
            (false, Some(_)) => initial,
        };
        Wanted::first(count, settings.workers)
    }

    pub(super) fn greeting(&self) -> Vec<String> {
        self.scaler.as_ref().map(Scaler::greeting).unwrap_or_default()
    }

    /// When there is something to decide; `None` where nobody decides.
    pub(super) fn wake(&self) -> Option<Millis> {
        let decides = self.scaler.is_some() || self.idle.is_some();
        (decides && !self.asleep).then_some(self.next)
    }

    /// Three fewer and one more are not two fewer where there is only one.
    fn ask(&mut self, delta: i32) {
        let full = self.by_hand.len() >= ASKED_MAX;
        match self.by_hand.last_mut() {
            Some(last) if full || last.signum() == delta.signum() => {
                *last = last.saturating_add(delta);
            }
            _ => self.by_hand.push(delta),
        }
    }

    /// The number of workers follows the load.
    pub(super) fn is_automatic(&self) -> bool {
        self.scaler.is_some()
    }
}

impl Supervisor {
    /// No workers run, and the next connection is waited for.
    pub fn is_asleep(&self) -> bool {
        self.scale.asleep
    }

    /// Workers more or fewer; at the next tick, which is now, because then it is seen who is busy.
    pub(super) fn change_by_hand(&mut self, delta: i32, now: Millis) {
        if self.phase == Phase::Serving {
            self.scale.ask(delta);
            self.next_tick = now;
        }
    }

    pub(super) fn tick_scale(&mut self, cores: &dyn Cores, now: Millis, actions: &mut Vec<Action>) {
        let by_hand = std::mem::take(&mut self.scale.by_hand);
        if self.phase != Phase::Serving {
            return;
        }
        for delta in by_hand {
            self.obey_hand(delta, (cores, now), actions);
        }
        if self.scale.next > now {
            return;
        }
        self.scale.next = now + TICK_MS;
        // While a reload goes on, two processes of a worker are there, and neither says what one alone would.
        if !self.wanted.is_none() && !self.paused && !self.reload.is_running() {
            self.follow_load((cores, now), actions);
            self.rest_when_idle((cores, now), actions);
        }
    }

    fn obey_hand(
        &mut self,
        delta: i32,
        (cores, now): (&dyn Cores, Millis),
        actions: &mut Vec<Action>,
    ) {
        let workers = self.views(cores, now);
        let view = View { workers: &workers, backlog: None };
        let change = by_hand(&view, delta, (self.scale.scaler.as_ref(), self.posts.len() as u16));
        if let Some(scaler) = &mut self.scale.scaler {
            scaler.overruled();
        }
        let mut wanted = self.wanted.clone();
        wanted.add(change.start);
        wanted.remove(&change.stop);
        actions.extend(change.lines.into_iter().map(Action::Log));
        self.want(wanted, actions);
    }

    /// Other workers, because people want it.
    pub(super) fn want(&mut self, wanted: Wanted, actions: &mut Vec<Action>) {
        if self.phase != Phase::Serving || wanted == self.wanted {
            return;
        }
        actions.push(Action::Log(lines::wanted(self.wanted.count(), wanted.count())));
        self.wanted = wanted;
        if !self.wanted.is_none() {
            self.end_sleep(actions);
        }
    }

    fn follow_load(&mut self, (cores, now): (&dyn Cores, Millis), actions: &mut Vec<Action>) {
        if self.scale.scaler.is_none() {
            return;
        }
        let workers = self.views(cores, now);
        let Some(scaler) = &mut self.scale.scaler else { return };
        let backlog = if scaler.asks_for_backlog() { cores.backlog() } else { None };
        let change = scaler.tick(now, &View { workers: &workers, backlog });
        actions.extend(change.lines.into_iter().map(Action::Log));
        self.wanted.add(change.start);
        self.wanted.remove(&change.stop);
    }

    fn rest_when_idle(&mut self, (cores, now): (&dyn Cores, Millis), actions: &mut Vec<Action>) {
        if self.scale.idle.is_none() {
            return;
        }
        let workers = self.views(cores, now);
        let Some(idle) = &mut self.scale.idle else { return };
        if !idle.tick(now, &workers) {
            return;
        }
        actions.push(Action::Log(lines::inactive(idle.seconds())));
        if self.settings.scaling.dies_gently {
            return self.stop_gracefully(now, actions);
        }
        if self.settings.scaling.die_on_idle {
            return self.stop(0, now, actions);
        }
        self.sleep(actions);
    }

    /// As at the start: `processes`, or `cheaper`.
    pub(super) fn usual(&self) -> Wanted {
        let workers = self.posts.len() as u16;
        let count = self.scale.scaler.as_ref().map_or(workers, Scaler::least);
        Wanted::first(count, workers)
    }

    pub(super) fn go_cheap(&mut self, actions: &mut Vec<Action>) {
        if self.phase == Phase::Serving && !self.scale.asleep {
            actions.push(Action::Log(lines::GO_CHEAP.to_owned()));
            self.sleep(actions);
        }
    }

    /// No workers until the next connection.
    fn sleep(&mut self, actions: &mut Vec<Action>) {
        if self.phase == Phase::Serving {
            self.wanted = Wanted::first(0, self.posts.len() as u16);
            self.begin_sleep(actions);
        }
    }

    /// Nobody is wanted: whoever connects is heard by the master.
    pub(super) fn begin_sleep(&mut self, actions: &mut Vec<Action>) {
        self.scale.asleep = true;
        actions.push(Action::Log(lines::CHEAP.to_owned()));
        actions.push(Action::WatchListeners(true));
    }

    /// Nobody waits for a connection any more, because workers do, or because nobody is to.
    pub(super) fn end_sleep(&mut self, actions: &mut Vec<Action>) {
        if std::mem::take(&mut self.scale.asleep) {
            actions.push(Action::WatchListeners(false));
        }
    }

    /// Somebody has connected while nobody serves.
    pub(super) fn on_connection(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if self.phase != Phase::Serving || !self.scale.asleep {
            return;
        }
        self.end_sleep(actions);
        self.scale.next = now + TICK_MS;
        self.wanted = self.usual();
    }

    fn views(&self, cores: &dyn Cores, now: Millis) -> Vec<WorkerView> {
        let scaling = &self.settings.scaling;
        let weighs = scaling.rss_soft_bytes.is_some() || scaling.rss_hard_bytes.is_some();
        let mut views = Vec::new();
        for id in self.wanted.workers() {
            let process = self.fleet.serving(id);
            let booting = self.fleet.booting(id, self.target);
            let work = process.map(|process| cores.work(process.seat, now)).unwrap_or_default();
            let pid = process.and_then(|process| process.pid).filter(|_| weighs);
            views.push(WorkerView {
                id,
                since: process.or(booting).map_or(now, |process| process.spawned),
                serving: process.is_some(),
                busy: work.busy,
                busy_us: work.busy_us,
                requests: work.requests,
                rss_bytes: pid.map_or(0, |pid| cores.memory(pid).0),
            });
        }
        views
    }
}

/// What a worker process has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// A request runs.
    pub busy: bool,
    /// Time in requests, of all threads, requests that run included; microseconds.
    pub busy_us: u64,
    /// Requests that are over.
    pub requests: u64,
}

impl Work {
    /// With a request that runs for so long already.
    pub fn running(self, for_so_long: Duration) -> Self {
        let micros = u64::try_from(for_so_long.as_micros()).unwrap_or(u64::MAX);
        Self { busy: true, busy_us: self.busy_us.saturating_add(micros), ..self }
    }
}
