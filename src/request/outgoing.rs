//! The way of an answer's bytes: framed, held back, sent, and spilled where the socket does not take them.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use uwsgi_plugin_api::{Flow, WriteError};

use super::answer::{Answer, SPILL_BYTES_MAX};
use super::gzip;
use crate::sys::socket;

/// So much of a connection's answers is kept back while its next pipelined request is here already, in bytes.
const HOLD_BYTES_MAX: usize = 16 * 1024;
/// Bodies up to this size are copied behind their head.
const JOIN_BYTES_MAX: usize = 2 * 1024;

impl Answer<'_> {
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

    /// As [`uwsgi_plugin_api::Response::write_file`], of a file that other parts of the answer share.
    pub(super) fn write_part(
        &mut self,
        file: Arc<OwnedFd>,
        offset: u64,
        length: u64,
    ) -> Result<Flow, WriteError> {
        if !self.encoder.started() {
            return Err(WriteError::NoHead);
        }
        if self.named.is_some() {
            return Ok(Flow::Ready);
        }
        if self.seal(true) {
            self.send_head()?;
        }
        if self.gzip.as_ref().is_some_and(|gzip| gzip.is_active()) {
            return gzip::write_file(self, file.as_fd(), offset, length);
        }
        self.flush_held()?;
        let frame = self.encoder.file_frame(length);
        self.sent.body_bytes += frame.len;
        self.sent.dropped += frame.dropped;
        self.sent.sendfile |= frame.len > 0;
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
            Ok(_) => Ok(self.flow()),
            Err(error) => Err(self.fail(error)),
        }
    }

    pub(super) fn send_head(&mut self) -> Result<(), WriteError> {
        let head = self.encoder.take_head();
        let result = self.send(&[IoSlice::new(&head)], true);
        self.encoder.return_head(head);
        result
    }

    /// Frames and sends bytes of the body. `first`: the head goes with them.
    pub(super) fn put(&mut self, first: bool, data: &[u8]) -> Result<Flow, WriteError> {
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
    pub(super) fn send(&mut self, parts: &[IoSlice<'_>], small: bool) -> Result<(), WriteError> {
        if self.terms.hold && small && self.terms.cell.hold(parts, HOLD_BYTES_MAX) {
            self.holding = true;
            return Ok(());
        }
        self.flush_held()?;
        self.send_now(parts)
    }

    pub(super) fn send_now(&mut self, parts: &[IoSlice<'_>]) -> Result<(), WriteError> {
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
        self.terms.cell.silence.heard();
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
    pub(super) fn drain(&mut self, bytes_max: usize) -> Result<(), WriteError> {
        let mut sent = 0;
        while self.spill.held() > bytes_max {
            self.terms.cell.silence.client_is_awaited();
            match socket::wait(self.terms.fd, true, self.terms.timeout) {
                Ok(true) => {}
                Ok(false) => return Err(self.fail(io::ErrorKind::TimedOut.into())),
                Err(error) => return Err(self.fail(error)),
            }
            if let Err(error) = self.spill.flush(self.terms.fd.as_fd(), &mut sent) {
                return Err(self.fail(error));
            }
        }
        self.terms.cell.silence.heard();
        Ok(())
    }

    pub(super) fn fail(&mut self, error: io::Error) -> WriteError {
        let copy =
            error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
        self.sent.error = Some(error);
        WriteError::Disconnected(copy)
    }

    /// Nobody has to wait for room after the last byte: what is spilled is the reactor's.
    pub(super) fn flow(&self) -> Flow {
        let more = !self.whole && !self.encoder.is_complete();
        if more && self.spill.held() > SPILL_BYTES_MAX { Flow::Full } else { Flow::Ready }
    }
}
