//! Request heads: limits at their edges, the forms of a target, and what becomes of header names.
#![allow(clippy::unwrap_used)] // what is unwrapped is what the test is about

use uwsgi_protocol::http1::{Framing, Head, HeadDecoder, Limits, Version};
use uwsgi_protocol::{Reject, Vars};

const LIMITS: Limits = Limits::DEFAULT;

type Environ = Vec<(String, String)>;

/// Decodes `input` as one read and byte by byte; both must give the same.
fn decode(input: &str, limits: &Limits) -> Result<Option<(Head, Environ)>, Reject> {
    let input = input.as_bytes();
    let (mut decoder, mut vars) = (HeadDecoder::default(), Vars::default());
    let whole = decoder.decode(input, limits, &mut vars);
    let view = vars.view(input);
    let text = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
    let environ = view.iter().map(|(name, value)| (text(view.name(name)), text(value))).collect();
    let mut cut = Ok(None);
    for end in 0..=input.len() {
        cut = decoder.decode(&input[..end], limits, &mut vars);
        if !matches!(cut, Ok(None)) {
            break;
        }
    }
    assert_eq!(cut, whole, "byte by byte");
    whole.map(|head| head.map(|head| (head, environ)))
}

fn environ(input: &str) -> Environ {
    decode(input, &LIMITS).unwrap().unwrap().1
}

fn value(environ: &Environ, name: &str) -> Option<String> {
    environ.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
}

#[test]
fn a_head_may_fill_the_limit_and_not_a_byte_more() {
    let head = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let limits = |head_bytes_max| Limits { head_bytes_max, ..LIMITS };
    for start in ["", "\r\n"] {
        let input = format!("{start}{head}");
        assert!(decode(&input, &limits(head.len())).unwrap().is_some(), "{input:?}");
        let too_big = Err(Reject::new(431, "headers_too_big"));
        assert_eq!(decode(&input, &limits(head.len() - 1)), too_big, "{input:?}");
        // A buffer of that size that is full would wait for ever.
        assert_eq!(decode(&input[..input.len() - 1], &limits(head.len() - 1)), too_big);
    }
    // What does not even hold the request line has a target that is too long.
    assert_eq!(decode(head, &limits(15)), Err(Reject::new(414, "line_too_long")));
}

#[test]
fn lines_and_headers_may_fill_their_limits() {
    let limits = Limits { line_bytes_max: 20, field_bytes_max: 20, headers_max: 3, ..LIMITS };
    let fits = "GET /aaaaaa HTTP/1.1\r\nHost: hhhhhhhhhhhhhh\r\nA: 1\r\nB: 2\r\n\r\n";
    assert!(decode(fits, &limits).unwrap().is_some());
    let refused = [
        ("GET /aaaaaaa HTTP/1.1", 414, "line_too_long"),
        ("GET / HTTP/1.1\r\nHost: hhhhhhhhhhhhhhh", 431, "line_too_long"),
        ("GET / HTTP/1.1\r\nA: 1\r\nA_: 1\r\nA: 1\r\nA: 1\r\n", 431, "too_many_headers"),
    ];
    for (input, status, reason) in refused {
        for rest in ["", "\r\n", "\r\n\r\n"] {
            let input = format!("{input}{rest}");
            assert_eq!(decode(&input, &limits), Err(Reject::new(status, reason)), "{input:?}");
        }
    }
}

#[test]
fn targets() {
    let cases = [
        // target, REQUEST_URI, PATH_INFO, QUERY_STRING
        ("GET /", "/", "/", ""),
        ("GET /a?", "/a?", "/a", ""),
        ("GET /a?b?c=%20", "/a?b?c=%20", "/a", "b?c=%20"),
        ("GET /%41%2f%zz%4", "/%41%2f%zz%4", "/A/%zz%4", ""),
        ("GET /%E9%", "/%E9%", "/\u{e9}%", ""),
        ("GET //a/../b;c", "//a/../b;c", "//a/../b;c", ""),
        ("GET http://h", "/", "/", ""),
        ("GET http://h?q", "/?q", "/", "q"),
        ("GET HTTPS://h:8/a%20b?q", "/a%20b?q", "/a b", "q"),
        ("OPTIONS *", "*", "", ""),
        ("OPTIONS http://h", "/", "/", ""),
        ("CONNECT h:80", "h:80", "", ""),
        ("CONNECT [::1]:80", "[::1]:80", "", ""),
    ];
    for (line, uri, path, query) in cases {
        let found = environ(&format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let method = line.split(' ').next().unwrap();
        let names =
            ["REQUEST_METHOD", "REQUEST_URI", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL"];
        let expected = [method, uri, path, query, "HTTP/1.1"];
        for (found, (name, value)) in found.iter().zip(names.into_iter().zip(expected)) {
            assert_eq!((found.0.as_str(), found.1.as_str()), (name, value), "{line}");
        }
    }
    for target in ["h", "ftp://h/", "http://", "http:///a", "http://u@h/", "http://:80/", "*"] {
        let input = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(decode(&input, &LIMITS), Err(Reject::new(400, "bad_target")), "{target}");
    }
}

#[test]
fn the_authority_of_an_absolute_target_takes_the_place_of_host() {
    let found = environ("GET http://other:8/ HTTP/1.1\r\nA: 1\r\nHost: h\r\n\r\n");
    assert_eq!(
        found[5..],
        [("HTTP_A".to_owned(), "1".to_owned()), ("HTTP_HOST".to_owned(), "other:8".to_owned()),]
    );
    let found = environ("GET http://other/ HTTP/1.0\r\n\r\n");
    assert_eq!(value(&found, "HTTP_HOST").as_deref(), Some("other"), "1.0 needs no Host");
}

#[test]
fn names_become_variables_by_the_rules_of_cgi() {
    let found = environ(concat!(
        "POST / HTTP/1.2\r\nhOsT: h\r\ncontent-TYPE: a/b\r\nContent-Length: 007\r\n",
        "Content_Length: 8\r\nX_A: no\r\nx-a: 1\r\nProxy: evil\r\nX-a:\t2 \r\nCookie: a\r\n",
        "X.B: 3\r\ncookie: b\r\nX-A:\r\n\r\n"
    ));
    let expected = [
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("HTTP_HOST", "h"),
        ("CONTENT_TYPE", "a/b"),
        ("CONTENT_LENGTH", "007"),
        ("HTTP_X_A", "1, 2, "),
        ("HTTP_COOKIE", "a; b"),
        ("HTTP_X.B", "3"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(found[4..], expected);
}

#[test]
fn what_a_head_says_about_its_connection() {
    let head = |text: &str| {
        let (version, headers) = text.split_once(' ').unwrap_or((text, ""));
        let host = if version == "1.1" { "Host: h\r\n" } else { "" };
        let headers = headers.replace(" | ", "\r\n");
        let end = if headers.is_empty() { "" } else { "\r\n" };
        decode(&format!("GET / HTTP/{version}\r\n{host}{headers}{end}\r\n"), &LIMITS)
            .map(|head| head.unwrap().0)
    };
    assert_eq!(head("1.0").unwrap().version, Version::Http10);
    for (text, keep_alive) in [
        ("1.1", true),
        ("1.1 Connection: x, CLOSE", false),
        ("1.1 Connection: keep-alive | Connection: close", false),
        ("1.0", false),
        ("1.0 Connection: keep-alive", true),
        ("1.0 Connection: x , Keep-Alive", true),
        ("1.0 Connection: keep-alive, close", false),
    ] {
        assert_eq!(head(text).unwrap().keep_alive, keep_alive, "{text}");
    }
    for (text, expects) in [
        ("1.1 Expect: 100-Continue | Content-Length: 1", true),
        ("1.1 Expect: 100-continue | Content-Length: 0", true),
        ("1.1 Expect: 100-continue", false),
        ("1.0 Expect: 100-continue | Content-Length: 1", false),
        ("1.0 Expect: more | Content-Length: 1", false),
    ] {
        assert_eq!(head(text).unwrap().expect_continue, expects, "{text}");
    }
    let unknown = Err(Reject::new(417, "unknown_expectation"));
    assert_eq!(head("1.1 Expect: 100-continue | Expect: 100-continue"), unknown);
    for (text, upgrade) in [
        ("1.1 Upgrade: websocket | Connection: keep-alive, Upgrade", true),
        ("1.1 Upgrade: websocket", false),
        ("1.1 Connection: upgrade", false),
        ("1.0 Upgrade: websocket | Connection: upgrade", false),
    ] {
        assert_eq!(head(text).unwrap().upgrade, upgrade, "{text}");
    }
    assert_eq!(head("1.1 Content-Length: 12").unwrap().framing, Framing::Length(12));
    assert_eq!(head("1.1 Transfer-Encoding: Chunked").unwrap().framing, Framing::Chunked);
}
