//! The answer to one request: framing by the codec, bytes to the socket, the rest to the spill.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use uwsgi_plugin_api::{Flow, HeadError, Response, WriteError};
use uwsgi_protocol::http1::{ResponseEncoder, is_value};

use super::cell::Cell;
use super::dress::Dress;
use super::fault::Standin;
use super::gzip::{self, Gzip};
use crate::net::spill::{Flushed, Spill};
use crate::sys::socket;

/// Bytes that may wait in memory for a slow reader before the application has to wait as well.
pub const SPILL_BYTES_MAX: usize = 1 << 20;
/// So much of a connection's answers is kept back while its next pipelined request is here already, in bytes.
const HOLD_BYTES_MAX: usize = 16 * 1024;

/// Bodies up to this size are copied behind their head.
const JOIN_BYTES_MAX: usize = 2 * 1024;

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
    /// Another request of this connection is here: small answers wait for its answer.
    pub(super) hold: bool,
}

/// See the module. Made for one request.
pub struct Answer<'a> {
    pub(super) terms: Terms<'a>,
    pub(super) encoder: &'a mut ResponseEncoder,
    spill: &'a mut Spill,
    /// What FastCGI is told at the end; 0 is success.
    pub(super) exit_status: u32,
    /// The application has said the request's id.
    has_id: bool,
    /// The records of this answer have ended.
    pub(super) ended: bool,
    holding: bool,
    sealed: bool,
    /// HTTP ended with the head: see [`Response::switch`].
    switched: bool,
    /// The first piece of the body is all of it.
    whole: bool,
    /// Compresses the body where the application asks for it; boxed, because it is large and rare.
    gzip: Option<Box<Gzip>>,
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
            exit_status: 0,
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

    /// Sends what was kept back.
    pub fn flush_held(&mut self) -> Result<(), WriteError> {
        if !self.holding {
            return Ok(());
        }
        self.holding = false;
        let mut held = Vec::new();
        self.terms.cell.take_held(&mut held);
        self.send_now(&[IoSlice::new(&held)])
    }

    /// The control thread has answered: nothing of this answer left or will, and the connection closes.
    pub fn was_cut(&mut self) {
        (self.sent.cut, self.sent.replaced) = (true, Some(504));
        // What could not be sent was not meant to be.
        self.sent.error = None;
        self.sent.body_bytes = 0;
        self.holding = false;
    }

    /// True where the head was open. `is_file`: the body is a file.
    fn seal(&mut self, is_file: bool) -> bool {
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

    fn send_head(&mut self) -> Result<(), WriteError> {
        let head = self.encoder.take_head();
        let result = self.send(&[IoSlice::new(&head)], true);
        self.encoder.return_head(head);
        result
    }

    /// Frames and sends bytes of the body. `first`: the head goes with them.
    fn put(&mut self, first: bool, data: &[u8]) -> Result<Flow, WriteError> {
        let frame = self.encoder.frame(data);
        self.sent.body_bytes += frame.data.len() as u64;
        self.sent.dropped += frame.dropped;
        // The head is borrowed from the encoder while the socket is written: moved out for that time.
        let mut head = if first { self.encoder.take_head() } else { Vec::new() };
        if first && frame.data.len() <= JOIN_BYTES_MAX {
            // One buffer costs the kernel less than two, and copying this little costs next to nothing.
            for part in [frame.prefix(), frame.data, frame.suffix] {
                head.extend_from_slice(part);
            }
            let result = self.send(&[IoSlice::new(&head)], true);
            self.encoder.return_head(head);
            return result.map(|()| self.flow());
        }
        let parts = [
            IoSlice::new(&head),
            IoSlice::new(frame.prefix()),
            IoSlice::new(frame.data),
            IoSlice::new(frame.suffix),
        ];
        let used = if first { &parts[..] } else { &parts[1..] };
        let result =
            if used.iter().all(|part| part.is_empty()) { Ok(()) } else { self.send(used, true) };
        if first {
            self.encoder.return_head(head);
        }
        result.map(|()| self.flow())
    }

    /// `small`: may be kept back.
    fn send(&mut self, parts: &[IoSlice<'_>], small: bool) -> Result<(), WriteError> {
        if self.terms.hold && small && self.terms.cell.hold(parts, HOLD_BYTES_MAX) {
            self.holding = true;
            return Ok(());
        }
        self.flush_held()?;
        self.send_now(parts)
    }

    fn send_now(&mut self, parts: &[IoSlice<'_>]) -> Result<(), WriteError> {
        match self.terms.dress.records {
            None => self.transmit(parts),
            Some(id) => self.send_records(id, parts),
        }
    }

    /// Bytes as they go on the wire.
    pub(super) fn transmit(&mut self, parts: &[IoSlice<'_>]) -> Result<(), WriteError> {
        if self.sent.error.is_some() {
            return Err(WriteError::Disconnected(io::ErrorKind::BrokenPipe.into()));
        }
        if !self.terms.cell.begin_answer() {
            return Err(self.fail(io::ErrorKind::ConnectionAborted.into()));
        }
        let mut sent = 0;
        if self.spill.is_empty() {
            match socket::send(self.terms.fd, parts) {
                Ok(count) => sent = count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(self.fail(error)),
            }
        }
        for part in parts {
            let skip = sent.min(part.len());
            sent -= skip;
            self.spill.push(&part[skip..]);
        }
        Ok(())
    }

    /// Waits until at most so many bytes are spilled.
    fn drain(&mut self, bytes_max: usize) -> Result<(), WriteError> {
        let mut sent = 0;
        while self.spill.held() > bytes_max {
            match socket::wait(self.terms.fd, true, self.terms.timeout) {
                Ok(true) => {}
                Ok(false) => return Err(self.fail(io::ErrorKind::TimedOut.into())),
                Err(error) => return Err(self.fail(error)),
            }
            if let Err(error) = self.spill.flush(self.terms.fd.as_fd(), &mut sent) {
                return Err(self.fail(error));
            }
        }
        Ok(())
    }

    fn fail(&mut self, error: io::Error) -> WriteError {
        let copy =
            error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
        self.sent.error = Some(error);
        WriteError::Disconnected(copy)
    }

    /// Nobody has to wait for room after the last byte: what is spilled is the reactor's.
    fn flow(&self) -> Flow {
        let more = !self.whole && !self.encoder.is_complete();
        if more && self.spill.held() > SPILL_BYTES_MAX { Flow::Full } else { Flow::Ready }
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
        self.has_id = false;
        self.encoder.start(status)
    }

    fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        if self.sealed {
            return Err(HeadError::AlreadySent);
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
        if data.is_empty() {
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
        if !self.encoder.started() {
            return Err(WriteError::NoHead);
        }
        if self.switched {
            self.sent.dropped += length;
            return Ok(Flow::Ready);
        }
        if self.seal(true) {
            self.send_head()?;
        }
        if self.gzip.as_ref().is_some_and(|gzip| gzip.is_active()) {
            return gzip::write_file(self, &file.into(), offset, length);
        }
        self.flush_held()?;
        let frame = self.encoder.file_frame(length);
        self.sent.body_bytes += frame.len;
        self.sent.dropped += frame.dropped;
        self.sent.sendfile = true;
        if !frame.prefix().is_empty() {
            self.send_now(&[IoSlice::new(frame.prefix())])?;
        }
        match self.terms.dress.records {
            None => self.spill.push_file(file, offset, frame.len),
            Some(id) => self.spill.push_file_in_records(file, offset, frame.len, id),
        }
        self.spill.push(frame.suffix);
        let mut sent = 0;
        match self.spill.flush(self.terms.fd.as_fd(), &mut sent) {
            Ok(Flushed::Done | Flushed::Blocked) => Ok(self.flow()),
            Err(error) => Err(self.fail(error)),
        }
    }

    fn wait(&mut self) -> Result<(), WriteError> {
        self.drain(SPILL_BYTES_MAX / 2)
    }

    fn flush_head(&mut self) -> Result<(), WriteError> {
        if !self.encoder.started() {
            return Err(WriteError::NoHead);
        }
        if !self.seal(false) {
            return Ok(());
        }
        self.send_head()
    }

    fn switch(&mut self, protocol: &[u8]) -> Result<(), WriteError> {
        if self.sealed || !self.encoder.started() {
            return Err(WriteError::NoHead);
        }
        (self.gzip, self.terms.hold, self.switched) = (None, false, true);
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
