//! The answer that a file is: its head, the whole of it or parts, or what conditions make of it.

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use uwsgi_plugin_api::{HeadError, Known, Response, VarsView, WriteError};
use uwsgi_protocol::http1;

use super::answer::Answer;
use crate::files::Found;
use crate::files::precondition::{Conditions, Verdict};
use crate::files::range::{self, Part, Ranges};
use crate::sys::random;

/// What an answer says besides the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner<'a> {
    /// Of an answer with the whole file.
    pub(super) status: &'a [u8],
    /// Headers of the application that go with it.
    pub(super) headers: &'a [(&'a [u8], &'a [u8])],
    /// `Content-Type` of the application, in place of that of the file.
    pub(super) content_type: Option<&'a [u8]>,
    /// Conditions and ranges count.
    pub(super) conditional: bool,
}

impl Default for Manner<'_> {
    fn default() -> Self {
        Self { status: b"200 OK", headers: &[], content_type: None, conditional: true }
    }
}

/// A file and how it is told of.
struct Telling<'a> {
    found: Found<'a>,
    manner: Manner<'a>,
}

/// Why an answer did not become one.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// Its head.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Its body.
    #[error(transparent)]
    Body(#[from] WriteError),
    /// The file.
    #[error(transparent)]
    File(#[from] std::io::Error),
}

/// Sends the file, or what the request's conditions make of it. Where that fails, the log says why.
pub(super) fn send(
    found: Found<'_>,
    manner: Manner<'_>,
    vars: VarsView<'_>,
    answer: &mut Answer<'_>,
) {
    conclude(Telling { found, manner }.send(vars, answer), answer);
}

/// What became of an answer.
pub(super) fn conclude(sent: Result<(), Failed>, answer: &mut Answer<'_>) {
    match sent {
        // The answer knows of it.
        Ok(()) | Err(Failed::Body(WriteError::Disconnected(_))) => {}
        Err(error) => {
            crate::log::line(format_args!("[uwsgi-fileserve] {error}"));
            answer.abort();
        }
    }
}

impl Telling<'_> {
    fn send(self, vars: VarsView<'_>, answer: &mut Answer<'_>) -> Result<(), Failed> {
        let Self { found, manner } = &self;
        let conditions = if manner.conditional { conditions(vars) } else { Conditions::default() };
        match conditions.verdict(&found.etag, found.modified) {
            Verdict::Failed => {
                self.start(b"412 Precondition Failed", answer)?;
                answer.whole_body(0);
                return Ok(answer.flush_head()?);
            }
            Verdict::NotModified => {
                self.start(b"304 Not Modified", answer)?;
                self.validators(answer)?;
                return Ok(answer.flush_head()?);
            }
            Verdict::Send => {}
        }
        let is_get = vars.get(Known::RequestMethod) == Some(b"GET");
        let range = vars.get(Known::Range).filter(|_| is_get && manner.conditional);
        let range = range.filter(|_| conditions.range_counts(&found.etag, found.modified));
        match range.map_or(Ranges::Whole, |header| range::ranges(header, found.size)) {
            Ranges::Whole => {
                self.start(manner.status, answer)?;
                self.entity(answer)?;
                let part = Part { start: 0, len: found.size };
                self.one(part, answer)
            }
            Ranges::None => {
                self.start(b"416 Range Not Satisfiable", answer)?;
                let all = format!("bytes */{}", found.size);
                answer.header(b"Content-Range", all.as_bytes())?;
                answer.whole_body(0);
                Ok(answer.flush_head()?)
            }
            Ranges::Parts(parts) => match parts[..] {
                [part] => {
                    self.start(b"206 Partial Content", answer)?;
                    self.entity(answer)?;
                    let part_of = content_range(part, found.size);
                    answer.header(b"Content-Range", part_of.as_bytes())?;
                    self.one(part, answer)
                }
                _ => self.several(&parts, answer),
            },
        }
    }

    /// Begins the head, with the application's headers.
    fn start(&self, status: &[u8], answer: &mut Answer<'_>) -> Result<(), Failed> {
        answer.start(status)?;
        for (name, value) in self.manner.headers {
            answer.header(name, value)?;
        }
        Ok(())
    }

    /// What a client keeps of a file.
    fn validators(&self, answer: &mut Answer<'_>) -> Result<(), Failed> {
        let found = &self.found;
        answer.header(b"Last-Modified", &date(found.modified))?;
        answer.header(b"ETag", found.etag.as_bytes())?;
        let says = |name: &[u8]| {
            self.manner.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
        };
        if let Some(expires) = found.expires.filter(|_| !says(b"Expires")) {
            answer.header(b"Expires", &date(expires))?;
        }
        if found.varies {
            answer.header(b"Vary", b"Accept-Encoding")?;
        }
        Ok(())
    }

    fn content_type(&self) -> Option<&[u8]> {
        self.manner.content_type.or(self.found.content_type.map(str::as_bytes))
    }

    fn entity(&self, answer: &mut Answer<'_>) -> Result<(), Failed> {
        if let Some(content_type) = self.content_type() {
            answer.header(b"Content-Type", content_type)?;
        }
        self.shared(answer)
    }

    fn shared(&self, answer: &mut Answer<'_>) -> Result<(), Failed> {
        if let Some(coding) = self.found.coding {
            answer.header(b"Content-Encoding", coding.name().as_bytes())?;
        }
        self.validators(answer)?;
        Ok(answer.header(b"Accept-Ranges", b"bytes")?)
    }

    fn one(self, part: Part, answer: &mut Answer<'_>) -> Result<(), Failed> {
        answer.header(b"Content-Length", part.len.to_string().as_bytes())?;
        answer.flush_head()?;
        if part.len > 0 {
            // What the socket does not take now is sent by the poller: a slow reader holds no thread.
            let _ = answer.write_file(self.found.file.into(), part.start, part.len)?;
        }
        Ok(())
    }

    /// RFC 9110, 14.6. Nobody can foresee the boundary, so no file holds it.
    fn several(self, parts: &[Part], answer: &mut Answer<'_>) -> Result<(), Failed> {
        let boundary = format!("{:016x}{:016x}", random::number(), random::number());
        let heads: Vec<_> = parts.iter().map(|part| self.part_head(*part, &boundary)).collect();
        let end = format!("\r\n--{boundary}--\r\n");
        let bytes = heads.iter().map(Vec::len).sum::<usize>() + end.len();
        let length = parts.iter().map(|part| part.len).sum::<u64>() + bytes as u64;
        self.start(b"206 Partial Content", answer)?;
        let content_type = format!("multipart/byteranges; boundary={boundary}");
        answer.header(b"Content-Type", content_type.as_bytes())?;
        self.shared(answer)?;
        answer.header(b"Content-Length", length.to_string().as_bytes())?;
        // A slow reader holds one descriptor, however many parts it wants.
        let file: Arc<OwnedFd> = Arc::new(self.found.file.into());
        for (head, part) in heads.iter().zip(parts) {
            let _ = answer.write(head)?;
            let _ = answer.write_part(file.clone(), part.start, part.len)?;
        }
        let _ = answer.write(end.as_bytes())?;
        Ok(())
    }

    fn part_head(&self, part: Part, boundary: &str) -> Vec<u8> {
        let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
        // Writing to memory does not fail.
        if let Some(content_type) = self.content_type() {
            let _ = head.write_all(&[b"Content-Type: ", content_type, b"\r\n"].concat());
        }
        let _ = write!(head, "Content-Range: {}\r\n\r\n", content_range(part, self.found.size));
        head
    }
}

fn conditions(vars: VarsView<'_>) -> Conditions<'_> {
    Conditions {
        matches: vars.find(b"HTTP_IF_MATCH"),
        unmodified_since: vars.find(b"HTTP_IF_UNMODIFIED_SINCE"),
        none_match: vars.get(Known::IfNoneMatch),
        modified_since: vars.get(Known::IfModifiedSince),
        range: vars.find(b"HTTP_IF_RANGE"),
    }
}

fn content_range(part: Part, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.start + part.len - 1)
}

/// The value of a header.
pub(super) fn date(time: std::time::SystemTime) -> [u8; 29] {
    http1::http_date(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
