//! The request line (RFC 9112, 3): method, target and version.

use std::ops::Range;

use memchr::{memchr, memchr2, memrchr};

use super::bytes::{is_host_byte, is_token_byte};
use super::lines::{Line, bad, line};
use super::{Limits, Version, scan};
use crate::{Known, Name, Reject, Span, Vars};

/// The request line is over its limit; what makes it long is the target.
pub(super) const TOO_LONG: Reject = Reject::new(414, "line_too_long");

/// A request line; offsets are those of the line.
#[derive(Debug)]
pub(super) struct RequestLine {
    pub(super) version: Version,
    /// The method is HEAD.
    pub(super) is_head: bool,
    method_len: usize,
    target: Target,
}

/// RFC 9112, 3.2. Ranges are offsets of the line.
#[derive(Debug)]
struct Target {
    form: Form,
    /// What becomes REQUEST_URI: all of it, or what follows the authority of an absolute target.
    uri: Range<usize>,
    /// Where the path ends: at `?` or at the end.
    path_end: usize,
    /// There is a `%` in the path.
    escaped: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Form {
    Origin,
    /// With its authority, which takes the place of Host (RFC 9112, 3.2.2).
    Absolute(Range<usize>),
    /// `host:port` of CONNECT, or `*` of OPTIONS.
    Pathless,
}

/// The request line at the start of `rest`, if it is complete; see [`line`]. What cannot become one is refused
/// before its end has come: a TLS hello or a uwsgi packet may never contain a line end.
pub(super) fn take<'a>(
    rest: &'a [u8],
    scanned: usize,
    limits: &Limits,
) -> Result<Option<Line<'a>>, Reject> {
    let found = line(rest, scanned, limits.line_bytes_max, TOO_LONG, limits.strictness);
    if let Ok(Some(_)) = found {
        return found;
    }
    let window = &rest[..rest.len().min(limits.line_bytes_max.saturating_add(1))];
    let seen = scanned.min(window.len());
    if memchr2(b' ', b'\r', &window[..seen]).is_none() {
        let word_end = window[seen..].iter().find(|byte| !is_token_byte(**byte));
        if word_end.is_some_and(|byte| !b" \r\n".contains(byte)) {
            return Err(bad("bad_method"));
        }
    }
    found
}

impl RequestLine {
    /// Exactly `method SP target SP version`.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Reject> {
        let method_len = line.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(line.len());
        match line.get(method_len) {
            Some(b' ') if method_len > 0 => {}
            Some(b' ') | None => return Err(bad("bad_request_line")),
            Some(_) => return Err(bad("bad_method")),
        }
        let marks = Marks::find(line, method_len + 1)?;
        let version = version(&line[marks.end + 1..])?;
        let method = &line[..method_len];
        let target = Target::parse(line, method, &marks)?;
        Ok(Self { version, is_head: method == b"HEAD", method_len, target })
    }

    /// The authority of an absolute target as a span of the head; `start` is the line's offset.
    pub(super) fn authority(&self, start: usize) -> Option<Span> {
        match &self.target.form {
            Form::Absolute(authority) => Some(Span::head(start + authority.start, authority.len())),
            _ => None,
        }
    }

    /// Stores the variables of the request line, which lies at offset `start` of the head. `keeps_slashes`: see
    /// [`Limits`].
    pub(super) fn store(&self, line: &[u8], start: usize, keeps_slashes: bool, vars: &mut Vars) {
        let Target { form, uri, path_end, escaped } = &self.target;
        let span = |range: Range<usize>| Span::head(start + range.start, range.len());
        vars.push(Name::Known(Known::RequestMethod), span(0..self.method_len));
        let path = uri.start..*path_end;
        // An absolute target may have no path (RFC 9110, 4.2.3).
        let rootless = path.is_empty();
        let request_uri = if rootless {
            vars.stash_with(|out| {
                out.push(b'/');
                out.extend_from_slice(&line[uri.clone()]);
            })
        } else {
            span(uri.clone())
        };
        vars.push(Name::Known(Known::RequestUri), request_uri);
        let path_info = match form {
            Form::Pathless => span(uri.end..uri.end),
            _ if rootless => vars.stash(b"/"),
            _ if *escaped => vars.stash_with(|out| percent_decode(&line[path], keeps_slashes, out)),
            _ => span(path),
        };
        vars.push(Name::Known(Known::PathInfo), path_info);
        vars.push(Name::Known(Known::QueryString), span((path_end + 1).min(uri.end)..uri.end));
        let text = self.version.as_str().as_bytes();
        // What is later than 1.1 is told to the application as what we speak.
        let protocol = match line.ends_with(text) {
            true => span(line.len() - text.len()..line.len()),
            false => vars.stash(text),
        };
        vars.push(Name::Known(Known::ServerProtocol), protocol);
    }
}

/// Where the target's parts end.
struct Marks {
    start: usize,
    end: usize,
    /// The first `?`.
    query: Option<usize>,
    /// A `%` before it.
    escaped: bool,
    fragment: bool,
}

impl Marks {
    fn find(line: &[u8], start: usize) -> Result<Self, Reject> {
        let mut marks = Self { start, end: start, query: None, escaped: false, fragment: false };
        loop {
            let at = scan::target_mark(line, marks.end).ok_or(bad("bad_request_line"))?;
            match line[at] {
                b'?' if marks.query.is_none() => marks.query = Some(at),
                b'?' => {}
                b'%' => marks.escaped |= marks.query.is_none(),
                b'#' => marks.fragment = true,
                b' ' if at > start => {
                    marks.end = at;
                    return Ok(marks);
                }
                _ => return Err(bad("bad_request_line")),
            }
            marks.end = at + 1;
        }
    }
}

impl Target {
    fn parse(line: &[u8], method: &[u8], marks: &Marks) -> Result<Self, Reject> {
        let whole = marks.start..marks.end;
        let target = &line[whole.clone()];
        let pathless =
            |uri| Self { form: Form::Pathless, uri, path_end: marks.end, escaped: false };
        if target == b"*" {
            return if method == b"OPTIONS" { Ok(pathless(whole)) } else { Err(bad("bad_target")) };
        }
        if method == b"CONNECT" {
            return if is_authority(target) { Ok(pathless(whole)) } else { Err(bad("bad_target")) };
        }
        let (form, uri) = if target[0] == b'/' {
            (Form::Origin, whole)
        } else {
            let authority = absolute(target).ok_or(bad("bad_target"))?;
            let end = marks.start + authority.end;
            (Form::Absolute(marks.start + authority.start..end), end..marks.end)
        };
        if marks.fragment {
            return Err(bad("fragment_in_target"));
        }
        Ok(Self { form, uri, path_end: marks.query.unwrap_or(marks.end), escaped: marks.escaped })
    }
}

/// RFC 9112, 2.3. Minor versions above 1 are spoken to as 1.1 (RFC 9110, 2.5).
fn version(text: &[u8]) -> Result<Version, Reject> {
    match text {
        b"HTTP/1.1" => return Ok(Version::Http11),
        b"HTTP/1.0" => return Ok(Version::Http10),
        _ => {}
    }
    match text.strip_prefix(b"HTTP/") {
        Some([b'1', b'.', b'0'..=b'9']) => Ok(Version::Http11),
        Some([b'0'..=b'9', b'.', b'0'..=b'9']) => Err(Reject::new(505, "version_not_supported")),
        Some(rest @ [_, ..]) if rest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.')) => {
            Err(bad("bad_version"))
        }
        _ => Err(bad("bad_request_line")),
    }
}

/// `%XX` to its byte; what is no such triple stays as it is, and so does `%2F` with `keeps_slashes`.
pub fn percent_decode(path: &[u8], keeps_slashes: bool, out: &mut Vec<u8>) {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut rest = path;
    while let Some(at) = memchr(b'%', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let decoded = match rest {
            [_, b'2', b'f' | b'F', ..] if keeps_slashes => None,
            [_, high, low, ..] => digit(*high).zip(digit(*low)),
            _ => None,
        };
        let (byte, len) = decoded.map_or((b'%', 1), |(high, low)| ((high << 4 | low) as u8, 3));
        out.push(byte);
        rest = &rest[len..];
    }
    out.extend_from_slice(rest);
}

/// The authority of an `http` or `https` target (RFC 9110, 4.2).
fn absolute(target: &[u8]) -> Option<Range<usize>> {
    let has = |scheme: &[u8]| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let start = [&b"http://"[..], b"https://"].into_iter().find(|scheme| has(scheme))?.len();
    let rest = &target[start..];
    let len = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    let authority = &rest[..len];
    // RFC 9110, 4.2.1 and 4.2.4: no empty host, no user information.
    let names_host = !authority.is_empty() && authority[0] != b':' && is_host(authority);
    names_host.then_some(start..start + len)
}

/// `host:port` of CONNECT (RFC 9112, 3.2.3).
fn is_authority(target: &[u8]) -> bool {
    let Some(colon) = memrchr(b':', target) else { return false };
    let (host, port) = (&target[..colon], &target[colon + 1..]);
    let host_is_good = match host {
        [b'[', inner @ .., b']'] => is_ip_literal(inner),
        _ => !host.is_empty() && !host.iter().any(|byte| b"/?#@:[]".contains(byte)),
    };
    host_is_good && !port.is_empty() && port.iter().all(u8::is_ascii_digit)
}

fn is_ip_literal(inner: &[u8]) -> bool {
    let good = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    !inner.is_empty() && inner.iter().all(good)
}

/// The value of Host (RFC 9110, 7.2): `uri-host [":" port]`; may be empty.
pub(crate) fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', rest @ ..] => match memchr(b']', rest) {
            Some(end) if is_ip_literal(&rest[..end]) => (&b""[..], &rest[end + 1..]),
            _ => return false,
        },
        _ => value.split_at(memchr(b':', value).unwrap_or(value.len())),
    };
    let port_is_good = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    port_is_good && host.iter().all(|byte| is_host_byte(*byte))
}
