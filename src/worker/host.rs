//! The server's services, as plugins call them.

use std::collections::HashSet;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parking_lot::Mutex;
use uwsgi_plugin_api::cluster::{ClusterMessage, ClusterView, Outgoing};
use uwsgi_plugin_api::{CoreId, Host, Site, WorkerId, WorkerStatus};

use crate::config::Config;
use crate::log::throttle::Throttle;
use crate::net::site_root;
use crate::request::shared::Shared;
use crate::shm::{Board, ClusterEnd, PlaceId};
use crate::sys::{clock, memory, title};

/// One value for the life of the process; it learns in each worker who it is.
pub struct ServerHost {
    config: Arc<Config>,
    board: Arc<Board>,
    sockets: Vec<Arc<OwnedFd>>,
    flags: HashSet<&'static str>,
    worker: AtomicU16,
    place: AtomicU16,
    shared: OnceLock<Arc<Shared>>,
    /// How often it is told what was wrong with an application that a request named.
    refusals: Throttle,
    cluster: Option<Cluster>,
}

/// What this process knows of the cluster.
struct Cluster {
    group: String,
    end: ClusterEnd,
    /// What was said last, with its number.
    seen: Mutex<(u64, Option<Arc<ClusterView>>)>,
    turn: AtomicUsize,
}

impl ServerHost {
    /// Services of this server; `flags` are the names of the options that take no value.
    pub fn new(
        config: Arc<Config>,
        board: Arc<Board>,
        sockets: Vec<Arc<OwnedFd>>,
        flags: HashSet<&'static str>,
    ) -> Self {
        Self {
            config,
            board,
            sockets,
            flags,
            worker: AtomicU16::new(0),
            place: AtomicU16::new(0),
            shared: OnceLock::new(),
            refusals: Throttle::default(),
            cluster: None,
        }
    }

    /// The same, of an instance that shares this with its node in a cluster.
    #[must_use]
    pub fn with_cluster(self, end: Option<ClusterEnd>) -> Self {
        let membership = self.config.cluster.as_ref();
        let cluster = end.zip(membership).map(|(end, membership)| Cluster {
            group: membership.shared.group.clone(),
            end,
            seen: Mutex::default(),
            turn: AtomicUsize::new(0),
        });
        Self { cluster, ..self }
    }

    /// This process is a worker from now on, at this place of the board.
    pub fn become_worker(&self, worker: WorkerId, place: PlaceId) {
        self.worker.store(worker.0, Ordering::Relaxed);
        self.place.store(place.0, Ordering::Relaxed);
        if let Some(cluster) = &self.cluster {
            // Workers do not all begin with the same node.
            cluster.turn.store(worker.0.into(), Ordering::Relaxed);
        }
    }

    /// Where this worker's slots are; `None` in a process that is no worker.
    fn place(&self) -> Option<PlaceId> {
        (self.worker_id() != WorkerId(0)).then(|| PlaceId(self.place.load(Ordering::Relaxed)))
    }

    /// The worker's request threads exist from now on.
    pub fn serve(&self, shared: Arc<Shared>) {
        // Set once per process: a worker boots once.
        let _ = self.shared.set(shared);
    }

    fn signal_master(&self, signal: Signal) -> bool {
        match self.master_pid() {
            0 => false,
            pid => kill(Pid::from_raw(pid), signal).is_ok(),
        }
    }
}

impl Host for ServerHost {
    fn option_is_flag(&self, name: &str) -> bool {
        self.flags.contains(name)
    }

    fn log(&self, line: &str) {
        crate::log::line(format_args!("{line}"));
    }

    fn worker_id(&self) -> WorkerId {
        WorkerId(self.worker.load(Ordering::Relaxed))
    }

    fn master_pid(&self) -> i32 {
        self.board.header().master_pid.load(Ordering::Relaxed)
    }

    fn worker_count(&self) -> u16 {
        self.config.processes.workers
    }

    fn threads(&self) -> u16 {
        self.config.processes.threads
    }

    fn buffer_size(&self) -> usize {
        self.config.limits.head_bytes_max
    }

    fn approve(&self, site: &Site<'_>) -> Result<(), String> {
        let Err(denied) = site_root::approve(site, &self.config.sites.roots) else { return Ok(()) };
        if let Some(left_out) = self.refusals.admits(clock::unix_seconds()) {
            let more = match left_out {
                0 => String::new(),
                count => format!(" ({count} more of these lines are left out)"),
            };
            crate::log::line(format_args!("an application is not loaded: {denied}{more}"));
        }
        Err(denied.to_string())
    }

    fn websockets(&self) -> uwsgi_plugin_api::websocket::Terms {
        self.config.http.websockets
    }

    fn started_on(&self) -> u64 {
        self.board.header().started_unix.load(Ordering::Relaxed)
    }

    fn total_requests(&self) -> u64 {
        self.board.requests_total()
    }

    fn core_requests(&self, core: CoreId) -> u64 {
        self.place()
            .map_or(0, |place| self.board.core(place, core).requests.load(Ordering::Relaxed))
    }

    fn workers(&self) -> Vec<WorkerStatus> {
        self.board.worker_ids().map(|id| self.board.status(id)).collect()
    }

    fn sockets(&self) -> Vec<i32> {
        self.sockets.iter().map(|socket| socket.as_raw_fd()).collect()
    }

    fn set_user_harakiri(&self, core: CoreId, seconds: u32) {
        if let Some(place) = self.place() {
            let deadline_ms = match seconds {
                0 => 0,
                _ => clock::monotonic_ms() + Duration::from_secs(seconds.into()).as_millis() as u64,
            };
            self.board.core(place, core).user_deadline_ms.store(deadline_ms, Ordering::Relaxed);
        }
    }

    fn ready(&self) -> bool {
        self.shared.get().is_some_and(|shared| shared.process().is_ready())
    }

    fn memory(&self) -> (u64, u64) {
        let usage = memory::usage();
        (usage.rss_bytes, usage.vsz_bytes)
    }

    fn name_process(&self, name: &str) {
        title::set(name);
    }

    fn is_a_reload(&self) -> bool {
        self.config.life_cycle.replaces
    }

    fn reload(&self) -> bool {
        self.signal_master(Signal::SIGHUP)
    }

    fn stop(&self) -> bool {
        self.signal_master(Signal::SIGINT)
    }

    fn disconnect(&self, core: CoreId) -> bool {
        self.shared
            .get()
            .and_then(|shared| shared.cells.get(core.0 as usize))
            .is_some_and(|cell| cell.disconnect())
    }

    fn cluster_group(&self) -> Option<&str> {
        self.cluster.as_ref().map(|cluster| cluster.group.as_str())
    }

    fn cluster_view(&self) -> Option<Arc<ClusterView>> {
        let cluster = self.cluster.as_ref()?;
        if !cluster.end.board.speaks(clock::monotonic_ms()) {
            return None;
        }
        let mut seen = cluster.seen.lock();
        let version = cluster.end.board.version();
        // One that is being replaced counts until it is.
        if version != seen.0
            && let Some(text) = cluster.end.board.text()
        {
            *seen = (version, serde_json::from_slice(&text).ok().map(Arc::new));
        }
        seen.1.clone()
    }

    fn cluster_turn(&self) -> usize {
        self.cluster.as_ref().map_or(0, |cluster| cluster.turn.fetch_add(1, Ordering::Relaxed))
    }

    fn leads_cluster(&self) -> bool {
        let now = clock::monotonic_ms();
        self.cluster.as_ref().is_some_and(|cluster| cluster.end.board.leads(now))
    }

    fn tell_cluster(&self, message: &Outgoing) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| cluster.end.tell(message))
    }

    fn cluster_messages(&self, after: u64) -> Vec<ClusterMessage> {
        self.cluster.as_ref().map_or_else(Vec::new, |cluster| cluster.end.messages(after))
    }

    fn accepting(&self) -> bool {
        self.shared.get().is_some_and(|shared| !shared.stile.is_draining())
    }
}
