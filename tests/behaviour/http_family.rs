//! The options of uWSGI's HTTP router, which the workers of ours do themselves.

use crate::support::{Address, Answer, Connection, Request, Server, Setup, Wire, eventually};

/// A server with the probe application behind a socket of `http`.
struct Front {
    server: Server,
    address: Address,
}

fn front(args: &[&str]) -> Front {
    let setup = Setup::new(Wire::Http);
    let path = setup.path("http.sock");
    let probe = crate::support::setup::app("probe.py");
    let setup = setup.arg("--http").arg(&path).arg("--wsgi-file").arg(probe);
    let server = setup.args(args.iter().copied()).start();
    let address = Address::Unix(path);
    // The original's router opens it at its own time.
    eventually("the socket of http", || Connection::try_open(&address).is_ok());
    Front { server, address }
}

impl Front {
    fn connect(&self) -> Connection {
        Connection::open(&self.address)
    }

    /// Asks on a connection of its own.
    #[track_caller]
    fn send(&self, request: &Request) -> Answer {
        let mut connection = self.connect();
        connection.send(request.clone().header("Connection", "close").to_http());
        connection.answer(request.method == "HEAD")
    }

    #[track_caller]
    fn get(&self, target: &str) -> Answer {
        self.send(&Request::get(target))
    }
}

#[test]
fn http_var_adds_variables_and_has_the_last_word() {
    let vars = ["--http-var", "APP=a=b", "--http-var", "HTTP_X_ONE=1", "--http-var", "no-value"];
    let front = front(&vars);
    for _ in 0..3 {
        let answer = front.send(&Request::get("/environ").header("X-One", "header"));
        assert_eq!(answer.line("APP"), "'a=b'");
        assert_eq!(answer.line("HTTP_X_ONE"), "'1'");
        assert!(!answer.has_line("no-value"));
    }
}

#[test]
fn http_var_is_not_for_other_sockets() {
    ours_only!("without a socket for it, its router passes requests to http-socket");
    let front = front(&["--http-var", "APP=1", "--http-socket", "plain.sock"]);
    assert!(front.get("/environ").has_line("APP"));
    let mut plain = Connection::open(&Address::Unix(front.server.path("plain.sock")));
    assert!(!plain.ask(&Request::get("/environ")).has_line("APP"));
}

#[test]
fn server_name_is_the_host_where_that_is_asked_for() {
    let name = |front: &Front| {
        front.send(&Request::get("/environ").header("Host", "app.test:8")).line("SERVER_NAME")
    };
    assert_eq!(name(&front(&["--http-server-name-as-http-host", "1"])), "'app.test:8'");
    assert_ne!(name(&front(&[])), "'app.test:8'");
}

#[test]
fn escaped_slashes_of_a_path() {
    ours_only!("it is of uWSGI 2.1");
    let path = |front: &Front| front.get("/environ%2fa").status;
    assert_eq!(path(&front(&[])), 404);
    let target = "/%65nviron?a=%2F";
    let front = front(&["--http-path-info-no-decode-slashes", "1"]);
    assert_eq!(front.get(target).line("PATH_INFO"), "'/environ'");
    let line = "GET /a%2Fb%20c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let mark = front.server.log.mark();
    let mut connection = front.connect();
    connection.send(line);
    assert_eq!(connection.answer(false).status, 404);
    front.server.log.wait_for_since(mark, "<*>GET /a%2Fb%20c<*>");
}

#[test]
fn expect_above_the_limit_is_413() {
    let front = front(&["--http-manage-expect=10"]);
    let ask = |length: usize, expect: &str| {
        let mut connection = front.connect();
        connection.send(format!(
            "POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n{expect}\r\n"
        ));
        let first = connection.answer(false).status;
        if first == 100 {
            connection.send("x".repeat(length));
            assert_eq!(connection.answer(false).body.len(), length);
        }
        first
    };
    assert_eq!(ask(11, "Expect: 100-continue\r\n"), 413);
    assert_eq!(ask(10, "Expect: 100-continue\r\n"), 100);
    // Who does not ask is not refused.
    let mut connection = front.connect();
    connection.send(Request::post("/echo", "x".repeat(20)).header("Connection", "close").to_http());
    assert_eq!(connection.answer(false).body.len(), 20);
}

#[test]
fn modifiers_select_the_plugin() {
    for (socket, option) in
        [("--http", "--http-modifier1"), ("--http-socket", "--http-socket-modifier1")]
    {
        ours_only!("it closes each request");
        let (status, log) = Setup::new(Wire::Http).args([socket, "127.0.0.1:0", option, "9"]).run();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains(&format!("{} = 9: no plugin answers", &option[2..])), "{log}");
        let server = Setup::http().args([option, "0"]).start();
        assert_eq!(server.get("/hello").text(), "hello");
    }
}

#[test]
fn silent_clients_end_by_http_timeout_and_others_by_socket_timeout() {
    let half = "GET /hello HTTP/1.1\r\nHost: h\r\n";
    let front = front(&["--http-timeout", "1", "--socket-timeout", "600"]);
    let mut connection = front.connect();
    connection.send(half);
    let bytes = connection.rest(); // fails when the server waits for ever
    assert!(bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 408 "), "{bytes:?}");
    assert_eq!(front.get("/hello").text(), "hello");
}

#[test]
fn http_timeout_leaves_time_where_socket_timeout_would_not() {
    ours_only!("its workers wait for a body by socket-timeout, behind the router");
    let front = front(&["--http-timeout", "600", "--socket-timeout", "1"]);
    let mut slow = front.connect();
    slow.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na");
    // By the time that this one is given up, the other one would have been as well.
    let other = Setup::http().args(["--socket-timeout", "1"]).start();
    let mut half = other.connect();
    half.send("GET /hello HTTP/1.1\r\nHost:");
    assert!(half.rest().starts_with(b"HTTP/1.1 408 "));
    let mut half = other.connect();
    half.send("GET /hello HTTP/1.1\r\nHost:");
    assert!(half.rest().starts_with(b"HTTP/1.1 408 "));
    slow.send("b");
    assert_eq!(slow.answer(false).text(), "ab");
}

#[test]
fn a_head_has_a_time_of_its_own() {
    let front = front(&["--http-headers-timeout", "1", "--http-timeout", "600"]);
    let mut connection = front.connect();
    connection.send("GET /hello HTTP/1.1\r\nHost: h\r\n");
    let bytes = connection.rest();
    assert!(bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 408 "), "{bytes:?}");
}

#[test]
fn chunked_bodies_reach_the_application_whatever_the_options_say() {
    ours_only!("without its options, wsgi.input is empty; with them, too");
    for option in ["--http-chunked-input", "--http-raw-body", "--http-auto-chunked"] {
        let front = front(&[option]);
        let mut connection = front.connect();
        connection.send(
            "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        );
        assert_eq!(connection.answer(false).text(), "hello", "{option}");
    }
}

#[test]
fn chunked_bodies_can_be_read_by_chunked_read() {
    for option in ["--http-chunked-input", "--http-raw-body"] {
        let front = front(&[option]);
        let mut connection = front.connect();
        connection
            .send("POST /chunked-read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
        connection.send("5\r\nhello\r\n");
        connection.send("1\r\n \r\n5\r\nworld\r\n0\r\n\r\n");
        assert_eq!(connection.answer(false).text(), "hello world", "{option}");
    }
}

#[test]
fn chunked_read_tells_a_body_that_breaks_off() {
    ours_only!("its router forgets the request when the client ends its direction");
    let front = front(&["--http-raw-body"]);
    let mut connection = front.connect();
    let large = "x".repeat(100_000);
    connection.send(format!(
        "POST /chunked-read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n{large}\r\n7\r\nabc"
    ));
    connection.finish();
    let answer = connection.answer(false);
    assert_eq!(answer.text(), "OSError: unable to receive chunked part");
}

/// The body without its compression, by the Python of the machine: not by what compressed it.
fn unpacked(body: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let code =
        "import sys, gzip; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))";
    let mut python = std::process::Command::new("python3")
        .args(["-c", code])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(body).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn marked_answers_are_compressed() {
    let front = front(&["--http-auto-gzip"]);
    let plain = b"hello world ".repeat(500);
    for query in ["", "stream"] {
        let target = format!("/packed?{query}");
        let answer = front.send(&Request::get(&target).header("Accept-Encoding", "br, gzip"));
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{query}");
        assert_eq!(answer.header("content-length"), None, "{query}");
        assert!(answer.body.len() < 1000 && unpacked(&answer.body) == plain, "{query}");
        let answer = front.get(&target);
        assert_eq!(answer.header("content-encoding"), None, "{query}");
        assert!(answer.body == plain, "{query}");
    }
}

#[test]
fn compressing_keeps_to_http() {
    ours_only!(
        "it looks for the word gzip, compresses for HEAD and what is encoded, and sends no Vary"
    );
    let front = front(&["--http-auto-gzip"]);
    let plain = b"hello world ".repeat(500);
    let mut connection = front.connect();
    let mut ask = |query: &str, accept: &str| {
        let request = Request::get(&format!("/packed?{query}")).header("Accept-Encoding", accept);
        let answer = connection.ask(&request);
        let body = match answer.header("content-encoding") {
            Some("gzip") => unpacked(&answer.body),
            _ => answer.body.clone(),
        };
        assert_eq!(body, plain, "{query} {accept}");
        assert_eq!(answer.header("uwsgi-encoding"), None, "the mark is for the server");
        answer
    };
    let rows = [
        // query, Accept-Encoding, compressed, Vary names Accept-Encoding, ETag
        ("", "gzip", true, true, None),
        ("length", "gzip", true, true, None),
        ("length&etag", "gzip", true, true, Some("W/\"v1\"")),
        ("length&etag", "gzip;q=0", false, true, Some("\"v1\"")),
        ("stream", "*", true, true, None),
        ("file", "gzip", false, false, None),
        ("partial", "gzip", false, false, None),
        ("encoded", "gzip", false, false, None),
        ("", "br", false, true, None),
    ];
    for (query, accept, compressed, varies, etag) in rows {
        let answer = ask(query, accept);
        let row = format!("{query} {accept}");
        assert_eq!(answer.header("content-encoding") == Some("gzip"), compressed, "{row}");
        assert_eq!(answer.header("vary") == Some("Accept-Encoding"), varies, "{row}");
        assert_eq!(answer.header("etag"), etag, "{row}");
        let length = if query.contains("length") && !compressed { Some("6000") } else { None };
        if length.is_some() || compressed {
            assert_eq!(answer.header("content-length"), length, "{row}");
        }
    }
    let head = Request::new("HEAD", "/packed?length").header("Accept-Encoding", "gzip");
    let head = connection.ask(&head);
    assert_eq!(
        (head.header("content-encoding"), head.header("content-length")),
        (Some("gzip"), None)
    );
    assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello", "the connection goes on");
}

#[test]
fn pieces_of_a_compressed_stream_arrive_when_they_are_made() {
    ours_only!("it writes chunks that end within a piece");
    let code = "import time\ndef application(e, s):\n    s('200 OK', [('uWSGI-Encoding', 'gzip')])\n    yield b'first'\n    time.sleep(600)\n";
    let setup = Setup::new(Wire::Http).file("app.py", code);
    let setup = setup.args(["--http", "127.0.0.1:0", "--http-auto-gzip", "--wsgi-file", "app.py"]);
    let server = setup.start();
    let mut connection = server.connect();
    connection.send(Request::get("/").header("Accept-Encoding", "gzip").to_http());
    // The head, and a chunk whose end is a flush: an empty stored block.
    let mut seen = Vec::new();
    while !seen.ends_with(b"\0\0\xff\xff\r\n") {
        seen.extend(connection.take(1));
    }
}

#[test]
fn answers_without_the_option_keep_their_mark() {
    let answer = front(&[]).send(&Request::get("/packed").header("Accept-Encoding", "gzip"));
    assert_eq!(answer.header("uwsgi-encoding"), Some("gzip"));
    assert_eq!(answer.header("content-encoding"), None);
}

/// Runs on until `go` is there, and tells so.
const PATIENT: &str = "
import os, time
def wait():
    while not os.path.exists('go'):
        time.sleep(0.005)
    os.remove('go')
    print('IT RAN ON', flush=True)

def application(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/silent':
        wait()
    if path == '/upload':
        environ['wsgi.input'].read()
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return midway() if path == '/midway' else [b'here']

def midway():
    yield b'first'
    wait()
    yield b'last'
";

/// Behind a socket of `http`, on a path.
fn patient(args: &[&str]) -> Front {
    let setup = Setup::new(Wire::Http).file("app.py", PATIENT);
    let path = setup.path("http.sock");
    let setup = setup.arg("--http").arg(&path).args(["--wsgi-file", "app.py"]);
    let server = setup.args(args.iter().copied()).start();
    let address = Address::Unix(path);
    eventually("the socket of http", || Connection::try_open(&address).is_ok());
    Front { server, address }
}

impl Front {
    #[track_caller]
    fn lets_it_run_on(&self) {
        let mark = self.server.log.mark();
        std::fs::write(self.server.path("go"), "").unwrap();
        self.server.log.wait_for_since(mark, "IT RAN ON");
    }
}

#[test]
fn a_silent_application_ends_its_connection_by_http_timeout_and_runs_on() {
    for master in [&[][..], &["--master"]] {
        let front = patient(&[&["--http-timeout", "1"], master].concat());
        let mut connection = front.connect();
        connection.send(Request::get("/silent").to_http());
        let bytes = connection.rest(); // fails when nobody ends it
        assert!(bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 504 "), "{bytes:?}");
        front.lets_it_run_on();
        assert_eq!(front.get("/").text(), "here");
        let mut connection = front.connect();
        connection.send(Request::get("/midway").to_http());
        let bytes = String::from_utf8(connection.rest()).unwrap();
        assert!(bytes.contains("first") && !bytes.contains("last"), "{bytes:?}");
        front.lets_it_run_on();
        assert_eq!(front.get("/").text(), "here");
    }
}

#[test]
fn who_is_silent_is_told_and_logged() {
    ours_only!("its router only closes");
    let front = patient(&["--http-timeout", "1", "--master"]);
    let answer = front.get("/silent");
    assert_eq!((answer.status, answer.header("Connection")), (504, Some("close")));
    front.server.wait_for(
        "the application was silent for http-timeout, its client has its answer: <*>GET /silent",
    );
    front.server.wait_for("the server answered 504 in place of the application: <*>GET /silent<*>");
    front.lets_it_run_on();
    front.server.wait_for("<*>GET /silent => generated 0 bytes<*>504)<*>");
    let mut connection = front.connect();
    connection.send(Request::get("/midway").to_http());
    assert!(!Answer::whole(&connection.rest(), false).unwrap().complete);
    front.server.wait_for(
        "the application was silent for http-timeout, its answer ends here: <*>GET /midway",
    );
    front.lets_it_run_on();
    front.server.wait_for("<*>GET /midway => generated <*>200)<*>");
}

#[test]
fn an_application_that_waits_for_its_client_is_not_silent() {
    ours_only!("its workers wait for a body by socket-timeout, behind the router");
    // Each of the client's pauses is shorter than the limit, all of them together are longer.
    let front = patient(&["--http-timeout", "3"]);
    let mut connection = front.connect();
    connection.send("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 100004\r\n\r\n");
    connection.send(vec![b'x'; 100_000]);
    for _ in 0..4 {
        // Not to wait for something: it is how this client is.
        std::thread::sleep(std::time::Duration::from_secs(1));
        connection.send("x");
    }
    assert_eq!(connection.answer(false).text(), "here");
}
