//! What lets work into a worker: its listening sockets, and the queue of connections that other workers gave away.
//!
//! Any thread may close the doors, also while all request threads are busy: epoll_ctl(2) works beside a thread that
//! sleeps in epoll_wait(2). The state's lock is held for that call only, so that a listener that is re-armed after
//! an accept does not come back into a worker that has left it.
//!
//! Deliberately absent: accepting, and the decision when a worker leaves (`leaving`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout};
use parking_lot::Mutex;

use super::reactor::{ADOPTION, LISTENERS, Listening, ROOM};
use super::rescue::Rescue;
use crate::sys::epoll::ListenerSet;

/// See the module.
pub(super) struct Doors {
    set: ListenerSet,
    listeners: Vec<Listening>,
    /// The way to the other workers.
    pub(super) rescue: Option<Rescue>,
    /// Other workers wait on the same listeners.
    pub(super) shared: bool,
    state: Mutex<State>,
    /// The doors are open for connections of clients only. Writer: who holds the state.
    declines: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// The listeners are in the poller.
    open: bool,
    /// They never will be again.
    shut: bool,
    /// The queue of given-away connections is in the poller.
    adopting: bool,
    /// The poller tells when that queue has room again.
    awaits_room: bool,
}

impl Doors {
    pub(super) fn new(
        set: ListenerSet,
        listeners: Vec<Listening>,
        rescue: Option<Rescue>,
        shared: bool,
    ) -> Self {
        let (state, declines) = (Mutex::default(), AtomicBool::new(false));
        Self { set, listeners, rescue, shared, state, declines }
    }

    /// The sockets that this process accepts from, with their numbers.
    fn here(&self) -> impl Iterator<Item = (usize, &Listening)> {
        self.listeners.iter().enumerate().filter(|(_, listener)| !listener.elsewhere)
    }

    /// Lets work in, unless the doors are shut.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub(super) fn open(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.open || state.shut {
            return Ok(());
        }
        state.open = true;
        self.declines.store(false, Ordering::Relaxed);
        for (index, listener) in self.here() {
            self.set.add(listener.fd.as_fd(), LISTENERS + index, self.shared)?;
        }
        self.set_adopting(&mut state, true)
    }

    /// Lets nothing in, for now or for good.
    pub(super) fn close(&self, for_good: bool) {
        let mut state = self.state.lock();
        state.shut |= for_good;
        self.declines.store(false, Ordering::Relaxed);
        let mut left = self.set_adopting(&mut state, false);
        if std::mem::take(&mut state.open) {
            for (_, listener) in self.here() {
                left = left.and(self.set.remove(listener.fd.as_fd()));
            }
        }
        if let Err(error) = left {
            crate::log::line(format_args!("cannot leave the listeners: {error}"));
        }
    }

    pub(super) fn are_open(&self) -> bool {
        self.state.lock().open
    }

    /// Puts a listener at the tail of the kernel's queue of waiters, so that the next connection goes to another
    /// worker; also looks again whether a connection waits.
    pub(super) fn rearm(&self, index: usize) {
        let state = self.state.lock();
        let listener = self.listeners.get(index).filter(|one| state.open && !one.elsewhere);
        let Some(listener) = listener else { return };
        let fd = listener.fd.as_fd();
        let again =
            self.set.remove(fd).and_then(|()| self.set.add(fd, LISTENERS + index, self.shared));
        if let Err(error) = again {
            let name = &listener.info.name;
            crate::log::line(format_args!("cannot re-arm listener {name}: {error}"));
        }
    }

    /// The same for all listeners.
    pub(super) fn rearm_all(&self) {
        (0..self.listeners.len()).for_each(|index| self.rearm(index));
    }

    /// The same for the queue of given-away connections.
    pub(super) fn rearm_adoption(&self) {
        let mut state = self.state.lock();
        if state.adopting {
            let left = self.set_adopting(&mut state, false);
            say(left.and_then(|()| self.set_adopting(&mut state, true)));
        }
    }

    /// Takes no given-away connections for now, or takes them again where the doors are open.
    pub(super) fn adopt(&self, on: bool) {
        let mut state = self.state.lock();
        if state.open {
            say(self.set_adopting(&mut state, on));
            self.declines.store(!on, Ordering::Relaxed);
        }
    }

    /// True while the doors are open for connections of clients only.
    pub(super) fn decline(&self) -> bool {
        self.declines.load(Ordering::Relaxed)
    }

    /// Whether this process has a number for one more descriptor.
    ///
    /// # Errors
    /// As dup(2).
    pub(super) fn find_descriptor(&self) -> io::Result<()> {
        let Some(rescue) = &self.rescue else { return Ok(()) };
        rescue.receiver().try_clone_to_owned().map(drop)
    }

    fn set_adopting(&self, state: &mut State, on: bool) -> io::Result<()> {
        let Some(rescue) = self.rescue.as_ref().filter(|_| state.adopting != on) else {
            return Ok(());
        };
        state.adopting = on;
        let fd = rescue.receiver();
        if on { self.set.add(fd, ADOPTION, self.shared) } else { self.set.remove(fd) }
    }

    /// Asks the poller to tell when the queue of given-away connections has room, or no longer.
    pub(super) fn await_room(&self, on: bool) {
        let mut state = self.state.lock();
        let Some(rescue) = self.rescue.as_ref().filter(|_| state.awaits_room != on) else { return };
        state.awaits_room = on;
        let fd = rescue.sender();
        say(if on { self.set.add_writable(fd, ROOM) } else { self.set.remove(fd) });
    }

    /// True where something waits that a wake-up of this worker may have been for.
    pub(super) fn something_waits(&self) -> bool {
        let fds = self.here().map(|(_, listener)| listener.fd.as_fd());
        let fds = fds.chain(self.rescue.as_ref().map(Rescue::receiver));
        let readable = |fd: BorrowedFd<'_>| {
            let mut one = [PollFd::new(fd, PollFlags::POLLIN)];
            nix::poll::poll(&mut one, PollTimeout::ZERO).is_ok_and(|count| count > 0)
        };
        fds.into_iter().any(readable)
    }
}

fn say(result: io::Result<()>) {
    if let Err(error) = result {
        crate::log::line(format_args!("cannot watch for connections of other workers: {error}"));
    }
}
