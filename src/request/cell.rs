//! What the worker's control thread may do to a request that is stuck: answer in its place.

use std::io::IoSlice;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicUsize, Ordering};

use nix::sys::socket::MsgFlags;
use parking_lot::Mutex;

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const ANSWERING: u8 = 2;
const CUT: u8 = 3;

/// One request thread's present request, seen from outside.
///
/// ```text
///   Idle -> Running -> Answering -> Idle     the request thread
///              `-----> Cut                   the control thread; the request thread then sends nothing more
/// ```
#[derive(Debug, Default)]
pub struct Cell {
    stage: AtomicU8,
    fd: AtomicI32,
    /// Answers of earlier pipelined requests that are not sent yet, and perhaps the beginning of the present one.
    held: Mutex<Vec<u8>>,
    /// Bytes of `held` that belong to earlier requests.
    earlier: AtomicUsize,
    /// Kernel id of the request thread.
    thread: AtomicI32,
}

impl Cell {
    /// The request thread introduces itself.
    pub fn belongs_to(&self, thread: i32) {
        self.thread.store(thread, Ordering::Relaxed);
    }

    /// Kernel id of the request thread; 0 before it started.
    pub fn thread(&self) -> i32 {
        self.thread.load(Ordering::Relaxed)
    }

    /// A request begins.
    pub fn begin(&self, fd: RawFd) {
        self.earlier.store(self.held.lock().len(), Ordering::Relaxed);
        self.fd.store(fd, Ordering::Relaxed);
        self.stage.store(RUNNING, Ordering::Release);
    }

    /// The first byte of an answer is about to leave; false where somebody answered already.
    pub fn begin_answer(&self) -> bool {
        let now =
            self.stage.compare_exchange(RUNNING, ANSWERING, Ordering::AcqRel, Ordering::Acquire);
        now.is_ok() || now == Err(ANSWERING)
    }

    /// The request is over.
    pub fn end(&self) {
        self.stage.store(IDLE, Ordering::Release);
    }

    /// True while a request runs.
    pub fn is_busy(&self) -> bool {
        self.stage.load(Ordering::Acquire) != IDLE
    }

    /// Keeps bytes of an answer back, to be sent together with the next one; false where that would make more
    /// than `max` bytes.
    pub fn hold(&self, parts: &[IoSlice<'_>], max: usize) -> bool {
        let mut held = self.held.lock();
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let fits = held.len() + len <= max;
        if fits {
            parts.iter().for_each(|part| held.extend_from_slice(part));
        }
        fits
    }

    /// Takes what was kept back into `out`, which must be empty.
    pub fn take_held(&self, out: &mut Vec<u8>) {
        let mut held = self.held.lock();
        self.earlier.store(0, Ordering::Relaxed);
        std::mem::swap(&mut *held, out);
    }

    /// Ends the client's connection while the application goes on (`uwsgi.disconnect()`): what was sent so far is
    /// all that it gets. False where no request runs.
    pub fn disconnect(&self) -> bool {
        self.is_busy() && {
            // Called on the request thread itself, which owns the descriptor.
            let fd = self.fd.load(Ordering::Relaxed);
            nix::sys::socket::shutdown(fd, nix::sys::socket::Shutdown::Write).is_ok()
        }
    }

    /// Answers in place of a stuck request, from another thread; false where its own answer has begun.
    ///
    /// The descriptor stays open meanwhile: its owner is the very thread that is stuck in the application,
    /// and it cannot leave without passing `begin_answer`, which fails from now on, or `end`.
    pub fn cut(&self, answer: &[u8]) -> bool {
        if self.stage.compare_exchange(RUNNING, CUT, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return false;
        }
        let fd = self.fd.load(Ordering::Relaxed);
        let mut whole = std::mem::take(&mut *self.held.lock());
        // Half an answer of the present request would run into ours.
        whole.truncate(self.earlier.load(Ordering::Relaxed));
        whole.extend_from_slice(answer);
        // A full socket takes nothing more: the client then sees the connection's end only.
        let _ = nix::sys::socket::send(fd, &whole, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT);
        let _ = nix::sys::socket::shutdown(fd, nix::sys::socket::Shutdown::Write);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_has_begun_is_not_cut() {
        let cell = Cell::default();
        cell.begin(-1);
        assert!(cell.begin_answer() && cell.begin_answer());
        assert!(!cell.cut(b"x"));
        cell.end();
        assert!(!cell.is_busy());
    }

    #[test]
    fn what_is_held_is_bounded() {
        let cell = Cell::default();
        assert!(cell.hold(&[IoSlice::new(b"1234"), IoSlice::new(b"5678")], 10));
        assert!(!cell.hold(&[IoSlice::new(b"abc")], 10));
        let mut held = Vec::new();
        cell.take_held(&mut held);
        assert_eq!(held, b"12345678");
    }

    #[test]
    fn a_cut_request_sends_nothing_more() {
        let cell = Cell::default();
        cell.begin(-1);
        cell.cut(b"x");
        assert!(!cell.begin_answer());
    }
}
