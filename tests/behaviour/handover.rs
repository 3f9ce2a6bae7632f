//! A worker that ends loses nothing: its connections go on with another one.

use nix::sys::signal::Signal;

use crate::support::fronts::{Front, Pass, Plan, program};
use crate::support::{Address, Connection, Request, Server, Setup, Wire, eventually, process};

/// More than one message queue of the kernel's least size holds.
const IDLE: usize = 200;

fn kept(server: &Server, count: usize) -> Vec<Connection> {
    let ask = |_| {
        let mut connection = server.connect();
        assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
        connection
    };
    (0..count).map(ask).collect()
}

#[track_caller]
fn all_answer(connections: &mut [Connection]) {
    for (number, connection) in connections.iter_mut().enumerate() {
        let answer = connection.ask(&Request::get("/hello"));
        assert_eq!(answer.text(), "hello", "connection {number}");
        assert_eq!(answer.header("Connection"), None, "nobody is told to close");
    }
}

/// Ends each worker by hand, the next when the one before has a successor.
#[track_caller]
fn replace_all(server: &Server, workers: u32) {
    for number in 1..=workers {
        let before = server.worker(number);
        process::send(before, Signal::SIGHUP);
        server.wait_for(&format!("Respawned uWSGI worker {number} (new pid: <N>)"));
        eventually("the end of the old worker", || !process::alive(before));
    }
}

#[test]
fn idle_connections_survive_the_replacement_of_their_workers() {
    ours_only!("http-socket has no keep-alive");
    let server = Setup::http().master(2).start();
    let mut connections = kept(&server, IDLE);
    replace_all(&server, 2);
    all_answer(&mut connections);
}

#[test]
fn idle_connections_survive_a_reload() {
    ours_only!("http-socket has no keep-alive");
    let server = Setup::http().master(2).start();
    let mut connections = kept(&server, IDLE);
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.log.wait_for_since(mark, "spawned uWSGI worker 2 (<*>");
    all_answer(&mut connections);
}

#[test]
fn half_sent_requests_survive_the_replacement_of_their_workers() {
    ours_only!("a worker that ends closes them");
    for setup in Setup::both() {
        let server = setup.master(2).args(["--socket-timeout", "60"]).start();
        let head = match server.wire() {
            Wire::Http => Request::get("/hello").to_http(),
            Wire::Uwsgi => Request::get("/hello").to_packet(),
        };
        let mut half = Vec::new();
        for number in 0..50 {
            let mut connection = server.connect();
            connection.send(&head[..number % head.len()]);
            half.push(connection);
        }
        let mut upload = server.connect();
        if server.wire() == Wire::Http {
            upload.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nstart");
        }
        replace_all(&server, 2);
        for (number, connection) in half.iter_mut().enumerate() {
            connection.send(&head[number % head.len()..]);
            assert_eq!(connection.answer(false).text(), "hello", "connection {number}");
        }
        if server.wire() == Wire::Http {
            upload.send(vec![b'x'; 995]);
            assert_eq!(upload.answer(false).body.len(), 1000);
        }
    }
}

fn tell(server: &Server, command: &str) {
    std::fs::write(server.path("fifo"), command).expect("the master reads its fifo");
}

/// Requests without a pause on kept connections, until the log says that `count` workers were replaced.
fn load_until(
    server: &Server,
    clients: usize,
    connect: impl Fn() -> Connection + Sync,
    log: &str,
    count: usize,
) {
    let done = || server.log.text().matches(log).count() >= count;
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut connection = connect();
                let mut asked = 0;
                while asked < 100 || !done() {
                    assert!(!server.logged("<*>panicked<*>"), "{}", server.log.text());
                    let answer = connection.ask(&Request::get("/hello"));
                    assert_eq!(
                        (answer.status, answer.text().as_str()),
                        (200, "hello"),
                        "request {asked}"
                    );
                    asked += 1;
                }
            });
        }
    });
}

#[test]
fn busy_kept_connections_survive_recycling() {
    ours_only!("http-socket has no keep-alive");
    let args = ["-R", "100", "--min-worker-lifetime", "0", "-L"];
    let server = Setup::http().master(2).args(args).start();
    load_until(&server, 4, || server.connect(), "Respawned uWSGI worker", 6);
    let server = Setup::http().master(2).args(args).args(["--threads", "3"]).start();
    load_until(&server, 8, || server.connect(), "Respawned uWSGI worker", 6);
}

#[test]
fn pipelined_requests_survive_recycling() {
    ours_only!("http-socket has no keep-alive");
    let args = ["-R", "50", "--min-worker-lifetime", "0", "-L"];
    let server = Setup::http().master(2).args(args).start();
    let mut connection = server.connect();
    let mut rounds = 0;
    // As many as it takes: while a successor boots, the worker serves on.
    eventually("several successors", || {
        connection.send(Request::get("/hello").to_http().repeat(30));
        for number in 0..30 {
            assert_eq!(connection.answer(false).text(), "hello", "request {number}");
        }
        rounds += 1;
        rounds >= 20 && server.log.text().matches("Respawned uWSGI worker").count() >= 3
    });
    assert!(!server.logged("<*>panicked<*>"), "{}", server.log.text());
}

#[test]
fn clients_of_nginx_notice_no_replacement() {
    needs!(program("nginx").is_some(), "nginx is not installed");
    ours_only!("a worker that ends may close what it has just accepted");
    let args = ["-R", "100", "--min-worker-lifetime", "0", "-L"];
    let server = Setup::uwsgi().master(2).args(args).start();
    let plan = Plan::new(Pass::Uwsgi).in_location("uwsgi_next_upstream off;");
    let nginx = Front::nginx(plan, &server.address());
    load_until(&server, 4, || nginx.connect(), "Respawned uWSGI worker", 6);
    assert_eq!(nginx.errors(), "");
}

/// An application that says so when it begins `/wait`, and answers it when there is a file `go`; anything else it answers
/// at once with its process.
const WAITING: &str = "import os, sys, time
def application(environ, start_response):
    if environ['PATH_INFO'] == '/wait':
        print('begun', file=sys.stderr, flush=True)
    while environ['PATH_INFO'] == '/wait' and not os.path.exists('go'):
        time.sleep(0.01)
    start_response('200 OK', [])
    return [str(os.getpid()).encode()]
";

fn waiting() -> Setup {
    let setup = Setup::new(Wire::Http).file("waiting.py", WAITING);
    setup.args(["--http-socket", "127.0.0.1:0", "--wsgi-file", "waiting.py"])
}

fn go(server: &Server) {
    std::fs::write(server.path("go"), "").expect("a file");
}

#[test]
fn busy_worker_gives_its_other_connections_away_at_once() {
    ours_only!("its kept connections close");
    let server = waiting().master(2).start();
    let first = server.worker(1).to_string();
    let mut connections = Vec::new();
    let mut of_first = Vec::new();
    eventually("five connections of worker 1", || {
        let mut connection = server.connect();
        let pid = connection.ask(&Request::get("/")).text();
        if pid == first { &mut of_first } else { &mut connections }.push(connection);
        of_first.len() == 5
    });
    let mut busy = of_first.pop().expect("there are five");
    busy.send(Request::get("/wait").to_http());
    server.wait_for("begun");
    process::send(server.worker(1), Signal::SIGHUP);
    for connection in of_first.iter_mut().chain(&mut connections) {
        connection.send(Request::get("/").to_http());
    }
    for connection in of_first.iter_mut().chain(&mut connections) {
        assert_ne!(connection.answer(false).text(), first);
    }
    go(&server);
    assert_eq!(busy.answer(false).text(), first, "what runs is finished");
    // And goes on with another worker.
    assert_ne!(busy.ask(&Request::get("/")).text(), first);
}

#[test]
fn lone_process_serves_what_waits_and_says_good_bye() {
    ours_only!("http-socket has no keep-alive");
    let mut server = waiting().start();
    let (mut busy, mut kept) = (server.connect(), server.connect());
    assert_eq!(kept.ask(&Request::get("/")).status, 200);
    busy.send(Request::get("/wait").to_http());
    server.wait_for("begun");
    let mut waiting = server.connect();
    waiting.send(Request::get("/").to_http());
    server.signal(Signal::SIGHUP);
    eventually("the end of the listener", || Connection::try_open(&server.address()).is_err());
    go(&server);
    assert_eq!(busy.answer(false).status, 200);
    let last = waiting.answer(false);
    assert_eq!((last.status, last.header("Connection")), (200, Some("close")));
    assert_eq!(kept.rest(), b"");
    server.wait();
}

#[test]
fn orphans_finish_and_free_the_address() {
    ours_only!("its workers go on without a master");
    let server = waiting().master(2).start();
    let workers = [server.worker(1), server.worker(2)];
    let mut busy = server.connect();
    busy.send(Request::get("/wait").to_http());
    server.wait_for("begun");
    server.signal(Signal::SIGKILL);
    let address = server.address().text();
    eventually("a free address", || std::net::TcpListener::bind(&address).is_ok());
    go(&server);
    assert_eq!(busy.answer(false).status, 200);
    for worker in workers {
        eventually("the end of an orphan", || !process::alive(worker));
    }
}

#[test]
fn orphans_serve_whoever_had_connected() {
    ours_only!("its workers go on without a master");
    let server = waiting().master(1).start();
    let mut busy = server.connect();
    busy.send(Request::get("/wait").to_http());
    server.wait_for("begun");
    let mut waiting: Vec<_> = (0..20).map(|_| server.connect()).collect();
    waiting.iter_mut().for_each(|one| one.send(Request::get("/").to_http()));
    server.signal(Signal::SIGKILL);
    eventually("the end of the listener", || Connection::try_open(&server.address()).is_err());
    go(&server);
    for connection in waiting.iter_mut().chain([&mut busy]) {
        assert_eq!(connection.answer(false).status, 200);
    }
}

#[test]
fn orphans_do_not_live_longer_than_the_mercy() {
    ours_only!("its workers go on without a master");
    let server = waiting().master(1).args(["--worker-reload-mercy", "1"]).start();
    let worker = server.worker(1);
    let mut busy = server.connect();
    busy.send(Request::get("/wait").to_http());
    server.wait_for("begun");
    server.signal(Signal::SIGKILL);
    server.wait_for("worker 1: what still runs is given up");
    eventually("the end of the orphan", || !process::alive(worker));
    assert_eq!(busy.rest(), b"");
}

#[test]
fn lame_duck_serves_on_and_says_good_bye() {
    ours_only!("it has no such thing");
    let setup = waiting().master(2).args(["--lame-duck", "600", "--master-fifo", "fifo"]);
    let mut server = setup.start();
    let mut kept = server.connect();
    assert_eq!(kept.ask(&Request::get("/")).header("Connection"), None);
    tell(&server, "q");
    // Both workers are told one after the other; a client sees when.
    eventually("answers that say good bye", || {
        let answer = server.connect().ask(&Request::get("/"));
        assert_eq!(answer.status, 200);
        answer.header("Connection") == Some("close")
    });
    let answer = kept.ask(&Request::get("/"));
    assert_eq!(answer.status, 200, "an idle connection is served once more");
    tell(&server, "q");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn graceful_stop_serves_whoever_has_begun() {
    ours_only!("it closes half-sent requests");
    let setup = waiting().master(1).args(["--master-fifo", "fifo", "--socket-timeout", "600"]);
    let mut server = setup.start();
    let (mut kept, mut half, mut busy) = (server.connect(), server.connect(), server.connect());
    for connection in [&mut kept, &mut half] {
        assert_eq!(connection.ask(&Request::get("/")).status, 200);
    }
    let request = Request::get("/").to_http();
    half.send(&request[..10]);
    busy.send(Request::get("/wait").to_http());
    server.wait_for("begun");
    tell(&server, "q");
    server.wait_for("graceful shutdown triggered...");
    go(&server);
    assert_eq!(busy.answer(false).status, 200);
    assert_eq!(kept.rest(), b"");
    half.send(&request[10..]);
    let last = half.answer(false);
    assert_eq!((last.status, last.header("Connection")), (200, Some("close")));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn clients_of_a_removed_listener_are_served_to_the_last() {
    ours_only!("a removed listener closes with the old workers, and what waits there is lost");
    let (kept, gone) = ("http-socket = 127.0.0.1:0", "http-socket = gone.sock");
    let rest = "wsgi-file = waiting.py\nmaster = true\n";
    let setup = Setup::new(Wire::Http).file("waiting.py", WAITING);
    let setup = setup.file("a.ini", &format!("[uwsgi]\n{kept}\n{gone}\n{rest}"));
    let server = setup.args(["--ini", "a.ini"]).start();
    let mut busy = server.connect();
    busy.send(Request::get("/wait").to_http());
    server.wait_for("begun");
    let address = Address::Unix(server.path("gone.sock"));
    let mut clients = Vec::new();
    let mut come = || {
        let Ok(mut client) = Connection::try_open(&address) else { return false };
        client.send(Request::get("/").to_http());
        clients.push(client);
        true
    };
    for _ in 0..20 {
        assert!(come());
    }
    std::fs::write(server.path("a.ini"), format!("[uwsgi]\n{kept}\n{rest}")).expect("a file");
    server.signal(Signal::SIGHUP);
    server.wait_for("gracefully (RE)spawned uWSGI master process (pid: <N>)");
    // The old worker still runs its request; it has taken all that came in the meantime.
    eventually("the end of the listener", || !come());
    go(&server);
    assert_eq!(busy.answer(false).status, 200);
    for (number, client) in clients.iter_mut().enumerate() {
        let answer = client.answer(false);
        assert_eq!(
            (answer.status, answer.header("Connection")),
            (200, Some("close")),
            "client {number}"
        );
    }
}

#[test]
fn paused_workers_let_connections_wait() {
    let server = waiting().master(2).args(["--master-fifo", "fifo"]).start();
    let mut running = server.connect();
    running.send(Request::get("/wait").header("Connection", "close").to_http());
    server.wait_for("begun");
    tell(&server, "p");
    server.wait_for("<*>*** PAUSE (press start to resume, <*>) ***");
    server.wait_for("<*>*** worker <N> suspended ***");
    go(&server);
    assert_eq!(running.answer(false).status, 200, "what runs goes on");
    let mut waiting = server.connect();
    waiting.send(Request::get("/").header("Connection", "close").to_http());
    tell(&server, "p");
    server.wait_for("<*>*** (SIGTSTP received) resuming workers ***");
    assert_eq!(waiting.answer(false).status, 200);
}
