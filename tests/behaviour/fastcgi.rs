//! FastCGI: `--fastcgi-socket` and its relatives, as front ends see them. What real front ends do with it is in `fronts`.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use nix::sys::signal::Signal;

use crate::support::fastcgi::{self, GET_VALUES, GET_VALUES_RESULT, PARAMS, STDIN, UNKNOWN_TYPE};
use crate::support::{Connection, Request, Server, Setup, Wire, eventually, process, setup};

fn fastcgi() -> Setup {
    with("--fastcgi-socket")
}

fn with(option: &str) -> Setup {
    let probe = setup::app("probe.py");
    Setup::new(Wire::Uwsgi).args([option, "127.0.0.1:0", "--wsgi-file"]).arg(probe)
}

#[track_caller]
fn ask(connection: &mut Connection, request: &Request, id: u16) -> fastcgi::Reply {
    connection.send(fastcgi::request(request, id, true));
    let reply = fastcgi::reply(connection, request.method == "HEAD");
    assert_eq!((reply.id, reply.protocol_status), (id, 0));
    reply
}

/// One request, one connection.
#[track_caller]
fn once(server: &Server, request: &Request) -> fastcgi::Reply {
    let mut connection = server.connect();
    connection.send(fastcgi::request(request, 1, false));
    let reply = fastcgi::reply(&mut connection, request.method == "HEAD");
    assert_eq!(connection.rest(), b"", "the connection ends with the request");
    reply
}

#[test]
fn a_request_and_its_answer() {
    let server = fastcgi().start();
    let reply = once(&server, &Request::get("/hello"));
    assert_eq!((reply.id, reply.app_status, reply.protocol_status), (1, 0, 0));
    assert_eq!((&*reply.answer.version, reply.answer.status), ("CGI", 200));
    assert_eq!(reply.answer.text(), "hello");
    assert_eq!(reply.stderr, "");
    let body = vec![b'x'; 10 << 20];
    let reply = once(&server, &Request::post("/body", body));
    assert!(reply.answer.text().starts_with("10485760 "), "{}", reply.answer.text());
    let reply = once(&server, &Request::get("/big?3000000"));
    assert_eq!(reply.answer.body.len(), 3_000_000);
    let reply = once(&server, &Request::get("/file"));
    assert_eq!(reply.answer.body, std::fs::read(setup::app("probe.py")).unwrap());
}

#[test]
fn answers_without_a_parsed_head() {
    let server = with("--fastcgi-nph-socket").start();
    let reply = once(&server, &Request::get("/hello"));
    assert_eq!((&*reply.answer.version, reply.answer.status), ("HTTP/1.1", 200));
    let protocol = ["--socket", "127.0.0.1:0", "--protocol", "fastcgi", "--wsgi-file"];
    let server = Setup::new(Wire::Uwsgi).args(protocol).arg(setup::app("probe.py")).start();
    assert_eq!(&*once(&server, &Request::get("/hello")).answer.version, "CGI");
}

#[test]
fn a_connection_is_kept_where_the_front_end_wants_it() {
    ours_only!("it closes after each request");
    let server = fastcgi().start();
    let mut connection = server.connect();
    for round in 1..=50 {
        assert_eq!(ask(&mut connection, &Request::get("/hello"), 2 * round).answer.text(), "hello");
        let reply = ask(&mut connection, &Request::post("/echo", "some body"), 7);
        assert_eq!(reply.answer.text(), "some body");
        let reply = ask(&mut connection, &Request::new("HEAD", "/hello"), 1);
        assert_eq!((reply.answer.status, reply.answer.body.len()), (200, 0));
        let reply = ask(&mut connection, &Request::get("/generator"), 1);
        assert_eq!(reply.answer.header("content-length"), None, "it was not known");
    }
    // A body that nobody reads does not hurt the next request.
    assert_eq!(ask(&mut connection, &Request::post("/ignore", "left"), 1).answer.text(), "ignored");
    assert_eq!(ask(&mut connection, &Request::get("/hello"), 1).answer.text(), "hello");
    // Nor does one of which the application takes nothing, whatever follows it.
    for size in [1_000, 60_000, 65_535] {
        let long = Request::post("/ignore", vec![b'z'; 500_000]);
        connection.send(fastcgi::in_records(&long, 8, true, size));
        connection.send(fastcgi::request(&Request::get("/hello"), 9, true));
        assert_eq!(fastcgi::reply(&mut connection, false).answer.text(), "ignored");
        assert_eq!(fastcgi::reply(&mut connection, false).answer.text(), "hello");
    }
}

#[test]
fn records_of_any_size_make_a_request() {
    ours_only!("a pair that is split over two records is refused there");
    let server = fastcgi().start();
    let mut connection = server.connect();
    let request = Request::post("/echo", vec![b'y'; 5_000]).header("X-Long", &"z".repeat(300));
    for size in [1, 7, 100] {
        connection.send(fastcgi::in_records(&request, 5, true, size));
        assert_eq!(fastcgi::reply(&mut connection, false).answer.body, request.body);
    }
    // Byte by byte.
    for byte in fastcgi::request(&Request::post("/echo", "abc"), 5, true) {
        connection.send([byte]);
    }
    assert_eq!(fastcgi::reply(&mut connection, false).answer.text(), "abc");
}

#[test]
fn requests_that_interleave_are_all_answered() {
    ours_only!("it takes all records for one request");
    let server = fastcgi().start();
    let mut connection = server.connect();
    let (one, two) = (Request::post("/echo", "first"), Request::post("/echo", "second"));
    let parts = |request: &Request, id| {
        let params = fastcgi::pairs(&request.cgi());
        let (begin, end) = params.split_at(params.len() / 2);
        [
            fastcgi::begin(id, 1, true),
            fastcgi::record(fastcgi::PARAMS, id, begin, 0),
            fastcgi::stream(fastcgi::PARAMS, id, end, 65_535),
            fastcgi::record(STDIN, id, &request.body[..3], 5),
            fastcgi::stream(STDIN, id, &request.body[3..], 65_535),
        ]
    };
    let (one, two) = (parts(&one, 1), parts(&two, 2));
    for (one, two) in one.iter().zip(&two) {
        connection.send(one);
        connection.send(two);
    }
    let mut answers = [(); 2].map(|()| {
        let reply = fastcgi::reply(&mut connection, false);
        (reply.id, reply.answer.text())
    });
    answers.sort();
    assert_eq!(answers, [(1, "first".to_owned()), (2, "second".to_owned())]);
}

#[test]
fn a_request_between_the_records_of_a_long_body_waits_for_its_turn() {
    ours_only!("it takes all records for one request");
    let server = fastcgi().start();
    let mut connection = server.connect();
    let long = Request::post("/body", vec![b'x'; 400_000]);
    let whole = fastcgi::request(&long, 1, true);
    let (begin, end) = whole.split_at(whole.len() - 8 - 8 - 400_000 % 65_535 - 3);
    connection.send(begin);
    connection.send(fastcgi::request(&Request::get("/hello"), 2, true));
    connection.send(end);
    let reply = fastcgi::reply(&mut connection, false);
    assert!(reply.id == 1 && reply.answer.text().starts_with("400000 "), "{reply:?}");
    let reply = fastcgi::reply(&mut connection, false);
    assert_eq!((reply.id, &*reply.answer.text()), (2, "hello"));
}

#[test]
fn questions_of_the_front_end_are_answered() {
    ours_only!("it ignores them");
    let server = fastcgi().start();
    let mut connection = server.connect();
    let names = ["FCGI_MAX_CONNS", "FCGI_MPXS_CONNS", "FCGI_OTHER"];
    let asked: Vec<_> = names.map(|name| (name.to_owned(), String::new())).into();
    connection.send(fastcgi::record(GET_VALUES, 0, &fastcgi::pairs(&asked), 1));
    let record = fastcgi::take_record(&mut connection);
    assert_eq!((record.kind, record.id), (GET_VALUES_RESULT, 0));
    let text = String::from_utf8_lossy(&record.content).into_owned();
    assert!(text.contains("FCGI_MAX_CONNS") && text.contains("FCGI_MPXS_CONNS0"), "{text:?}");
    assert!(!text.contains("OTHER"), "{text:?}");
    connection.send(fastcgi::record(77, 0, b"what", 0));
    let record = fastcgi::take_record(&mut connection);
    assert_eq!((record.kind, record.content[0]), (UNKNOWN_TYPE, 77));
    // A role that nobody plays here, and requests go on.
    connection.send(fastcgi::begin(3, 2, true));
    let record = fastcgi::take_record(&mut connection);
    assert_eq!((record.kind, record.id, record.content[4]), (fastcgi::END, 3, 3));
    assert_eq!(ask(&mut connection, &Request::get("/hello"), 4).answer.text(), "hello");
}

#[test]
fn a_request_that_is_given_up_does_not_end_the_connection() {
    ours_only!("it ignores that");
    let server = fastcgi().start();
    let mut connection = server.connect();
    let request = Request::post("/cut", "").var("CONTENT_LENGTH", "100");
    let whole = fastcgi::request(&request, 1, true);
    connection.send(&whole[..whole.len() - 8]);
    connection.send(fastcgi::record(STDIN, 1, b"not a hundred", 0));
    connection.send(fastcgi::record(fastcgi::ABORT, 1, b"", 0));
    server.wait_for("body error: <*>");
    // The next one may be there already.
    connection.send(fastcgi::request(&Request::get("/hello"), 2, true));
    assert_eq!(fastcgi::reply(&mut connection, false).id, 1);
    assert_eq!(fastcgi::reply(&mut connection, false).answer.text(), "hello");
    // One that is so long that the application reads it as it comes.
    let request = Request::post("/cut", "").var("CONTENT_LENGTH", "300000");
    let whole = fastcgi::request(&request, 3, true);
    connection.send(&whole[..whole.len() - 8]);
    for _ in 0..4 {
        connection.send(fastcgi::record(STDIN, 3, &[b'x'; 50_000], 7));
    }
    connection.send(fastcgi::record(fastcgi::ABORT, 3, b"", 0));
    connection.send(fastcgi::request(&Request::get("/hello"), 4, true));
    assert_eq!(fastcgi::reply(&mut connection, false).id, 3);
    assert_eq!(fastcgi::reply(&mut connection, false).answer.text(), "hello");
    // Before its parameters are complete.
    let mut connection = server.connect();
    connection.send(fastcgi::begin(1, 1, true));
    connection.send(fastcgi::record(fastcgi::ABORT, 1, b"", 0));
    assert_eq!(fastcgi::take_record(&mut connection).kind, fastcgi::END);
    assert_eq!(ask(&mut connection, &Request::get("/hello"), 2).answer.text(), "hello");
}

#[test]
fn a_body_that_is_not_as_long_as_announced_is_never_whole() {
    ours_only!("it takes what comes");
    let server = fastcgi().start();
    let mut connection = server.connect();
    let request = Request::post("/cut", "short").var("CONTENT_LENGTH", "100");
    connection.send(fastcgi::request(&request, 1, true));
    server.wait_for("body error: <*>");
    let mut connection = server.connect();
    let request = Request::post("/echo", "longer than that").var("CONTENT_LENGTH", "3");
    connection.send(fastcgi::request(&request, 1, true));
    assert_eq!(connection.rest(), b"");
    server.wait_for("invalid FastCGI request (400 body_longer_than_announced<*>");
    // Nobody said how long it is: its end is its end.
    for unknown in ["", "-1"] {
        let request = Request::post("/echo", "as it comes").var("CONTENT_LENGTH", unknown);
        assert_eq!(once(&server, &request).answer.text(), "as it comes");
    }
}

#[test]
fn an_empty_body_needs_no_end() {
    ours_only!("it waits for the end");
    let server = fastcgi().start();
    let mut connection = server.connect();
    // HAProxy 2.6 does this with a body of no chunks.
    let request = fastcgi::request(&Request::post("/body", "").var("CONTENT_LENGTH", "0"), 1, true);
    let end = request.len() - 8;
    for _ in 0..2 {
        connection.send(&request[..end]);
        assert!(fastcgi::reply(&mut connection, false).answer.text().starts_with("0 "));
    }
    connection.send(&request[end..]);
    assert_eq!(ask(&mut connection, &Request::get("/hello"), 2).answer.text(), "hello");
}

/// Caddy sends it in a segment of its own, which may come while the answer is made: to close with it unread would reset the
/// connection, and the rest of the answer would be lost.
#[test]
fn the_end_of_an_empty_body_may_come_late() {
    ours_only!("it waits for the end");
    const APP: &str = "\
import os, time
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    yield b'first\\n'
    while not os.path.exists('go'):
        time.sleep(0.01)
    for number in range(200):
        yield b'line %d\\n' % number
";
    let setup = Setup::new(Wire::Uwsgi).args(["--fastcgi-socket", "127.0.0.1:0", "-w", "late"]);
    let server = setup.file("late.py", APP).start();
    let request = Request::get("/").var("CONTENT_LENGTH", "0");
    let params = fastcgi::pairs(&request.cgi());
    let head = [fastcgi::begin(1, 1, false), fastcgi::stream(PARAMS, 1, &params, 65_535)].concat();
    let mut connection = server.connect();
    connection.send(&head);
    let mut bytes = connection.take(1);
    connection.send(fastcgi::record(STDIN, 1, b"", 0));
    std::fs::write(server.path("go"), "").unwrap();
    server.wait_for("<*>GET / => generated <*>");
    bytes.extend(connection.rest());
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("line 199\n"), "{text}");
    let end = fastcgi::record(fastcgi::END, 1, &[0; 8], 0);
    assert!(bytes.ends_with(&end), "{text}");
}

#[test]
fn nonsense_is_refused_in_silence_and_logged() {
    ours_only!("its lines are others");
    let server = fastcgi().start();
    for nonsense in
        [b"GET / HTTP/1.1\r\n\r\n".to_vec(), fastcgi::record(fastcgi::PARAMS + 90, 1, b"", 0)]
    {
        let mut connection = server.connect();
        connection.send(&nonsense);
        connection.finish();
        assert_eq!(connection.rest(), b"");
    }
    server.wait_for("invalid FastCGI request (400 <*>");
    assert_eq!(once(&server, &Request::get("/hello")).answer.text(), "hello");
}

#[test]
fn what_goes_wrong_is_told_to_the_front_end() {
    ours_only!("it never uses the error stream");
    let server = fastcgi().start();
    let mut connection = server.connect();
    let reply = ask(&mut connection, &Request::get("/boom"), 1);
    assert_eq!((reply.answer.status, reply.app_status), (500, 1));
    assert!(reply.stderr.contains("its log says why"), "{:?}", reply.stderr);
    assert_eq!(ask(&mut connection, &Request::get("/hello"), 2).answer.text(), "hello");
    // In the middle of an answer there is no other way to say so.
    let mut connection = server.connect();
    connection.send(fastcgi::request(&Request::get("/boom-mid"), 1, true));
    let rest = connection.rest();
    assert!(!rest.windows(2).any(|kind| kind == [1, fastcgi::END]), "no end of the request");
}

#[test]
fn a_stuck_request_is_answered_in_the_protocols_form() {
    ours_only!("it closes the connection");
    let server = fastcgi().args(["--harakiri", "1"]).master(1).start();
    let mut connection = server.connect();
    let reply = ask(&mut connection, &Request::get("/hang"), 6);
    assert_eq!((&*reply.answer.version, reply.answer.status), ("CGI", 504));
}

#[test]
fn limits_hold_here_too() {
    ours_only!("lines of the log");
    let server = fastcgi().args(["--limit-post", "10"]).start();
    let mut connection = server.connect();
    connection.send(fastcgi::request(&Request::post("/echo", "more than ten bytes"), 1, false));
    assert_eq!(connection.rest(), b"");
    server.wait_for("Invalid (too big) CONTENT_LENGTH. skip.<*>");
    let mut connection = server.connect();
    let long = Request::get("/hello").header("X", &"y".repeat(5_000));
    connection.send(fastcgi::request(&long, 1, false));
    assert_eq!(connection.rest(), b"");
}

#[test]
fn a_listening_socket_on_descriptor_0_is_served() {
    let dir = crate::support::temp::TempDir::new();
    let path = dir.path().join("fcgi.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let setup = Setup::new(Wire::Uwsgi).args(["--protocol", "fastcgi", "--wsgi-file"]);
    let setup = setup.arg(setup::app("probe.py")).stdin(OwnedFd::from(listener));
    let _server = setup.start();
    let mut connection = Connection::open(&crate::support::Address::Unix(path));
    connection.send(fastcgi::request(&Request::get("/hello"), 1, false));
    assert_eq!(fastcgi::reply(&mut connection, false).answer.text(), "hello");
}

#[test]
fn kept_connections_outlive_a_reload() {
    ours_only!("it closes after each request");
    let server = fastcgi().master(2).start();
    let mut idle = server.connect();
    assert_eq!(ask(&mut idle, &Request::get("/hello"), 1).answer.text(), "hello");
    let before = server.workers(2);
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.await_reload(mark);
    eventually("the end of the old workers", || before.iter().all(|pid| !process::alive(*pid)));
    assert_eq!(ask(&mut idle, &Request::get("/hello"), 1).answer.text(), "hello");
}

#[test]
fn a_new_generation_is_asked_in_the_protocol_of_its_socket() {
    ours_only!("it has no such check");
    for option in ["--fastcgi-socket", "--fastcgi-nph-socket", "--scgi-socket", "--scgi-nph-socket"]
    {
        let check = |status: &str| format!("GET /status?{status}%20X 200");
        let server = with(option).args(["--reload-check", &check("200")]).master(1).start();
        let mark = server.log.mark();
        server.signal(Signal::SIGHUP);
        server.await_reload(mark);
        let server = with(option).args(["--reload-check", &check("503")]).master(1).start();
        server.signal(Signal::SIGHUP);
        server.wait_for("<*>reload-check GET /status?503%20X: answered 503, not 200<*>");
    }
}

/// HAProxy passes such requests on. The front end's connection lives on.
#[test]
fn a_tunnel_is_refused() {
    ours_only!("it closes after each request");
    let server = fastcgi().start();
    let mut connection = server.connect();
    let reply = ask(&mut connection, &Request::new("CONNECT", "/hello"), 1);
    assert_eq!(reply.answer.status, 501);
    assert_eq!(ask(&mut connection, &Request::get("/hello"), 1).answer.text(), "hello");
    server.wait_for("the server answered 501 during CONNECT /hello<*>");
}
