//! What the workers did lately.

use std::collections::{HashMap, VecDeque};

use super::super::Millis;
use super::WorkerView;
use uwsgi_plugin_api::WorkerId;

/// Most ticks of the short average.
const TICKS_MAX: u32 = 60;
/// Ticks of the long one.
const LONG_TICKS: usize = 300;

/// Measures, tick by tick, how many workers are busy on average.
#[derive(Debug)]
pub(super) struct Load {
    /// Ticks of the short average.
    ticks: usize,
    last: Option<Millis>,
    seen: HashMap<(WorkerId, Millis), Seen>,
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    busy_us: u64,
    requests: u64,
    /// When it had something to do last.
    active: Millis,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    elapsed_us: u64,
    /// Of all workers; no worker counts for more than the time that passed.
    busy_us: u64,
}

impl Load {
    /// With a short average over so many ticks, at least one and at most [`TICKS_MAX`].
    pub(super) fn new(ticks: u32) -> Self {
        let ticks = ticks.clamp(1, TICKS_MAX) as usize;
        Self {
            ticks,
            last: None,
            seen: HashMap::new(),
            samples: VecDeque::with_capacity(LONG_TICKS),
        }
    }

    pub(super) fn update(&mut self, now: Millis, workers: &[WorkerView]) {
        let elapsed_us = self.last.map(|last| now.since(last).saturating_mul(1_000));
        let mut seen = HashMap::with_capacity(workers.len());
        let mut busy_us = 0;
        for worker in workers {
            let key = (worker.id, worker.since);
            let before = self.seen.get(&key).copied();
            let done_us = worker.busy_us.saturating_sub(before.map_or(0, |seen| seen.busy_us));
            busy_us += done_us.min(elapsed_us.unwrap_or(0));
            let worked = worker.busy || before.is_some_and(|seen| seen.requests != worker.requests);
            let active = before.filter(|_| !worked).map_or(now, |seen| seen.active);
            let (busy_us, requests) = (worker.busy_us, worker.requests);
            seen.insert(key, Seen { busy_us, requests, active });
        }
        self.seen = seen;
        self.last = Some(now);
        if let Some(elapsed_us) = elapsed_us.filter(|elapsed_us| *elapsed_us > 0) {
            if self.samples.len() == LONG_TICKS {
                self.samples.pop_front();
            }
            self.samples.push_back(Sample { elapsed_us, busy_us });
        }
    }

    /// Busy workers on average, lately, in thousandths: 2,700 where two are always busy and a third most of the time.
    pub(super) fn permille(&self) -> u64 {
        self.average(self.ticks)
    }

    /// The same over some minutes.
    pub(super) fn long_permille(&self) -> u64 {
        self.average(LONG_TICKS)
    }

    fn average(&self, ticks: usize) -> u64 {
        let newest = self.samples.iter().rev().take(ticks);
        let (busy, elapsed) =
            newest.fold((0_u64, 0_u64), |sum, one| (sum.0 + one.busy_us, sum.1 + one.elapsed_us));
        busy.saturating_mul(1_000).checked_div(elapsed).unwrap_or(0)
    }

    /// For how long the worker has had nothing to do.
    pub(super) fn idle_ms(&self, now: Millis, worker: &WorkerView) -> u64 {
        self.seen.get(&(worker.id, worker.since)).map_or(0, |seen| now.since(seen.active))
    }
}
