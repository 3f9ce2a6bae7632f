//! The stats server, as monitoring reads it.

use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::setup::app;
use crate::support::{
    Address, Answer, Connection, Request, Server, Setup, Wire, eventually, process,
};

const SOCKET: &str = "stats.sock";

fn with_stats(setup: Setup) -> Setup {
    let path = setup.path(SOCKET);
    setup.arg("--stats").arg(path)
}

#[track_caller]
fn start(setup: Setup) -> Server {
    let server = with_stats(setup).start();
    server.wait_for("*** Stats server enabled on <*> fd: <N> ***");
    // The original looks at its sockets once a second.
    eventually("workers and sockets are there", || {
        let document = read(&server);
        let accepting = workers(&document).iter().all(|worker| worker["accepting"] == 1);
        accepting && document["sockets"][0]["max_queue"] == 100
    });
    server
}

fn address(server: &Server) -> Address {
    Address::Unix(server.path(SOCKET))
}

/// The document.
#[track_caller]
fn text(server: &Server) -> String {
    let mut connection = Connection::open(&address(server));
    // Nobody reads it without `stats-http`.
    let _ = connection.try_send(b"GET / HTTP/1.0\r\n\r\n");
    let text = String::from_utf8(connection.rest()).expect("the document is UTF-8");
    text.split_once("\r\n\r\n").map_or(text.clone(), |(_, body)| body.to_owned())
}

#[track_caller]
fn read(server: &Server) -> Value {
    let text = text(server);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn workers(document: &Value) -> &[Value] {
    document["workers"].as_array().expect("a list of workers")
}

fn sum(document: &Value, key: &str) -> u64 {
    workers(document).iter().map(|worker| worker[key].as_u64().expect("a number")).sum()
}

/// The keys in their order; of a list, those of its first member.
fn keys(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let path = format!("{path}.{key}");
                found.push(path.clone());
                keys(value, &path, found);
            }
        }
        // Locks are objects of one key each.
        Value::Array(items) if path == ".locks" => {
            items.iter().for_each(|item| keys(item, path, found));
        }
        Value::Array(items) => {
            items.first().into_iter().for_each(|item| keys(item, path, found));
        }
        _ => {}
    }
}

/// Seen with uWSGI 2.0.31.
const KEYS: &str = ".version .listen_queue .listen_queue_errors .signal_queue .load .pid .uid .gid .cwd .locks \
    .locks.user 0 .locks.signal .locks.filemon .locks.timer .locks.rbtimer .locks.cron .locks.rpc .locks.snmp \
    .sockets .sockets.name .sockets.proto .sockets.queue .sockets.max_queue .sockets.shared .sockets.can_offload \
    .workers .workers.id .workers.pid .workers.accepting .workers.requests .workers.delta_requests \
    .workers.exceptions .workers.harakiri_count .workers.signals .workers.signal_queue .workers.status .workers.rss \
    .workers.vsz .workers.running_time .workers.last_spawn .workers.respawn_count .workers.tx .workers.avg_rt \
    .workers.apps .workers.apps.id .workers.apps.modifier1 .workers.apps.mountpoint .workers.apps.startup_time \
    .workers.apps.requests .workers.apps.exceptions .workers.apps.chdir .workers.cores .workers.cores.id \
    .workers.cores.requests .workers.cores.static_requests .workers.cores.routed_requests \
    .workers.cores.offloaded_requests .workers.cores.write_errors .workers.cores.read_errors \
    .workers.cores.in_request .workers.cores.vars .workers.cores.req_info";

#[test]
fn keys_and_lines_are_uwsgis() {
    let server = start(Setup::http().master(2).args(["--threads", "2"]));
    let text = text(&server);
    let mut found = Vec::new();
    keys(&serde_json::from_str(&text).unwrap(), "", &mut found);
    assert_eq!(found.join(" "), KEYS);
    for line in
        ["\t\"version\":\"2.0.31\",", "\t\"workers\":[", "\t\t\t\t\t\"req_info\":\t\t\t\t\t{"]
    {
        assert!(text.lines().any(|found| found == line), "{line:?} is missing in {text}");
    }
    assert!(text.ends_with("\n\t]\n}"), "{text}");
}

#[test]
fn figures_follow_the_requests() {
    ours_only!("on a busy machine a worker with threads stays busy in its statistics");
    let server = start(Setup::http().master(2).args(["--threads", "2"]));
    for target in ["/hello", "/hello", "/boom", "/hello"] {
        let _ = server.raw(&Request::get(target));
    }
    // The client has its answer a moment before it is counted.
    eventually("all requests are counted", || {
        let document = read(&server);
        let rests = workers(&document).iter().all(|worker| worker["status"] == "idle");
        rests && sum(&document, "requests") == 4
    });
    let document = read(&server);
    assert_eq!((sum(&document, "exceptions"), sum(&document, "delta_requests")), (1, 4));
    assert!(sum(&document, "tx") >= 15 && sum(&document, "running_time") > 0);
    assert_eq!(document["pid"], server.pid());
    assert_eq!(document["cwd"], server.path("").to_str().unwrap().trim_end_matches('/'));
    let Address::Tcp(bound) = server.address() else { panic!("an HTTP port") };
    assert_eq!(document["sockets"][0]["proto"], "http");
    assert!(document["sockets"][0]["name"].as_str().unwrap().ends_with(&bound.port().to_string()));
    for (number, worker) in (1_u32..).zip(workers(&document)) {
        assert_eq!((&worker["id"], &worker["status"]), (&number.into(), &"idle".into()));
        assert_eq!(worker["pid"], server.worker(number));
        assert_eq!((&worker["accepting"], &worker["respawn_count"]), (&1.into(), &1.into()));
        assert!(
            worker["cores"]
                .as_array()
                .unwrap()
                .iter()
                .all(|core| core["vars"] == Value::Array(Vec::new()))
        );
        let app = &worker["apps"][0];
        assert_eq!(
            (&app["requests"], &app["exceptions"]),
            (&worker["requests"], &worker["exceptions"])
        );
        let cores = worker["cores"].as_array().unwrap();
        let of_cores: u64 = cores.iter().map(|core| core["requests"].as_u64().unwrap()).sum();
        assert_eq!(worker["requests"], of_cores);
    }
}

#[test]
fn each_respawn_is_counted_once_and_a_reload_begins_anew() {
    let server = start(Setup::http().master(1));
    let spawns = || workers(&read(&server))[0]["respawn_count"].as_u64().expect("a number");
    assert_eq!(spawns(), 1);
    for spawned in [2, 3] {
        let victim = server.worker(1);
        process::send(victim, Signal::SIGKILL);
        eventually("a worker serves again", || {
            let document = read(&server);
            let worker = &workers(&document)[0];
            worker["pid"] != 0 && worker["pid"] != victim && worker["accepting"] == 1
        });
        server.log.wait_for_since(0, "Respawned uWSGI worker 1 (new pid: <N>)");
        assert_eq!(server.get("/hello").text(), "hello");
        assert_eq!(spawns(), spawned);
    }
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.log.wait_for_since(mark, "spawned uWSGI worker 1 (pid: <N>, cores: 1)");
    server.log.wait_for_since(mark, "*** Stats server enabled on <*>");
    eventually("the new generation is counted anew", || spawns() == 1);
}

#[test]
fn a_running_request_is_seen() {
    let server = start(Setup::http().master(1));
    let mut connection = server.connect();
    connection.send(Request::get("/hang?q=%22").header("X-Odd", "a\"b\\c").to_http());
    let busy = |document: &Value| workers(document)[0]["status"] == "busy";
    eventually("the request runs", || busy(&read(&server)));
    let document = read(&server);
    let core = &workers(&document)[0]["cores"][0];
    assert_eq!(core["in_request"], 1);
    assert!(core["req_info"]["request_start"].as_u64().unwrap() > 1_700_000_000);
    let vars: Vec<&str> =
        core["vars"].as_array().unwrap().iter().map(|var| var.as_str().unwrap()).collect();
    for wanted in ["REQUEST_METHOD=GET", "REMOTE_ADDR=127.0.0.1"] {
        assert!(vars.contains(&wanted), "{vars:?}");
    }
    assert!(vars.iter().any(|var| var.starts_with("REQUEST_URI=/hang?q=%22")), "{vars:?}");
    assert_eq!(vars.last(), Some(&""));
}

#[test]
fn http_clients_get_a_head() {
    let server = start(Setup::http().master(1).arg("--stats-http"));
    let mut connection = Connection::open(&address(&server));
    connection.send("GET /any/path HTTP/1.1\r\nHost: x\r\n\r\n");
    let bytes = connection.rest();
    let head = b"HTTP/1.0 200 OK\r\nConnection: close\r\nAccess-Control-Allow-Origin: *\r\nContent-Type: application/json\r\n\r\n{\n";
    assert!(bytes.starts_with(head), "{}", String::from_utf8_lossy(&bytes));
    let answer = Answer::whole(&bytes, false).expect("an answer");
    assert!(serde_json::from_slice::<Value>(&answer.body).is_ok());
}

#[test]
fn white_space_and_cores_can_be_left_out() {
    let server = start(Setup::http().master(1).args(["--stats-minified", "--stats-no-cores"]));
    let text = text(&server);
    assert!(!text.contains(['\n', '\t']) && !text.contains("\"cores\""), "{text}");
    let end = r#""requests":0,"exceptions":0,"chdir":""}]}]}"#;
    assert!(
        text.starts_with(r#"{"version":"2.0.31","listen_queue":0,"#) && text.ends_with(end),
        "{text}"
    );
}

#[test]
fn memory_is_shown_where_it_is_measured() {
    for (args, measured) in [(&["--memory-report", "-L"][..], true), (&[], false)] {
        let server = start(Setup::http().master(1).args(args));
        server.get("/hello");
        eventually("the request is counted", || sum(&read(&server), "requests") == 1);
        let document = read(&server);
        let (rss, vsz) = (sum(&document, "rss"), sum(&document, "vsz"));
        match measured {
            true => assert!(rss > 1_000_000 && vsz > rss, "{rss} {vsz}"),
            false => assert_eq!((rss, vsz), (0, 0)),
        }
    }
}

#[test]
fn the_socket_is_chmodded_and_vacuumed() {
    let mut server = start(Setup::http().master(1).args(["--chmod-socket=640", "--vacuum"]));
    let file = std::fs::metadata(server.path(SOCKET)).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o640);
    server.stop();
    server.wait_for("VACUUM: unix socket <*>stats.sock (stats) removed.");
    assert!(!server.path(SOCKET).exists());
}

#[test]
fn stats_survive_a_reload() {
    let server = start(Setup::http().master(2));
    server.get("/hello");
    let (before, mark) = (read(&server), server.log.mark());
    server.signal(Signal::SIGHUP);
    server.log.wait_for_since(mark, "gracefully (RE)spawned uWSGI master process (pid: <N>)");
    eventually("new workers are shown", || {
        let Ok(mut connection) = Connection::try_open(&address(&server)) else { return false };
        let Ok(document) = serde_json::from_slice::<Value>(&connection.rest()) else {
            return false;
        };
        let pids = |document: &Value| -> Vec<Value> {
            workers(document).iter().map(|worker| worker["pid"].clone()).collect()
        };
        let (old, new) = (pids(&before), pids(&document));
        document["pid"] == server.pid() && new.iter().all(|pid| *pid != 0 && !old.contains(pid))
    });
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn stats_listen_on_a_port_and_by_an_abstract_name() {
    ours_only!(
        "the original does not tell which port it got, and answers as slowly as its master ticks"
    );
    let setup = Setup::http().master(1).args(["--stats", "127.0.0.1:0"]);
    let server = setup.start();
    let line = server.wait_for("*** Stats server enabled on <*> fd: <N> ***");
    let shown = line.split_whitespace().nth(5).unwrap();
    let mut connection = Connection::open(&Address::parse(shown));
    assert!(serde_json::from_slice::<Value>(&connection.rest()).is_ok());
    let name = format!("@uwsgi-stats-{}", server.pid());
    let server = Setup::http().master(1).args(["--stats", &name]).start();
    server.wait_for(&format!("*** Stats server enabled on {name} fd: <N> ***"));
    let mut connection = Connection::open(&Address::parse(&name));
    assert!(serde_json::from_slice::<Value>(&connection.rest()).is_ok());
}

#[test]
fn a_taken_address_stops_the_start() {
    ours_only!("the original loads the application first and does not say which address it is");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (status, log) = Setup::http().master(1).args(["--stats", &address]).run();
    assert_eq!(status.code(), Some(1));
    assert!(log.contains(&format!("cannot bind --stats {address}")), "{log}");
    let (status, log) = Setup::http().master(1).args(["--stats", "1.2.3:x"]).run();
    assert!(!status.success() && log.contains("--stats 1.2.3:x"), "{log}");
}

#[test]
fn silent_clients_stop_neither_the_master_nor_others() {
    ours_only!("the original's master waits for each client in turn");
    let server = start(Setup::http().master(1).arg("--stats-http"));
    let silent: Vec<_> = (0..100).map(|_| Connection::open(&address(&server))).collect();
    let mut connection = Connection::open(&address(&server));
    connection.send("GET / HTTP/1.0\r\n\r\n");
    assert!(connection.rest().starts_with(b"HTTP/1.0 200 OK\r\n"));
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.log.wait_for_since(mark, "gracefully (RE)spawned uWSGI master process (pid: <N>)");
    drop(silent);
}

#[test]
fn hostile_requests_stay_json() {
    ours_only!("the original's document is broken by them");
    let server = start(Setup::uwsgi().master(1));
    let mut connection = server.connect();
    let uri = "/hang?\u{1}\n\"\\";
    let request = Request::get("/hang").var("REQUEST_URI", uri);
    connection.send(request.to_packet());
    eventually("the request runs", || workers(&read(&server))[0]["status"] == "busy");
    let document = read(&server);
    let vars = workers(&document)[0]["cores"][0]["vars"].to_string();
    assert!(vars.contains("REQUEST_URI=/hang?\\u0001\\n\\\"\\\\"), "{vars}");
}

#[test]
fn nobody_but_the_master_holds_the_socket() {
    ours_only!("the original's reload waits for the request");
    let server = start(Setup::http().master(1).args(["--threads", "2"]));
    let mut connection = server.connect();
    connection.send(Request::get("/hang").to_http());
    eventually("the request runs", || workers(&read(&server))[0]["status"] == "busy");
    // Of a generation that was loaded by a new image of the program, too.
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.log.wait_for_since(mark, "gracefully (RE)spawned uWSGI master process (pid: <N>)");
    assert_eq!(read(&server)["pid"], server.pid());
    server.signal(Signal::SIGKILL);
    eventually("nobody listens any more", || Connection::try_open(&address(&server)).is_err());
}

/// The queue of a socket while nobody accepts and three clients wait.
#[track_caller]
fn queue_of_waiting_clients(server: &Server, of: &Address) {
    let worker = server.worker(1);
    process::send(worker, Signal::SIGSTOP);
    eventually("the worker stands still", || {
        process::status_line(worker, "State").is_some_and(|state| state.starts_with('T'))
    });
    let waiting: Vec<_> = (0..3).map(|_| Connection::open(of)).collect();
    eventually("three clients wait", || {
        let document = read(server);
        let queue = |key: &str| document["sockets"][0][key].clone();
        document["listen_queue"] == 3 && document["load"] == 3 && queue("queue") == 3
    });
    drop(waiting);
    process::send(worker, Signal::SIGCONT);
}

#[test]
fn waiting_clients_are_counted() {
    let server = start(Setup::http().master(1));
    queue_of_waiting_clients(&server, &server.address());
}

#[test]
fn waiting_clients_of_a_unix_socket_are_counted() {
    ours_only!("the original takes the queue of a unix socket for empty");
    let setup = Setup::new(Wire::Uwsgi);
    let path = setup.path("main.sock");
    let setup = setup.arg("--socket").arg(&path).arg("--wsgi-file").arg(app("probe.py"));
    let server = start(setup.master(1));
    queue_of_waiting_clients(&server, &Address::Unix(path));
}
