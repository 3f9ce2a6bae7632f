//! Chunked bodies as we and hyper read them: the same bytes, and the next request at the same place.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Waker};

use hyper::body::{Body, Incoming};
use uwsgi_protocol::Vars;
use uwsgi_protocol::http1::{Chunk, ChunkedDecoder, HeadDecoder, Limits};

use super::oracle::{Memory, Nothing};

const HEAD: &str = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
/// Behind the body. Who finds it has found the body's end.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";

/// Why we refuse what hyper reads.
const STRICTER: &[(&str, &str)] = &[
    (
        "bad_chunk_size",
        "hyper passes over blanks behind a size; they belong in front of an extension (RFC 9112, 7.1.1)",
    ),
    ("forbidden_trailer", "RFC 9110, 6.5.1"),
    ("bare_lf", "hyper takes one for the end of a trailer"),
];

/// Data of a body, and whether the next request was found behind it.
pub(super) type Read = (Vec<u8>, bool);

/// Reads a body in both ways; what both see.
///
/// # Panics
/// Where the two disagree.
pub(super) fn compare(body: &[u8]) -> Option<Read> {
    let input = [HEAD.as_bytes(), body, NEXT.as_bytes()].concat();
    let show = || String::from_utf8_lossy(body).into_owned();
    match (ours(&input[HEAD.len()..]), hyper(input.clone())) {
        (Ok(Some(ours)), Some(theirs)) => {
            assert_eq!(ours, theirs, "{:?}", show());
            return Some(ours);
        }
        (Ok(Some(_)), None) => panic!("hyper refuses {:?}", show()),
        (Err(fault), Some(_)) => {
            let known = STRICTER.iter().any(|(reason, _)| *reason == fault);
            assert!(known, "{fault}: {:?}", show());
        }
        // Not even at the end of all input.
        (Ok(None), Some(theirs)) => panic!("only hyper sees an end: {theirs:?} {:?}", show()),
        (_, None) => {}
    }
    None
}

/// `None` where the body has no end.
fn ours(input: &[u8]) -> Result<Option<Read>, &'static str> {
    let (mut decoder, mut data, mut at) = (ChunkedDecoder::default(), Vec::new(), 0);
    loop {
        match decoder.decode(&input[at..]).map_err(|reject| reject.reason)? {
            Chunk::Data { skip, len } => {
                data.extend_from_slice(&input[at + skip..at + skip + len]);
                at += skip + len;
            }
            Chunk::More { .. } => return Ok(None),
            Chunk::End { consumed } => {
                let (rest, mut vars) = (&input[at + consumed..], Vars::default());
                let head = HeadDecoder::default().decode(rest, &Limits::DEFAULT, &mut vars);
                let target = vars.view(rest).find(b"PATH_INFO") == Some(b"/next");
                return Ok(Some((data, matches!(head, Ok(Some(_))) && target)));
            }
        }
    }
}

/// `None` where the body was not read to an end.
fn hyper(input: Vec<u8>) -> Option<Read> {
    let read = Rc::new(RefCell::new(None));
    let sink = read.clone();
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let sink = sink.clone();
        async move {
            if request.uri().path() == "/next" {
                if let Some((_, next)) = &mut *sink.borrow_mut() {
                    *next = true;
                }
            } else if let Some(data) = whole(request.into_body()).await {
                sink.borrow_mut().get_or_insert((data, false));
            }
            Ok::<_, Infallible>(hyper::Response::new(Nothing))
        }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(Memory::new(input), service);
    let mut connection = pin!(connection);
    // All input is there: a few turns are enough for what wakes itself.
    for _ in 0..8 {
        if connection.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            break;
        }
    }
    read.take()
}

async fn whole(mut body: Incoming) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(bytes) = frame.ok()?.into_data() {
            data.extend_from_slice(&bytes);
        }
    }
    Some(data)
}
