//! The slot of one worker.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64};

/// What a worker and the master know of it together.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub struct WorkerSlot {
    /// Its process, 0 while there is none. Writer: whoever forked it. (The new process writes the same
    /// number, so as not to see 0.)
    pub pid: AtomicI32,
    /// Unix time of its last spawn. Writer: the master.
    pub last_spawn_unix: AtomicU64,
    /// Its last spawn in ms of the monotonic clock. Writer: the master.
    pub spawned_ms: AtomicU64,
    /// How often it was spawned again. Writer: the master.
    pub respawn_count: AtomicU64,
    /// How many of its requests ran out of time. Writer: the master.
    pub harakiri_count: AtomicU64,
    /// It has loaded its application and takes requests. Writer: the worker; false again by the master
    /// before each fork.
    pub ready: AtomicBool,
    /// It takes connections now. Writer and reset as `ready`.
    pub accepting: AtomicBool,
    /// It takes nothing new and ends after what runs. Writer and reset as `ready`.
    pub draining: AtomicBool,
    /// Resident memory in bytes, 0 while not measured. Writer and reset as `ready`.
    pub rss_bytes: AtomicU64,
    /// Address space in bytes, 0 while not measured. Writer and reset as `ready`.
    pub vsz_bytes: AtomicU64,
}

impl WorkerSlot {
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

    /// For the master before a fork, while no process owns the slot.
    pub(super) fn start_life(&self, now_ms: u64, now_unix: u64) {
        self.last_spawn_unix.store(now_unix, Relaxed);
        self.spawned_ms.store(now_ms, Relaxed);
        self.accepting.store(false, Relaxed);
        self.draining.store(false, Relaxed);
        self.rss_bytes.store(0, Relaxed);
        self.vsz_bytes.store(0, Relaxed);
        self.ready.store(false, Release);
    }
}
