//! Where files are looked for, and files that are hard to open: no openat2, no descriptors, links of every sort.

use std::os::unix::fs::symlink;

use super::{is_app, setup};
use crate::support::{Request, Setup, Wire};

/// Starts what follows where openat2 gives this error, as old kernels and the filters of containers have it.
const FILTER: &str = r#"
import ctypes, os, struct, sys
error, program = int(sys.argv[1]), sys.argv[2:]
OPENAT2, ALLOW, ERRNO = 437, 0x7fff0000, 0x00050000
code = b"".join(struct.pack("HBBI", *step) for step in [
    (0x20, 0, 0, 0), (0x15, 0, 1, OPENAT2), (0x06, 0, 0, ERRNO | error), (0x06, 0, 0, ALLOW)])
buffer = ctypes.create_string_buffer(code)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
prctl = ctypes.CDLL(None, use_errno=True).prctl
assert prctl(38, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS"
assert prctl(22, 2, ctypes.byref(Program(4, ctypes.addressof(buffer)))) == 0, "PR_SET_SECCOMP"
os.execvp(program[0], program)
"#;

fn without_openat2(setup: Setup, error: i32) -> Setup {
    let filter = setup.path("filter.py").display().to_string();
    setup.file("filter.py", FILTER).shell(&format!("set -- python3 '{filter}' {error} \"$@\""))
}

/// Links of every sort.
fn linked() -> Setup {
    let setup = setup(&["--static-map", "/s=WWW", "--static-safe", "DIR/www-secret"]);
    let www = setup.path("www");
    for (target, name) in [
        ("a.txt", "inside"),
        ("../a.txt", "sub/up"),
        ("sub", "folder"),
        ("../secret/s.txt", "beside"),
        ("../secret", "directory"),
        ("../www-secret/s.txt", "safe"),
        ("/etc/passwd", "passwd"),
        ("/proc/self/root", "magic"),
        ("/proc/self/environ", "environ"),
        ("loop", "loop"),
        ("nowhere", "dangling"),
        ("/dev/zero", "device"),
    ] {
        symlink(target, www.join(name)).unwrap();
    }
    symlink(www.join("a.txt"), www.join("absolute-inside")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(www.join("socket")).unwrap());
    setup
}

#[test]
fn files_and_links_are_the_same_without_openat2() {
    ours_only!("it resolves names by itself");
    let (enosys, eperm) = (38, 1);
    let with = linked().arg("--static-index").arg("index.html").start();
    let log = with.log.text();
    assert!(!log.contains("openat2"), "{log}");
    let mut servers = vec![with];
    for error in [enosys, eperm] {
        let setup = linked().arg("--static-index").arg("index.html");
        let server = without_openat2(setup, error).start();
        server.wait_for(
            "[uwsgi-fileserve] openat2() is not to be had here: files are looked up step by step",
        );
        servers.push(server);
    }
    for server in servers {
        for (path, text) in [
            ("/s/a.txt", "hello\n"),
            ("/s//.//a.txt", "hello\n"),
            ("/s/sub/../a.txt", "hello\n"),
            ("/s/inside", "hello\n"),
            ("/s/sub/up", "hello\n"),
            ("/s/absolute-inside", "hello\n"),
            ("/s/folder/index.html", "<h1>index</h1>"),
            ("/s/folder", "<h1>index</h1>"),
            ("/s/sub/", "<h1>index</h1>"),
            ("/s/safe", "secret"),
        ] {
            let answer = server.get(path);
            assert_eq!((answer.status, &*answer.text()), (200, text), "{path}");
        }
        for path in [
            "/s/../secret/s.txt",
            "/s/../www/a.txt",
            "/s/beside",
            "/s/directory/s.txt",
            "/s/passwd",
            "/s/magic/etc/passwd",
            "/s/environ",
            "/s/loop",
            "/s/dangling",
            "/s/device",
            "/s/socket",
            "/s/a.txt/",
            "/s/none/a.txt",
            "/s/nothing",
            &format!("/s/{}", "x".repeat(300)),
            &format!("/s/{}", "../sub/".repeat(400)),
        ] {
            is_app(&server.get(path));
        }
    }
}

#[test]
fn a_machine_without_descriptors_is_not_a_missing_file() {
    ours_only!("the application answers");
    const APP: &str = r#"
import os, resource
kept = []
def application(environ, start_response):
    if environ['PATH_INFO'] == '/hog':
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
        try:
            while True:
                kept.append(open('/dev/null'))
        except OSError:
            pass
    elif environ['PATH_INFO'] == '/free':
        kept.clear()
    start_response('200 OK', [])
    return [b'app']
"#;
    let server = setup(&["--static-map", "/s=WWW"]).file("app.py", APP).start();
    let mut connection = server.connect();
    assert_eq!(connection.ask(&Request::get("/hog")).text(), "app");
    assert_eq!(connection.ask(&Request::get("/s/a.txt")).status, 503);
    server.wait_for("[uwsgi-fileserve] cannot open <*>: EMFILE: Too many open files");
    assert_eq!(connection.ask(&Request::get("/free")).text(), "app");
    assert_eq!(connection.ask(&Request::get("/s/a.txt")).text(), "hello\n");
}

#[test]
fn the_first_place_that_has_the_file_counts() {
    let setup = setup(&[
        "--static-map",
        "/m=DIR/secret",
        "--static-map",
        "/m=WWW",
        "--static-map2",
        "/sub=WWW",
        "--static-map",
        "/one=WWW/a.txt",
        "--check-static",
        "DIR/other",
    ]);
    let setup = setup.file("other/a.txt", "other").file("secret/a.txt", "first");
    let server = setup.file("other/with space.txt", "space").start();
    for (path, text) in [
        ("/a.txt", "other"),
        ("/with%20space.txt?v=1", "space"),
        ("/m/a.txt", "first"),
        ("/m/none", "data"),
        ("/sub/index.html", "<h1>index</h1>"),
        ("/one", "hello\n"),
    ] {
        assert_eq!(server.get(path).text(), text, "{path}");
    }
    is_app(&server.get("/none"));
}

#[test]
fn no_application_is_needed() {
    let setup = Setup::new(Wire::Http).args(["--http-socket", "127.0.0.1:0"]);
    let server = setup.file("www/a.txt", "hello\n").args(["--check-static", "www"]).start();
    assert_eq!(server.get("/a.txt").text(), "hello\n");
    assert_eq!(server.get("/missing").status, 500);
}

#[test]
fn without_a_document_root_the_application_answers() {
    ours_only!("it closes the connection without an answer");
    let server = setup(&["--uwsgi-socket", "127.0.0.1:0", "--check-static-docroot"]).start();
    for root in [Some("/nonexistent"), Some("relative"), None] {
        let request = Request::get("/a.txt");
        let request = root.map_or(request.clone(), |root| request.var("DOCUMENT_ROOT", root));
        let mut connection = crate::support::Connection::open(&server.address_of(1));
        connection.send(request.to_packet());
        is_app(&connection.answer(false));
    }
}

#[test]
fn a_skipped_index_is_the_applications() {
    let more =
        ["--static-skip-ext", ".py", "--static-index", "index.py", "--static-index", "index.html"];
    let setup = setup(&[&["--check-static", "WWW"], &more[..]].concat());
    let server =
        setup.file("www/both/index.py", "code").file("www/both/index.html", "text").start();
    assert_eq!(server.get("/sub/").text(), "<h1>index</h1>");
    is_app(&server.get("/both/"));
}

#[test]
fn a_directory_may_come_later() {
    ours_only!("it looks for the directory at the start only");
    let server = setup(&["--check-static", "DIR/later"]).start();
    is_app(&server.get("/x.txt"));
    std::fs::create_dir(server.path("later")).unwrap();
    std::fs::write(server.path("later/x.txt"), "here").unwrap();
    assert_eq!(server.get("/x.txt").text(), "here");
}
