//! Requests by a grammar, and what becomes of them by accident or intent.

use proptest::prelude::*;
use proptest::sample::{Index, select};

const METHODS: &[&str] =
    &["GET", "POST", "HEAD", "OPTIONS", "CONNECT", "PUT", "M-SEARCH", "get", "G T", ""];
const TARGETS: &[&str] = &[
    "/",
    "/a/b?c=d",
    "/%41%2f",
    "//h/a",
    "/a#b",
    "*",
    "h:80",
    "http://h",
    "http://h:8/a?b",
    "https://h?q",
    "http://u@h/",
    "a",
    "",
    "/a b",
    "/\u{e9}",
    "/\"<>",
    "ftp://h/",
    "/a\\b",
    "/{x}|y^`",
];
const VERSIONS: &[&str] =
    &["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.10", "HTTP/1", ""];
const NAMES: &[&str] = &[
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Expect",
    "X-A",
    "x-a",
    "X_A",
    "Cookie",
    "Accept",
    "Content-Type",
    "Upgrade",
    "Proxy",
    "Content_Length",
    "transfer-encoding",
    "CONTENT-LENGTH",
    "Te",
    "X.B!",
    "",
    "X A",
    "X\t",
];
const VALUES: &[&str] = &[
    "h",
    "h:80",
    "[::1]:8",
    "h, i",
    "5",
    "05",
    "5, 5",
    "5,6",
    "+5",
    " 5 ",
    "0",
    "9223372036854775808",
    "chunked",
    "Chunked ",
    "gzip, chunked",
    "chunked, chunked",
    "chunked,",
    "identity",
    "close",
    "keep-alive, Upgrade",
    "100-continue",
    "websocket",
    "",
    "a\tb",
    "\u{e9}",
    "a\u{1}",
    "a\u{7f}",
    "\u{b}chunked",
    "x, close ",
];
/// Nearly always the right one.
const LINE_ENDS: &[&str] =
    &["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r"];
const COLONS: &[&str] = &[": ", ": ", ": ", ": ", ":", ":\t ", " : ", " "];
const FOLDS: &[&str] = &["", "", "", "", "", "", "\r\n ", "\r\n\t"];
const SPACES: &[&str] = &[" ", " ", " ", " ", " ", " ", "  ", "\t"];

fn text(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
    // The first choice is the usual one.
    prop_oneof![3 => Just(choices[0]), 2 => select(choices)].prop_map(str::to_owned)
}

fn any_of(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(choices).prop_map(str::to_owned)
}

fn field() -> impl Strategy<Value = String> {
    (any_of(NAMES), any_of(COLONS), any_of(VALUES), any_of(FOLDS), any_of(LINE_ENDS))
        .prop_map(|(name, colon, value, fold, end)| name + &colon + &fold + &value + &end)
}

/// What likely goes together.
fn good_field() -> impl Strategy<Value = String> {
    select(
        &[
            "Host: h\r\n",
            "Content-Length: 5\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Connection: close\r\n",
            "X-A: 1\r\n",
            "Accept: */*\r\n",
            "Cookie: a=b\r\n",
            "Expect: 100-continue\r\n",
        ][..],
    )
    .prop_map(str::to_owned)
}

fn head() -> impl Strategy<Value = Vec<u8>> {
    let line = (
        text(METHODS),
        any_of(SPACES),
        text(TARGETS),
        any_of(SPACES),
        text(VERSIONS),
        any_of(LINE_ENDS),
    )
        .prop_map(|(method, space, target, space2, version, end)| {
            method + &space + &target + &space2 + &version + &end
        });
    let host = prop_oneof![4 => Just("Host: h\r\n".to_owned()), 1 => Just(String::new())];
    let fields = prop::collection::vec(prop_oneof![3 => good_field(), 2 => field()], 0..6);
    let start = select(&["", "", "", "", "", "\r\n", "\n", " "][..]);
    (start, line, host, fields, any_of(LINE_ENDS)).prop_map(|(start, line, host, fields, end)| {
        (start.to_owned() + &line + &host + &fields.concat() + &end).into_bytes()
    })
}

/// A head, whole or with a byte changed, taken out or put in.
pub(super) fn request() -> impl Strategy<Value = Vec<u8>> {
    let bytes = select(
        &[b'\0', b'\t', b'\n', b'\r', b' ', b':', b',', b';', b'a', b'5', 0x0b, 0x7f, 0x85, 0xff][..],
    );
    (head(), 0..8u8, any::<Index>(), bytes).prop_map(|(mut head, change, at, byte)| {
        let at = at.index(head.len().max(1)).min(head.len().saturating_sub(1));
        match change {
            0 if !head.is_empty() => head[at] = byte,
            1 if !head.is_empty() => drop(head.remove(at)),
            2 => head.insert(at, byte),
            _ => {}
        }
        head
    })
}

/// Bodies in chunks, mostly good ones.
pub(super) fn chunks() -> impl Strategy<Value = Vec<u8>> {
    const SIZES: &[&str] = &[
        "5",
        "5",
        "5",
        "5",
        "05",
        "0005",
        "0",
        "5 ",
        " 5",
        "+5",
        "0x5",
        "5\t",
        "5,",
        "ffffffffffffffff",
        "",
    ];
    const EXTENSIONS: &[&str] =
        &["", "", "", "", ";a", ";a=b", " ;a=\"b\"", ";", ";\u{e9}", ";a\nb", ";\0"];
    const DATA: &[&str] =
        &["hello", "hello", "hello", "hello", "hell", "hello!", "0\r\n\r\n", "\r\n\r\n\r"];
    const TRAILERS: &[&str] =
        &["", "", "", "X: y", "Host: h", "X", " X: y", "X : y", "X: \u{1}", ": y"];
    let chunk =
        (any_of(SIZES), any_of(EXTENSIONS), any_of(LINE_ENDS), any_of(DATA), any_of(LINE_ENDS))
            .prop_map(|(size, extension, end, data, end2)| {
                size + &extension + &end + &data + &end2
            });
    let good = Just("5\r\nhello\r\n".to_owned());
    let chunks = prop::collection::vec(prop_oneof![2 => good, 1 => chunk], 0..4);
    let last = (any_of(LINE_ENDS), any_of(TRAILERS), any_of(LINE_ENDS), any_of(LINE_ENDS))
        .prop_map(|(end, trailer, end2, end3)| {
            let trailer = if trailer.is_empty() { trailer } else { trailer + &end2 };
            "0".to_owned() + &end + &trailer + &end3
        });
    (chunks, last).prop_map(|(chunks, last)| (chunks.concat() + &last).into_bytes())
}
