//! Heads of FastCGI requests: what is answered at once, what is refused, and records in any order.

use uwsgi_protocol::fastcgi::{
    Limits, Piece, Progress, RECORD_BYTES_MAX, StdinDecoder, decode, kinds, sort,
};
use uwsgi_protocol::{Reject, Vars};

const LIMITS: Limits = Limits { head_bytes_max: 4096, vars_max: 16, connections_max: 8 };
const BEGIN: &[u8] = &[0, 1, 1, 0, 0, 0, 0, 0];

fn record(kind: u8, id: u8, content: &[u8], padding: u8) -> Vec<u8> {
    let [high, low] = (content.len() as u16).to_be_bytes();
    let header = [1, kind, 0, id, high, low, padding, 0];
    [&header[..], content, &vec![0xaa; usize::from(padding)]].concat()
}

fn looked_at(input: &[u8]) -> Result<Progress, Reject> {
    decode(input, &LIMITS, &mut Vars::default())
}

/// The variables of the request that the input begins with, as lines, and what follows its head.
fn head(input: &[u8]) -> (String, &[u8]) {
    let mut vars = Vars::default();
    let Ok(Progress::Request(head)) = decode(input, &LIMITS, &mut vars) else {
        panic!("{:?}", looked_at(input));
    };
    let view = vars.view(input);
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let lines =
        view.iter().map(|(name, value)| format!("{}={}\n", text(view.name(name)), text(value)));
    (lines.collect(), &input[head.consumed..])
}

#[test]
fn a_stream_of_parameters_may_be_cut_anywhere() {
    let params = b"\x06\x01HTTP_A1\x80\0\0\x01\x01XY\x06\x01HTTP_A2\x09\x03PATH_INFO/\xc3\xa9";
    let want = "HTTP_A=1, 2\nX=Y\nPATH_INFO=/\u{e9}\n";
    for size in 1..=params.len() {
        for padding in [0, 7] {
            let mut input = record(kinds::BEGIN_REQUEST, 1, BEGIN, padding);
            for piece in params.chunks(size) {
                input.extend(record(kinds::PARAMS, 1, piece, padding));
            }
            input.extend(record(kinds::PARAMS, 1, b"", padding));
            for end in 0..input.len() {
                assert_eq!(looked_at(&input[..end]), Ok(Progress::More), "{size}: {end}");
            }
            assert_eq!(head(&input), (want.to_owned(), &b""[..]), "{size}");
        }
    }
}

#[test]
fn what_a_head_may_hold_back_is_bounded() {
    let begin = record(kinds::BEGIN_REQUEST, 1, BEGIN, 0);
    let cases = [
        (record(kinds::PARAMS, 1, b"\x01", 255), "too_many_records"),
        (record(kinds::PARAMS, 1, &[b'x'; 200], 0), "params_too_big"),
        (record(kinds::PARAMS, 2, &[b'x'; 2000], 0), "too_many_interleaved_records"),
    ];
    for (record, reason) in cases {
        let mut input = begin.clone();
        let refused = loop {
            match looked_at(&input) {
                Ok(progress) => assert_eq!(progress, Progress::More),
                Err(reject) => break reject.reason,
            }
            assert!(input.len() < 512 * 1024, "{reason}: nobody ends it");
            input.extend_from_slice(&record);
        };
        assert_eq!(refused, reason);
    }
}

#[test]
fn questions_of_a_front_end_are_answered_at_once() {
    let asks = b"\x0f\0FCGI_MPXS_CONNS\x03\0new\x0f\0FCGI_MPXS_CONNS\x0e\0FCGI_MAX_CONNS";
    let tells = b"\x0f\x01FCGI_MPXS_CONNS0\x0e\x01FCGI_MAX_CONNS8";
    let unknown_role = [0, 0, 0, 0, 3, 0, 0, 0];
    let cases = [
        (record(kinds::GET_VALUES, 0, asks, 3), record(kinds::GET_VALUES_RESULT, 0, tells, 0)),
        (record(77, 0, b"?", 0), record(kinds::UNKNOWN_TYPE, 0, &[77, 0, 0, 0, 0, 0, 0, 0], 0)),
        (
            record(kinds::BEGIN_REQUEST, 5, &[0, 3, 1, 0, 0, 0, 0, 0], 0),
            record(kinds::END_REQUEST, 5, &unknown_role, 0),
        ),
        // Of a request that is over.
        (record(kinds::STDIN, 9, b"late", 4), Vec::new()),
        (record(kinds::ABORT_REQUEST, 9, b"", 0), Vec::new()),
    ];
    for (asked, reply) in cases {
        let consumed = asked.len();
        let more = [&asked[..], b"\x01\x01"].concat();
        assert_eq!(looked_at(&more), Ok(Progress::Reply { consumed, reply }));
        assert_eq!(looked_at(&asked[..consumed - 1]), Ok(Progress::More));
    }
}

#[test]
fn a_request_that_is_given_up_before_it_is_one_is_ended() {
    let begun = [record(kinds::BEGIN_REQUEST, 1, BEGIN, 0), record(kinds::PARAMS, 1, b"\x01", 0)];
    let input = [&begun.concat()[..], &record(kinds::ABORT_REQUEST, 1, b"", 1)].concat();
    let reply = record(kinds::END_REQUEST, 1, &[0, 0, 0, 1, 0, 0, 0, 0], 0);
    let consumed = input.len();
    assert_eq!(looked_at(&input), Ok(Progress::Reply { consumed, reply }));
}

#[test]
fn interleaved_requests_come_one_after_the_other() {
    let parts = |id: u8, name: &[u8]| {
        let params = [&[2, 0], name].concat();
        [
            record(kinds::BEGIN_REQUEST, id, BEGIN, 0),
            record(kinds::PARAMS, id, &params[..1], id),
            record(kinds::PARAMS, id, &params[1..], 0),
            record(kinds::PARAMS, id, b"", 0),
            record(kinds::STDIN, id, b"", 0),
        ]
    };
    let (first, second) = (parts(1, b"A1"), parts(2, b"B2"));
    let mut input: Vec<u8> =
        first.iter().zip(&second).flat_map(|(a, b)| [&a[..], b].concat()).collect();
    // Behind the first two records, before the head of the first request is whole.
    input.splice(32..32, record(kinds::GET_VALUES, 0, b"", 0));
    let (mut names, mut replies) = (Vec::new(), 0);
    while !input.is_empty() {
        match looked_at(&input).expect("valid") {
            Progress::Interleaved => sort(&mut input),
            Progress::Reply { consumed, reply } => {
                replies += usize::from(!reply.is_empty());
                input.drain(..consumed);
            }
            Progress::Request(found) => {
                names.push(head(&input).0);
                input.drain(..found.consumed);
            }
            Progress::More => panic!("it never ends: {input:?}"),
        }
    }
    assert_eq!((names, replies), (vec!["A1=\n".to_owned(), "B2=\n".to_owned()], 1));
}

#[test]
fn foreign_records_wait_while_a_body_comes() {
    let foreign = record(kinds::STDIN, 2, &[b'f'; 300], 9);
    let body = [
        record(kinds::STDIN, 1, b"hello", 3),
        foreign.clone(),
        record(kinds::DATA, 1, b"of a filter", 5),
        record(kinds::GET_VALUES, 0, b"", 0),
        record(kinds::STDIN, 1, b" world", 0),
        record(kinds::STDIN, 1, b"", 2),
    ]
    .concat();
    for step in [1, 2, 7, 100, body.len()] {
        let (mut decoder, mut at, mut end) = (StdinDecoder::new(1), 0, 0);
        let (mut received, mut kept) = (Vec::new(), Vec::new());
        loop {
            let data = &body[at..end];
            assert!(data.len() < RECORD_BYTES_MAX);
            match decoder.decode(data).expect("valid") {
                Piece::More { consumed } => {
                    at += consumed;
                    assert!(end < body.len(), "it never ends");
                    end = (end + step).min(body.len());
                }
                Piece::Data { skip, len } => {
                    received.extend_from_slice(&data[skip..skip + len]);
                    at += skip + len;
                }
                Piece::Foreign { skip, len } => {
                    kept.extend_from_slice(&data[skip..skip + len]);
                    at += skip + len;
                }
                Piece::End { consumed } => break at += consumed,
                Piece::Abort { .. } => panic!("nobody gave it up"),
            }
        }
        assert_eq!((&received[..], at), (&b"hello world"[..], body.len()), "{step}");
        assert_eq!(kept, [foreign.clone(), record(kinds::GET_VALUES, 0, b"", 0)].concat());
    }
}
