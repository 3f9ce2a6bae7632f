//! Learns from stops that were a mistake.
//!
//! A worker is stopped; soon or late one is started again although the load has not grown. Then so few workers are not
//! enough for such a load, whatever the measures of a few seconds say, and that is remembered until the load is clearly
//! less. So at a load that stays the same each number of workers is given up at most once.

/// A load that grew by less than this many percent has not grown.
const GROWTH_PERCENT: u64 = 25;
/// A load of less than this many percent is clearly less.
const LESS_PERCENT: u64 = 80;

/// Loads are averages of minutes, in thousandths of a worker.
#[derive(Debug, Default)]
pub(super) struct Regret {
    /// Load at the last stop, until something is started.
    stopped: Option<u64>,
    floor: Option<Floor>,
}

/// So few workers are not enough for this load.
#[derive(Clone, Copy, Debug)]
struct Floor {
    workers: u16,
    load: u64,
}

impl Regret {
    /// Each tick.
    pub(super) fn tick(&mut self, load: u64) {
        if let Some(floor) = &mut self.floor {
            floor.load = floor.load.max(load);
            if load * 100 < floor.load * LESS_PERCENT {
                self.floor = None;
            }
        }
    }

    /// Whether so many workers may be left.
    pub(super) fn allows(&self, workers: u16) -> bool {
        self.floor.is_none_or(|floor| workers > floor.workers)
    }

    pub(super) fn on_stop(&mut self, load: u64) {
        self.stopped = Some(load);
    }

    /// `workers` were not enough.
    pub(super) fn on_start(&mut self, workers: u16, load: u64) {
        let stopped = self.stopped.take();
        if stopped.is_some_and(|before| load * 100 <= before * (100 + GROWTH_PERCENT)) {
            self.floor = Some(Floor { workers, load });
        }
    }

    /// People change the number: that says nothing.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}
