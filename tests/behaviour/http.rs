//! HTTP/1.1 on the wire.

use crate::support::{Connection, Request, Server, Setup};

/// Sends bytes on a connection of their own and returns the status of the answer.
#[track_caller]
fn status_of(server: &Server, bytes: &[u8]) -> u16 {
    let mut connection = server.connect();
    connection.send(bytes);
    connection.answer(false).status
}

fn keep(server: &Server) -> Connection {
    server.connect()
}

#[test]
fn connection_is_kept() {
    ours_only!("http-socket closes after each answer");
    let server = Server::http();
    let mut connection = keep(&server);
    for _ in 0..5 {
        let answer = connection.ask(&Request::get("/hello"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
        assert_eq!(answer.header("connection"), None);
    }
}

#[test]
fn connection_close_is_honoured() {
    ours_only!("http-socket never says Connection: close");
    let server = Server::http();
    let mut connection = keep(&server);
    let answer = connection.ask(&Request::get("/hello").header("Connection", "close"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(connection.rest(), b"");
}

#[test]
fn http_1_0_closes_unless_asked() {
    ours_only!("http-socket has no keep-alive");
    let server = Server::http();
    let mut connection = keep(&server);
    connection.send("GET /hello HTTP/1.0\r\n\r\n");
    assert_eq!(connection.answer(false).header("transfer-encoding"), None);
    assert_eq!(connection.rest(), b"");
    let mut connection = keep(&server);
    for _ in 0..2 {
        connection.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer = connection.answer(false);
        assert_eq!(
            answer.header("connection").map(str::to_lowercase).as_deref(),
            Some("keep-alive")
        );
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    ours_only!("it drops the second request");
    let server = Server::http();
    let mut connection = keep(&server);
    let paths = ["/status?201%20A", "/hello", "/status?202%20B", "/generator"];
    let bytes = paths.iter().flat_map(|path| Request::get(path).to_http()).collect::<Vec<_>>();
    connection.send(bytes);
    let statuses = paths.map(|_| connection.answer(false).status);
    assert_eq!(statuses, [201, 200, 202, 200]);
}

#[test]
fn an_answer_that_ends_the_connection_is_not_lost_to_what_follows_it() {
    ours_only!("it drops pipelined requests");
    let server = Server::http();
    let closing = Request::get("/hello").header("Connection", "close").to_http();
    let plain = Request::get("/hello").to_http();
    let mut connection = keep(&server);
    connection.send([&plain[..], &closing, &plain].concat());
    let bytes = String::from_utf8(connection.rest()).unwrap();
    assert_eq!(bytes.matches("hello").count(), 2, "{bytes}");
    assert_eq!(bytes.matches("Connection: close").count(), 1, "{bytes}");
}

#[test]
fn pipelined_body_and_next_request_are_told_apart() {
    ours_only!("it drops the second request");
    let server = Server::http();
    let mut connection = keep(&server);
    let mut bytes = Request::post("/echo", "first body").to_http();
    bytes.extend(Request::post("/echo", "second").to_http());
    bytes.extend(Request::get("/hello").to_http());
    connection.send(bytes);
    assert_eq!(connection.answer(false).text(), "first body");
    assert_eq!(connection.answer(false).text(), "second");
    assert_eq!(connection.answer(false).text(), "hello");
}

#[test]
fn unread_body_does_not_become_a_request() {
    ours_only!("http-socket closes after each answer");
    let server = Server::http();
    let mut connection = keep(&server);
    let trap = "GET /status?299%20Smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(connection.ask(&Request::post("/ignore", trap)).text(), "ignored");
    assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
}

#[test]
fn request_in_single_bytes_is_understood() {
    let server = Server::http();
    let mut connection = keep(&server);
    for byte in Request::post("/echo", "slowly").header("Connection", "close").to_http() {
        connection.send([byte]);
    }
    assert_eq!(connection.answer(false).text(), "slowly");
}

#[test]
fn known_length_gets_content_length() {
    ours_only!("it adds no headers");
    let answer = Server::http().get("/hello");
    assert_eq!(answer.header("content-length"), Some("5"));
    assert!(answer.header("date").is_some_and(|date| date.ends_with(" GMT")));
}

#[test]
fn unknown_length_is_chunked() {
    ours_only!("it closes the connection instead");
    let server = Server::http();
    let mut connection = keep(&server);
    let answer = connection.ask(&Request::get("/generator"));
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert_eq!((answer.text().as_str(), answer.complete), ("one two", true));
    assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
}

#[test]
fn head_has_the_head_of_get_and_no_body() {
    ours_only!("it sends the body");
    let server = Server::http();
    let get = server.get("/hello");
    let mut connection = keep(&server);
    let head = connection.ask(&Request::new("HEAD", "/hello"));
    assert_eq!((head.status, head.header("content-length")), (200, get.header("content-length")));
    assert_eq!(connection.ask(&Request::new("HEAD", "/generator")).status, 200);
    assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
}

#[test]
fn statuses_without_a_body_have_none() {
    ours_only!("it sends the body");
    let server = Server::http();
    let mut connection = keep(&server);
    for status in ["204%20No%20Content", "304%20Not%20Modified"] {
        let answer = connection.ask(&Request::get(&format!("/status?{status}")));
        assert_eq!(answer.header("transfer-encoding"), None);
        assert_eq!(answer.header("x-kind"), Some("status"));
    }
    assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
}

#[test]
fn reason_is_kept() {
    for setup in Setup::both() {
        let answer = setup.start().get("/headers");
        assert_eq!(
            (answer.version.as_str(), answer.status, answer.reason.as_str()),
            ("HTTP/1.1", 200, "Fine Indeed")
        );
    }
}

#[test]
fn chunked_request_body_is_read() {
    ours_only!("chunked request bodies are not decoded");
    let server = Server::http();
    let mut connection = keep(&server);
    connection.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.send("5\r\nhello\r\n");
    connection.send("1;ext=1\r\n \r\n5\r\nworld\r\n0\r\nX-Trailer: t\r\n\r\n");
    assert_eq!(connection.answer(false).text(), "hello world");
    assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
}

#[test]
fn chunked_body_is_marked_as_terminated() {
    ours_only!("chunked request bodies are not decoded");
    let server = Server::http();
    let mut connection = keep(&server);
    connection
        .send("POST /environ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    let answer = connection.answer(false);
    assert_eq!(answer.line("wsgi.input_terminated"), "True");
    assert!(!answer.has_line("CONTENT_LENGTH") || answer.line("CONTENT_LENGTH") == "''");
}

#[test]
fn malformed_chunk_is_an_error_of_the_read() {
    ours_only!("chunked request bodies are not decoded");
    let server = Server::http();
    let mut connection = keep(&server);
    connection.send("POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n");
    let answer = connection.answer(false);
    assert!(answer.status == 400 || answer.text().starts_with("OSError"), "{answer:?}");
    assert_eq!(connection.rest(), b"");
}

#[test]
fn expect_continue_is_answered_when_the_body_is_read() {
    ours_only!("it knows no Expect");
    let server = Server::http();
    let mut connection = keep(&server);
    connection.send(
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(connection.answer(false).status, 100);
    connection.send("body");
    assert_eq!(connection.answer(false).text(), "body");
}

#[test]
fn absolute_target_is_understood() {
    ours_only!("it gives the whole target as path");
    let server = Server::http();
    let bytes =
        b"GET http://other.test/environ?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut connection = keep(&server);
    connection.send(bytes);
    let answer = connection.answer(false);
    assert_eq!(answer.line("HTTP_HOST"), "'other.test'");
    assert_eq!(
        (answer.line("PATH_INFO"), answer.line("QUERY_STRING")),
        ("'/environ'".into(), "'a=b'".into())
    );
}

#[test]
fn malformed_heads_are_refused_with_a_status() {
    ours_only!("it accepts or closes silently");
    let server = Server::http();
    let cases: [(&str, u16); 14] = [
        ("GET /hello\r\n\r\n", 400),
        ("GET  /hello HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("G@T /hello HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\nHost: x\n\n", 400),
        ("GET /hello HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
        ("GET /hello HTTP/3.0\r\nHost: x\r\n\r\n", 505),
        ("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 6\r\n\r\nhello", 400),
        (
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            501,
        ),
    ];
    for (bytes, status) in cases {
        assert_eq!(status_of(&server, bytes.as_bytes()), status, "{bytes:?}");
    }
    assert_eq!(server.get("/hello").text(), "hello", "the server serves on");
}

#[test]
fn refused_head_closes_the_connection_and_is_logged() {
    ours_only!("it closes silently");
    let server = Server::http();
    let mark = server.log.mark();
    let mut connection = keep(&server);
    connection.send("G@T / HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(connection.answer(false).header("connection"), Some("close"));
    assert_eq!(connection.rest(), b"");
    let logged = server.log.wait(mark, |text| text.contains("127.0.0.1").then_some(()));
    assert!(logged.is_ok(), "a refused request leaves a line with its client");
}

#[test]
fn head_over_buffer_size_is_431() {
    ours_only!("it closes silently");
    let server = Setup::http().args(["--buffer-size", "8192"]).start();
    let fits =
        Request::get("/hello").header("X-Long", &"a".repeat(7000)).header("Connection", "close");
    assert_eq!(status_of(&server, &fits.to_http()), 200);
    let long = Request::get("/hello").header("X-Long", &"a".repeat(9000));
    assert_eq!(status_of(&server, &long.to_http()), 431);
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn target_too_long_is_414() {
    ours_only!("it closes silently");
    let server = Server::http();
    let target = format!("/hello?{}", "q".repeat(9000));
    assert_eq!(status_of(&server, &Request::get(&target).to_http()), 414);
}

#[test]
fn body_over_limit_post_is_413() {
    ours_only!("it closes silently");
    let server = Setup::http().args(["--limit-post", "100"]).start();
    assert_eq!(server.post("/body", vec![b'b'; 100]).status, 200);
    assert_eq!(status_of(&server, &Request::post("/body", vec![b'b'; 101]).to_http()), 413);
    let chunked = "POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n";
    let bytes = format!("{chunked}{}\r\n0\r\n\r\n", "c".repeat(0x65));
    assert_eq!(status_of(&server, bytes.as_bytes()), 413);
}

#[test]
fn underscore_headers_cannot_pose_as_others() {
    ours_only!("it joins both");
    let request = Request::get("/environ")
        .header("X_Forwarded_For", "spoofed")
        .header("X-Forwarded-For", "real");
    assert_eq!(Server::http().send(&request).line("HTTP_X_FORWARDED_FOR"), "'real'");
}

#[test]
fn unknown_method_reaches_the_application() {
    for setup in Setup::both() {
        let answer = setup.start().send(&Request::new("PURGE", "/environ"));
        assert_eq!(answer.line("REQUEST_METHOD"), "'PURGE'");
    }
}

#[test]
fn large_answer_arrives_whole() {
    for setup in Setup::both() {
        let server = setup.start();
        assert_eq!(server.get("/big?3000000").body.len(), 3_000_000);
        assert_eq!(server.get("/pieces?40").body.len(), 40 * 65536);
    }
}

#[test]
fn tunnels_are_refused() {
    ours_only!("it gives CONNECT to the application");
    let server = Server::http();
    let mut connection = server.connect();
    connection.send("CONNECT example.test:443 HTTP/1.1\r\nHost: example.test:443\r\n\r\n");
    assert_eq!(connection.answer(false).status, 501);
}

#[test]
fn many_large_answers_to_a_pipeline_arrive_whole() {
    ours_only!("it drops pipelined requests");
    let server = Server::http();
    let mut connection = server.connect();
    let many = Request::get("/big?15000").to_http().repeat(100);
    let half = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\nhalf";
    connection.send([&many[..], half.as_bytes()].concat());
    for _ in 0..100 {
        assert_eq!(connection.answer(false).body.len(), 15_000);
    }
    connection.send("half");
    assert_eq!(connection.answer(false).text(), "halfhalf");
}

#[test]
fn answers_before_the_last_one_of_a_connection_arrive() {
    ours_only!("it drops pipelined requests");
    let server = Server::http();
    let after = Request::get("/hello").to_http();
    let lasts = [
        Request::get("/boom-mid"),
        Request::get("/short"),
        Request::get("/hello").header("Connection", "close"),
    ];
    for last in lasts {
        let mut connection = server.connect();
        connection.send([after.repeat(3), last.to_http(), after.clone()].concat());
        for _ in 0..3 {
            assert_eq!(connection.answer(false).text(), "hello", "before {}", last.target);
        }
        let answer = connection.answer(false);
        assert_eq!((answer.status, answer.complete), (200, last.target == "/hello"));
        assert_eq!(connection.rest(), b"");
    }
}

#[test]
fn continue_waits_for_the_answers_before_it() {
    ours_only!("it drops pipelined requests");
    let server = Server::http();
    let mut connection = server.connect();
    let post =
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    connection.send([&Request::get("/hello").to_http()[..], post.as_bytes()].concat());
    assert_eq!(connection.answer(false).text(), "hello");
}

#[test]
fn without_keep_alive_a_new_connection_may_wait_for_its_request() {
    ours_only!("it has no http-keepalive in workers");
    let server = Setup::http().args(["--http-keepalive=0", "--no-defer-accept"]).start();
    let mut early = server.connect();
    assert_eq!(server.get("/hello").text(), "hello");
    assert_eq!(early.ask(&Request::get("/hello")).text(), "hello");
}

#[test]
fn added_headers_follow_the_applications() {
    for setup in Setup::both() {
        let server =
            setup.args(["--add-header", "X-One: 1", "--add-header", "X-Two: a b: c"]).start();
        let answer = server.get("/hello");
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
        assert_eq!(answer.header("X-One"), Some("1"));
        assert_eq!(answer.header("X-Two"), Some("a b: c"));
    }
}

#[test]
fn a_header_that_cannot_be_sent_is_refused() {
    ours_only!("it sends the text as it is");
    for header in ["no colon", "bad name: x", ": x", "X: a\u{1}b"] {
        let (status, log) = Setup::http().args(["--add-header", header]).run();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("accepted: NAME: VALUE"), "{log}");
    }
}
