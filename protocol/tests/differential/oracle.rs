//! Reads a request in four ways and panics where two that accept it differ.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use uwsgi_protocol::Vars;
use uwsgi_protocol::http1::{Framing, Head, HeadDecoder, Limits, Strictness, Version};

/// Texts, each with the cases that it explains.
type Reasons<T> = &'static [(&'static str, fn(&T) -> bool)];

/// Faults for which we refuse what others read, each with its reason. What is refused for another one is a find.
const STRICTER: &[(&str, &str)] = &[
    ("bad_host", "Host must be host[:port]: whom a request is for is not guessed"),
    (
        "bad_target",
        "targets of other schemes, of no scheme, and with user information name nothing here",
    ),
    ("bare_lf", "whoever is in front may not take it for a line end"),
    ("conflicting_content_length", "httparse does not look into values; nor do the next ones"),
    ("bad_content_length", "see above"),
    ("repeated_content_length", "RFC 9110, 8.6 allows to refuse equal ones, too"),
    ("te_and_cl", "RFC 9112, 6.3 lets a server choose; a front end may have chosen the other way"),
    ("te_in_http10", "RFC 9112, 6.1"),
    ("bad_transfer_encoding", "RFC 9112, 6.3"),
    ("te_not_ending_in_chunked", "RFC 9112, 6.3"),
    ("chunked_twice", "RFC 9112, 6.1"),
    ("unsupported_transfer_coding", "no coding but chunked is decoded here"),
    ("fragment_in_target", "RFC 9112, 3.2 knows none"),
    ("missing_host", "RFC 9112, 3.2"),
    ("multiple_host", "RFC 9112, 3.2"),
    ("unknown_expectation", "RFC 9110, 10.1.1"),
];

/// What httparse refuses and we accept. Each `fn` sees the input.
const ONLY_OURS: Reasons<[u8]> = &[
    ("a minor version above 1 is spoken to as 1.1 (RFC 9110, 2.5)", |input| {
        matches!(request_line(input), [.., b'1', b'.', b'2'..=b'9'])
    }),
    // uWSGI, nginx and others pass any bytes from 0x80 on; old links are in Latin-1.
    ("a target that is not UTF-8", |input| std::str::from_utf8(request_line(input)).is_err()),
];

fn request_line(input: &[u8]) -> &[u8] {
    input.trim_ascii_start().split(|byte| *byte == b'\r').next().unwrap_or_default()
}

/// Why hyper refuses what we accept.
const HYPER_REFUSES: Reasons<Seen> = &[
    // Its Uri type takes no such target; applications see them from every browser that was told to send them.
    ("bytes in a target that no URI has", |seen| {
        seen.target.iter().any(|byte| !byte.is_ascii_graphic() || b"\"<>\\^`{|}".contains(byte))
    }),
    ("an authority that its Uri type does not take", |seen| !seen.target.starts_with(b"/")),
];

/// Who accepted a request.
#[allow(dead_code)] // the fuzz target only compares
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    pub(crate) ours: bool,
    pub(crate) compat: bool,
    pub(crate) httparse: bool,
    pub(crate) hyper: bool,
}

/// A request as one of the readers saw it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    method: Vec<u8>,
    target: Vec<u8>,
    minor: u8,
    /// By CGI name in the order of their first line, values joined.
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// `None` for what is no message to this reader.
    framing: Option<Framing>,
    /// Bytes of the head.
    consumed: usize,
}

/// Reads `input` in all ways.
///
/// # Panics
/// Where two readers accept it and see different requests.
pub(crate) fn compare(input: &[u8]) -> Accepted {
    let strict = ours(input, Strictness::Strict);
    let compat = ours(input, Strictness::Compat);
    let theirs = httparse(input);
    let show = || String::from_utf8_lossy(input).into_owned();
    match (&strict, &theirs) {
        (Ok(Some((head, headers))), Some(seen)) => same(input, head, headers, seen, &show()),
        (Ok(Some(_)), None) => {
            let known = ONLY_OURS.iter().any(|(_, is_so)| is_so(input));
            assert!(known, "only we read {:?}", show());
        }
        (Err(reject), Some(_)) => {
            assert!(STRICTER.iter().any(|(reason, _)| reason == reject), "{reject}: {:?}", show());
        }
        _ => {}
    }
    if let Ok(Some((head, headers))) = &strict {
        // What is read strictly is read in the same way, whatever is forgiven besides; but for names with `_`.
        let Ok(Some((lenient, more))) = &compat else { panic!("only strictly: {:?}", show()) };
        assert_eq!(head, lenient, "{:?}", show());
        let underscored = input.contains(&b'_');
        assert!(headers == more || underscored, "{headers:?} {more:?}");
    }
    if let (Ok(Some((head, _))), Some(seen)) = (&compat, &theirs) {
        // Whatever is forgiven, the borders are those of everybody.
        assert_eq!(head.consumed, seen.consumed, "{:?}", show());
        let framing = seen.framing.or(equal_lengths(&seen.headers));
        assert_eq!(Some(head.framing), framing, "{:?}", show());
    }
    let hyper = hyper(input);
    if let (Ok(Some((head, _))), Some(seen)) = (&strict, &theirs) {
        match &hyper {
            Some(by_hyper) => {
                assert_eq!(by_hyper.method, seen.method, "{:?}", show());
                assert_eq!(by_hyper.headers, seen.headers, "{:?}", show());
                assert_eq!(by_hyper.framing, Some(without_zero(head.framing)), "{:?}", show());
            }
            None => {
                let known = HYPER_REFUSES.iter().any(|(_, is_so)| is_so(seen));
                assert!(known, "hyper refuses {:?}", show());
            }
        }
    }
    Accepted {
        ours: matches!(strict, Ok(Some(_))),
        compat: matches!(compat, Ok(Some(_))),
        httparse: theirs.is_some(),
        hyper: hyper.is_some(),
    }
}

type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// Our reading; a fault by its class.
fn ours(input: &[u8], strictness: Strictness) -> Result<Option<(Head, Headers)>, &'static str> {
    let limits = Limits { strictness, ..Limits::DEFAULT };
    let mut vars = Vars::default();
    let head = HeadDecoder::default().decode(input, &limits, &mut vars);
    let view = vars.view(input);
    let pairs = || view.iter().map(|(name, value)| (view.name(name).to_vec(), value.to_vec()));
    head.map(|head| head.map(|head| (head, pairs().collect()))).map_err(|reject| reject.reason)
}

fn same(input: &[u8], head: &Head, vars: &Headers, seen: &Seen, show: &str) {
    let var = |name: &str| {
        vars.iter().find(|(other, _)| other == name.as_bytes()).map(|(_, value)| value)
    };
    assert_eq!(head.consumed, seen.consumed, "{show:?}");
    assert_eq!(var("REQUEST_METHOD"), Some(&seen.method), "{show:?}");
    let uri = var("REQUEST_URI").expect("every request has one");
    let is_tail = seen.target.ends_with(uri) || uri == b"/" || uri.starts_with(b"/?");
    assert!(if seen.target.starts_with(b"/") { *uri == seen.target } else { is_tail }, "{show:?}");
    assert_eq!(head.version == Version::Http10, seen.minor == 0, "{show:?}");
    assert_eq!(Some(head.framing), seen.framing, "{show:?}");
    let is_absolute =
        !seen.target.starts_with(b"/") && seen.target.windows(3).any(|part| part == b"://");
    // Behind those of the request line.
    let mut ours = vars[5..].to_vec();
    let mut theirs = seen.headers.clone();
    if is_absolute {
        // Its authority is the host, also where there was no such header.
        for list in [&mut ours, &mut theirs] {
            list.retain(|(name, _)| name != b"HTTP_HOST");
        }
    }
    assert_eq!(ours, theirs, "{show:?}, {} bytes", input.len());
}

fn httparse(input: &[u8]) -> Option<Seen> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(consumed)) = request.parse(input) else { return None };
    let lines: Vec<_> = request.headers.iter().map(|header| (header.name, header.value)).collect();
    let minor = request.version?;
    Some(Seen {
        method: request.method?.into(),
        target: request.path?.into(),
        minor,
        framing: framing(&lines, minor),
        headers: cgi(&lines),
        consumed,
    })
}

/// RFC 3875, 4.1.18, and the two kinds of names that are dropped.
fn cgi(lines: &[(&str, &[u8])]) -> Headers {
    let mut vars = Headers::new();
    for (name, value) in lines.iter().filter(|(name, _)| !name.contains('_')) {
        let mut upper = name.to_ascii_uppercase().replace('-', "_");
        if upper == "PROXY" {
            continue;
        }
        if upper != "CONTENT_TYPE" && upper != "CONTENT_LENGTH" {
            upper.insert_str(0, "HTTP_");
        }
        let glue = if upper == "HTTP_COOKIE" { "; " } else { ", " };
        let value = value.trim_ascii();
        match vars.iter_mut().find(|(other, _)| other == upper.as_bytes()) {
            Some((_, joined)) => joined.extend([glue.as_bytes(), value].concat()),
            None => vars.push((upper.into_bytes(), value.to_vec())),
        }
    }
    vars
}

/// RFC 9112, 6.3, once more and apart from the decoder: `None` where the message's end is not certain.
fn framing(lines: &[(&str, &[u8])], minor: u8) -> Option<Framing> {
    let elements = |wanted: &str| -> Vec<Vec<u8>> {
        let values = lines.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        values.flat_map(|(_, value)| value.split(|byte| *byte == b',')).map(blanks_off).collect()
    };
    let (codings, lengths) = (elements("transfer-encoding"), elements("content-length"));
    match (&codings[..], &lengths[..]) {
        ([], []) => Some(Framing::None),
        ([coding], []) => {
            (minor > 0 && coding.eq_ignore_ascii_case(b"chunked")).then_some(Framing::Chunked)
        }
        ([], [length]) => number(length).map(Framing::Length),
        _ => None,
    }
}

/// What may be forgiven besides.
fn equal_lengths(headers: &Headers) -> Option<Framing> {
    let value =
        |name: &[u8]| headers.iter().find(|(other, _)| other == name).map(|(_, value)| value);
    if value(b"HTTP_TRANSFER_ENCODING").is_some() {
        return None;
    }
    let lengths: Vec<_> =
        value(b"CONTENT_LENGTH")?.split(|byte| *byte == b',').map(blanks_off).collect();
    lengths
        .iter()
        .all(|length| *length == lengths[0])
        .then(|| number(&lengths[0]).map(Framing::Length))?
}

fn blanks_off(bytes: &[u8]) -> Vec<u8> {
    let text: String = bytes.iter().copied().map(char::from).collect();
    text.trim_matches([' ', '\t']).chars().map(|letter| letter as u8).collect()
}

fn number(text: &[u8]) -> Option<u64> {
    let digits =
        std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse::<u64>().ok().filter(|length| i64::try_from(*length).is_ok())
}

/// hyper does not tell a length of 0 from none.
fn without_zero(framing: Framing) -> Framing {
    if framing == Framing::Length(0) { Framing::None } else { framing }
}

/// What a server of hyper makes of the first request.
fn hyper(input: &[u8]) -> Option<Seen> {
    let seen = Rc::new(RefCell::new(None));
    let sink = seen.clone();
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        sink.borrow_mut().get_or_insert_with(|| told(&request));
        std::future::ready(Ok::<_, Infallible>(hyper::Response::new(Nothing)))
    });
    let io = Memory::new(input.to_vec());
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(io, service);
    // All input is there: what is pending now stays so.
    let _ = pin!(connection).poll(&mut Context::from_waker(Waker::noop()));
    seen.take()
}

fn told(request: &hyper::Request<Incoming>) -> Seen {
    let lines: Vec<_> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let framing = match request.body().size_hint().exact() {
        Some(0) => Framing::None,
        Some(length) => Framing::Length(length),
        None => Framing::Chunked,
    };
    Seen {
        method: request.method().as_str().into(),
        target: request.uri().to_string().into(),
        minor: u8::from(request.version() != hyper::Version::HTTP_10),
        headers: cgi(&lines),
        framing: Some(framing),
        consumed: 0,
    }
}

/// An empty answer.
pub(crate) struct Nothing;

impl Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}

/// A connection whose client has sent everything and waits.
pub(crate) struct Memory {
    input: Vec<u8>,
    at: usize,
}

impl Memory {
    pub(crate) fn new(input: Vec<u8>) -> Self {
        Self { input, at: 0 }
    }
}

impl Read for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let rest = &self.input[self.at..];
        if rest.is_empty() {
            return Poll::Pending;
        }
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

impl Write for Memory {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
