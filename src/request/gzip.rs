//! `http-auto-gzip`: answers that the application marks with `uWSGI-Encoding: gzip` are compressed on their way out.
//!
//! Headers that compressing would change are held back until the head is final. Nothing of this exists for answers of
//! other listeners.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;

use flate2::Compression;
use flate2::write::GzEncoder;
use nix::errno::Errno;
use nix::sys::uio::pread;
use uwsgi_plugin_api::{Flow, HeadError, Known, Response, VarsView, WriteError};
use uwsgi_protocol::http1::{ResponseEncoder, coding_weight};

use crate::net::front::Front;

/// The application's mark.
const MARK: &[u8] = b"uWSGI-Encoding";

/// One answer that may be compressed.
pub(super) struct Gzip {
    /// The client takes gzip.
    accepted: bool,
    marked: bool,
    /// The application has encoded the body itself.
    encoded: bool,
    /// Headers that a compressed body does not have as they are.
    held: Vec<(Vec<u8>, Vec<u8>)>,
    whole: Option<u64>,
    body: Option<GzEncoder<Vec<u8>>>,
}

impl Gzip {
    /// `None` where the listener does not compress.
    pub(super) fn new(front: Option<&Front>, request: VarsView<'_>) -> Option<Box<Self>> {
        front.filter(|front| front.compresses())?;
        let accept = request.get(Known::AcceptEncoding).unwrap_or_default();
        Some(Box::new(Self {
            accepted: coding_weight(accept, "gzip") > 0,
            marked: false,
            encoded: false,
            held: Vec::new(),
            whole: None,
            body: None,
        }))
    }

    /// The head begins anew.
    pub(super) fn restart(&mut self) {
        (self.marked, self.encoded, self.whole) = (false, false, None);
        self.held.clear();
    }

    /// Takes a header of the application; false where it is one like any other.
    pub(super) fn takes(&mut self, name: &[u8], value: &[u8]) -> bool {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        if is(MARK) {
            self.marked |= value.eq_ignore_ascii_case(b"gzip");
            return true;
        }
        self.encoded |= is(b"Content-Encoding");
        // A length that is none is refused like any other.
        let is_length =
            is(b"Content-Length") && !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let changes = is_length || is(b"ETag");
        if changes {
            self.held.push((name.to_vec(), value.to_vec()));
        }
        changes
    }

    /// The whole body has that many bytes before it is compressed.
    pub(super) fn whole_body(&mut self, length: u64) {
        self.whole = Some(length);
    }

    /// Decides, and completes the head. `is_file`: the body is a file, which goes out as it is.
    ///
    /// # Errors
    /// [`HeadError`] of a header that was held back.
    pub(super) fn seal(
        &mut self,
        encoder: &mut ResponseEncoder,
        is_file: bool,
    ) -> Result<(), HeadError> {
        // A part of a body, or none at all, is not compressed; nor is what is encoded already.
        let fits =
            !matches!(encoder.status(), 0..200 | 204 | 206 | 304) && !self.encoded && !is_file;
        let compresses = self.marked && self.accepted && fits;
        for (name, value) in self.held.drain(..) {
            if !compresses {
                encoder.header(&name, &value)?;
            } else if name.eq_ignore_ascii_case(b"ETag") {
                // Of another sequence of bytes than the one that it was made for (RFC 9110, 8.8.1).
                let weak = if value.starts_with(b"W/") { &b""[..] } else { b"W/" };
                encoder.header(&name, &[weak, &value].concat())?;
            }
        }
        if self.marked && fits {
            // A cache must know, also where this client got the plain body (RFC 9110, 12.5.5).
            encoder.header(b"Vary", b"Accept-Encoding")?;
        }
        if compresses {
            encoder.header(b"Content-Encoding", b"gzip")?;
            self.body = Some(GzEncoder::new(Vec::new(), Compression::fast()));
        } else if let Some(length) = self.whole {
            encoder.whole_body(length);
        }
        Ok(())
    }

    /// The body is compressed.
    pub(super) fn is_active(&self) -> bool {
        self.body.is_some()
    }

    /// What to send for these bytes; `None` where the body is not compressed.
    pub(super) fn compress(&mut self, data: &[u8]) -> Option<io::Result<Vec<u8>>> {
        let body = self.body.as_mut()?;
        let written = body.write_all(data);
        // A piece of a stream is for the client now; what is known to be whole can wait for its end.
        let written =
            if self.whole.is_some() { written } else { written.and_then(|()| body.flush()) };
        Some(written.map(|()| std::mem::take(body.get_mut())))
    }

    /// The end of a compressed body.
    pub(super) fn finish(&mut self) -> Option<io::Result<Vec<u8>>> {
        self.body.take().map(GzEncoder::finish)
    }
}

/// Sends a part of a file behind bytes that were compressed: it has to be read.
pub(super) fn write_file(
    answer: &mut dyn Response,
    file: BorrowedFd<'_>,
    offset: u64,
    length: u64,
) -> Result<Flow, WriteError> {
    const PIECE_BYTES: usize = 64 * 1024;
    let (mut piece, mut at) = (vec![0; PIECE_BYTES], offset);
    let end = offset.saturating_add(length);
    let failed = |errno: Errno| WriteError::Disconnected(errno.into());
    while at < end {
        let wanted = usize::try_from(end - at).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        let from = i64::try_from(at).map_err(|_| failed(Errno::EOVERFLOW))?;
        let count = pread(file, &mut piece[..wanted], from).map_err(failed)?;
        if count == 0 {
            break;
        }
        at += count as u64;
        if answer.write(&piece[..count])? == Flow::Full {
            answer.wait()?;
        }
    }
    Ok(Flow::Ready)
}
