//! The fuzz targets' properties on generated input, in every test run; and agreement with another parser.

use proptest::prelude::*;
use uwsgi_protocol::Vars;
use uwsgi_protocol::fuzzing;
use uwsgi_protocol::http1::{HeadDecoder, Limits};

/// Pieces of requests, right and wrong.
const PIECES: [&str; 36] = [
    "GET / HTTP/1.1\r\n",
    "POST /a%2fb?q HTTP/1.1\r\n",
    "HEAD http://h/x HTTP/1.0\r\n",
    "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n",
    "Host: h\r\n",
    "Host: h\r\n\r\n",
    "\r\n",
    "\r\n\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\n\r\n",
    "Content-Length: 3\r\n",
    "X-A: b\r\n",
    "x-a:c\r\n",
    "X_A: c\r\n",
    "Proxy: c\r\n",
    "Cookie: a\r\n",
    "Connection: close, upgrade\r\n",
    "Expect: 100-continue\r\n",
    "5\r\nhello\r\n",
    "5;a=\"b\"\r\nhello\r\n",
    "40\r\n",
    "0\r\n\r\n",
    "0\r\nX: y\r\n\r\n",
    "0\r\nHost: y\r\n",
    "a;x=y\r\n",
    "5 \r\n",
    "fffffffffffffffff\r\n",
    " folded\r\n",
    "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: b\r\n",
    "\n",
    "\r",
    " ",
    ":",
    "\0",
    "\t",
    "\u{ff}",
];

/// Text that looks like HTTP often enough to get past the first line.
fn http_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(&PIECES[..]).prop_map(|text| text.as_bytes().to_vec());
    let start = prop::sample::select(&["", "GET / HTTP/1.1\r\nHost: h\r\n", "\r\n"][..]);
    let end = prop_oneof![4 => Just(vec![]), 1 => any::<Vec<u8>>()];
    (start, prop::collection::vec(piece, 0..14), end)
        .prop_map(|(start, pieces, end)| [start.as_bytes(), &pieces.concat(), &end].concat())
}

/// Pairs with now and then a wrong length.
fn packet_like() -> impl Strategy<Value = Vec<u8>> {
    let names = ["REQUEST_METHOD", "HTTP_HOST", "CONTENT_LENGTH", "X", "HTTP_X", "HTTP_COOKIE", ""];
    let values = ["GET", "h", "12", "", "1x", "99999999999999999999"];
    let pair =
        (prop::sample::select(names.to_vec()), prop::sample::select(values.to_vec()), 0u16..40);
    let pairs = prop::collection::vec(pair.boxed(), 0..20);
    (pairs, any::<u8>(), 0usize..40).prop_map(|(pairs, modifier, shift)| {
        let mut block = Vec::new();
        for (name, value, fault) in pairs {
            for text in [name, value] {
                let len = text.len() as u16 + u16::from(fault == 0);
                block.extend_from_slice(&len.to_le_bytes());
                block.extend_from_slice(text.as_bytes());
            }
        }
        let [low, high] = ((block.len() + usize::from(shift == 0)) as u16).to_le_bytes();
        [&[modifier, low, high, 0], &block[..]].concat()
    })
}

/// Records of two requests, and now and then of none, in any order.
fn records() -> impl Strategy<Value = Vec<u8>> {
    let contents: [&[u8]; 8] = [
        b"",
        b"\0\x01\x01\0\0\0\0\0",
        b"\0\x01\0\0\0\0\0\0",
        b"\0\x02\0\0\0\0\0\0",
        b"\x01\x02Xyz",
        b"\x0e\x031CONTENT_LENGTH-1",
        b"\x80\0\0\x06\x01HTTP_X1\x06\x01HTTP_X2",
        b"\x0f\0FCGI_MPXS_CONNS",
    ];
    let content = prop::sample::select(contents.to_vec());
    let kind = prop::sample::select(vec![1_u8, 1, 1, 4, 4, 4, 4, 5, 5, 5, 2, 9, 8, 77, 6]);
    let record = (kind, 0_u8..4, content, 0_u8..3);
    prop::collection::vec(record, 0..14).prop_map(|records| {
        let bytes = records.into_iter().flat_map(|(kind, id, content, padding)| {
            // Mostly the first one.
            let id = [1, 1, 2, 0][usize::from(id)];
            let mut record = vec![1, kind, 0, id, 0, content.len() as u8, padding, 0];
            record.extend_from_slice(content);
            record.resize(record.len() + usize::from(padding), 0);
            record
        });
        bytes.collect()
    })
}

/// Netstrings with now and then a wrong length.
fn netstring_like() -> impl Strategy<Value = Vec<u8>> {
    let words = ["CONTENT_LENGTH", "3", "SCGI", "1", "HTTP_X", "a", "", "-1"];
    let word = prop::sample::select(words.to_vec());
    (prop::collection::vec(word, 0..10), 0usize..9).prop_map(|(words, shift)| {
        let block: Vec<u8> =
            words.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
        let len = block.len() + usize::from(shift == 0);
        [format!("{len}:").as_bytes(), &block, b",abc"].concat()
    })
}

/// Headers of the PROXY protocol, right and wrong.
fn proxy_like() -> impl Strategy<Value = Vec<u8>> {
    let words = ["TCP4", "TCP6", "UNKNOWN", "192.0.2.1", "::1", "80", "65536", "01", "", "\r"];
    let word = prop::sample::select(words.to_vec());
    let line = (prop::collection::vec(word, 0..7), 0usize..9).prop_map(|(words, shift)| {
        let end = if shift == 0 { "\n" } else { "\r\n" };
        format!("PROXY {}{end}GET", words.join(" ")).into_bytes()
    });
    let kind = prop::sample::select(vec![0x20_u8, 0x21, 0x22, 0x11]);
    let family = prop::sample::select(vec![0_u8, 0x11, 0x12, 0x21, 0x31, 0x41]);
    let tlv = (0_u8..5, 0u16..6).prop_map(|(kind, len)| [kind, 0, len as u8, 1, 2, 3, 4]);
    let tlvs = prop::collection::vec(tlv, 0..4);
    let binary = (kind, family, 0usize..40, tlvs).prop_map(|(kind, family, len, tlvs)| {
        let body = [&vec![7; len][..], tlvs.as_flattened()].concat();
        let len = body.len() as u8;
        [b"\r\n\r\n\0\r\nQUIT\n", &[kind, family, 0, len][..], &body, b"GET"].concat()
    });
    prop_oneof![line, binary]
}

/// Values of forwarded headers, broken ones among them.
fn forwarded_like() -> impl Strategy<Value = Vec<u8>> {
    let pieces =
        ["for=", "10.0.0.2", "192.0.2.1", "\"", "\\", ",", ";", " ", "proto=", "https", "[::1]"];
    let piece = prop::sample::select(pieces.to_vec());
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

/// What applications give, now and then with bytes that must not get into a head.
/// Frames of clients, now and then without a mask, with odd bits or in the wrong order.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(&[0x81u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x88, 0x89, 0x8a][..]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        4 => any::<String>().prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..130),
        1 => Just(vec![0x03, 0xe8, b'b']),
    ];
    let frame = (first, prop::bool::weighted(0.95), payload, any::<[u8; 4]>()).prop_map(
        |(first, masked, payload, mask)| {
            let mut frame = vec![first];
            let bit = if masked { 0x80 } else { 0 };
            if payload.len() < 126 {
                frame.push(bit | payload.len() as u8);
            } else {
                frame.push(bit | 126);
                frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
            }
            if masked {
                frame.extend_from_slice(&mask);
            }
            frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
            frame
        },
    );
    prop::collection::vec(frame, 0..8).prop_map(|frames| frames.concat())
}

/// Datagrams of old clusters, with now and then a wrong size, action or field.
fn cluster_like() -> impl Strategy<Value = Vec<u8>> {
    let names = ["hostname", "address", "workers", "requests", "socket", ""];
    let values = ["n", "192.0.2.1:3031", ":3031", "3", "0", "", "1.2.3:4", "999999999999999999"];
    let pair = (prop::sample::select(names.to_vec()), prop::sample::select(values.to_vec()));
    let node = prop::collection::vec(pair, 0..7).prop_map(|pairs| {
        let part = |text: &str| [&(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
        pairs.iter().flat_map(|(name, value)| [part(name), part(value)].concat()).collect()
    });
    let complete = Just(
        [&b"\x08\0hostname\x01\0n\x07\0address\x05\0:3031"[..], b"\x07\0workers\x01\x003"].concat(),
    );
    let block = prop_oneof![2 => node, 2 => complete, 1 => any::<Vec<u8>>()];
    let modifier1 = prop_oneof![4 => Just(95u8), 4 => 95u8..101, 1 => 72u8..76];
    let size = prop_oneof![8 => Just(0i32), 1 => -3..3i32];
    let parts = (modifier1, 0u8..5, size, block, any::<u8>());
    parts.prop_map(|(modifier1, modifier2, wrong, mut block, trailing)| {
        let size = (block.len() as i32 + wrong).max(0) as u16;
        let [low, high] = size.to_le_bytes();
        block.extend(vec![b'z'; usize::from(trailing) % 4]);
        [&[modifier1, low, high, modifier2], &*block].concat()
    })
}

fn head_text() -> impl Strategy<Value = Vec<u8>> {
    let texts = [
        "200 OK",
        "204 No",
        "304 Not",
        "100 C",
        "404 ",
        "Content-Length",
        "3",
        "0",
        "Connection",
        "close",
        "X-A",
        "Date",
        "Transfer-Encoding",
        "chunked",
        "a\r\nb",
        "a\nb",
        "",
        "99",
    ];
    let text = prop::sample::select(texts.to_vec()).prop_map(|text| text.as_bytes().to_vec());
    prop_oneof![9 => text, 1 => any::<Vec<u8>>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn http_does_not_depend_on_how_it_is_cut(input in http_like(), step in 1usize..300) {
        fuzzing::http_stream(&input, step);
        fuzzing::http_stream(&input, 1);
    }

    #[test]
    fn any_bytes_are_survived(input in any::<Vec<u8>>(), step in 1usize..40) {
        fuzzing::http_stream(&input, step);
        fuzzing::uwsgi_packet(&input, step);
        fuzzing::scgi_request(&input, step);
        fuzzing::fastcgi_conversation(&input, step);
        fuzzing::proxy_header(&input, step);
        fuzzing::forwarded_headers(&input);
        fuzzing::websocket_frames(&input, step);
        fuzzing::cluster_datagram(&input, step);
    }

    #[test]
    fn datagrams_of_clusters_end_where_they_end(input in cluster_like(), cut in 0usize..200) {
        fuzzing::cluster_datagram(&input, cut);
    }

    #[test]
    fn frames_do_not_depend_on_how_they_are_cut(input in frames(), step in 1usize..60) {
        fuzzing::websocket_frames(&input, step);
        fuzzing::websocket_frames(&input, 1);
    }

    #[test]
    fn packets_do_not_depend_on_how_they_are_cut(input in packet_like(), cut in 0usize..300) {
        fuzzing::uwsgi_packet(&input, cut);
    }

    #[test]
    fn conversations_do_not_depend_on_how_they_are_cut(input in records(), step in 1usize..60) {
        fuzzing::fastcgi_conversation(&input, step);
        fuzzing::fastcgi_conversation(&input, 1);
    }

    #[test]
    fn netstrings_do_not_depend_on_how_they_are_cut(input in netstring_like(), cut in 0usize..200) {
        fuzzing::scgi_request(&input, cut);
    }

    #[test]
    fn proxy_headers_do_not_depend_on_how_they_are_cut(input in proxy_like(), cut in 0usize..120) {
        fuzzing::proxy_header(&input, cut);
    }

    #[test]
    fn what_a_client_writes_of_its_origin_changes_nothing(input in forwarded_like()) {
        fuzzing::forwarded_headers(&input);
    }

    #[test]
    fn what_is_recognized_stays_so(input in prop_oneof![
        http_like(), packet_like(), records(), netstring_like(), any::<Vec<u8>>(),
    ]) {
        fuzzing::first_bytes(&input);
    }

    #[test]
    fn answers_are_well_formed_whatever_the_application_gives(
        status in prop_oneof![Just(b"200 OK".to_vec()), head_text()],
        headers in prop::collection::vec(head_text(), 0..8),
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..4),
        head_request in any::<bool>(),
        http11 in any::<bool>(),
    ) {
        let fields: Vec<&[u8]> = [&status].into_iter().chain(&headers).map(Vec::as_slice).collect();
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        fuzzing::answer(&fields, &parts, head_request, http11);
    }

    /// We refuse more than httparse; what we accept it accepts, and reads as we do.
    #[test]
    fn another_parser_reads_what_is_accepted_in_the_same_way(input in http_like()) {
        let limits = Limits::DEFAULT;
        let mut vars = Vars::default();
        if let Ok(Some(head)) = HeadDecoder::default().decode(&input, &limits, &mut vars) {
            let mut headers = [httparse::EMPTY_HEADER; 100];
            let mut request = httparse::Request::new(&mut headers);
            let parsed = request.parse(&input);
            prop_assert_eq!(parsed, Ok(httparse::Status::Complete(head.consumed)));
            let view = vars.view(&input);
            prop_assert_eq!(view.find(b"REQUEST_METHOD"), request.method.map(str::as_bytes));
            for header in request.headers {
                let name = header.name.to_uppercase().replace('-', "_");
                if header.name.contains('_') || name == "PROXY" {
                    continue;
                }
                let bare = matches!(name.as_str(), "CONTENT_LENGTH" | "CONTENT_TYPE");
                let name = if bare { name } else { format!("HTTP_{name}") };
                let found = view.find(name.as_bytes()).unwrap_or_default();
                let is_part = found.is_empty() && header.value.is_empty()
                    || found.windows(header.value.len().max(1)).any(|part| part == header.value);
                prop_assert!(is_part, "{}: {:?}", name, found);
            }
        }
    }
}
