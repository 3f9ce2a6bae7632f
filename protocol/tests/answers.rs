//! Answers as a client or a front end sees them.
#![allow(clippy::unwrap_used)] // what is unwrapped is what the test is about

use uwsgi_protocol::http1::{BodyFraming, End, HeadError, ResponseEncoder, Rules, Version, Wire};

const HTTP11: Rules = Rules {
    wire: Wire::Http,
    version: Version::Http11,
    head_request: false,
    keep_alive: true,
    delimited: false,
};
const HTTP10: Rules = Rules { version: Version::Http10, ..HTTP11 };
const HEAD: Rules = Rules { head_request: true, ..HTTP11 };
const UWSGI: Rules = Rules { wire: Wire::Front, ..HTTP11 };
const CGI: Rules = Rules { wire: Wire::Cgi, ..HTTP11 };

/// The answer to an application that gave this status, these headers and this body in one piece, its length being
/// told or not. The date is `D`.
fn answer(rules: Rules, status: &str, headers: &[(&str, &str)], body: &str, told: bool) -> String {
    let (head, body, _) = encode(rules, status, headers, body, told);
    format!("{head}{body}")
}

fn encode(
    rules: Rules,
    status: &str,
    headers: &[(&str, &str)],
    body: &str,
    told: bool,
) -> (String, String, End) {
    let mut encoder = ResponseEncoder::default();
    encoder.reset(rules);
    encoder.start(status.as_bytes()).unwrap();
    for (name, value) in headers {
        encoder.header(name.as_bytes(), value.as_bytes()).unwrap();
    }
    if told {
        encoder.whole_body(body.len() as u64);
    }
    encoder.seal(b"D");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let head = text(encoder.head());
    let frame = encoder.frame(body.as_bytes());
    let mut sent = [frame.prefix(), frame.data, frame.suffix].concat();
    let end = encoder.end();
    sent.extend_from_slice(end.tail);
    (head, text(&sent), end)
}

#[test]
fn the_client_always_learns_where_the_body_ends() {
    let ok = |rules, told| answer(rules, "200 OK", &[], "hello", told);
    let cases = [
        (ok(HTTP11, true), "1.1 200 OK|Date: D|Content-Length: 5||hello"),
        (ok(HTTP11, false), "1.1 200 OK|Date: D|Transfer-Encoding: chunked||5|hello|0||"),
        (ok(HTTP10, true), "1.1 200 OK|Date: D|Content-Length: 5|Connection: keep-alive||hello"),
        (ok(HTTP10, false), "1.1 200 OK|Date: D|Connection: close||hello"),
        (ok(UWSGI, true), "1.1 200 OK|Content-Length: 5||hello"),
        (ok(UWSGI, false), "1.1 200 OK||hello"),
        (
            ok(Rules { version: Version::Http10, ..UWSGI }, true),
            "1.0 200 OK|Content-Length: 5||hello",
        ),
        (ok(HEAD, true), "1.1 200 OK|Date: D|Content-Length: 5||"),
        (ok(HEAD, false), "1.1 200 OK|Date: D||"),
        // What an application sends for HEAD may be empty; the length of GET's body is not known then.
        (answer(HEAD, "200 OK", &[], "", true), "1.1 200 OK|Date: D||"),
        (answer(HTTP11, "200 OK", &[], "", true), "1.1 200 OK|Date: D|Content-Length: 0||"),
        (
            answer(HTTP11, "200 OK", &[], "", false),
            "1.1 200 OK|Date: D|Transfer-Encoding: chunked||0||",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, format!("HTTP/{}", expected.replace('|', "\r\n")));
    }
}

#[test]
fn some_answers_have_no_body() {
    let length = [("Content-Length", "5")];
    for (status, expected) in [
        ("204 No Content", "HTTP/1.1 204 No Content\r\nDate: D\r\n\r\n"),
        ("304 Not Modified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nDate: D\r\n\r\n"),
        ("102 X", "HTTP/1.1 102 X\r\nDate: D\r\nConnection: close\r\n\r\n"),
    ] {
        assert_eq!(answer(HTTP11, status, &length, "hello", true), expected);
    }
    assert_eq!(
        answer(HTTP11, "304 Not Modified", &[], "hello", true),
        "HTTP/1.1 304 Not Modified\r\nDate: D\r\n\r\n"
    );
}

#[test]
fn the_announced_length_is_kept_to() {
    let length = [("content-length", "3"), ("Content-Length", "003")];
    let (head, body, end) = encode(HTTP11, "200 OK", &length, "hello", true);
    assert_eq!(head, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nDate: D\r\n\r\n");
    assert_eq!((body.as_str(), end.missing, end.keep_alive), ("hel", 0, true));
    let (_, body, end) = encode(HTTP11, "200 OK", &length, "he", false);
    assert_eq!((body.as_str(), end.missing, end.keep_alive), ("he", 1, false));
    let (_, _, end) = encode(HEAD, "200 OK", &length, "", false);
    assert_eq!((end.missing, end.keep_alive), (0, true), "HEAD sends none of it");

    let mut encoder = ResponseEncoder::default();
    encoder.reset(HTTP11);
    encoder.start(b"200 OK").unwrap();
    encoder.header(b"Content-Length", b"3").unwrap();
    for bad in ["4", "", "-1", "3, 3", "3x", "99999999999999999999"] {
        let refused = encoder.header(b"Content-Length", bad.as_bytes());
        assert_eq!(refused, Err(HeadError::BadLength(bad.to_owned())));
    }
    assert_eq!(encoder.seal(b""), BodyFraming::Length(3));
    let file = encoder.file_frame(5);
    assert_eq!((file.len, file.dropped), (3, 2));
}

#[test]
fn the_connection_is_the_servers_matter() {
    let hop_by_hop = [
        ("Keep-Alive", "timeout=5"),
        ("Transfer-Encoding", "gzip"),
        ("Upgrade", "h2c"),
        ("TE", "trailers"),
        ("Trailer", "X"),
        ("Proxy-Authenticate", "x"),
        ("proxy-connection", "x"),
        ("Connection", "x"),
    ];
    for rules in [HTTP11, UWSGI] {
        let found = answer(rules, "200 OK", &hop_by_hop, "", true);
        let date = if rules.wire == Wire::Http { "Date: D\r\n" } else { "" };
        assert_eq!(found, format!("HTTP/1.1 200 OK\r\n{date}Content-Length: 0\r\n\r\n"));
    }
    let closes = [("Connection", "x, Close"), ("Date", "mine")];
    let (head, _, end) = encode(HTTP11, "200 OK", &closes, "", true);
    assert_eq!(
        head,
        "HTTP/1.1 200 OK\r\nDate: mine\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    assert!(!end.keep_alive);
}

#[test]
fn heads_are_checked() {
    let mut encoder = ResponseEncoder::new(64);
    encoder.reset(HTTP11);
    for bad in ["", "20", "abc OK", "099 X", "600 X", "200OK", "200 a\r\nb", "200 \0", "+20 X"] {
        let refused = encoder.start(bad.as_bytes());
        assert_eq!(refused, Err(HeadError::BadStatus(bad.to_owned())));
        assert!(!encoder.started() && encoder.head().is_empty(), "{bad:?}");
    }
    assert!(encoder.header(b"A", b"b").is_err(), "there is no head to put it in");
    assert_eq!(encoder.start(&[b"200 ", &[b'x'; 64][..]].concat()), Err(HeadError::TooLarge(64)));
    encoder.start(b"200").unwrap();
    for bad in ["", "a b", "a:", "a\r\n", "\u{e9}", "a\0"] {
        let refused = encoder.header(bad.as_bytes(), b"x");
        assert_eq!(refused, Err(HeadError::BadName(bad.to_owned())));
    }
    for bad in ["a\r\nb", "a\n", "\r", "\0", "\u{7f}"] {
        let refused = encoder.header(b"X", bad.as_bytes());
        assert_eq!(refused, Err(HeadError::BadValue("X".to_owned())));
    }
    encoder.header(b"X", b"\ta\xe9 b ").unwrap();
    assert_eq!(encoder.header(b"Y", &[b'y'; 40]), Err(HeadError::TooLarge(64)));
    encoder.seal(b"D");
    let expected =
        b"HTTP/1.1 200 \r\nX: \ta\xe9 b \r\nDate: D\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(encoder.head(), expected);
    assert_eq!(encoder.start(b"500 X"), Err(HeadError::AlreadySent));
    assert_eq!(encoder.header(b"A", b"b"), Err(HeadError::AlreadySent));
    assert_eq!(encoder.head(), expected, "what was sent stays");
}

#[test]
fn a_head_can_be_begun_anew_until_it_is_sent() {
    let mut encoder = ResponseEncoder::default();
    encoder.reset(HTTP11);
    encoder.start(b"200 OK").unwrap();
    encoder.header(b"Connection", b"close").unwrap();
    encoder.header(b"Content-Length", b"9").unwrap();
    encoder.start(b"500 Oops").unwrap();
    encoder.whole_body(1);
    encoder.seal(b"D");
    assert_eq!(encoder.head(), b"HTTP/1.1 500 Oops\r\nDate: D\r\nContent-Length: 1\r\n\r\n");
    encoder.reset(HTTP10);
    assert!(!encoder.started() && encoder.head().is_empty());
}

#[test]
fn the_log_counts_what_the_application_gave() {
    let mut encoder = ResponseEncoder::default();
    encoder.reset(HTTP11);
    encoder.start(b"200 OK").unwrap();
    encoder.header(b"Content-Type", b"text/plain").unwrap();
    encoder.seal(b"D");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n";
    let facts = (encoder.status(), encoder.app_headers(), encoder.app_head_bytes());
    assert_eq!(facts, (200, 1, head.len()));
}

#[test]
fn a_front_end_that_speaks_cgi_gets_a_status_header() {
    let ok = |told| answer(CGI, "200 OK", &[("X", "y")], "hello", told);
    assert_eq!(ok(true), "Status: 200 OK\r\nX: y\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(ok(false), "Status: 200 OK\r\nX: y\r\n\r\nhello");
    let ready_made = b"HTTP/1.1 404 Not Found\r\n\r\n";
    let (before, rest) = Wire::Cgi.dress(ready_made);
    assert_eq!([before, rest].concat(), b"Status: 404 Not Found\r\n\r\n");
    assert_eq!(Wire::Front.dress(ready_made), (&b""[..], &ready_made[..]));
}

#[test]
fn a_connection_is_kept_where_the_end_of_the_answer_is_known() {
    let kept = |rules, told| encode(rules, "200 OK", &[], "hello", told).2.keep_alive;
    assert!(kept(UWSGI, true), "persistent uwsgi");
    assert!(!kept(UWSGI, false));
    let fastcgi = Rules { delimited: true, ..CGI };
    assert!(kept(fastcgi, true) && kept(fastcgi, false));
    assert!(!kept(Rules { keep_alive: false, ..fastcgi }, true));
}

#[test]
fn what_follows_another_protocol_is_not_framed() {
    let delimited = Rules { delimited: true, ..UWSGI };
    for (rules, line) in
        [(HTTP11, "HTTP/1.1"), (UWSGI, "HTTP/1.1"), (delimited, "HTTP/1.1"), (CGI, "Status:")]
    {
        let mut encoder = ResponseEncoder::default();
        encoder.reset(rules);
        encoder.start(b"101 Switching Protocols").unwrap();
        encoder.header(b"Upgrade", b"the application's is dropped").unwrap();
        encoder.switch(b"websocket");
        assert_eq!(encoder.seal(b""), BodyFraming::UntilClose);
        let head = format!(
            "{line} 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        );
        assert_eq!(String::from_utf8_lossy(encoder.head()), head);
        let frame = encoder.frame(b"bytes");
        assert_eq!((frame.prefix(), frame.data, frame.suffix), (&b""[..], &b"bytes"[..], &b""[..]));
        assert!(!encoder.is_complete());
        assert_eq!(encoder.end(), End { tail: b"", keep_alive: false, missing: 0 });
    }
}
