//! A static file as the answer to a request.

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::time::{SystemTime, UNIX_EPOCH};

use uwsgi_plugin_api::{HeadError, Known, Response, VarsView, WriteError};
use uwsgi_protocol::http1;

use super::answer::Answer;
use crate::files::precondition::{Conditions, Verdict};
use crate::files::range::{self, Part, Ranges};
use crate::files::{Asked, Files, Found, Outcome};

/// Parts of one answer are told apart by this; no file has it by chance after a line break and two dashes.
const BOUNDARY: &str = "uwsgi-rs-2f1c6f1e8f0b4b7d";

/// Why an answer did not become one.
#[derive(Debug, thiserror::Error)]
enum Failed {
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

/// Answers a request with the file that it asks for; false where it is the application's.
pub(super) fn answers(
    files: &Files,
    vars: VarsView<'_>,
    now_s: u64,
    answer: &mut Answer<'_>,
) -> bool {
    let sent = match look_up(files, vars, now_s) {
        Outcome::Found(found) => send(found, vars, answer),
        Outcome::Missing => return false,
        Outcome::Forbidden => {
            answer.replace(403);
            return true;
        }
    };
    match sent {
        // The answer knows of it.
        Ok(()) | Err(Failed::Body(WriteError::Disconnected(_))) => {}
        Err(error) => {
            crate::log::line(format_args!("[uwsgi-fileserve] {error}"));
            answer.abort();
        }
    }
    true
}

/// Anything but GET and HEAD is the application's.
fn look_up<'a>(files: &'a Files, vars: VarsView<'_>, now_s: u64) -> Outcome<'a> {
    let var = |known| vars.get(known).unwrap_or_default();
    if !matches!(var(Known::RequestMethod), b"GET" | b"HEAD") {
        return Outcome::Missing;
    }
    files.look_up(&Asked {
        path: var(Known::PathInfo),
        uri: var(Known::RequestUri),
        document_root: var(Known::DocumentRoot),
        accept_encoding: var(Known::AcceptEncoding),
        now: UNIX_EPOCH + std::time::Duration::from_secs(now_s),
    })
}

/// Sends it, or what the request's conditions make of it.
fn send(found: Found<'_>, vars: VarsView<'_>, response: &mut dyn Response) -> Result<(), Failed> {
    let conditions = Conditions {
        matches: vars.find(b"HTTP_IF_MATCH"),
        unmodified_since: vars.find(b"HTTP_IF_UNMODIFIED_SINCE"),
        none_match: vars.get(Known::IfNoneMatch),
        modified_since: vars.get(Known::IfModifiedSince),
        range: vars.find(b"HTTP_IF_RANGE"),
    };
    match conditions.verdict(&found.etag, found.modified) {
        Verdict::Failed => {
            response.start(b"412 Precondition Failed")?;
            response.whole_body(0);
            return Ok(response.flush_head()?);
        }
        Verdict::NotModified => {
            response.start(b"304 Not Modified")?;
            validators(&found, response)?;
            return Ok(response.flush_head()?);
        }
        Verdict::Send => {}
    }
    let range = vars.get(Known::Range).filter(|_| vars.get(Known::RequestMethod) == Some(b"GET"));
    let range = range.filter(|_| conditions.range_counts(&found.etag, found.modified));
    match range.map_or(Ranges::Whole, |header| range::ranges(header, found.size)) {
        Ranges::Whole => {
            response.start(b"200 OK")?;
            entity(&found, response)?;
            let part = Part { start: 0, len: found.size };
            one(found, part, response)
        }
        Ranges::None => {
            response.start(b"416 Range Not Satisfiable")?;
            let all = format!("bytes */{}", found.size);
            response.header(b"Content-Range", all.as_bytes())?;
            response.whole_body(0);
            Ok(response.flush_head()?)
        }
        Ranges::Parts(parts) => match parts[..] {
            [part] => {
                response.start(b"206 Partial Content")?;
                entity(&found, response)?;
                response.header(b"Content-Range", content_range(part, found.size).as_bytes())?;
                one(found, part, response)
            }
            _ => several(found, &parts, response),
        },
    }
}

/// What a client keeps of a file.
fn validators(found: &Found<'_>, response: &mut dyn Response) -> Result<(), Failed> {
    response.header(b"Last-Modified", &date(found.modified))?;
    response.header(b"ETag", found.etag.as_bytes())?;
    if let Some(expires) = found.expires {
        response.header(b"Expires", &date(expires))?;
    }
    if found.varies {
        response.header(b"Vary", b"Accept-Encoding")?;
    }
    Ok(())
}

fn entity(found: &Found<'_>, response: &mut dyn Response) -> Result<(), Failed> {
    if let Some(content_type) = found.content_type {
        response.header(b"Content-Type", content_type.as_bytes())?;
    }
    shared(found, response)
}

fn shared(found: &Found<'_>, response: &mut dyn Response) -> Result<(), Failed> {
    if let Some(coding) = found.coding {
        response.header(b"Content-Encoding", coding.name().as_bytes())?;
    }
    validators(found, response)?;
    Ok(response.header(b"Accept-Ranges", b"bytes")?)
}

fn one(found: Found<'_>, part: Part, response: &mut dyn Response) -> Result<(), Failed> {
    response.header(b"Content-Length", part.len.to_string().as_bytes())?;
    response.flush_head()?;
    if part.len > 0 {
        // What the socket does not take now is sent by the poller: a slow reader holds no thread.
        let _ = response.write_file(OwnedFd::from(found.file), part.start, part.len)?;
    }
    Ok(())
}

/// RFC 9110, 14.6.
fn several(found: Found<'_>, parts: &[Part], response: &mut dyn Response) -> Result<(), Failed> {
    let heads: Vec<Vec<u8>> = parts.iter().map(|part| part_head(&found, *part)).collect();
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    let bytes = heads.iter().map(Vec::len).sum::<usize>() + end.len();
    let length = parts.iter().map(|part| part.len).sum::<u64>() + bytes as u64;
    response.start(b"206 Partial Content")?;
    let content_type = format!("multipart/byteranges; boundary={BOUNDARY}");
    response.header(b"Content-Type", content_type.as_bytes())?;
    shared(&found, response)?;
    response.header(b"Content-Length", length.to_string().as_bytes())?;
    for (head, part) in heads.iter().zip(parts) {
        let _ = response.write(head)?;
        let file = OwnedFd::from(found.file.try_clone()?);
        let _ = response.write_file(file, part.start, part.len)?;
    }
    let _ = response.write(end.as_bytes())?;
    Ok(())
}

fn part_head(found: &Found<'_>, part: Part) -> Vec<u8> {
    let mut head = format!("\r\n--{BOUNDARY}\r\n").into_bytes();
    if let Some(content_type) = found.content_type {
        // Writing to memory does not fail.
        let _ = write!(head, "Content-Type: {content_type}\r\n");
    }
    let _ = write!(head, "Content-Range: {}\r\n\r\n", content_range(part, found.size));
    head
}

fn content_range(part: Part, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.start + part.len - 1)
}

fn date(time: SystemTime) -> [u8; 29] {
    http1::http_date(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
