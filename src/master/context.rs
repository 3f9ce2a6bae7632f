//! What the master is given.

use std::fmt;
use std::os::fd::RawFd;
use std::sync::Arc;

use uwsgi_plugin_api::WorkerId;

use super::Vacuum;
use crate::config::model::Processes;
use crate::shm::Board;
use crate::sys::channel::Channel;
use crate::sys::handover::Origin;
use crate::sys::title;

/// Called around forks, in the forking thread.
pub struct Hooks {
    /// Before each fork.
    pub before_fork: Box<dyn FnMut()>,
    /// After it in the parent, also when the fork failed.
    pub after_fork_parent: Box<dyn FnMut()>,
    /// The whole life of a worker, in the child (without a master for worker 1 in the first process);
    /// returns its exit status ([`crate::supervisor::exit_code`]). Signals have their defaults and none is
    /// blocked when it is called. The channel leads to the master, its end of file is the master's death;
    /// `None` without a master.
    pub worker: Box<dyn FnMut(WorkerId, Option<Channel>) -> i32>,
}

/// What the master is given.
pub struct MasterContext {
    /// What was configured of processes.
    pub processes: Processes,
    /// The scoreboard, one slot for each configured worker.
    pub board: Arc<Board>,
    /// What runs around and in workers.
    pub hooks: Hooks,
    /// Listening sockets with their names, in the order of the configuration: what a new image inherits.
    pub listeners: Vec<(String, RawFd)>,
    /// How the process was started: what a new image is.
    pub origin: Origin,
    /// `auto-procname`: processes show what they are in `ps`, behind this prefix.
    pub process_names: Option<String>,
    /// This image took the place of another.
    pub reloaded: bool,
    /// Files to remove at the end of the instance; empty without `vacuum`.
    pub vacuum: Vacuum,
}

impl MasterContext {
    /// Names this process in `ps`, as uWSGI does, where that was asked for.
    pub(super) fn name_process(&self, what: fmt::Arguments<'_>) {
        if let Some(prefix) = &self.process_names {
            title::set(&format!("{prefix}uWSGI {what}"));
        }
    }
}

impl fmt::Debug for MasterContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { board, listeners, origin, reloaded, vacuum, .. } = self;
        f.debug_struct("MasterContext")
            .field("board", board)
            .field("listeners", listeners)
            .field("origin", origin)
            .field("reloaded", reloaded)
            .field("vacuum", vacuum)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}
