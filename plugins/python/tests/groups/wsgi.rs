//! PEP 3333: `start_response`, bodies, `close()`, exceptions, files.

use std::path::Path;

use super::{Answer, Server};
use crate::support::{MockBody, MockResponse, plain};

pub fn run(python: &Path) {
    let mut server = Server::probe(python);
    bodies(&mut server);
    start_response(&mut server);
    exceptions(&mut server);
    closings(&mut server);
    disconnects(&mut server);
    slow_clients(&mut server);
    files(&mut server);
}

fn bodies(server: &mut Server) {
    for (path, body, whole, switches) in [
        ("/empty_list", "", Some(0), 1),
        ("/tuple_", "tuple", Some(5), 1),
        ("/bytes_", "bytes", Some(5), 1),
        ("/pieces", "abc", Some(3), 4),
        ("/odd_items", "ac", None, 5),
        ("/nothing", "", None, 1),
        ("/exc_info_none", "ok", Some(2), 1),
        ("/write", "onetwo", None, 1),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.ok(), body, "{path}");
        assert_eq!(answer.response.whole, whole, "{path}");
        assert_eq!(answer.outcome.switches, switches, "{path}");
        assert_eq!(answer.outcome.app, Some(0));
        assert!(answer.response.head_sent, "{path}");
    }
    assert_eq!(server.get("/pieces").response.writes, 1, "small pieces leave together");
    let big = server.get("/big_pieces");
    assert_eq!((big.response.body.len(), big.response.writes), (100_000, 2));
    let lazy = server.get("/lazy");
    assert_eq!((lazy.status(), lazy.text().as_str()), ("201 Made", "onetwo"));
    assert_eq!(lazy.response.headers, [("X-Lazy".into(), "yes".into())]);
    server.host.take_lines();
    server.get("/odd_items");
    let lines = server.host.take_lines();
    assert!(
        lines[0].starts_with("[ERROR] Unhandled object from iterator: 'unicode' (0x"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("[ERROR] Unhandled object from iterator: 7 (0x"), "{lines:?}");
    assert_eq!(server.get("/text_body").ok(), "");
    let lines = server.host.take_lines();
    assert!(matches!(&lines[..], [line] if line.contains("'text'")), "{lines:?}");
    assert_eq!(server.get("/buffers").ok(), "", "only with wsgi-accept-buffer");
}

fn start_response(server: &mut Server) {
    let answer = server.get("/bad_calls");
    let text = answer.ok();
    let expected = [
        "TypeError: http status must be a string",
        "TypeError: http status must be a string",
        "TypeError: http headers must be in a python list",
        "TypeError: http header must be defined in a tuple",
        "TypeError: http header must be a 2-item tuple",
        "TypeError: http header key must be a string",
        "TypeError: http header value must be a string",
        "ValueError: invalid HTTP status line: \"OK\"",
        "ValueError: invalid value of HTTP header A: control characters are not allowed",
        "ValueError: invalid HTTP header name: \"A B\"",
        "UnicodeEncodeError: 'latin-1' codec can't encode character '\\u20ac' in position 0: ordinal not in range(256)",
        "UnicodeEncodeError: 'latin-1' codec can't encode character '\\u20ac' in position 4: ordinal not in range(256)",
        "TypeError: start_response() takes status, headers and optional exc_info",
        "TypeError: exc_info must be a tuple of 3 items",
        "TypeError: start_response() takes status, headers and optional exc_info",
        "TypeError: start_response() takes status, headers and optional exc_info",
        "TypeError: only the server makes these objects",
    ];
    assert_eq!(text.lines().count(), expected.len());
    assert_eq!(answer.response.headers, [("X-Latin".into(), "café".into())]);
    for (line, expected) in text.lines().zip(expected) {
        assert_eq!(line, expected);
    }
}

fn failed(answer: &Answer) -> bool {
    answer.outcome.exception && answer.response.aborted
}

fn exceptions(server: &mut Server) {
    for path in ["/boom", "/no_start", "/no_start_generator", "/twice", "/swallowed", "/write_text"]
    {
        let answer = server.get(path);
        assert!(failed(&answer), "{path}: {:?}", answer.outcome);
        assert!(!answer.response.head_sent, "{path}: the server can still answer 500");
        assert_eq!(answer.text(), "", "{path}");
        assert!(!answer.outcome.end_worker);
    }
    let late = server.get("/boom_late");
    assert!(failed(&late) && late.response.head_sent);
    assert_eq!(late.text(), "a");
    for path in ["/replace", "/replace_by_keyword"] {
        let replaced = server.get(path);
        assert_eq!((replaced.status(), replaced.text().as_str()), ("500 Oops", "replaced"));
        assert!(!replaced.outcome.exception);
        assert!(replaced.response.headers.iter().all(|(name, _)| name != "X-Old"));
    }
    let late = server.get("/replace_late");
    assert!(failed(&late), "the exception comes back out of start_response");
    assert_eq!((late.status(), late.text().as_str()), ("200 OK", "partial"));
    let left = server.get("/leave");
    assert!(failed(&left) && left.outcome.end_worker);
}

fn closings(server: &mut Server) {
    server.get("/closings");
    for path in [
        "close_ok",
        "boom_late",
        "close_no_start",
        "close_raises",
        "close_not_iterable",
        "list_with_close",
    ] {
        let answer = server.get(&format!("/{path}"));
        let fails = !["close_ok", "list_with_close"].contains(&path);
        assert_eq!(answer.outcome.exception, fails, "{path}");
        assert_eq!(server.get("/closings").ok(), path);
    }
    let raised = server.get("/close_raises");
    assert!(!raised.response.aborted && raised.text() == "a", "the answer was complete");
    server.get("/closings");
}

fn disconnects(server: &mut Server) {
    let gone = |after| MockResponse { gone_after: Some(after), ..MockResponse::default() };
    for (path, noted) in [("/close_ok", "close_ok"), ("/generator_closed", "generator_closed")] {
        let answer = server.into(path, gone(1));
        assert!(!answer.outcome.exception, "{path}: a lost client is no fault of the application");
        assert_eq!(server.get("/closings").ok(), noted);
    }
    let answer = server.into("/write_gone", gone(2));
    assert!(answer.outcome.exception);
    assert_eq!(server.get("/closings").ok(), "OSError: write error");
    assert!(!server.into("/tuple_", gone(0)).outcome.exception);
}

fn slow_clients(server: &mut Server) {
    let slow = MockResponse { slow: true, ..MockResponse::default() };
    let answer = server.into("/close_ok", slow);
    assert_eq!(answer.ok(), "ab");
    assert_eq!(answer.response.waits, 2, "waits after each full write");
}

fn files(server: &mut Server) {
    server.get("/closings");
    let source = std::fs::read_to_string("probe.py").unwrap();
    let plain_file = server.get("/file_plain");
    assert_eq!(plain_file.ok(), source);
    assert_eq!(plain_file.response.files, [(0, source.len() as u64)]);
    assert_eq!(plain_file.response.whole, Some(source.len() as u64));
    assert_eq!(server.get("/closings").ok(), "file", "closed once");
    let positioned = server.get("/file_position");
    assert_eq!(positioned.ok(), source[5..]);
    assert_eq!(positioned.response.files, [(5, source.len() as u64 - 5)]);
    let temporary = server.get("/file_temporary");
    assert_eq!((temporary.ok().as_str(), temporary.response.files.len()), ("orary", 1));
    for (path, body) in [("/file_memory", "0123456789"), ("/file_gzip", "unpacked")] {
        let answer = server.get(path);
        assert_eq!(answer.ok(), body, "{path}");
        assert!(answer.response.files.is_empty(), "{path}");
    }
    assert_eq!(server.get("/file_iterated").ok(), "0123.4567.89.");
    assert_eq!(server.get("/file_raw").ok(), source, "a file of a derived class");
    assert_eq!(server.get("/closings").ok(), "file");
    let text = server.get("/file_text");
    assert_eq!(text.text(), "", "text is no body");
    assert!(!text.response.aborted);
}

/// `wsgiref.validate` finds nothing to complain about.
pub fn validate(python: &Path) {
    let mut server = Server::new(python, &[("wsgi-file", "validated.py")]);
    for (method, path, pieces) in [
        ("GET", "/", vec![]),
        ("HEAD", "/", vec![]),
        ("POST", "/x", vec![b"line\nmore".as_slice(), b"\n"]),
    ] {
        let mut vars: Vec<(&str, &[u8])> = plain(path, "q=1");
        vars[0].1 = method.as_bytes();
        let length = pieces.iter().map(|piece| piece.len()).sum::<usize>().to_string();
        vars.push(("CONTENT_LENGTH", length.as_bytes()));
        let answer = server.request(&vars, &mut MockBody::new(&pieces), MockResponse::default());
        assert!(answer.ok().starts_with("valid"), "{method} {path}");
    }
}

pub fn catch_exceptions(python: &Path) {
    let mut server = Server::new(
        python,
        &[("wsgi-file", "probe.py"), ("catch-exceptions", "1"), ("wsgi-accept-buffer", "1")],
    );
    let answer = server.get("/boom");
    assert_eq!(answer.status(), "500 Internal Server Error");
    assert!(answer.outcome.exception && !answer.response.aborted);
    let text = answer.text();
    assert!(text.starts_with("Traceback (most recent call last):\n"), "{text}");
    assert!(text.ends_with("ValueError: boom\n"), "{text}");
    assert!(failed(&server.get("/boom_late")), "nothing can be shown once the head is out");
    assert_eq!(server.get("/buffers").ok(), "abcd");
}
