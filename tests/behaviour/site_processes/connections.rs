//! Connections that go from the instance to its sites, from one to another, and home.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use nix::sys::signal::Signal;

use super::{APP, ask, count, facts, setup};
use crate::support::{Address, Answer, Connection, Request, Setup, Wire, eventually, fastcgi};

#[test]
fn a_kept_http_connection_goes_from_site_to_site() {
    ours_only!("uWSGI loads what requests name into its workers");
    let setup = Setup::new(Wire::Http)
        .args(["--http", "127.0.0.1:0", "--app-isolation", "process", "--vhost"])
        .args(["--http-var", "UWSGI_SCRIPT=one"])
        .master(2)
        .file("one.py", APP);
    let server = setup.start();
    let mut connection = server.connect();
    let mut ask = |host: &str| {
        let request = Request::post("/", vec![b'x'; 1000]).header("Host", host);
        let facts = facts(&connection.ask(&request));
        assert_eq!(facts.length, 1000);
        facts.master
    };
    let (a, b) = (ask("a.example"), ask("b.example"));
    assert_ne!(a, b);
    for _ in 0..20 {
        assert_eq!((ask("a.example:80"), ask("B.example")), (a, b));
    }
    assert_eq!(count(&server, "started (pid"), 2);
}

#[test]
fn pipelined_requests_of_several_sites_are_answered_in_order() {
    ours_only!("uWSGI loads what requests name into its workers");
    let setup = Setup::new(Wire::Http)
        .args(["--http", "127.0.0.1:0", "--app-isolation", "process", "--vhost"])
        .args(["--http-var", "UWSGI_SCRIPT=one"])
        .master(2)
        .file("one.py", APP);
    let server = setup.start();
    let mut connection = server.connect();
    let hosts = ["a", "a", "b", "a", "b", "b"];
    let requests = hosts.map(|host| Request::get("/").header("Host", host).to_http()).concat();
    connection.send(requests);
    let masters = hosts.map(|_| facts(&connection.answer(false)).master);
    for (host, master) in hosts.iter().zip(masters) {
        assert_eq!(*host == "a", master == masters[0], "{masters:?}");
    }
}

#[test]
fn a_kept_fastcgi_connection_goes_from_site_to_site_and_home() {
    ours_only!("uWSGI loads what requests name into its workers");
    let setup = Setup::new(Wire::Uwsgi)
        .args(["--fastcgi-socket", "127.0.0.1:0", "--app-isolation", "process"])
        .args(["--module", "main"])
        .master(2)
        .file("main.py", APP)
        .file("one/one.py", APP)
        .file("two/two.py", APP);
    let server = setup.start();
    let mut connection = server.connect();
    for id in 1..=10 {
        for name in ["one", "two", "main"] {
            let request = match name {
                "main" => Request::get("/"),
                _ => Request { body: vec![b'x'; 5000], ..ask(&server, name, "/") },
            };
            connection.send(fastcgi::request(&request, id, true));
            let reply = fastcgi::reply(&mut connection, false);
            let facts = facts(&reply.answer);
            assert_eq!((facts.name.as_str(), reply.id), (name, id));
            assert_eq!(facts.length, request.body.len());
        }
    }
}

#[test]
fn a_large_upload_reaches_its_site() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().start();
    for size in [1, 4_000, 100_000, 1 << 20] {
        let body = vec![b'x'; size];
        let request = Request { method: "POST".into(), body, ..ask(&server, "one", "/") };
        assert_eq!(facts(&server.send(&request)).length, size);
    }
}

#[test]
fn more_clients_than_a_pair_holds_are_all_served() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().args(["--listen", "1000"]).start();
    let request = ask(&server, "one", "/").to_packet();
    // All before its processes can take one.
    let mut clients: Vec<Connection> = (0..700).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(&request));
    for mut client in clients {
        let bytes = client.rest();
        assert_eq!(facts(&Answer::whole(&bytes, false).unwrap()).name, "one");
    }
    assert_eq!(count(&server, "site one: started"), 1);
}

/// Kept connections rest in a site's process when it ends.
#[test]
fn kept_connections_survive_the_end_of_their_site() {
    ours_only!("uWSGI loads what requests name into its workers");
    let setup = Setup::new(Wire::Uwsgi)
        .args(["--fastcgi-socket", "127.0.0.1:0", "--app-isolation", "process"])
        .args(["--site-option", "idle=1"])
        .master(2)
        .file("one/one.py", APP);
    let server = setup.start();
    let mut connection: Connection = server.connect();
    let request = ask(&server, "one", "/");
    connection.send(fastcgi::request(&request, 1, true));
    let first = facts(&fastcgi::reply(&mut connection, false).answer).master;
    server.wait_for("site one: idle, stopped");
    connection.send(fastcgi::request(&request, 2, true));
    assert_ne!(facts(&fastcgi::reply(&mut connection, false).answer).master, first);
}

/// A worker of the old generation serves what came by a socket that the new one has not got; the site's processes are new.
#[test]
fn a_socket_that_a_reload_takes_away_still_leads_to_sites() {
    ours_only!("uWSGI loads what requests name into its workers");
    let ini = |sockets: &str| format!("[uwsgi]\n{sockets}app-isolation = process\nmaster = true\n");
    let setup = Setup::new(Wire::Uwsgi)
        .file("uwsgi.ini", &ini("socket = one.sock\nsocket = two.sock\n"))
        .file("one/one.py", APP)
        .args(["--ini", "uwsgi.ini"]);
    let server = setup.start();
    let path = |name: &str| Address::Unix(server.path(name));
    let packet = ask(&server, "one", "/").to_packet();
    let mut first = Connection::open(&path("one.sock"));
    first.send(&packet);
    assert!(first.rest().starts_with(b"HTTP/1.1 200 "));
    let mut half = Connection::open(&path("two.sock"));
    half.send(&packet[..20]);
    std::fs::write(server.path("uwsgi.ini"), ini("socket = one.sock\n")).unwrap();
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.log.wait_for_since(mark, "site one: stopped");
    half.send(&packet[20..]);
    assert!(half.rest().starts_with(b"HTTP/1.1 200 "));
}

/// Clients go on until it is dropped, also by a test that fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn kept_connections_with_uploads_survive_reloads_and_recycling() {
    ours_only!("uWSGI loads what requests name into its workers");
    let options = ["processes=2", "max-requests=20", "min-worker-lifetime=1"];
    let setup = Setup::new(Wire::Http)
        .args(["--http", "127.0.0.1:0", "--http-keepalive", "--app-isolation", "process"])
        .args(["--vhost", "--http-var", "UWSGI_SCRIPT=one", "--threads", "2"])
        .args(options.map(|it| format!("--site-option={it}")))
        .master(2)
        .file("one.py", APP);
    let server = setup.start();
    let (over, all_served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = |name: &str| {
        let mut connection = server.connect();
        let mut served = 0;
        while !over.load(Ordering::Relaxed) {
            for (host, size) in [("a", 0), ("b", 100), ("a", 70_000), ("a", 3)] {
                let request = Request::post("/", vec![b'x'; size]).header("Host", host);
                let answer = connection.ask(&request);
                assert_eq!(facts(&answer).length, size, "{name}, request {served}");
                served += 1;
                all_served.fetch_add(1, Ordering::Relaxed);
                if answer.header("Connection") == Some("close") {
                    connection = server.connect();
                }
            }
        }
    };
    thread::scope(|scope| {
        let end = End(&over);
        let clients: Vec<_> =
            ["one", "two", "three"].map(|name| scope.spawn(move || client(name))).into();
        for _ in 0..3 {
            let mark = server.log.mark();
            server.signal(Signal::SIGHUP);
            server.await_reload(mark);
            server.log.wait_for_since(mark, "site a| one: started (pid <N>)");
            let goal = all_served.load(Ordering::Relaxed) + 40;
            eventually("answers after the reload", || {
                all_served.load(Ordering::Relaxed) >= goal
                    || clients.iter().any(|it| it.is_finished())
            });
        }
        drop(end);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}
