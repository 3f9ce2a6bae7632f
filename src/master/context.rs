//! What the master and a mold are given.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use uwsgi_plugin_api::WorkerId;

use super::Vacuum;
use super::upgrade::Succession;
use crate::config::Config;
use crate::config::model::ProcessNames;
use crate::net::listen::Endpoint;
use crate::net::reactor::Listening;
use crate::shm::{Board, ClusterMemory, PlaceId, SitesBoard};
use crate::supervisor::Trial;
use crate::supervisor::signals::SignalTable;
use crate::sys::channel::Channel;
use crate::sys::handover::Origin;
use crate::sys::process::Pid;
use crate::sys::title;

/// A worker that is about to live.
#[derive(Debug)]
pub struct Birth {
    /// Its number.
    pub worker: WorkerId,
    /// Its place on the board.
    pub place: PlaceId,
    /// Leads to the master, its end of file is the master's death; `None` without a master.
    pub channel: Option<Channel>,
    /// What it has to show before it serves.
    pub trial: Trial,
    /// No process of its generation was this worker before.
    pub first_life: bool,
}

/// What happens in molds and workers.
pub struct Hooks {
    /// Starts the plugins and loads the applications (with `lazy-apps` only the former), in the mold. An exit status where
    /// nothing can be served.
    pub load: Box<dyn FnMut() -> Result<(), i32>>,
    /// Before each fork, in the forking thread.
    pub before_fork: Box<dyn FnMut()>,
    /// After it in the parent, also when the fork failed.
    pub after_fork_parent: Box<dyn FnMut()>,
    /// The whole life of a worker, in the child (without a master for worker 1 in the first process);
    /// returns its exit status ([`crate::supervisor::exit_code`]). Signals have their defaults and none is
    /// blocked when it is called.
    pub worker: Box<dyn FnMut(Birth) -> i32>,
    /// The end of a mold: exit hooks of the applications.
    pub shutdown: Box<dyn FnMut()>,
}

/// One generation, to be loaded in this process or in a fork of it.
pub struct Loading {
    /// What happens in it.
    pub hooks: Hooks,
    /// Its scoreboard.
    pub board: Arc<Board>,
    /// `auto-procname` and its like: what processes are called in `ps`.
    pub process_names: ProcessNames,
    /// `no-orphans`.
    pub no_orphans: bool,
    /// What is removed when the master was killed.
    pub vacuum: Vacuum,
}

/// Pid files and the log, which the master writes anew when it is asked to.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// All that are configured, with their options.
    pub pidfiles: Vec<(&'static str, PathBuf)>,
    /// Those of them that are written when the application is loaded.
    pub safe_pidfiles: Vec<(&'static str, PathBuf)>,
    /// `logto` or `daemonize`.
    pub log: Option<PathBuf>,
}

/// A socket that the master answers itself.
#[derive(Clone, Debug)]
pub struct EndpointListener {
    /// What is answered.
    pub endpoint: Endpoint,
    /// Its descriptor.
    pub fd: Arc<OwnedFd>,
    /// Its address, for the log.
    pub address: String,
}

/// What the master is given.
pub struct MasterContext {
    /// What was configured.
    pub config: Arc<Config>,
    /// The first generation, until it is started.
    pub first: Option<Loading>,
    /// What signals mean.
    pub signals: SignalTable,
    /// Listening sockets with their names: what other images inherit.
    pub listeners: Vec<(String, Arc<OwnedFd>)>,
    /// Those of them that workers serve.
    pub served: Vec<Listening>,
    /// Those of them that the master answers itself.
    pub endpoints: Vec<EndpointListener>,
    /// Other descriptors that every generation gets, with their names.
    pub shared: Vec<(String, Arc<OwnedFd>)>,
    /// Where requests of sites are counted.
    pub figures: Arc<SitesBoard>,
    /// What is shared with the node of the instance, where it is in a cluster.
    pub cluster: Option<ClusterMemory>,
    /// How the process was started: what a new image is.
    pub origin: Origin,
    /// `auto-procname` and its like.
    pub process_names: ProcessNames,
    /// Files that it writes.
    pub files: Files,
    /// Files to remove at the end of the instance; empty without `vacuum`.
    pub vacuum: Vacuum,
    /// The master that this one was started beside of, while it lives.
    pub succession: Option<Succession>,
    /// Leads to the master of the instance that this one's site is a part of.
    pub leash: Option<Arc<Channel>>,
}

/// Names a process in `ps`, as uWSGI does, where that was asked for.
pub(super) fn name_process(names: &ProcessNames, what: fmt::Arguments<'_>) {
    if let Some(name) = names.of(&what.to_string()) {
        title::set(&name);
    }
}

/// What a mold needs besides its generation.
pub struct MoldPost {
    /// Leads to the master.
    pub channel: Channel,
    /// The master, which adopts orphans.
    pub master: Pid,
}

impl fmt::Debug for MasterContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listeners, origin, vacuum, .. } = self;
        f.debug_struct("MasterContext")
            .field("listeners", listeners)
            .field("origin", origin)
            .field("vacuum", vacuum)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

impl fmt::Debug for Loading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loading").field("board", &self.board).finish_non_exhaustive()
    }
}

impl fmt::Debug for MoldPost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoldPost").field("master", &self.master).finish_non_exhaustive()
    }
}
