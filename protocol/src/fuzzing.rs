//! Bodies of the fuzz targets, beside the code they test; `protocol/fuzz` and `tests/properties.rs` call them.
//!
//! The property is the same everywhere: no input panics, spans stay inside their buffer, and how the input was cut
//! into reads changes nothing.

use crate::http1::{self, Chunk, ChunkedDecoder, HeadDecoder};
use crate::{Reject, Vars, uwsgi};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn owned(vars: &Vars, head: &[u8]) -> Pairs {
    let view = vars.view(head);
    view.iter().map(|(name, value)| (view.name(name).to_vec(), value.to_vec())).collect()
}

/// A uwsgi packet, whole and cut after `cut` bytes.
pub fn uwsgi_packet(input: &[u8], cut: usize) {
    let limits = uwsgi::Limits { block_bytes_max: 4096, vars_max: 128 };
    let decode = |input: &[u8]| {
        let mut vars = Vars::default();
        uwsgi::decode(input, &limits, &mut vars)
            .map(|head| head.map(|head| (head, owned(&vars, input))))
    };
    let whole = decode(input);
    match decode(&input[..cut.min(input.len())]) {
        Ok(None) => {}
        early => assert_eq!(early, whole, "an answer before the end must be the final one"),
    }
}

/// An HTTP head and a chunked body behind it, whole and cut into pieces of `step` bytes.
pub fn http_stream(input: &[u8], step: usize) {
    let whole = http_events(input, input.len().max(1));
    let pieces = http_events(input, step.max(1));
    // Where the input has several faults, which one is seen first may depend on the cut.
    assert_eq!(
        (&whole.head, &whole.body, whole.complete),
        (&pieces.head, &pieces.body, pieces.complete)
    );
    assert_eq!(whole.error.is_some(), pieces.error.is_some(), "{whole:?} {pieces:?}");
}

#[derive(Debug, PartialEq)]
struct Events {
    head: Option<(http1::Head, Pairs)>,
    body: Vec<u8>,
    complete: bool,
    error: Option<Reject>,
}

fn http_events(input: &[u8], step: usize) -> Events {
    let limits = http1::Limits { line_bytes_max: 512, head_bytes_max: 2048, headers_max: 20 };
    let mut events = Events { head: None, body: Vec::new(), complete: false, error: None };
    let (mut decoder, mut vars, mut end) = (HeadDecoder::default(), Vars::default(), 0);
    while events.head.is_none() && end < input.len() {
        end = (end + step).min(input.len());
        match decoder.decode(&input[..end], &limits, &mut vars) {
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
    let (mut decoder, mut at, mut end) = (ChunkedDecoder::default(), 0, 0);
    loop {
        match decoder.decode(&input[at..end]) {
            Ok(Chunk::Data { skip, len }) => {
                assert!(len > 0);
                events.body.extend_from_slice(&input[at + skip..at + skip + len]);
                at += skip + len;
            }
            Ok(Chunk::End { .. }) => {
                events.complete = true;
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
