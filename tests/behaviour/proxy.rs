//! The PROXY protocol: who the client is, told by those who may say so.

use crate::support::fronts::{Front, Pass, Plan, program};
use crate::support::{Connection, Request, Server, Setup, setup};

fn with(args: &[&str]) -> Setup {
    Setup::http().args(args)
}

const V1: &str = "PROXY TCP4 203.0.113.9 198.51.100.2 56324 4430\r\n";

/// Version 2 of the same, with a TLV of no meaning.
fn v2() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10".to_vec();
    header.extend([203, 0, 113, 9, 198, 51, 100, 2]);
    header.extend([56_324_u16.to_be_bytes(), 4_430_u16.to_be_bytes()].concat());
    header.extend([4, 0, 1, 0]);
    header
}

#[track_caller]
fn client(connection: &mut Connection) -> (String, String) {
    let answer = connection.ask(&Request::get("/environ"));
    (answer.line("REMOTE_ADDR").to_owned(), answer.line("SERVER_PORT").to_owned())
}

fn told() -> (String, String) {
    ("'203.0.113.9'".to_owned(), "'4430'".to_owned())
}

#[test]
fn the_first_version_tells_the_client() {
    let server = with(&["--enable-proxy-protocol"]).start();
    let mut connection = server.connect();
    connection.send(V1);
    assert_eq!(client(&mut connection), told());
}

#[test]
fn both_versions_count_for_all_requests_of_a_connection() {
    ours_only!("it knows version 1 only, and closes after a request");
    let server = with(&["--enable-proxy-protocol"]).start();
    for header in [V1.as_bytes().to_vec(), v2()] {
        let mut connection = server.connect();
        for byte in &header {
            connection.send([*byte]);
        }
        for _ in 0..3 {
            assert_eq!(client(&mut connection), told());
        }
    }
    // The balancer's own questions are its own.
    for own in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let mut connection = server.connect();
        connection.send(own);
        assert_eq!(client(&mut connection).0, "'127.0.0.1'");
    }
}

/// Version 2 with what a balancer that speaks TLS with the client adds.
fn v2_with_tls() -> Vec<u8> {
    let mut header = v2();
    let tls = [0x20, 0, 5, 1, 0, 0, 0, 0];
    header.extend(tls);
    header[15] += tls.len() as u8;
    header
}

#[test]
fn the_second_version_tells_of_tls() {
    ours_only!("it knows version 1 only, and closes after a request");
    let server = with(&["--enable-proxy-protocol"]).start();
    let scheme = |header: &[u8]| {
        let mut connection = server.connect();
        connection.send(header);
        let mut ask = || {
            let answer = connection.ask(&Request::get("/environ"));
            (answer.line("wsgi.url_scheme"), answer.has_line("HTTPS"))
        };
        let first = ask();
        assert_eq!(ask(), first, "for all requests of the connection");
        first
    };
    assert_eq!(scheme(&v2_with_tls()), ("'https'".to_owned(), true));
    assert_eq!(scheme(&v2()), ("'http'".to_owned(), false));
    // Others are not asked.
    let server = with(&["--enable-proxy-protocol", "--proxy-protocol-from", "192.0.2.1"]).start();
    let mut liar = server.connect();
    liar.send(v2_with_tls());
    assert_eq!(liar.answer(false).status, 400);
}

#[test]
fn a_connection_without_a_header_is_closed_in_silence() {
    ours_only!("the header may be left out there, so that any client can send its own");
    let server = with(&["--enable-proxy-protocol"]).start();
    for nonsense in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "PROXY TCP4 1.2.3 4.5.6.7 1 2\r\n"] {
        let mut connection = server.connect();
        connection.send(nonsense);
        connection.finish();
        assert_eq!(connection.rest(), b"");
    }
    server.wait_for(
        "invalid header of the PROXY protocol (400 no_proxy_header, client 127.0.0.1, <*>",
    );
    server.wait_for(
        "invalid header of the PROXY protocol (400 v1_bad_address, client 127.0.0.1, <*>",
    );
}

#[test]
fn only_those_who_are_named_speak_for_others() {
    ours_only!("the option is ours");
    let named = |peers: &str| with(&["--enable-proxy-protocol", "--proxy-protocol-from", peers]);
    let server = named("192.0.2.0/24, 10.1.2.3").start();
    assert_eq!(client(&mut server.connect()).0, "'127.0.0.1'");
    let mut liar = server.connect();
    liar.send(V1);
    assert_eq!(liar.answer(false).status, 400);
    let server = named("192.0.2.0/24,127.0.0.1").start();
    let mut connection = server.connect();
    connection.send(V1);
    assert_eq!(client(&mut connection), told());
    let (status, log) = named("192.0.2.0/99").run();
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("\"192.0.2.0/99\" is no peer; accepted: addresses, networks"), "{log}");
}

#[test]
fn the_socket_that_recognizes_what_comes_takes_headers_from_those_who_are_named() {
    ours_only!("the option is ours");
    let auto = |args: &[&str]| -> Server {
        let setup = Setup::new(crate::support::Wire::Http).args(["--auto-socket", "127.0.0.1:0"]);
        setup
            .args(["--wsgi-file".into(), setup::app("probe.py").into_os_string()])
            .args(args)
            .start()
    };
    let server = auto(&["--proxy-protocol-from", "127.0.0.0/8"]);
    for header in [V1.as_bytes().to_vec(), v2()] {
        let mut connection = server.connect();
        connection.send(header);
        assert_eq!(client(&mut connection), told());
    }
    // And it may be left out.
    assert_eq!(client(&mut server.connect()).0, "'127.0.0.1'");
    let server = auto(&[]);
    let mut connection = server.connect();
    connection.send(V1);
    connection.finish();
    assert_eq!(connection.rest(), b"");
}

#[test]
fn haproxy_sends_it() {
    ours_only!("it knows version 1 only, and does not decode chunks");
    needs!(program("haproxy").is_some(), "HAProxy is not installed");
    let server = with(&["--enable-proxy-protocol"]).start();
    for sends in ["send-proxy", "send-proxy-v2 proxy-v2-options crc32c,unique-id"] {
        let front =
            Front::haproxy(Plan { greeting: sends, ..Plan::new(Pass::Http) }, &server.address());
        let answer = front.connect().ask(&Request::get("/environ"));
        assert_eq!(answer.line("REMOTE_ADDR"), "'127.0.0.1'");
        assert_eq!(answer.line("SERVER_PORT"), format!("'{}'", front.address.port()));
    }
}
