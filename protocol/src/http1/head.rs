//! Incremental decoder of request heads (RFC 9112, 2 to 6; RFC 9110, 5, 7 and 10.1.1).
//!
//! Each line is looked at once, when it is complete. Every ambiguity about message length is refused: a front end
//! and we must never disagree on where a request ends.

use memchr::memchr;

use super::bytes::{decimal, is_target_byte, is_token, is_token_byte, is_value, trim};
use super::{Framing, Head, Limits, Version};
use crate::vars::Vars;
use crate::{Known, Name, Reject, Span, names};

/// See the module. One for each connection.
#[derive(Clone, Debug, Default)]
pub struct HeadDecoder {
    /// Start of the first line that is not decoded yet.
    line: usize,
    /// Bytes known to hold no line end, from `line` on.
    scanned: usize,
    begun: bool,
    facts: Facts,
}

#[derive(Clone, Debug, Default)]
struct Facts {
    request_line: Option<(Version, Method)>,
    absolute: bool,
    header_bytes: usize,
    headers: usize,
    hosts: usize,
    host_is_bad: bool,
    lengths: Vec<Span>,
    codings: Vec<Span>,
    expects: Option<bool>,
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    upgrade_option: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Head,
    Other,
}

const fn bad(reason: &'static str) -> Reject {
    Reject::new(400, reason)
}

impl HeadDecoder {
    /// Decodes the head at the start of `input` into `vars` (cleared first); `Ok(None)` asks for more bytes.
    /// `input` must begin with the bytes of the earlier calls. After `Some` or an error the decoder is as new.
    ///
    /// # Errors
    /// A [`Reject`] with the status to answer before the connection is closed.
    pub fn decode(&mut self, input: &[u8], limits: &Limits, vars: &mut Vars) -> Result<Option<Head>, Reject> {
        let result = self.lines(input, limits, vars);
        if !matches!(result, Ok(None)) {
            self.reset();
        }
        result
    }

    fn reset(&mut self) {
        let Facts { mut lengths, mut codings, .. } = std::mem::take(&mut self.facts);
        lengths.clear();
        codings.clear();
        *self = Self { facts: Facts { lengths, codings, ..Facts::default() }, ..Self::default() };
    }

    fn lines(&mut self, input: &[u8], limits: &Limits, vars: &mut Vars) -> Result<Option<Head>, Reject> {
        if !self.begun {
            vars.clear();
            // RFC 9112, 2.2: one empty line before the request line is skipped.
            match input {
                [] | [b'\r'] => return Ok(None),
                [b'\r', b'\n', ..] => self.line = 2,
                _ => {}
            }
            self.scanned = self.line;
            self.begun = true;
        }
        loop {
            let Some(end) = memchr(b'\n', input.get(self.scanned..).unwrap_or_default()) else {
                self.scanned = input.len().max(self.line);
                self.check_partial(&input[self.line..], limits)?;
                return Ok(None);
            };
            let end = self.scanned + end;
            let line = self.complete_line(&input[self.line..end], limits)?;
            let start = self.line;
            self.line = end + 1;
            self.scanned = self.line;
            if self.line > limits.head_bytes_max {
                return Err(Reject::new(431, "headers_too_big"));
            }
            let decoded = match self.facts.request_line {
                None => self.request_line(line, start, vars),
                Some(_) if line.is_empty() => return self.finish(input, vars).map(Some),
                Some(_) => self.header(line, start, input, limits, vars),
            };
            // No field admits a CR, so a bare one always ends here; looking for it in every line would be dear.
            decoded.map_err(|reject| match memchr(b'\r', line) {
                Some(_) if reject.reason != "bad_method" => bad("bare_cr"),
                _ => reject,
            })?;
        }
    }

    fn too_long(&self) -> Reject {
        Reject::new(if self.facts.request_line.is_none() { 414 } else { 431 }, "line_too_long")
    }

    /// What an incomplete line shows already, so that nobody waits for a line end that would not help.
    fn check_partial(&self, line: &[u8], limits: &Limits) -> Result<(), Reject> {
        if self.facts.request_line.is_none() {
            check_method_start(line)?;
        }
        if line.len() > limits.line_bytes_max {
            return Err(self.too_long());
        }
        let (before_last, _) = line.split_at(line.len().saturating_sub(1));
        if memchr(b'\r', before_last).is_some() {
            return Err(bad("bare_cr"));
        }
        if self.line + line.len() > limits.head_bytes_max {
            let status = if self.facts.request_line.is_none() { 414 } else { 431 };
            return Err(Reject::new(status, "headers_too_big"));
        }
        Ok(())
    }

    fn complete_line<'a>(&self, line: &'a [u8], limits: &Limits) -> Result<&'a [u8], Reject> {
        if line.len() > limits.line_bytes_max + 1 {
            return Err(self.too_long());
        }
        let [line @ .., b'\r'] = line else {
            if self.facts.request_line.is_none() {
                check_method_start(line)?;
            }
            return Err(bad(if memchr(b'\r', line).is_some() { "bare_cr" } else { "bare_lf" }));
        };
        Ok(line)
    }

    fn request_line(&mut self, line: &[u8], start: usize, vars: &mut Vars) -> Result<(), Reject> {
        let fault = || bad("bad_request_line");
        check_method_start(line)?;
        let method_len = line.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(line.len());
        if method_len == 0 || line.get(method_len) != Some(&b' ') {
            return Err(fault());
        }
        let (method, rest) = (&line[..method_len], &line[method_len + 1..]);
        let target_len = rest.iter().position(|byte| !is_target_byte(*byte)).unwrap_or(rest.len());
        if target_len == 0 || rest.get(target_len) != Some(&b' ') {
            return Err(fault());
        }
        let (target, version) = (&rest[..target_len], &rest[target_len + 1..]);
        let version = match version {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
                if *major != b'1' {
                    return Err(Reject::new(505, "version_not_supported"));
                }
                Version::Http11
            }
            [b'H', b'T', b'T', b'P', b'/', rest @ ..]
                if !rest.is_empty() && rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') =>
            {
                return Err(bad("bad_version"));
            }
            _ => return Err(fault()),
        };
        vars.push(Name::Known(Known::RequestMethod), Span::head(start, method_len));
        self.target(method, target, start + method_len + 1, vars)?;
        let text: &[u8] = if version == Version::Http11 { b"HTTP/1.1" } else { b"HTTP/1.0" };
        let value = Span::head(start + method_len + 1 + target_len + 1, text.len());
        // Versions such as 1.2 are spoken to as 1.1, and the application is told what we speak.
        let value = if line.ends_with(text) { value } else { vars.stash(text) };
        vars.push(Name::Known(Known::ServerProtocol), value);
        let method = if method == b"HEAD" { Method::Head } else { Method::Other };
        self.facts.request_line = Some((version, method));
        Ok(())
    }

    /// RFC 9112, 3.2: origin, absolute, authority and asterisk form.
    fn target(&mut self, method: &[u8], target: &[u8], start: usize, vars: &mut Vars) -> Result<(), Reject> {
        if memchr(b'#', target).is_some() && target != b"*" {
            let is_path = target.starts_with(b"/") || authority_len(target).is_some();
            return Err(bad(if is_path && method != b"CONNECT" { "fragment_in_target" } else { "bad_target" }));
        }
        let (uri, uri_start) = if target == b"*" {
            if method != b"OPTIONS" {
                return Err(bad("bad_target"));
            }
            (target, start)
        } else if method == b"CONNECT" {
            if !is_authority(target) {
                return Err(bad("bad_target"));
            }
            (target, start)
        } else if target.starts_with(b"/") {
            (target, start)
        } else {
            let (scheme, authority) = authority_len(target).ok_or(bad("bad_target"))?;
            // RFC 9112, 3.2.2: the target's authority takes the place of Host.
            vars.push(Name::Known(Known::Host), Span::head(start + scheme, authority));
            self.facts.absolute = true;
            (&target[scheme + authority..], start + scheme + authority)
        };
        push_uri(uri, uri_start, vars);
        Ok(())
    }

    fn header(
        &mut self,
        line: &[u8],
        start: usize,
        input: &[u8],
        limits: &Limits,
        vars: &mut Vars,
    ) -> Result<(), Reject> {
        let facts = &mut self.facts;
        facts.header_bytes += line.len() + 2;
        let colon = line.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(line.len());
        if colon == 0 || line.get(colon) != Some(&b':') {
            return Err(bad(name_fault(line, facts.headers)));
        }
        let name = &line[..colon];
        let (value_start, value) = trim_at(line, colon + 1);
        if !is_value(value) {
            return Err(bad("bad_header_value"));
        }
        facts.headers += 1;
        if facts.headers > limits.headers_max {
            return Err(Reject::new(431, "too_many_headers"));
        }
        let span = Span::head(start + value_start, value.len());
        self.keep(name, value, span, input, vars)
    }

    fn keep(&mut self, name: &[u8], value: &[u8], span: Span, input: &[u8], vars: &mut Vars) -> Result<(), Reject> {
        let facts = &mut self.facts;
        let known = names::header(name);
        match known {
            Some(Known::Host) => {
                facts.hosts += 1;
                facts.host_is_bad |= !is_host(value);
                if facts.absolute {
                    return Ok(());
                }
            }
            Some(Known::TransferEncoding) => facts.codings.push(span),
            Some(Known::Connection) => facts.connection(value),
            Some(Known::Upgrade) => facts.upgrade = true,
            Some(Known::Expect) => {
                let first = facts.expects.is_none();
                facts.expects = Some(first && value.eq_ignore_ascii_case(b"100-continue"));
            }
            Some(_) => {}
            None if name.eq_ignore_ascii_case(b"content-length") => {
                facts.lengths.push(span);
                if facts.lengths.len() == 1 {
                    vars.push(Name::Known(Known::ContentLength), span);
                }
                return Ok(());
            }
            None if name.eq_ignore_ascii_case(b"content-type") => {
                push_joined(Name::Known(Known::ContentType), span, b", ", input, vars);
                return Ok(());
            }
            // `Proxy` would become HTTP_PROXY, which many clients take for their own configuration; names with
            // `_` would be taken for others with `-`.
            None if name.eq_ignore_ascii_case(b"proxy") || memchr(b'_', name).is_some() => return Ok(()),
            None => {}
        }
        let name = match known {
            Some(known) => Name::Known(known),
            None => Name::Other(vars.stash_with(|out| names::write_cgi_name(name, out))),
        };
        let glue: &[u8] = if known == Some(Known::Cookie) { b"; " } else { b", " };
        push_joined(name, span, glue, input, vars);
        Ok(())
    }

    fn finish(&mut self, input: &[u8], vars: &mut Vars) -> Result<Head, Reject> {
        let facts = &self.facts;
        let (version, method) = facts.request_line.ok_or(bad("bad_request_line"))?;
        if facts.hosts > 1 {
            return Err(bad("multiple_host"));
        }
        if facts.hosts == 0 && version == Version::Http11 {
            return Err(bad("missing_host"));
        }
        if facts.host_is_bad {
            return Err(bad("bad_host"));
        }
        let framing = facts.framing(version, input, vars)?;
        let mut expect_continue = false;
        if version == Version::Http11 {
            match facts.expects {
                Some(false) => return Err(Reject::new(417, "unknown_expectation")),
                Some(true) => expect_continue = framing != Framing::None,
                None => {}
            }
        }
        let keep_alive = !facts.close && (version == Version::Http11 || facts.keep_alive);
        let upgrade = facts.upgrade && facts.upgrade_option && version == Version::Http11;
        let is_head = method == Method::Head;
        Ok(Head { consumed: self.line, version, is_head, keep_alive, framing, expect_continue, upgrade })
    }
}

impl Facts {
    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(trim) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade_option |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }

    /// RFC 9112, 6.3, with every choice it leaves made in favour of refusing.
    fn framing(&self, version: Version, input: &[u8], vars: &Vars) -> Result<Framing, Reject> {
        if !self.codings.is_empty() {
            if version == Version::Http10 {
                return Err(bad("te_in_http10"));
            }
            if !self.lengths.is_empty() {
                return Err(bad("te_and_cl"));
            }
            return self.transfer_codings(input, vars);
        }
        if self.lengths.is_empty() {
            return Ok(Framing::None);
        }
        let mut values = self.lengths.iter().flat_map(|span| vars.bytes(input, *span).split(|byte| *byte == b','));
        let first = values.next().map(trim).unwrap_or_default();
        let (mut repeated, mut conflict) = (false, false);
        let strip = |value: &[u8]| value.iter().skip_while(|byte| **byte == b'0').copied().collect::<Vec<_>>();
        let digits = |value: &[u8]| !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        if !digits(first) {
            return Err(bad("bad_content_length"));
        }
        for value in values.map(trim) {
            if !digits(value) {
                return Err(bad("bad_content_length"));
            }
            repeated = true;
            conflict |= strip(value) != strip(first);
        }
        if conflict {
            return Err(bad("conflicting_content_length"));
        }
        if repeated {
            return Err(bad("repeated_content_length"));
        }
        decimal(first).map(Framing::Length).ok_or(bad("bad_content_length"))
    }

    fn transfer_codings(&self, input: &[u8], vars: &Vars) -> Result<Framing, Reject> {
        let codings = || {
            let values = self.codings.iter().map(|span| vars.bytes(input, *span));
            values.flat_map(|value| value.split(|byte| *byte == b',')).map(trim)
        };
        if codings().any(|coding| !is_token(coding)) {
            return Err(bad("bad_transfer_encoding"));
        }
        let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
        if codings().filter(|coding| chunked(coding)).count() > 1 {
            return Err(bad("chunked_twice"));
        }
        if !codings().last().is_some_and(chunked) {
            return Err(bad("te_not_ending_in_chunked"));
        }
        if codings().count() > 1 {
            return Err(Reject::new(501, "unsupported_transfer_coding"));
        }
        Ok(Framing::Chunked)
    }
}

/// The rest of a line from `start` on without blanks at both ends, and where it begins.
fn trim_at(line: &[u8], start: usize) -> (usize, &[u8]) {
    let (mut start, mut end) = (start, line.len());
    while start < end && matches!(line[start], b' ' | b'\t') {
        start += 1;
    }
    while start < end && matches!(line[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    (start, &line[start..end])
}

/// What is wrong with a line whose name is not a token followed by a colon.
fn name_fault(line: &[u8], headers_before: usize) -> &'static str {
    match (line[0], memchr(b':', line)) {
        (b' ' | b'\t', _) if headers_before > 0 => "obs_fold",
        (b' ' | b'\t', _) => "leading_whitespace",
        (_, None) => "header_without_colon",
        (_, Some(colon)) if matches!(line[..colon].last(), Some(b' ' | b'\t')) => "space_before_colon",
        _ => "bad_header_name",
    }
}

fn check_method_start(line: &[u8]) -> Result<(), Reject> {
    let word = line.iter().take_while(|byte| !matches!(byte, b' ' | b'\r' | b'\n'));
    match word.copied().find(|byte| !is_token_byte(*byte)) {
        Some(_) => Err(bad("bad_method")),
        None => Ok(()),
    }
}

/// REQUEST_URI, PATH_INFO (percent-decoded) and QUERY_STRING. The asterisk and authority forms have no path.
fn push_uri(uri: &[u8], start: usize, vars: &mut Vars) {
    let span = if uri.is_empty() || uri[0] == b'?' {
        // An absolute target without a path (RFC 9110, 4.2.3).
        vars.stash_with(|out| {
            out.push(b'/');
            out.extend_from_slice(uri);
        })
    } else {
        Span::head(start, uri.len())
    };
    vars.push(Name::Known(Known::RequestUri), span);
    let path_len = memchr(b'?', uri).unwrap_or(uri.len());
    let path = &uri[..path_len];
    let path_span = match path {
        [] => vars.stash(b"/"),
        [b'/', ..] if memchr(b'%', path).is_none() => Span::head(start, path_len),
        [b'/', ..] => vars.stash_with(|out| percent_decode(path, out)),
        _ => vars.stash(b""),
    };
    vars.push(Name::Known(Known::PathInfo), path_span);
    let query = match uri.get(path_len + 1..) {
        Some(query) => Span::head(start + path_len + 1, query.len()),
        None => vars.stash(b""),
    };
    vars.push(Name::Known(Known::QueryString), query);
}

/// `%XX` to its byte; what is no such triple stays as it is (as uWSGI and nginx do).
fn percent_decode(path: &[u8], out: &mut Vec<u8>) {
    let mut rest = path;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
        match (first, hex(tail.first()), hex(tail.get(1))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            _ => out.push(*first),
        }
    }
}

/// Appends a header, or joins it to the one of the same name (RFC 9110, 5.3).
fn push_joined(name: Name, value: Span, glue: &[u8], input: &[u8], vars: &mut Vars) {
    let before = match name {
        Name::Known(known) => vars.position(known),
        Name::Other(span) => {
            let bytes = vars.bytes(input, span);
            vars.entries().iter().position(|var| match var.name {
                Name::Other(other) => vars.bytes(input, other) == bytes,
                Name::Known(_) => false,
            })
        }
    };
    let Some(position) = before else { return vars.push(name, value) };
    let first = vars.entries()[position].value;
    let mut joined = Vec::with_capacity(first.len() + glue.len() + value.len());
    joined.extend_from_slice(vars.bytes(input, first));
    joined.extend_from_slice(glue);
    joined.extend_from_slice(vars.bytes(input, value));
    let joined = vars.stash(&joined);
    vars.replace(position, joined);
}

/// Lengths of `http://` or `https://` and of the authority behind it, which must not be empty.
fn authority_len(target: &[u8]) -> Option<(usize, usize)> {
    let scheme = ["http://", "https://"]
        .into_iter()
        .map(str::len)
        .zip([&b"http://"[..], b"https://"])
        .find(|(len, scheme)| target.get(..*len).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))?
        .0;
    let rest = &target[scheme..];
    let len = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    (len > 0).then_some((scheme, len))
}

/// `host:port` of CONNECT.
fn is_authority(target: &[u8]) -> bool {
    let Some(colon) = memchr::memrchr(b':', target) else { return false };
    let (host, port) = (&target[..colon], &target[colon + 1..]);
    let name = |host: &[u8]| !host.iter().any(|byte| b"/?#@:[]".contains(byte));
    let host_is_good = match host {
        [b'[', inner @ .., b']'] => !inner.is_empty() && inner.iter().all(|byte| is_ipv6_byte(*byte)),
        _ => !host.is_empty() && name(host),
    };
    host_is_good && !port.is_empty() && port.iter().all(u8::is_ascii_digit)
}

fn is_ipv6_byte(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')
}

/// RFC 9110, 7.2: `uri-host [":" port]`; may be empty.
fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host {
        [b'[', rest @ ..] => {
            let Some(end) = memchr(b']', rest) else { return false };
            if end == 0 || !rest[..end].iter().all(|byte| is_ipv6_byte(*byte)) {
                return false;
            }
            (&b""[..], &rest[end + 1..])
        }
        _ => host.split_at(memchr(b':', host).unwrap_or(host.len())),
    };
    let name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"._~!$&'()*+,;=%-".contains(byte);
    let port_is_good = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    port_is_good && name.iter().all(name_byte)
}
