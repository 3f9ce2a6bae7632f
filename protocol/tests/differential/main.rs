//! Requests as others read them: wherever two readers accept the same bytes, they see the same request with the same
//! borders, or somebody can be smuggled past one of them.
//!
//! `oracle.rs` holds what is compared; the fuzz target `differential` includes it. The other readers are httparse, with
//! the rules of RFC 9112 for lengths written down once more, and a server of hyper.

mod chunks;
mod grammar;
mod oracle;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn readers_agree(input in grammar::request()) {
        oracle::compare(&input);
    }

    #[test]
    fn readers_agree_on_chunks(body in grammar::chunks()) {
        chunks::compare(&body);
    }
}

#[test]
fn readers_agree_on_known_quarrels_about_chunks() {
    let bodies = [
        "5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5_\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n",
        "5;\r\nhello\r\n0\r\n\r\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "00000005\r\nhello\r\n000\r\n\r\n",
        "00000000000000000000000005\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "-1\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
        "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\n\r\n",
        "5\r\nhello\r\n0\r\n X: y\r\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "0\r\n",
        "",
    ];
    for body in bodies {
        chunks::compare(body.as_bytes());
    }
}

/// Borders on which servers and proxies have disagreed with each other.
#[test]
fn readers_agree_on_known_quarrels() {
    let framings = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: 5,",
        "Content-Length: ,5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 5.0",
        "Content-Length: ",
        "Content-Length: 00000000000000000000005",
        "Content-Length: 9223372036854775807",
        "Content-Length: 9223372036854775808",
        "Content-Length: 18446744073709551615",
        "Content-Length: 18446744073709551617",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: CHUNKED",
        "Transfer-Encoding: \tchunked\t",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: chunked;a=b",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding:",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\0: chunked",
        "X: y\nTransfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "Transfer_Encoding: chunked",
        "Content_Length: 5",
        "Content-Length\u{a0}: 5",
        "Expect: 100-continue\r\nContent-Length: 5",
        "Connection: content-length\r\nContent-Length: 5",
    ];
    for framing in framings {
        for line in
            ["POST / HTTP/1.1", "GET / HTTP/1.1", "POST / HTTP/1.0", "HEAD http://h/ HTTP/1.1"]
        {
            for host in ["Host: h\r\n", ""] {
                oracle::compare(format!("{line}\r\n{host}{framing}\r\n\r\n").as_bytes());
                oracle::compare(format!("{line}\r\n{framing}\r\n{host}\r\n").as_bytes());
            }
        }
    }
}

/// The comparison would see a difference.
#[test]
fn the_comparison_is_not_idle() {
    let counted = |input: &str| oracle::compare(input.as_bytes());
    let all = counted("POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nX: y\r\n\r\n");
    assert!(all.ours && all.httparse && all.hyper, "{all:?}");
    let none = counted("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 6\r\n\r\n");
    assert!(!none.ours && !none.hyper, "{none:?}");
    let compat = counted("GET / HTTP/1.1\nHost: h\n\n");
    assert!(!compat.ours && compat.compat && compat.httparse, "{compat:?}");
    let body = chunks::compare(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n");
    assert_eq!(body, Some((b"abcde".to_vec(), true)), "and the next request");
}
