//! The worker processes, as the supervisor knows them.
//!
//! ```text
//!   Spawn            Ready               told to end, or it says so              SIGKILL
//!   -----> Booting --------> Serving ------------------------------> Leaving ------------> Killed
//!             |                 |                                       |                    |
//!             `-----------------+------------- Exited ------------------+--------------------'
//! ```

use uwsgi_plugin_api::{CoreId, WorkerId};

use super::harakiri::Warned;
use super::{Generation, Millis, Pid, PlaceId, Recycle, Seat};

/// A worker that dies younger than this, unasked, dies "at once".
const QUICK_DEATH_MS: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Process {
    pub(super) seat: Seat,
    pub(super) worker: WorkerId,
    /// `None` until `Spawn` is answered.
    pub(super) pid: Option<Pid>,
    pub(super) spawned: Millis,
    /// It takes the place of one that had ended, and nobody was told so yet.
    pub(super) respawn: bool,
    /// It said that it serves.
    pub(super) ready: bool,
    pub(super) stage: Stage,
    /// It said that it takes nothing new.
    pub(super) quit: bool,
    /// It is to be replaced.
    pub(super) recycle: Option<Recycle>,
    pub(super) harakiri: Option<Harakiri>,
    /// What its requests got before that.
    pub(super) warned: Warned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Booting,
    Serving,
    /// It was told to end, or does so by itself.
    Leaving {
        since: Millis,
        kill_at: Millis,
        /// It may finish its requests.
        graceful: bool,
    },
    /// SIGKILL was sent because its time was over.
    Killed {
        since: Millis,
    },
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

impl Process {
    pub(super) fn new(seat: Seat, worker: WorkerId, respawn: bool, now: Millis) -> Self {
        Self {
            seat,
            worker,
            pid: None,
            spawned: now,
            respawn,
            ready: false,
            stage: Stage::Booting,
            quit: false,
            recycle: None,
            harakiri: None,
            warned: Warned::default(),
        }
    }

    /// Nobody wants it to end.
    pub(super) fn stays(&self) -> bool {
        matches!(self.stage, Stage::Booting | Stage::Serving)
    }

    /// It may still take requests.
    pub(super) fn takes_requests(&self) -> bool {
        self.ready && !self.quit && !matches!(self.stage, Stage::Killed { .. })
    }

    /// It must end within `mercy_ms`; a deadline that it has already can only come nearer.
    pub(super) fn must_end(&mut self, now: Millis, mercy_ms: u64, graceful: bool) {
        let limit = now + mercy_ms;
        self.stage = match self.stage {
            Stage::Booting | Stage::Serving => {
                Stage::Leaving { since: now, kill_at: limit, graceful }
            }
            Stage::Leaving { since, kill_at, graceful: before } => {
                Stage::Leaving { since, kill_at: kill_at.min(limit), graceful: graceful && before }
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
            Stage::Leaving { kill_at, .. } => Some(kill_at),
            Stage::Booting | Stage::Serving | Stage::Killed { .. } => None,
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Fleet(pub(super) Vec<Process>);

impl Fleet {
    pub(super) fn at(&mut self, seat: Seat) -> Option<&mut Process> {
        self.0.iter_mut().find(|process| process.seat == seat)
    }

    /// The process that serves as this worker.
    pub(super) fn serving(&self, worker: WorkerId) -> Option<&Process> {
        self.0.iter().find(|one| one.worker == worker && one.stage == Stage::Serving)
    }

    /// The process of this generation that boots to serve as this worker.
    pub(super) fn booting(&self, worker: WorkerId, generation: Generation) -> Option<&Process> {
        self.0.iter().find(|one| {
            one.worker == worker && one.seat.generation == generation && one.stage == Stage::Booting
        })
    }

    /// Some worker boots.
    pub(super) fn boots(&self) -> bool {
        self.0.iter().any(|one| one.stage == Stage::Booting)
    }

    /// Workers that serve while their successor boots.
    pub(super) fn replaced_now(&self) -> usize {
        let booting = self.0.iter().filter(|one| one.stage == Stage::Booting);
        booting.filter(|one| self.serving(one.worker).is_some()).count()
    }

    /// The lowest free place on a board of `places` places.
    pub(super) fn free_place(&self, generation: Generation, places: u16) -> Option<Seat> {
        let seats = (0..places).map(|place| Seat { generation, place: PlaceId(place) });
        seats.into_iter().find(|seat| self.0.iter().all(|process| process.seat != *seat))
    }

    pub(super) fn remove(&mut self, pid: Pid) -> Option<Process> {
        let position = self.0.iter().position(|process| process.pid == Some(pid))?;
        Some(self.0.remove(position))
    }
}
