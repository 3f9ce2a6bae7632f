//! SCGI, persistent uwsgi, and the socket that recognizes what comes.

use crate::support::answer::Answer;
use crate::support::{Connection, Request, Server, Setup, Wire, fastcgi, setup};

fn with(option: &str) -> Setup {
    let probe = setup::app("probe.py");
    Setup::new(Wire::Uwsgi).args([option, "127.0.0.1:0", "--wsgi-file"]).arg(probe)
}

#[track_caller]
fn scgi(server: &Server, request: &Request) -> Answer {
    let mut connection = server.connect();
    connection.send(fastcgi::scgi(request));
    fastcgi::answer(&connection.rest(), request.method == "HEAD")
}

#[test]
fn requests_and_answers() {
    let server = with("--scgi-socket").start();
    let answer = scgi(&server, &Request::get("/hello"));
    assert_eq!((&*answer.version, answer.status, &*answer.text()), ("CGI", 200, "hello"));
    let answer = scgi(&server, &Request::post("/body", vec![b'x'; 10 << 20]));
    assert!(answer.text().starts_with("10485760 "), "{}", answer.text());
    let answer = scgi(&server, &Request::get("/big?3000000"));
    assert_eq!(answer.body.len(), 3_000_000);
    let server = with("--scgi-nph-socket").start();
    let answer = scgi(&server, &Request::get("/hello"));
    assert_eq!((&*answer.version, &*answer.text()), ("HTTP/1.1", "hello"));
}

#[test]
fn the_server_answers_in_this_form_too() {
    ours_only!("it closes the connection");
    let server = with("--scgi-socket").start();
    let answer = scgi(&server, &Request::get("/boom"));
    assert_eq!((&*answer.version, answer.status), ("CGI", 500));
}

#[test]
fn nonsense_is_refused() {
    ours_only!("its lines are others");
    let server = with("--scgi-socket").start();
    let nonsense: [&[u8]; 4] =
        [b"05:a\0b\0,", b"GET / HTTP/1.1\r\n\r\n", b"4:a\0b\0;", b"4:a\0b\0,"];
    for nonsense in nonsense {
        let mut connection = server.connect();
        connection.send(nonsense);
        connection.finish();
        assert_eq!(connection.rest(), b"", "{:?}", String::from_utf8_lossy(nonsense));
    }
    server.wait_for("invalid SCGI request (400 <*>");
    assert_eq!(scgi(&server, &Request::get("/hello")).text(), "hello");
}

#[test]
fn persistent_uwsgi_serves_one_packet_after_the_other() {
    let server = with("--puwsgi-socket").start();
    let mut connection = server.connect();
    for _ in 0..20 {
        connection.send(Request::get("/length").to_packet());
        assert!(connection.answer(false).complete);
    }
    // An end that nobody can see is the end.
    connection.send(Request::get("/generator").to_packet());
    assert!(connection.answer(false).complete);
}

#[test]
fn one_socket_recognizes_what_comes() {
    ours_only!("the option is ours");
    let server = with("--auto-socket").start();
    for _ in 0..3 {
        let mut http = server.connect();
        for _ in 0..3 {
            assert_eq!(http.ask(&Request::get("/hello")).text(), "hello");
        }
        let mut uwsgi = server.connect();
        uwsgi.send(Request::get("/hello").to_packet());
        assert_eq!(uwsgi.answer(false).text(), "hello");
        assert_eq!(scgi(&server, &Request::get("/hello")).text(), "hello");
        let mut kept = server.connect();
        for id in [1, 2] {
            kept.send(fastcgi::request(&Request::get("/hello"), id, true));
            assert_eq!(fastcgi::reply(&mut kept, false).answer.text(), "hello");
        }
    }
    // What belongs to a protocol stays there: the name of this machine is what HTTP's requests get.
    let name = |connection: &mut Connection, head| {
        let answer = connection.answer(head);
        let text = answer.text();
        let line = text.lines().find(|line| line.contains("SERVER_NAME")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{text}"))
    };
    let mut uwsgi = server.connect();
    uwsgi.send(Request::get("/environ").var("SERVER_NAME", "front.example").to_packet());
    assert!(name(&mut uwsgi, false).contains("front.example"));
    let mut http = server.connect();
    http.send(Request::get("/environ").to_http());
    assert!(!name(&mut http, false).contains("front.example"));
    // Byte by byte.
    let mut slow = server.connect();
    for byte in fastcgi::scgi(&Request::get("/hello")) {
        slow.send([byte]);
    }
    assert_eq!(fastcgi::answer(&slow.rest(), false).text(), "hello");
    let mut nothing = server.connect();
    nothing.send([0xff; 64]);
    assert_eq!(nothing.rest(), b"");
}

#[test]
fn a_tunnel_is_refused() {
    ours_only!("it is the application's there");
    let server = with("--scgi-socket").start();
    assert_eq!(scgi(&server, &Request::new("CONNECT", "/hello")).status, 501);
}

#[test]
fn a_modifier_that_nobody_answers_is_a_mistake() {
    ours_only!("it closes each request");
    for (socket, option) in
        [("--scgi-socket", "--scgi-modifier1"), ("--fastcgi-socket", "--fastcgi-modifier1")]
    {
        let (status, log) = with(socket).args([option, "9"]).run();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains(&format!("{} = 9: no plugin answers", &option[2..])), "{log}");
        with(socket).args([option, "0"]).start();
    }
}
