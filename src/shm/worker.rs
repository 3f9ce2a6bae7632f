//! What is shared of a worker: of its number, and of the process that serves as that number.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU16, AtomicU64};

use super::AppList;

/// A worker's number (1 to `processes`), whichever process serves as it. Writer of every field: the master.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub struct WorkerSlot {
    /// The place of its process, plus one; 0 while it has none.
    pub place: AtomicU16,
    /// Unix time of its last spawn.
    pub last_spawn_unix: AtomicU64,
    /// How often it was spawned again.
    pub respawn_count: AtomicU64,
    /// How many of its requests ran out of time.
    pub harakiri_count: AtomicU64,
}

/// A worker process: one of the board's places. A worker's successor boots in another place, beside it.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub struct ProcessSlot {
    /// The worker's number, 0 while nobody has the place. Writer: whoever forks.
    pub number: AtomicU16,
    /// Its process, 0 while there is none. Writer: whoever forked it. (The new process writes the same
    /// number, so as not to see 0.)
    pub pid: AtomicI32,
    /// Its spawn in ms of the monotonic clock. Writer: whoever forks.
    pub spawned_ms: AtomicU64,
    /// It has loaded its application and takes requests. Writer: the worker; false again by whoever forks
    /// before each fork.
    pub ready: AtomicBool,
    /// It takes connections now. Writer and reset as `ready`.
    pub accepting: AtomicBool,
    /// It takes nothing new and ends after what runs. Writer and reset as `ready`.
    pub draining: AtomicBool,
    /// It has done its share and asked for a successor; it serves on. Writer and reset as `ready`.
    pub spent: AtomicBool,
    /// Resident memory in bytes, 0 while not measured. Writer and reset as `ready`.
    pub rss_bytes: AtomicU64,
    /// Address space in bytes, 0 while not measured. Writer and reset as `ready`.
    pub vsz_bytes: AtomicU64,
    /// Its applications. Writer: the worker.
    pub apps: AppList,
}

impl ProcessSlot {
    /// Called by the worker when it serves.
    pub fn set_ready(&self) {
        self.accepting.store(true, Relaxed);
        self.ready.store(true, Release);
    }

    /// Whether the worker has said that it serves.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Acquire)
    }

    /// Called by the worker when it stops taking work for good.
    pub fn set_draining(&self) {
        self.accepting.store(false, Relaxed);
        self.draining.store(true, Release);
    }

    /// Before a fork, while no process has the place.
    pub(super) fn start_life(&self, number: u16, now_ms: u64) {
        self.number.store(number, Relaxed);
        self.spawned_ms.store(now_ms, Relaxed);
        self.accepting.store(false, Relaxed);
        self.draining.store(false, Relaxed);
        self.spent.store(false, Relaxed);
        self.rss_bytes.store(0, Relaxed);
        self.vsz_bytes.store(0, Relaxed);
        self.apps.write(&[]);
        self.ready.store(false, Release);
    }
}
