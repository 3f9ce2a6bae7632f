//! The supervisor's own idea of a worker.
//!
//! ```text
//!          Spawn           Spawned            told to end, or it says so
//!  Down ---------> Forking -------> Live: Serving ------------> Live: Ending --SIGKILL--> Live: Killed
//!   ^  ^              | failed         | Exited                   | Exited                  | Exited
//!   |  |              v                v                          v                         v
//!   |  +---------- Throttled <------- respawn? ----------------------------------------------
//!   +-- reload, stop -----------------'
//! ```

use uwsgi_plugin_api::{CoreId, WorkerId};

use super::{Millis, Pid};

/// A worker that dies younger than this, unasked, dies "at once".
const QUICK_DEATH_MS: u64 = 1_000;

/// Longest pause before a respawn, unless `forkbomb-delay` itself is longer.
pub(super) const THROTTLE_MS_MAX: u64 = 30_000;

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: WorkerId,
    pub(super) state: State,
    /// It had a process before: the next one is a respawn.
    pub(super) respawn: bool,
    /// Deaths at once in a row.
    quick_deaths: u32,
}

#[derive(Debug)]
pub(super) enum State {
    /// No process, none wanted.
    Down,
    /// No process until this moment.
    Throttled { until: Millis },
    /// `Spawn` was asked for and not answered.
    Forking,
    /// A process.
    Live(Live),
}

#[derive(Debug)]
pub(super) struct Live {
    pub(super) pid: Pid,
    pub(super) spawned: Millis,
    /// It said that it serves.
    pub(super) ready: bool,
    pub(super) stage: Stage,
    pub(super) harakiri: Option<Harakiri>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// Nobody wants it to end.
    Serving,
    /// It was told to end, or does so by itself.
    Ending { since: Millis, kill_at: Millis },
    /// SIGKILL was sent because its time was over.
    Killed { since: Millis },
}

/// A worker with a request that is out of time.
#[derive(Debug)]
pub(super) struct Harakiri {
    /// The cores whose requests are.
    pub(super) cores: Vec<CoreId>,
    /// When the last of them was.
    pub(super) last: Millis,
    /// Not even other requests hold the kill up longer.
    pub(super) kill_at: Millis,
}

impl Slot {
    pub(super) fn new(id: WorkerId) -> Self {
        Self { id, state: State::Down, respawn: false, quick_deaths: 0 }
    }

    pub(super) fn live(&self) -> Option<&Live> {
        match &self.state {
            State::Live(live) => Some(live),
            _ => None,
        }
    }

    pub(super) fn live_mut(&mut self) -> Option<&mut Live> {
        match &mut self.state {
            State::Live(live) => Some(live),
            _ => None,
        }
    }

    /// Counts a death and says how long to wait before the respawn: nothing the first time, then
    /// `first_ms`, doubled each time.
    pub(super) fn penalty_ms(&mut self, quick: bool, first_ms: u64) -> u64 {
        self.quick_deaths = if quick { self.quick_deaths.saturating_add(1) } else { 0 };
        let Some(doublings) = self.quick_deaths.checked_sub(2) else { return 0 };
        let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        first_ms.saturating_mul(factor).min(THROTTLE_MS_MAX.max(first_ms))
    }
}

impl Live {
    pub(super) fn new(pid: Pid, now: Millis) -> Self {
        Self { pid, spawned: now, ready: false, stage: Stage::Serving, harakiri: None }
    }

    /// It must end within `mercy_ms`; a deadline that it has already can only come nearer.
    pub(super) fn must_end(&mut self, now: Millis, mercy_ms: u64) {
        let limit = now + mercy_ms;
        self.stage = match self.stage {
            Stage::Serving => Stage::Ending { since: now, kill_at: limit },
            Stage::Ending { since, kill_at } => {
                Stage::Ending { since, kill_at: kill_at.min(limit) }
            }
            killed @ Stage::Killed { .. } => killed,
        };
    }

    /// Whether a death now says that the next process would die as well.
    pub(super) fn dies_at_once(&self, now: Millis, wanted: bool) -> bool {
        !self.ready || (!wanted && now.since(self.spawned) < QUICK_DEATH_MS)
    }

    /// When it must be looked at again.
    pub(super) fn wake(&self) -> Option<Millis> {
        match self.stage {
            Stage::Ending { kill_at, .. } => Some(kill_at),
            Stage::Serving | Stage::Killed { .. } => None,
        }
    }
}
