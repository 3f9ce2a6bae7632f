//! Bounds of requests over HTTP, and what `http-compat` forgives.

use crate::support::{Request, Setup, eventually};

/// Sends bytes on a connection of their own and returns the status of the answer.
#[track_caller]
fn status_of(server: &crate::support::Server, bytes: &[u8]) -> u16 {
    let mut connection = server.connect();
    connection.send(bytes);
    connection.answer(false).status
}

#[test]
fn lines_and_fields_have_limits_by_gunicorns_names() {
    ours_only!("it has no such limits");
    let server = Setup::http()
        .args(["--buffer-size", "16384", "--limit-request-line", "100"])
        .args(["--limit-request-fields", "3", "--limit-request-field_size", "200"])
        .start();
    let get = |target: &str| Request::get(target).header("Connection", "close");
    let line =
        |len: usize| get(&format!("/hello?{}", "q".repeat(len - "GET /hello? HTTP/1.1".len())));
    let field = |len: usize| get("/hello").header("X", &"x".repeat(len - "X: ".len()));
    assert_eq!(status_of(&server, &line(100).to_http()), 200);
    assert_eq!(status_of(&server, &line(101).to_http()), 414);
    assert_eq!(status_of(&server, &field(200).to_http()), 200);
    assert_eq!(status_of(&server, &field(201).to_http()), 431);
    // Host and Connection are two.
    assert_eq!(status_of(&server, &get("/hello").header("A", "1").to_http()), 200);
    assert_eq!(status_of(&server, &get("/hello").header("A", "1").header("A", "1").to_http()), 431);
}

#[test]
fn a_limit_above_buffer_size_is_told() {
    ours_only!("it has no such limits");
    let server = Setup::http().args(["--limit-request-line", "5000"]).start();
    server.wait_for("<*>limit-request-line<*>is never reached<*>4096");
}

#[test]
fn a_connection_ends_after_its_share_of_requests() {
    ours_only!("http-socket has no keep-alive");
    let server = Setup::http().args(["--http-keepalive-requests", "3"]).start();
    let mut connection = server.connect();
    for number in 1..=3 {
        let answer = connection.ask(&Request::get("/hello"));
        assert_eq!(answer.text(), "hello");
        assert_eq!(answer.header("connection"), (number == 3).then_some("close"), "{number}");
    }
    assert_eq!(connection.rest(), b"");
    // All in one go: no more than the share is answered.
    let mut connection = server.connect();
    connection.send(Request::get("/hello").to_http().repeat(5));
    let bytes = String::from_utf8(connection.rest()).unwrap();
    assert_eq!(bytes.matches("HTTP/1.1 200 OK").count(), 3, "{bytes}");
}

#[test]
fn a_body_that_drips_ends_with_its_grace_and_a_slow_one_does_not() {
    ours_only!("each byte starts the clock again");
    let server = Setup::http().args(["--socket-timeout", "1", "--threads", "3"]).start();
    let begin = |length: usize| {
        let mut slow = server.connect();
        slow.send(format!("POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"));
        slow
    };
    // One is waited for before the application runs, one while it runs, and one keeps the pace.
    let (mut small, mut large, mut fair) = (begin(10_000), begin(1_000_000), begin(2_000_000));
    let begun = std::time::Instant::now();
    let (mut sent, mut drops) = (0, 0);
    eventually("the server to give both bodies up", || {
        if begun.elapsed().as_millis() > 500 * drops {
            // Within socket-timeout, each time.
            let _ = (small.try_send(b"x"), large.try_send(b"x"));
            drops += 1;
        }
        fair.send([b'x'; 100]);
        sent += 100;
        server.log.text().matches("POST /body").count() == 2
    });
    assert!(begun.elapsed().as_secs() >= 9, "the grace is ten times socket-timeout");
    for mut slow in [small, large] {
        assert!(slow.answer(false).text().starts_with("OSError: timeout"));
    }
    fair.send(vec![b'x'; 2_000_000 - sent]);
    assert!(fair.answer(false).text().starts_with("2000000 "));
}

#[test]
fn old_clients_are_understood_where_that_is_asked_for() {
    ours_only!("it hangs at bare line feeds");
    let rows: [(&str, u16); 9] = [
        ("GET /hello HTTP/1.1\nHost: h\n\n", 200),
        ("GET /hello HTTP/1.1\r\n\r\n", 200),
        ("GET /hello HTTP/1.1\r\nHost: h\r\nX: 1\r\n 2\r\n\r\n", 200),
        ("GET /hello HTTP/1.1\r\nHost: h\r\nX : 1\r\n\r\n", 200),
        ("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", 200),
        (
            "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
            400,
        ),
        (
            "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("POST /echo HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n1\na\n0\n\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: h\r\nX: \0\r\n\r\n", 400),
    ];
    let (strict, compat) = (Setup::http().start(), Setup::http().arg("--http-compat").start());
    for (bytes, status) in rows {
        assert_eq!(status_of(&compat, bytes.as_bytes()), status, "{bytes:?}");
        assert_eq!(status_of(&strict, bytes.as_bytes()), 400, "{bytes:?}");
    }
    let request = Request::get("/environ").header("Foo_Bar", "1");
    assert_eq!(compat.send(&request).line("HTTP_FOO_BAR"), "'1'");
    assert!(!strict.send(&request).has_line("HTTP_FOO_BAR"));
}
