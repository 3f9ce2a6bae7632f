//! The sockets of one Mongrel2: requests come by PULL, answers go by PUB.
//!
//! Answers go through an XPUB, which is a PUB that hears of subscriptions: PUB drops what nobody has subscribed to, so
//! requests are only asked for when Mongrel2 listens, and answers wait while its connection is down.
//!
//! ZeroMQ's descriptors are edge-triggered and tell of commands, not of messages: after an event, a socket must be used until
//! it has nothing more before its descriptor may be waited for again. `noticed` says where that is due.

use std::collections::VecDeque;
use std::os::fd::RawFd;

use nix::sys::socket::{Shutdown, shutdown};
use uwsgi_plugin_api::PluginError;
use uwsgi_protocol::mongrel2::{Extended, reply};
use zmq::{DONTWAIT, PollEvents, Socket};

use crate::plan::{Curve, Endpoints};
use crate::uploads::Client;

/// Messages that ZeroMQ may take from Mongrel2 before they are asked for: as few as keep the loop busy, so that what waits
/// can go to another handler.
const REQUESTS_AHEAD_MAX: i32 = 16;
/// Bytes that the kernel may do so.
const REQUEST_BYTES_AHEAD: i32 = 64 * 1024;
/// Messages that may wait in ZeroMQ for a Mongrel2 that does not read.
const ANSWERS_AHEAD_MAX: i32 = 128;
/// Names of senders that one pair of endpoints may have.
const SENDERS_MAX: usize = 1_024;
/// First and last pause between two attempts to connect.
const RECONNECT_MS: (i32, i32) = (100, 5_000);
/// A Mongrel2 of which nothing is heard for so long is gone (a cut network says nothing).
const SILENCE_MS_MAX: i32 = 30_000;
const HEARTBEAT_MS: i32 = 10_000;
/// How long the last answers may take to leave at the end.
const LINGER_MS: i32 = 5_000;

/// What happened to the connection that requests come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Connected,
    Lost,
}

/// Whether requests are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    /// Not before somebody listens for answers.
    NotYet,
    Yes,
    /// Not any more, whoever listens.
    NoMore,
}

/// See the module.
pub(crate) struct Pair {
    /// Its number.
    pub(crate) number: usize,
    pub(crate) endpoints: Endpoints,
    requests: Socket,
    answers: Socket,
    monitor: Socket,
    /// `ZMQ_EVENTS` of requests, answers and monitor have to be looked at.
    noticed: [bool; SOCKETS],
    /// Names of senders: one Mongrel2 has one for each of its handlers.
    senders: Vec<Box<[u8]>>,
    /// What answers must begin with, while Mongrel2 listens.
    topic: Option<Vec<u8>>,
    asking: Asking,
    /// The descriptor of the connection that requests come by, which is ZeroMQ's.
    connection: Option<RawFd>,
    /// Requests that were received before that connection was given up.
    received: VecDeque<zmq::Message>,
    /// Answers wait.
    holds: bool,
    /// Answers that ZeroMQ does not take now.
    outbox: VecDeque<Vec<u8>>,
}

/// Sockets, and so descriptors, of a pair.
pub(crate) const SOCKETS: usize = 3;
const REQUESTS: usize = 0;
const ANSWERS: usize = 1;
const MONITOR: usize = 2;

impl Pair {
    /// Connects for answers; `identity` is the handler's name for Mongrel2.
    ///
    /// # Errors
    /// An endpoint that ZeroMQ cannot use.
    pub(crate) fn open(
        context: &zmq::Context,
        number: usize,
        endpoints: &Endpoints,
        curve: Option<&Curve>,
        identity: &str,
    ) -> Result<Self, PluginError> {
        let opened = || -> zmq::Result<Self> {
            let requests = socket(context, zmq::PULL, curve, identity)?;
            requests.set_rcvhwm(
                std::env::var("X_HWM")
                    .ok()
                    .and_then(|v| v.parse().ok())
                    .unwrap_or(REQUESTS_AHEAD_MAX),
            )?;
            requests.set_rcvbuf(REQUEST_BYTES_AHEAD)?;
            let monitored = format!("inproc://connection-{number}");
            let events =
                zmq::SocketEvent::CONNECTED.to_raw() | zmq::SocketEvent::DISCONNECTED.to_raw();
            requests.monitor(&monitored, i32::from(events))?;
            let monitor = context.socket(zmq::PAIR)?;
            monitor.connect(&monitored)?;
            let mut answers = socket(context, zmq::XPUB, curve, identity)?;
            answers.set_sndhwm(ANSWERS_AHEAD_MAX)?;
            crate::ffi::never_drop(&mut answers)?;
            answers.connect(&endpoints.answers)?;
            Ok(Self {
                number,
                endpoints: endpoints.clone(),
                requests,
                answers,
                monitor,
                noticed: [true; SOCKETS],
                senders: Vec::new(),
                topic: None,
                asking: Asking::NotYet,
                connection: None,
                received: VecDeque::new(),
                holds: false,
                outbox: VecDeque::new(),
            })
        };
        opened().map_err(|error| {
            let Endpoints { requests, answers } = endpoints;
            PluginError(format!("zeromq = {requests},{answers}: {error}"))
        })
    }

    /// Descriptors to wait for, in the order of the numbers that [`Pair::notice`] takes.
    ///
    /// # Errors
    /// None that is known.
    pub(crate) fn descriptors(&self) -> zmq::Result<[RawFd; SOCKETS]> {
        Ok([self.requests.get_fd()?, self.answers.get_fd()?, self.monitor.get_fd()?])
    }

    /// A descriptor was readable.
    pub(crate) fn notice(&mut self, socket: usize) {
        self.noticed[socket] = true;
    }

    /// Whether there is something to receive on a socket; where not, its descriptor will tell.
    fn is_readable(&mut self, number: usize) -> bool {
        if !self.noticed[number] {
            return false;
        }
        let socket = [&self.requests, &self.answers, &self.monitor][number];
        let readable = socket.get_events().is_ok_and(|events| events.contains(PollEvents::POLLIN));
        self.noticed[number] = readable;
        readable
    }

    /// The next message. A call that brings one tells nothing of the next; one that brings none has looked at all commands, so
    /// that the descriptor tells of whatever comes after it.
    pub(crate) fn receive(&mut self) -> Option<zmq::Message> {
        if let Some(message) = self.received.pop_front() {
            return Some(message);
        }
        if !self.noticed[REQUESTS] {
            return None;
        }
        let message = self.requests.recv_msg(DONTWAIT);
        self.noticed[REQUESTS] = !matches!(message, Err(zmq::Error::EAGAIN));
        message.ok()
    }

    /// True where messages may be there, so that their descriptor must not be waited for.
    pub(crate) fn may_have_requests(&self) -> bool {
        !self.received.is_empty() || self.noticed[REQUESTS]
    }

    /// Looks whether Mongrel2 listens for answers; asks for requests from then on.
    pub(crate) fn hear_subscriptions(&mut self) -> zmq::Result<()> {
        while self.is_readable(ANSWERS) {
            let Ok(message) = self.answers.recv_bytes(DONTWAIT) else { continue };
            match message.split_first() {
                Some((1, topic)) => self.topic = Some(topic.to_vec()),
                Some((0, _)) => self.topic = None,
                _ => {}
            }
        }
        if self.topic.is_some() && self.asking == Asking::NotYet {
            self.requests.connect(&self.endpoints.requests)?;
            self.asking = Asking::Yes;
            self.noticed[REQUESTS] = true;
        }
        Ok(())
    }

    /// What has become of the connection since the last call, in order.
    pub(crate) fn changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        while self.is_readable(MONITOR) {
            let Ok(parts) = self.monitor.recv_multipart(DONTWAIT) else { continue };
            let Some(&[low, high, a, b, c, d]) = parts.first().map(Vec::as_slice) else { continue };
            match zmq::SocketEvent::from_raw(u16::from_ne_bytes([low, high])) {
                zmq::SocketEvent::CONNECTED => {
                    self.connection = Some(RawFd::from_ne_bytes([a, b, c, d]));
                    changes.push(Change::Connected);
                }
                zmq::SocketEvent::DISCONNECTED => {
                    self.connection = None;
                    if self.asking == Asking::NoMore {
                        self.part();
                    }
                    changes.push(Change::Lost);
                }
                _ => {}
            }
        }
        changes
    }

    /// Number of a sender's name; `None` where there are too many.
    pub(crate) fn sender(&mut self, name: &[u8]) -> Option<usize> {
        let known = self.senders.iter().position(|sender| **sender == *name);
        known.or_else(|| {
            let number = self.senders.len();
            (number < SENDERS_MAX).then(|| self.senders.push(name.into())).map(|()| number)
        })
    }

    /// Begins a message to a client.
    pub(crate) fn address(&self, client: Client, message: &mut Vec<u8>) {
        message.clear();
        let begun = reply::head(self.addressee(client.sender), &[client.id], message);
        debug_assert!(begun, "senders are checked where they are read");
    }

    /// Begins and ends one to Mongrel2 about a client.
    pub(crate) fn about(&self, client: Client, what: Extended<'_>, message: &mut Vec<u8>) {
        message.clear();
        let begun = reply::extended(self.addressee(client.sender), &[client.id], what, message);
        debug_assert!(begun, "senders are checked where they are read");
    }

    /// What an answer to a request of this sender begins with: Mongrel2 only hears what it has subscribed to.
    fn addressee(&self, sender: usize) -> &[u8] {
        let sender = self.senders.get(sender).map(|sender| &**sender).unwrap_or_default();
        match &self.topic {
            Some(topic) if !sender.starts_with(topic) => topic,
            _ => sender,
        }
    }

    /// Sends a message, or keeps it until that is possible.
    pub(crate) fn send(&mut self, message: &[u8]) {
        if self.is_stuck() || !self.try_send(message) {
            self.outbox.push_back(message.to_vec());
        }
    }

    /// Sends what waits. True where nothing waits any more.
    pub(crate) fn flush(&mut self) -> bool {
        while let Some(message) = self.outbox.pop_front() {
            if !self.try_send(&message) {
                self.outbox.push_front(message);
                return false;
            }
        }
        true
    }

    /// What it may have learned of subscriptions can wait for the next event: while answers are sent, there is one, and when it
    /// ends, so does the connection for requests, which is heard of.
    fn try_send(&mut self, message: &[u8]) -> bool {
        !self.holds && self.topic.is_some() && self.answers.send(message, DONTWAIT).is_ok()
    }

    /// True where answers wait: nothing more should be made.
    pub(crate) fn is_stuck(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Forgets answers for clients that are gone.
    pub(crate) fn forget_answers(&mut self) {
        self.outbox.clear();
    }

    /// Keeps answers back, so that clients who wait for them ask for nothing more: for up to a millisecond after the end of
    /// a connection, ZeroMQ still gives it messages, and those are lost (its sockets look at commands that seldom while
    /// they are busy).
    pub(crate) fn hold_answers(&mut self) {
        self.holds = true;
    }

    /// Asks for no more requests. To disconnect would lose those that are on their way: instead, this side's half of the
    /// connection is closed, then Mongrel2 closes the other one, after everything that it has sent.
    pub(crate) fn leave(&mut self) {
        let asked = std::mem::replace(&mut self.asking, Asking::NoMore) == Asking::Yes;
        match self.connection {
            // Whoever is gone already has sent everything.
            Some(connection) if asked => drop(shutdown(connection, Shutdown::Write)),
            _ if asked => self.part(),
            _ => {}
        }
    }

    /// Lets answers go that were kept back, once nothing comes any more.
    pub(crate) fn let_answers_go(&mut self) {
        self.holds &= !self.has_left();
    }

    /// True where nothing comes any more.
    pub(crate) fn has_left(&self) -> bool {
        self.asking == Asking::NoMore && self.connection.is_none() && self.received.is_empty()
    }

    /// Keeps what was received, which ZeroMQ forgets together with the endpoint, and does not connect again.
    pub(crate) fn part(&mut self) {
        while let Ok(message) = self.requests.recv_msg(DONTWAIT) {
            self.received.push_back(message);
        }
        // It was connected to this very endpoint.
        let _ = self.requests.disconnect(&self.endpoints.requests);
        self.connection = None;
    }
}

fn socket(
    context: &zmq::Context,
    kind: zmq::SocketType,
    curve: Option<&Curve>,
    identity: &str,
) -> zmq::Result<Socket> {
    let socket = context.socket(kind)?;
    socket.set_identity(identity.as_bytes())?;
    socket.set_linger(LINGER_MS)?;
    socket.set_reconnect_ivl(RECONNECT_MS.0)?;
    socket.set_reconnect_ivl_max(RECONNECT_MS.1)?;
    socket.set_heartbeat_ivl(HEARTBEAT_MS)?;
    socket.set_heartbeat_timeout(SILENCE_MS_MAX)?;
    if let Some(curve) = curve {
        socket.set_curve_serverkey(&curve.server)?;
        socket.set_curve_publickey(&curve.public)?;
        socket.set_curve_secretkey(&curve.secret)?;
    }
    Ok(socket)
}
