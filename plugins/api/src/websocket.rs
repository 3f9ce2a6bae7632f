//! A request that becomes a WebSocket (RFC 6455), over whatever its client came by.
//!
//! There is one implementation: the transport is a [`Body`] that yields the client's frames and a [`Response`] that takes
//! ours. The caller holds both and passes them in, so that nothing is borrowed while the application runs.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use uwsgi_protocol::websocket::{self, Event, FrameHead, Offer, Opcode, Reader, code};
use uwsgi_protocol::{Known, VarsView};

pub use uwsgi_protocol::websocket::{Fault, Kind, Refusal};

use crate::{Body, Fill, HeadError, Response, WriteError};

/// The longest single wait where nothing is due.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// What every WebSocket of an instance is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// A client that was silent for so long is sent a ping; `None` for no pings.
    pub ping_every: Option<Duration>,
    /// So long after a ping something must have come.
    pub pong_within: Duration,
    /// Largest message of a client in bytes.
    pub message_bytes_max: usize,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            ping_every: Some(Duration::from_secs(30)),
            pong_within: Duration::from_secs(3),
            message_bytes_max: 1 << 20,
        }
    }
}

/// What the application says in the handshake in place of what the request says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handshake<'a> {
    /// `Sec-WebSocket-Key`.
    pub key: Option<&'a [u8]>,
    /// `Origin`.
    pub origin: Option<&'a [u8]>,
    /// The protocol that is spoken; else the first one that the client offers.
    pub protocol: Option<&'a [u8]>,
}

/// Why there is no WebSocket, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The request does not ask for one, or came by a way that carries none.
    #[error("the request is no handshake of a WebSocket")]
    NotOffered,
    /// The request asks in a way that is refused; it was answered.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The answer to the request has begun.
    #[error("headers already sent")]
    Begun,
    /// A part of the answer is no header.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// One side has closed it, or the client is gone.
    #[error("the WebSocket is closed")]
    Closed,
    /// A ping was not answered.
    #[error("no PONG received in {} seconds !!!", .0.as_secs())]
    Silent(Duration),
    /// The client broke the protocol; it was told.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The client is gone, or takes nothing.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl SocketError {
    /// True for what is worth a line of the log: not the usual end.
    pub fn is_unusual(&self) -> bool {
        matches!(self, Self::Silent(_) | Self::Fault(_))
    }
}

/// One WebSocket, from its handshake on.
#[derive(Debug)]
pub struct WebSocket {
    terms: Terms,
    reader: Reader,
    /// When the client was heard last.
    heard: Instant,
    /// When it was asked whether it is there, with nothing heard since.
    asked: Option<Instant>,
    /// Nothing is sent any more.
    over: bool,
    label: String,
}

impl WebSocket {
    /// Answers a handshake.
    ///
    /// # Errors
    /// [`SocketError`]; the request is as it was, unless it was refused.
    pub fn accept(
        terms: Terms,
        wanted: &Handshake<'_>,
        body: &mut dyn Body,
        response: &mut dyn Response,
    ) -> Result<Self, SocketError> {
        if response.head_sent() {
            return Err(SocketError::Begun);
        }
        let vars = body.offer().ok_or(SocketError::NotOffered)?;
        let offer = match Offer::read(vars, wanted.key) {
            Ok(offer) => offer,
            Err(refusal) => {
                refuse(refusal, response);
                return Err(refusal.into());
            }
        };
        let origin = wanted.origin.filter(|text| !text.is_empty()).or(offer.origin);
        let protocol = wanted.protocol.filter(|text| !text.is_empty()).or(offer.protocol());
        response.start(b"101 Switching Protocols")?;
        response.header(b"Sec-WebSocket-Origin", origin.unwrap_or(b"*"))?;
        if let Some(protocol) = protocol {
            response.header(b"Sec-WebSocket-Protocol", protocol)?;
        }
        response.header(b"Sec-WebSocket-Accept", websocket::accept(offer.key).as_bytes())?;
        let label = label(vars);
        response.switch(b"websocket")?;
        body.open();
        let reader = Reader::new(terms.message_bytes_max);
        Ok(Self { terms, reader, heard: Instant::now(), asked: None, over: false, label })
    }

    /// Its request and client, for the log.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The client's next message. With `waits`, waits for it, however long; else `None` where there is none yet. Pings
    /// and the client's close are answered meanwhile. Waits: release what others wait for.
    ///
    /// # Errors
    /// [`SocketError`], from then on for ever.
    pub fn receive(
        &mut self,
        waits: bool,
        body: &mut dyn Body,
        response: &mut dyn Response,
    ) -> Result<Option<(Kind, Vec<u8>)>, SocketError> {
        loop {
            if let Some(message) = self.take(body, response)? {
                return Ok(Some(message));
            }
            let within = if waits { self.due(Instant::now()) } else { Duration::ZERO };
            match body.poll(within) {
                Ok(Some(Fill::More)) => {}
                Ok(Some(Fill::End)) | Err(_) => return Err(self.end(SocketError::Closed)),
                Ok(None) => {
                    self.ask(Instant::now(), response)?;
                    if !waits {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The next message of what has come.
    fn take(
        &mut self,
        body: &mut dyn Body,
        response: &mut dyn Response,
    ) -> Result<Option<(Kind, Vec<u8>)>, SocketError> {
        if self.over {
            return Err(SocketError::Closed);
        }
        while !body.available().is_empty() {
            let (used, event) = match self.reader.read(body.available()) {
                Ok(read) => read,
                Err(fault) => {
                    self.close(fault.code(), "", response);
                    return Err(fault.into());
                }
            };
            body.consume(used);
            (self.heard, self.asked) = (Instant::now(), None);
            match event {
                None | Some(Event::Pong(_)) => {}
                Some(Event::Message(kind, message)) => return Ok(Some((kind, message))),
                Some(Event::Ping(payload)) => self.transmit(Opcode::Pong, &payload, response)?,
                Some(Event::Close(ending)) => {
                    let mut frame = Vec::new();
                    websocket::close(ending.map(|(code, _)| code), "", &mut frame);
                    // A client that does not wait for it has closed all the same.
                    let _ = response.send_as_is(&[IoSlice::new(&frame)]);
                    return Err(self.end(SocketError::Closed));
                }
            }
        }
        Ok(None)
    }

    /// How long nothing is due.
    fn due(&self, now: Instant) -> Duration {
        let at = match (self.asked, self.terms.ping_every) {
            (Some(asked), _) => asked + self.terms.pong_within,
            (None, Some(every)) => self.heard + every,
            (None, None) => return WAIT_MAX,
        };
        at.saturating_duration_since(now).min(WAIT_MAX)
    }

    /// Asks a silent client whether it is there; an error where it was asked and has not answered.
    fn ask(&mut self, now: Instant, response: &mut dyn Response) -> Result<(), SocketError> {
        if !self.due(now).is_zero() {
            return Ok(());
        }
        if self.asked.is_some() {
            return Err(self.end(SocketError::Silent(self.terms.pong_within)));
        }
        self.asked = Some(now);
        self.transmit(Opcode::Ping, b"", response)
    }

    /// Sends a message, in one frame. Waits until the socket has taken it.
    ///
    /// # Errors
    /// [`SocketError`].
    pub fn send(
        &mut self,
        kind: Kind,
        message: &[u8],
        response: &mut dyn Response,
    ) -> Result<(), SocketError> {
        self.transmit(kind.into(), message, response)
    }

    fn transmit(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        response: &mut dyn Response,
    ) -> Result<(), SocketError> {
        if self.over {
            return Err(SocketError::Closed);
        }
        let head = FrameHead::new(opcode, payload.len());
        let sent = response.send_as_is(&[IoSlice::new(head.bytes()), IoSlice::new(payload)]);
        sent.map_err(|error| self.end(error.into()))
    }

    /// Says that it is over, with a code and a reason, where that was not said. What the client sends afterwards is of no
    /// interest.
    pub fn close(&mut self, code: u16, reason: &str, response: &mut dyn Response) {
        if !std::mem::replace(&mut self.over, true) {
            let mut frame = Vec::new();
            websocket::close(Some(code), reason, &mut frame);
            // A client that is gone need not be told.
            let _ = response.send_as_is(&[IoSlice::new(&frame)]);
        }
    }

    /// The application has returned, or failed.
    pub fn finish(&mut self, failed: bool, response: &mut dyn Response) {
        let code = if failed { code::INTERNAL_ERROR } else { code::NORMAL };
        self.close(code, "", response);
    }

    fn end(&mut self, error: SocketError) -> SocketError {
        self.over = true;
        error
    }
}

/// Answers a handshake that is refused.
fn refuse(refusal: Refusal, response: &mut dyn Response) {
    let status = refusal.status();
    let line = format!("{status} {}", uwsgi_protocol::http1::reason(status));
    let version = if refusal == Refusal::Version { Some(websocket::VERSION) } else { None };
    let begun =
        response.start(line.as_bytes()).is_ok() && response.header(b"Connection", b"close").is_ok();
    let mut name = |version| response.header(b"Sec-WebSocket-Version", version).is_ok();
    if begun && version.is_none_or(&mut name) {
        response.whole_body(0);
        // A client that is gone need not be told.
        let _ = response.flush_head();
    }
}

fn label(vars: VarsView<'_>) -> String {
    let var = |known| String::from_utf8_lossy(vars.get(known).unwrap_or_default());
    let (method, uri) = (var(Known::RequestMethod), var(Known::RequestUri));
    format!("\"{method} {uri}\" ({})", var(Known::RemoteAddr))
}

#[cfg(test)]
mod tests;
