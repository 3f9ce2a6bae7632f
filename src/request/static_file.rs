//! A static file as the answer to a request, sent by us or by the front end.

use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, UNIX_EPOCH};

use uwsgi_plugin_api::{Known, Response, VarsView};

use super::answer::Answer;
use super::file_answer::{Failed, Manner, conclude, date, send};
use crate::config::model::files::Sender;
use crate::files::{Asked, Files, Found, Outcome};

/// Answers a request with the file that it asks for; false where it is the application's.
pub(super) fn answers(
    files: &Files,
    vars: VarsView<'_>,
    now_s: u64,
    answer: &mut Answer<'_>,
) -> bool {
    match look_up(files, vars, now_s) {
        Outcome::Found(found) => {
            answer.sent.is_static = true;
            match files.sender() {
                Sender::Own => send(found, Manner::default(), vars, answer),
                Sender::Front(header) => conclude(refer(&found, header, answer), answer),
            }
        }
        Outcome::Missing => return false,
        Outcome::Forbidden => answer.replace(403),
        Outcome::Failed => answer.replace(503),
    }
    true
}

/// Anything but GET and HEAD is the application's.
fn look_up<'a>(files: &'a Files, vars: VarsView<'_>, now_s: u64) -> Outcome<'a> {
    if !matches!(vars.get(Known::RequestMethod), Some(b"GET" | b"HEAD")) {
        return Outcome::Missing;
    }
    files.look_up(&asked(vars, now_s))
}

/// What matters of a request.
pub(super) fn asked(vars: VarsView<'_>, now_s: u64) -> Asked<'_> {
    let var = |known| vars.get(known).unwrap_or_default();
    Asked {
        path: var(Known::PathInfo),
        uri: var(Known::RequestUri),
        document_root: var(Known::DocumentRoot),
        accept_encoding: var(Known::AcceptEncoding),
        now: UNIX_EPOCH + Duration::from_secs(now_s),
    }
}

/// Has the front end send the file. Conditions, ranges and codings are its matter then: it drops our tags, and what it
/// compares with has to be its own.
fn refer(found: &Found<'_>, header: &str, answer: &mut Answer<'_>) -> Result<(), Failed> {
    answer.start(b"200 OK")?;
    if let Some(expires) = found.expires {
        answer.header(b"Expires", &date(expires))?;
    }
    if let Some(content_type) = found.content_type {
        answer.header(b"Content-Type", content_type.as_bytes())?;
    }
    // Without links, as uWSGI has it: the front end's rules are about real places.
    let link = format!("/proc/self/fd/{}", found.file.as_raw_fd());
    let path = std::fs::read_link(link)?;
    answer.header(header.as_bytes(), &escaped(path.as_os_str().as_bytes()))?;
    answer.header(b"Last-Modified", &date(found.modified))?;
    answer.whole_body(0);
    Ok(answer.flush_head()?)
}

/// nginx, Apache and lighttpd take what a header names for escaped.
fn escaped(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for &byte in path {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' | b'+' => {
                out.push(byte);
            }
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_escaped() {
        assert_eq!(super::escaped("/a b/\u{e9}%?.t-x".as_bytes()), b"/a%20b/%C3%A9%25%3F.t-x");
    }
}
