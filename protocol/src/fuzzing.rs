//! Bodies of the fuzz targets, beside the code they test; `protocol/fuzz` and `tests/properties.rs` call them.
//!
//! The properties are the same everywhere: no input panics, spans stay inside their buffer, and how the input was
//! cut into reads changes nothing, not even which of several faults is told.

use std::net::IpAddr;

use crate::fastcgi::{self, Piece, Progress, StdinDecoder};
use crate::forwarded::{XForwarded, forwarded, x_forwarded};
use crate::http1::{
    self, Chunk, ChunkLimits, ChunkedDecoder, HeadDecoder, ResponseEncoder, Rules, Version, Wire,
};
use crate::sniff::{self, Guess};
use crate::{Reject, Vars, proxy, scgi, uwsgi};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Small, so that inputs reach them.
const HEAD: http1::Limits =
    http1::Limits { line_bytes_max: 64, head_bytes_max: 256, headers_max: 6 };
const BODY: ChunkLimits = ChunkLimits {
    line_bytes_max: 24,
    body_bytes_max: 64,
    trailer_line_bytes_max: 24,
    trailers_bytes_max: 64,
};
const PACKET: uwsgi::Limits = uwsgi::Limits { block_bytes_max: 512, vars_max: 16 };

fn owned(vars: &Vars, head: &[u8]) -> Pairs {
    let view = vars.view(head);
    view.iter().map(|(name, value)| (view.name(name).to_vec(), value.to_vec())).collect()
}

/// A uwsgi packet, whole and cut after `cut` bytes.
///
/// # Panics
/// Where a property does not hold; so do the others.
pub fn uwsgi_packet(input: &[u8], cut: usize) {
    let decode = |input: &[u8]| {
        let mut vars = Vars::default();
        uwsgi::decode(input, &PACKET, &mut vars)
            .map(|head| head.map(|head| (head, owned(&vars, input))))
    };
    let whole = decode(input);
    match decode(&input[..cut.min(input.len())]) {
        Ok(None) => {}
        early => assert_eq!(early, whole, "an answer before the end must be the final one"),
    }
    if let Ok(Some((head, vars))) = whole {
        encoded_again(head.modifier1, &vars);
    }
}

/// What was decoded can be sent on, and is the same at the other end.
fn encoded_again(modifier1: u8, vars: &Pairs) {
    let pairs: Vec<(&[u8], &[u8])> =
        vars.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
    let (mut packet, mut again) = (Vec::new(), Vars::default());
    // Joined values may be longer than what came.
    if uwsgi::encode(modifier1, 0, &pairs, &mut packet) {
        let wide = uwsgi::Limits { block_bytes_max: usize::MAX, ..PACKET };
        let head = uwsgi::decode(&packet, &wide, &mut again);
        assert!(matches!(head, Ok(Some(_))), "{head:?}");
        assert_eq!(owned(&again, &packet), *vars);
    }
}

/// An HTTP head and a chunked body behind it, whole and cut into pieces of `step` bytes.
pub fn http_stream(input: &[u8], step: usize) {
    let whole = http_events(input, input.len().max(1));
    let pieces = http_events(input, step.max(1));
    assert_eq!(whole, pieces);
}

#[derive(Debug, Default, PartialEq)]
struct Events {
    head: Option<(http1::Head, Pairs)>,
    body: Vec<u8>,
    /// Bytes of the body on the wire, where it came to its end.
    body_end: Option<usize>,
    error: Option<Reject>,
}

fn http_events(input: &[u8], step: usize) -> Events {
    let mut events = Events::default();
    let (mut decoder, mut vars, mut end) = (HeadDecoder::default(), Vars::default(), 0);
    while events.head.is_none() && end < input.len() {
        end = (end + step).min(input.len());
        match decoder.decode(&input[..end], &HEAD, &mut vars) {
            Ok(head) => events.head = head.map(|head| (head, owned(&vars, &input[..end]))),
            Err(error) => {
                events.error = Some(error);
                return events;
            }
        }
    }
    if let Some((head, _)) = &events.head
        && head.framing == http1::Framing::Chunked
    {
        chunks(&input[head.consumed..], step, &mut events);
    }
    events
}

fn chunks(input: &[u8], step: usize, events: &mut Events) {
    let (mut decoder, mut at, mut end) = (ChunkedDecoder::new(BODY), 0, 0);
    loop {
        match decoder.decode(&input[at..end]) {
            Ok(Chunk::Data { skip, len }) => {
                assert!(len > 0);
                events.body.extend_from_slice(&input[at + skip..at + skip + len]);
                at += skip + len;
            }
            Ok(Chunk::End { consumed }) => {
                events.body_end = Some(at + consumed);
                return;
            }
            Ok(Chunk::More { consumed }) => {
                at += consumed;
                if end == input.len() {
                    return;
                }
                end = (end + step).min(input.len());
            }
            Err(error) => {
                events.error = Some(error);
                return;
            }
        }
    }
}

/// An answer made of whatever an application gives: a head of as many lines as were written, and a body that a
/// client reads back. `fields` are status, then names and values by turns; `parts` is the body.
pub fn answer(fields: &[&[u8]], parts: &[&[u8]], head_request: bool, http11: bool) {
    let version = if http11 { Version::Http11 } else { Version::Http10 };
    let rules = Rules { head_request, keep_alive: true, ..Rules::last(Wire::Http, version) };
    let mut encoder = ResponseEncoder::new(4096);
    encoder.reset(rules);
    let [status, headers @ ..] = fields else { return };
    if encoder.start(status).is_err() {
        assert!(encoder.head().is_empty() && !encoder.started());
        return;
    }
    for pair in headers.chunks_exact(2) {
        let before = encoder.head().len();
        if encoder.header(pair[0], pair[1]).is_err() {
            assert_eq!(encoder.head().len(), before, "a refused header leaves no trace");
        }
    }
    encoder.seal(b"Sun, 06 Nov 1994 08:49:37 GMT");
    let head = encoder.head().to_vec();
    let lines: Vec<&[u8]> = head.split(|byte| *byte == b'\n').collect();
    let [lines @ .., b"\r", b""] = &lines[..] else { panic!("{head:?}") };
    assert!(lines.iter().all(|line| line.len() > 1 && line.ends_with(b"\r")), "{head:?}");
    assert!(lines.iter().all(|line| !line[..line.len() - 1].contains(&b'\r')), "{head:?}");
    let mut wire = Vec::new();
    for part in parts {
        let frame = encoder.frame(part);
        assert_eq!(frame.data, &part[..frame.data.len()]);
        for bytes in [frame.prefix(), frame.data, frame.suffix] {
            wire.extend_from_slice(bytes);
        }
    }
    let end = encoder.end();
    wire.extend_from_slice(end.tail);
    let chunked = lines.contains(&&b"Transfer-Encoding: chunked\r"[..]);
    if chunked {
        let (mut events, body) = (Events::default(), parts.concat());
        let mut decoder = ChunkedDecoder::default();
        let mut at = 0;
        while let Ok(Chunk::Data { skip, len }) = decoder.decode(&wire[at..]) {
            events.body.extend_from_slice(&wire[at + skip..at + skip + len]);
            at += skip + len;
        }
        assert_eq!(decoder.decode(b""), Ok(Chunk::End { consumed: 0 }), "the body is complete");
        assert_eq!(events.body, body);
    } else {
        assert!(parts.concat().starts_with(&wire), "{wire:?}");
    }
    let bodiless = head_request || matches!(encoder.status(), 0..200 | 204 | 304);
    assert!(wire.is_empty() || !bodiless);
}

/// An SCGI request, whole and cut after `cut` bytes.
pub fn scgi_request(input: &[u8], cut: usize) {
    const LIMITS: scgi::Limits = scgi::Limits { head_bytes_max: 512, vars_max: 16 };
    let decode = |input: &[u8]| {
        let mut vars = Vars::default();
        let head = scgi::decode(input, &LIMITS, &mut vars);
        head.map(|head| head.map(|head| (head, owned(&vars, input))))
    };
    let whole = decode(input);
    match decode(&input[..cut.min(input.len())]) {
        Ok(None) => {}
        early => assert_eq!(early, whole, "an answer before the end must be the final one"),
    }
}

/// A FastCGI conversation in steps of `step` bytes: the requests that the application sees do not depend on them.
/// Which of several faults is seen, and whether one comes before an answer, may: requests interleave.
pub fn fastcgi_conversation(input: &[u8], step: usize) {
    let whole = FastCgi::read(input, input.len().max(1));
    let cut = FastCgi::read(input, step.max(1));
    if !whole.failed && !cut.failed {
        assert_eq!(cut.requests, whole.requests, "in steps of {step}");
    }
}

/// What came of a conversation.
#[derive(Debug, Default)]
struct FastCgi {
    requests: Vec<FastCgiRequest>,
    /// Records that wait for the end of the present body.
    foreign: Vec<u8>,
    failed: bool,
}

/// Request id, whether the connection is kept, the announced length, variables; the body and how it ended.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FastCgiRequest {
    head: (u16, bool, Option<u64>, Pairs),
    body: Vec<u8>,
    end: Option<bool>,
}

impl FastCgi {
    fn read(input: &[u8], step: usize) -> Self {
        let (mut seen, mut held, mut body) = (Self::default(), Vec::new(), None);
        'input: for piece in input.chunks(step) {
            held.extend_from_slice(piece);
            loop {
                match seen.advance(&mut held, &mut body) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(_) => {
                        seen.failed = true;
                        break 'input;
                    }
                }
            }
        }
        seen.requests.sort();
        seen
    }

    fn advance(
        &mut self,
        held: &mut Vec<u8>,
        body: &mut Option<StdinDecoder>,
    ) -> Result<bool, Reject> {
        const LIMITS: fastcgi::Limits =
            fastcgi::Limits { head_bytes_max: 512, vars_max: 16, connections_max: 3 };
        let Some(decoder) = body else {
            let mut vars = Vars::default();
            match fastcgi::decode(held, &LIMITS, &mut vars)? {
                Progress::More => return Ok(false),
                Progress::Interleaved => {
                    fastcgi::sort(held);
                    let again = fastcgi::decode(held, &LIMITS, &mut vars);
                    assert_ne!(again, Ok(Progress::Interleaved), "no progress");
                }
                Progress::Reply { consumed, reply } => {
                    assert!(consumed > 0, "no progress");
                    held.drain(..consumed);
                    assert!(reply.is_empty() || fastcgi::record_len(&reply) == Some(reply.len()));
                }
                Progress::Request(head) => {
                    let fastcgi::Head { consumed, request_id, keep_conn, content_length } = head;
                    let vars = owned(&vars, held);
                    let head = (request_id, keep_conn, content_length, vars);
                    self.requests.push(FastCgiRequest { head, body: Vec::new(), end: None });
                    held.drain(..consumed);
                    *body = Some(StdinDecoder::new(request_id));
                }
            }
            return Ok(true);
        };
        let Some(request) = self.requests.last_mut() else { return Ok(false) };
        let (consumed, end) = match decoder.decode(held)? {
            Piece::More { consumed } => {
                held.drain(..consumed);
                return Ok(false);
            }
            Piece::Data { skip, len } => {
                assert!(len > 0);
                request.body.extend_from_slice(&held[skip..skip + len]);
                (skip + len, None)
            }
            Piece::Foreign { skip, len } => {
                self.foreign.extend_from_slice(&held[skip..skip + len]);
                (skip + len, None)
            }
            Piece::End { consumed } => (consumed, Some(true)),
            Piece::Abort { consumed } => (consumed, Some(false)),
        };
        held.drain(..consumed);
        if end.is_some() {
            request.end = end;
            *body = None;
            held.splice(..0, self.foreign.drain(..));
        }
        Ok(true)
    }
}

/// The first bytes of a connection: what they show does not change with what follows.
pub fn first_bytes(input: &[u8]) {
    let mut known = None;
    for end in 0..=input.len().min(2 * sniff::BYTES_MAX) {
        let guess = sniff::recognize(&input[..end]);
        match known {
            None if guess == Guess::More => {
                assert!(end < sniff::BYTES_MAX, "it is never certain");
            }
            None => known = Some(guess),
            Some(known) => assert_eq!(guess, known, "after {end} bytes"),
        }
    }
}

/// A header of the PROXY protocol, whole and cut after `cut` bytes.
pub fn proxy_header(input: &[u8], cut: usize) {
    let whole = proxy::decode(input);
    match proxy::decode(&input[..cut.min(input.len())]) {
        Ok(None) => {}
        early => assert_eq!(early, whole, "an answer before the end must be the final one"),
    }
    if let Ok(Some(header)) = whole {
        assert!(header.consumed <= input.len());
        assert_eq!(
            proxy::decode(&input[..header.consumed]),
            whole,
            "what follows is not looked at"
        );
    }
}

/// What a client writes stands left of what proxies append, and changes nothing of what those say.
pub fn forwarded_headers(input: &[u8]) {
    let trusted = |ip: &IpAddr| matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 10);
    let behind = |own: &[u8]| [input, b",", own].concat();
    for own in [
        &b"for=192.0.2.9;proto=https;host=a"[..],
        b" For=\"[2001:db8::1]:4711\";ext=\"a,b\" , for=10.0.0.1 ",
        b"for=_hidden;proto=http, for=10.0.0.1",
        b"nonsense, for=10.0.0.1;host=b",
    ] {
        assert_eq!(forwarded(&behind(own), trusted), forwarded(own, trusted));
    }
    for own in [&b"192.0.2.9"[..], b"[2001:db8::1]:4711, 10.0.0.1", b"unknown, 10.0.0.1"] {
        let as_sent = |addresses, proto, host| {
            let (addresses, proto, host) = (Some(addresses), Some(proto), Some(host));
            x_forwarded(&XForwarded { addresses, proto, ssl: None, host }, trusted)
        };
        let (proto, host) = (&b"https, http"[..], &b"a:81, b"[..]);
        let (left, left_proto, left_host) = (behind(own), behind(proto), behind(host));
        assert_eq!(as_sent(&left, &left_proto, &left_host), as_sent(own, proto, host));
    }
    forwarded(input, |_| true);
    x_forwarded(&XForwarded { addresses: Some(input), ..XForwarded::default() }, |_| true);
}
