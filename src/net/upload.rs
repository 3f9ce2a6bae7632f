//! A request body on its way in, before and while the application runs.
//!
//! Small bodies are complete before the application runs; of larger ones it reads the rest itself. A body
//! that is coded (chunks, records) is decoded where it lies, so that its bytes always follow the head without a gap:
//!
//! ```text
//!   input: | head | ready (decoded body) | raw: not decoded yet, or the next request |
//! ```

use std::fs::File;
use std::io::{self, Write};

use uwsgi_protocol::Reject;
use uwsgi_protocol::http1::Framing;

use super::coding::{Coding, Piece, Records};
use super::foreign::Foreign;
use super::input::Input;

/// Bodies up to this size are complete in memory before the application runs, in bytes.
pub const BODY_MEMORY_MAX: usize = 64 * 1024;

/// What is still on the wire.
#[derive(Debug)]
pub enum Rest {
    /// Nothing: the body is complete.
    Nothing,
    /// That many bytes.
    Length(u64),
    /// Coded bytes.
    Coded(Box<Coding>),
    /// Whatever comes, as it is: the client has left HTTP.
    Raw,
}

/// A body that was spooled (`post-buffering`).
#[derive(Debug)]
pub struct Spool {
    /// The unlinked file.
    pub file: File,
    /// Bytes written to it.
    pub len: u64,
}

/// How a body is received.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// `limit-post` in bytes.
    pub bytes_max: Option<u64>,
    /// `post-buffering` in bytes: such bodies are complete before the application runs.
    pub spool_from: Option<usize>,
}

/// Why a body stays incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing came for `socket-timeout`.
    Timeout,
    /// The client ended its direction.
    Truncated,
    /// The front end gave the request up, or ended the body too early; the connection goes on.
    Aborted,
}

/// The state of one body.
#[derive(Debug)]
pub struct Upload {
    /// Decoded bytes in the input, right behind the head.
    pub ready: usize,
    /// What is still to come.
    pub rest: Rest,
    /// Where the body is, if not in the input.
    pub spool: Option<Spool>,
    /// It came coded.
    pub coded: bool,
    /// Nobody said beforehand how long it is.
    pub unannounced: bool,
    /// It is announced as more than is waited for, although it comes coded.
    large: bool,
    /// The application runs at once, whatever there is of it: the client may leave HTTP, and what it sends then is not
    /// for us to wait for.
    pub at_once: bool,
    /// It will not be completed: the application is told when it reads on.
    pub fault: Option<Fault>,
    /// Monotonic milliseconds at which the wait for it began.
    pub waiting_since_ms: Option<u64>,
    /// What came between its bytes and is not its own.
    pub foreign: Foreign,
    /// The record that ends it was not waited for and may still come.
    pub end_may_come: bool,
    /// Decoded bytes so far, wherever they are.
    total: u64,
}

impl Default for Upload {
    fn default() -> Self {
        Self {
            ready: 0,
            rest: Rest::Nothing,
            spool: None,
            coded: false,
            unannounced: false,
            large: false,
            at_once: false,
            fault: None,
            waiting_since_ms: None,
            foreign: Foreign::default(),
            end_may_come: false,
            total: 0,
        }
    }
}

impl Upload {
    /// A body of this framing.
    ///
    /// # Errors
    /// 413 where it is announced as larger than allowed.
    pub fn new(framing: Framing, policy: &Policy) -> Result<Self, Reject> {
        let rest = match framing {
            Framing::None | Framing::Length(0) => Rest::Nothing,
            Framing::Length(length) if policy.bytes_max.is_some_and(|max| length > max) => {
                return Err(Reject::new(413, "body_too_large"));
            }
            Framing::Length(length) => Rest::Length(length),
            Framing::Chunked => return Ok(Self::coded(Coding::Chunks(Default::default()))),
        };
        Ok(Self { rest, ..Self::default() })
    }

    /// A body in FastCGI's records, of which the front end announced so much.
    ///
    /// # Errors
    /// 413 where that is more than allowed.
    pub fn in_records(id: u16, announced: Option<u64>, policy: &Policy) -> Result<Self, Reject> {
        if policy.bytes_max.is_some_and(|max| announced.is_some_and(|length| length > max)) {
            return Err(Reject::new(413, "body_too_large"));
        }
        let large = announced.is_some_and(|length| length > BODY_MEMORY_MAX as u64);
        Ok(Self { large, ..Self::coded(Coding::Records(Records::new(id, announced))) })
    }

    fn coded(coding: Coding) -> Self {
        let unannounced = coding.is_unannounced();
        Self { rest: Rest::Coded(Box::new(coding)), coded: true, unannounced, ..Self::default() }
    }

    /// Decoded bytes so far, wherever they are.
    pub fn received(&self) -> u64 {
        self.total
    }

    /// True when the application may run.
    pub fn may_run(&self, policy: &Policy) -> bool {
        match &self.rest {
            Rest::Nothing => true,
            _ if self.fault.is_some() || self.at_once => true,
            _ if policy.spool_from.is_some() => false,
            Rest::Length(left) => self.ready as u64 + left > BODY_MEMORY_MAX as u64,
            Rest::Coded(_) => self.large || self.ready >= BODY_MEMORY_MAX,
            Rest::Raw => true,
        }
    }

    /// Room in the input, behind the head, that a read should have.
    pub fn room_wanted(&self) -> usize {
        const READ_BYTES: usize = 16 * 1024;
        match &self.rest {
            Rest::Length(left) => self.ready + (*left).min(BODY_MEMORY_MAX as u64) as usize,
            _ => self.ready + READ_BYTES,
        }
    }

    /// Takes what lies in the input behind the head; call it after every read.
    ///
    /// # Errors
    /// A [`Reject`] for broken chunks and bodies over the limit.
    pub fn absorb(
        &mut self,
        input: &mut Input,
        head_len: usize,
        policy: &Policy,
    ) -> Result<(), Reject> {
        let from = head_len + self.ready;
        let raw = input.len() - from;
        match &mut self.rest {
            Rest::Nothing | Rest::Raw => {}
            Rest::Length(left) => {
                let count = (raw as u64).min(*left);
                *left -= count;
                self.grow(count as usize, policy)?;
                if matches!(self.rest, Rest::Length(0)) {
                    self.rest = Rest::Nothing;
                }
            }
            Rest::Coded(_) => self.absorb_coded(input, from, policy)?,
        }
        self.spool_if_large(input, head_len, policy)
    }

    fn grow(&mut self, count: usize, policy: &Policy) -> Result<(), Reject> {
        self.ready += count;
        self.total += count as u64;
        if policy.bytes_max.is_some_and(|max| self.total > max) {
            return Err(Reject::new(413, "body_too_large"));
        }
        Ok(())
    }

    fn absorb_coded(
        &mut self,
        input: &mut Input,
        from: usize,
        policy: &Policy,
    ) -> Result<(), Reject> {
        let (mut write, mut read) = (from, from);
        while let Rest::Coded(coding) = &mut self.rest {
            let data = input.data_mut();
            match coding.decode(&data[read..])? {
                Piece::More { consumed } => {
                    read += consumed;
                    if coding.is_announced_empty() {
                        self.rest = Rest::Nothing;
                        self.end_may_come = true;
                    }
                    break;
                }
                Piece::Foreign { skip, len } => {
                    self.foreign.keep(&data[read + skip..read + skip + len]);
                    read += skip + len;
                }
                Piece::Data { skip, len } => {
                    data.copy_within(read + skip..read + skip + len, write);
                    read += skip + len;
                    write += len;
                    self.grow(len, policy)?;
                }
                Piece::End { consumed } => {
                    read += consumed;
                    self.rest = Rest::Nothing;
                }
                Piece::Abort { consumed } => {
                    read += consumed;
                    self.fault = Some(Fault::Aborted);
                    self.rest = Rest::Nothing;
                }
            }
        }
        // What was not decoded follows the decoded bytes without a gap.
        let end = input.len();
        input.data_mut().copy_within(read..end, write);
        input.truncate(write + end - read);
        Ok(())
    }

    fn spool_if_large(
        &mut self,
        input: &mut Input,
        head_len: usize,
        policy: &Policy,
    ) -> Result<(), Reject> {
        let Some(from) = policy.spool_from.filter(|_| !self.at_once) else { return Ok(()) };
        let expected = match self.rest {
            Rest::Length(left) => self.total.saturating_add(left),
            _ => self.total,
        };
        if self.ready == 0 || (self.spool.is_none() && expected < from as u64) {
            return Ok(());
        }
        let failed = |_error: io::Error| Reject::new(500, "body_spool_failed");
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => none.insert(Spool { file: tempfile::tempfile().map_err(failed)?, len: 0 }),
        };
        let bytes = &input.data()[head_len..head_len + self.ready];
        spool.file.write_all(bytes).map_err(failed)?;
        spool.len += bytes.len() as u64;
        let end = input.len();
        input.data_mut().copy_within(head_len + self.ready..end, head_len);
        input.truncate(end - self.ready);
        self.ready = 0;
        Ok(())
    }
}
