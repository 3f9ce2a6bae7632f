//! Services of the server to its plugins.

use std::sync::Arc;

use crate::cluster::{ClusterMessage, ClusterView, Outgoing};
use crate::{CoreId, WorkerId};

/// What `uwsgi.workers()` shows of a worker.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)] // names and units as in uWSGI's own table (behaviour note 5.4)
pub struct WorkerStatus {
    pub id: u16,
    pub pid: i32,
    pub requests: u64,
    pub delta_requests: u64,
    pub exceptions: u64,
    /// `idle`, `busy`, `cheap` or `pause`.
    pub status: &'static str,
    /// Bytes.
    pub rss: u64,
    /// Bytes.
    pub vsz: u64,
    /// Microseconds.
    pub running_time: u64,
    /// Unix time.
    pub last_spawn: u64,
    pub respawn_count: u64,
    /// Bytes sent.
    pub tx: u64,
    /// Microseconds.
    pub avg_rt: u64,
    /// The first ones of the process that has this number.
    pub apps: Vec<AppStatus>,
}

/// What `uwsgi.workers()` and the statistics show of an application of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppStatus {
    /// Its number in the log.
    pub id: u16,
    /// First modifier of the requests that it answers.
    pub modifier1: u8,
    /// Where it is mounted; empty for the default application.
    pub mountpoint: String,
    /// How long loading took, in seconds.
    pub startup_time: u64,
    /// Requests of this process.
    pub requests: u64,
    /// Those that ended with an exception.
    pub exceptions: u64,
}

/// What a plugin may ask of the server. All calls are cheap and safe from any thread.
pub trait Host: Send + Sync {
    /// Writes one line to the log; a line break is added.
    fn log(&self, line: &str);
    /// Number of this worker; 0 in the master and before fork.
    fn worker_id(&self) -> WorkerId;
    /// Process id of the master, 0 without one.
    fn master_pid(&self) -> i32;
    /// Configured number of workers.
    fn worker_count(&self) -> u16;
    /// Request threads of each worker.
    fn threads(&self) -> u16;
    /// Largest request head in bytes.
    fn buffer_size(&self) -> usize;
    /// Unix time of the server's start in seconds.
    fn started_on(&self) -> u64;
    /// Requests of all workers since the start.
    fn total_requests(&self) -> u64;
    /// Requests of this core since the worker's start.
    fn core_requests(&self, core: CoreId) -> u64;
    /// All workers.
    fn workers(&self) -> Vec<WorkerStatus>;
    /// Descriptors of the listening sockets.
    fn sockets(&self) -> Vec<i32>;
    /// Ends the core's current request in this many seconds; 0 lifts the limit.
    fn set_user_harakiri(&self, core: CoreId, seconds: u32);
    /// Asks the master for a graceful reload; false without a master.
    fn reload(&self) -> bool;
    /// Asks the master to stop; false without a master.
    fn stop(&self) -> bool;
    /// Closes the core's current connection once its answer is out, before the application returns.
    fn disconnect(&self, core: CoreId) -> bool;
    /// Whether this worker serves (`uwsgi.ready()`).
    fn ready(&self) -> bool {
        self.accepting()
    }
    /// Resident memory and address space of this process in bytes; zeros where they cannot be had.
    fn memory(&self) -> (u64, u64) {
        (0, 0)
    }
    /// Names this process in `ps`.
    fn name_process(&self, name: &str) {
        let _ = name;
    }
    /// Whether this instance came from a reload.
    fn is_a_reload(&self) -> bool {
        false
    }
    /// Whether an option is a flag, so that its value `1` stands for "set" (`uwsgi.opt` shows `True`).
    fn option_is_flag(&self, name: &str) -> bool {
        let _ = name;
        false
    }
    /// Whether an application may be loaded from where a request says it is (`dynamic-apps-root`). Asked before each load,
    /// never for a request whose application is there.
    ///
    /// # Errors
    /// Why not; the request is then refused as one of [`crate::Wish::Refused`].
    fn approve(&self, site: &crate::Site<'_>) -> Result<(), String> {
        let _ = site;
        Ok(())
    }
    /// What WebSockets are bound to.
    fn websockets(&self) -> crate::websocket::Terms {
        crate::websocket::Terms::default()
    }
    /// Group of the cluster that this instance is in or looks at.
    fn cluster_group(&self) -> Option<&str> {
        None
    }
    /// What is known of the cluster; `None` without one, or while nothing is known yet.
    fn cluster_view(&self) -> Option<Arc<ClusterView>> {
        None
    }
    /// A number that is another one each time, for [`ClusterView::best`].
    fn cluster_turn(&self) -> usize {
        0
    }
    /// Whether this instance leads its cluster at the moment; false without one.
    fn leads_cluster(&self) -> bool {
        false
    }
    /// Gives the cluster something to hear. False without one, and where its node does not keep up.
    fn tell_cluster(&self, message: &Outgoing) -> bool {
        let _ = message;
        false
    }
    /// The last of what applications of other nodes have sent, with a larger number than `after`.
    fn cluster_messages(&self, after: u64) -> Vec<ClusterMessage> {
        let _ = after;
        Vec::new()
    }
    /// Whether accept is on (`uwsgi.accepting()`), and tells the master that this worker is ready.
    fn accepting(&self) -> bool;
}
