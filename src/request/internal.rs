//! A file in place of the body of the application's answer: `X-Sendfile` and `X-Accel-Redirect`.
//!
//! The application's answer is not sent then, but for its status and headers. What the file itself says better is
//! dropped from them; nginx drops more, and keeps those that matter.

use uwsgi_plugin_api::{Known, VarsView};
use uwsgi_protocol::http1::is_value;

use super::answer::Answer;
use super::file_answer::{Manner, send};
use super::static_file::asked;
use crate::files::internal::By;
use crate::files::{Asked, Files, Outcome};

/// What an application asked for.
#[derive(Debug)]
pub(super) struct Named {
    by: By,
    value: Vec<u8>,
}

impl Answer<'_> {
    /// Takes a header that names a file which we send; false where it is one like any other.
    pub(super) fn takes_name(&mut self, name: &[u8], value: &[u8]) -> bool {
        let Some(files) = self.terms.internal else { return false };
        // A value that is none is refused like any other.
        let named = By::header(name).filter(|by| is_value(value) && files.covers(*by, value));
        let Some(by) = named else { return false };
        self.named = Some(Named { by, value: value.to_vec() });
        true
    }

    /// Sends the file that the application has named, where it did.
    pub(super) fn send_named(&mut self, vars: VarsView<'_>, now_s: u64) {
        let Some(files) = self.terms.internal else { return };
        let Some(Named { by, value }) = self.named.take() else { return };
        if self.is_sealed() || self.sent.aborted || self.sent.error.is_some() {
            return;
        }
        let head = self.encoder.head().to_vec();
        self.send_internal(files, (by, &value), &head, asked(vars, now_s), vars);
    }

    fn send_internal(
        &mut self,
        files: &Files,
        (by, value): (By, &[u8]),
        head: &[u8],
        asked: Asked<'_>,
        vars: VarsView<'_>,
    ) {
        let all: Vec<_> = headers(head).collect();
        let value_of = |name: &[u8]| {
            all.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
        };
        // The application says in what form the file lies there: no other form is looked for.
        let is_coded = value_of(b"Content-Encoding").is_some();
        let asked = if is_coded { Asked { accept_encoding: b"", ..asked } } else { asked };
        let found = match files.look_up_internal(by, value, &asked) {
            Outcome::Found(found) => found,
            Outcome::Missing => {
                crate::log::line(format_args!(
                    "[uwsgi-fileserve] the application named {}, which is no file",
                    value.escape_ascii()
                ));
                return self.replace(404);
            }
            Outcome::Forbidden => return self.replace(403),
            Outcome::Failed => return self.replace(503),
        };
        let kept: Vec<_> = all.iter().filter(|(name, _)| !is_the_files(name)).copied().collect();
        let status = status(head);
        let method = vars.get(Known::RequestMethod);
        let manner = Manner {
            status,
            headers: &kept,
            content_type: value_of(b"Content-Type"),
            conditional: matches!(method, Some(b"GET" | b"HEAD")) && status.starts_with(b"200"),
        };
        let varies = found.varies && !is_coded;
        send(crate::files::Found { varies, ..found }, manner, vars, self);
    }
}

/// `200 OK` of `HTTP/1.1 200 OK` and of `Status: 200 OK`.
fn status(head: &[u8]) -> &[u8] {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    memchr::memchr(b' ', line).map_or(b"200 OK", |blank| &line[blank + 1..])
}

/// Headers of a head that was begun.
fn headers(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    head.split(|&byte| byte == b'\n').skip(1).filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = memchr::memchr(b':', line)?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    })
}

/// What the file says better than the application that named it. A name that we do not send has no meaning beside it.
fn is_the_files(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 6] = [
        b"Content-Length",
        b"Content-Type",
        b"Content-Range",
        b"Accept-Ranges",
        b"ETag",
        b"Last-Modified",
    ];
    By::header(name).is_some() || NAMES.iter().any(|other| name.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_was_begun_is_read() {
        let head = b"HTTP/1.1 203 Some Words\r\nA: b\r\nX-Sendfile:  c \r\n";
        assert_eq!(status(head), b"203 Some Words");
        let read: Vec<_> = headers(head).collect();
        assert_eq!(read, [(&b"A"[..], &b"b"[..]), (b"X-Sendfile", b"c")]);
        assert!(is_the_files(b"x-sendfile") && is_the_files(b"ETAG") && !is_the_files(b"A"));
    }
}
