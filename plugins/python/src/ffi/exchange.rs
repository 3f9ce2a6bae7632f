//! Lending a running request to Python objects.
//!
//! `start_response`, its `write` and `wsgi.input` are Python objects that the application may keep for ever
//! and use from any of its threads; the request lives on the stack of the thread that serves it. An
//! [`Exchange`] stands between: it holds pointers to body and response only while [`Exchange::lend`] runs, and
//! hands each to one user at a time by taking the pointer out.

use std::cell::Cell;
use std::mem::transmute;
use std::os::fd::RawFd;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use uwsgi_plugin_api::{Body, BodyError, Fill, Response, WebSocket, WriteError};

use super::{Py, gil};

/// Why there is nothing to borrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// The request is over.
    Over,
    /// Another thread uses it at this moment, or this one does further up.
    Busy,
}

/// The pointers of a request that runs now, reachable with the GIL only.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    body: Slot<dyn Body>,
    response: Slot<dyn Response>,
    /// What the request has become. Never waited for.
    socket: Mutex<Option<WebSocket>>,
    /// `start_response` was called with success.
    started: AtomicBool,
    /// `disable-write-exception`: `write()` does not tell the application that the client is gone.
    forgiving: AtomicBool,
    /// Chunks that went out through `write()`.
    written: AtomicU32,
    /// Bytes of the body that were read.
    read: AtomicU64,
    /// The connection's descriptor, -1 between requests.
    connection: AtomicI32,
}

/// What is lent.
pub(crate) struct Loan<'a> {
    /// The request's body.
    pub(crate) body: &'a mut dyn Body,
    /// The response to it.
    pub(crate) response: &'a mut dyn Response,
    /// The connection's descriptor.
    pub(crate) connection: RawFd,
}

struct Slot<T: ?Sized + 'static> {
    /// `None` while it is out, and while no request runs.
    here: Cell<Option<NonNull<T>>>,
    out: Cell<bool>,
}

impl<T: ?Sized> Default for Slot<T> {
    fn default() -> Self {
        Self { here: Cell::new(None), out: Cell::new(false) }
    }
}

impl<T: ?Sized> std::fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("out", &self.out.get()).finish_non_exhaustive()
    }
}

// SAFETY: the cells are only touched with a token, so by one thread at a time. The pointers are lent to
// other threads one at a time while their owner waits; bodies and responses have no ties to their thread
// other than that.
unsafe impl<T: ?Sized> Send for Slot<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized> Sync for Slot<T> {}

impl<T: ?Sized> Slot<T> {
    #[inline]
    fn borrow<R>(&self, _py: Py<'_>, work: impl FnOnce(&mut T) -> R) -> Result<R, Absent> {
        struct Return<'a, T: ?Sized + 'static> {
            slot: &'a Slot<T>,
            pointer: NonNull<T>,
        }
        impl<T: ?Sized> Drop for Return<'_, T> {
            fn drop(&mut self) {
                self.slot.here.set(Some(self.pointer));
                self.slot.out.set(false);
            }
        }
        let Some(pointer) = self.here.take() else {
            return Err(if self.out.get() { Absent::Busy } else { Absent::Over });
        };
        self.out.set(true);
        let mut out = Return { slot: self, pointer };
        // SAFETY: `Exchange::lend` keeps the value alive and unused until the pointer is back, and taking it
        // out of the slot made this the only use.
        Ok(work(unsafe { out.pointer.as_mut() }))
    }

    /// Waits until nobody uses the pointer and removes it.
    fn recall(&self, py: Py<'_>) {
        /// A body or a client that another thread of the application still waits for comes within
        /// `socket-timeout`; this case is rare enough for a poll.
        const PAUSE: Duration = Duration::from_millis(1);
        while self.out.get() {
            // SAFETY: nothing of Python is used in it.
            unsafe { gil::released(py, || std::thread::sleep(PAUSE)) };
        }
        self.here.set(None);
    }
}

impl Exchange {
    /// An exchange for one request thread; `forgiving` is `disable-write-exception`.
    pub(crate) fn new(forgiving: bool) -> Self {
        Self { forgiving: AtomicBool::new(forgiving), ..Self::default() }
    }

    /// Whether `write()` keeps quiet about a client that is gone.
    pub(crate) fn is_forgiving(&self) -> bool {
        self.forgiving.load(Ordering::Relaxed)
    }

    /// Runs `scope` with the request lent to the objects that share this exchange.
    pub(crate) fn lend<R>(&self, py: Py<'_>, loan: Loan<'_>, scope: impl FnOnce() -> R) -> R {
        struct Recall<'a, 'gil>(&'a Exchange, Py<'gil>);
        impl Drop for Recall<'_, '_> {
            fn drop(&mut self) {
                self.0.body.recall(self.1);
                self.0.response.recall(self.1);
                self.0.reset(-1);
            }
        }
        let (body, response) = (NonNull::from(loan.body), NonNull::from(loan.response));
        // SAFETY: only the lifetime changes. `Recall` removes the pointers before this call returns, and the
        // references that they come from are not used by anyone else until then.
        unsafe {
            self.body.here.set(Some(transmute::<NonNull<dyn Body + '_>, NonNull<dyn Body>>(body)));
            self.response
                .here
                .set(Some(transmute::<NonNull<dyn Response + '_>, NonNull<dyn Response>>(
                    response,
                )));
        }
        self.reset(loan.connection);
        let _recall = Recall(self, py);
        scope()
    }

    fn reset(&self, connection: RawFd) {
        // Nobody uses it where body and response are here.
        if let Ok(mut socket) = self.socket.try_lock() {
            *socket = None;
        }
        self.started.store(false, Ordering::Relaxed);
        self.written.store(0, Ordering::Relaxed);
        self.read.store(0, Ordering::Relaxed);
        self.connection.store(connection, Ordering::Relaxed);
    }

    /// Uses the body.
    ///
    /// # Errors
    /// [`Absent`].
    #[inline]
    pub(crate) fn body<R>(
        &self,
        py: Py<'_>,
        work: impl FnOnce(&mut dyn Body) -> R,
    ) -> Result<R, Absent> {
        self.body.borrow(py, |body| work(body))
    }

    /// Uses the response.
    ///
    /// # Errors
    /// [`Absent`].
    #[inline]
    pub(crate) fn response<R>(
        &self,
        py: Py<'_>,
        work: impl FnOnce(&mut dyn Response) -> R,
    ) -> Result<R, Absent> {
        self.response.borrow(py, |response| work(response))
    }

    /// Uses the request's WebSocket, with body and response, without the GIL.
    ///
    /// # Errors
    /// [`Absent`].
    pub(crate) fn socket<R: Send>(
        &self,
        py: Py<'_>,
        work: impl FnOnce(&mut Option<WebSocket>, &mut dyn Body, &mut dyn Response) -> R,
    ) -> Result<R, Absent> {
        self.body(py, |body| {
            self.response(py, |response| {
                let mut socket = self.socket.try_lock().map_err(|_| Absent::Busy)?;
                // SAFETY: all three are the server's and know nothing of Python; the borrows keep others away.
                Ok(unsafe { gil::released(py, || work(&mut socket, body, response)) })
            })
        })
        .and_then(|used| used)
        .and_then(|used| used)
    }

    /// Whether the request has become a WebSocket.
    pub(crate) fn is_socket(&self) -> bool {
        self.socket.try_lock().map_or(true, |socket| socket.is_some())
    }

    /// Whether `start_response` succeeded in this request.
    pub(crate) fn started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    /// Notes that `start_response` succeeded.
    pub(crate) fn note_start(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// Bytes of the body that were read in this request.
    pub(crate) fn position(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Notes where the body is after a seek.
    pub(crate) fn note_place(&self, position: u64) {
        self.read.store(position, Ordering::Relaxed);
    }

    /// Notes bytes that were read.
    pub(crate) fn note_read(&self, count: u64) {
        self.read.fetch_add(count, Ordering::Relaxed);
    }

    /// The connection's descriptor, -1 between requests.
    pub(crate) fn connection(&self) -> RawFd {
        self.connection.load(Ordering::Relaxed)
    }

    /// Chunks sent by `write()` in this request.
    pub(crate) fn written(&self) -> u32 {
        self.written.load(Ordering::Relaxed)
    }

    /// Notes a chunk sent by `write()`.
    pub(crate) fn note_write(&self) {
        self.written.fetch_add(1, Ordering::Relaxed);
    }
}

/// [`Body::fill`] without the GIL.
///
/// # Errors
/// Those of `fill`.
pub(crate) fn fill(py: Py<'_>, body: &mut dyn Body) -> Result<Fill, BodyError> {
    // SAFETY: a body is the server's and knows nothing of Python; the borrow keeps others away from it.
    unsafe { gil::released(py, || body.fill()) }
}

/// [`Response::wait`] without the GIL.
///
/// # Errors
/// Those of `wait`.
pub(crate) fn wait(py: Py<'_>, response: &mut dyn Response) -> Result<(), WriteError> {
    // SAFETY: as for bodies.
    unsafe { gil::released(py, || response.wait()) }
}
