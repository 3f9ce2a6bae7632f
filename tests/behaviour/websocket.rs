//! WebSockets, straight from a client and from behind Mongrel2.

use nix::sys::signal::Signal;

use crate::support::fronts::{Front, Pass, Plan, program};
use crate::support::mongrel2::{BOTH, Mongrel2, Plan as MongrelPlan};
use crate::support::setup::{Setup, Wire, app};
use crate::support::websocket::{BINARY, CLOSE, PING, PONG, Socket, TEXT, frame, handshake};
use crate::support::{Address, Request, Server, eventually};

fn setup() -> Setup {
    let app = app("websocket.py");
    Setup::new(Wire::Http).args(["--http-socket", "127.0.0.1:0", "--wsgi-file"]).arg(app)
}

fn server(args: &[&str]) -> Server {
    setup().args(args).start()
}

fn open(server: &Server, path: &str) -> Socket {
    Socket::open(&server.address(), path)
}

const NO_MESSAGE: &str = "ends: OSError('unable to receive websocket message')";

/// What must be the same however the client comes.
fn messages_go_both_ways(address: &Address) {
    let mut socket = Socket::open(address, "/echo");
    socket.echo("hello");
    socket.echo("gr\u{fc}\u{df}e");
    socket.echo(&"x".repeat(126));
    socket.echo(&"y".repeat(70_000));
    socket.send(PONG, "nobody asked");
    socket.echo("still here");
    drop(socket);
    let mut socket = Socket::open(address, "/echo-binary");
    socket.send(BINARY, b"\0\xff");
    assert_eq!(socket.receive(), (BINARY, b"\0\xff".to_vec()));
}

#[test]
fn messages_are_echoed() {
    let server = server(&[]);
    messages_go_both_ways(&server.address());
}

#[test]
fn the_handshake_is_answered() {
    let server = server(&[]);
    let request = handshake("/echo").header("Origin", "http://example.test");
    let (mut socket, answer) = Socket::ask(&server.address(), &request);
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("Sec-WebSocket-Accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.header("Sec-WebSocket-Origin"), Some("http://example.test"));
    assert!(answer.header("Upgrade").is_some_and(|it| it.eq_ignore_ascii_case("websocket")));
    assert_eq!(answer.header("Connection"), Some("Upgrade"));
    for framing in ["Content-Length", "Transfer-Encoding"] {
        assert_eq!(answer.header(framing), None);
    }
    socket.echo("x");
}

#[test]
fn the_clients_first_protocol_is_spoken() {
    ours_only!("it answers with all of them, which browsers refuse");
    let server = server(&[]);
    let request = handshake("/echo").header("Sec-WebSocket-Protocol", "chat, superchat");
    let (_, answer) = Socket::ask(&server.address(), &request);
    assert_eq!(answer.header("Sec-WebSocket-Protocol"), Some("chat"));
}

#[test]
fn frames_may_come_with_the_handshake_and_in_pieces() {
    let server = server(&[]);
    let mut connection = server.connect();
    let bytes =
        [handshake("/echo").to_http(), frame(TEXT, b"early"), frame(TEXT, b"bird")].concat();
    connection.send(&bytes[..bytes.len() - 3]);
    assert_eq!(connection.answer(false).status, 101);
    let mut socket = Socket(connection);
    assert_eq!(socket.receive(), (TEXT, b"early".to_vec()));
    socket.0.send(&bytes[bytes.len() - 3..]);
    assert_eq!(socket.receive(), (TEXT, b"bird".to_vec()));
}

#[test]
fn fragments_are_put_together() {
    ours_only!("it loses the beginning of the message where its end comes later");
    let server = server(&[]);
    let mut socket = open(&server, "/echo");
    socket.send(0x01, "Hel");
    socket.send(0x00, "");
    socket.send(0x80, "lo");
    assert_eq!(socket.receive(), (TEXT, b"Hello".to_vec()));
}

#[test]
fn control_frames_may_come_between_fragments() {
    ours_only!("as above");
    let server = server(&[]);
    let mut socket = open(&server, "/echo");
    socket.send(0x01, "Hel");
    socket.send(PING, "there?");
    assert_eq!(socket.receive(), (PONG, b"there?".to_vec()), "while the message is on its way");
    socket.send(0x80, "lo");
    assert_eq!(socket.receive(), (TEXT, b"Hello".to_vec()));
}

#[test]
fn pings_are_answered() {
    let server = server(&[]);
    let mut socket = open(&server, "/echo");
    socket.send(PING, "");
    assert_eq!(socket.receive(), (PONG, vec![]));
    socket.echo("after it");
}

#[test]
fn a_close_is_answered_and_ends_the_application() {
    let server = server(&[]);
    let mut socket = open(&server, "/echo");
    socket.send(CLOSE, b"\x03\xe9leaving");
    assert_eq!(socket.receive().0, CLOSE);
    assert!(socket.0.rest().is_empty());
    server.wait_for(&format!("/echo {NO_MESSAGE}"));
}

#[test]
fn a_close_is_answered_with_its_code() {
    ours_only!("its close frames are empty");
    let server = server(&[]);
    let mut socket = open(&server, "/echo");
    socket.send(CLOSE, b"\x03\xe9leaving");
    assert_eq!(socket.receive(), (CLOSE, b"\x03\xe9".to_vec()));
    let mut socket = open(&server, "/echo");
    socket.send(CLOSE, b"");
    assert_eq!(socket.receive(), (CLOSE, vec![]));
}

#[test]
fn a_client_that_vanishes_ends_the_application() {
    let server = server(&[]);
    for path in ["/echo", "/poll"] {
        let mut socket = open(&server, path);
        socket.echo("x");
        drop(socket);
        server.wait_for(&format!("{path} {NO_MESSAGE}"));
    }
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn an_application_may_ask_without_waiting() {
    let server = server(&["--websockets-ping-freq", "3600"]);
    let mut socket = open(&server, "/poll");
    socket.echo("one");
    socket.echo("two");
}

#[test]
fn a_message_over_the_limit_ends_the_socket() {
    for (args, limit) in [(&[][..], 1024), (&["--websockets-max-size", "3"], 3)] {
        let server = server(args);
        let limit = limit * 1024;
        let mut socket = open(&server, "/echo");
        socket.echo(&"x".repeat(limit - 100));
        // The head of a frame is enough.
        socket.0.send(&frame(TEXT, &vec![b'x'; limit + 1])[..10]);
        server.wait_for(&format!(
            "<*>invalid packet size received: {}, max allowed: {limit}",
            limit + 1
        ));
        server.wait_for(&format!("/echo {NO_MESSAGE}"));
    }
}

#[test]
fn clients_that_break_the_rules_are_told_so() {
    ours_only!("it takes all of this");
    let server = server(&[]);
    let unmasked = [&[TEXT, 5][..], b"hello"].concat();
    let fragment = frame(0x01, b"x");
    for (bytes, code) in [
        (unmasked, 1002u16),
        (frame(0xc1, b"x"), 1002),
        (frame(0x83, b"x"), 1002),
        (frame(PING, &[b'x'; 126]), 1002),
        ([fragment.clone(), fragment].concat(), 1002),
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, &vec![b'x'; (1 << 20) + 1])[..14].to_vec(), 1009),
    ] {
        let mut socket = open(&server, "/echo");
        socket.0.send(&bytes);
        assert_eq!(socket.receive(), (CLOSE, code.to_be_bytes().to_vec()), "{bytes:x?}");
        assert!(socket.0.rest().is_empty());
    }
    server.wait_for("[uwsgi-websocket] \"GET /echo\" (127.0.0.1) a frame without a mask");
}

#[test]
fn a_silent_client_is_asked_and_given_up() {
    let server = server(&["--websockets-ping-freq", "1", "--websockets-pong-tolerance", "1"]);
    let mut socket = open(&server, "/echo");
    assert_eq!(socket.receive(), (PING, vec![]));
    socket.send(PONG, "");
    assert_eq!(socket.receive(), (PING, vec![]), "the answer counts");
    assert!(socket.0.rest().is_empty());
    server.wait_for("<*>no PONG received in 1 seconds !!!");
    server.wait_for(&format!("/echo {NO_MESSAGE}"));
}

#[test]
fn threads_serve_a_socket_each() {
    let server = server(&["--threads", "2"]);
    let (mut first, mut second) = (open(&server, "/echo"), open(&server, "/echo"));
    for round in 0..20 {
        first.echo(&format!("first {round}"));
        second.echo(&format!("second {round}"));
    }
    drop(first);
    server.wait_for(&format!("/echo {NO_MESSAGE}"));
    assert_eq!(server.get("/hello").text(), "hello", "the thread is free");
    second.echo("still here");
}

#[test]
fn large_messages_leave_whole_however_slowly_they_are_read() {
    let server = server(&[]);
    let mut socket = open(&server, "/sizes");
    for size in [20 << 20, 10, 1 << 20] {
        socket.send(TEXT, size.to_string());
    }
    for size in [20 << 20, 10, 1 << 20] {
        let (first, message) = socket.receive();
        assert_eq!((first, message.len()), (BINARY, size));
    }
}

#[test]
fn other_requests_are_not_affected() {
    ours_only!("it makes a WebSocket of any request");
    let server = server(&[]);
    let plain = Request::get("/echo").header("Host", "localhost");
    let answer = server.send(&plain);
    assert_eq!(answer.status, 500, "the application asked for what nobody offered");
    server.wait_for("/echo ends: OSError('unable to complete websocket handshake')");
    // An application that does not care, and the next request behind it.
    let mut connection = server.connect();
    let both =
        [handshake("/hello").to_http(), Request::get("/hello").header("Host", "x").to_http()];
    connection.send(both.concat());
    for _ in both {
        let answer = connection.answer(false);
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    }
    assert_eq!(connection.ask(&Request::get("/hello").header("Host", "x")).text(), "hello");
    // A body excludes it.
    let body = Request::post("/echo", "12345").header("Host", "x").header("Upgrade", "websocket");
    assert_eq!(server.send(&body.header("Connection", "Upgrade")).status, 500);
}

#[test]
fn handshakes_that_are_none_are_refused() {
    ours_only!("it takes any version, and closes without an answer where the key is missing");
    let server = server(&[]);
    let base = || {
        let request = Request::get("/echo").header("Host", "x").header("Upgrade", "websocket");
        request.header("Connection", "Upgrade")
    };
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let old = base().header("Sec-WebSocket-Key", key).header("Sec-WebSocket-Version", "8");
    let answer = server.send(&old);
    assert_eq!((answer.status, answer.header("Sec-WebSocket-Version")), (426, Some("13")));
    let short = base().header("Sec-WebSocket-Key", "abc").header("Sec-WebSocket-Version", "13");
    assert_eq!(server.send(&short).status, 400);
}

#[test]
fn an_application_that_returns_closes_its_socket() {
    ours_only!("it closes without a close frame, and sends the answer's bytes among the frames");
    let server = server(&[]);
    let mut socket = open(&server, "/farewell");
    assert_eq!(socket.receive(), (TEXT, b"bye".to_vec()));
    assert_eq!(socket.receive(), (CLOSE, 1000u16.to_be_bytes().to_vec()));
    assert!(socket.0.rest().is_empty(), "what the application returned is no frame");
    server.wait_for("16 bytes of an answer behind a WebSocket were not sent<*>");
    let mut socket = open(&server, "/fail");
    assert_eq!(socket.receive(), (CLOSE, 1011u16.to_be_bytes().to_vec()));
    assert!(socket.0.rest().is_empty());
    server.wait_for("ValueError: the application fails");
}

#[test]
fn what_cannot_be_done_to_a_socket_raises() {
    let server = server(&[]);
    let mut socket = open(&server, "/attempts");
    for expected in [
        "OSError: unable to complete websocket handshake",
        "OSError: headers already sent",
        "TypeError: ",
    ] {
        let (first, text) = socket.receive();
        let text = String::from_utf8(text).unwrap();
        assert!(first == TEXT && text.starts_with(expected), "{text}");
    }
}

#[test]
fn compression_and_added_headers_leave_frames_alone() {
    let server = server(&["--http-auto-gzip", "--add-header", "X-Added: yes"]);
    let request = handshake("/echo").header("Accept-Encoding", "gzip");
    let (mut socket, answer) = Socket::ask(&server.address(), &request);
    assert_eq!(answer.status, 101);
    socket.echo(&"x".repeat(5_000));
}

#[test]
fn limits_of_bodies_do_not_end_a_socket() {
    ours_only!("it counts no WebSocket as a body");
    let args =
        ["--limit-post", "100", "--post-buffering", "1", "--http-body-min-rate", "4000000000"];
    let server = server(&args);
    let mut socket = open(&server, "/echo");
    for _ in 0..5 {
        socket.echo(&"x".repeat(90));
    }
}

#[test]
fn the_client_may_end_its_direction_first() {
    let server = server(&[]);
    let mut socket = open(&server, "/echo");
    socket.echo("x");
    socket.0.finish();
    server.wait_for(&format!("/echo {NO_MESSAGE}"));
    assert!(socket.0.rest().is_empty());
}

#[test]
fn a_reload_lets_sockets_finish_within_the_mercy() {
    ours_only!("it gives up an automatic port at a reload");
    let server = setup().master(1).args(["--worker-reload-mercy", "60"]).start();
    let mut socket = open(&server, "/echo");
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    eventually("the next generation", || {
        // The thread of the worker before it is taken.
        server.get("/hello").text() == "hello"
    });
    socket.echo("the old worker is still there");
    socket.send(CLOSE, b"");
    assert_eq!(socket.receive().0, CLOSE);
    server.await_reload(mark);
    open(&server, "/echo").echo("the new one");
}

#[test]
fn a_reload_ends_sockets_that_outlast_the_mercy() {
    ours_only!("it gives up an automatic port at a reload");
    let server = setup().master(1).args(["--worker-reload-mercy", "1"]).start();
    let mut socket = open(&server, "/echo");
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    socket.0.rest();
    server.await_reload(mark);
    open(&server, "/echo").echo("x");
}

#[test]
fn front_ends_of_the_uwsgi_protocol_may_relay_frames() {
    let app = app("websocket.py");
    let setup = Setup::new(Wire::Uwsgi).args(["--socket", "127.0.0.1:0", "--wsgi-file"]).arg(app);
    let server = setup.start();
    let mut connection = server.connect();
    connection.send(handshake("/echo").to_packet());
    assert_eq!(connection.answer(false).status, 101);
    let mut socket = Socket(connection);
    socket.echo("hello");
    socket.send(CLOSE, b"");
    assert_eq!(socket.receive().0, CLOSE);
    assert!(socket.0.rest().is_empty());
}

#[test]
fn the_router_of_http_may_be_asked_for() {
    ours_only!("its router prints port 0 as 0");
    let setup = Setup::new(Wire::Http).args(["--http", "127.0.0.1:0", "--http-websockets"]);
    let setup = setup.args(["--http-timeout", "1", "--wsgi-file"]).arg(app("websocket.py"));
    let server = setup.start();
    let mut socket = open(&server, "/slow");
    // http-timeout is for applications that owe an answer.
    socket.echo("in its own time");
}

#[test]
fn harakiri_ends_a_socket_as_it_ends_a_request() {
    let server = setup().master(1).args(["--harakiri", "1"]).start();
    let before = server.worker(1);
    let mut socket = open(&server, "/echo");
    socket.echo("x");
    socket.0.rest();
    server.wait_replaced(&[before]);
    open(&server, "/echo").echo("the next worker");
}

#[test]
fn nginx_relays_sockets() {
    needs!(program("nginx").is_some(), "nginx is not installed");
    let app = app("websocket.py");
    let uwsgi = Setup::new(Wire::Uwsgi).args(["--socket", "127.0.0.1:0", "--wsgi-file"]).arg(app);
    let upgrade = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";
    for (setup, plan) in [
        (uwsgi, Plan::new(Pass::Uwsgi)),
        (setup(), Plan::new(Pass::Http).keep().in_location(upgrade)),
    ] {
        let server = setup.start();
        let nginx = Front::nginx(plan, &server.address());
        messages_go_both_ways(&nginx.address);
        let mut socket = Socket::open(&nginx.address, "/echo");
        socket.echo("x");
        drop(socket);
        server.wait_for(&format!("/echo {NO_MESSAGE}"));
    }
}

/// A server behind a Mongrel2.
fn behind(mongrel2: &Mongrel2, args: &[&str]) -> Server {
    let setup = Setup::new(Wire::Http).args(["--zeromq", &mongrel2.pair(0), "--wsgi-file"]);
    setup.arg(app("websocket.py")).args(args).start()
}

macro_rules! behind_mongrel2 {
    () => {
        ours_only!("its plugin knows no WebSockets");
        needs!(crate::support::mongrel2::installed(), "Mongrel2 is not installed");
    };
}

#[test]
fn mongrel2_messages_are_echoed() {
    behind_mongrel2!();
    for headers in BOTH {
        let mongrel2 = Mongrel2::new(headers);
        let _server = behind(&mongrel2, &["--threads", "2"]);
        messages_go_both_ways(&mongrel2.address);
    }
}

#[test]
fn mongrel2_handshakes_reach_the_application_whole() {
    behind_mongrel2!();
    for headers in BOTH {
        let mongrel2 = Mongrel2::new(headers);
        let _server = behind(&mongrel2, &[]);
        let mut socket = Socket::open(&mongrel2.address, "/headers");
        for expected in [
            "HTTP_UPGRADE=websocket",
            "HTTP_CONNECTION=keep-alive, Upgrade",
            "HTTP_SEC_WEBSOCKET_VERSION=13",
            "HTTP_SEC_WEBSOCKET_KEY=dGhlIHNhbXBsZSBub25jZQ==",
            "REQUEST_METHOD=GET",
        ] {
            assert_eq!(socket.receive(), (TEXT, expected.as_bytes().to_vec()));
        }
        assert_eq!(socket.receive(), (CLOSE, 1000u16.to_be_bytes().to_vec()));
        assert!(socket.0.rest().is_empty(), "the connection ends with the application");
    }
}

#[test]
fn mongrel2_passes_on_control_frames() {
    behind_mongrel2!();
    let mongrel2 = Mongrel2::new(BOTH[0]);
    let server = behind(&mongrel2, &[]);
    let mut socket = Socket::open(&mongrel2.address, "/echo");
    socket.send(PING, "there?");
    assert_eq!(socket.receive(), (PONG, b"there?".to_vec()));
    socket.send(0x01, "Hel");
    socket.send(0x80, "lo");
    assert_eq!(socket.receive(), (TEXT, b"Hello".to_vec()));
    socket.send(CLOSE, b"\x03\xe8");
    assert_eq!(socket.receive(), (CLOSE, b"\x03\xe8".to_vec()));
    server.wait_for(&format!("/echo {NO_MESSAGE}"));
    assert!(socket.0.rest().is_empty());
}

#[test]
fn mongrel2_tells_of_clients_that_vanish() {
    behind_mongrel2!();
    let mongrel2 = Mongrel2::new(BOTH[0]);
    let server = behind(&mongrel2, &[]);
    let mut socket = Socket::open(&mongrel2.address, "/echo");
    socket.echo("x");
    drop(socket);
    server.wait_for(&format!("/echo {NO_MESSAGE}"));
    assert_eq!(mongrel2.connect().ask(&Request::get("/hello")).text(), "hello");
}

#[test]
fn mongrel2_frames_pass_requests_that_wait() {
    behind_mongrel2!();
    let mongrel2 = Mongrel2::new(BOTH[0]);
    let server = behind(&mongrel2, &[]);
    let mut socket = Socket::open(&mongrel2.address, "/echo");
    socket.echo("x");
    // The only thread is taken: all of these wait.
    let mut waiting: Vec<_> = (0..40).map(|_| mongrel2.connect()).collect();
    for connection in &mut waiting {
        connection.send(Request::get("/hello").to_http());
    }
    for round in 0..200 {
        socket.echo(&round.to_string());
    }
    socket.send(CLOSE, b"");
    server.wait_for(&format!("/echo {NO_MESSAGE}"));
    for mut connection in waiting {
        assert_eq!(connection.answer(false).text(), "hello");
    }
}

#[test]
fn mongrel2_silent_clients_are_asked() {
    behind_mongrel2!();
    let mongrel2 = Mongrel2::new(BOTH[0]);
    let server =
        behind(&mongrel2, &["--websockets-ping-freq", "1", "--websockets-pong-tolerance", "1"]);
    let mut socket = Socket::open(&mongrel2.address, "/echo");
    assert_eq!(socket.receive(), (PING, vec![]));
    assert!(socket.0.rest().is_empty());
    server.wait_for("<*>no PONG received in 1 seconds !!!");
}

#[test]
fn mongrel2_flow_control_holds_no_frame_back() {
    behind_mongrel2!();
    let mongrel2 = MongrelPlan::new(BOTH[0]).set("download.flow_control", 1).start();
    let _server = behind(&mongrel2, &[]);
    let mut socket = Socket::open(&mongrel2.address, "/echo");
    for round in 0..100 {
        socket.echo(&round.to_string());
    }
    socket.send(CLOSE, b"");
    assert_eq!(socket.receive(), (CLOSE, vec![]));
    assert!(socket.0.rest().is_empty());
    let mut socket = Socket::open(&mongrel2.address, "/sizes");
    for size in [3 << 20, 10, 1 << 20] {
        socket.send(TEXT, size.to_string());
        let (first, message) = socket.receive();
        assert_eq!((first, message.len()), (BINARY, size));
    }
}
