//! How many workers run, pure: once a tick from what they did and how many connections wait (`cheaper`, behaviour
//! note 3.3).
//!
//! Four algorithms, a file each, say whether there is too much or too little to do; this file keeps to the bounds
//! (`cheaper`, `processes`, memory) and says who stops: the worker with the oldest process among those without a request.
//!
//! Unlike uWSGI's, none of them swings at a load that stays the same: a worker is only stopped where what the workers did
//! lately fits into the others, so that it is not started again at once, and where that was misjudged it
//! is not tried again before the load is less (`regret`). And no command goes below `cheaper`, where nobody would serve.
//!
//! The supervisor owns this and does what it says; nothing here knows of processes, generations or sockets.

mod backlog;
mod busyness;
mod by_hand;
mod idle;
mod load;
mod regret;
mod spare;
#[cfg(test)]
mod tests;

use uwsgi_plugin_api::WorkerId;

pub(super) use self::by_hand::by_hand;
pub(super) use self::idle::Idle;
use self::load::Load;
use self::regret::Regret;
use super::{Backlog, Millis, milliseconds};
use crate::config::model::{Algorithm, Scaling};

/// A worker that is wanted, as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WorkerView {
    pub(super) id: WorkerId,
    /// When its process was spawned.
    pub(super) since: Millis,
    /// It serves; others boot, or wait for the end of a throttle.
    pub(super) serving: bool,
    /// A request runs.
    pub(super) busy: bool,
    /// Time in requests over the life of its process, those that run included; microseconds, of all threads.
    pub(super) busy_us: u64,
    /// Requests that its process completed.
    pub(super) requests: u64,
    /// Resident memory; 0 where no limit asks for it.
    pub(super) rss_bytes: u64,
}

/// What can be seen at a tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// All workers that are wanted.
    pub(super) workers: &'a [WorkerView],
    /// Connections that wait at all listeners; `None` where the kernel does not say it.
    pub(super) backlog: Option<Backlog>,
}

/// What is to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// So many workers more.
    pub(super) start: u16,
    /// These workers less.
    pub(super) stop: Vec<WorkerId>,
    /// For the log.
    pub(super) lines: Vec<String>,
}

/// What an algorithm looks at.
struct Situation<'a> {
    now: Millis,
    workers: &'a [WorkerView],
    load: &'a Load,
    regret: &'a Regret,
    /// Connections that wait.
    queue: Option<u32>,
    /// From and to how many workers.
    least: u16,
    most: u16,
}

impl Situation<'_> {
    fn active(&self) -> u16 {
        self.workers.len() as u16
    }

    /// Workers without a request. One that boots is about to be one.
    fn idle(&self) -> u16 {
        self.workers.iter().filter(|worker| !worker.busy).count() as u16
    }

    /// Whether one worker less could be enough: there is room, and it was not tried in vain.
    fn may_stop(&self, has_room: impl Fn(&Load, u16) -> bool) -> bool {
        let left = self.active().saturating_sub(1);
        has_room(self.load, left) && self.regret.allows(left)
    }

    /// What was started last has no effect yet.
    fn boots(&self) -> bool {
        self.workers.iter().any(|worker| !worker.serving)
    }
}

/// What an algorithm wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Nothing,
    Start(u16),
    StopOne,
}

#[derive(Debug)]
enum Judge {
    Spare(spare::Spare),
    Backlog(backlog::Queue),
    Busyness(Box<busyness::Busyness>),
    Manual,
}

impl Judge {
    fn new(settings: &Scaling) -> Self {
        match settings.algorithm {
            Algorithm::Spare => Self::Spare(spare::Spare::new(settings)),
            Algorithm::Backlog => Self::Backlog(backlog::Queue::new(settings)),
            Algorithm::Busyness => Self::Busyness(Box::new(busyness::Busyness::new(settings))),
            Algorithm::Manual => Self::Manual,
        }
    }

    fn tick(&mut self, situation: &Situation<'_>, lines: &mut Vec<String>) -> Wish {
        match self {
            Self::Spare(spare) => spare.tick(situation),
            Self::Backlog(queue) => queue.tick(situation),
            Self::Busyness(busyness) => busyness.tick(situation, lines),
            Self::Manual => Wish::Nothing,
        }
    }

    /// Whether what the workers did lately fits into so many of them, by this algorithm's measure.
    fn has_room(&self, load: &Load, workers: u16) -> bool {
        match self {
            Self::Spare(_) => spare::has_room(load, workers),
            Self::Backlog(_) => backlog::has_room(load, workers),
            Self::Busyness(busyness) => busyness.has_room(load, workers),
            Self::Manual => false,
        }
    }
}

/// Says once a tick how many workers are to run; only with `cheaper`.
#[derive(Debug)]
pub(super) struct Scaler {
    settings: Scaling,
    least: u16,
    most: u16,
    judge: Judge,
    load: Load,
    regret: Regret,
}

impl Scaler {
    /// For `processes` workers at the most. `None` where all of them always run.
    pub(super) fn new(settings: &Scaling, processes: u16) -> Option<Self> {
        let least = settings.least?.clamp(1, processes.max(1));
        Some(Self {
            settings: *settings,
            least,
            most: processes.max(least),
            judge: Judge::new(settings),
            load: Load::new(settings.overload),
            regret: Regret::default(),
        })
    }

    /// What is said at the start.
    pub(super) fn greeting(&self) -> Vec<String> {
        match self.judge {
            Judge::Busyness(_) => busyness::Busyness::greeting(&self.settings),
            _ => Vec::new(),
        }
    }

    /// Whether connections that wait matter.
    pub(super) fn asks_for_backlog(&self) -> bool {
        matches!(self.judge, Judge::Backlog(_) | Judge::Busyness(_))
    }

    pub(super) fn least(&self) -> u16 {
        self.least
    }

    /// So many workers may run by their number and their memory.
    pub(super) fn most(&self, workers: &[WorkerView]) -> u16 {
        let rss: u64 = workers.iter().map(|worker| worker.rss_bytes).sum();
        let active = workers.len() as u16;
        // One more of the same size must not be what the hard limit stops again.
        let next = rss.saturating_add(rss / u64::from(active.max(1)));
        let full = self.settings.rss_soft_bytes.is_some_and(|soft| rss >= soft)
            || self.settings.rss_hard_bytes.is_some_and(|hard| next > hard);
        if full { active.clamp(self.least, self.most) } else { self.most }
    }

    /// Once a second.
    pub(super) fn tick(&mut self, now: Millis, view: &View<'_>) -> Change {
        self.load.update(now, view.workers);
        self.regret.tick(self.load.long_permille());
        let active = view.workers.len() as u16;
        let mut change = Change::default();
        if active < self.least {
            change.start = self.least - active;
            return change;
        }
        if active > self.least && self.is_over_hard_limit(view.workers) {
            change.lines.push(format!(
                "cheaper hard rss memory limit exceeded, cheap one of {active} workers"
            ));
            change.stop.extend(oldest(view.workers, false).or_else(|| oldest(view.workers, true)));
            return change;
        }
        let situation = Situation {
            now,
            workers: view.workers,
            load: &self.load,
            regret: &self.regret,
            queue: view.backlog.map(|backlog| backlog.length),
            least: self.least,
            most: self.most(view.workers),
        };
        match self.judge.tick(&situation, &mut change.lines) {
            Wish::Start(count) => change.start = count.min(situation.most.saturating_sub(active)),
            Wish::StopOne => change.stop.extend(oldest(view.workers, false)),
            Wish::Nothing => change.stop.extend(self.long_idle(&situation)),
        }
        self.remember(active, &change);
        change
    }

    fn remember(&mut self, active: u16, change: &Change) {
        let load = self.load.long_permille();
        if change.start > 0 {
            self.regret.on_start(active, load);
        } else if !change.stop.is_empty() {
            self.regret.on_stop(load);
        }
    }

    /// People changed the number of workers.
    pub(super) fn overruled(&mut self) {
        self.regret.forget();
    }

    fn is_over_hard_limit(&self, workers: &[WorkerView]) -> bool {
        let rss: u64 = workers.iter().map(|worker| worker.rss_bytes).sum();
        self.settings.rss_hard_bytes.is_some_and(|hard| rss > hard)
    }

    /// `cheaper-idle`: a worker more than the least that did nothing for so long, where it is not the reserve.
    fn long_idle(&self, situation: &Situation<'_>) -> Option<WorkerId> {
        let limit_ms = self.settings.surplus_idle.map(milliseconds)?;
        if situation.active() <= situation.least {
            return None;
        }
        let by_hand = matches!(self.judge, Judge::Manual);
        if !by_hand && !situation.may_stop(|load, workers| self.judge.has_room(load, workers)) {
            return None;
        }
        let long = |worker: &&WorkerView| {
            !worker.busy && worker.serving && self.load.idle_ms(situation.now, worker) >= limit_ms
        };
        let idle: Vec<WorkerView> = situation.workers.iter().filter(long).copied().collect();
        oldest(&idle, false)
    }
}

/// The worker with the oldest process, of those without a request or, `even_busy`, of all.
fn oldest(workers: &[WorkerView], even_busy: bool) -> Option<WorkerId> {
    let may = |worker: &&WorkerView| even_busy || !worker.busy;
    workers.iter().filter(may).min_by_key(|worker| (worker.since, worker.id)).map(|one| one.id)
}
