//! What a node waits for: datagrams, words of its own instance, results of the workshop, time, the end.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use uwsgi_plugin_api::cluster::Outgoing;

use super::clock;
use crate::id::Millis;
use crate::sockets::{DATAGRAM_ROOM, Ear, Sockets};

const STOP: Token = Token(0);
const WAKE: Token = Token(1);
const INPUT: Token = Token(2);
const OWN: Token = Token(3);
const GROUP: Token = Token(4);
const EVENTS_MAX: usize = 16;
/// Datagrams that are taken from a socket before anything else is looked at.
const BATCH: usize = 128;
/// Bytes of one word of the instance: what an application sends at most, each byte as a number in JSON.
const INPUT_BYTES_MAX: usize = 64 * 1024;
/// The longest sleep, whatever is waited for.
const SLEEP_MS_MAX: u64 = 1_000;

/// Something that happened.
pub(super) enum Happening {
    /// A datagram, whole; or longer than any may be.
    Datagram(SocketAddr, Vec<u8>),
    /// The instance wants to say something.
    Outgoing(Outgoing),
    /// The instance said what is no word.
    Nonsense,
}

/// See the module. Sockets come and go.
pub(super) struct Station<'a> {
    poll: Poll,
    events: Events,
    input: Option<BorrowedFd<'a>>,
    pub(super) sockets: Option<Sockets>,
    /// Own socket, group, input: there may be more.
    ready: [bool; 3],
    stopped: bool,
    buffer: Box<[u8]>,
}

impl<'a> Station<'a> {
    pub(super) fn open(stop: BorrowedFd<'a>, input: BorrowedFd<'a>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry();
        registry.register(&mut SourceFd(&stop.as_raw_fd()), STOP, Interest::READABLE)?;
        // A file or nothing has no events: then nobody speaks.
        let heard = registry.register(&mut SourceFd(&input.as_raw_fd()), INPUT, Interest::READABLE);
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            input: heard.ok().map(|()| input),
            sockets: None,
            ready: [false, false, true],
            stopped: false,
            buffer: vec![0; INPUT_BYTES_MAX].into(),
        })
    }

    pub(super) fn waker(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), WAKE)
    }

    /// Speaks by these sockets from now on.
    pub(super) fn connect(&mut self, mut sockets: Sockets) -> io::Result<()> {
        for (ear, socket) in sockets.sources() {
            let token = if ear == Ear::Own { OWN } else { GROUP };
            self.poll.registry().register(socket, token, Interest::READABLE)?;
        }
        self.sockets = Some(sockets);
        self.ready[..2].fill(true);
        Ok(())
    }

    /// Whether the end was asked for.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Sleeps until something happens, or until this time of the monotonic clock.
    ///
    /// # Errors
    /// The poller fails.
    pub(super) fn wait(&mut self, until: Millis, into: &mut Vec<Happening>) -> io::Result<()> {
        let left = until.saturating_sub(clock::monotonic()).min(SLEEP_MS_MAX);
        let more = self.ready.iter().any(|ready| *ready);
        let timeout = Duration::from_millis(if more { 0 } else { left });
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            match event.token() {
                STOP => self.stopped = true,
                OWN => self.ready[0] = true,
                GROUP => self.ready[1] = true,
                INPUT => self.ready[2] = true,
                _ => {}
            }
        }
        self.hear(Ear::Own, into);
        self.hear(Ear::Group, into);
        self.listen_to_instance(into);
        Ok(())
    }

    fn hear(&mut self, ear: Ear, into: &mut Vec<Happening>) {
        let ready = &mut self.ready[usize::from(ear == Ear::Group)];
        let Some(sockets) = self.sockets.as_mut().filter(|_| *ready) else {
            *ready = false;
            return;
        };
        for _ in 0..BATCH {
            let Some((count, from)) = sockets.receive(ear, &mut self.buffer[..DATAGRAM_ROOM])
            else {
                *ready = false;
                return;
            };
            into.push(Happening::Datagram(from, self.buffer[..count].to_vec()));
        }
    }

    fn listen_to_instance(&mut self, into: &mut Vec<Happening>) {
        let Some(input) = self.input.filter(|_| self.ready[2]) else {
            self.ready[2] = false;
            return;
        };
        for _ in 0..BATCH {
            match recv(input.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(0) | Err(Errno::EAGAIN) => {
                    self.ready[2] = false;
                    break;
                }
                Ok(count) => into.push(match serde_json::from_slice(&self.buffer[..count]) {
                    Ok(outgoing) => Happening::Outgoing(outgoing),
                    Err(_) => Happening::Nonsense,
                }),
                Err(Errno::EINTR) => {}
                // No socket: nobody speaks.
                Err(_) => {
                    let _ = self.poll.registry().deregister(&mut SourceFd(&input.as_raw_fd()));
                    self.input = None;
                    break;
                }
            }
        }
    }
}
