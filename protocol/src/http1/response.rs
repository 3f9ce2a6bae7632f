//! Answers: head and body framing, as a pure state machine (RFC 9110, 6 and 8.6; RFC 9112, 4, 6 and 9.6).
//!
//! The same rules hold for every plugin: no body for HEAD, 1xx, 204 and 304, never more bytes than announced, no
//! line breaks in headers, no hop-by-hop headers from the application.

use super::Version;
use super::bytes::{decimal, is_token, is_value};

/// Why a head was refused. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// `start` or `header` after the head went out.
    #[error("headers already sent")]
    AlreadySent,
    /// Not three digits, a space and a reason without control characters.
    #[error("invalid HTTP status line: {0:?}")]
    BadStatus(String),
    /// Not a token (RFC 9110, 5.6.2).
    #[error("invalid HTTP header name: {0:?}")]
    BadName(String),
    /// A control character (CR, LF and NUL among them) in a value.
    #[error("invalid value of HTTP header {0}: control characters are not allowed")]
    BadValue(String),
    /// A second, different `Content-Length`, or one that is no number.
    #[error("invalid Content-Length: {0:?}")]
    BadLength(String),
    /// The head grew over the limit.
    #[error("response headers are larger than {0} bytes")]
    TooLarge(usize),
}

/// Largest head of an application in bytes (uWSGI's `response-headers-limit`).
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What carries the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// HTTP to a client.
    Http,
    /// The uwsgi protocol: an HTTP answer that a front end reads; ends with the connection.
    Uwsgi,
}

/// What the request says about its answer.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What carries it.
    pub wire: Wire,
    /// Version of the request.
    pub version: Version,
    /// The method was HEAD.
    pub head_request: bool,
    /// Client and server would keep the connection.
    pub keep_alive: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// None may be sent; bytes of the application are dropped.
    None,
    /// That many bytes are left.
    Length(u64),
    Chunked,
    UntilClose,
}

/// One stretch of a body, framed.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    prefix: Prefix,
    /// Bytes to send between prefix and suffix.
    pub data: &'a [u8],
    /// What follows.
    pub suffix: &'static [u8],
    /// Bytes that were dropped because they exceed the announced length.
    pub dropped: u64,
}

/// The same for bytes of a file.
#[derive(Clone, Copy, Debug)]
pub struct FileFrame {
    prefix: Prefix,
    /// Bytes of the file to send between prefix and suffix.
    pub len: u64,
    /// What follows.
    pub suffix: &'static [u8],
    /// Bytes that were dropped because they exceed the announced length.
    pub dropped: u64,
}

/// A chunk's size line, inline.
#[derive(Clone, Copy, Debug)]
struct Prefix {
    bytes: [u8; 18],
    start: u8,
}

impl Prefix {
    const NONE: Self = Self { bytes: [0; 18], start: 18 };

    fn chunk(mut len: u64) -> Self {
        let mut bytes = [0; 18];
        (bytes[16], bytes[17]) = (b'\r', b'\n');
        let mut start = 16;
        loop {
            start -= 1;
            bytes[start] = b"0123456789abcdef"[(len & 15) as usize];
            len >>= 4;
            if len == 0 {
                return Self { bytes, start: start as u8 };
            }
        }
    }
}

impl Frame<'_> {
    /// What precedes the data.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix.bytes[self.prefix.start as usize..]
    }
}

impl FileFrame {
    /// What precedes the data.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix.bytes[self.prefix.start as usize..]
    }
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Bytes to send.
    pub tail: &'static [u8],
    /// The connection may be kept.
    pub keep_alive: bool,
    /// Bytes that were announced and not sent: the connection must close.
    pub missing: u64,
}

/// See the module. Reused from answer to answer.
#[derive(Debug)]
pub struct ResponseEncoder {
    rules: Rules,
    head: Vec<u8>,
    status: u16,
    headers: u32,
    app_bytes: usize,
    length: Option<u64>,
    whole: Option<u64>,
    has_date: bool,
    body: Body,
}

impl Default for ResponseEncoder {
    fn default() -> Self {
        let rules = Rules { wire: Wire::Http, version: Version::Http11, head_request: false, keep_alive: false };
        Self {
            rules,
            head: Vec::new(),
            status: 0,
            headers: 0,
            app_bytes: 0,
            length: None,
            whole: None,
            has_date: false,
            body: Body::None,
        }
    }
}

impl ResponseEncoder {
    /// Begins a new answer; memory is kept.
    pub fn reset(&mut self, rules: Rules) {
        self.rules = rules;
        self.clear();
    }

    fn clear(&mut self) {
        self.head.clear();
        self.status = 0;
        self.headers = 0;
        self.app_bytes = 0;
        self.length = None;
        self.whole = None;
        self.has_date = false;
        self.body = Body::None;
    }

    /// Begins the head with a status such as `200 OK`; a head that was begun is forgotten.
    ///
    /// # Errors
    /// [`HeadError::BadStatus`].
    pub fn start(&mut self, status: &[u8]) -> Result<(), HeadError> {
        self.clear();
        let fault = || HeadError::BadStatus(String::from_utf8_lossy(status).into_owned());
        let (code, reason) = status.split_at_checked(3).ok_or_else(fault)?;
        let code = decimal(code).filter(|code| (100..600).contains(code)).ok_or_else(fault)?;
        if !(reason.is_empty() || reason[0] == b' ') || !is_value(reason) {
            return Err(fault());
        }
        let http11 = self.rules.wire == Wire::Http || self.rules.version == Version::Http11;
        self.head.extend_from_slice(if http11 { b"HTTP/1.1 " } else { b"HTTP/1.0 " });
        self.head.extend_from_slice(status);
        if reason.is_empty() {
            // The space is part of the status line even where the reason is empty (RFC 9112, 4).
            self.head.push(b' ');
        }
        self.head.extend_from_slice(b"\r\n");
        self.status = code as u16;
        self.app_bytes = self.head.len() + 2;
        Ok(())
    }

    /// Adds a header of the application. Hop-by-hop headers are the server's and are dropped (PEP 3333).
    ///
    /// # Errors
    /// [`HeadError`]; the head must then be started anew.
    pub fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !is_token(name) {
            return Err(HeadError::BadName(text(name)));
        }
        if !is_value(value) {
            return Err(HeadError::BadValue(text(name)));
        }
        match kind(name) {
            Kind::HopByHop => {
                let is_connection = name.eq_ignore_ascii_case(b"connection");
                let closes = value.split(|byte| *byte == b',').any(|one| super::bytes::trim(one).eq_ignore_ascii_case(b"close"));
                if is_connection && closes {
                    self.rules.keep_alive = false;
                }
                self.headers += 1;
                self.app_bytes += name.len() + value.len() + 4;
                return Ok(());
            }
            Kind::Length => {
                let length = decimal(super::bytes::trim(value)).ok_or_else(|| HeadError::BadLength(text(value)))?;
                match self.length {
                    Some(before) if before == length => return Ok(()),
                    Some(_) => return Err(HeadError::BadLength(text(value))),
                    None => self.length = Some(length),
                }
                if self.status < 200 || self.status == 204 {
                    // RFC 9110, 8.6: none of these has a length.
                    return Ok(());
                }
            }
            Kind::Date => self.has_date = true,
            Kind::Plain => {}
        }
        let bytes = name.len() + value.len() + 4;
        if self.head.len() + bytes > HEAD_BYTES_MAX {
            return Err(HeadError::TooLarge(HEAD_BYTES_MAX));
        }
        self.put(name, value);
        self.headers += 1;
        self.app_bytes += bytes;
        Ok(())
    }

    fn put(&mut self, name: &[u8], value: &[u8]) {
        self.head.reserve(name.len() + value.len() + 4);
        self.head.extend_from_slice(name);
        self.head.extend_from_slice(b": ");
        self.head.extend_from_slice(value);
        self.head.extend_from_slice(b"\r\n");
    }

    /// True after [`ResponseEncoder::start`].
    pub fn started(&self) -> bool {
        self.status != 0
    }

    /// The whole body will have that many bytes.
    pub fn whole_body(&mut self, length: u64) {
        self.whole = Some(length);
    }

    /// The connection cannot be kept (the request's body is still on the wire). Before [`ResponseEncoder::seal`].
    pub fn close_after(&mut self) {
        self.rules.keep_alive = false;
    }

    /// Completes the head; `date` is the value of `Date`.
    pub fn seal(&mut self, date: &[u8]) {
        let bodiless = self.status < 200 || self.status == 204 || self.status == 304;
        let http = self.rules.wire == Wire::Http;
        if http && !self.has_date {
            self.put(b"Date", date);
        }
        let known = self.length.or(if bodiless { None } else { self.whole });
        if self.length.is_none() && let Some(length) = known {
            let mut text = [0; 20];
            let text = decimal_text(length, &mut text);
            self.put(b"Content-Length", text);
        }
        self.body = match known {
            _ if bodiless || self.rules.head_request => Body::None,
            Some(length) => Body::Length(length),
            None if http && self.rules.version == Version::Http11 => {
                self.put(b"Transfer-Encoding", b"chunked");
                Body::Chunked
            }
            None => Body::UntilClose,
        };
        if http {
            if self.body == Body::UntilClose {
                self.rules.keep_alive = false;
            }
            match (self.rules.keep_alive, self.rules.version) {
                (false, _) => self.put(b"Connection", b"close"),
                (true, Version::Http10) => self.put(b"Connection", b"keep-alive"),
                (true, Version::Http11) => {}
            }
        }
        self.head.extend_from_slice(b"\r\n");
    }

    /// The bytes of the head; complete after [`ResponseEncoder::seal`].
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Moves the head out, so that it can be sent while the encoder is in use; give it back.
    pub fn take_head(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.head)
    }

    /// Takes the memory of the head back.
    pub fn return_head(&mut self, head: Vec<u8>) {
        self.head = head;
    }

    /// Frames body bytes: what to send for them.
    pub fn frame<'a>(&mut self, data: &'a [u8]) -> Frame<'a> {
        let FileFrame { prefix, len, suffix, dropped } = self.file_frame(data.len() as u64);
        Frame { prefix, data: &data[..len as usize], suffix, dropped }
    }

    /// The same for bytes of a file.
    pub fn file_frame(&mut self, len: u64) -> FileFrame {
        let plain = FileFrame { prefix: Prefix::NONE, len, suffix: b"", dropped: 0 };
        match &mut self.body {
            Body::None => FileFrame { len: 0, ..plain },
            Body::UntilClose => plain,
            Body::Length(left) => {
                let kept = len.min(*left);
                *left -= kept;
                FileFrame { len: kept, dropped: len - kept, ..plain }
            }
            // An empty chunk would end the body.
            Body::Chunked if len == 0 => plain,
            Body::Chunked => FileFrame { prefix: Prefix::chunk(len), suffix: b"\r\n", ..plain },
        }
    }

    /// Ends the body.
    pub fn end(&mut self) -> End {
        let keep_alive = self.rules.keep_alive;
        match self.body {
            Body::Chunked => End { tail: b"0\r\n\r\n", keep_alive, missing: 0 },
            Body::Length(missing) => End { tail: b"", keep_alive: keep_alive && missing == 0, missing },
            Body::None | Body::UntilClose => End { tail: b"", keep_alive, missing: 0 },
        }
    }

    /// True where the end of the connection is the only end of the body, so that a cut cannot be told from an end.
    pub fn ends_with_connection(&self) -> bool {
        self.body == Body::UntilClose
    }

    /// Status of the answer, 0 before `start`.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Headers of the application.
    pub fn app_headers(&self) -> u32 {
        self.headers
    }

    /// Bytes of the head as the application made it: status line, its headers, the empty line.
    pub fn app_head_bytes(&self) -> usize {
        self.app_bytes
    }
}

enum Kind {
    Plain,
    Length,
    Date,
    HopByHop,
}

/// RFC 9110, 7.6.1, and what else concerns one connection only.
fn kind(name: &[u8]) -> Kind {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    match name.len() {
        4 if is(b"date") => Kind::Date,
        14 if is(b"content-length") => Kind::Length,
        2 if is(b"te") => Kind::HopByHop,
        7 if is(b"upgrade") || is(b"trailer") => Kind::HopByHop,
        10 if is(b"connection") || is(b"keep-alive") => Kind::HopByHop,
        16 if is(b"proxy-connection") => Kind::HopByHop,
        17 if is(b"transfer-encoding") => Kind::HopByHop,
        18 if is(b"proxy-authenticate") => Kind::HopByHop,
        _ => Kind::Plain,
    }
}

/// Decimal digits of a number.
fn decimal_text(mut number: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut start = buffer.len();
    loop {
        start -= 1;
        buffer[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &buffer[start..];
        }
    }
}

/// A complete answer for a request that reaches no application; closes the connection.
pub fn error_response(status: u16) -> Vec<u8> {
    let reason = match status {
        400 => "Bad Request",
        404 => "Not Found",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    };
    let body = if status == 500 { "Internal Server Error".to_owned() } else { format!("{status} {reason}\n") };
    format!(
        "HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A date as HTTP writes it (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`. Seconds since 1970, to the year 9999.
pub fn http_date(unix_s: u64) -> [u8; 29] {
    const DAYS: &[u8; 21] = b"ThuFriSatSunMonTueWed";
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    // Days to a date of the proleptic Gregorian calendar, with years that begin in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let mut text = *b"Thu, 00 Jan 0000 00:00:00 GMT";
    let mut two = |at: usize, number: u64| {
        text[at] = b'0' + (number / 10 % 10) as u8;
        text[at + 1] = b'0' + (number % 10) as u8;
    };
    two(5, day);
    two(12, year / 100);
    two(14, year);
    two(17, second / 3_600);
    two(20, second / 60 % 60);
    two(23, second % 60);
    let name = (days % 7 * 3) as usize;
    text[..3].copy_from_slice(&DAYS[name..name + 3]);
    let name = ((month - 1) * 3) as usize;
    text[8..11].copy_from_slice(&MONTHS[name..name + 3]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(&http_date(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(&http_date(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(&http_date(951_827_696), b"Tue, 29 Feb 2000 12:34:56 GMT");
    }
}
