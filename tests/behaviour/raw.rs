//! `raw-socket` with `python-raw`: a function has connections as they are.

use crate::support::{Address, Connection, Request, Server, Setup, Wire};

/// Goes by the first bytes that come; `greet` and `late` are other functions of the file.
const APP: &str = "
import os, socket, sys, threading, time, uwsgi

def application(connection):
    copy = socket.socket(fileno=os.dup(connection))
    copy.settimeout(30)
    asked = copy.recv(100)
    if asked == b'facts':
        copy.sendall(repr((connection == uwsgi.connection_fd(), uwsgi.worker_id() > 0)).encode())
    elif asked == b'bytes':
        return b'some bytes'
    elif asked == b'pieces':
        return (piece for piece in (b'one ', b'two'))
    elif asked == b'large':
        return [b'x' * 3000000]
    elif asked == b'boom':
        raise ValueError('boom of a raw connection')
    elif asked == b'exit':
        sys.exit()
    elif asked == b'hang':
        time.sleep(60)
    elif asked == b'keep':
        threading.Thread(target=lambda: (time.sleep(0.1), copy.sendall(b'later'), copy.close())).start()
    return []

def greet(connection):
    os.write(connection, b'hello')
    return []
";

fn setup() -> Setup {
    let setup = Setup::new(Wire::Uwsgi).file("raw.py", APP);
    setup.args(["--raw-socket", "127.0.0.1:0", "--python-raw", "raw.py"])
}

fn connect(server: &Server) -> Connection {
    Connection::open(&server.address())
}

#[track_caller]
fn told(server: &Server, words: &str) -> String {
    let mut connection = connect(server);
    connection.send(words);
    String::from_utf8(connection.rest()).unwrap()
}

#[test]
fn a_function_has_the_connection_and_what_it_returns_is_sent() {
    let server = setup().start();
    assert_eq!(told(&server, "facts"), "(True, True)");
    assert_eq!(told(&server, "bytes"), "some bytes");
    assert_eq!(told(&server, "pieces"), "one two");
    assert_eq!(told(&server, "large").len(), 3_000_000);
    assert_eq!(told(&server, "nothing"), "");
}

#[test]
fn it_may_speak_first_and_has_the_name_of_callable() {
    let server = setup().args(["--callable", "greet"]).start();
    assert_eq!(connect(&server).rest(), b"hello");
}

#[test]
fn the_descriptor_may_be_copied_and_used_on() {
    let server = setup().args(["--enable-threads"]).start();
    assert_eq!(told(&server, "keep"), "later");
}

#[test]
fn threads_serve_side_by_side() {
    let server = setup().args(["--threads", "2"]).start();
    let mut first = connect(&server);
    assert_eq!(told(&server, "bytes"), "some bytes");
    first.send("bytes");
    assert_eq!(first.rest(), b"some bytes");
}

#[test]
fn other_sockets_serve_as_ever() {
    let setup = setup().args(["--http-socket", "http.sock", "--wsgi-file"]);
    let server = setup.arg(crate::support::setup::app("probe.py")).start();
    let mut http = Connection::open(&Address::Unix(server.path("http.sock")));
    assert_eq!(http.ask(&Request::get("/hello")).text(), "hello");
    assert_eq!(told(&server, "bytes"), "some bytes");
}

#[test]
fn what_a_function_raises_is_logged_and_its_connection_closed() {
    ours_only!("it leaves the connection open");
    let server = setup().start();
    assert_eq!(told(&server, "boom"), "");
    server.wait_for("ValueError: boom of a raw connection");
    assert_eq!(told(&server, "bytes"), "some bytes");
}

#[test]
fn a_function_that_exits_ends_its_worker() {
    let server = setup().master(1).start();
    assert_eq!(told(&server, "exit"), "");
    assert_eq!(told(&server, "bytes"), "some bytes");
}

#[test]
fn one_that_hangs_ends_by_harakiri() {
    let server = setup().args(["--harakiri", "1"]).master(1).start();
    assert_eq!(told(&server, "hang"), "");
    server.wait_for("<*>HARAKIRI ON WORKER 1<*>");
    assert_eq!(told(&server, "bytes"), "some bytes");
}

#[test]
fn one_that_hangs_is_interrupted() {
    ours_only!("the option is ours");
    let server = setup().args(["--harakiri-interrupt", "1"]).master(1).start();
    assert_eq!(told(&server, "hang"), "");
    server.wait_for("the server ended a raw connection: <*>");
    assert_eq!(told(&server, "bytes"), "some bytes");
}

#[test]
fn reloads_keep_the_connection_that_runs() {
    ours_only!("its function is interrupted");
    let server = setup().args(["--die-on-term"]).master(1).start();
    let mut before = connect(&server);
    let mark = server.log.mark();
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.log.wait_for_since(mark, "<*>spawned uWSGI worker 1<*>");
    before.send("bytes");
    assert_eq!(before.rest(), b"some bytes");
    assert_eq!(told(&server, "bytes"), "some bytes");
}

#[test]
fn a_socket_without_a_function_is_a_mistake() {
    ours_only!("it closes each connection");
    let (status, log) = Setup::new(Wire::Uwsgi).args(["--raw-socket", "127.0.0.1:0"]).run();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(
        log.contains("no function takes its connections; name its file with python-raw"),
        "{log}"
    );
    let (status, log) = setup().args(["--raw-modifier1", "9"]).run();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("raw-modifier1 = 9: no plugin answers"), "{log}");
}
