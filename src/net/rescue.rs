//! Connections that change their worker: what a dying worker had accepted and not begun is served by another.
//!
//! All workers share one pair of sockets. A message is a connection: its descriptor, where it came in, and the
//! bytes that were read from it already. Whoever is idle takes it, as it takes a new connection. Where no worker is
//! left, the message waits for the next one. This is for requests that would be lost otherwise; it is no queue
//! between processes.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::connection::Connection;
use super::hub::Hub;
use super::peer::Peer;
use super::table::Wait;
use crate::sys::channel::{Channel, MESSAGE_BYTES_MAX};

/// Names of the two ends between images of the program.
const SEND: &str = "rescue-send";
const TAKE: &str = "rescue-take";

/// Both ends, inherited by every worker.
#[derive(Clone, Debug)]
pub struct Rescue {
    send: Arc<Channel>,
    take: Arc<Channel>,
}

impl Rescue {
    /// A new pair; made before the workers are.
    ///
    /// # Errors
    /// As socketpair(2).
    pub fn new() -> io::Result<Self> {
        let (send, take) = Channel::pair()?;
        Ok(Self { send: Arc::new(send), take: Arc::new(take) })
    }

    /// The pair that another image of the program made, taken out of what it passed on.
    pub fn adopt(passed: &mut HashMap<String, OwnedFd>) -> Option<Self> {
        let send = Channel::from(passed.remove(SEND)?);
        let take = Channel::from(passed.remove(TAKE)?);
        Some(Self { send: Arc::new(send), take: Arc::new(take) })
    }

    /// Both ends with their names, to be passed on.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn descriptors(&self) -> io::Result<Vec<(String, Arc<OwnedFd>)>> {
        let end = |name: &str, channel: &Channel| -> io::Result<_> {
            Ok((name.to_owned(), Arc::new(channel.as_fd().try_clone_to_owned()?)))
        };
        Ok(vec![end(SEND, &self.send)?, end(TAKE, &self.take)?])
    }

    /// The end that the reactor waits on.
    pub(super) fn receiver(&self) -> BorrowedFd<'_> {
        self.take.as_fd()
    }
}

/// Bytes of a message before the connection's input: listener, port.
const HEADER_BYTES: usize = 4;

impl Hub {
    /// Gives a connection that runs no request to another worker; false where that is not possible.
    fn pass_on(&self, mut connection: Box<Connection>) -> bool {
        let Some(rescue) = &self.rescue else { return false };
        let passed = connection.can_move() && {
            let mut message = Vec::with_capacity(HEADER_BYTES + connection.input.len());
            message.extend_from_slice(&connection.listener.to_le_bytes());
            message.extend_from_slice(&connection.peer.port.to_le_bytes());
            message.push(connection.peer.address().len() as u8);
            message.extend_from_slice(connection.peer.address());
            message.extend_from_slice(connection.input.data());
            match rescue.send.send_with_fd(&message, connection.fd()) {
                Ok(()) => true,
                Err(error) => {
                    crate::log::line(format_args!("cannot hand a connection over: {error}"));
                    false
                }
            }
        };
        connection.input.consume(usize::MAX);
        self.close(connection);
        passed
    }

    /// Gives away the unstarted jobs and every connection that is waiting for input; returns how many went.
    pub fn pass_on_all(&self, unstarted: VecDeque<Box<Connection>>) -> usize {
        let resting = [Wait::Head, Wait::Body, Wait::KeepAlive];
        let resting =
            resting.into_iter().flat_map(|wait| std::iter::from_fn(move || self.table.take(wait)));
        unstarted.into_iter().chain(resting).map(|one| usize::from(self.pass_on(one))).sum()
    }

    /// Takes one connection that another worker gave away.
    pub(super) fn adopt(&self, now_ms: u64) -> Option<Box<Connection>> {
        let rescue = self.rescue.as_ref()?;
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        let (message, fd) = match rescue.take.receive_with_fd(&mut buffer) {
            Ok(Some((len, Some(fd)))) => (&buffer[..len], fd),
            // Another worker was faster.
            Ok(_) => return None,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) => {
                crate::log::line(format_args!("a connection of another worker is lost: {error}"));
                return None;
            }
        };
        let listener = u16::from_le_bytes([*message.first()?, *message.get(1)?]);
        let port = u16::from_le_bytes([*message.get(2)?, *message.get(3)?]);
        let address_len = usize::from(*message.get(HEADER_BYTES)?);
        let rest = &message[HEADER_BYTES + 1..];
        let (address, input) = rest.split_at_checked(address_len)?;
        self.listeners.get(listener as usize)?;
        let mut connection = Connection::new(
            fd,
            listener,
            Peer::from_text(address, port),
            now_ms + self.times.head_ms,
        );
        connection.input.extend(input);
        Some(connection)
    }
}
