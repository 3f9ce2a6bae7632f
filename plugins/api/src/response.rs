//! How a plugin answers.
//!
//! The server keeps the rules that hold for every plugin: framing (`Content-Length`, chunked, until close),
//! no body for HEAD, 1xx, 204 and 304, never more bytes than announced, no line breaks in headers,
//! hop-by-hop headers dropped.

use std::io::IoSlice;
use std::os::fd::OwnedFd;

pub use uwsgi_protocol::http1::HeadError;

/// Why the answer cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The client is gone or took nothing for `socket-timeout`.
    #[error("write error")]
    Disconnected(#[source] std::io::Error),
    /// Body before [`Response::start`].
    #[error("body sent before start_response() was called")]
    NoHead,
}

/// Whether the caller may go on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// Go on.
    Ready,
    /// The client reads slowly and the spill is full: call [`Response::wait`] before the next write.
    Full,
}

/// The answer to one request. Only [`Response::wait`] and [`Response::send_as_is`] wait; all else returns at once.
pub trait Response {
    /// Begins the head with a status such as `200 OK`; replaces a head that was begun and not sent.
    ///
    /// # Errors
    /// [`HeadError`]; the head is then empty again.
    fn start(&mut self, status: &[u8]) -> Result<(), HeadError>;

    /// Adds a header.
    ///
    /// # Errors
    /// [`HeadError`].
    fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError>;

    /// True after [`Response::start`] succeeded.
    fn started(&self) -> bool;

    /// True once bytes of the head may have left: the status cannot be changed any more.
    fn head_sent(&self) -> bool;

    /// Says that the next write is the whole body, of `length` bytes: the server adds a `Content-Length`
    /// where the application gave none. Call it before the first write.
    fn whole_body(&mut self, length: u64);

    /// Sends body bytes, with the head before the first ones. Empty slices do nothing. Bytes over the
    /// announced `Content-Length` are dropped and logged.
    ///
    /// # Errors
    /// [`WriteError`]; the application should be told once, and `close()` be called.
    fn write(&mut self, data: &[u8]) -> Result<Flow, WriteError>;

    /// Sends `length` bytes of `file` from `offset`, by sendfile(2) where the socket allows it.
    ///
    /// # Errors
    /// [`WriteError`].
    fn write_file(&mut self, file: OwnedFd, offset: u64, length: u64) -> Result<Flow, WriteError>;

    /// Waits until the spill has room again, at most `socket-timeout` without progress. Release the GIL around it.
    ///
    /// # Errors
    /// [`WriteError::Disconnected`].
    fn wait(&mut self) -> Result<(), WriteError>;

    /// Sends the head now, where it was not (an application that yields nothing).
    ///
    /// # Errors
    /// [`WriteError`].
    fn flush_head(&mut self) -> Result<(), WriteError>;

    /// Leaves HTTP for another protocol: sends the head that was begun, which is that of a `101`, with `Upgrade` and
    /// `Connection`. From then on the connection belongs to the application: [`Response::send_as_is`] sends, bytes of
    /// [`Response::write`] are dropped and logged, and the connection closes afterwards.
    ///
    /// # Errors
    /// [`WriteError`]; `NoHead` also where a head was sent already.
    fn switch(&mut self, protocol: &[u8]) -> Result<(), WriteError> {
        let _ = protocol;
        Err(WriteError::NoHead)
    }

    /// Sends bytes of the protocol that was switched to, and waits until the socket has taken them, at most
    /// `socket-timeout` without progress. Release the GIL around it.
    ///
    /// # Errors
    /// [`WriteError`].
    fn send_as_is(&mut self, parts: &[IoSlice<'_>]) -> Result<(), WriteError> {
        let _ = parts;
        Err(WriteError::NoHead)
    }

    /// Cuts the answer so that the client sees it is incomplete. Where nothing was sent, the server answers
    /// 500 in its place.
    fn abort(&mut self);
}
