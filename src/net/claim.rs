//! Who may touch a connection: one atomic, so that the thread that finishes a request re-reads input that
//! came meanwhile without a wake-up from the thread that turns the reactor.
//!
//! ```text
//!            park (nothing came)
//!   Busy ------------------------> Idle
//!    |  ^                           |
//!    |  |  take (event, deadline)   |
//!    |  +---------------------------+
//!    | event
//!    v
//!   BusyWithInput ---- park: the owner keeps it and reads again, Busy
//! ```

#[cfg(loom)]
use loom::sync::atomic::{AtomicU8, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU8, Ordering};

const IDLE: u8 = 0;
const BUSY: u8 = 1;
const BUSY_WITH_INPUT: u8 = 2;

/// What an event on a connection means for the thread that saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The connection is this thread's now.
    Taken,
    /// Its owner was told and will read.
    Left,
}

/// The claim of one connection. It starts out busy: whoever made it owns it.
#[derive(Debug)]
pub struct Claim(AtomicU8);

impl Default for Claim {
    fn default() -> Self {
        Self(AtomicU8::new(BUSY))
    }
}

impl Claim {
    /// An event came: takes an idle connection, or tells its owner.
    pub fn notice(&self) -> Notice {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let (next, answer) = match seen {
                IDLE => (BUSY, Notice::Taken),
                _ => (BUSY_WITH_INPUT, Notice::Left),
            };
            // Acquire: what the former owner wrote before `park` is seen. Release: pairs with the owner's
            // re-read after a failed `park`.
            match self.0.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return answer,
                Err(now) => seen = now,
            }
        }
    }

    /// Takes an idle connection; false where it is busy (a deadline is then of no interest).
    pub fn take(&self) -> bool {
        // Sequentially consistent, as in `park`.
        self.0.compare_exchange(IDLE, BUSY, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// The owner is done; false where input came meanwhile: the owner keeps it and must read again.
    pub fn park(&self) -> bool {
        // Sequentially consistent and not only Release: who parks looks afterwards whether the worker drains, and who
        // makes it drain looks afterwards for what is parked. One of them must see the other.
        if self.0.compare_exchange(BUSY, IDLE, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
            return true;
        }
        // Only the owner leaves this state, so a plain store is enough; Acquire of the event's writes.
        self.0.swap(BUSY, Ordering::AcqRel);
        false
    }

    /// A new owner on a reused slot.
    pub fn reset(&self) {
        self.0.store(BUSY, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn input_while_busy_comes_back_to_the_owner() {
        let claim = Claim::default();
        assert_eq!(claim.notice(), Notice::Left);
        assert!(!claim.park(), "input came: the owner must read");
        assert!(claim.park(), "and then it may rest");
        assert_eq!(claim.notice(), Notice::Taken);
        assert!(!claim.take(), "a busy connection cannot be taken");
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    /// Input that arrives at any moment is read by exactly one thread, and never by none.
    #[test]
    fn no_input_is_lost() {
        loom::model(|| {
            let claim = Arc::new(Claim::default());
            let socket = Arc::new(AtomicUsize::new(0));
            let reads = Arc::new(AtomicUsize::new(0));
            let reactor = {
                let (claim, socket, reads) = (claim.clone(), socket.clone(), reads.clone());
                thread::spawn(move || {
                    socket.store(1, Ordering::Release);
                    if claim.notice() == Notice::Taken {
                        reads.fetch_add(socket.swap(0, Ordering::AcqRel), Ordering::Relaxed);
                    }
                })
            };
            while !claim.park() {
                reads.fetch_add(socket.swap(0, Ordering::AcqRel), Ordering::Relaxed);
            }
            reactor.join().unwrap();
            assert_eq!(reads.load(Ordering::Relaxed), 1);
        });
    }
}
