//! What the worker's control thread may do to a request that is stuck: answer in its place.

use std::io::IoSlice;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use nix::sys::socket::MsgFlags;
use parking_lot::Mutex;

use super::dress::Dress;
use super::silence::Silence;
use crate::errors::RequestId;

const IDLE: u64 = 0;
const RUNNING: u64 = 1;
const ANSWERING: u64 = 2;
const CUT: u64 = 3;
const STAGE: u64 = 3;
const STAGE_BITS: u32 = 2;

/// Which of a core's requests: they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serial(u64);

impl Serial {
    /// The number.
    pub fn count(self) -> u64 {
        self.0
    }
}

/// Who ended a request, or its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its own thread.
    Own,
    /// The control thread answered in its place.
    Replaced,
    /// The control thread ended the answer that had begun.
    Midway,
}

/// One request thread's present request, seen from outside.
///
/// ```text
///   Idle -> Running -> Answering -> Idle     the request thread
///              `-----------`------> Cut      the control thread; the request thread then sends nothing more
/// ```
#[derive(Debug, Default)]
pub struct Cell {
    /// The request's serial number above its stage, so that nobody takes the next request for it.
    state: AtomicU64,
    fd: AtomicI32,
    /// Earlier answers are still on their way: nothing may be sent before them.
    behind: AtomicBool,
    /// The answer had begun when it was cut.
    midway: AtomicBool,
    /// Answers of earlier pipelined requests that are not sent yet, and perhaps the beginning of the present one.
    /// Whoever cuts a request holds the lock as long as it uses the descriptor.
    held: Mutex<Vec<u8>>,
    /// Bytes of `held` that belong to earlier requests.
    earlier: AtomicUsize,
    /// How its answer is dressed, see [`Dress::to_bits`].
    dress: AtomicU32,
    /// The id that somebody else gave to the request, where `has_id`.
    id: Mutex<String>,
    has_id: AtomicBool,
    /// Kernel id of the request thread.
    thread: AtomicI32,
    /// Since when nothing came of the present request.
    pub silence: Silence,
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

    /// The id that somebody else gave to the request that begins next.
    pub fn set_given_id(&self, id: Option<RequestId<'_>>) {
        if let Some(RequestId::Taken(id)) = id {
            let mut kept = self.id.lock();
            kept.clear();
            kept.push_str(id);
        }
        self.has_id.store(id.is_some(), Ordering::Relaxed);
    }

    /// The same for another thread. It is that of a request whose end nobody sees afterwards.
    pub fn given_id(&self) -> Option<String> {
        self.has_id.load(Ordering::Relaxed).then(|| self.id.lock().clone())
    }

    /// How the present answer is dressed.
    pub fn dress(&self) -> Dress {
        Dress::of_bits(self.dress.load(Ordering::Relaxed))
    }

    /// A request begins; `behind`: earlier answers of its connection are still on their way.
    pub fn begin(&self, fd: RawFd, behind: bool, dress: Dress) -> Serial {
        self.dress.store(dress.to_bits(), Ordering::Relaxed);
        self.earlier.store(self.held.lock().len(), Ordering::Relaxed);
        self.fd.store(fd, Ordering::Relaxed);
        self.behind.store(behind, Ordering::Relaxed);
        let serial = (self.state.load(Ordering::Relaxed) >> STAGE_BITS).wrapping_add(1);
        self.state.store(serial << STAGE_BITS | RUNNING, Ordering::Release);
        Serial(serial)
    }

    /// The first byte of an answer is about to leave; false where somebody answered already.
    pub fn begin_answer(&self) -> bool {
        let now = self.state.load(Ordering::Acquire);
        let answering = now & !STAGE | ANSWERING;
        match now & STAGE {
            ANSWERING => true,
            RUNNING => self
                .state
                .compare_exchange(now, answering, Ordering::AcqRel, Ordering::Acquire)
                .is_ok(),
            _ => false,
        }
    }

    /// The request is over.
    pub fn end(&self) -> End {
        if self.state.fetch_and(!STAGE, Ordering::AcqRel) & STAGE != CUT {
            return End::Own;
        }
        // The descriptor must not be closed while the control thread still sends.
        drop(self.held.lock());
        if self.midway.load(Ordering::Relaxed) { End::Midway } else { End::Replaced }
    }

    /// True while a request runs.
    pub fn is_busy(&self) -> bool {
        self.request().is_some()
    }

    /// The request that runs. What its thread wrote before [`Cell::begin`] is seen after this.
    pub fn request(&self) -> Option<Serial> {
        let now = self.state.load(Ordering::Acquire);
        (now & STAGE != IDLE).then_some(Serial(now >> STAGE_BITS))
    }

    /// The request whose application is awaited, and when that takes too long, in monotonic milliseconds.
    pub fn silent(&self) -> Option<(Serial, u64)> {
        let now = self.state.load(Ordering::Acquire);
        let awaited = matches!(now & STAGE, RUNNING | ANSWERING);
        awaited.then(|| self.silence.due_ms()).flatten().map(|due| (Serial(now >> STAGE_BITS), due))
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

    /// Answers in place of a stuck request, from another thread; false where it is over, or its own answer has begun.
    /// `answer` is a ready-made HTTP answer.
    ///
    /// The descriptor stays open meanwhile: its owner is the very thread that is stuck in the application,
    /// and it cannot leave without passing `begin_answer`, which fails from now on, or `end`.
    pub fn cut(&self, request: Serial, answer: &[u8]) -> bool {
        let mut held = self.held.lock();
        if !self.seize(request, RUNNING) {
            return false;
        }
        self.midway.store(false, Ordering::Relaxed);
        if self.behind.load(Ordering::Relaxed) {
            // The request thread sends what is on its way, and closes.
            return true;
        }
        let fd = self.fd.load(Ordering::Relaxed);
        let mut whole = std::mem::take(&mut *held);
        // Half an answer of the present request would run into ours.
        whole.truncate(self.earlier.load(Ordering::Relaxed));
        whole.extend_from_slice(&self.dress().whole(answer, "the request took too long"));
        // A full socket takes nothing more: the client then sees the connection's end only.
        let _ = nix::sys::socket::send(fd, &whole, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT);
        let _ = nix::sys::socket::shutdown(fd, nix::sys::socket::Shutdown::Write);
        true
    }

    /// Ends an answer that has begun, from another thread: the client has got all that it gets. False where it is
    /// over, or has not begun.
    pub fn cut_midway(&self, request: Serial) -> bool {
        let _held = self.held.lock();
        let cut = self.seize(request, ANSWERING);
        if cut {
            self.midway.store(true, Ordering::Relaxed);
            let fd = self.fd.load(Ordering::Relaxed);
            let _ = nix::sys::socket::shutdown(fd, nix::sys::socket::Shutdown::Write);
        }
        cut
    }

    /// True where the request was at that stage; its thread sends nothing from then on.
    fn seize(&self, request: Serial, stage: u64) -> bool {
        let state = |stage| request.0 << STAGE_BITS | stage;
        let (old, new) = (state(stage), state(CUT));
        self.state.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_has_begun_is_not_cut() {
        let cell = Cell::default();
        cell.begin(-1, false, Dress::default());
        let request = cell.request().expect("it runs");
        assert!(cell.begin_answer() && cell.begin_answer());
        assert!(!cell.cut(request, b"x"));
        assert_eq!(cell.end(), End::Own);
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
        cell.begin(-1, false, Dress::default());
        assert!(cell.cut(cell.request().expect("it runs"), b"x"));
        assert!(!cell.begin_answer());
        assert_eq!(cell.end(), End::Replaced);
        cell.begin(-1, false, Dress::default());
        assert!(cell.begin_answer());
        assert_eq!(cell.end(), End::Own, "the next one was not cut");
    }

    #[test]
    fn only_an_answer_that_has_begun_is_cut_midway() {
        let cell = Cell::default();
        cell.begin(-1, false, Dress::default());
        let request = cell.request().expect("it runs");
        assert!(!cell.cut_midway(request));
        assert!(cell.begin_answer() && cell.cut_midway(request));
        assert!(!cell.begin_answer());
        assert_eq!(cell.end(), End::Midway);
        assert!(!cell.cut_midway(request));
    }

    #[test]
    fn the_next_request_is_not_cut_in_place_of_one_that_is_over() {
        let cell = Cell::default();
        cell.begin(-1, false, Dress::default());
        let over = cell.request().expect("it runs");
        cell.end();
        assert!(!cell.cut(over, b"x"), "nothing runs");
        cell.begin(-1, false, Dress::default());
        assert!(!cell.cut(over, b"x"));
        assert!(cell.request() != Some(over) && cell.begin_answer());
    }
}
