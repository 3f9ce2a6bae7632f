//! Who waits, who runs: *whoever is idle turns the reactor; nobody idle means nobody accepts.*
//!
//! A request thread that wants work takes a ready job; else, if nobody turns the reactor, it does, and runs
//! what it finds; else it waits on the bell as a follower. With one thread this is a plain event loop.
//!
//! Waking a follower for every job would cost more than a short application call, so it is done lazily:
//! one follower, the *watcher*, looks every [`WATCH_US_MIN`]..[`WATCH_US_MAX`] microseconds whether the
//! thread that runs got on. If it did not, the watcher takes its place. Only where calls are long anyway
//! (their running average is above [`LONG_CALL_US`]) are followers woken at once, one for each job.
//!
//! The queue's lock guards every change of role, so that no thread goes to sleep while another one counts
//! on it. Deliberately absent: a dedicated poller, and work that is handed to a thread by name.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

/// First look of a watcher, in microseconds.
pub const WATCH_US_MIN: u64 = 100;
/// Longest time between two looks while work goes on.
pub const WATCH_US_MAX: u64 = 1_000;
/// Above this average, an application call is worth a wake-up.
pub const LONG_CALL_US: u32 = 400;

/// Jobs taken before the reactor is turned again, so that clients who always have a next request ready do
/// not keep new connections waiting.
const TAKEN_MAX: u32 = 64;

/// What a thread that turns needs from the reactor.
pub trait Turn<J> {
    /// Looks for jobs; with `block`, sleeps until there is an event, a deadline or a wake-up. `rest` is
    /// called before it sleeps.
    fn turn(&mut self, block: bool, jobs: &mut VecDeque<J>, rest: &mut dyn FnMut());
    /// True when nothing is left that could become a job (only asked while draining).
    fn is_drained(&self) -> bool;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watch {
    Nobody,
    Called,
    Held,
}

struct Queue<J> {
    ready: VecDeque<J>,
    /// Jobs taken since the reactor was turned last.
    taken: u32,
    /// Threads that wait on the bell.
    followers: usize,
    /// A thread turns the reactor.
    turning: bool,
    /// Nothing was left and nobody ran: the threads end.
    over: bool,
    watch: Watch,
}

/// The meeting place of a worker's request threads.
pub struct Turnstile<J, R> {
    queue: Mutex<Queue<J>>,
    bell: Condvar,
    reactor: Mutex<R>,
    wake_poller: Box<dyn Fn() + Send + Sync>,
    /// Jobs begun, to see whether things move.
    progress: AtomicU64,
    /// Running average of the application calls in microseconds.
    pace_us: AtomicU32,
    draining: AtomicBool,
    /// Jobs given and not done.
    running: AtomicUsize,
    /// Jobs that wait, for threads that ask without the lock.
    waiting: AtomicU32,
    /// Threads from outside that have connections in their hands; changed under the queue's lock.
    held: AtomicUsize,
}

/// While it lives, the request threads do not end: see [`Turnstile::hold`].
pub struct Held<J, R: Turn<J>>(Arc<Turnstile<J, R>>);

impl<J, R: Turn<J>> Drop for Held<J, R> {
    fn drop(&mut self) {
        let _queue = self.0.queue.lock();
        self.0.held.fetch_sub(1, Ordering::Release);
        // Whoever found nothing left has waited for this, and there may be jobs now.
        self.0.bell.notify_all();
        (self.0.wake_poller)();
    }
}

impl<J, R: Turn<J>> Turnstile<J, R> {
    /// A turnstile around a reactor; `wake_poller` ends a blocking turn.
    pub fn new(reactor: R, wake_poller: Box<dyn Fn() + Send + Sync>) -> Self {
        Self {
            queue: Mutex::new(Queue {
                ready: VecDeque::new(),
                taken: 0,
                followers: 0,
                turning: false,
                over: false,
                watch: Watch::Nobody,
            }),
            bell: Condvar::new(),
            reactor: Mutex::new(reactor),
            wake_poller,
            progress: AtomicU64::new(0),
            pace_us: AtomicU32::new(0),
            draining: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            waiting: AtomicU32::new(0),
            held: AtomicUsize::new(0),
        }
    }

    /// The next job of a request thread; `None` when the worker is drained. `rest` is called before any sleep;
    /// `found` is the thread's own scratch, empty between calls.
    pub fn next(&self, found: &mut VecDeque<J>, rest: &mut dyn FnMut()) -> Option<J> {
        let mut queue = self.queue.lock();
        loop {
            let turn_is_due = queue.taken >= TAKEN_MAX && !queue.turning;
            if !turn_is_due && let Some(job) = queue.ready.pop_front() {
                queue.taken += 1;
                self.leave(&mut queue);
                return Some(job);
            }
            if queue.turning {
                if !self.follow(&mut queue, rest) {
                    return None;
                }
                continue;
            }
            queue.turning = true;
            drop(queue);
            let drained = self.lead(found, rest);
            queue = self.queue.lock();
            queue.turning = false;
            queue.taken = 0;
            queue.ready.append(found);
            if drained && self.is_over(&mut queue) {
                self.bell.notify_all();
                return None;
            }
        }
    }

    /// Whether this thread may end: under the lock once more, because a thread from outside may have come and gone
    /// since the reactor was asked.
    fn is_over(&self, queue: &mut Queue<J>) -> bool {
        let nothing_left = queue.ready.is_empty()
            && self.held.load(Ordering::Relaxed) == 0
            && self.reactor.lock().is_drained();
        queue.over |= nothing_left && self.running.load(Ordering::Relaxed) == 0;
        nothing_left
    }

    /// Turns the reactor until there is a job or the worker is drained (true).
    fn lead(&self, found: &mut VecDeque<J>, rest: &mut dyn FnMut()) -> bool {
        let mut reactor = self.reactor.lock();
        if self.calls_are_long() {
            // Others wait for what this thread holds (the GIL), and it will not be back soon.
            rest();
        }
        reactor.turn(false, found, rest);
        while found.is_empty() {
            let held = self.held.load(Ordering::Acquire) > 0;
            if self.draining.load(Ordering::Acquire) && !held && reactor.is_drained() {
                return true;
            }
            if self.waiting.load(Ordering::Relaxed) > 0 {
                return false;
            }
            reactor.turn(true, found, rest);
        }
        false
    }

    /// A thread is about to run a job: sees to it that the others' jobs do not wait for it.
    fn leave(&self, queue: &mut MutexGuard<'_, Queue<J>>) {
        self.progress.fetch_add(1, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
        self.waiting.store(queue.ready.len() as u32, Ordering::Relaxed);
        let unattended = usize::from(!queue.turning);
        let wanted = queue.ready.len() + unattended;
        if wanted == 0 {
            return;
        }
        if queue.followers > 0 {
            if self.calls_are_long() {
                for _ in 0..wanted.min(queue.followers) {
                    self.bell.notify_one();
                }
            } else if queue.watch == Watch::Nobody {
                queue.watch = Watch::Called;
                self.bell.notify_one();
            }
        } else if !queue.ready.is_empty() && queue.turning {
            (self.wake_poller)();
        }
    }

    /// Waits until there may be something to do; false when the worker is drained.
    fn follow(&self, queue: &mut MutexGuard<'_, Queue<J>>, rest: &mut dyn FnMut()) -> bool {
        // `rest` may take time (it gives the GIL back): not under the lock.
        MutexGuard::unlocked(queue, rest);
        if !queue.ready.is_empty() || !queue.turning {
            return true;
        }
        queue.followers += 1;
        let goes_on = self.wait_for_work(queue);
        queue.followers -= 1;
        goes_on
    }

    fn wait_for_work(&self, queue: &mut MutexGuard<'_, Queue<J>>) -> bool {
        loop {
            if self.draining.load(Ordering::Acquire) && queue.ready.is_empty() && !queue.turning {
                // Whoever turned has found the worker drained, or died: look for yourself.
                return true;
            }
            let unattended = !queue.ready.is_empty() || !queue.turning;
            if unattended && self.calls_are_long() {
                if queue.watch == Watch::Called {
                    // The call was for any follower; this one goes to work instead.
                    queue.watch = Watch::Nobody;
                }
                return true;
            }
            if queue.watch == Watch::Called || (unattended && queue.watch == Watch::Nobody) {
                queue.watch = Watch::Held;
                let takes_over = self.keep_watch(queue);
                queue.watch = Watch::Nobody;
                if takes_over {
                    return true;
                }
            }
            self.bell.wait(queue);
        }
    }

    /// Looks from time to time whether things move; true when this thread should take over, false when
    /// all is quiet.
    fn keep_watch(&self, queue: &mut MutexGuard<'_, Queue<J>>) -> bool {
        let mut pause_us = WATCH_US_MIN;
        let mut seen = self.progress.load(Ordering::Relaxed);
        let mut quiet = 0;
        loop {
            self.bell.wait_for(queue, Duration::from_micros(pause_us));
            let now = self.progress.load(Ordering::Relaxed);
            if queue.turning && queue.ready.is_empty() {
                quiet += 1;
                if quiet > 1 {
                    return false;
                }
            } else if now == seen || self.calls_are_long() {
                return true;
            } else {
                quiet = 0;
                pause_us = (pause_us * 2).min(WATCH_US_MAX);
            }
            seen = now;
        }
    }

    /// Puts a job behind the others that wait.
    pub fn push(&self, job: J) {
        let mut queue = self.queue.lock();
        queue.ready.push_back(job);
        self.waiting.store(queue.ready.len() as u32, Ordering::Relaxed);
    }

    /// True when other jobs wait (a hint: a kept connection then goes to the tail).
    pub fn others_wait(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// A call took that long.
    pub fn called(&self, duration_us: u32) {
        let pace = self.pace_us.load(Ordering::Relaxed);
        // One outlier must not change the mode, a series of them soon: an eighth of the difference each.
        let next = pace.saturating_sub(pace / 8).saturating_add(duration_us.min(1 << 24) / 8);
        self.pace_us.store(next, Ordering::Relaxed);
    }

    /// True where application calls are long compared with a wake-up.
    pub fn calls_are_long(&self) -> bool {
        self.pace_us.load(Ordering::Relaxed) > LONG_CALL_US
    }

    /// A job that [`Turnstile::next`] gave is done.
    pub fn done(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    /// Jobs that were given and are not done.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// For a thread from outside that is about to take connections into its hands: until it lets go, no request
    /// thread finds that nothing is left. `None` where they have found it already: what is taken then is lost.
    pub fn hold(self: &Arc<Self>) -> Option<Held<J, R>> {
        let queue = self.queue.lock();
        if queue.over {
            return None;
        }
        self.held.fetch_add(1, Ordering::Relaxed);
        Some(Held(self.clone()))
    }

    /// From now on threads end when nothing is left to do.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        let _queue = self.queue.lock();
        self.bell.notify_all();
        (self.wake_poller)();
    }

    /// True after [`Turnstile::drain`].
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Takes the jobs that nobody has begun (harakiri hands them to another worker).
    pub fn take_unstarted(&self) -> VecDeque<J> {
        let mut queue = self.queue.lock();
        self.waiting.store(0, Ordering::Relaxed);
        std::mem::take(&mut queue.ready)
    }
}

#[cfg(test)]
mod tests;
