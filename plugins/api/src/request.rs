//! A request as a plugin sees it.

use std::fmt;
use std::os::fd::RawFd;
use std::time::Duration;

use uwsgi_protocol::{Known, VarsView};

use crate::Site;

/// Number of a worker, from 1. Worker 0 is the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u16);

/// Number of a request thread's slot within its worker, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreId(pub u16);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireProtocol {
    /// The uwsgi protocol.
    Uwsgi,
    /// The uwsgi protocol, several requests on one connection.
    PersistentUwsgi,
    /// HTTP/1.0 and HTTP/1.1.
    Http,
    /// FastCGI, responder role; answers begin with `Status:`.
    FastCgi,
    /// FastCGI; answers begin with an HTTP status line.
    FastCgiNph,
    /// SCGI; answers begin with `Status:`.
    Scgi,
    /// SCGI; answers begin with an HTTP status line.
    ScgiNph,
    /// None: connections are the application's own, and no request is read.
    Raw,
    /// Whichever of uwsgi, HTTP, FastCGI and SCGI the first bytes of a connection show. Requests never have it.
    Auto,
}

impl WireProtocol {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Uwsgi,
        Self::PersistentUwsgi,
        Self::Http,
        Self::FastCgi,
        Self::FastCgiNph,
        Self::Scgi,
        Self::ScgiNph,
        Self::Raw,
        Self::Auto,
    ];

    /// Its name in `protocol`, in the statistics and in `LISTEN_FDNAMES`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uwsgi => "uwsgi",
            Self::PersistentUwsgi => "puwsgi",
            Self::Http => "http",
            Self::FastCgi => "fastcgi",
            Self::FastCgiNph => "fastcgi-nph",
            Self::Scgi => "scgi",
            Self::ScgiNph => "scgi-nph",
            Self::Raw => "raw",
            Self::Auto => "auto",
        }
    }

    /// The one of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }
}

/// What all requests of one listening socket have in common.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its number, from 0, in the order of the configuration.
    pub id: u16,
    /// What it speaks.
    pub protocol: WireProtocol,
    /// The address as text, as bound (`127.0.0.1:3031`, `/run/app.sock`).
    pub name: String,
    /// Modifiers of its requests, where the protocol has none of its own.
    pub modifiers: (u8, u8),
    /// Variables that the server adds to each request of this socket (`SERVER_NAME`, `SERVER_PORT` and an
    /// empty `SCRIPT_NAME` for HTTP; none for uwsgi, where the front end sends them). Not part of
    /// [`Request::vars`].
    pub static_vars: Vec<(Known, Vec<u8>)>,
}

/// The application that a request names, as far as it may.
#[derive(Clone, Copy, Debug)]
pub enum Wish<'a> {
    /// None: it goes to an application of the configuration.
    Nothing,
    /// This one, unless the configuration has an application in its place.
    Site(&'a Site<'a>),
    /// One, but its peer may not have applications loaded. Where the configuration has none in its place, the plugin
    /// answers nothing and says so in [`crate::Outcome::refused`].
    Refused,
}

/// One request: its variables and its body.
pub struct Request<'a> {
    /// Variables of this request.
    pub vars: VarsView<'a>,
    /// The socket it came in by.
    pub listener: &'a Listener,
    /// The scheme of the URL that the client asked for: `http`, `https`, or what a front end says in `UWSGI_SCHEME`.
    pub url_scheme: &'a [u8],
    /// First modifier of the packet, 0 for HTTP.
    pub modifier1: u8,
    /// Second modifier of the packet, 0 for HTTP.
    pub modifier2: u8,
    /// The application that it names itself.
    pub wish: Wish<'a>,
    /// The slot that serves it.
    pub core: CoreId,
    /// The connection's descriptor, for `uwsgi.connection_fd()`.
    pub connection_fd: RawFd,
    /// The body. Buffered bytes are there at once; the rest is waited for.
    pub body: &'a mut dyn Body,
}

/// What [`Body::fill`] brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// [`Body::available`] is not empty now.
    More,
    /// The body is complete.
    End,
}

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// No byte came within `socket-timeout`.
    #[error("timeout during read on wsgi.input")]
    Timeout,
    /// The client closed the connection, or reset it, before the body was complete.
    #[error(
        "error during read on wsgi.input: the client closed the connection before the body was complete"
    )]
    Truncated,
    /// The body breaks its protocol's rules (a malformed chunk, more than `limit-post`).
    #[error("error during read on wsgi.input: {0}")]
    Malformed(uwsgi_protocol::Reject),
    /// The socket failed.
    #[error("error during read on wsgi.input: {0}")]
    Io(#[from] std::io::Error),
}

/// A request body. `available` and `consume` never wait; `fill` does, so release the GIL around it.
pub trait Body {
    /// Bytes that are still to come or to be consumed; `None` for a body whose end is not known yet.
    fn remaining(&self) -> Option<u64>;

    /// True for a body whose length nobody said beforehand (`wsgi.input_terminated`).
    fn unannounced(&self) -> bool;

    /// Bytes that can be had without waiting. Empty at the end, and when [`Body::fill`] has to be called.
    fn available(&self) -> &[u8];

    /// Drops the first `count` available bytes; more than there are drops all.
    fn consume(&mut self, count: usize);

    /// Goes to a place of the body, where it can be read again (`post-buffering`); false where it cannot.
    fn seek(&mut self, position: u64) -> bool {
        let _ = position;
        false
    }

    /// Waits for more bytes, at most `socket-timeout`; call it when nothing is available.
    ///
    /// # Errors
    /// [`BodyError`] where the rest will not come. The error stays: further calls fail again.
    fn fill(&mut self) -> Result<Fill, BodyError>;

    /// Waits for more bytes, at most `within`; `None` where none came, which is no error. For bodies that were opened
    /// with [`Body::open`].
    ///
    /// # Errors
    /// As those of [`Body::fill`].
    fn poll(&mut self, within: Duration) -> Result<Option<Fill>, BodyError> {
        let _ = within;
        self.fill().map(Some)
    }

    /// The variables of the request, where its client would leave HTTP for a WebSocket and can be heard afterwards.
    fn offer(&self) -> Option<VarsView<'_>> {
        None
    }

    /// The body becomes all that the client sends from now on, until it closes: without limit of size or pace.
    fn open(&mut self) {}
}
