//! What the application finds in its environ.

use crate::support::{Request, Server, Setup, Wire};

#[test]
fn request_is_described() {
    for setup in Setup::both() {
        let server = setup.start();
        let request = Request::post("/environ?a=1&b=%20", "12345")
            .header("Content-Type", "text/x-test")
            .header("X-Custom", "value")
            .header("Cookie", "a=b");
        let answer = server.send(&request);
        let expected = [
            ("REQUEST_METHOD", "'POST'"),
            ("REQUEST_URI", "'/environ?a=1&b=%20'"),
            ("PATH_INFO", "'/environ'"),
            ("QUERY_STRING", "'a=1&b=%20'"),
            ("SERVER_PROTOCOL", "'HTTP/1.1'"),
            ("CONTENT_TYPE", "'text/x-test'"),
            ("CONTENT_LENGTH", "'5'"),
            ("HTTP_HOST", "'localhost'"),
            ("HTTP_X_CUSTOM", "'value'"),
            ("HTTP_COOKIE", "'a=b'"),
        ];
        for (name, value) in expected {
            assert_eq!(answer.line(name), value, "{name} over {:?}", server.wire());
        }
    }
}

#[test]
fn http_socket_describes_the_server() {
    let server = Server::http();
    let answer = server.get("/environ");
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    assert_eq!(answer.line("SERVER_NAME"), format!("'{host}'"));
    assert_eq!(answer.line("SERVER_PORT"), format!("'{}'", server.address().port()));
    assert_eq!(answer.line("REMOTE_ADDR"), "'127.0.0.1'");
    assert_eq!(answer.line("SCRIPT_NAME"), "''");
    assert_eq!(answer.line("QUERY_STRING"), "''");
}

#[test]
fn uwsgi_variables_are_passed_on() {
    let request =
        Request::get("/environ").var("REMOTE_USER", "alice").var("MY_OWN", "kept").var("EMPTY", "");
    let answer = Server::uwsgi().send(&request);
    assert_eq!(answer.line("REMOTE_USER"), "'alice'");
    assert_eq!(answer.line("MY_OWN"), "'kept'");
    assert_eq!(answer.line("EMPTY"), "''");
    assert_eq!(answer.line("REMOTE_ADDR"), "'192.0.2.9'");
    assert_eq!(answer.line("SERVER_NAME"), "'localhost'");
}

#[test]
fn wsgi_keys_are_there() {
    for setup in Setup::both() {
        let answer = setup.start().get("/environ");
        for (name, value) in [
            ("wsgi.version", "(1, 0)"),
            ("wsgi.url_scheme", "'http'"),
            ("wsgi.run_once", "False"),
            ("wsgi.multithread", "False"),
            ("wsgi.multiprocess", "False"),
            ("type(environ)", "dict"),
        ] {
            assert_eq!(answer.line(name), value, "{name}");
        }
        for name in ["wsgi.input", "wsgi.errors", "wsgi.file_wrapper"] {
            assert!(answer.has_line(name), "{name}");
        }
    }
}

#[test]
fn uwsgi_keys_are_bytes() {
    let answer = Server::uwsgi().get("/environ");
    assert!(answer.line("uwsgi.version").starts_with("b'"));
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    assert_eq!(answer.line("uwsgi.node"), format!("b'{host}'"));
}

#[test]
fn threads_and_processes_are_announced() {
    let answer = Setup::http().master(2).args(["--threads", "2"]).start().get("/environ");
    assert_eq!(answer.line("wsgi.multithread"), "True");
    assert_eq!(answer.line("wsgi.multiprocess"), "True");
    assert!(answer.line("uwsgi.core").parse::<u32>().is_ok());
}

#[test]
fn scheme_follows_the_front_end() {
    let server = Server::uwsgi();
    for request in [
        Request::get("/environ").var("HTTPS", "on"),
        Request::get("/environ").var("UWSGI_SCHEME", "https"),
        Request::get("/environ").header("X-Forwarded-Proto", "https"),
    ] {
        assert_eq!(server.send(&request).line("wsgi.url_scheme"), "'https'");
    }
}

#[test]
fn scheme_does_not_follow_any_client() {
    ours_only!("it trusts X-Forwarded-Proto from everybody");
    let request = Request::get("/environ").header("X-Forwarded-Proto", "https");
    assert_eq!(Server::http().send(&request).line("wsgi.url_scheme"), "'http'");
}

#[test]
fn path_is_decoded_and_the_target_kept() {
    let server = Setup::http().start();
    let answer = server.get("/%65nviron?%41");
    assert_eq!(answer.line("REQUEST_URI"), "'/%65nviron?%41'");
    assert_eq!(answer.line("PATH_INFO"), "'/environ'");
    assert_eq!(answer.line("QUERY_STRING"), "'%41'");
}

#[test]
fn non_ascii_bytes_are_latin_1() {
    let request = Request::get("/environ").var("X_BYTES", "\u{e9}");
    assert_eq!(Server::uwsgi().send(&request).line("X_BYTES"), "'Ã©'");
}

#[test]
fn repeated_headers_are_joined() {
    let request = Request::get("/environ").header("X-Many", "one").header("X-Many", "two");
    assert_eq!(Server::http().send(&request).line("HTTP_X_MANY"), "'one, two'");
}

#[test]
fn proxy_header_never_becomes_http_proxy() {
    ours_only!("it passes it on (httpoxy)");
    for setup in Setup::both() {
        let answer =
            setup.start().send(&Request::get("/environ").header("Proxy", "http://evil.test/"));
        assert!(!answer.has_line("HTTP_PROXY"));
    }
}

#[test]
fn content_headers_have_no_second_name() {
    let request = Request::post("/environ", "x").header("Content-Type", "text/plain");
    let answer = Server::http().send(&request);
    assert!(!answer.has_line("HTTP_CONTENT_LENGTH") && !answer.has_line("HTTP_CONTENT_TYPE"));
}

#[test]
fn environ_is_new_for_each_request() {
    for wire in Setup::both() {
        let server = wire.start();
        let extra = Request::get("/environ").header("X-Once", "here");
        assert!(server.send(&extra).has_line("HTTP_X_ONCE"));
        assert!(!server.get("/environ").has_line("HTTP_X_ONCE"));
    }
}

#[test]
fn file_wrapper_can_be_left_out() {
    let answer = Setup::http().arg("--wsgi-disable-file-wrapper").start().get("/environ");
    assert!(!answer.has_line("wsgi.file_wrapper"));
}

#[test]
fn bad_packets_close_the_connection_without_a_byte() {
    use crate::support::request::{block, packet};
    let server = Server::uwsgi();
    assert_eq!(server.wire(), Wire::Uwsgi);
    let pairs = block(&Request::get("/hello").cgi());
    let mut overrun = pairs.clone();
    overrun.extend_from_slice(&[1, 0, b'K', 200, 0, b'v']);
    let mut empty_key = pairs.clone();
    empty_key.extend_from_slice(&[0, 0, 1, 0, b'v']);
    let large = block(&[("X".into(), "v".repeat(5000))]);
    for (name, block) in
        [("overrun", overrun), ("empty key", empty_key), ("over buffer-size", large)]
    {
        let mut connection = server.connect();
        connection.send(packet(0, 0, &block));
        assert_eq!(connection.rest(), b"", "{name}");
    }
    server.wait_for("<*>invalid request block size: 5005 (max 4096)...skip<*>");
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn unknown_modifier_closes_the_connection() {
    let server = Server::uwsgi();
    let mut request = Request::get("/hello");
    request.modifier1 = 250;
    assert_eq!(server.raw(&request), b"");
    server.wait_for("<*>-- unavailable modifier requested: 250 --");
    assert_eq!(server.get("/hello").text(), "hello");
}
