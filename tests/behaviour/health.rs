//! `health`: liveness and readiness for orchestrators. The original has nothing like it.

use nix::sys::signal::Signal;

use crate::support::{Address, Answer, Connection, Request, Server, Setup, eventually};

const SOCKET: &str = "health.sock";

fn with_health(setup: Setup) -> Setup {
    let path = setup.path(SOCKET);
    setup.arg("--health").arg(path)
}

#[track_caller]
fn ask(server: &Server, request: &Request) -> Answer {
    let mut connection = Connection::open(&Address::Unix(server.path(SOCKET)));
    connection.ask(request)
}

#[track_caller]
fn ready(server: &Server) -> (u16, String) {
    let answer = ask(server, &Request::get("/readyz"));
    let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    (answer.status, body["status"].as_str().expect("a text").to_owned())
}

#[test]
fn an_instance_that_serves_is_live_and_ready() {
    ours_only!("the option is ours");
    let server = with_health(Setup::http().master(2)).start();
    server.wait_for("*** Health server enabled on <*> fd: <N> ***");
    eventually("both workers are ready", || {
        let body = ask(&server, &Request::get("/readyz?verbose")).text();
        body == format!(
            "{{\"status\":\"ok\",\"pid\":{},\"workers\":2,\"ready\":2}}\n",
            server.pid()
        )
    });
    let live = ask(&server, &Request::get("/healthz"));
    assert_eq!((live.status, live.header("content-type")), (200, Some("application/json")));
    assert_eq!(live.header("cache-control"), Some("no-store"));
    let head = ask(&server, &Request::new("HEAD", "/healthz"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(ask(&server, &Request::get("/hello")).status, 404);
    assert_eq!(ask(&server, &Request::post("/healthz", "x")).status, 405);
}

#[test]
fn while_the_application_loads_it_is_live_but_not_ready() {
    ours_only!("the option is ours");
    let setup = with_health(Setup::new(crate::support::Wire::Http));
    let gate = setup.path("gate");
    let code = format!(
        "import os, time\nwhile not os.path.exists({gate:?}): time.sleep(0.01)\n\
         def application(e, s):\n    s('200 OK', [])\n    return [b'in']\n"
    );
    let setup = setup.file("app.py", &code).args(["--http-socket", "127.0.0.1:0"]);
    let server = setup.args(["--wsgi-file", "app.py", "--master"]).launch();
    server.wait_for("*** Health server enabled on <*> fd: <N> ***");
    assert_eq!(ask(&server, &Request::get("/healthz")).status, 200);
    assert_eq!(ready(&server), (503, "no worker is ready".to_owned()));
    std::fs::write(&gate, "").expect("write a file of the test");
    eventually("it is ready", || ready(&server).0 == 200);
    assert_eq!(server.get("/").text(), "in");
}

#[test]
fn a_paused_instance_is_not_ready() {
    ours_only!("the option is ours");
    let server = with_health(Setup::http().master(1)).start();
    eventually("it is ready", || ready(&server).0 == 200);
    server.signal(Signal::SIGTSTP);
    eventually("it is paused", || ready(&server) == (503, "paused".to_owned()));
    assert_eq!(ask(&server, &Request::get("/healthz")).status, 200);
    server.signal(Signal::SIGTSTP);
    eventually("it is ready again", || ready(&server).0 == 200);
}

#[test]
fn a_stopping_instance_is_not_ready() {
    ours_only!("the option is ours");
    let setup = with_health(Setup::http().master(1));
    let fifo = setup.path("fifo");
    let stats = setup.path("stats.sock");
    let setup = setup.arg("--master-fifo").arg(&fifo).arg("--stats").arg(stats);
    let server = setup.start();
    eventually("it is ready", || ready(&server).0 == 200);
    let mut connection = server.connect();
    connection.send(Request::get("/hang").to_http());
    let stats = Address::Unix(server.path("stats.sock"));
    let running = || String::from_utf8(Connection::open(&stats).rest()).expect("JSON");
    eventually("the request runs", || running().contains("\"status\":\"busy\""));
    std::fs::write(&fifo, "q").expect("the fifo takes a command");
    eventually("it stops", || ready(&server) == (503, "stopping".to_owned()));
    assert_eq!(ask(&server, &Request::get("/healthz")).status, 200);
}

#[test]
fn a_reload_leaves_it_ready() {
    ours_only!("the option is ours");
    let server = with_health(Setup::http().master(2)).start();
    eventually("it is ready", || ready(&server).0 == 200);
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    let over = "gracefully (RE)spawned uWSGI master process";
    loop {
        assert_eq!(ready(&server).0, 200);
        if server.log.text()[mark..].contains(over) {
            break;
        }
    }
    assert_eq!(ready(&server).0, 200);
}

#[test]
fn a_reload_does_not_cut_off_who_is_asking() {
    ours_only!("the option is ours");
    let server = with_health(Setup::http().master(2)).start();
    let mut connection = Connection::open(&Address::Unix(server.path(SOCKET)));
    connection.send("GET /readyz HTTP/1.1\r\n");
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.await_reload(mark);
    connection.send("Host: x\r\n\r\n");
    assert_eq!(connection.answer(false).status, 200);
}
