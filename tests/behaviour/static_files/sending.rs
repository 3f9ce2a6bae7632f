//! How the bytes of a file leave.

use std::fs::File;

use super::setup;
use crate::support::{Connection, Request, Setup, eventually};

/// More than the socket buffers of both sides take.
const LARGE: usize = 20 << 20;

fn large() -> Vec<u8> {
    (0..LARGE / 4).flat_map(|word| (word as u32).to_le_bytes()).collect()
}

fn with_large() -> Setup {
    let setup = setup(&["--check-static", "WWW", "--socket-timeout", "60"]);
    std::fs::write(setup.path("www/large"), large()).unwrap();
    setup
}

#[test]
fn a_slow_reader_of_a_large_file_holds_no_thread() {
    ours_only!("a thread sends until its reader took everything");
    const APP: &str = "
def application(environ, start_response):
    start_response('200 OK', [])
    if environ['PATH_INFO'] == '/wrapped':
        return environ['wsgi.file_wrapper'](open('www/big', 'rb'))
    return [b'app']
";
    const SIZE: usize = 100 << 20;
    let setup = setup(&["--check-static", "WWW", "--socket-timeout", "60"]).file("app.py", APP);
    File::create(setup.path("www/big")).unwrap().set_len(SIZE as u64).unwrap();
    let server = setup.start();
    let mut readers: Vec<_> = ["/big", "/wrapped", "/big", "/wrapped"]
        .into_iter()
        .map(|path| {
            let mut reader = server.connect();
            reader.send(Request::get(path).header("Connection", "close").to_http());
            reader.take(100);
            reader
        })
        .collect();
    // The one thread of the one worker is free, for files as for the application.
    for _ in 0..20 {
        assert_eq!(server.get("/a.txt").text(), "hello\n");
        assert_eq!(server.get("/else").text(), "app");
    }
    // Two of them read on; two have waited long enough.
    for mut reader in readers.drain(..2) {
        let got = reader.rest();
        assert!(got.len() > SIZE, "{}", got.len());
    }
    drop(readers);
    assert_eq!(server.get("/a.txt").text(), "hello\n");
}

#[test]
fn a_large_file_arrives_whole() {
    let setup = with_large().args(["--uwsgi-socket", "127.0.0.1:0"]);
    let server = setup.start();
    let answer = server.get("/large");
    assert!(answer.complete && answer.body == large());
    let mut connection = Connection::open(&server.address_of(1));
    connection.send(Request::get("/large").to_packet());
    assert!(connection.answer(false).body == large());
}

#[test]
fn requests_follow_each_other_on_a_connection() {
    ours_only!("http-socket has no keep-alive");
    let server = with_large().start();
    let mut connection = server.connect();
    let targets = ["/a.txt", "/large", "/none", "/large", "/app", "/a.txt"];
    let bytes = targets.iter().flat_map(|target| Request::get(target).to_http());
    connection.send(bytes.collect::<Vec<_>>());
    let sizes = targets.map(|_| connection.answer(false).body.len());
    assert_eq!(sizes, [6, LARGE, 4, LARGE, 8, 6]);
}

#[test]
fn many_parts_hold_one_descriptor() {
    ours_only!("it sends the first part");
    let server = with_large().start();
    let open = || {
        let all = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().flatten();
        let of_file = |path: std::path::PathBuf| path.ends_with("www/large");
        all.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(of_file)).count()
    };
    let ranges: Vec<_> =
        (0..16).map(|part| format!("{}-{}", part << 20, (part << 20) + 999_999)).collect();
    let request = Request::get("/large").header("Range", &format!("bytes={}", ranges.join(",")));
    let request = request.header("Connection", "close");
    let mut connection = server.connect();
    connection.send(request.to_http());
    connection.take(100);
    eventually("the file is open", || open() > 0);
    assert_eq!(open(), 1);
    let answer = connection.rest();
    let text = large();
    for part in 0..16 {
        let bytes = &text[part << 20..(part << 20) + 1_000_000];
        assert!(memchr::memmem::find(&answer, bytes).is_some(), "part {part}");
    }
}

#[test]
fn a_client_that_leaves_is_no_trouble() {
    let server = with_large().start();
    for _ in 0..5 {
        let mut connection = server.connect();
        connection.send(Request::get("/large").to_http());
        connection.take(100);
    }
    assert_eq!(server.get("/a.txt").text(), "hello\n");
}

#[test]
fn headers_are_added_to_files() {
    let server = setup(&["--check-static", "WWW", "--add-header", "X-Own: yes"]).start();
    assert_eq!(server.get("/a.txt").header("x-own"), Some("yes"));
}

#[test]
fn files_are_counted() {
    let setup = setup(&["--check-static", "WWW", "--master", "--stats", "stats.sock"]);
    let server = setup.start();
    for path in ["/a.txt", "/nope", "/none"] {
        server.get(path);
    }
    let counted = || {
        let address = crate::support::Address::Unix(server.path("stats.sock"));
        let text = Connection::open(&address).rest();
        String::from_utf8(text).unwrap().contains("\"static_requests\":2,")
    };
    eventually("two requests for files", counted);
}
