//! What the machine is told, and what it answers.

use std::path::Path;

use crate::supervisor::{Command, Ended, Pid, Signal};

/// Something to start: its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Job {
    /// Of `config.jobs.crons`.
    Cron(usize),
    /// Of `config.jobs.daemons`.
    Daemon(usize),
    /// Of `config.jobs.touches`.
    Touch(usize),
}

/// A moment of local time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalTime {
    /// Minutes since 1970.
    pub unix_minute: u64,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 1 to 31.
    pub day: u8,
    /// 1 to 12.
    pub month: u8,
    /// 0 (Sunday) to 6.
    pub weekday: u8,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Time of modification in nanoseconds since 1970.
    pub modified_ns: i128,
    /// Device and inode: another file took its place.
    pub identity: (u64, u64),
}

/// What the machine can see of its surroundings; read at a tick.
pub trait Surroundings {
    /// Now, on the wall.
    fn local(&self) -> LocalTime;
    /// The file's state, symbolic links followed; `None` where there is none.
    fn stamp(&self, path: &Path) -> Option<Stamp>;
    /// Whether crons run on this node: where it is in no cluster, or leads it, or they are to run on every node.
    fn runs_crons(&self) -> bool;
    /// The process in a pid file; `None` where there is no file, no number in it or no such process.
    fn pid_in(&self, file: &Path) -> Option<Pid>;
}

/// What happened.
#[derive(Clone, Copy)]
pub enum JobEvent<'a> {
    /// The application is loaded, or the next image of the master has taken over: whatever there is to run may run.
    Begin(&'a dyn Surroundings),
    /// The answer to [`JobAction::Start`].
    Started {
        /// What.
        job: Job,
        /// Its process.
        pid: Pid,
    },
    /// The other answer to [`JobAction::Start`].
    StartFailed {
        /// What.
        job: Job,
        /// Why.
        error: &'a std::io::Error,
    },
    /// A child has ended, ours or not.
    Exited {
        /// Its process id, free from now on.
        pid: Pid,
        /// How.
        ended: Ended,
    },
    /// Something happened to a watched file.
    Changed {
        /// The path as it is configured.
        path: &'a Path,
    },
    /// The instance ends when its requests are done: nothing is started any more, but what they may need stays.
    Draining,
    /// The instance ends.
    Stopping,
    /// Whoever asked for the end does not want to wait for it.
    Hurry,
    /// The instance is to get no new requests, and says so to those that bring them: they end gently. Or it gets them again.
    TakesRequests(bool),
    /// Nobody is left that could say anything: who carries the log may end.
    Silence,
    /// Time has passed.
    Tick(&'a dyn Surroundings),
}

/// Whom a signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The session that the process leads; nobody where it is empty.
    Group,
    /// The same, or the process alone where it leads none: it made itself a daemon.
    GroupOrProcess,
}

/// What the master is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobAction {
    /// Start it and report [`JobEvent::Started`] or [`JobEvent::StartFailed`].
    Start {
        /// What.
        job: Job,
        /// It ran before; only the log differs.
        again: bool,
    },
    /// Send a signal.
    Signal {
        /// To this process.
        pid: Pid,
        /// Which signal.
        signal: Signal,
        /// And whom else.
        whom: Whom,
    },
    /// Write a line to the log.
    Log(String),
    /// As if somebody had asked for it.
    Ask(Command),
}
