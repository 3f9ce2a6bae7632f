//! Heads of answers, and which framing their bodies get, as a pure state machine (RFC 9110, 6 and 8.6; RFC 9112,
//! 4, 6 and 9.6).
//!
//! The same rules hold for every plugin: no body for HEAD, 1xx, 204 and 304, never more bytes than announced, no
//! line breaks in headers, no hop-by-hop headers from the application. Nothing is sent from here.

use super::Version;
use super::bytes::{decimal, is_token, is_value, list, trim};
pub use super::frame::{BodyFraming, End, FileFrame, Frame};

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

/// Largest head of an application in bytes where nothing else is said (uWSGI's `response-headers-limit`).
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What carries the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// HTTP to a client.
    Http,
    /// An HTTP answer that a front end reads, behind a request in another protocol (uwsgi, `nph` variants).
    Front,
    /// The same with `Status:` in place of the status line (RFC 3875, 6.2).
    Cgi,
}

impl Wire {
    /// A ready-made HTTP answer in this form: what precedes its status, and what follows from there on.
    pub fn dress(self, answer: &[u8]) -> (&'static [u8], &[u8]) {
        match (self, answer.strip_prefix(b"HTTP/1.1 ")) {
            (Self::Cgi, Some(rest)) => (STATUS, rest),
            _ => (b"", answer),
        }
    }
}

/// What a status line begins with in CGI's form.
const STATUS: &[u8] = b"Status: ";

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
    /// What carries the answer also says where it ends (FastCGI).
    pub delimited: bool,
}

impl Rules {
    /// An answer to the last request of its connection.
    pub fn last(wire: Wire, version: Version) -> Self {
        Self { wire, version, head_request: false, keep_alive: false, delimited: false }
    }
}

/// See the module. Reused from answer to answer.
#[derive(Debug)]
pub struct ResponseEncoder {
    head_bytes_max: usize,
    rules: Rules,
    head: Vec<u8>,
    facts: Facts,
    body: BodyFraming,
    sealed: bool,
}

/// What the application said.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    /// 0 before `start`.
    status: u16,
    headers: u32,
    bytes: usize,
    length: Option<u64>,
    whole: Option<u64>,
    has_date: bool,
    closes: bool,
    /// HTTP ends with this head.
    switches: bool,
}

impl Default for ResponseEncoder {
    fn default() -> Self {
        Self::new(HEAD_BYTES_MAX)
    }
}

impl ResponseEncoder {
    /// An encoder whose applications may make heads of at most that many bytes.
    pub fn new(head_bytes_max: usize) -> Self {
        let rules = Rules::last(Wire::Http, Version::Http11);
        Self {
            head_bytes_max,
            rules,
            head: Vec::new(),
            facts: Facts::default(),
            body: BodyFraming::None,
            sealed: false,
        }
    }

    /// Begins a new answer; memory is kept.
    pub fn reset(&mut self, rules: Rules) {
        self.rules = rules;
        self.body = BodyFraming::None;
        self.sealed = false;
        self.clear();
    }

    fn clear(&mut self) {
        self.head.clear();
        self.facts = Facts::default();
    }

    /// Begins the head with a status such as `200 OK`; a head that was begun is forgotten.
    ///
    /// # Errors
    /// [`HeadError`]; the head is then empty again, unless it was sealed.
    pub fn start(&mut self, status: &[u8]) -> Result<(), HeadError> {
        if self.sealed {
            return Err(HeadError::AlreadySent);
        }
        self.clear();
        let fault = || HeadError::BadStatus(text(status));
        let (code, reason) = status.split_at_checked(3).ok_or_else(fault)?;
        let code = decimal(code).filter(|code| (100..600).contains(code)).ok_or_else(fault)?;
        if !matches!(reason, [] | [b' ', ..]) || !is_value(reason) {
            return Err(fault());
        }
        let begin: &[_] = match self.rules.wire {
            Wire::Http => &[Version::Http11.as_str().as_bytes(), b" "],
            Wire::Front => &[self.rules.version.as_str().as_bytes(), b" "],
            Wire::Cgi => &[STATUS, b""],
        };
        // The space is part of the status line even where the reason is empty (RFC 9112, 4).
        let reason = if reason.is_empty() { &b" "[..] } else { reason };
        let parts = [begin[0], begin[1], &status[..3], reason, b"\r\n"];
        self.check_room(parts.iter().map(|part| part.len()).sum())?;
        parts.iter().for_each(|part| self.head.extend_from_slice(part));
        self.facts.status = code as u16;
        self.facts.bytes = self.head.len() + 2;
        Ok(())
    }

    /// Adds a header of the application. Hop-by-hop headers are the server's and are dropped (PEP 3333); a
    /// `Connection: close` is obeyed.
    ///
    /// # Errors
    /// [`HeadError`]; the head must then be started anew.
    pub fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        if self.sealed {
            return Err(HeadError::AlreadySent);
        }
        if !self.started() {
            return Err(HeadError::BadStatus(String::new()));
        }
        if !is_token(name) {
            return Err(HeadError::BadName(text(name)));
        }
        if !is_value(value) {
            return Err(HeadError::BadValue(text(name)));
        }
        match kind(name) {
            Kind::Connection => {
                self.facts.closes |=
                    list(value).any(|option| option.eq_ignore_ascii_case(b"close"));
                self.count(name, value);
                return Ok(());
            }
            Kind::HopByHop => {
                self.count(name, value);
                return Ok(());
            }
            Kind::Length if !self.keeps_length(value)? => return Ok(()),
            Kind::Date => self.facts.has_date = true,
            Kind::Length | Kind::Plain => {}
        }
        self.check_room(name.len() + value.len() + 4)?;
        self.put(name, value);
        self.count(name, value);
        Ok(())
    }

    /// Counts a header as uWSGI's request line does, which knows of none that is dropped.
    fn count(&mut self, name: &[u8], value: &[u8]) {
        self.facts.headers += 1;
        self.facts.bytes += name.len() + value.len() + 4;
    }

    /// Takes note of a `Content-Length`; true where it goes into the head.
    fn keeps_length(&mut self, value: &[u8]) -> Result<bool, HeadError> {
        let length = decimal(trim(value)).ok_or_else(|| HeadError::BadLength(text(value)))?;
        match self.facts.length {
            Some(before) if before == length => Ok(false),
            Some(_) => Err(HeadError::BadLength(text(value))),
            None => {
                self.facts.length = Some(length);
                // RFC 9110, 8.6: 1xx and 204 have none; of a 304 it is the length of the 200.
                Ok(self.facts.status >= 200 && self.facts.status != 204)
            }
        }
    }

    fn check_room(&self, bytes: usize) -> Result<(), HeadError> {
        if self.head.len() + bytes > self.head_bytes_max {
            return Err(HeadError::TooLarge(self.head_bytes_max));
        }
        Ok(())
    }

    fn put(&mut self, name: &[u8], value: &[u8]) {
        self.head.reserve(name.len() + value.len() + 4);
        self.head.extend_from_slice(name);
        self.head.extend_from_slice(b": ");
        self.head.extend_from_slice(value);
        self.head.extend_from_slice(b"\r\n");
    }

    /// True after [`ResponseEncoder::start`] succeeded.
    pub fn started(&self) -> bool {
        self.facts.status != 0
    }

    /// The whole body will have that many bytes.
    pub fn whole_body(&mut self, length: u64) {
        self.facts.whole = Some(length);
    }

    /// The connection cannot be kept (the request's body is still on the wire). Before [`ResponseEncoder::seal`].
    pub fn close_after(&mut self) {
        self.rules.keep_alive = false;
    }

    /// HTTP ends with this head (RFC 9110, 7.8): it says so, and what follows is not framed. Between `start` with a 101 and
    /// [`ResponseEncoder::seal`].
    pub fn switch(&mut self, protocol: &[u8]) {
        if self.started() && !self.sealed {
            self.put(b"Upgrade", protocol);
            self.put(b"Connection", b"Upgrade");
            self.facts.switches = true;
        }
    }

    /// Completes the head; `date` is the value of `Date` (empty for none). Only after `start`, and once: else
    /// nothing happens.
    pub fn seal(&mut self, date: &[u8]) -> BodyFraming {
        if self.sealed || !self.started() {
            return self.body;
        }
        self.sealed = true;
        let http = self.rules.wire == Wire::Http;
        if http && !self.facts.has_date && !date.is_empty() {
            self.put(b"Date", date);
        }
        self.body = self.seal_framing(http);
        // RFC 9110, 15.2: after an interim answer the client waits for the final one, and there is none.
        let is_final = self.facts.status >= 200;
        let ends = self.body != BodyFraming::UntilClose && is_final && !self.facts.closes;
        let switches = self.facts.switches;
        self.rules.keep_alive &= !switches && (ends || self.rules.delimited);
        match (http && !switches, self.rules.keep_alive, self.rules.version) {
            (false, _, _) | (true, true, Version::Http11) => {}
            (true, false, _) => self.put(b"Connection", b"close"),
            (true, true, Version::Http10) => self.put(b"Connection", b"keep-alive"),
        }
        self.head.extend_from_slice(b"\r\n");
        self.body
    }

    /// RFC 9112, 6.3; writes the headers that say so.
    fn seal_framing(&mut self, http: bool) -> BodyFraming {
        let Facts { status, length, whole, switches, .. } = self.facts;
        if switches {
            return BodyFraming::UntilClose;
        }
        if status < 200 || status == 204 || status == 304 {
            return BodyFraming::None;
        }
        let is_head = self.rules.head_request;
        // An empty body for HEAD says nothing about the length that GET would have (RFC 9110, 8.6).
        let whole = whole.filter(|length| !(is_head && *length == 0));
        if length.is_none()
            && let Some(whole) = whole
        {
            let mut digits = [0; 20];
            self.put(b"Content-Length", decimal_text(whole, &mut digits));
        }
        match length.or(whole) {
            _ if is_head => BodyFraming::None,
            Some(length) => BodyFraming::Length(length),
            None if http && self.rules.version == Version::Http11 => {
                self.put(b"Transfer-Encoding", b"chunked");
                BodyFraming::Chunked
            }
            None => BodyFraming::UntilClose,
        }
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
        self.body.frame(data.len() as u64).around(data)
    }

    /// The same for bytes of a file.
    pub fn file_frame(&mut self, len: u64) -> FileFrame {
        self.body.frame(len)
    }

    /// Ends the body.
    pub fn end(&mut self) -> End {
        let keep_alive = self.rules.keep_alive;
        match std::mem::replace(&mut self.body, BodyFraming::None) {
            BodyFraming::Chunked => End { tail: b"0\r\n\r\n", keep_alive, missing: 0 },
            BodyFraming::Length(missing) => {
                End { tail: b"", keep_alive: keep_alive && missing == 0, missing }
            }
            BodyFraming::None | BodyFraming::UntilClose => {
                End { tail: b"", keep_alive, missing: 0 }
            }
        }
    }

    /// True where no byte of the body is missing that was announced.
    pub fn is_complete(&self) -> bool {
        self.sealed && matches!(self.body, BodyFraming::Length(0) | BodyFraming::None)
    }

    /// True where the end of the connection is the only end of the body, so that a cut cannot be told from an end.
    pub fn ends_with_connection(&self) -> bool {
        self.body == BodyFraming::UntilClose
    }

    /// Status of the answer, 0 before `start`.
    pub fn status(&self) -> u16 {
        self.facts.status
    }

    /// Headers of the application, with the hop-by-hop ones, which uWSGI would have sent.
    pub fn app_headers(&self) -> u32 {
        self.facts.headers
    }

    /// Bytes of the head as the application made it: status line, the same headers, the empty line.
    pub fn app_head_bytes(&self) -> usize {
        self.facts.bytes
    }
}

enum Kind {
    Plain,
    Length,
    Date,
    Connection,
    HopByHop,
}

/// RFC 9110, 7.6.1, and what else concerns one connection only.
fn kind(name: &[u8]) -> Kind {
    const PROXY: &[u8] = b"proxy-";
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    match name.len() {
        4 if is(b"date") => Kind::Date,
        14 if is(b"content-length") => Kind::Length,
        10 if is(b"connection") => Kind::Connection,
        2 if is(b"te") => Kind::HopByHop,
        7 if is(b"upgrade") || is(b"trailer") => Kind::HopByHop,
        10 if is(b"keep-alive") => Kind::HopByHop,
        17 if is(b"transfer-encoding") => Kind::HopByHop,
        7.. if name[..PROXY.len()].eq_ignore_ascii_case(PROXY) => Kind::HopByHop,
        _ => Kind::Plain,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
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
