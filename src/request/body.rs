//! A request body while the application runs: first what is in memory or in the spool, then the socket.

use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use uwsgi_plugin_api::{Body, BodyError, Fill};
use uwsgi_protocol::{Reject, VarsView};

use super::patience::Patience;
use super::silence::Silence;
use crate::net::coding::Piece;
use crate::net::pace::Pace;
use crate::net::upload::{Fault, Rest, Upload};
use crate::sys::socket;

/// Bytes read from the socket or the spool at once.
const READ_BYTES: usize = 64 * 1024;

/// A request thread's buffer for the part of a body that is read while the application runs.
///
/// ```text
///   0       data.start      data.end        raw_end          capacity
///   | gone  | decoded, left | not decoded   | room           |
/// ```
#[derive(Debug, Default)]
pub struct BodyBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    raw_end: usize,
}

impl BodyBuffer {
    /// Takes bytes that are not decoded yet.
    pub fn load(&mut self, raw: &[u8]) {
        self.bytes.resize(READ_BYTES.max(raw.len()), 0);
        self.bytes[..raw.len()].copy_from_slice(raw);
        (self.start, self.end, self.raw_end) = (0, 0, raw.len());
    }

    /// Bytes behind the end of the body: the next request.
    pub fn surplus(&self) -> &[u8] {
        &self.bytes[self.end.min(self.raw_end)..self.raw_end]
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        (self.start, self.end, self.raw_end) = (0, 0, 0);
    }
}

/// See the module. Made for one request.
pub struct RequestBody<'a> {
    fd: BorrowedFd<'a>,
    memory: &'a [u8],
    /// All that was in memory at first.
    whole: &'a [u8],
    upload: &'a mut Upload,
    buffer: &'a mut BodyBuffer,
    patience: Patience<'a>,
    bytes_max: Option<u64>,
    /// `post-buffering` is on: complete bodies may be read again.
    seekable: bool,
    read: u64,
    spool_left: u64,
    failed: bool,
    /// The request's variables, where the client asks for another protocol.
    offer: Option<VarsView<'a>>,
}

impl<'a> RequestBody<'a> {
    /// A body whose first bytes are `memory`; `timeout` bounds each wait for more.
    pub fn new(
        fd: BorrowedFd<'a>,
        memory: &'a [u8],
        upload: &'a mut Upload,
        buffer: &'a mut BodyBuffer,
        timeout: Duration,
        bytes_max: Option<u64>,
        seekable: bool,
    ) -> Self {
        let mut spool_left = 0;
        let mut failed = false;
        if let Some(spool) = &mut upload.spool {
            spool_left = spool.len;
            failed = spool.file.seek(SeekFrom::Start(0)).is_err();
        }
        let read = memory.len() as u64;
        Self {
            fd,
            memory,
            whole: memory,
            seekable,
            upload,
            buffer,
            patience: Patience::new(timeout),
            bytes_max,
            read,
            spool_left,
            failed,
            offer: None,
        }
    }

    /// The client asks for another protocol, in these variables.
    pub fn offers(&mut self, vars: VarsView<'a>) {
        self.offer = Some(vars);
    }

    /// The client has to keep this pace; `silence` is told while it is the client that is waited for.
    pub fn keep_pace(&mut self, pace: Option<Pace>, silence: &'a Silence) {
        (self.patience.pace, self.patience.silence) = (pace, Some(silence));
    }

    /// True where bytes of this body are still on the wire.
    pub fn is_open(&self) -> bool {
        !matches!(self.upload.rest, Rest::Nothing)
    }

    fn receive(&mut self) -> Result<usize, BodyError> {
        let buffer = &mut *self.buffer;
        if buffer.start == buffer.raw_end {
            buffer.clear();
        }
        if buffer.bytes.len() < READ_BYTES {
            buffer.bytes.resize(READ_BYTES, 0);
        }
        if buffer.raw_end == buffer.bytes.len() {
            // Only a chunk line that is split at the very end leads here: it moves to the front.
            buffer.bytes.copy_within(buffer.end..buffer.raw_end, 0);
            buffer.raw_end -= buffer.end;
            (buffer.start, buffer.end) = (0, 0);
        }
        let mut room = &mut buffer.bytes[buffer.raw_end..];
        if let Rest::Length(left) = self.upload.rest {
            let cap = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            room = &mut room[..cap];
        }
        loop {
            match socket::receive(self.fd, room) {
                Ok(0) => return Err(BodyError::Truncated),
                Ok(count) => {
                    buffer.raw_end += count;
                    self.patience.received(count);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.patience.wait(self.fd)? {
                        return Err(BodyError::Timeout);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(BodyError::Truncated);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn fill_from_spool(&mut self) -> Result<Fill, BodyError> {
        let Some(spool) = self.upload.spool.as_mut().filter(|_| self.spool_left > 0) else {
            return Ok(Fill::End);
        };
        self.buffer.bytes.resize(READ_BYTES, 0);
        let count = spool.file.read(&mut self.buffer.bytes)?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.spool_left = self.spool_left.saturating_sub(count as u64);
        (self.buffer.start, self.buffer.end, self.buffer.raw_end) = (0, count, count);
        Ok(Fill::More)
    }

    fn fill_from_socket(&mut self) -> Result<Fill, BodyError> {
        loop {
            match &mut self.upload.rest {
                Rest::Nothing => return Ok(Fill::End),
                Rest::Raw => {
                    if self.buffer.end == self.buffer.raw_end {
                        self.receive()?;
                    }
                    self.buffer.start = self.buffer.end;
                    self.buffer.end = self.buffer.raw_end;
                    return Ok(Fill::More);
                }
                Rest::Length(_) => {
                    let count = self.receive()?;
                    self.buffer.end = self.buffer.raw_end;
                    self.took(count as u64);
                    return Ok(Fill::More);
                }
                Rest::Coded(coding) => {
                    let buffer = &mut *self.buffer;
                    let raw = &buffer.bytes[buffer.end..buffer.raw_end];
                    match coding.decode(raw).map_err(BodyError::Malformed)? {
                        Piece::Data { skip, len } => {
                            buffer.start = buffer.end + skip;
                            buffer.end = buffer.start + len;
                            self.check_size(len as u64)?;
                            return Ok(Fill::More);
                        }
                        Piece::Foreign { skip, len } => {
                            self.upload.foreign.keep(&raw[skip..skip + len]);
                            buffer.end += skip + len;
                            buffer.start = buffer.end;
                        }
                        Piece::More { consumed } => {
                            buffer.end += consumed;
                            buffer.start = buffer.end;
                            self.receive()?;
                        }
                        Piece::End { consumed } => {
                            buffer.end += consumed;
                            buffer.start = buffer.end;
                            self.upload.rest = Rest::Nothing;
                        }
                        Piece::Abort { consumed } => {
                            buffer.end += consumed;
                            buffer.start = buffer.end;
                            self.upload.rest = Rest::Nothing;
                            self.upload.fault = Some(Fault::Aborted);
                            return Err(BodyError::Truncated);
                        }
                    }
                }
            }
        }
    }

    fn took(&mut self, count: u64) {
        if let Rest::Length(left) = &mut self.upload.rest {
            *left = left.saturating_sub(count);
            if *left == 0 {
                self.upload.rest = Rest::Nothing;
            }
        }
    }

    fn check_size(&mut self, count: u64) -> Result<(), BodyError> {
        self.read += count;
        match self.bytes_max {
            Some(max) if self.read > max => {
                Err(BodyError::Malformed(Reject::new(413, "body_too_large")))
            }
            _ => Ok(()),
        }
    }
}

impl Body for RequestBody<'_> {
    fn remaining(&self) -> Option<u64> {
        let here =
            (self.memory.len() + self.buffer.end - self.buffer.start) as u64 + self.spool_left;
        match &self.upload.rest {
            // Who reads on is told.
            Rest::Nothing if self.upload.fault == Some(Fault::Aborted) => None,
            Rest::Nothing => Some(here),
            Rest::Length(left) => Some(here + left),
            Rest::Coded(_) | Rest::Raw => None,
        }
    }

    fn unannounced(&self) -> bool {
        self.upload.unannounced
    }

    fn available(&self) -> &[u8] {
        if self.memory.is_empty() {
            &self.buffer.bytes[self.buffer.start..self.buffer.end]
        } else {
            self.memory
        }
    }

    fn seek(&mut self, position: u64) -> bool {
        if !self.seekable || self.is_open() || self.upload.fault.is_some() {
            return false;
        }
        match &mut self.upload.spool {
            None => match usize::try_from(position).ok().and_then(|at| self.whole.get(at..)) {
                Some(rest) => {
                    self.memory = rest;
                    true
                }
                None => false,
            },
            Some(spool) => {
                let found =
                    position <= spool.len && spool.file.seek(SeekFrom::Start(position)).is_ok();
                if found {
                    self.spool_left = spool.len - position;
                    self.memory = &[];
                    self.buffer.clear();
                }
                found
            }
        }
    }

    fn consume(&mut self, count: usize) {
        if self.memory.is_empty() {
            self.buffer.start = (self.buffer.start + count).min(self.buffer.end);
        } else {
            self.memory = &self.memory[count.min(self.memory.len())..];
        }
    }

    fn fill(&mut self) -> Result<Fill, BodyError> {
        if !self.available().is_empty() {
            return Ok(Fill::More);
        }
        if self.failed {
            return Err(BodyError::Truncated);
        }
        match self.upload.fault {
            Some(Fault::Timeout) => return Err(BodyError::Timeout),
            Some(Fault::Truncated | Fault::Aborted) => return Err(BodyError::Truncated),
            None => {}
        }
        let result = if self.upload.spool.is_some() {
            self.fill_from_spool()
        } else {
            self.fill_from_socket()
        };
        self.failed = result.is_err();
        result
    }

    fn poll(&mut self, within: Duration) -> Result<Option<Fill>, BodyError> {
        let timeout = self.patience.replace(within);
        let result = match self.fill() {
            Err(BodyError::Timeout) if self.upload.fault.is_none() => {
                self.failed = false;
                Ok(None)
            }
            result => result.map(Some),
        };
        self.patience.replace(timeout);
        result
    }

    fn offer(&self) -> Option<VarsView<'_>> {
        let hears = match self.upload.rest {
            Rest::Nothing => !self.upload.coded,
            Rest::Coded(_) => self.upload.coded,
            Rest::Length(_) | Rest::Raw => false,
        };
        self.offer.filter(|_| hears && self.upload.fault.is_none())
    }

    fn open(&mut self) {
        if !self.upload.coded {
            self.upload.rest = Rest::Raw;
        }
        self.bytes_max = None;
        self.patience.pace = None;
    }
}
