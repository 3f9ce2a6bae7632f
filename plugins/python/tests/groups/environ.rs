//! The environ.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Answer, Server};
use crate::support::{MockBody, MockResponse, browser, plain};

fn parsed(answer: &Answer) -> BTreeMap<String, String> {
    let text = answer.ok();
    text.lines()
        .map(|line| line.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).unwrap())
        .collect()
}

fn by_http(server: &mut Server, vars: &[(&str, &[u8])]) -> BTreeMap<String, String> {
    parsed(&server.request(vars, &mut MockBody::new(&[]), MockResponse::default()))
}

fn by_uwsgi(server: &mut Server, vars: &[(&str, &[u8])]) -> BTreeMap<String, String> {
    let listener = server.uwsgi.clone();
    let answer =
        server.request_by(&listener, vars, &mut MockBody::new(&[]), MockResponse::default());
    parsed(&answer)
}

fn with<'a>(extra: &[(&'a str, &'a [u8])]) -> Vec<(&'a str, &'a [u8])> {
    let mut vars: Vec<(&str, &[u8])> = plain("/environ_", "");
    vars.extend_from_slice(extra);
    vars
}

pub fn run(python: &Path) {
    let mut server = Server::probe(python);
    complete(&mut server);
    texts(&mut server);
    schemes(&mut server);
    refused_names(&mut server);
    chunked(&mut server);
    repeated_shapes(&mut server);
    front_end(&mut server);
}

fn complete(server: &mut Server) {
    let environ = by_http(server, &with(&[("CONTENT_LENGTH", b"0")]));
    for (key, value) in [
        ("REQUEST_METHOD", "'GET'"),
        ("REQUEST_URI", "'/environ_'"),
        ("PATH_INFO", "'/environ_'"),
        ("SCRIPT_NAME", "''"),
        ("QUERY_STRING", "''"),
        ("SERVER_NAME", "'box'"),
        ("SERVER_PORT", "'8080'"),
        ("SERVER_PROTOCOL", "'HTTP/1.1'"),
        ("REMOTE_ADDR", "'127.0.0.1'"),
        ("CONTENT_LENGTH", "'0'"),
        ("HTTP_HOST", "'localhost:8080'"),
        ("wsgi.version", "(1, 0)"),
        ("wsgi.url_scheme", "'http'"),
        ("wsgi.multithread", "False"),
        ("wsgi.multiprocess", "True"),
        ("wsgi.run_once", "False"),
        ("uwsgi.version", "b'2.0.31'"),
    ] {
        assert_eq!(environ.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert!(environ["uwsgi.node"].starts_with("b'"));
    assert!(environ["wsgi.input"].contains("uwsgi.Input"));
    assert!(environ["wsgi.errors"].contains("name=2"));
    assert!(environ["wsgi.file_wrapper"].contains("FileWrapper"));
    assert!(!environ.contains_key("uwsgi.core") && !environ.contains_key("wsgi.input_terminated"));
}

/// Bytes become characters one to one.
fn texts(server: &mut Server) {
    let environ = by_http(
        server,
        &with(&[
            ("HTTP_COOKIE", b"caf\xe9=\xff"),
            ("HTTP_X_OWN", b"\xc3\xa9"),
            ("HTTP_X_EMPTY", b""),
            ("HTTP_X_A_NAME_THAT_IS_MUCH_LONGER_THAN_THE_NAMES_THAT_ARE_KEPT_IN_THE_CACHE", b"v"),
        ]),
    );
    assert_eq!(environ["HTTP_COOKIE"], "'café=ÿ'");
    assert_eq!(environ["HTTP_X_OWN"], "'Ã©'");
    assert_eq!(environ["HTTP_X_EMPTY"], "''");
    assert_eq!(
        environ["HTTP_X_A_NAME_THAT_IS_MUCH_LONGER_THAN_THE_NAMES_THAT_ARE_KEPT_IN_THE_CACHE"],
        "'v'"
    );
    let own = server.get("/environ_type").ok();
    assert_eq!(own, "dict []");
}

/// The server has decided it.
fn schemes(server: &mut Server) {
    for scheme in ["https", "http", "wss", "https"] {
        let vars = with(&[("UWSGI_SCHEME", scheme.as_bytes())]);
        assert_eq!(by_uwsgi(server, &vars)["wsgi.url_scheme"], format!("'{scheme}'"));
        assert_eq!(by_http(server, &vars)["wsgi.url_scheme"], format!("'{scheme}'"));
    }
    // The headers are not asked again.
    let vars = with(&[("HTTP_X_FORWARDED_PROTO", b"https"), ("HTTPS", b"on")]);
    assert_eq!(by_uwsgi(server, &vars)["wsgi.url_scheme"], "'http'");
}

/// Names that only the server may set, and the one that is an attack.
fn refused_names(server: &mut Server) {
    let vars = with(&[
        ("wsgi.url_scheme", b"evil"),
        ("wsgi.input", b"evil"),
        ("uwsgi.node", b"evil"),
        ("HTTP_PROXY", b"evil"),
    ]);
    for environ in [by_uwsgi(server, &vars), by_http(server, &vars)] {
        assert!(!environ.values().any(|value| value.contains("evil")), "{environ:?}");
        assert!(!environ.contains_key("HTTP_PROXY"));
    }
}

fn chunked(server: &mut Server) {
    let mut body = MockBody { chunked: true, ..MockBody::default() };
    let answer = server.request(&with(&[]), &mut body, MockResponse::default());
    assert_eq!(parsed(&answer)["wsgi.input_terminated"], "True");
}

/// Values must be those of this request, whatever was remembered of earlier ones.
fn repeated_shapes(server: &mut Server) {
    for round in 0..60u32 {
        let agent = format!("agent {}", round / 7);
        let cookie = format!("c={round}");
        let mut vars: Vec<(&str, &[u8])> = browser();
        for (name, value) in &mut vars {
            match *name {
                "PATH_INFO" => *value = b"/environ_",
                "HTTP_USER_AGENT" => *value = agent.as_bytes(),
                "HTTP_COOKIE" => *value = cookie.as_bytes(),
                _ => {}
            }
        }
        if round % 5 == 4 {
            vars.retain(|(name, _)| *name != "HTTP_PRIORITY");
        }
        if round % 11 == 10 {
            vars.push(("HTTP_X_TWICE", b"first"));
            vars.push(("HTTP_X_TWICE", cookie.as_bytes()));
        }
        let environ = by_http(server, &vars);
        for (name, value) in &vars {
            if *name != "HTTP_X_TWICE" {
                assert_eq!(
                    environ[*name],
                    format!("'{}'", String::from_utf8_lossy(value)),
                    "{round}"
                );
            }
        }
        assert_eq!(environ.contains_key("HTTP_PRIORITY"), round % 5 != 4, "{round}");
        let twice = (round % 11 == 10).then(|| format!("'{cookie}'"));
        assert_eq!(environ.get("HTTP_X_TWICE"), twice.as_ref(), "{round}");
        assert_eq!(environ["wsgi.url_scheme"], "'http'");
    }
}

/// A front end sends its own names; nothing of another socket's mixes in.
fn front_end(server: &mut Server) {
    let environ = by_uwsgi(server, &with(&[("SERVER_NAME", b"front"), ("SERVER_PORT", b"443")]));
    assert_eq!(environ["SERVER_NAME"], "'front'");
    assert_eq!(environ["SERVER_PORT"], "'443'");
    assert!(!by_uwsgi(server, &with(&[])).contains_key("SERVER_NAME"));
    assert_eq!(by_http(server, &with(&[]))["SERVER_NAME"], "'box'");
}
