//! Files that the application names: `X-Sendfile`, `X-Accel-Redirect`.

use super::asked;
use crate::support::{Answer, Connection, Request, Server, Setup, Wire, fastcgi};

/// Answers with the headers that the query asks for.
const APP: &str = r#"
import urllib.parse
def application(environ, start_response):
    query = urllib.parse.parse_qsl(environ["QUERY_STRING"])
    status = dict(query).get("status", "200 OK")
    start_response(status, [(k, v) for k, v in query if k not in ("status", "raise")])
    if dict(query).get("raise"):
        raise RuntimeError("after the head")
    return [b"body of the application"]
"#;

fn setup(args: &[&str]) -> Setup {
    let setup = Setup::new(Wire::Http).args(["--http-socket", "127.0.0.1:0"]).file("app.py", APP);
    let setup = setup.file("st/a.txt", "hello").file("st-secret/key.txt", "secret");
    setup.file("st/sub/b", "b").args(["--wsgi-file", "app.py"]).args(args.iter().copied())
}

fn server() -> Server {
    setup(&["--static-internal", "/protected=st"]).start()
}

#[test]
fn the_application_names_a_file() {
    ours_only!("it leaves both headers to the front end");
    let server = server();
    for asks in ["X-Accel-Redirect=/protected/a%252Etxt%3Fquery", "X-Sendfile=st/a.txt"] {
        let target = format!(
            "/?{asks}&Content-Type=text/x-mine&Content-Length=23&Cache-Control=private&Set-Cookie=a=b\
             &Set-Cookie=c=d&Content-Disposition=inline&ETag=%22x%22&Last-Modified=never"
        );
        let answer = server.get(&target);
        assert_eq!((answer.status, &*answer.text()), (200, "hello"), "{asks}");
        for (name, value) in [
            ("content-type", Some("text/x-mine")),
            ("cache-control", Some("private")),
            ("content-disposition", Some("inline")),
            ("content-length", Some("5")),
            ("accept-ranges", Some("bytes")),
            ("x-sendfile", None),
            ("x-accel-redirect", None),
        ] {
            assert_eq!(answer.header(name), value, "{asks} {name}");
        }
        assert_eq!(cookies(&answer), ["a=b", "c=d"]);
        assert_ne!(answer.header("last-modified"), Some("never"));
        let tag = answer.header("etag").unwrap().to_owned();
        assert_ne!(tag, "\"x\"");
        let part = asked(&server, &target, &[("Range", "bytes=1-2")]);
        assert_eq!((part.status, &*part.text(), cookies(&part).len()), (206, "el", 2));
        assert_eq!(asked(&server, &target, &[("If-None-Match", &tag)]).status, 304);
        let head = server.connect().ask(&Request::new("HEAD", &target));
        assert_eq!(
            (head.status, head.header("content-length"), head.body.len()),
            (200, Some("5"), 0)
        );
        assert_eq!(server.post(&target, "").text(), "hello");
    }
    server.wait_for(
        "[pid: <N>|app: 0|req: 1/1] <*> => generated 5 bytes in <N> msecs via sendfile() (HTTP/1.1 200) <*>",
    );
}

fn cookies(answer: &Answer) -> Vec<&str> {
    let all = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    all.map(|(_, value)| value.as_str()).collect()
}

#[test]
fn the_type_of_the_file_counts_where_the_application_says_none() {
    ours_only!("it leaves both headers to the front end");
    let answer = server().get("/?X-Accel-Redirect=/protected/a.txt");
    assert_eq!(answer.header("content-type"), Some("text/plain"));
}

#[test]
fn nothing_leads_out_of_its_place() {
    ours_only!("it leaves both headers to the front end");
    let setup = setup(&["--static-internal", "/protected=st"]);
    std::os::unix::fs::symlink("../st-secret/key.txt", setup.path("st/link")).unwrap();
    let server = setup.start();
    for asks in [
        "X-Sendfile=st/../st-secret/key.txt",
        "X-Sendfile=st/missing",
        "X-Sendfile=st/link",
        "X-Sendfile=st/a.txt%00",
        "X-Accel-Redirect=/protected/../st-secret/key.txt",
        "X-Accel-Redirect=/protected/%252e%252e/st-secret/key.txt",
        "X-Accel-Redirect=/protected/a.txt%2500",
        "X-Accel-Redirect=/protected/link",
        "X-Accel-Redirect=/protected/sub",
    ] {
        let answer = server.get(&format!("/?{asks}"));
        let (accel, path) = (answer.header("x-accel-redirect"), answer.header("x-sendfile"));
        assert_eq!((accel, path), (None, None), "{asks}");
        // A value with a NUL is none.
        let status = if asks.ends_with("%00") { 500 } else { 404 };
        assert_eq!(answer.status, status, "{asks}");
        assert!(!answer.text().contains("body of") && !answer.text().contains("secret"), "{asks}");
    }
    server.wait_for("[uwsgi-fileserve] the application named st/missing, which is no file");
    server.wait_for("[uwsgi-fileserve] security error: <*>");
}

#[test]
fn what_is_not_allowed_is_left_to_the_front_end() {
    for args in [&[][..], &["--static-internal", "/protected=st"]] {
        if crate::support::setup::original() && !args.is_empty() {
            continue;
        }
        let server = setup(args).start();
        for (asks, name) in [
            ("X-Sendfile=/etc/passwd", "x-sendfile"),
            ("X-Sendfile=st-secret/key.txt", "x-sendfile"),
            ("X-Accel-Redirect=/protectedly/a.txt", "x-accel-redirect"),
            ("X-Accel-Redirect=/other/a.txt", "x-accel-redirect"),
        ] {
            let answer = server.get(&format!("/?{asks}"));
            assert_eq!(answer.header(name), asks.split('=').nth(1), "{args:?}");
            assert_eq!(answer.text(), "body of the application");
        }
    }
}

#[test]
fn clients_cannot_ask_for_such_a_file() {
    ours_only!("the option is ours");
    assert_eq!(server().get("/protected/a.txt").text(), "body of the application");
}

#[test]
fn a_path_may_be_named_without_its_links() {
    ours_only!("it leaves both headers to the front end");
    let setup = setup(&["--static-internal", "/protected=now"]);
    std::os::unix::fs::symlink("st", setup.path("now")).unwrap();
    let real = setup.path("st/a.txt").canonicalize().unwrap();
    let server = setup.start();
    assert_eq!(server.get(&format!("/?X-Sendfile={}", real.display())).text(), "hello");
    assert_eq!(server.get("/?X-Sendfile=now/a.txt").text(), "hello");
}

#[test]
fn another_status_stays() {
    ours_only!("it leaves both headers to the front end");
    let server = server();
    let target = "/?status=404%20Not%20Here&X-Accel-Redirect=/protected/a.txt";
    let answer = asked(&server, target, &[("Range", "bytes=1-2")]);
    assert_eq!((answer.status, &*answer.reason, &*answer.text()), (404, "Not Here", "hello"));
}

#[test]
fn an_exception_after_the_head_is_an_error() {
    ours_only!("it leaves both headers to the front end");
    let answer = server().get("/?raise=1&X-Accel-Redirect=/protected/a.txt");
    assert_eq!((answer.status, answer.header("x-accel-redirect")), (500, None));
}

#[test]
fn named_files_go_by_every_protocol() {
    ours_only!("it leaves both headers to the front end");
    let sockets = [
        "--uwsgi-socket",
        "127.0.0.1:0",
        "--fastcgi-socket",
        "127.0.0.1:0",
        "--scgi-socket",
        "127.0.0.1:0",
    ];
    let server = setup(&[&["--static-internal", "/protected=st"], &sockets[..]].concat()).start();
    let request = Request::get("/?X-Accel-Redirect=/protected/a.txt&X-Own=1");
    let connect = |number| Connection::open(&server.address_of(number));
    let mut uwsgi = connect(1);
    uwsgi.send(request.to_packet());
    let uwsgi = uwsgi.answer(false);
    let mut fast = connect(2);
    fast.send(fastcgi::request(&request, 1, false));
    let fast = fastcgi::reply(&mut fast, false).answer;
    let mut scgi = connect(3);
    scgi.send(fastcgi::scgi(&request));
    let scgi = fastcgi::answer(&scgi.rest(), false);
    for answer in [uwsgi, fast, scgi] {
        assert_eq!((answer.status, &*answer.text()), (200, "hello"));
        assert_eq!(
            (answer.header("x-own"), answer.header("content-length")),
            (Some("1"), Some("5"))
        );
    }
}
