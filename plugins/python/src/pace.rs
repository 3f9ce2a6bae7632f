//! That a thread which computes in one interpreter lets those of others run.
//!
//! Up to Python 3.12 a thread that waits for the GIL asks only threads of its own interpreter to give it up, so one site
//! that computes would keep all others waiting. For each interpreter a thread asks in its place: it takes the lock every few
//! milliseconds as a thread of that interpreter, and gives it back at once to whoever waits. It sleeps while nothing runs
//! there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Between two times that it asks: the first where the lock had to be waited for, up to the second where not.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(20));
/// The lock was free, or nearly.
const AT_ONCE: Duration = Duration::from_millis(1);
/// So long after the last request it sleeps: requests need not wake it each time.
const LINGER: Duration = Duration::from_secs(1);
const STACK_BYTES: usize = 128 * 1024;

/// What a thread and those that it asks for know of each other.
#[derive(Debug, Default)]
struct State {
    /// Threads in the interpreter.
    running: AtomicU32,
    asleep: AtomicBool,
    ended: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

/// A thread that asks; it ends with this.
#[derive(Debug)]
pub(crate) struct Pace(Arc<State>);

/// Something runs.
pub(crate) struct Running<'a>(&'a State);

impl Pace {
    /// Starts the thread. It ends when `ask` returns false.
    pub(crate) fn start(ask: impl Fn() -> bool + Send + 'static) -> std::io::Result<Self> {
        let state = Arc::new(State::default());
        let own = Arc::clone(&state);
        let thread = thread::Builder::new().name(String::from("pace")).stack_size(STACK_BYTES);
        thread.spawn(move || own.run(ask))?;
        Ok(Self(state))
    }

    /// Something runs in the interpreter, until the result is dropped.
    pub(crate) fn run(&self) -> Running<'_> {
        self.0.running.fetch_add(1, SeqCst);
        if self.0.asleep.load(SeqCst) {
            self.0.notify();
        }
        Running(&self.0)
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.0.ended.store(true, SeqCst);
        self.0.notify();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

impl State {
    fn notify(&self) {
        let _lock = self.lock.lock(); // it is before the wait, or in it
        self.wake.notify_all();
    }

    fn run(&self, ask: impl Fn() -> bool) {
        let mut pause = PAUSE.0;
        let mut quiet_since = Instant::now();
        while !self.ended.load(SeqCst) {
            thread::sleep(pause);
            if self.running.load(SeqCst) > 0 {
                let begun = Instant::now();
                if !ask() {
                    return;
                }
                let waited = begun.elapsed() > AT_ONCE;
                pause = if waited { PAUSE.0 } else { (pause * 2).min(PAUSE.1) };
                quiet_since = Instant::now();
            } else if quiet_since.elapsed() > LINGER {
                self.sleep();
                (pause, quiet_since) = (PAUSE.0, Instant::now());
            }
        }
    }

    fn sleep(&self) {
        let mut lock = self.lock.lock();
        self.asleep.store(true, SeqCst);
        while self.running.load(SeqCst) == 0 && !self.ended.load(SeqCst) {
            self.wake.wait(&mut lock);
        }
        self.asleep.store(false, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn it_asks_while_something_runs_and_ends_with_its_owner() {
        let (sender, receiver) = mpsc::channel();
        let pace = Pace::start(move || sender.send(()).is_ok()).unwrap();
        for _ in 0..2 {
            let running = pace.run();
            receiver.recv_timeout(PATIENCE).unwrap();
            drop(running);
            let begun = Instant::now();
            while !pace.0.asleep.load(SeqCst) {
                assert!(begun.elapsed() < PATIENCE, "it does not sleep");
                thread::yield_now();
            }
            receiver.try_iter().for_each(drop);
        }
        drop(pace);
        let gone = receiver.recv_timeout(PATIENCE);
        assert_eq!(gone, Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
