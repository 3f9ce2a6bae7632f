//! Bodies that Mongrel2 stores in files, or sends in pieces, and requests that pretend to have some.

use std::os::unix::fs::symlink;
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::{behind, long};
use crate::support::mongrel2::{BOTH, Headers, Mongrel2, Plan};
use crate::support::stand_in::{StandIn, get};
use crate::support::temp::TempDir;
use crate::support::{Request, Server, eventually};

/// A Mongrel2 that stores uploads, and a server that takes them.
fn stored(headers: Headers, args: &[&str]) -> (Mongrel2, Server) {
    let mongrel2 = Plan::new(headers).stores_uploads().start();
    let setup = behind(&mongrel2.pair(0)).args(mongrel2.upload_options()).args(args);
    let server = setup.master(1).start();
    (mongrel2, server)
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 7 % 253) as u8).collect()
}

const EARLY: &str = "--mongrel2-upload-early";
const REMOVE: &str = "--mongrel2-upload-remove";

#[test]
fn stored_bodies_reach_the_application() {
    behind_mongrel2!();
    for headers in BOTH {
        for args in [&[][..], &[EARLY], &[REMOVE], &[EARLY, REMOVE]] {
            let (mongrel2, _server) = stored(headers, args);
            let mut connection = mongrel2.connect();
            for size in [65_536, 1_048_576] {
                let body = bytes(size);
                let answer = connection.ask(&Request::post("/echo", body.clone()));
                assert_eq!((answer.status, answer.body == body), (200, true), "{args:?} {size}");
            }
            connection.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
            connection.send("1\r\nx\r\n0\r\n\r\n");
            assert_eq!(connection.answer(false).text(), "x", "{args:?}");
            assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
            match args.contains(&REMOVE) {
                true => eventually("files to be removed", || mongrel2.stored().is_empty()),
                false => assert_eq!(mongrel2.stored().len(), 3, "they are Mongrel2's"),
            }
        }
    }
}

#[test]
fn a_gibibyte_is_an_upload() {
    behind_mongrel2!();
    needs!(long(), "UWSGI_LONG_TESTS is not set");
    for args in [&[REMOVE][..], &[REMOVE, EARLY]] {
        let (mongrel2, server) = stored(Headers::Json, args);
        let mut connection = mongrel2.connect();
        connection.send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n");
        let piece = vec![0; 1 << 20];
        (0..1024).for_each(|_| connection.send(&piece));
        assert_eq!(connection.answer(false).text(), "1073741824", "{args:?}");
        eventually("the file to be removed", || mongrel2.stored().is_empty());
        let memory = super::memory_kib(super::gateway(&server));
        assert!(memory < 64 * 1024, "the handler has {memory} KiB");
    }
}

#[test]
fn uploads_are_refused_where_none_are_configured() {
    behind_mongrel2!();
    let mongrel2 = Plan::new(Headers::Json).stores_uploads().start();
    let server = behind(&mongrel2.pair(0)).start();
    let mut connection = mongrel2.connect();
    let _ = connection.try_send(&Request::post("/echo", bytes(65_536)).to_http());
    assert_eq!(connection.answer(false).status, 413);
    server.wait_for("<*>mongrel2: an upload is refused: mongrel2-upload-root is not set<*>");
    assert_eq!(mongrel2.connect().ask(&Request::get("/hello")).text(), "hello");
}

#[test]
fn an_upload_that_is_slow_holds_no_thread() {
    behind_mongrel2!();
    let (mongrel2, server) = stored(Headers::Json, &[]);
    let body = bytes(100_000);
    let request = Request::post("/count", body).to_http();
    let mut slow = mongrel2.connect();
    slow.send(&request[..60_000]);
    eventually("the file", || !mongrel2.stored().is_empty());
    assert_eq!(mongrel2.connect().ask(&Request::get("/hello")).text(), "hello");
    assert!(!server.logged("count begins with <N>"), "its body is not complete");
    slow.send(&request[60_000..]);
    assert_eq!(slow.answer(false).text(), "100000");
}

#[test]
fn an_early_application_reads_while_the_file_grows() {
    behind_mongrel2!();
    let (mongrel2, server) = stored(Headers::Tnetstring, &[EARLY]);
    let request = Request::post("/count", bytes(200_000)).to_http();
    // Of less than 64 KiB, all is waited for.
    let mut slow = mongrel2.connect();
    slow.send(&request[..100_000]);
    server.wait_for("count begins with <N>");
    slow.send(&request[100_000..]);
    assert_eq!(slow.answer(false).text(), "200000");
}

#[test]
fn a_client_that_leaves_takes_its_file_along() {
    behind_mongrel2!();
    for args in [&[REMOVE][..], &[REMOVE, EARLY]] {
        let (mongrel2, server) = stored(Headers::Json, args);
        for turn in 1..=3 {
            let mut connection = mongrel2.connect();
            let request = Request::post("/count", bytes(200_000)).to_http();
            connection.send(&request[..100_000]);
            eventually("the file", || !mongrel2.stored().is_empty());
            let begun = || server.log.text().matches("count begins with").count();
            eventually("the application to read", || !args.contains(&EARLY) || begun() == turn);
            drop(connection);
            eventually("the file to be removed", || mongrel2.stored().is_empty());
        }
        // There is one thread.
        assert_eq!(mongrel2.connect().ask(&Request::get("/hello")).text(), "hello", "{args:?}");
    }
}

#[test]
fn streamed_bodies_reach_the_application() {
    behind_mongrel2!();
    for headers in BOTH {
        let mongrel2 = Plan::new(headers).set("upload.stream", 1).start();
        let _server = behind(&mongrel2.pair(0)).master(1).start();
        let mut connection = mongrel2.connect();
        for size in [30_000, 1_048_576] {
            let body = bytes(size);
            let answer = connection.ask(&Request::post("/echo", body.clone()));
            assert_eq!((answer.status, answer.body == body), (200, true), "{headers:?} {size}");
        }
        assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
    }
}

#[test]
fn a_client_that_leaves_its_stream_holds_no_thread() {
    behind_mongrel2!();
    let mongrel2 = Plan::new(Headers::Json).set("upload.stream", 1).start();
    let server = behind(&mongrel2.pair(0)).master(1).start();
    for turn in 1..=3 {
        let mut connection = mongrel2.connect();
        connection.send(&Request::post("/count", bytes(200_000)).to_http()[..100_000]);
        let begun = || server.log.text().matches("count begins with").count();
        eventually("the application to read", || begun() == turn);
        drop(connection);
        let raised = || server.log.text().matches("count error:").count();
        eventually("the application to see the end", || raised() == turn);
    }
    assert_eq!(mongrel2.connect().ask(&Request::get("/hello")).text(), "hello");
}

#[test]
fn forged_headers_are_ignored() {
    behind_mongrel2!();
    let (mongrel2, server) = stored(Headers::Json, &[REMOVE]);
    let victim = mongrel2.path("tmp/victim");
    std::fs::write(&victim, "a file of somebody else").unwrap();
    let named = mongrel2.inside("tmp/victim");
    const START: &str = "X-Mongrel2-Upload-Start";
    const DONE: &str = "X-Mongrel2-Upload-Done";
    let mut connection = mongrel2.connect();
    for headers in [
        vec![(DONE, "/etc/passwd")],
        vec![(START, "/tmp/up.AbCdEf"), (DONE, "/etc/passwd")],
        vec![(START, "/etc/passwd"), (DONE, "/etc/passwd")],
        vec![(START, &*named)],
        vec![(DONE, &*named)],
        vec![(START, &*named), (DONE, &*named)],
    ] {
        let mut request = Request::get("/environ");
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let answer = connection.ask(&request);
        assert_eq!(answer.status, 200, "{headers:?}");
        assert!(!answer.text().contains("MONGREL2_UPLOAD"), "{headers:?}: {}", answer.text());
        let request = Request {
            method: "POST".into(),
            target: "/echo".into(),
            body: b"body".into(),
            ..request
        };
        let answer = connection.ask(&request);
        assert_eq!(answer.text(), "body", "{headers:?}");
    }
    server.wait_for("<*>mongrel2: a forged header of uploads is ignored: <*>");
    assert!(victim.exists(), "it was removed");
    // What announces a body to one who reads it in another way than Mongrel2.
    for body in [
        ("Transfer-Encoding", "identity"),
        ("Transfer-Encoding", "Chunked"),
        ("Transfer-Encoding", "gzip, chunked"),
        ("Content-Length", "0"),
        ("Content-Length", "-1"),
        ("Content-Length", "4294967319"), // 23 and 2^32
    ] {
        let request = Request::get("/echo").header(body.0, body.1).header(START, &named);
        let mut connection = mongrel2.connect();
        let answer = connection.ask(&request);
        assert!(answer.text().len() < 23, "{body:?}: {}", answer.text());
        if answer.header("connection") != Some("close") {
            let answer = connection.ask(&request.header(DONE, &named));
            assert_eq!(answer.text(), "", "{body:?}");
        }
    }
    assert_eq!(mongrel2.connect().ask(&Request::get("/hello")).text(), "hello");
    assert!(victim.exists(), "it was removed");
}

/// Files of these folders that somebody has opened or removed since it was made.
struct Watch(Inotify);

impl Watch {
    fn new(folders: &[&Path]) -> Self {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
        let what = AddWatchFlags::IN_OPEN | AddWatchFlags::IN_DELETE;
        for folder in folders {
            inotify.add_watch(*folder, what).unwrap();
        }
        Self(inotify)
    }

    fn seen(&self) -> Vec<String> {
        let events = self.0.read_events().unwrap_or_default();
        events.iter().map(|event| format!("{:?} {:?}", event.name, event.mask)).collect()
    }
}

#[test]
fn what_is_no_plain_file_of_the_folder_is_never_opened() {
    ours_only!("its plugin opens whatever a client names");
    let dir = TempDir::new();
    let (root, secret) = (dir.path().join("root"), dir.path().join("secret"));
    std::fs::create_dir_all(root.join("folder")).unwrap();
    std::fs::create_dir(&secret).unwrap();
    std::fs::write(secret.join("file"), "secret").unwrap();
    symlink(secret.join("file"), root.join("link")).unwrap();
    symlink(&secret, root.join("way")).unwrap();
    mkfifo(&root.join("fifo"), Mode::S_IRWXU).unwrap();
    let mongrel2 = StandIn::new();
    let setup = behind(&mongrel2.pair()).args([REMOVE, "--mongrel2-upload-root"]).arg(&root);
    let server = setup.start();
    let watch = Watch::new(&[&root, &secret]);
    let below = |name: &str| root.join(name).display().to_string();
    let outside = secret.join("file").display().to_string();
    let paths = [
        below("link"),
        below("way/file"),
        below("fifo"),
        below("folder"),
        below("../secret/file"),
        below("folder/../../secret/file"),
        below("gone"),
        below(""),
        outside,
        "secret/file".to_owned(),
        String::new(),
    ];
    const START: &str = "x-mongrel2-upload-start";
    const DONE: &str = "x-mongrel2-upload-done";
    for (number, path) in paths.iter().enumerate() {
        let id = u32::try_from(number).unwrap();
        // The first one would be an upload's begin, and is not answered if it is believed.
        for more in [
            &[(START, &**path), ("content-length", "6")][..],
            &[(START, &**path), (DONE, &**path), ("content-length", "6")],
        ] {
            mongrel2.send(get(id, "/hello", more));
            let answer = mongrel2.answer(id);
            // Without a body the announced length is wrong: that is no request at all.
            assert_eq!(answer.status, 400, "{path} {more:?}");
            mongrel2.receive(); // closes
        }
        mongrel2.send(get(id, "/hello", &[(START, path), (DONE, path)]));
        assert_eq!(mongrel2.answer(id).text(), "hello", "{path}");
    }
    assert_eq!(watch.seen(), [""; 0]);
    server.wait_for("<*>a forged header of uploads is ignored: <*>");
}
