//! One connection, from accept to close: what it has received, what it waits for, what it still has to send.
//!
//! Whoever holds the box owns the connection: the thread that turns the reactor, the thread that runs its
//! request, or its slot. No step here knows what an application is.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use uwsgi_plugin_api::WireProtocol;
use uwsgi_protocol::{Reject, Vars, http1};

use super::away::Away;
use super::decode::{Head, Limits};
use super::front::Fronts;
use super::input::Input;
use super::intake::Next;
use super::introduction::Arrival;
use super::peer::Peer;
use super::pool::{Pool, READ_BYTES};
use super::reactor::Listening;
use super::sorting::Destination;
use super::spill::{Flushed, Spill};
use super::table::{Token, Wait};
use super::upload::{Fault, Policy, Rest, Upload};
use crate::config::model::proxies::Trusted;
use crate::errors::Errors;
use crate::sys::socket;

/// Bounds that a connection keeps to; from the configuration.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Limits of heads.
    pub head: Limits,
    /// How bodies are received.
    pub body: Policy,
    /// Bytes per second that a body over HTTP must come at (`http-body-min-rate`).
    pub body_bytes_per_s: Option<u32>,
    /// Most requests of a connection (`http-keepalive-requests`).
    pub requests_max: Option<u32>,
    /// What listeners ask for beyond their protocol.
    pub fronts: Fronts,
    /// Who is believed whom he speaks for.
    pub trusted: Option<Arc<Trusted>>,
    /// What is told where bounds are broken.
    pub errors: Arc<Errors>,
    /// Requests that are other processes'; `None` where there are none.
    pub away: Option<Arc<Away>>,
}

/// What a connection needs next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// An application: the request is complete, or as complete as it has to be.
    Run,
    /// An event.
    Wait(Wait),
    /// A refusal, then the end.
    Refuse(Reject),
    /// Another process: the request is its.
    Away(Destination),
    /// Nothing more: the client is gone or has ended between two requests.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Head,
    Body,
    Flush { then_linger: bool, then_close: bool, then_body: bool },
    Linger,
}

/// A request that runs, in pieces.
pub struct Parts<'a> {
    /// The socket.
    pub fd: BorrowedFd<'a>,
    /// Facts of the head.
    pub head: Head,
    /// The bytes that variables point into.
    pub head_bytes: &'a [u8],
    /// Decoded body bytes that are in memory.
    pub body_bytes: &'a [u8],
    /// The variables.
    pub vars: &'a Vars,
    /// The rest of the body.
    pub upload: &'a mut Upload,
    /// Output that the socket did not take.
    pub spill: &'a mut Spill,
}

/// One connection.
pub struct Connection {
    pub(super) fd: OwnedFd,
    /// Index of its listener.
    pub listener: u16,
    /// What it turned out to speak, where its listener does not say that beforehand.
    pub spoken: Option<WireProtocol>,
    /// A header of the PROXY protocol comes first.
    pub awaits_header: bool,
    /// What such a header told, besides who the client is.
    pub arrival: Arrival,
    /// Who is at the other end, or whom that one speaks for.
    pub peer: Peer,
    /// Whether that one may speak for others, once it was looked at.
    pub(super) believed: Option<bool>,
    /// Its slot, once it is registered with the reactor.
    pub token: Option<Token>,
    /// Received bytes.
    pub input: Input,
    pub(super) vars: Option<Box<Vars>>,
    /// The present request.
    pub head: Head,
    /// The present body.
    pub upload: Upload,
    /// Bytes to be passed over before the next request: the rest of a record of a body that nobody read.
    pub(super) skip: usize,
    /// What is still to be sent.
    pub spill: Spill,
    /// Requests served so far.
    pub requests: u32,
    /// The socket may hold input, or the client's end, that no further event will tell of.
    pub input_pending: bool,
    /// Monotonic milliseconds at which the present head must be complete.
    pub head_deadline_ms: u64,
    /// Monotonic milliseconds at which lingering ends, once it began.
    pub linger_until_ms: Option<u64>,
    /// Monotonic milliseconds until which it may rest between two requests, once it has done so for a while.
    pub idle_until_ms: Option<u64>,
    /// It was handed to this process for the request that comes first, and for no other.
    pub(super) handed: bool,
    /// The present request is another process's, and cannot get there: it is answered with this status.
    pub denied: Option<u16>,
    /// It is a job although nothing was read: the thread that takes it reads.
    pub(super) unread: bool,
    /// An event said that the client has ended its direction: reads go on until they say so too.
    pub hung_up: bool,
    /// `EPOLLOUT` is asked for.
    pub wants_write: bool,
    pub(super) decoder: http1::HeadDecoder,
    pub(super) phase: Phase,
}

impl Connection {
    /// See [`Hub::look_at`](super::hub::Hub): its thread has yet to read.
    pub(crate) fn unread(&self) -> bool {
        self.unread
    }

    /// True where the first bytes of the next request may be in the socket, and nothing of it is here.
    pub(super) fn has_unread(&self) -> bool {
        let between = self.phase == Phase::Head && self.input.is_empty() && self.spill.is_empty();
        between && self.input_pending && !self.unread
    }

    /// A connection that was just accepted.
    pub fn new(fd: OwnedFd, listener: u16, peer: Peer, head_deadline_ms: u64) -> Box<Self> {
        Box::new(Self {
            fd,
            listener,
            spoken: None,
            awaits_header: false,
            arrival: Arrival::default(),
            peer,
            believed: None,
            token: None,
            input: Input::default(),
            vars: None,
            head: Head::default(),
            upload: Upload::default(),
            skip: 0,
            spill: Spill::default(),
            requests: 0,
            input_pending: true,
            head_deadline_ms,
            linger_until_ms: None,
            idle_until_ms: None,
            handed: false,
            denied: None,
            unread: false,
            hung_up: false,
            wants_write: false,
            decoder: http1::HeadDecoder::default(),
            phase: Phase::Head,
        })
    }

    /// The socket.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The present request's variables; empty before its head is decoded.
    pub fn vars(&self) -> Option<&Vars> {
        self.vars.as_deref()
    }

    /// The present request in pieces that can be borrowed side by side.
    pub fn parts(&mut self) -> Parts<'_> {
        let data = self.input.data();
        let (head_bytes, rest) = data.split_at(self.head.len.min(data.len()));
        Parts {
            fd: self.fd.as_fd(),
            head: self.head,
            head_bytes,
            body_bytes: &rest[..self.upload.ready.min(rest.len())],
            vars: self.vars.get_or_insert_default(),
            upload: &mut self.upload,
            spill: &mut self.spill,
        }
    }

    /// True where all that was received lies in the input as it came, so that another process can go on.
    pub fn can_move(&self) -> bool {
        let decoded_in_place = self.upload.coded || self.upload.spool.is_some();
        matches!(self.phase, Phase::Head | Phase::Body)
            && self.spill.is_empty()
            && self.skip == 0
            && !decoded_in_place
    }

    /// True where the next request's head lies complete behind the present request.
    pub fn next_is_here(&self) -> bool {
        let used = self.head.len + self.upload.ready;
        let rest = self.input.data().get(used..).unwrap_or_default();
        // One that we must not answer `100 Continue` to before the answers that are kept back.
        let is_plain = rest.starts_with(b"GET ") || rest.starts_with(b"HEAD ");
        is_plain
            && !self.head.upgrade
            && matches!(self.upload.rest, Rest::Nothing)
            && memchr::memmem::find(rest, b"\r\n\r\n").is_some()
    }

    /// The body's time is over: the application runs and is told so when it reads on. False where no body is awaited.
    pub fn give_up_body(&mut self) -> bool {
        let awaited = self.phase == Phase::Body;
        if awaited {
            self.upload.fault = Some(Fault::Timeout);
        }
        awaited
    }

    /// True where input lies behind the present request, or may still be in the socket.
    pub fn has_surplus(&self) -> bool {
        self.input_pending
            || self.upload.end_may_come
            || self.input.len() > self.head.len + self.upload.ready
    }

    /// True while a request is incomplete: it was begun and would be lost by a close.
    pub fn has_begun(&self) -> bool {
        !self.input.is_empty() || self.phase == Phase::Body
    }

    /// Decodes what is there and reads what more is needed, as far as that goes without waiting.
    pub fn advance(&mut self, listening: &Listening, bounds: &Bounds, pool: &Pool) -> Step {
        loop {
            match self.phase {
                Phase::Flush { then_close, then_linger, then_body } => {
                    let next = if then_body { Phase::Body } else { Phase::Head };
                    if let Some(step) = self.flush(then_close, then_linger, next) {
                        return step;
                    }
                }
                Phase::Linger => return self.linger(),
                Phase::Head => match self.decode(listening, bounds, pool) {
                    Ok(Next::Body) => self.phase = Phase::Body,
                    Ok(Next::Again) => continue,
                    Ok(Next::Away(to)) if self.spill.is_empty() => return Step::Away(to),
                    // What is still to be sent comes first; the head is found again then.
                    Ok(Next::Away(_)) => {
                        self.flush_and_resume();
                        continue;
                    }
                    Ok(Next::More) => {}
                    Err(reject) => return Step::Refuse(reject),
                },
                Phase::Body => {}
            }
            if self.phase == Phase::Body {
                if let Err(reject) =
                    self.upload.absorb(&mut self.input, self.head.len, &bounds.body)
                {
                    return Step::Refuse(reject);
                }
                if self.upload.may_run(&bounds.body) {
                    self.phase = Phase::Head;
                    return Step::Run;
                }
            }
            if !self.input_pending {
                return Step::Wait(self.present_wait());
            }
            match self.receive(pool) {
                Ok(0) if !self.has_begun() => return Step::Close,
                Ok(0) if self.phase == Phase::Body => self.upload.fault = Some(Fault::Truncated),
                Ok(0) => return Step::Refuse(Reject::new(400, "incomplete_request")),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.input_pending = false
                }
                Err(_) => return Step::Close,
            }
        }
    }

    fn present_wait(&self) -> Wait {
        match self.phase {
            Phase::Body => Wait::Body,
            _ if self.input.is_empty() => Wait::KeepAlive,
            _ => Wait::Head,
        }
    }

    /// True where the rest of the present body, which nobody has read, can be passed over when it comes.
    pub fn passes_over_rest(&mut self) -> bool {
        let Rest::Coded(coding) = &self.upload.rest else { return false };
        let pending = coding.pending();
        self.skip = pending.unwrap_or(0);
        pending.is_some()
    }

    /// The request is answered: drops its bytes, so that the next one is first in the input.
    pub fn finish_request(&mut self) {
        self.input.consume(self.head.len + self.upload.ready);
        if !self.upload.foreign.is_empty() {
            let (records, answers) = self.upload.foreign.take();
            self.input.precede(&records);
            self.spill.push(&answers);
        }
        self.idle_until_ms = None;
        (self.handed, self.denied) = (false, None);
        self.upload = Upload::default();
        self.head = Head::default();
        self.requests = self.requests.saturating_add(1);
        self.phase = Phase::Head;
    }

    /// From now on only what is spilled is sent; then the connection lives on, closes, or lingers.
    pub fn flush_then(&mut self, then_close: bool, then_linger: bool) {
        self.phase = Phase::Flush { then_linger, then_close, then_body: false };
    }

    /// First what is spilled is sent; then the connection goes on where it is.
    pub fn flush_and_resume(&mut self) {
        let then_body = self.phase == Phase::Body;
        self.phase = Phase::Flush { then_linger: false, then_close: false, then_body };
    }

    /// `None` when all is sent and the connection goes on with its next request.
    fn flush(&mut self, then_close: bool, then_linger: bool, next: Phase) -> Option<Step> {
        let mut sent = 0;
        match self.spill.flush(self.fd.as_fd(), &mut sent) {
            Err(_) => Some(Step::Close),
            Ok(Flushed::Blocked | Flushed::Paused) => Some(Step::Wait(Wait::Flush)),
            Ok(Flushed::Done) if then_linger => Some(self.begin_linger()),
            Ok(Flushed::Done) if then_close => Some(Step::Close),
            Ok(Flushed::Done) => {
                self.phase = next;
                // Events that came meanwhile were taken for writing.
                self.input_pending = true;
                None
            }
        }
    }

    /// Ends our direction and reads on until the client ends its own, so that the last answer is not lost to
    /// a reset (RFC 9112, 9.6).
    pub fn begin_linger(&mut self) -> Step {
        socket::shut(self.fd.as_fd(), nix::sys::socket::Shutdown::Write);
        self.phase = Phase::Linger;
        self.linger()
    }

    fn linger(&mut self) -> Step {
        /// What a lingering connection may still send us, in reads of 8 KiB.
        const READS_MAX: usize = 128;
        let mut sink = [0; READ_BYTES];
        for _ in 0..READS_MAX {
            match socket::receive(self.fd.as_fd(), &mut sink) {
                Ok(0) => return Step::Close,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Step::Wait(Wait::Linger);
                }
                Err(_) => return Step::Close,
            }
        }
        Step::Close
    }
}
