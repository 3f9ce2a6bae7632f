//! The scoreboard: a header, a slot for each worker's number, a place for each process that can serve as one.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI32, AtomicU64};

use uwsgi_plugin_api::{CoreId, WorkerId, WorkerStatus};

use super::arena::{Arena, Layout, Place};
use super::{CoreSlot, CoreTotals, ProcessSlot, WorkerSlot};
use crate::sys::clock;

/// Changed with every change of what lies where; another image of the program does not touch a board of
/// another layout.
const LAYOUT: u64 = 0x7577_7367_6900_0004;

/// Places for each worker: its process, and the one that boots to replace it or still drains.
pub const PLACES_PER_WORKER: u16 = 2;

/// Where a worker process has its slots, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceId(pub u16);

/// Facts of the whole instance.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Header {
    /// [`LAYOUT`]. Writer: who made the board, at once; as of all fields where nothing else is said.
    layout: AtomicU64,
    workers: AtomicU64,
    cores: AtomicU64,
    /// Process id of the master, 0 without one.
    pub master_pid: AtomicI32,
    /// Unix time of the instance's start.
    pub started_unix: AtomicU64,
    /// Requests of all processes that have ended. Writer: the master.
    pub ended_requests: AtomicU64,
}

/// The shared scoreboard. Cheap to share: an `Arc` within a process, inherited across fork.
#[derive(Debug)]
pub struct Board {
    arena: Arena,
    slices: Slices,
    cores_per_worker: u16,
    worker_count: u16,
}

#[derive(Debug)]
struct Slices {
    header: Place<Header>,
    workers: Place<WorkerSlot>,
    places: Place<ProcessSlot>,
    cores: Place<CoreSlot>,
    totals: Place<CoreTotals>,
}

impl Slices {
    fn new(layout: &mut Layout, workers: u16, cores: u16) -> Self {
        let (workers, cores) = (usize::from(workers), usize::from(cores));
        let places = workers * usize::from(PLACES_PER_WORKER);
        Self {
            header: layout.place(1),
            workers: layout.place(workers),
            places: layout.place(places),
            cores: layout.place(places * cores),
            totals: layout.place(workers * cores),
        }
    }
}

impl Board {
    /// Makes the memory for `workers` workers with `cores` request threads each.
    ///
    /// # Errors
    /// The error of the mapping (out of memory, an address space limit).
    pub fn new(workers: u16, cores: u16) -> io::Result<Arc<Self>> {
        let mut layout = Layout::default();
        let slices = Slices::new(&mut layout, workers, cores);
        let arena = layout.map()?;
        let board = Self { arena, slices, cores_per_worker: cores, worker_count: workers };
        let header = board.header();
        header.layout.store(LAYOUT, Relaxed);
        header.workers.store(workers.into(), Relaxed);
        header.cores.store(cores.into(), Relaxed);
        header.started_unix.store(clock::unix_seconds(), Relaxed);
        Ok(Arc::new(board))
    }

    /// The board that another process has made.
    ///
    /// # Errors
    /// `InvalidData` where it is none, or of another layout.
    pub fn adopt(file: OwnedFd) -> io::Result<Arc<Self>> {
        let mut layout = Layout::default();
        let place = layout.place::<Header>(1);
        let header_only = layout.map_existing(file.try_clone()?)?;
        let header = &header_only.slice(&place)[0];
        let number = |field: &AtomicU64| u16::try_from(field.load(Relaxed)).ok();
        let (workers, cores) = match (number(&header.workers), number(&header.cores)) {
            (Some(workers), Some(cores)) if header.layout.load(Relaxed) == LAYOUT => {
                (workers, cores)
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let mut layout = Layout::default();
        let slices = Slices::new(&mut layout, workers, cores);
        let arena = layout.map_existing(file)?;
        Ok(Arc::new(Self { arena, slices, cores_per_worker: cores, worker_count: workers }))
    }

    /// The memory, for a process that is no child of this one.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.arena.file()
    }

    /// Facts of the whole instance.
    #[inline]
    pub fn header(&self) -> &Header {
        &self.arena.slice(&self.slices.header)[0]
    }

    /// The slot of a worker's number.
    ///
    /// # Panics
    /// When there is no such worker: numbers are from 1 to [`Board::workers`].
    #[inline]
    pub fn worker(&self, worker: WorkerId) -> &WorkerSlot {
        &self.arena.slice(&self.slices.workers)[index(worker)]
    }

    /// The slot of a worker process.
    ///
    /// # Panics
    /// When there is no such place: numbers are from 0, below [`Board::places`].
    #[inline]
    pub fn process(&self, place: PlaceId) -> &ProcessSlot {
        &self.arena.slice(&self.slices.places)[usize::from(place.0)]
    }

    /// The slot of a worker process's request thread.
    ///
    /// # Panics
    /// When there is no such place or core.
    #[inline]
    pub fn core(&self, place: PlaceId, core: CoreId) -> &CoreSlot {
        &self.cores_of(place)[usize::from(core.0)]
    }

    /// The slots of a worker process's request threads, in order.
    ///
    /// # Panics
    /// When there is no such place.
    #[inline]
    pub fn cores_of(&self, place: PlaceId) -> &[CoreSlot] {
        let count = usize::from(self.cores_per_worker);
        let first = usize::from(place.0) * count;
        &self.arena.slice(&self.slices.cores)[first..first + count]
    }

    /// What the ended processes of a worker did, by core.
    ///
    /// # Panics
    /// When there is no such worker.
    pub fn totals_of(&self, worker: WorkerId) -> &[CoreTotals] {
        let count = usize::from(self.cores_per_worker);
        let first = index(worker) * count;
        &self.arena.slice(&self.slices.totals)[first..first + count]
    }

    /// Configured number of workers.
    pub fn workers(&self) -> u16 {
        self.worker_count
    }

    /// Number of places.
    pub fn places(&self) -> u16 {
        self.arena.slice(&self.slices.places).len() as u16
    }

    /// Request threads of each worker.
    pub fn cores(&self) -> u16 {
        self.cores_per_worker
    }

    /// All worker numbers, in order.
    pub fn worker_ids(&self) -> impl Iterator<Item = WorkerId> + use<> {
        (1..=self.worker_count).map(WorkerId)
    }

    /// All places, in order.
    pub fn place_ids(&self) -> impl Iterator<Item = PlaceId> + use<> {
        (0..self.places()).map(PlaceId)
    }

    /// Requests of all workers since the instance started.
    #[inline]
    pub fn requests_total(&self) -> u64 {
        let running = sum(self.arena.slice(&self.slices.cores), |core| &core.requests);
        running + self.header().ended_requests.load(Relaxed)
    }

    /// Size of the mapping in bytes.
    pub fn mapped_bytes(&self) -> usize {
        self.arena.len()
    }

    /// Requests of one worker since the instance started.
    pub fn worker_requests(&self, worker: WorkerId) -> u64 {
        let totals = self.totals_of(worker).iter().map(|total| total.requests.load(Relaxed));
        let running = self.places_of(worker).map(|place| self.process_requests(place));
        totals.chain(running).sum()
    }

    /// Requests of one worker process.
    pub fn process_requests(&self, place: PlaceId) -> u64 {
        sum(self.cores_of(place), |core| &core.requests)
    }

    /// The place of the process that serves as this worker; `None` while there is none.
    pub fn place_of(&self, worker: WorkerId) -> Option<PlaceId> {
        self.worker(worker).place.load(Relaxed).checked_sub(1).map(PlaceId)
    }

    /// The process at this place is the worker's from now on. For the master.
    pub fn seat(&self, worker: WorkerId, place: Option<PlaceId>) {
        self.worker(worker).place.store(place.map_or(0, |place| place.0 + 1), Relaxed);
    }

    /// Makes a place ready for a new process of a worker. For the process that forks, before the fork and
    /// while no process has the place.
    pub fn start_life(&self, worker: WorkerId, place: PlaceId, now_ms: u64) {
        for core in self.cores_of(place) {
            core.clear();
        }
        self.process(place).start_life(worker.0, now_ms);
    }

    /// Keeps the figures of a process that has ended, and frees its place. For the process that forks.
    pub fn end_life(&self, place: PlaceId) {
        let slot = self.process(place);
        let number = slot.number.swap(0, Relaxed);
        slot.pid.store(0, Relaxed);
        if (1..=self.worker_count).contains(&number) {
            let worker = WorkerId(number);
            let header = self.header();
            let requests = header.ended_requests.load(Relaxed) + self.process_requests(place);
            for (total, core) in self.totals_of(worker).iter().zip(self.cores_of(place)) {
                total.take(core);
            }
            header.ended_requests.store(requests, Relaxed);
            if self.place_of(worker) == Some(place) {
                self.seat(worker, None);
            }
        }
        self.cores_of(place).iter().for_each(CoreSlot::clear);
    }

    /// What `uwsgi.workers()` and the statistics show of a worker.
    pub fn status(&self, worker: WorkerId) -> WorkerStatus {
        let slot = self.worker(worker);
        let mut status = WorkerStatus {
            id: worker.0,
            status: "cheap",
            last_spawn: slot.last_spawn_unix.load(Relaxed),
            respawn_count: slot.respawn_count.load(Relaxed),
            ..WorkerStatus::default()
        };
        for total in self.totals_of(worker) {
            status.requests += total.requests.load(Relaxed);
            status.exceptions += total.exceptions.load(Relaxed);
            status.running_time += total.running_us.load(Relaxed);
            status.tx += total.tx_bytes.load(Relaxed);
        }
        for place in self.places_of(worker) {
            let cores = self.cores_of(place);
            status.requests += sum(cores, |core| &core.requests);
            status.exceptions += sum(cores, |core| &core.exceptions);
            status.running_time += sum(cores, |core| &core.running_us);
            status.tx += sum(cores, |core| &core.tx_bytes);
        }
        if let Some(place) = self.place_of(worker) {
            let (process, cores) = (self.process(place), self.cores_of(place));
            status.pid = process.pid.load(Relaxed);
            status.delta_requests = sum(cores, |core| &core.requests);
            status.status = status_name(process, cores);
            status.rss = process.rss_bytes.load(Relaxed);
            status.vsz = process.vsz_bytes.load(Relaxed);
            status.avg_rt = sum(cores, |core| &core.avg_rt_us) / cores.len().max(1) as u64;
            status.apps = self.apps(place);
        }
        status
    }

    /// Places whose process has this number: the one that serves, one that boots, those that drain.
    pub fn places_of(&self, worker: WorkerId) -> impl Iterator<Item = PlaceId> + '_ {
        self.place_ids().filter(move |place| self.process(*place).number.load(Relaxed) == worker.0)
    }
}

fn index(worker: WorkerId) -> usize {
    usize::from(worker.0).checked_sub(1).expect("worker numbers start at 1")
}

/// uWSGI's word for what a worker does: without a process it is `cheap`.
fn status_name(slot: &ProcessSlot, cores: &[CoreSlot]) -> &'static str {
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

    const FIRST: PlaceId = PlaceId(0);
    const THIRD: PlaceId = PlaceId(2);

    #[test]
    fn slots_are_empty_apart_and_aligned() {
        let board = Board::new(3, 2).unwrap();
        assert_eq!((board.requests_total(), board.places()), (0, 6));
        let mut addresses: Vec<usize> = board
            .place_ids()
            .flat_map(|id| board.cores_of(id).iter().map(|core| core as *const _ as usize))
            .collect();
        assert!(addresses.iter().all(|address| address % 128 == 0), "{addresses:?}");
        addresses.dedup();
        assert_eq!(addresses.len(), 12);
        assert_eq!(board.worker(WorkerId(1)) as *const _ as usize % 128, 0);
    }

    #[test]
    fn requests_are_counted_for_the_process_and_for_the_worker() {
        let board = Board::new(2, 1).unwrap();
        let worker = WorkerId(2);
        board.start_life(worker, FIRST, 1);
        board.process(FIRST).pid.store(7, Relaxed);
        board.seat(worker, Some(FIRST));
        let core = board.core(FIRST, CoreId(0));
        core.begin(1_000, 4_000, 1_700_000_000);
        assert_eq!(core.due_ms(), Some(4_000));
        assert_eq!(board.status(worker).status, "busy");
        core.end(800, 45);
        core.begin(1_001, 0, 1_700_000_000);
        core.end(400, 45);
        let status = board.status(worker);
        assert_eq!((status.status, core.due_ms()), ("idle", None));
        assert_eq!((status.requests, status.delta_requests, status.tx), (2, 2, 90));
        assert_eq!((status.running_time, status.avg_rt), (1_200, 400));
    }

    #[test]
    fn a_successor_counts_for_the_same_worker() {
        let board = Board::new(2, 1).unwrap();
        let worker = WorkerId(2);
        let serve = |place| {
            board.core(place, CoreId(0)).begin(0, 0, 0);
            board.core(place, CoreId(0)).end(1, 10);
        };
        board.start_life(worker, FIRST, 1);
        board.seat(worker, Some(FIRST));
        serve(FIRST);
        board.start_life(worker, THIRD, 2);
        serve(THIRD);
        board.seat(worker, Some(THIRD));
        let seen = |board: &Board| {
            let status = board.status(worker);
            (status.requests, status.delta_requests, status.tx, board.requests_total())
        };
        assert_eq!(seen(&board), (2, 1, 20, 2));
        board.end_life(FIRST);
        assert_eq!(seen(&board), (2, 1, 20, 2));
        assert_eq!(board.place_of(worker), Some(THIRD));
        board.end_life(THIRD);
        assert_eq!(seen(&board), (2, 0, 20, 2));
        assert_eq!((board.place_of(worker), board.status(worker).status), (None, "cheap"));
    }

    #[test]
    fn another_process_sees_the_same_board() {
        let board = Board::new(3, 2).unwrap();
        board.start_life(WorkerId(3), THIRD, 9);
        let other = Board::adopt(board.file().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!((other.workers(), other.cores(), other.places()), (3, 2, 6));
        assert_eq!(other.process(THIRD).spawned_ms.load(Relaxed), 9);
        other.core(THIRD, CoreId(1)).end(1, 1);
        assert_eq!(board.worker_requests(WorkerId(3)), 1);
    }

    #[test]
    fn what_is_no_board_is_refused() {
        let file = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, bytes).unwrap();
            OwnedFd::from(file)
        };
        for bytes in [&b""[..], b"short", &[0; 4096], &[255; 4096]] {
            let error = Board::adopt(file(bytes)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn the_earlier_limit_counts() {
        let board = Board::new(1, 1).unwrap();
        let core = board.core(FIRST, CoreId(0));
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
