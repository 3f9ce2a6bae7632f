//! The master's decisions, pure: `step(now, event, actions)`. No system calls, no clock, no waiting.
//!
//! Whoever runs it tells what happened and performs what it answers, in order; then asks
//! [`Supervisor::next_wake`] when to send the next [`Event::Tick`]. A pause is a state with a time in it,
//! so a stop or a reload is never behind one (uWSGI loses a stop that comes while it sleeps before a
//! respawn; behaviour note 3.5).
//!
//! A *generation* is a configuration and an application, loaded once in a *mold*, a process that forks workers on
//! demand. A *worker* is a number; a process boots for it in a place of its generation's board, serves as it, and leaves.
//! What is wanted is compared with what is there after each event (`reconcile`): a worker without a process gets one, a
//! worker whose process is to be replaced gets a successor, and only a successor that is ready sends the old one away.
//! A reload (`reload`) is a new generation beside the old one; until the last step it is undone by wanting the old one.
//!
//! Promises, checked by the simulation: never two processes in a place; while a worker serves it goes on serving until its
//! successor does, whatever a reload comes to; no worker's number is lost; after a stop the instance ends within the
//! mercy; nothing is done after `Exit` or `Reexec`; only living processes are killed or told.

mod command;
mod decisions;
mod ending;
pub mod exit_code;
mod fleet;
pub mod grades;
mod harakiri;
pub mod jobs;
mod lines;
mod molds;
mod post;
mod reconcile;
mod reload;
mod saved;
mod scale;
mod scaling;
pub mod signals;
#[cfg(test)]
mod simulation;
pub mod sites;
mod stopping;
#[cfg(test)]
mod tests;
mod wanted;

use std::ops::Add;
use std::time::Duration;

use uwsgi_plugin_api::{CoreId, WorkerId};

pub use self::command::Command;
pub use self::decisions::Supervisor;
pub use self::lines::GOODBYE;
pub use self::saved::{Saved, SavedProcess};
pub use self::scale::Work;
use crate::config::Config;
use crate::config::model::Scaling;
pub use crate::shm::PlaceId;
pub use crate::sys::backlog::Backlog;
pub use crate::sys::process::{Ended, Pid};
pub use crate::sys::signal::Signal;

/// A moment on the monotonic clock, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// How long ago `earlier` was; 0 when it is still to come.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for Millis {
    type Output = Self;
    fn add(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }
}

/// A configuration and an application, loaded once. Counted from 1 over the life of the instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

/// Where a worker process is: its place on the board of its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat {
    /// Whose board.
    pub generation: Generation,
    /// Which place.
    pub place: PlaceId,
}

/// What was configured, in milliseconds and bytes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `processes`.
    pub workers: u16,
    /// How many of them run.
    pub scaling: Scaling,
    /// `threads`: request threads of a worker.
    pub cores: u16,
    /// `harakiri`; only bounds the wait for other requests of a worker: the deadlines are on the cores.
    pub harakiri_ms: Option<u64>,
    /// What happens to a request before `harakiri_ms`, and the gentler forms of it.
    pub timeouts: Timeouts,
    /// `worker-reload-mercy`: how long a worker may take to end.
    pub mercy_ms: u64,
    /// `reload-mercy`: how long everything else may.
    pub reload_mercy_ms: u64,
    /// `forkbomb-delay`: the first pause of what dies at once again and again.
    pub throttle_ms: u64,
    /// A worker without an application ends the instance at its first start.
    pub need_app: bool,
    /// Successors of a reload that boot at the same time, at least 1.
    pub boots_max: u16,
    /// Workers that are recycled at the same time, at least 1.
    pub recycles_max: u16,
    /// `lame-duck`: workers go on serving for so long at a graceful stop.
    pub lame_duck_ms: u64,
    /// `max-worker-lifetime`.
    pub lifetime_ms_max: Option<u64>,
    /// `max-worker-lifetime-delta`: worker N lives N times this longer.
    pub lifetime_delta_ms: u64,
    /// `evil-reload-on-rss`.
    pub evil_rss_bytes: Option<u64>,
    /// `evil-reload-on-as`.
    pub evil_as_bytes: Option<u64>,
    /// `reload-retry`: how often a reload that failed is tried again by itself.
    pub retries: u32,
    /// `exit-on-reload`: a reload is a stop, so that a service manager starts the instance anew.
    pub exit_on_reload: bool,
}

/// See [`crate::config::model::Timeouts`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeouts {
    /// The grades before harakiri.
    pub grades: grades::Limits,
    /// The signal that comes first, and for how many milliseconds the worker is left alone after it.
    pub graceful: Option<(Signal, u64)>,
    /// `harakiri-queue-threshold`.
    pub queue_threshold: Option<u64>,
}

impl From<&crate::config::model::Timeouts> for Timeouts {
    fn from(timeouts: &crate::config::model::Timeouts) -> Self {
        let graceful = timeouts.graceful.and_then(|graceful| {
            // The configuration has only numbers of signals.
            let signal = Signal::try_from(graceful.signal).ok()?;
            Some((signal, milliseconds(graceful.timeout)))
        });
        Self {
            grades: grades::Limits::from(timeouts),
            graceful,
            queue_threshold: timeouts.queue_threshold,
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        let (processes, life) = (&config.processes, &config.life_cycle);
        Self {
            workers: processes.workers,
            scaling: config.scaling,
            cores: processes.threads,
            harakiri_ms: processes.harakiri.map(milliseconds),
            timeouts: Timeouts::from(&processes.timeouts),
            mercy_ms: milliseconds(processes.worker_mercy),
            reload_mercy_ms: milliseconds(life.reload_mercy),
            throttle_ms: milliseconds(processes.forkbomb_delay),
            need_app: processes.need_app,
            boots_max: life.boots_max,
            recycles_max: life.recycles_max,
            lame_duck_ms: milliseconds(life.lame_duck),
            lifetime_ms_max: life.lifetime.map(milliseconds),
            lifetime_delta_ms: milliseconds(life.lifetime_delta),
            evil_rss_bytes: life.evil_rss_bytes,
            evil_as_bytes: life.evil_as_bytes,
            retries: life.retries,
            exit_on_reload: life.exit_on_reload,
        }
    }
}

/// What the master can see of worker processes; read at a tick.
pub trait Cores {
    /// When the core's request must be over; `None` while idle or without a limit.
    fn due(&self, seat: Seat, core: CoreId) -> Option<Millis>;
    /// The request that runs on the core; `None` while idle.
    fn running(&self, seat: Seat, core: CoreId) -> Option<Running>;
    /// When the request on the core began; `None` while idle.
    fn since(&self, seat: Seat, core: CoreId) -> Option<Millis> {
        self.running(seat, core).map(|running| running.since)
    }
    /// What a worker process has done until now.
    fn work(&self, _seat: Seat, _now: Millis) -> Work {
        Work::default()
    }
    /// Connections that wait at the listeners; `None` where that is not known.
    fn backlog(&self) -> Option<Backlog> {
        None
    }
    /// Resident memory and address space of a process, in bytes; zeros where they are not known.
    fn memory(&self, _pid: Pid) -> (u64, u64) {
        (0, 0)
    }
}

/// A request, for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// When it started.
    pub since: Millis,
    /// The same in Unix seconds.
    pub since_unix: u64,
    /// `ADDR - METHOD URI`; bytes of the client.
    pub description: Vec<u8>,
}

/// What a worker process has to show before it is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trial {
    /// Nothing: without it there would be no process at all.
    #[default]
    None,
    /// Every application loads. Otherwise the process that it is to replace goes on.
    Load,
    /// Besides, it passes `reload-check`: it is the first of its generation.
    Check,
}

/// Why a worker process wants to be replaced, or somebody wants it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recycle {
    /// It has done its share: `max-requests`, `reload-on-*`, an exception; it has said which.
    Done,
    /// It is older than `max-worker-lifetime`.
    Age,
    /// Fewer workers are wanted: nobody comes after it.
    Surplus,
    /// New workers were asked for.
    Asked,
    /// New workers were asked for, one after the other.
    Chain,
}

/// What happened.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// The master is ready to fork.
    Start,
    /// Somebody asks for something.
    Command(Command),
    /// An application asked to stop the instance.
    StopAsked,
    /// A mold has loaded its generation and can fork.
    MoldLoaded {
        /// Which.
        generation: Generation,
        /// `processes` of its configuration.
        workers: u16,
    },
    /// A mold has ended, asked or not.
    MoldEnded {
        /// Which.
        generation: Generation,
        /// How.
        ended: Ended,
    },
    /// The answer to [`Action::Spawn`].
    Spawned {
        /// Where.
        seat: Seat,
        /// Its new process.
        pid: Pid,
    },
    /// The other answer to [`Action::Spawn`].
    SpawnFailed {
        /// Where.
        seat: Seat,
        /// Why.
        error: &'a std::io::Error,
    },
    /// A worker serves.
    Ready {
        /// Where.
        seat: Seat,
    },
    /// A worker takes nothing new and will end by itself.
    Draining {
        /// Where.
        seat: Seat,
    },
    /// A worker has done its share and serves until it is told to end.
    Spent {
        /// Where.
        seat: Seat,
    },
    /// Somebody has connected, and the listeners are watched.
    Connection,
    /// A child has ended, ours or not.
    Exited {
        /// Its process id, free from now on.
        pid: Pid,
        /// How.
        ended: Ended,
    },
    /// [`Action::Reexec`] came back.
    ReexecFailed {
        /// Why.
        error: &'a std::io::Error,
    },
    /// Time has passed.
    Tick(&'a dyn Cores),
}

/// What a worker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Finish what runs, leave the rest to other workers, then end.
    Drain,
    /// Nobody comes after: finish what runs and what waits, then end.
    Finish,
    /// End now.
    Stop,
    /// Take nothing new until `Resume`.
    Pause,
    /// Take requests again.
    Resume,
    /// Go on, and tell clients that keep connections to go elsewhere.
    LameDuck,
    /// This core's request is out of time: answer it, finish the others, end.
    Harakiri {
        /// The stuck core.
        core: CoreId,
    },
    /// This core's request takes long: log where it is.
    LogStack {
        /// The slow core.
        core: CoreId,
    },
    /// This core's request takes too long: answer it and raise an exception in it.
    Interrupt {
        /// The slow core.
        core: CoreId,
    },
}

/// What came of a reload that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which reload; see [`Supervisor::next_round`].
    pub round: u32,
    /// Why it failed.
    pub result: Result<(), String>,
}

/// What the master is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the process that loads a generation; [`Event::MoldLoaded`] or [`Event::MoldEnded`] follows.
    StartMold {
        /// Which.
        generation: Generation,
    },
    /// Tell a mold to end; [`Event::MoldEnded`] follows.
    DismissMold {
        /// Which.
        generation: Generation,
    },
    /// End a mold at once; [`Event::MoldEnded`] follows.
    KillMold {
        /// Which.
        generation: Generation,
    },
    /// Let the generation's mold fork a worker and report [`Event::Spawned`] or [`Event::SpawnFailed`].
    Spawn {
        /// Where, a free place.
        seat: Seat,
        /// Who it is.
        worker: WorkerId,
        /// What it has to show before it is ready.
        trial: Trial,
    },
    /// The process at this seat is the worker from now on, for whoever looks.
    Seated {
        /// The worker.
        worker: WorkerId,
        /// Its process.
        seat: Seat,
        /// It took the place of one that ended, and is no part of a reload.
        respawn: bool,
    },
    /// Tell a worker over its channel.
    Tell {
        /// Where.
        seat: Seat,
        /// Its process.
        pid: Pid,
        /// What.
        order: Order,
    },
    /// Send a signal to a worker.
    Kill {
        /// Its process, not reaped yet.
        pid: Pid,
        /// Which signal.
        signal: Signal,
    },
    /// Watch the listeners and report [`Event::Connection`], or do not any more.
    WatchListeners(bool),
    /// Write a line to the log.
    Log(String),
    /// Tell those who asked for a reload what came of it.
    Report(Report),
    /// Something else was asked for that is the master's own to do.
    Perform(Command),
    /// Replace the master by a new image, with the listeners open and the workers alive. Nothing follows, unless it
    /// fails.
    Reexec,
    /// The instance ends: nothing is to be started any more.
    Stopping {
        /// Requests are finished first, and may need what runs beside the workers.
        gracefully: bool,
    },
    /// End the master with this status. Nothing follows.
    Exit {
        /// The status.
        code: i32,
    },
}
