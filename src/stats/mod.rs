//! What an instance tells of itself: the document of `stats`, key for key as uWSGI writes it (behaviour note 6.1), and
//! the answers of `health`.
//!
//! Plain data here, and its text (`json`, `document`, `health`); one file (`collect`) knows where the figures come
//! from. Who asks, and over which socket, is the master's business.
//!
//! Deliberately absent: metrics, caches and spoolers, which this server does not have.

mod collect;
pub mod counters;
mod document;
mod health;
mod json;
pub mod table;

use uwsgi_plugin_api::AppStatus;
use uwsgi_plugin_api::cluster::ClusterView;

use crate::shm::SiteFigures;

pub use collect::{Sources, collect, load};
pub use document::{Style, document};
pub use health::{Health, Reply};

/// An instance at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// The version of uWSGI that it stands for.
    pub version: String,
    /// The master.
    pub pid: i32,
    /// User of the master.
    pub uid: u32,
    /// Group of the master.
    pub gid: u32,
    /// Working directory of the master.
    pub cwd: String,
    /// Programs that the master looks after; the key is absent where there are none.
    pub daemons: Vec<Daemon>,
    /// Names of the locks with the process that holds each, 0 for nobody.
    pub locks: Vec<(String, i32)>,
    /// Listening sockets, in the order of the configuration.
    pub sockets: Vec<Socket>,
    /// Workers, by number.
    pub workers: Vec<Worker>,
    /// Commands that run by the calendar; the key is absent where there are none.
    pub crons: Vec<Cron>,
    /// Requests whose application was not loaded for them; the key is absent where there are none.
    pub dynamic_refused: u64,
    /// Sites that were asked for; the key is absent where there are none.
    pub sites: Vec<SiteFigures>,
    /// What its node tells; the key is absent where it is in no cluster.
    pub cluster: Option<Cluster>,
}

/// The cluster of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// What the node knows.
    pub view: ClusterView,
    /// The instance leads it.
    pub leads: bool,
    /// It is to send the instance no requests.
    pub draining: bool,
}

impl Instance {
    /// The longest queue of a socket: uWSGI's `listen_queue` and `load`.
    pub fn listen_queue(&self) -> u64 {
        self.sockets.iter().map(|socket| socket.queue).max().unwrap_or(0)
    }
}

/// A program of `attach-daemon`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Daemon {
    /// Its command line.
    pub command: String,
    /// Its process, 0 while there is none.
    pub pid: i32,
    /// How often it was started again.
    pub respawns: u64,
}

/// A listening socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Socket {
    /// Its address.
    pub name: String,
    /// `uwsgi` or `http`.
    pub protocol: &'static str,
    /// Connections that wait to be accepted.
    pub queue: u64,
    /// Most of them.
    pub queue_max: u64,
}

/// A worker's number and the process that serves as it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // uWSGI's keys; the rest says more
pub struct Worker {
    pub id: u16,
    /// 0 without a process.
    pub pid: i32,
    pub accepting: bool,
    /// Of all its processes.
    pub requests: u64,
    /// Of the present process.
    pub delta_requests: u64,
    pub exceptions: u64,
    pub harakiri_count: u64,
    /// `idle`, `busy`, `cheap` or `pause`.
    pub status: &'static str,
    /// Bytes; 0 while not measured (`memory-report`).
    pub rss: u64,
    /// Bytes; 0 while not measured.
    pub vsz: u64,
    /// Microseconds.
    pub running_time: u64,
    /// Unix time in seconds.
    pub last_spawn: u64,
    /// The first spawn counts.
    pub respawn_count: u64,
    /// Bytes.
    pub tx: u64,
    /// Microseconds.
    pub avg_rt: u64,
    pub apps: Vec<AppStatus>,
    pub cores: Vec<Core>,
    /// Requests whose application was not loaded for them; the key is absent where there are none.
    pub dynamic_refused: u64,
}

/// A request thread of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // uWSGI's keys
pub struct Core {
    pub id: u16,
    pub requests: u64,
    /// Requests that a static file answered.
    pub static_requests: u64,
    pub write_errors: u64,
    pub read_errors: u64,
    /// The request that runs.
    pub request: Option<Request>,
}

/// A request that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// What is known of its variables, `NAME=value`; bytes of the client.
    pub vars: Vec<Vec<u8>>,
    /// Unix time in seconds.
    pub started: u64,
}

/// A command of `cron` and its like; -1 is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // uWSGI's keys
pub struct Cron {
    pub minute: i32,
    pub hour: i32,
    pub day: i32,
    pub month: i32,
    pub week: i32,
    pub command: String,
    pub unique: bool,
    /// Its process, -1 while it does not run.
    pub pid: i32,
    /// Unix time in seconds, 0 while it does not run.
    pub started_at: u64,
}
