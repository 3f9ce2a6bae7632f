//! Request bodies: `wsgi.input`.

use crate::support::{Answer, Connection, Request, Server, Setup, Wire};

#[test]
fn body_arrives_whole() {
    for setup in Setup::both() {
        let server = setup.start();
        assert_eq!(server.post("/echo", "hello").text(), "hello");
        let large = (0..1_500_000).map(|byte: u32| byte.to_le_bytes()[0]).collect::<Vec<_>>();
        assert_eq!(server.post("/echo", large.clone()).body, large);
    }
}

#[test]
fn no_body_reads_as_empty() {
    for setup in Setup::both() {
        assert_eq!(setup.start().get("/body").text(), "0 d41d8cd98f00b204e9800998ecf8427e");
    }
}

#[test]
fn input_reads_in_every_way() {
    let calls = [
        ("input.read(3)", "b'one'"),
        ("input.readline()", "b'\\n'"),
        ("input.readline()", "b'two\\n'"),
        ("next(iter(input))", "b'three\\n'"),
        ("input.readlines()", "[b'four\\n', b'five']"),
        ("input.read()", "b''"),
        ("input.readline()", "b''"),
    ];
    let query = calls.map(|(call, _)| call).join(";");
    let expected = calls.map(|(_, answer)| answer).join("\n");
    for setup in Setup::both() {
        let answer = setup.start().post(&format!("/lines?{query}"), "one\ntwo\nthree\nfour\nfive");
        assert_eq!(answer.text(), expected);
    }
}

#[test]
fn sizes_of_reads_are_kept_to() {
    ours_only!("it ignores the size of readline and reads all for read(0)");
    let calls =
        "input.read(0);input.readline(2);input.readline(100);input.read(3);input.readlines(1)";
    let expected = "b''\nb'on'\nb'e\\n'\nb'two'\n[b'\\n']";
    for setup in Setup::both() {
        assert_eq!(
            setup.start().post(&format!("/lines?{calls}"), "one\ntwo\nthree").text(),
            expected
        );
    }
}

/// Sends the start of a body of `length` bytes.
fn begin(server: &Server, target: &str, length: usize) -> Connection {
    let request = Request::post(target, "only this").header("Content-Length", &length.to_string());
    let mut connection = server.connect();
    connection.send(match server.wire() {
        Wire::Http => request.to_http(),
        Wire::Uwsgi => request.to_packet(),
    });
    connection
}

#[test]
fn cut_body_is_an_error_not_a_short_read() {
    for setup in Setup::both() {
        let server = setup.start();
        begin(&server, "/cut", 1_000_000).finish();
        server.wait_for("body error: OSError");
    }
}

#[test]
fn small_cut_body_is_never_served_as_a_whole_one() {
    for setup in Setup::both() {
        let server = setup.start();
        let mut connection = begin(&server, "/cut", 100);
        connection.finish();
        connection.rest();
        // Ours waits for a small body before it runs the application, and then does not.
        let told = |text: &str| {
            (text.contains("body error: OSError") || text.contains("incomplete_request"))
                .then_some(())
        };
        assert_eq!(server.log.wait(0, told), Ok(()), "{}", server.log.text());
        assert!(!server.logged("body read: <N>"));
    }
}

#[test]
fn body_that_stops_arriving_times_out() {
    for setup in Setup::both() {
        let server = setup.args(["--socket-timeout", "1"]).start();
        let text = begin(&server, "/body", 1_000_000).answer(false).text();
        assert!(text.starts_with("OSError: timeout during read"), "{text}");
    }
}

#[test]
fn small_body_that_stops_arriving_times_out() {
    for setup in Setup::both() {
        let server = setup.args(["--socket-timeout", "1"]).start();
        let bytes = begin(&server, "/body", 100).rest();
        match Answer::whole(&bytes, false) {
            Some(answer) => {
                assert!(
                    answer.status == 408 || answer.text().starts_with("OSError: timeout"),
                    "{answer:?}"
                );
            }
            // A front end takes a close for a failed upstream.
            None => assert_eq!((server.wire(), bytes.len()), (Wire::Uwsgi, 0)),
        }
    }
}

#[test]
fn body_in_pieces_is_put_together() {
    for setup in Setup::both() {
        let server = setup.start();
        let request = Request::post("/echo", "").header("Content-Length", "300000");
        let mut connection = server.connect();
        connection.send(match server.wire() {
            Wire::Http => request.header("Connection", "close").to_http(),
            Wire::Uwsgi => request.to_packet(),
        });
        for _ in 0..100 {
            connection.send([b'p'; 3000]);
        }
        assert_eq!(connection.answer(false).body, [b'p'; 300_000]);
    }
}

#[test]
fn post_buffering_makes_the_body_seekable() {
    for (length, setup) in
        [(10, Setup::http()), (200_000, Setup::http()), (200_000, Setup::uwsgi())]
    {
        let server = setup.args(["--post-buffering", "4096"]).start();
        let calls = "len(input.read());input.seek(0);len(input.read());input.tell()";
        let answer = server.post(&format!("/lines?{calls}"), vec![b'b'; length]);
        let lines = answer.text().lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines[0], lines[2]);
        assert_eq!(lines[3], length.to_string());
    }
}

#[test]
fn limit_post_closes_the_uwsgi_protocol_or_says_413() {
    let server = Setup::uwsgi().args(["--limit-post", "100"]).start();
    assert_eq!(server.post("/body", vec![b'b'; 100]).status, 200);
    let bytes = server.raw(&Request::post("/body", vec![b'b'; 101]));
    assert!(
        bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 413 "),
        "{:?}",
        String::from_utf8_lossy(&bytes)
    );
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn read_after_the_end_stays_at_the_end() {
    let server = Server::uwsgi();
    assert_eq!(server.post("/lines?input.read(100);input.read(100)", "abc").text(), "b'abc'\nb''");
}
