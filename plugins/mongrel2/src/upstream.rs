//! Connections to the workers: one request at a time on each, kept from one to the next.

use std::io::{self, Read, Write};
use std::os::unix::net::SocketAddr;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use uwsgi_protocol::fastcgi::client::AnswerDecoder;

use crate::exchange::Outgoing;

/// A connection sticks to the worker that accepted it: after so many requests it is made anew, so that new workers get their
/// share.
const REQUESTS_MAX: u32 = 1_000;
/// Bytes that are read at once.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// See the module.
pub(crate) struct Upstream {
    stream: UnixStream,
    /// The request that it has.
    pub(crate) exchange: Option<usize>,
    pub(crate) decoder: AnswerDecoder,
    /// Something may be read; cleared by a read that shows the opposite.
    pub(crate) readable: bool,
    /// Something may be written.
    pub(crate) writable: bool,
    /// An event is to tell of room.
    awaits_room: bool,
    /// An event told of the other's end: it is to be read, and no other event will tell.
    pub(crate) hung_up: bool,
    /// The end of a request whose answer is whole.
    pub(crate) rest: Option<Outgoing>,
    served: u32,
}

/// Why a request cannot be sent on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The worker has ended the connection.
    #[error("{0}")]
    Worker(io::Error),
    /// Its body cannot be read, which no other worker would change.
    #[error("the file of an upload cannot be read: {0}")]
    File(io::Error),
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// The worker has ended the connection. `unread`: without having read all that it was sent.
    Over { unread: bool },
}

impl Upstream {
    /// Connects without waiting.
    ///
    /// # Errors
    /// `WouldBlock` where the workers' queue is full; nobody listens.
    pub(crate) fn connect(workers: &SocketAddr) -> io::Result<Self> {
        Ok(Self::of(UnixStream::connect_addr(workers)?))
    }

    fn of(stream: UnixStream) -> Self {
        Self {
            stream,
            exchange: None,
            decoder: AnswerDecoder::default(),
            readable: false,
            writable: true,
            awaits_room: false,
            hung_up: false,
            rest: None,
            served: 0,
        }
    }

    /// # Errors
    /// As epoll_ctl(2).
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.stream, token, Interest::READABLE)
    }

    /// Hears of room to write, or does not: each piece that a worker reads would wake this process.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub(crate) fn await_room(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        if self.awaits_room != self.writable {
            return Ok(());
        }
        self.awaits_room = !self.writable;
        let room = if self.awaits_room { Some(Interest::WRITABLE) } else { None };
        let interest = room.map_or(Interest::READABLE, |room| Interest::READABLE | room);
        registry.reregister(&mut self.stream, token, interest)
    }

    /// Sends what can be sent. Something is left where nothing more could be.
    ///
    /// # Errors
    /// See [`SendError`].
    pub(crate) fn send(&mut self, outgoing: &mut Outgoing) -> Result<(), SendError> {
        while self.writable {
            let bytes = outgoing.bytes().map_err(SendError::File)?;
            if bytes.is_empty() {
                return Ok(());
            }
            match self.stream.write(bytes) {
                Ok(count) => outgoing.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(SendError::Worker(error)),
            }
        }
        Ok(())
    }

    /// Reads once.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Received {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Received::Over { unread: false },
                Ok(count) => {
                    // Less than there was room for: an event tells of more.
                    self.readable = count == buffer.len() || self.hung_up;
                    return Received::Bytes(count);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => {
                        self.readable = false;
                        return Received::Nothing;
                    }
                    // unix(7): what this side has sent was still in the other's queue when it closed.
                    io::ErrorKind::ConnectionReset => return Received::Over { unread: true },
                    _ => return Received::Over { unread: false },
                },
            }
        }
    }

    /// Its request is over. True where it may have another one.
    pub(crate) fn finish(&mut self) -> bool {
        self.exchange = None;
        self.decoder = AnswerDecoder::default();
        self.served += 1;
        self.served < REQUESTS_MAX && !self.hung_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Body;
    use crate::uploads::Upload;

    /// A connection to nobody in particular, and its other end.
    fn connection() -> (Upstream, UnixStream) {
        let (stream, other) = UnixStream::pair().unwrap();
        let upstream = Upstream::of(stream);
        (upstream, other)
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_worker_that_is_gone() {
        // Opened for writing only, so that reading fails.
        let file = std::fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
        let body = Body::File { upload: Upload::of(file), at: 0, complete: true };
        let mut outgoing = Outgoing::new(b"records".to_vec(), body);
        let (mut upstream, _other) = connection();
        let error = upstream.send(&mut outgoing).unwrap_err();
        assert!(matches!(error, SendError::File(_)), "{error}");

        let (mut upstream, other) = connection();
        drop(other);
        let mut outgoing = Outgoing::new(b"records".to_vec(), Body::Whole);
        let error = upstream.send(&mut outgoing).unwrap_err();
        assert!(matches!(error, SendError::Worker(_)), "{error}");
    }
}
