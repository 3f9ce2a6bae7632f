//! The master's decisions, pure: `step(now, event, actions)`. No system calls, no clock, no waiting.
//!
//! Whoever runs it tells what happened and performs what it answers, in order; then asks
//! [`Supervisor::next_wake`] when to send the next [`Event::Tick`]. A pause is a state with a time in it,
//! so a stop or a reload is never behind one (uWSGI loses a stop that comes while it sleeps before a
//! respawn; behaviour note 3.5).
//!
//! Promises, checked by the simulation: never two processes in a slot; no slot is lost; after a stop the
//! instance ends within the mercy; nothing is done after `Exit` or `Reexec`; only living processes are
//! killed or told.
//!
//! Deliberately absent: zero-loss overlapping reload, cheaper and chain reload (they will be states here).

mod command;
mod decisions;
pub mod exit_code;
mod harakiri;
mod lines;
#[cfg(test)]
mod simulation;
mod slot;
#[cfg(test)]
mod tests;

use std::ops::Add;
use std::time::Duration;

use uwsgi_plugin_api::{CoreId, WorkerId};

pub use self::command::Command;
pub use self::decisions::Supervisor;
pub use crate::sys::process::{Ended, Pid};
pub use crate::sys::signal::Signal;

/// A moment on the monotonic clock, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
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

/// What was configured, in milliseconds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `processes`.
    pub workers: u16,
    /// `threads`: request threads of a worker.
    pub cores: u16,
    /// `harakiri`; only bounds the wait for other requests of a worker: the deadlines are on the cores.
    pub harakiri_ms: Option<u64>,
    /// `worker-reload-mercy`.
    pub mercy_ms: u64,
    /// `forkbomb-delay`: the first pause of a worker that dies at once again and again.
    pub throttle_ms: u64,
    /// TERM stops and QUIT reloads.
    pub die_on_term: bool,
    /// A worker without an application ends the instance at its first start.
    pub need_app: bool,
}

impl From<&crate::config::model::Processes> for Settings {
    fn from(processes: &crate::config::model::Processes) -> Self {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            workers: processes.workers,
            cores: processes.threads,
            harakiri_ms: processes.harakiri.map(milliseconds),
            mercy_ms: milliseconds(processes.worker_mercy),
            throttle_ms: milliseconds(processes.forkbomb_delay),
            die_on_term: processes.die_on_term,
            need_app: processes.need_app,
        }
    }
}

/// What the master can see of the request threads; read at a tick.
pub trait Cores {
    /// When the core's request must be over; `None` while idle or without a limit.
    fn due(&self, worker: WorkerId, core: CoreId) -> Option<Millis>;
    /// The request that runs on the core; `None` while idle.
    fn running(&self, worker: WorkerId, core: CoreId) -> Option<Running>;
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

/// What happened.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// The master is ready to fork.
    Start,
    /// The master got a signal.
    Signal(Signal),
    /// An application asked for a graceful reload.
    ReloadAsked,
    /// An application asked to stop the instance.
    StopAsked,
    /// The answer to [`Action::Spawn`].
    Spawned {
        /// The slot.
        worker: WorkerId,
        /// Its new process.
        pid: Pid,
    },
    /// The other answer to [`Action::Spawn`].
    SpawnFailed {
        /// The slot.
        worker: WorkerId,
        /// Why.
        error: &'a std::io::Error,
    },
    /// A worker serves.
    Ready {
        /// Which.
        worker: WorkerId,
    },
    /// A worker takes nothing new and will end by itself.
    Draining {
        /// Which.
        worker: WorkerId,
    },
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
    /// Finish what runs, then end.
    Drain,
    /// End now.
    Stop,
    /// This core's request is out of time: answer it, finish the others, end.
    Harakiri {
        /// The stuck core.
        core: CoreId,
    },
}

/// What the master is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Fork a worker into this slot and report [`Event::Spawned`] or [`Event::SpawnFailed`].
    Spawn {
        /// The slot, which has no process.
        worker: WorkerId,
    },
    /// Tell a worker over its channel.
    Tell {
        /// The worker.
        worker: WorkerId,
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
    /// Write a line to the log.
    Log(String),
    /// Replace the master by a new image with the listeners open. Nothing follows, unless it fails.
    Reexec,
    /// End the master with this status. Nothing follows.
    Exit {
        /// The status.
        code: i32,
    },
}
