//! Requests and answers, with headers in either form.

use super::behind;
use crate::support::mongrel2::{BOTH, Headers, Mongrel2};
use crate::support::{Connection, Request, Server};

/// A Mongrel2 and a server behind it.
fn pair(headers: Headers, args: &[&str]) -> (Mongrel2, Server) {
    let mongrel2 = Mongrel2::new(headers);
    let server = behind(&mongrel2.pair(0)).args(args).start();
    (mongrel2, server)
}

/// The next byte is the end.
fn is_closed(mut connection: Connection) -> bool {
    connection.rest().is_empty()
}

#[test]
fn one_connection_carries_many_requests() {
    behind_mongrel2!();
    for headers in BOTH {
        let (mongrel2, server) = pair(headers, &[]);
        let mut connection = mongrel2.connect();
        for size in [0, 1, 5, 1_000, 20_000, 20_479] {
            let body: Vec<u8> = (0..size).map(|at: u32| (at % 251) as u8).collect();
            assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
            let answer = connection.ask(&Request::post("/echo", body.clone()));
            assert_eq!((answer.status, answer.body == body), (200, true), "{headers:?} {size}");
        }
        drop(server);
    }
}

#[test]
fn environment_is_complete() {
    behind_mongrel2!();
    for headers in BOTH {
        let (mongrel2, _server) = pair(headers, &[]);
        let mut connection = mongrel2.connect();
        let request = Request::post("/environ?a=b&c=%20", "body")
            .header("Host", "example.test:8123")
            .header("X-Own", "v")
            .header("Content-Type", "text/x-own");
        let answer = connection.ask(&request);
        for (name, value) in [
            ("REQUEST_METHOD", "'POST'"),
            ("REQUEST_URI", "'/environ?a=b&c=%20'"),
            ("PATH_INFO", "'/environ'"),
            ("SCRIPT_NAME", "''"),
            ("QUERY_STRING", "'a=b&c=%20'"),
            ("SERVER_PROTOCOL", "'HTTP/1.1'"),
            ("SERVER_NAME", "'example.test'"),
            ("SERVER_PORT", "'8123'"),
            ("REMOTE_ADDR", "'127.0.0.1'"),
            ("CONTENT_LENGTH", "'4'"),
            ("CONTENT_TYPE", "'text/x-own'"),
            ("HTTP_HOST", "'example.test:8123'"),
            ("HTTP_X_OWN", "'v'"),
            ("wsgi.url_scheme", "'http'"),
        ] {
            assert_eq!(answer.line(name), value, "{name} with {headers:?}");
        }
        for foreign in ["HTTP_PATTERN", "HTTP_METHOD", "PATTERN", "HTTP_FLAGS", "HTTPS"] {
            assert!(!answer.has_line(foreign), "{foreign} with {headers:?}");
        }
        let answer = connection.ask(&Request::get("/environ").header("Host", "example.test"));
        assert_eq!(answer.line("SERVER_PORT"), "'80'", "of a Host without one");
    }
}

#[test]
fn odd_header_values_arrive_as_they_are() {
    behind_mongrel2!();
    for headers in BOTH {
        let (mongrel2, _server) = pair(headers, &[]);
        let mut connection = mongrel2.connect();
        connection.send(
            b"GET /environ HTTP/1.1\r\nHost: x\r\nX-Latin: caf\xe9\r\nX-Tab: a\tb\r\nX-Quoted: \"a\\b\"\r\n\
              X-Utf: \xc3\xa9\r\nX-Two: 1\r\nX-Two: 2\r\nCookie: a=1\r\nCookie: b=2\r\nX-Empty:\r\n\r\n",
        );
        let answer = connection.answer(false);
        for (name, value) in [
            ("HTTP_X_LATIN", r"'caf\xe9'"),
            ("HTTP_X_TAB", r"'a\tb'"),
            ("HTTP_X_QUOTED", r#"'"a\\b"'"#),
            ("HTTP_X_UTF", "'Ã©'"),
            ("HTTP_X_TWO", "'1, 2'"),
            ("HTTP_COOKIE", "'a=1; b=2'"),
        ] {
            // The application answers in UTF-8; what is printable stands for itself there.
            let line = answer.line(name).replace('é', r"\xe9");
            assert_eq!(line, value, "{name} with {headers:?}");
        }
        // It is of use to nobody, but does no harm.
        assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
    }
}

#[test]
fn paths_are_decoded_once() {
    behind_mongrel2!();
    for headers in BOTH {
        let (mongrel2, _server) = pair(headers, &[]);
        let mut connection = mongrel2.connect();
        let answer = connection.ask(&Request::get("/%65nviron?%65"));
        assert_eq!(answer.line("PATH_INFO"), "'/environ'");
        assert_eq!(answer.line("REQUEST_URI"), "'/%65nviron?%65'");
        assert_eq!(answer.line("QUERY_STRING"), "'%65'");
        assert_eq!(connection.ask(&Request::get("/%2565nviron")).status, 404, "decoded twice");
    }
}

#[test]
fn script_name_is_the_route_where_that_is_wanted() {
    behind_mongrel2!();
    use crate::support::mongrel2::Plan;
    let mongrel2 = Plan::new(Headers::Json).route("/shop/", Headers::Json).start();
    let server = behind(&mongrel2.pair(1)).args(["--zeromq", &mongrel2.pair(0)]);
    let _server = server.arg("--mongrel2-script-name").start();
    let mut connection = mongrel2.connect();
    for (target, script, info) in
        [("/shop/environ", "'/shop'", "'/environ'"), ("/environ", "''", "'/environ'")]
    {
        let answer = connection.ask(&Request::get(target));
        assert_eq!(answer.line("SCRIPT_NAME"), script);
        assert_eq!(answer.line("PATH_INFO"), info);
    }
}

#[test]
fn connections_close_as_the_client_asked() {
    behind_mongrel2!();
    for headers in BOTH {
        let (mongrel2, _server) = pair(headers, &[]);
        for (head, version) in [
            ("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1"),
            ("GET /hello HTTP/1.0\r\nHost: x\r\n\r\n", "HTTP/1.1"),
        ] {
            let mut connection = mongrel2.connect();
            connection.send(head);
            let answer = connection.answer(false);
            assert_eq!((answer.text().as_str(), answer.version.as_str()), ("hello", version));
            assert_eq!(answer.header("connection"), Some("close"), "{head}");
            assert!(is_closed(connection), "{head}");
        }
        let mut kept = mongrel2.connect();
        for _ in 0..2 {
            kept.send("GET /hello HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
            assert_eq!(kept.answer(false).text(), "hello");
        }
    }
}

#[test]
fn answers_without_a_body_leave_the_connection() {
    behind_mongrel2!();
    for headers in BOTH {
        let (mongrel2, _server) = pair(headers, &[]);
        let mut connection = mongrel2.connect();
        for _ in 0..2 {
            assert_eq!(connection.ask(&Request::new("HEAD", "/hello")).status, 200);
            assert_eq!(connection.ask(&Request::get("/status?204%20No%20Content")).status, 204);
            assert_eq!(connection.ask(&Request::get("/status?304%20Not%20Modified")).status, 304);
            assert_eq!(connection.ask(&Request::new("HEAD", "/pieces?3")).status, 200);
            assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
        }
    }
}

#[test]
fn answers_of_unknown_length_are_chunked_or_end_with_the_connection() {
    behind_mongrel2!();
    for headers in BOTH {
        let (mongrel2, _server) = pair(headers, &[]);
        let mut connection = mongrel2.connect();
        for _ in 0..2 {
            let answer = connection.ask(&Request::get("/pieces?3"));
            assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
            assert!(answer.complete && answer.body == [b'p'; 3 * 65_536]);
        }
        let mut old = mongrel2.connect();
        old.send("GET /pieces?3 HTTP/1.0\r\nHost: x\r\n\r\n");
        let answer = old.answer(false);
        assert_eq!((answer.header("transfer-encoding"), answer.body.len()), (None, 3 * 65_536));
    }
}

#[test]
fn the_beginning_of_an_answer_does_not_wait_for_its_end() {
    behind_mongrel2!();
    for headers in BOTH {
        let (mongrel2, _server) = pair(headers, &["--threads", "2"]);
        let mut connection = mongrel2.connect();
        connection.send(Request::get("/half-and-hang").to_http());
        let mut read = Vec::new();
        // The application sleeps after that.
        while !read.ends_with(b"\r\n\r\n4\r\nhalf\r\n") {
            read.extend(connection.take(1));
        }
    }
}

#[test]
fn large_answers_arrive_whole() {
    behind_mongrel2!();
    for headers in BOTH {
        let (mongrel2, _server) = pair(headers, &[]);
        let mut connection = mongrel2.connect();
        let answer = connection.ask(&Request::get("/big?10000000"));
        assert_eq!((answer.complete, answer.body.len()), (true, 10_000_000));
        let answer = connection.ask(&Request::get("/pieces?160"));
        assert_eq!((answer.complete, answer.body.len()), (true, 160 * 65_536));
        assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
    }
}

#[test]
fn failures_of_the_application_are_answers() {
    behind_mongrel2!();
    let (mongrel2, server) = pair(Headers::Json, &["--master", "--processes", "1"]);
    for _ in 0..2 {
        assert_eq!(mongrel2.connect().ask(&Request::get("/boom")).status, 500);
        let mut connection = mongrel2.connect();
        connection.send(Request::get("/boom-mid").to_http());
        let answer = connection.answer(false);
        assert!(!answer.complete, "the client must see that something is missing: {answer:?}");
    }
    assert_eq!(mongrel2.connect().ask(&Request::get("/exit")).status, 502);
    server.wait_for("<*>mongrel2: a worker is gone with a request<*>");
    assert_eq!(mongrel2.connect().ask(&Request::get("/hello")).text(), "hello");
}

#[test]
fn requests_run_at_once_in_threads_and_processes() {
    behind_mongrel2!();
    let (mongrel2, _server) = pair(Headers::Tnetstring, &["--threads", "8"]);
    let connections = (0..8).map(|_| {
        let mut connection = mongrel2.connect();
        connection.send(Request::get("/threads?8").to_http());
        connection
    });
    let connections: Vec<_> = connections.collect();
    for mut connection in connections {
        assert_eq!(connection.answer(false).text(), "met");
    }
}
