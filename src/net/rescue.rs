//! Connections that change their worker: a worker that ends gives what it has accepted and does not serve to another.
//!
//! All workers of an instance share one pair of sockets, those of a generation that ends and those of the next. A
//! message is a connection (see `parcel`). Whoever is idle takes it, as it takes a new connection. Where no worker is
//! left, the message waits for the next one, as a connection waits in a listener's queue. This is for requests that
//! would be lost otherwise; it is no queue between processes.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nix::sys::socket::{setsockopt, sockopt};
use uwsgi_plugin_api::WireProtocol;
use uwsgi_protocol::http1::Form;

use super::connection::Connection;
use super::hub::Hub;
use super::introduction::Arrival;
use super::leaving::Course;
use super::parcel::{Message, Parcel};
use super::peer::Peer;
use crate::errors::Counter;
use crate::sys::channel::{Channel, MESSAGE_BYTES_MAX};
use crate::sys::socket;

/// Memory that waiting messages may take, in bytes; the kernel counts its own share of each, about 800 bytes, and may
/// allow less (net.core.wmem_max).
const QUEUE_BYTES_MAX: usize = 1 << 20;

/// The same of the pair of one site, as setsockopt(2) takes it, which doubles it: as little as lets the largest message pass, and
/// about a hundred usual ones. All descriptors that are on their way count against one limit of the user, so that what waits
/// for a site that takes nothing must not be many.
const SITE_QUEUE_BYTES_MAX: usize = 84 * 1024;

/// Names of the two ends between images of the program.
pub const SEND: &str = "rescue-send";
const TAKE: &str = "rescue-take";

/// Both ends, inherited by every worker.
#[derive(Clone, Debug)]
pub struct Rescue {
    send: Arc<Channel>,
    take: Arc<Channel>,
    /// Of a site's processes: the sending end of their own pair. What they give away goes to the instance.
    own: Option<Arc<Channel>>,
    /// These are a site's processes.
    of_site: bool,
}

impl Rescue {
    /// A new pair; made before the workers are.
    ///
    /// # Errors
    /// As socketpair(2).
    pub fn new() -> io::Result<Self> {
        Self::with_room(QUEUE_BYTES_MAX)
    }

    /// The same with another bound.
    pub(super) fn with_room(bytes: usize) -> io::Result<Self> {
        let (send, take) = Channel::pair()?;
        // Less room is no harm: what does not fit stays with its worker.
        let _ = setsockopt(&send, sockopt::SndBuf, &bytes);
        Ok(Self { send: Arc::new(send), take: Arc::new(take), own: None, of_site: false })
    }

    /// That of a site's processes: what others send them comes by `take`, whose other end is `own`; what they give away goes
    /// `home`, or to the next of them where they have none.
    pub fn of_site(own: OwnedFd, take: OwnedFd, home: Option<OwnedFd>) -> Self {
        let end = |fd| Arc::new(Channel::from(fd));
        let (own, take, home) = (end(own), end(take), home.map(end));
        match home {
            Some(home) => Self { send: home, take, own: Some(own), of_site: true },
            None => Self { send: own, take, own: None, of_site: true },
        }
    }

    /// Both ends of a new pair, for the processes of a site: where it is sent to, and where it is taken.
    ///
    /// # Errors
    /// As socketpair(2).
    pub fn pair() -> io::Result<(Channel, Channel)> {
        let (send, take) = Channel::pair()?;
        // As above.
        let _ = setsockopt(&send, sockopt::SndBuf, &SITE_QUEUE_BYTES_MAX);
        Ok((send, take))
    }

    /// What is given away leaves the processes that take from here.
    pub(super) fn leads_home(&self) -> bool {
        self.own.is_some()
    }

    /// Connections come here each for one request.
    pub(super) fn is_of_site(&self) -> bool {
        self.of_site
    }

    pub(super) fn send(&self, message: &[u8], fd: BorrowedFd<'_>) -> io::Result<()> {
        self.send.send_with_fd(message, fd)
    }

    /// The pair that another image of the program made, taken out of what it passed on.
    pub fn adopt(passed: &mut HashMap<String, OwnedFd>) -> Option<Self> {
        let send = Channel::from(passed.remove(SEND)?);
        let take = Channel::from(passed.remove(TAKE)?);
        Some(Self { send: Arc::new(send), take: Arc::new(take), own: None, of_site: false })
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

    /// The end that has room, or has none.
    pub(super) fn sender(&self) -> BorrowedFd<'_> {
        self.send.as_fd()
    }

    /// Wakes another worker, to look after listeners and queue in place of this one. Where the queue is full, others
    /// are awake already: of all its messages, this worker was woken for one.
    pub(super) fn nudge(&self) {
        if let Some(bytes) = Message::Nudge.encode() {
            let _ = self.own.as_ref().unwrap_or(&self.send).send(&bytes);
        }
    }
}

/// What one look into the queue brought.
pub(super) enum Adopted {
    /// Another worker's connection, ours now.
    Connection(Box<Connection>),
    /// A worker has left the listeners.
    Nudge,
    /// A message that nothing could be made of.
    Refused,
    /// The queue is empty.
    Nothing,
}

/// A connection that stays.
pub(super) struct Kept {
    pub(super) connection: Box<Connection>,
    /// Only as long as the queue is full.
    pub(super) until_room: bool,
}

impl Hub {
    /// Gives a connection that runs no request to another worker; back where that is not possible. Where it never
    /// will be, this worker finishes what it has.
    pub(super) fn pass_on(&self, connection: Box<Connection>) -> Result<(), Kept> {
        let has_heirs = !self.is_abandoned(connection.listener) && connection.can_move();
        let Some(rescue) = self.doors.rescue.as_ref().filter(|_| has_heirs) else {
            return Err(Kept { connection, until_room: false });
        };
        let Some(message) = self.parcel(&connection) else {
            return Err(Kept { connection, until_room: false });
        };
        match rescue.send.send_with_fd(&message, connection.fd()) {
            Ok(()) => {
                self.let_go(connection);
                if self.is_last() && !rescue.leads_home() {
                    // Told so meanwhile: perhaps the queue was looked into before this came there.
                    self.came_late.store(true, Ordering::Release);
                    self.wake();
                }
                Ok(())
            }
            Err(error) => {
                let until_room = error.kind() == io::ErrorKind::WouldBlock;
                // The other expected one: it has received more than fits into a message.
                if !until_room && error.kind() != io::ErrorKind::InvalidInput {
                    crate::log::line(format_args!("cannot hand connections over: {error}"));
                    self.take_course(Course::Finishing);
                }
                Err(Kept { connection, until_room })
            }
        }
    }

    pub(super) fn parcel(&self, connection: &Connection) -> Option<Vec<u8>> {
        let info = &self.listeners[connection.listener as usize].info;
        let head_left_ms = connection.head_deadline_ms.saturating_sub(self.now_ms());
        let parcel = Parcel {
            protocol: info.protocol,
            spoken: connection.spoken.unwrap_or(info.protocol),
            awaits_header: connection.awaits_header,
            tls: connection.arrival.tls,
            server_port: connection.arrival.server_port.unwrap_or(0),
            name: info.name.as_bytes(),
            requests: connection.requests,
            head_left_ms: u32::try_from(head_left_ms).unwrap_or(u32::MAX),
            port: connection.peer.port,
            address: connection.peer.address(),
            input: connection.input.data(),
        };
        Message::Connection(parcel).encode()
    }

    /// Gives away the unstarted jobs and every connection that is waiting for input; returns the jobs that nobody
    /// else can take. Without heirs that are all.
    pub fn pass_on_all(&self, unstarted: VecDeque<Box<Connection>>) -> VecDeque<Box<Connection>> {
        if self.course() != Course::HandingOver {
            return unstarted;
        }
        let mut kept: VecDeque<_> =
            unstarted.into_iter().filter_map(|job| self.offer(job)).collect();
        self.hand_over_resting(self.now_ms(), &mut kept);
        kept
    }

    /// Takes one message that another worker sent. `buffer` is scratch.
    pub(super) fn adopt(&self, now_ms: u64, buffer: &mut Vec<u8>) -> Adopted {
        let Some(rescue) = &self.doors.rescue else { return Adopted::Nothing };
        buffer.resize(MESSAGE_BYTES_MAX, 0);
        let (message, fd) = match rescue.take.receive_with_fd(buffer) {
            Ok(Some((len, fd))) => (Message::decode(&buffer[..len]), fd),
            // Another worker was faster.
            Ok(None) => return Adopted::Nothing,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Adopted::Nothing,
            Err(error) => {
                crate::log::line(format_args!("a connection of another worker is lost: {error}"));
                return Adopted::Refused;
            }
        };
        match (message, fd) {
            (Some(Message::Nudge), _) => Adopted::Nudge,
            (Some(Message::Connection(parcel)), Some(fd)) => self.unpack(parcel, fd, now_ms),
            _ => {
                crate::log::line(format_args!(
                    "a connection of another worker is closed: its message is not understood"
                ));
                Adopted::Refused
            }
        }
    }

    fn unpack(&self, parcel: Parcel<'_>, fd: OwnedFd, now_ms: u64) -> Adopted {
        let listener = self.listeners.iter().position(|one| parcel.came_by(&one.info));
        let Some(listener) = listener.and_then(|index| u16::try_from(index).ok()) else {
            self.turn_away(&parcel, &fd);
            return Adopted::Refused;
        };
        let head_ms = self.times_of(listener).head_ms;
        let head_left_ms = u64::from(parcel.head_left_ms).min(head_ms);
        let peer = Peer::from_text(parcel.address, parcel.port);
        let mut connection = Connection::new(fd, listener, peer, now_ms + head_left_ms);
        connection.requests = parcel.requests;
        connection.handed = self.is_of_site();
        connection.awaits_header = parcel.awaits_header;
        let server_port = Some(parcel.server_port).filter(|port| *port != 0);
        connection.arrival = Arrival { server_port, tls: parcel.tls };
        connection.spoken = (parcel.spoken != parcel.protocol).then_some(parcel.spoken);
        connection.input.extend(parcel.input);
        if connection.input.is_empty() {
            // The clock of its next head has not begun.
            connection.head_deadline_ms = now_ms + head_ms;
        }
        Adopted::Connection(connection)
    }

    /// The configuration has no such listener any more.
    fn turn_away(&self, parcel: &Parcel<'_>, fd: &OwnedFd) {
        let number = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        let id = self.bounds.errors.id(Counter::Refusals, number).to_string();
        let name = String::from_utf8_lossy(parcel.name);
        crate::log::line(format_args!(
            "a connection of another worker is closed: nothing listens on {name} any more (request {id})"
        ));
        // With what has come unread, a close would be a reset.
        let mut sink = [0; 8 * 1024];
        let came = socket::receive(fd.as_fd(), &mut sink).is_ok_and(|count| count > 0);
        if parcel.spoken == WireProtocol::Http && (came || !parcel.input.is_empty()) {
            let refusal = self.bounds.errors.refusal(503, Form::Text, &id);
            let _ = socket::send(fd.as_fd(), &[io::IoSlice::new(&refusal.whole(b"", false))]);
        }
        socket::shut(fd.as_fd(), nix::sys::socket::Shutdown::Write);
    }
}
