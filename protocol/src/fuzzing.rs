//! Bodies of the fuzz targets, beside the code they test; `protocol/fuzz` and `tests/properties.rs` call them.
//!
//! The properties are the same everywhere: no input panics, spans stay inside their buffer, and how the input was
//! cut into reads changes nothing, not even which of several faults is told.

use std::net::IpAddr;

use crate::fastcgi::{self, Piece, Progress, StdinDecoder};
use crate::forwarded::{XForwarded, forwarded, x_forwarded};
use crate::http1::{
    self, Chunk, ChunkLimits, ChunkedDecoder, HeadDecoder, ResponseEncoder, Rules, Strictness,
    Version, Wire,
};
use crate::mongrel2::tnetstring::{self, Value};
use crate::mongrel2::{self, Headers, control, message, reply};
use crate::sniff::{self, Guess};
use crate::websocket::{self, Event, Fault};
use crate::{Reject, Vars, cluster, proxy, scgi, uwsgi};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Small, so that inputs reach them.
const HEAD: http1::Limits = http1::Limits {
    line_bytes_max: 64,
    field_bytes_max: 64,
    head_bytes_max: 256,
    headers_max: 6,
    ..http1::Limits::DEFAULT
};
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
    for strictness in [Strictness::Strict, Strictness::Compat] {
        let limits = http1::Limits { strictness, ..HEAD };
        let whole = http_events(input, input.len().max(1), &limits);
        let pieces = http_events(input, step.max(1), &limits);
        assert_eq!(whole, pieces);
    }
}

#[derive(Debug, Default, PartialEq)]
struct Events {
    head: Option<(http1::Head, Pairs)>,
    body: Vec<u8>,
    /// Bytes of the body on the wire, where it came to its end.
    body_end: Option<usize>,
    error: Option<Reject>,
}

fn http_events(input: &[u8], step: usize, limits: &http1::Limits) -> Events {
    let mut events = Events::default();
    let (mut decoder, mut vars, mut end) = (HeadDecoder::default(), Vars::default(), 0);
    while events.head.is_none() && end < input.len() {
        end = (end + step).min(input.len());
        match decoder.decode(&input[..end], limits, &mut vars) {
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

/// A message of Mongrel2, of a handler, of the control port: what is whole is not whole before its end, and what
/// was read can be written and read again.
pub fn mongrel2_message(input: &[u8], cut: usize) {
    const LIMITS: mongrel2::Limits =
        mongrel2::Limits { head_bytes_max: 256, body_bytes_max: 64, fields_max: 6 };
    let early = &input[..cut.min(input.len().saturating_sub(1))];
    if let Ok(message) = message::decode(input, &LIMITS) {
        assert!(message::decode(early, &LIMITS).is_err(), "a message ends where it ends");
        if let Headers::Tnet(dict) = message.headers {
            let fields: Vec<_> = message::fields(dict, &LIMITS).collect();
            let faults = fields.iter().filter(|field| field.is_err()).count();
            assert!(faults == 0 || faults == 1 && fields.last().is_some_and(Result::is_err));
            assert!(fields.len() - faults <= LIMITS.fields_max);
        }
        let mut answer = Vec::new();
        assert!(reply::head(message.sender, &[message.id], &mut answer));
        let read = reply::decode(&answer).map(|reply| (reply.sender, reply.ids));
        assert_eq!(read, Ok((message.sender, vec![message.id])));
    }
    if let Ok(reply) = reply::decode(input) {
        let mut again = Vec::new();
        if !reply.extended {
            assert!(reply::head(reply.sender, &reply.ids, &mut again));
            again.extend_from_slice(reply.body);
            assert_eq!(reply::decode(&again), Ok(reply));
        }
    }
    if let Ok(control::Answer::Table { headers, rows }) = control::answer(input) {
        assert!(headers.chain(rows).count() < input.len());
    }
    if let Ok(value) = tnetstring::read(input) {
        assert!(tnetstring::read(early).is_err(), "a value ends where it ends");
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        if write_value(value, &mut once).is_ok() {
            let again = tnetstring::read(&once).and_then(|value| write_value(value, &mut twice));
            assert_eq!((again, &twice), (Ok(()), &once));
        }
    }
}

fn write_value(value: Value<'_>, out: &mut Vec<u8>) -> Result<(), Reject> {
    let mut fault = Ok(());
    match value {
        Value::Bytes(bytes) => tnetstring::bytes(bytes, out),
        Value::Integer(number) => tnetstring::integer(number, out),
        Value::Float(number) => tnetstring::float(number, out),
        Value::Bool(value) => tnetstring::boolean(value, out),
        Value::Null => tnetstring::null(out),
        Value::List(mut list) => tnetstring::list(out, |out| {
            fault = list.try_for_each(|value| write_value(value?, out));
        }),
        Value::Dict(mut dict) => tnetstring::dict(out, |out| {
            fault = dict.try_for_each(|pair| {
                let (name, value) = pair?;
                tnetstring::bytes(name, out);
                write_value(value, out)
            });
        }),
    }
    fault
}

/// A datagram of an old cluster: what follows its packet changes nothing, what is missing of it is a fault, and what was understood can be sent
/// on, where it is not too long for that.
pub fn cluster_datagram(input: &[u8], cut: usize) {
    let Ok(datagram) = cluster::decode(input) else { return };
    let packet = uwsgi::HEADER_BYTES + uwsgi::header(input).map_or(0, |header| header.datasize);
    assert_eq!(cluster::decode(&input[..packet]).as_ref(), Ok(&datagram), "trailing bytes");
    let early = cluster::decode(&input[..cut.min(packet - 1)]);
    assert!(early.is_err(), "{early:?}");
    match datagram.encode() {
        Some(again) => {
            assert!(again.len() <= cluster::DATAGRAM_BYTES_MAX);
            assert_eq!(cluster::decode(&again), Ok(datagram));
        }
        None => assert!(packet > cluster::DATAGRAM_BYTES_MAX),
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

/// Frames of a client, whole and cut into pieces of `step` bytes; and what was understood, written and read again.
pub fn websocket_frames(input: &[u8], step: usize) {
    const BYTES_MAX: usize = 200;
    let read = |step: usize| {
        let mut reader = websocket::Reader::new(BYTES_MAX);
        let mut events = Vec::new();
        for mut piece in input.chunks(step.max(1)) {
            while !piece.is_empty() {
                match reader.read(piece) {
                    Ok((used, event)) => {
                        assert!(used > 0 && used <= piece.len(), "it goes on, within its bytes");
                        piece = &piece[used..];
                        events.extend(event);
                    }
                    Err(fault) => {
                        assert_eq!(reader.read(piece), Err(fault), "a fault stays");
                        return (events, Some(fault));
                    }
                }
            }
        }
        (events, None)
    };
    let whole = read(input.len());
    assert_eq!(whole, read(step), "however it is cut");
    whole.0.iter().for_each(written_again);
    if let Some(Fault::TooLarge { size, max }) = whole.1 {
        assert!(size > max as u64);
    }
}

/// What was read can be sent, and has the same payload then.
fn written_again(event: &Event) {
    let mut out = Vec::new();
    let payload = match event {
        Event::Message(kind, payload) => {
            websocket::frame((*kind).into(), payload, &mut out);
            payload.clone()
        }
        Event::Ping(payload) | Event::Pong(payload) => {
            websocket::frame(websocket::Opcode::Pong, payload, &mut out);
            payload.clone()
        }
        Event::Close(None) => {
            websocket::close(None, "", &mut out);
            Vec::new()
        }
        Event::Close(Some((code, reason))) => {
            websocket::close(Some(*code), reason, &mut out);
            [&code.to_be_bytes(), reason.as_bytes()].concat()
        }
    };
    assert!(out.ends_with(&payload) && out.len() <= payload.len() + 10);
}
