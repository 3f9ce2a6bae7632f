//! The fuzz targets' properties on generated input, in every test run.

use proptest::prelude::*;
use uwsgi_protocol::fuzzing;

/// Text that looks like HTTP often enough to get past the first line.
fn http_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "GET / HTTP/1.1\r\n",
        "POST /a%2fb?q HTTP/1.1\r\n",
        "HEAD http://h/x HTTP/1.0\r\n",
        "Host: h\r\n",
        "\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 3\r\n",
        "X-A: b\r\n",
        "x-a:c\r\n",
        "Cookie: a\r\n",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "a;x=y\r\n",
        "\n",
        "\r",
        " ",
        ":",
        "\0",
        "Connection: close, upgrade\r\n",
        "Expect: 100-continue\r\n",
    ]);
    prop::collection::vec(
        prop_oneof![9 => piece.prop_map(|text| text.as_bytes().to_vec()), 1 => any::<Vec<u8>>()],
        0..14,
    )
    .prop_map(|pieces| pieces.concat())
}

/// Pairs with now and then a wrong length.
fn packet_like() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "REQUEST_METHOD",
        "HTTP_HOST",
        "CONTENT_LENGTH",
        "X",
        "HTTP_COOKIE",
        "",
    ]);
    let value = prop::sample::select(vec!["GET", "h", "12", "", "1x", "99999999999999999999"]);
    let pairs = prop::collection::vec((name, value, 0u16..40), 0..10);
    (pairs, any::<u8>(), 0usize..40).prop_map(|(pairs, modifier, shift)| {
        let mut block = Vec::new();
        for (name, value, fault) in pairs {
            for text in [name, value] {
                let len = text.len() as u16 + if fault == 0 { 1 } else { 0 };
                block.extend_from_slice(&len.to_le_bytes());
                block.extend_from_slice(text.as_bytes());
            }
        }
        let size = (block.len() + usize::from(shift == 0)) as u16;
        let mut packet = vec![modifier, size.to_le_bytes()[0], size.to_le_bytes()[1], 0];
        packet.extend_from_slice(&block);
        packet
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn http_does_not_depend_on_how_it_is_cut(input in http_like(), step in 1usize..40) {
        fuzzing::http_stream(&input, step);
    }

    #[test]
    fn any_bytes_are_survived(input in any::<Vec<u8>>(), step in 1usize..40) {
        fuzzing::http_stream(&input, step);
        fuzzing::uwsgi_packet(&input, step);
    }

    #[test]
    fn packets_do_not_depend_on_how_they_are_cut(input in packet_like(), cut in 0usize..300) {
        fuzzing::uwsgi_packet(&input, cut);
    }
}
