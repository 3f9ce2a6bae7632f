//! What the master waits for: one poll, and what each of its descriptors is.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::net::listen::Endpoint;
use crate::supervisor::{Generation, Seat};
use crate::sys::signal::{self, Signal, SignalQueue};

/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 64;

/// What became readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// The signal queue.
    Signals,
    /// The channel of a mold.
    Mold(Generation),
    /// The channel of a worker.
    Worker(Seat),
    /// The master fifo of this number.
    Fifo(u8),
    /// The socket at which commands come in.
    Door,
    /// A command's connection.
    Asker(u32),
    /// A socket that the master answers.
    Endpoint(Endpoint),
    /// A connection to one.
    Client(u32),
    /// Files that are watched.
    Files,
    /// The pair of a site that has no processes.
    Site(u32),
    /// The master of the instance, in that of a site.
    Leash,
    /// A listening socket of the instance, while there are no workers.
    Listener(usize),
}

/// See the module.
pub(super) struct Ears {
    poll: Poll,
    events: Events,
    pub(super) signals: SignalQueue,
    sources: HashMap<Token, Source>,
    next: usize,
}

impl Ears {
    /// Hears signals already, ours and `others`.
    pub(super) fn new(others: &[Signal]) -> io::Result<Self> {
        let signals = [&signal::OURS, others].concat();
        let mut ears = Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            signals: SignalQueue::new(&signals)?,
            sources: HashMap::new(),
            next: 0,
        };
        let fd = ears.signals.as_fd().as_raw_fd();
        ears.register(fd, Source::Signals, Interest::READABLE)?;
        Ok(ears)
    }

    /// Hears a descriptor from now on. Forget it before it is closed.
    pub(super) fn listen(&mut self, fd: BorrowedFd<'_>, source: Source) -> io::Result<()> {
        self.register(fd.as_raw_fd(), source, Interest::READABLE)
    }

    /// The same, and hears when it can be written to.
    pub(super) fn watch(&mut self, fd: BorrowedFd<'_>, source: Source) -> io::Result<()> {
        self.register(fd.as_raw_fd(), source, Interest::READABLE | Interest::WRITABLE)
    }

    fn register(&mut self, fd: i32, source: Source, interest: Interest) -> io::Result<()> {
        let token = Token(self.next);
        self.poll.registry().register(&mut SourceFd(&fd), token, interest)?;
        self.next += 1;
        self.sources.insert(token, source);
        Ok(())
    }

    /// Closing it would do, but not while some forked copy of it is open.
    pub(super) fn forget(&mut self, fd: BorrowedFd<'_>, source: Source) {
        let _ = self.poll.registry().deregister(&mut SourceFd(&fd.as_raw_fd()));
        self.sources.retain(|_, known| *known != source);
    }

    /// Waits at most `timeout` and says what became readable; signals come last: what a worker said before it ended,
    /// and what people asked for before it did, count first.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Source>> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let heard =
            self.events.iter().filter_map(|event| self.sources.get(&event.token()).copied());
        let mut heard: Vec<Source> = heard.collect();
        heard.sort_by_key(|source| *source == Source::Signals);
        Ok(heard)
    }
}
