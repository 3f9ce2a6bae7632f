//! The slot of one request thread.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64};

use super::{APPS_COUNTED_MAX, AppCounters, SeqBytes};

/// What a request thread ("core") shows to the master and to its siblings.
///
/// Writer of every field: the core's own request thread; while no process has the place (between the end
/// of a worker and the next fork) the master. All counters are of this worker process alone.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct CoreSlot {
    /// Harakiri of the current request in ms of the monotonic clock; 0 while idle or without a limit.
    pub deadline_ms: AtomicU64,
    /// The same, asked for by the application (`uwsgi.set_user_harakiri`); 0 without one.
    pub user_deadline_ms: AtomicU64,
    /// Start of the current or last request, Unix time in seconds.
    pub started_unix: AtomicU64,
    /// Start of the current or last request in ms of the monotonic clock.
    pub started_ms: AtomicU64,
    /// Whether a request runs.
    pub in_request: AtomicBool,
    /// Kernel id of the request thread; 0 before it runs.
    pub thread_id: AtomicI32,
    /// Requests.
    pub requests: AtomicU64,
    /// Requests that ended with an exception.
    pub exceptions: AtomicU64,
    /// Requests that a static file answered.
    pub static_requests: AtomicU64,
    /// Answers that could not be written.
    pub write_errors: AtomicU64,
    /// Requests that could not be read.
    pub read_errors: AtomicU64,
    /// Requests whose application was not loaded for them (`dynamic-apps-from`, `dynamic-apps-root`).
    pub refused: AtomicU64,
    /// Bytes sent.
    pub tx_bytes: AtomicU64,
    /// Time spent in requests, microseconds.
    pub running_us: AtomicU64,
    /// Smoothed time of a request, microseconds: half the last one, half what it was.
    pub avg_rt_us: AtomicU64,
    /// The same counters for each of the first applications.
    pub apps: [AppCounters; APPS_COUNTED_MAX],
    /// `ADDR - METHOD URI` of the current or last request, at most 1024 bytes, for the harakiri lines.
    pub current: SeqBytes<128>,
}

impl CoreSlot {
    /// A request starts. `deadline_ms` is 0 without harakiri.
    #[inline]
    pub fn begin(&self, now_ms: u64, deadline_ms: u64, started_unix: u64) {
        self.started_ms.store(now_ms, Relaxed);
        self.started_unix.store(started_unix, Relaxed);
        self.in_request.store(true, Relaxed);
        self.deadline_ms.store(deadline_ms, Relaxed);
    }

    /// The request ended after `running_us` microseconds and sent `tx_bytes` bytes; counts it.
    #[inline]
    pub fn end(&self, running_us: u64, tx_bytes: u64) {
        self.disarm();
        add(&self.requests, 1);
        add(&self.running_us, running_us);
        add(&self.tx_bytes, tx_bytes);
        let average = self.avg_rt_us.load(Relaxed).midpoint(running_us);
        self.avg_rt_us.store(average, Relaxed);
    }

    /// Neither limit holds any more and no request runs; nothing is counted.
    #[inline]
    pub fn disarm(&self) {
        self.deadline_ms.store(0, Relaxed);
        self.user_deadline_ms.store(0, Relaxed);
        self.in_request.store(false, Relaxed);
    }

    /// The earlier of the two limits, in ms of the monotonic clock; `None` without one.
    pub fn due_ms(&self) -> Option<u64> {
        [&self.deadline_ms, &self.user_deadline_ms]
            .into_iter()
            .map(|limit| limit.load(Relaxed))
            .filter(|&limit| limit != 0)
            .min()
    }

    /// Adds one to a counter of this slot. Not an atomic addition: the slot has one writer.
    #[inline]
    pub fn count(&self, counter: impl FnOnce(&Self) -> &AtomicU64) {
        add(counter(self), 1);
    }

    /// Counts the request that has just ended for its application.
    #[inline]
    pub fn count_app(&self, app: Option<u16>, exception: bool) {
        if let Some(counters) = app.and_then(|app| self.apps.get(usize::from(app))) {
            add(&counters.requests, 1);
            if exception {
                add(&counters.exceptions, 1);
            }
        }
    }

    /// The slot as for a process that has done nothing. For the master, while no process has the place.
    pub(super) fn clear(&self) {
        self.disarm();
        self.thread_id.store(0, Relaxed);
        for (_, counter) in self.counters() {
            counter.store(0, Relaxed);
        }
        for app in &self.apps {
            app.requests.store(0, Relaxed);
            app.exceptions.store(0, Relaxed);
        }
        self.avg_rt_us.store(0, Relaxed);
    }

    fn counters(&self) -> [(Total, &AtomicU64); 8] {
        [
            (|totals| &totals.requests, &self.requests),
            (|totals| &totals.exceptions, &self.exceptions),
            (|totals| &totals.static_requests, &self.static_requests),
            (|totals| &totals.write_errors, &self.write_errors),
            (|totals| &totals.read_errors, &self.read_errors),
            (|totals| &totals.refused, &self.refused),
            (|totals| &totals.tx_bytes, &self.tx_bytes),
            (|totals| &totals.running_us, &self.running_us),
        ]
    }
}

/// The total that a counter is added to.
type Total = fn(&CoreTotals) -> &AtomicU64;

/// What the ended processes of a worker did on one of its cores. Writer: the master.
#[derive(Debug, Default)]
#[repr(C, align(64))]
#[allow(missing_docs)] // the counters of `CoreSlot`
pub struct CoreTotals {
    pub requests: AtomicU64,
    pub exceptions: AtomicU64,
    pub static_requests: AtomicU64,
    pub write_errors: AtomicU64,
    pub read_errors: AtomicU64,
    pub refused: AtomicU64,
    pub tx_bytes: AtomicU64,
    pub running_us: AtomicU64,
}

impl CoreTotals {
    /// Adds what an ended process did.
    pub(super) fn take(&self, core: &CoreSlot) {
        for (total, counter) in core.counters() {
            add(total(self), counter.load(Relaxed));
        }
    }
}

/// An addition without a locked instruction; sound for a field with one writer.
#[inline]
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(amount), Relaxed);
}
