//! One rule a test, with views that are made up; then simulated load.

use super::*;
use crate::config::model::Busyness;

mod rules;
mod simulation;
mod verbose;

/// Four workers at the most and one at the least.
fn settings(algorithm: Algorithm) -> Scaling {
    Scaling { least: Some(1), initial: 1, algorithm, ..Scaling::all(4) }
}

/// Ticks of a scaler whose workers are what it made of them.
struct World {
    scaler: Scaler,
    now: Millis,
    workers: Vec<WorkerView>,
    queue: u32,
    processes: u16,
    /// Every change: when, how many then.
    log: Vec<String>,
}

impl World {
    fn new(settings: Scaling, active: u16) -> Self {
        let processes = 4;
        let scaler = Scaler::new(&settings, processes).expect("cheaper is set");
        let mut world = Self {
            scaler,
            now: Millis(1_000_000),
            workers: Vec::new(),
            queue: 0,
            processes,
            log: Vec::new(),
        };
        (0..active).for_each(|_| world.spawn());
        world
    }

    /// The lowest number that is free.
    fn spawn(&mut self) {
        let free = (1..).map(WorkerId).find(|id| self.workers.iter().all(|one| one.id != *id));
        let id = free.expect("there are more numbers than workers");
        self.workers.push(WorkerView {
            id,
            since: self.now,
            serving: true,
            busy: false,
            busy_us: 0,
            requests: 0,
            rss_bytes: 0,
        });
    }

    fn ids(&self) -> Vec<u16> {
        let mut ids: Vec<u16> = self.workers.iter().map(|worker| worker.id.0).collect();
        ids.sort_unstable();
        ids
    }

    fn active(&self) -> usize {
        self.workers.len()
    }

    fn worker(&mut self, id: u16) -> &mut WorkerView {
        let found = self.workers.iter_mut().find(|worker| worker.id == WorkerId(id));
        found.expect("the worker is there")
    }

    fn view(&self) -> View<'_> {
        View { workers: &self.workers, backlog: Some(Backlog { length: self.queue, max: 100 }) }
    }

    fn apply(&mut self, change: Change) {
        assert!(change.start == 0 || change.stop.is_empty(), "{change:?}");
        (0..change.start).for_each(|_| self.spawn());
        self.workers.retain(|worker| !change.stop.contains(&worker.id));
        self.log.extend(change.lines);
    }

    fn tick(&mut self) {
        let backlog = Some(Backlog { length: self.queue, max: 100 });
        let view = View { workers: &self.workers, backlog };
        let change = self.scaler.tick(self.now, &view);
        self.apply(change);
    }

    /// So many seconds in which the first `busy` workers run one request after the other, and a tick after each.
    fn pass(&mut self, seconds: u32, busy: usize) {
        for _ in 0..seconds {
            self.now = self.now + 1_000;
            for (position, worker) in self.workers.iter_mut().enumerate() {
                worker.busy = position < busy;
                if worker.busy {
                    worker.busy_us += 1_000_000;
                    worker.requests += 5;
                }
            }
            self.tick();
        }
    }

    fn by_hand(&mut self, delta: i32) {
        let change = by_hand(&self.view(), delta, (Some(&self.scaler), self.processes));
        self.apply(change);
    }
}
