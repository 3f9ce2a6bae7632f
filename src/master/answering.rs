//! Clients of the sockets that the master itself answers: one question, one answer, the end.
//!
//! Nothing waits here: a client that sends or takes its bytes slowly is looked at again when it can, and cut when its
//! time is over. What is answered is the caller's business. Few clients at a time have a place, and a newer one takes
//! that of the oldest: who connects and is silent keeps nobody out.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::handover::Passed;
use crate::net::listen::Endpoint;
use crate::supervisor::Millis;
use crate::sys::socket;

/// Clients of one endpoint at the same time.
const CLIENTS_MAX: usize = 32;
/// How long a client may take from its connection to the last byte of its answer.
const CLIENT_MS_MAX: u64 = 10_000;
/// Longest head of a request in bytes; of a longer one, the beginning counts.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Reads of what a client sent too much, before it is closed.
const DRAIN_READS_MAX: usize = 16;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The method of its request; empty where nothing is read before the answer.
    pub(super) method: String,
    /// The path of its request, without a query.
    pub(super) path: String,
}

/// What comes next for a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It has to send or to take bytes first.
    Wait,
    /// It is to be given an answer.
    Answer(Asked),
    /// It has its answer, or is gone: forget it.
    Gone,
}

/// See the module.
#[derive(Default)]
pub(super) struct Answering {
    pub(super) endpoints: Vec<Open>,
    clients: Vec<Client>,
    last: u32,
    /// Endpoints at which more connections may wait.
    crowded: Vec<Endpoint>,
}

/// An open endpoint.
pub(super) struct Open {
    pub(super) endpoint: Endpoint,
    pub(super) fd: Arc<OwnedFd>,
    /// Clients send an HTTP request first.
    pub(super) http: bool,
}

struct Client {
    number: u32,
    endpoint: Endpoint,
    fd: OwnedFd,
    /// `None` where nothing is read before the answer, and once it was read.
    head: Option<Vec<u8>>,
    answer: Option<Vec<u8>>,
    sent: usize,
    until: Millis,
}

impl Answering {
    /// For the next image: those who have no whole answer yet get it there.
    pub(super) fn save(&self, text: &mut String, passed: &mut Vec<(String, RawFd)>) {
        for client in &self.clients {
            let (stage, bytes) = match (&client.answer, &client.head) {
                (Some(answer), _) => ("takes", &answer[client.sent..]),
                (None, head) => ("asks", head.as_deref().unwrap_or_default()),
            };
            let Client { number, endpoint, until, .. } = client;
            let (endpoint, bytes) = (endpoint.name(), hex(bytes));
            text.push_str(&format!("client {number} {endpoint} {} {stage} {bytes}\n", until.0));
            passed.push((format!("client {number}"), client.fd.as_raw_fd()));
        }
    }

    /// Takes one over; what cannot be read is no client.
    pub(super) fn restore(&mut self, line: &str, passed: &mut Passed) {
        if let Some(client) = Client::restore(line, passed) {
            self.last = self.last.max(client.number);
            self.clients.push(client);
        }
    }

    /// Everyone who has no whole answer yet.
    pub(super) fn clients(&self) -> Vec<u32> {
        self.clients.iter().map(|client| client.number).collect()
    }

    /// Takes the next connection that waits, and numbers it; `None` where none does.
    pub(super) fn accept(&mut self, endpoint: Endpoint, now: Millis) -> Option<u32> {
        let open = self.endpoints.iter().find(|open| open.endpoint == endpoint)?;
        let fd = loop {
            match socket::accept(open.fd.as_fd()) {
                Ok((fd, _)) => break fd,
                // The client has left again.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        };
        let head = open.http.then(Vec::new);
        self.last = self.last.wrapping_add(1);
        let (number, until) = (self.last, now + CLIENT_MS_MAX);
        self.clients.push(Client { number, endpoint, fd, head, answer: None, sent: 0, until });
        Some(number)
    }

    /// The oldest client of an endpoint, where there are too many.
    pub(super) fn surplus(&self, endpoint: Endpoint) -> Option<u32> {
        let mut clients = self.clients.iter().filter(|client| client.endpoint == endpoint);
        let oldest = clients.next()?.number;
        (clients.count() >= CLIENTS_MAX).then_some(oldest)
    }

    /// Whether more connections may wait than were taken.
    pub(super) fn set_crowded(&mut self, endpoint: Endpoint, crowded: bool) {
        self.crowded.retain(|known| *known != endpoint);
        if crowded {
            self.crowded.push(endpoint);
        }
    }

    /// Endpoints to look at again.
    pub(super) fn crowded(&self) -> Vec<Endpoint> {
        self.crowded.clone()
    }

    /// Forgets a client; its end is the end of the descriptor.
    pub(super) fn take(&mut self, number: u32) -> Option<OwnedFd> {
        let at = self.clients.iter().position(|client| client.number == number)?;
        Some(self.clients.remove(at).fd)
    }

    /// Its descriptor and what it came for; `None` where it is gone.
    pub(super) fn client(&self, number: u32) -> Option<(BorrowedFd<'_>, Endpoint)> {
        let client = self.clients.iter().find(|client| client.number == number)?;
        Some((client.fd.as_fd(), client.endpoint))
    }

    /// The client can send or take bytes, perhaps.
    pub(super) fn proceed(&mut self, number: u32) -> Next {
        let mut clients = self.clients.iter_mut();
        let client = clients.find(|client| client.number == number);
        client.and_then(|client| client.proceed().ok()).unwrap_or(Next::Gone)
    }

    /// Gives a client its answer; [`Self::proceed`] sends it.
    pub(super) fn give(&mut self, number: u32, answer: Vec<u8>) {
        if let Some(client) = self.clients.iter_mut().find(|client| client.number == number) {
            client.answer = Some(answer);
        }
    }

    /// When there is something to do by the clock; in the past where it is to be done at once.
    pub(super) fn next_wake(&self) -> Option<Millis> {
        match self.crowded.is_empty() {
            true => self.clients.iter().map(|client| client.until).min(),
            false => Some(Millis(0)),
        }
    }

    /// Those whose time is over.
    pub(super) fn expired(&self, now: Millis) -> Vec<u32> {
        let expired = self.clients.iter().filter(|client| client.until <= now);
        expired.map(|client| client.number).collect()
    }
}

impl Client {
    fn restore(line: &str, passed: &mut Passed) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, number, endpoint, until, stage, ref bytes @ ..] = *words else { return None };
        let fd = passed.remove(&format!("client {number}"))?;
        let endpoint = Endpoint::of_name(endpoint)?;
        let bytes = of_hex(bytes.first().copied().unwrap_or_default())?;
        let (head, answer) = match stage {
            "takes" => (None, Some(bytes)),
            _ => (Some(bytes), None),
        };
        let (number, until) = (number.parse().ok()?, Millis(until.parse().ok()?));
        Some(Self { number, endpoint, fd, head, answer, sent: 0, until })
    }

    fn proceed(&mut self) -> io::Result<Next> {
        if self.answer.is_some() {
            return self.write();
        }
        let Some(head) = &mut self.head else {
            return Ok(Next::Answer(Asked { method: String::new(), path: String::new() }));
        };
        let mut bytes = [0; 1024];
        loop {
            let room = (HEAD_BYTES_MAX - head.len()).min(bytes.len());
            match socket::receive(self.fd.as_fd(), &mut bytes[..room]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => head.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Next::Wait),
                Err(error) => return Err(error),
            }
            if is_complete(head) || head.len() >= HEAD_BYTES_MAX {
                let asked = asked(head);
                self.head = None;
                return Ok(Next::Answer(asked));
            }
        }
    }

    fn write(&mut self) -> io::Result<Next> {
        let answer = self.answer.as_deref().unwrap_or_default();
        while self.sent < answer.len() {
            match socket::send(self.fd.as_fd(), &[IoSlice::new(&answer[self.sent..])]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Next::Wait),
                Err(error) => return Err(error),
            }
        }
        // Bytes that nobody read would turn the end into a reset, which may cost the client its answer.
        let mut bytes = [0; 1024];
        for _ in 0..DRAIN_READS_MAX {
            if !matches!(socket::receive(self.fd.as_fd(), &mut bytes), Ok(1..)) {
                break;
            }
        }
        Ok(Next::Gone)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn is_complete(head: &[u8]) -> bool {
    head.windows(4).any(|end| end == b"\r\n\r\n") || head.windows(2).any(|end| end == b"\n\n")
}

/// Method and path of a request line, whatever follows.
fn asked(head: &[u8]) -> Asked {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace().map(str::to_owned);
    let method = words.next().unwrap_or_default();
    let mut path = words.next().unwrap_or_default();
    path.truncate(path.find('?').unwrap_or(path.len()));
    Asked { method, path }
}

#[cfg(test)]
mod tests;
