//! Slow and idle clients beside normal ones.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::support::{Connection, Request, Server, Setup, Wire};

#[test]
fn half_sent_heads_hold_nobody_up() {
    ours_only!("each holds a thread until socket-timeout");
    for setup in Setup::both() {
        let server = setup.start();
        let half = match server.wire() {
            Wire::Http => Request::get("/hello").to_http(),
            Wire::Uwsgi => Request::get("/hello").to_packet(),
        };
        let _held = (0..100)
            .map(|_| {
                let mut connection = server.connect();
                connection.send(&half[..half.len() / 2]);
                connection
            })
            .collect::<Vec<Connection>>();
        for _ in 0..50 {
            assert_eq!(server.get("/hello").text(), "hello");
        }
    }
}

#[test]
fn half_sent_head_times_out() {
    let server = Setup::http().args(["--socket-timeout", "1"]).start();
    let mut connection = server.connect();
    connection.send("GET /hello HTTP/1.1\r\nHost:");
    let bytes = connection.rest(); // fails when the server waits for ever
    assert!(
        bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 408 "),
        "{:?}",
        String::from_utf8_lossy(&bytes)
    );
}

#[test]
fn dripping_head_has_an_absolute_deadline() {
    ours_only!("each byte starts the clock again");
    let server = Setup::http().args(["--socket-timeout", "1"]).start();
    let mut connection = server.connect();
    connection.send("GET /hello HTTP/1.1\r\nX-Drip: ");
    let mut sent = 0;
    crate::support::eventually("the server to give up", || {
        sent += 1;
        connection.try_send(b"x").is_err() || sent > 4000
    });
    assert!(sent <= 4000, "the head could grow for ever");
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn slow_reader_does_not_hold_the_only_thread() {
    ours_only!("a thread writes until its reader took everything");
    for setup in Setup::both() {
        // Longer than any of us waits: a thread that waits for the reader would be noticed.
        let server = setup.args(["--socket-timeout", "300"]).start();
        let mut reader = server.connect();
        reader.send(match server.wire() {
            Wire::Http => Request::get("/big?8000000").to_http(),
            Wire::Uwsgi => Request::get("/big?8000000").to_packet(),
        });
        for _ in 0..20 {
            assert_eq!(server.get("/hello").text(), "hello");
        }
        assert_eq!(reader.answer(false).body.len(), 8_000_000);
    }
}

#[test]
fn idle_kept_connections_cost_no_thread() {
    ours_only!("http-socket has no keep-alive");
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(20_000), hard).unwrap();
    needs!(hard >= 5000, "2,000 connections need their descriptors");
    let server = Server::http();
    let mut idle = Vec::new();
    for _ in 0..2000 {
        let mut connection = server.connect();
        assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
        idle.push(connection);
    }
    for _ in 0..50 {
        assert_eq!(server.get("/hello").text(), "hello");
    }
    for connection in idle.iter_mut().step_by(97) {
        assert_eq!(
            connection.ask(&Request::get("/hello")).text(),
            "hello",
            "an idle connection is still served"
        );
    }
}

#[test]
fn connection_that_sends_nothing_holds_nobody_up() {
    ours_only!("each holds a thread until socket-timeout");
    let server = Setup::uwsgi().arg("--no-defer-accept").start();
    let _silent = (0..20).map(|_| server.connect()).collect::<Vec<_>>();
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn slow_upload_does_not_hold_the_only_thread() {
    ours_only!("a thread waits for the body");
    let server = Server::http();
    let mut upload = server.connect();
    upload.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    upload.send("start");
    for _ in 0..20 {
        assert_eq!(server.get("/hello").text(), "hello");
    }
    upload.send(vec![b'x'; 995]);
    assert_eq!(upload.answer(false).body.len(), 1000);
}

#[test]
fn greedy_connection_does_not_starve_others() {
    ours_only!("http-socket has no keep-alive");
    let server = Server::http();
    let mut greedy = server.connect();
    let burst = Request::get("/hello").to_http().repeat(200);
    let writer = std::thread::spawn(move || {
        for _ in 0..20 {
            if greedy.try_send(&burst).is_err() {
                break;
            }
        }
        greedy
    });
    for _ in 0..20 {
        assert_eq!(server.get("/hello").text(), "hello");
    }
    drop(writer);
}
