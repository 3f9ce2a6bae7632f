//! PEP 3333, over both protocols where nothing else is said.

use crate::support::setup::{app, original};
use crate::support::{Connection, Request, Server, Setup, Wire, eventually};

#[track_caller]
fn on_both(check: impl Fn(&Server)) {
    for setup in Setup::both() {
        check(&setup.start());
    }
}

#[test]
fn validator_finds_nothing() {
    for setup in
        [Setup::new(Wire::Http).args(["--http-socket"]), Setup::new(Wire::Uwsgi).args(["--socket"])]
    {
        let setup = setup
            .arg("127.0.0.1:0")
            .args(["--wsgi-file".into(), app("validated.py").into_os_string()]);
        let server = setup.start();
        for request in [Request::get("/some/path?query"), Request::post("/", "12345")] {
            // The validator wants it; a front end may leave it out where it is empty.
            let answer = server.send(&request.var("SCRIPT_NAME", ""));
            assert_eq!((answer.status, answer.text().as_str()), (200, "valid answer"));
        }
        assert!(!server.log.text().contains("Error"), "{}", server.log.text());
    }
}

#[test]
fn write_callable_sends_before_the_iterable() {
    on_both(|server| assert_eq!(server.get("/write").text(), "one two three"));
}

#[test]
fn generator_is_run_to_its_end() {
    on_both(|server| assert_eq!(server.get("/generator").text(), "one two"));
}

#[test]
fn start_response_may_be_called_by_the_iterable() {
    on_both(|server| {
        let answer = server.get("/late-start");
        assert_eq!((answer.status, answer.reason.as_str()), (202, "Late"));
        assert_eq!((answer.header("x-late"), answer.text().as_str()), (Some("yes"), "late"));
    });
}

#[test]
fn headers_keep_order_number_and_bytes() {
    on_both(|server| {
        let answer = server.get("/headers");
        let own = answer
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("X-") || name == "Set-Cookie");
        let own = own.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        assert_eq!(own, ["X-One=1", "X-Two=\u{e4}", "X-One=2", "Set-Cookie=a=b", "Set-Cookie=c=d"]);
    });
}

#[test]
fn empty_iterable_is_an_empty_body() {
    on_both(|server| {
        let answer = server.get("/empty");
        assert_eq!(
            (answer.status, answer.header("x-empty"), answer.text().as_str()),
            (200, Some("yes"), "")
        );
    });
}

#[test]
fn exc_info_replaces_a_head_that_was_not_sent() {
    on_both(|server| {
        let answer = server.get("/exc-info");
        assert_eq!((answer.status, answer.reason.as_str()), (500, "Replaced"));
        if !original() {
            assert_eq!((answer.header("x-first"), answer.header("x-second")), (None, Some("yes")));
            assert_eq!(answer.text(), "replaced");
        }
    });
}

#[test]
fn exc_info_is_raised_again_after_the_head_was_sent() {
    ours_only!("it says something else and goes on");
    let server = Server::http();
    let answer = server.get("/exc-info-late");
    assert_eq!(
        (answer.status, answer.complete),
        (200, false),
        "the client sees that the answer is cut"
    );
    server.wait_for("ValueError: too late");
}

#[test]
fn second_start_response_is_an_error() {
    ours_only!("it allows it");
    on_both(|server| {
        server.get("/second-start");
        server.wait_for("second start: AssertionError");
    });
}

#[test]
fn wrong_types_are_told() {
    let server = Server::uwsgi();
    for (case, error) in [
        ("status-type", "TypeError: http status must be a string"),
        ("headers-type", "TypeError: http headers must be in a python list"),
        ("header-type", "TypeError: http header must be defined in a tuple"),
        ("value-type", "TypeError: http header value must be a string"),
    ] {
        assert_eq!(server.get(&format!("/start-error?{case}")).text(), error);
    }
}

#[test]
fn line_breaks_in_heads_are_refused() {
    ours_only!("it sends them");
    on_both(|server| {
        for what in ["name", "value", "status"] {
            let bytes = server.raw(&Request::get(&format!("/inject?{what}")));
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("Injected"), "{what}: {text}");
            assert!(text.contains(" 500 "), "{what}: {text}");
        }
    });
}

#[test]
fn status_without_a_number_is_refused() {
    ours_only!("it sends the body without a head");
    on_both(|server| assert_eq!(server.get("/bad-status").status, 500));
}

#[test]
fn exception_before_the_head_is_500_with_a_traceback_in_the_log() {
    on_both(|server| {
        let bytes = server.raw(&Request::get("/boom"));
        if original() {
            assert_eq!(bytes, b"");
        } else {
            assert!(bytes.starts_with(b"HTTP/1.1 500 "), "{:?}", String::from_utf8_lossy(&bytes));
            assert!(
                !String::from_utf8_lossy(&bytes).contains("boom"),
                "the client is told nothing of it"
            );
        }
        server.wait_for("ValueError: boom before start_response");
        server.wait_for("<*>probe.py\", line <N>, in boom");
        assert_eq!(server.get("/hello").text(), "hello");
    });
}

#[test]
fn exception_after_start_response_is_500() {
    ours_only!("it closes without an answer");
    on_both(|server| assert_eq!(server.get("/boom-start").status, 500));
}

#[test]
fn exception_is_shown_to_the_client_when_asked() {
    let server = Setup::uwsgi().arg("--catch-exceptions").start();
    let answer = server.get("/boom");
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("ValueError: boom before start_response"), "{}", answer.text());
}

#[test]
fn exception_in_the_middle_visibly_cuts_the_answer() {
    ours_only!("its answers have no framing");
    let server = Server::http();
    let mut connection = server.connect();
    let answer = connection.ask(&Request::get("/boom-mid"));
    assert_eq!((answer.status, answer.complete), (200, false));
    assert_eq!(answer.text(), "first part ");
    server.wait_for("ValueError: boom in the middle");
}

#[test]
fn answer_without_start_response_is_an_error() {
    ours_only!("it sends the body without a head");
    on_both(|server| assert_eq!(server.get("/no-start").status, 500));
}

#[test]
fn announced_length_is_enforced() {
    ours_only!("it sends what the application gives");
    on_both(|server| {
        let answer = server.get("/long");
        assert_eq!((answer.text().as_str(), answer.surplus.as_slice()), ("abc", &b""[..]));
    });
    let server = Server::http();
    let mut connection = server.connect();
    let answer = connection.ask(&Request::get("/short"));
    assert_eq!(
        (answer.text().as_str(), answer.complete),
        ("abc", false),
        "never padded, the connection closes"
    );
    assert_eq!(connection.rest(), b"");
}

#[test]
fn announced_length_that_is_right_keeps_the_connection() {
    ours_only!("http-socket closes after each answer");
    let server = Server::http();
    let mut connection = server.connect();
    for _ in 0..3 {
        let answer = connection.ask(&Request::get("/length"));
        assert_eq!(
            (answer.text().as_str(), answer.header("content-length")),
            ("abcdef", Some("6"))
        );
    }
}

#[test]
fn items_that_are_not_bytes_are_logged() {
    let server = Server::uwsgi();
    assert_eq!(server.get("/items").text(), "ac");
    server.wait_for("<*>[ERROR] Unhandled object from iterator: <*>");
}

#[test]
fn close_is_called_once_however_the_request_ends() {
    on_both(|server| {
        server.get("/closing");
        server.raw(&Request::get("/closing-boom"));
        server.send(&Request::new("HEAD", "/closing"));
        assert_eq!(server.get("/closed").text(), "whole boom whole");
    });
}

#[test]
fn close_is_called_when_the_client_is_gone() {
    on_both(|server| {
        let mut connection = server.connect();
        connection.send(match server.wire() {
            Wire::Http => Request::get("/closing-endless").to_http(),
            Wire::Uwsgi => Request::get("/closing-endless").to_packet(),
        });
        connection.take(100);
        drop(connection);
        eventually("close() of the iterable", || server.get("/closed").text() == "endless");
    });
}

#[test]
fn pieces_are_sent_as_they_come() {
    let code = "import time\ndef application(e, s):\n    s('200 OK', [('Content-Type', 'text/plain')])\n    \
                yield b'first'\n    time.sleep(60)\n";
    for (wire, option) in [(Wire::Http, "--http-socket"), (Wire::Uwsgi, "--socket")] {
        let setup = Setup::new(wire).file("slow.py", code);
        let server = setup.args([option, "127.0.0.1:0", "--wsgi-file", "slow.py"]).start();
        let mut connection = server.connect();
        connection.send(match wire {
            Wire::Http => Request::get("/").to_http(),
            Wire::Uwsgi => Request::get("/").to_packet(),
        });
        let mut seen = Vec::new();
        while !seen.ends_with(b"first") {
            seen.extend(connection.take(1)); // fails when the server keeps the piece back
        }
    }
}

// --- files

#[test]
fn file_wrapper_sends_the_file() {
    let file = std::fs::read(app("probe.py")).unwrap();
    on_both(|server| assert_eq!(server.get("/file").body, file));
}

#[test]
fn file_wrapper_starts_at_the_position_of_the_file() {
    ours_only!("it sends the file from its beginning");
    let file = std::fs::read(app("probe.py")).unwrap();
    on_both(|server| assert_eq!(server.get("/file?100").body, file[100..]));
}

#[test]
fn file_wrapper_keeps_to_the_announced_length() {
    ours_only!("it sends the whole file");
    let file = std::fs::read(app("probe.py")).unwrap();
    on_both(|server| {
        let answer = server.get("/file-length");
        assert_eq!((answer.body.as_slice(), answer.surplus.len()), (&file[..7], 0));
    });
}

#[test]
fn file_wrapper_takes_what_has_only_read() {
    ours_only!("it reads once");
    on_both(|server| {
        assert_eq!(server.get("/file-closed").text(), "wrapped file");
        assert_eq!(server.get("/closed").text(), "file");
    });
}

#[test]
fn file_wrapper_takes_memory() {
    let expected = "0123456789".repeat(1000);
    on_both(|server| assert_eq!(server.get("/memory-file").text(), expected[5..]));
}

#[test]
fn file_follows_other_answers_on_one_connection() {
    ours_only!("http-socket closes after each answer");
    let file = std::fs::read(app("probe.py")).unwrap();
    let server = Server::http();
    let mut connection: Connection = server.connect();
    for _ in 0..3 {
        assert_eq!(connection.ask(&Request::get("/file")).body, file);
        assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
    }
}

#[test]
fn many_requests_leave_no_memory_behind() {
    let server = Server::uwsgi();
    let rss = || {
        let line = crate::support::process::status_line(server.worker(1), "VmRSS").unwrap();
        line.trim_end_matches(" kB").trim().parse::<u64>().unwrap()
    };
    let round = || {
        for path in ["/hello", "/generator", "/file", "/boom", "/closing", "/write", "/memory-file"]
        {
            for _ in 0..60 {
                server.raw(&Request::get(path));
            }
        }
    };
    round();
    let before = rss();
    for _ in 0..3 {
        round();
    }
    assert!(rss() < before + 4096, "grew from {before} to {} kB in 1,260 requests", rss());
}

#[test]
fn write_tells_of_a_client_that_is_gone_unless_told_not_to() {
    for (option, line) in [
        ("--ignore-sigpipe", "write() raised OSError: write error"),
        ("--disable-write-exception", "write() raised nothing"),
    ] {
        let server = Setup::http().arg(option).start();
        let mut connection = server.connect();
        connection.send(Request::get("/write-until-gone?500").to_http());
        drop(connection);
        server.wait_for(line);
    }
}
