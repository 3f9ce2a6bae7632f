//! The answer to one request: its head and its end; `outgoing` has the way of its bytes.

use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use uwsgi_plugin_api::{Flow, HeadError, Response, WriteError};
use uwsgi_protocol::http1::{ResponseEncoder, is_value};

use super::cell::Cell;
use super::dress::Dress;
use super::fault::Standin;
use super::gzip::Gzip;
use super::internal::Named;
use crate::files::Files;
use crate::net::spill::Spill;

/// Bytes that may wait in memory for a slow reader before the application has to wait as well.
pub const SPILL_BYTES_MAX: usize = 1 << 20;

/// The header of a request's id.
const REQUEST_ID: &[u8] = b"X-Request-Id";

/// What became of an answer.
#[derive(Debug, Default)]
pub struct Sent {
    /// Body bytes that the application generated and the client was sent.
    pub body_bytes: u64,
    /// Bytes over the announced length that were dropped.
    pub dropped: u64,
    /// The socket failed.
    pub error: Option<io::Error>,
    /// The application gave up.
    pub aborted: bool,
    /// Bytes that were announced and not sent.
    pub missing: u64,
    /// A file was sent.
    pub sendfile: bool,
    /// No application was asked: a static file is the answer.
    pub is_static: bool,
    /// The server answered in the application's place, with this status.
    pub replaced: Option<u16>,
    /// It did so with 504, because the request took too long.
    pub cut: bool,
}

/// What is settled before an answer begins.
pub(super) struct Terms<'a> {
    pub(super) fd: BorrowedFd<'a>,
    pub(super) cell: &'a Cell,
    /// The value of `Date`.
    pub(super) date: &'a [u8],
    /// Longest wait for a reader that takes nothing.
    pub(super) timeout: Duration,
    pub(super) dress: Dress,
    /// Who answers where the application does not.
    pub(super) standin: Standin<'a>,
    /// The request's id, where every answer has one.
    pub(super) id: Option<&'a [u8]>,
    /// Headers that are added to the application's.
    pub(super) headers: &'a [(String, String)],
    /// Where files may lie that the application names in place of a body.
    pub(super) internal: Option<&'a Files>,
    /// Another request of this connection is here: small answers wait for its answer.
    pub(super) hold: bool,
}

/// See the module. Made for one request.
pub struct Answer<'a> {
    pub(super) terms: Terms<'a>,
    pub(super) encoder: &'a mut ResponseEncoder,
    pub(super) spill: &'a mut Spill,
    /// The file that the application has named; nothing of its own body is sent then.
    pub(super) named: Option<Named>,
    /// What FastCGI is told at the end; 0 is success.
    pub(super) exit_status: u32,
    /// What its log is told then; empty for nothing.
    pub(super) remark: &'static str,
    /// The application has said the request's id.
    has_id: bool,
    /// The records of this answer have ended.
    pub(super) ended: bool,
    pub(super) holding: bool,
    sealed: bool,
    /// HTTP ended with the head: see [`Response::switch`].
    switched: bool,
    /// The first piece of the body is all of it.
    pub(super) whole: bool,
    /// Compresses the body where the application asks for it; boxed, because it is large and rare.
    pub(super) gzip: Option<Box<Gzip>>,
    /// How it went.
    pub sent: Sent,
}

impl<'a> Answer<'a> {
    /// The encoder was reset for this request. `gzip`: the listener compresses. `holding`: earlier answers are kept
    /// back.
    pub(super) fn new(
        terms: Terms<'a>,
        (encoder, spill): (&'a mut ResponseEncoder, &'a mut Spill),
        gzip: Option<Box<Gzip>>,
        holding: bool,
    ) -> Self {
        Self {
            terms,
            encoder,
            spill,
            named: None,
            exit_status: 0,
            remark: "",
            has_id: false,
            ended: false,
            holding,
            sealed: false,
            switched: false,
            whole: false,
            gzip,
            sent: Sent::default(),
        }
    }

    /// True when answers are kept back.
    pub fn is_holding(&self) -> bool {
        self.holding
    }

    /// True where the connection is the application's own, for as long as it likes.
    pub fn is_switched(&self) -> bool {
        self.switched
    }

    /// True once the head is final.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Sends the end of the body; call it when the handler is done. False where the connection has to close.
    pub fn finish(&mut self) -> bool {
        if self.ended && self.sent.error.is_none() {
            // Whatever the application did after its last byte, the front end may have gone on.
            return self.encoder.end().keep_alive;
        }
        if self.sent.error.is_some() || self.sent.aborted {
            return false;
        }
        if !self.sealed && (!self.encoder.started() || self.flush_head().is_err()) {
            return false;
        }
        if let Some(last) = self.gzip.as_mut().and_then(|gzip| gzip.finish())
            && last.map_err(|_| ()).and_then(|last| self.put(false, &last).map_err(|_| ())).is_err()
        {
            return false;
        }
        let end = self.encoder.end();
        if !end.tail.is_empty() && self.send(&[IoSlice::new(end.tail)], true).is_err() {
            return false;
        }
        self.sent.missing = end.missing;
        if end.missing == 0 && !self.ended && self.end_records().is_err() {
            return false;
        }
        end.missing == 0 && end.keep_alive
    }

    /// The control thread has answered: nothing of this answer left or will, and the connection closes.
    pub fn was_cut(&mut self) {
        (self.sent.cut, self.sent.replaced) = (true, Some(504));
        // What could not be sent was not meant to be.
        self.sent.error = None;
        self.sent.body_bytes = 0;
        self.holding = false;
    }

    /// The control thread has ended this answer, and the log has its line.
    pub fn was_ended(&mut self) {
        self.sent.error = None;
        self.holding = false;
    }

    /// True where the head was open. `is_file`: the body is a file.
    pub(super) fn seal(&mut self, is_file: bool) -> bool {
        let first = !self.sealed;
        if first {
            self.sealed = true;
            if let Some(gzip) = &mut self.gzip {
                // Headers were good when they were given; one that does not fit any more is left out.
                let _ = gzip.seal(self.encoder, is_file);
            }
            for (name, value) in self.terms.headers {
                // They were checked at the start; one that does not fit into the head any more is left out.
                let _ = self.encoder.header(name.as_bytes(), value.as_bytes());
            }
            if let Some(id) = self.terms.id.filter(|_| !self.has_id) {
                let _ = self.encoder.header(REQUEST_ID, id);
            }
            self.encoder.seal(self.terms.date);
        }
        first
    }
}

impl Response for Answer<'_> {
    fn start(&mut self, status: &[u8]) -> Result<(), HeadError> {
        if self.sealed {
            return Err(HeadError::AlreadySent);
        }
        if let Some(gzip) = &mut self.gzip {
            gzip.restart();
        }
        (self.has_id, self.named) = (false, None);
        self.encoder.start(status)
    }

    fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        if self.sealed {
            return Err(HeadError::AlreadySent);
        }
        if self.takes_name(name, value) {
            return Ok(());
        }
        if let Some(gzip) = &mut self.gzip
            && is_value(value)
            && gzip.takes(name, value)
        {
            return Ok(());
        }
        self.has_id |= self.terms.id.is_some() && name.eq_ignore_ascii_case(REQUEST_ID);
        self.encoder.header(name, value)
    }

    fn started(&self) -> bool {
        self.encoder.started()
    }

    fn head_sent(&self) -> bool {
        self.sealed
    }

    fn whole_body(&mut self, length: u64) {
        self.whole |= !self.sealed;
        match &mut self.gzip {
            _ if self.sealed => {}
            Some(gzip) => gzip.whole_body(length),
            None => self.encoder.whole_body(length),
        }
    }

    fn write(&mut self, data: &[u8]) -> Result<Flow, WriteError> {
        if !self.encoder.started() {
            return Err(WriteError::NoHead);
        }
        // A body in whose place a file is sent is of no use.
        if data.is_empty() || self.named.is_some() {
            return Ok(self.flow());
        }
        if self.switched {
            self.sent.dropped += data.len() as u64;
            return Ok(Flow::Ready);
        }
        let first = self.seal(false);
        match self.gzip.as_mut().and_then(|gzip| gzip.compress(data)) {
            None => self.put(first, data),
            Some(Ok(packed)) => self.put(first, &packed),
            Some(Err(error)) => Err(self.fail(error)),
        }
    }

    fn write_file(&mut self, file: OwnedFd, offset: u64, length: u64) -> Result<Flow, WriteError> {
        if self.switched {
            self.sent.dropped += length;
            return Ok(Flow::Ready);
        }
        self.write_part(Arc::new(file), offset, length)
    }

    fn wait(&mut self) -> Result<(), WriteError> {
        self.drain(SPILL_BYTES_MAX / 2)
    }

    fn flush_head(&mut self) -> Result<(), WriteError> {
        if !self.encoder.started() {
            return Err(WriteError::NoHead);
        }
        if self.named.is_some() || !self.seal(false) {
            return Ok(());
        }
        self.send_head()
    }

    fn switch(&mut self, protocol: &[u8]) -> Result<(), WriteError> {
        if self.sealed || !self.encoder.started() {
            return Err(WriteError::NoHead);
        }
        (self.gzip, self.terms.hold, self.switched) = (None, false, true);
        // Whoever has a connection of its own may be silent.
        self.terms.cell.silence.begin(None, 0);
        self.encoder.switch(protocol);
        self.seal(false);
        self.send_head()?;
        self.drain(0)
    }

    fn send_as_is(&mut self, parts: &[IoSlice<'_>]) -> Result<(), WriteError> {
        if !self.switched {
            return Err(WriteError::NoHead);
        }
        self.sent.body_bytes += parts.iter().map(|part| part.len() as u64).sum::<u64>();
        self.send_now(parts)?;
        self.drain(0)
    }

    fn abort(&mut self) {
        // How another protocol ends is the application's to say.
        self.sent.aborted = !self.switched;
    }
}
