//! The log by ZeroMQ. The original as PyPI builds it has no ZeroMQ.

use nix::sys::signal::Signal;

use crate::support::{PATIENCE, Server, Setup, eventually, process};

/// Whoever reads the log.
struct Reader(zmq::Socket);

impl Reader {
    fn new() -> Self {
        let socket = zmq::Context::new().socket(zmq::PULL).expect("a socket of ZeroMQ");
        socket.set_rcvhwm(0).expect("an option of ZeroMQ");
        socket.bind("tcp://127.0.0.1:*").expect("bind to a free port");
        Self(socket)
    }

    fn endpoint(&self) -> String {
        self.0.get_last_endpoint().expect("it is bound").expect("an endpoint is text")
    }

    /// Reads until a line with this in it.
    #[track_caller]
    fn wait_for(&self, wanted: &str) -> String {
        let patience = i64::try_from(PATIENCE.as_millis()).expect("half a minute");
        let mut seen = Vec::new();
        while self.0.poll(zmq::POLLIN, patience).expect("poll a socket") > 0 {
            let message = self.0.recv_bytes(0).expect("poll has found a message");
            let line = String::from_utf8_lossy(&message).into_owned();
            assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "one line: {line:?}");
            if line.contains(wanted) {
                return line;
            }
            seen.push(line);
        }
        panic!("no line with {wanted:?} in {seen:?}");
    }
}

fn gateway(server: &Server) -> i32 {
    process::child_with(server.pid(), "gateway zeromq-log")
}

#[test]
fn every_line_is_a_message_from_the_start_over_a_reload_to_the_end() {
    ours_only!("it has no ZeroMQ as PyPI builds it");
    for option in ["--log-zeromq=", "--logger=zeromq:", "--logger=mine zmq:"] {
        let reader = Reader::new();
        let option = format!("{option}{}", reader.endpoint());
        let mut server = Setup::http().master(1).arg(option).arg("--die-on-term").launch();
        reader.wait_for("spawned uWSGI worker 1");
        assert_eq!(server.get("/hello").text(), "hello");
        reader.wait_for("GET /hello => generated 5 bytes");
        assert_eq!(server.get("/printed").status, 404);
        let carrier = gateway(&server);
        server.signal(Signal::SIGHUP);
        reader.wait_for("gracefully (RE)spawned uWSGI master process");
        assert_eq!(server.get("/hello").text(), "hello");
        reader.wait_for("GET /hello => generated 5 bytes");
        assert_eq!(gateway(&server), carrier, "it outlives the reload");
        server.signal(Signal::SIGTERM);
        reader.wait_for("worker 1 buried");
        assert!(server.wait().success());
        server.wait_for("goodbye to uWSGI.");
    }
}

#[test]
fn nobody_waits_for_who_does_not_read() {
    ours_only!("it has no ZeroMQ as PyPI builds it");
    let reader = Reader::new();
    let option = format!("--log-zeromq={}", reader.endpoint());
    let server = Setup::http().master(1).arg(option).launch();
    reader.wait_for("spawned uWSGI worker 1");
    let carrier = gateway(&server);
    process::send(carrier, Signal::SIGSTOP);
    let mut client = server.connect();
    // Far more than the channel holds.
    for _ in 0..4_000 {
        assert_eq!(client.ask(&crate::support::Request::get("/hello")).text(), "hello");
    }
    process::send(carrier, Signal::SIGCONT);
    eventually("room in the channel", || {
        client.ask(&crate::support::Request::get("/hello"));
        let line = reader.wait_for("");
        line.contains("lines of the log were dropped")
    });
    // One that dies is replaced.
    process::send(carrier, Signal::SIGKILL);
    eventually("another one", || gateway(&server) != carrier);
    eventually("its lines", || {
        client.ask(&crate::support::Request::get("/hello"));
        reader.wait_for("").contains("GET /hello")
    });
}

#[test]
fn what_is_dropped_is_told_where_the_log_was_before() {
    ours_only!("it has no ZeroMQ as PyPI builds it");
    // A port that is free again: nobody listens there.
    let nobody = Reader::new().endpoint();
    let server = Setup::http().master(1).args(["--log-zeromq", &nobody]).launch();
    let port = server.wait_for("uwsgi socket 0 bound to TCP address <*> fd <N>");
    assert!(!port.is_empty());
    eventually("it serves", || crate::support::Connection::try_open(&server.address()).is_ok());
    let mut client = server.connect();
    for _ in 0..12_000 {
        assert_eq!(client.ask(&crate::support::Request::get("/hello")).text(), "hello");
    }
    server.wait_for("log-zeromq: <N> lines were dropped: <*> does not take them");
}

#[test]
fn what_cannot_be_done_is_said() {
    ours_only!("it has no ZeroMQ as PyPI builds it");
    let (status, text) = Setup::http().args(["--log-zeromq", "nonsense"]).run();
    assert!(!status.success());
    assert!(
        text.contains("log-zeromq = nonsense") && text.contains("accepted: a ZeroMQ endpoint"),
        "{text}"
    );
    let server = Setup::http().args(["--logger", "syslog:x"]).start();
    server.wait_for("<*>logger<*>is not supported with this logger<*>accepted: zeromq:ENDPOINT");
}
