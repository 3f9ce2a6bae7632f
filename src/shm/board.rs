//! The scoreboard: a header, a slot for each worker, a slot for each of its cores.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI32, AtomicU64};

use uwsgi_plugin_api::{CoreId, WorkerId, WorkerStatus};

use super::arena::{Arena, Layout, Place};
use super::{CoreSlot, WorkerSlot};
use crate::sys::clock;

/// Facts of the whole instance.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Header {
    /// Process id of the master, 0 without one. Writer: the master, once.
    pub master_pid: AtomicI32,
    /// Unix time of the instance's start. Writer: who made the board, at once.
    pub started_unix: AtomicU64,
}

/// The shared scoreboard. Cheap to share: an `Arc` within a process, inherited across fork.
#[derive(Debug)]
pub struct Board {
    arena: Arena,
    header: Place<Header>,
    workers: Place<WorkerSlot>,
    cores: Place<CoreSlot>,
    cores_per_worker: u16,
    worker_count: u16,
}

impl Board {
    /// Maps the memory for `workers` workers with `cores` request threads each.
    ///
    /// # Errors
    /// The error of the mapping (out of memory, an address space limit).
    pub fn new(workers: u16, cores: u16) -> io::Result<Arc<Self>> {
        let mut layout = Layout::default();
        let header = layout.place(1);
        let worker_places = layout.place(usize::from(workers));
        let core_places = layout.place(usize::from(workers) * usize::from(cores));
        let board = Self {
            arena: layout.map()?,
            header,
            workers: worker_places,
            cores: core_places,
            cores_per_worker: cores,
            worker_count: workers,
        };
        board.header().started_unix.store(clock::unix_seconds(), Relaxed);
        Ok(Arc::new(board))
    }

    /// Facts of the whole instance.
    #[inline]
    pub fn header(&self) -> &Header {
        &self.arena.slice(&self.header)[0]
    }

    /// The slot of a worker.
    ///
    /// # Panics
    /// When there is no such worker: numbers are from 1 to [`Board::workers`].
    #[inline]
    pub fn worker(&self, worker: WorkerId) -> &WorkerSlot {
        &self.arena.slice(&self.workers)[self.index(worker)]
    }

    /// The slot of a worker's request thread.
    ///
    /// # Panics
    /// When there is no such worker or core.
    #[inline]
    pub fn core(&self, worker: WorkerId, core: CoreId) -> &CoreSlot {
        &self.cores_of(worker)[usize::from(core.0)]
    }

    /// The slots of a worker's request threads, in order.
    ///
    /// # Panics
    /// When there is no such worker.
    #[inline]
    pub fn cores_of(&self, worker: WorkerId) -> &[CoreSlot] {
        let count = usize::from(self.cores_per_worker);
        let first = self.index(worker) * count;
        &self.arena.slice(&self.cores)[first..first + count]
    }

    /// Configured number of workers.
    pub fn workers(&self) -> u16 {
        self.worker_count
    }

    /// Request threads of each worker.
    pub fn cores(&self) -> u16 {
        self.cores_per_worker
    }

    /// All worker numbers, in order.
    pub fn worker_ids(&self) -> impl Iterator<Item = WorkerId> + use<> {
        (1..=self.worker_count).map(WorkerId)
    }

    /// Requests of all workers since the instance started.
    #[inline]
    pub fn requests_total(&self) -> u64 {
        sum(self.arena.slice(&self.cores), |core| &core.requests)
    }

    /// Size of the mapping in bytes.
    pub fn mapped_bytes(&self) -> usize {
        self.arena.len()
    }

    /// Requests of one worker since the instance started.
    pub fn worker_requests(&self, worker: WorkerId) -> u64 {
        sum(self.cores_of(worker), |core| &core.requests)
    }

    /// Makes the worker's slots ready for a new process. For the process that forks, before the fork and
    /// while no process owns the slots.
    pub fn start_life(&self, worker: WorkerId, now_ms: u64, now_unix: u64) {
        for core in self.cores_of(worker) {
            core.start_life();
        }
        self.worker(worker).start_life(now_ms, now_unix);
    }

    /// What `uwsgi.workers()` and the statistics show of a worker.
    pub fn status(&self, worker: WorkerId) -> WorkerStatus {
        let slot = self.worker(worker);
        let cores = self.cores_of(worker);
        WorkerStatus {
            id: worker.0,
            pid: slot.pid.load(Relaxed),
            requests: sum(cores, |core| &core.requests),
            delta_requests: sum(cores, |core| &core.life_requests),
            exceptions: sum(cores, |core| &core.exceptions),
            status: status_name(slot, cores),
            rss: slot.rss_bytes.load(Relaxed),
            vsz: slot.vsz_bytes.load(Relaxed),
            running_time: sum(cores, |core| &core.running_us),
            last_spawn: slot.last_spawn_unix.load(Relaxed),
            respawn_count: slot.respawn_count.load(Relaxed),
            tx: sum(cores, |core| &core.tx_bytes),
            avg_rt: sum(cores, |core| &core.avg_rt_us) / cores.len().max(1) as u64,
        }
    }

    fn index(&self, worker: WorkerId) -> usize {
        usize::from(worker.0).checked_sub(1).expect("worker numbers start at 1")
    }
}

/// uWSGI's word for what a worker does: without a process it is `cheap`.
fn status_name(slot: &WorkerSlot, cores: &[CoreSlot]) -> &'static str {
    if slot.pid.load(Relaxed) == 0 {
        "cheap"
    } else if cores.iter().any(|core| core.in_request.load(Relaxed)) {
        "busy"
    } else {
        "idle"
    }
}

fn sum(cores: &[CoreSlot], field: impl Fn(&CoreSlot) -> &AtomicU64) -> u64 {
    cores.iter().map(|core| field(core).load(Relaxed)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_empty_apart_and_aligned() {
        let board = Board::new(3, 2).unwrap();
        assert_eq!(board.requests_total(), 0);
        let mut addresses: Vec<usize> = board
            .worker_ids()
            .flat_map(|id| board.cores_of(id).iter().map(|core| core as *const _ as usize))
            .collect();
        assert!(addresses.iter().all(|address| address % 128 == 0), "{addresses:?}");
        addresses.dedup();
        assert_eq!(addresses.len(), 6);
        assert_eq!(board.worker(WorkerId(1)) as *const _ as usize % 128, 0);
    }

    #[test]
    fn requests_are_counted_for_the_life_and_for_the_instance() {
        let board = Board::new(2, 1).unwrap();
        let core = board.core(WorkerId(2), CoreId(0));
        board.worker(WorkerId(2)).pid.store(7, Relaxed);
        core.begin(1_000, 4_000, 1_700_000_000);
        assert_eq!(core.due_ms(), Some(4_000));
        assert_eq!(board.status(WorkerId(2)).status, "busy");
        core.end(800, 45);
        core.begin(1_001, 0, 1_700_000_000);
        core.end(400, 45);
        let status = board.status(WorkerId(2));
        assert_eq!((status.status, core.due_ms()), ("idle", None));
        assert_eq!((status.requests, status.delta_requests, status.tx), (2, 2, 90));
        assert_eq!((status.running_time, status.avg_rt), (1_200, 400));
        board.start_life(WorkerId(2), 2_000, 1_700_000_001);
        let status = board.status(WorkerId(2));
        assert_eq!((status.requests, status.delta_requests), (2, 0));
        assert_eq!(status.last_spawn, 1_700_000_001);
        assert_eq!(board.requests_total(), 2);
    }

    #[test]
    fn the_earlier_limit_counts() {
        let board = Board::new(1, 1).unwrap();
        let core = board.core(WorkerId(1), CoreId(0));
        core.begin(0, 9_000, 0);
        core.user_deadline_ms.store(3_000, Relaxed);
        assert_eq!(core.due_ms(), Some(3_000));
        core.disarm();
        assert_eq!(core.due_ms(), None);
    }

    #[test]
    #[should_panic(expected = "worker numbers start at 1")]
    fn worker_0_has_no_slot() {
        Board::new(1, 1).unwrap().worker(WorkerId(0));
    }
}
