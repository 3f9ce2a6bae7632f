//! What signals do to a running server.

use nix::sys::signal::Signal;

use crate::support::{Request, Server, Setup, eventually, process};

#[track_caller]
fn stops(setup: Setup, signal: Signal) {
    let mut server = setup.start();
    let workers = process::children(server.pid());
    server.signal(signal);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log.text());
    server.wait_for("goodbye to uWSGI.");
    for worker in workers {
        assert!(!process::alive(worker));
    }
}

/// Sends `signal` and waits until another generation of workers answers.
#[track_caller]
fn reloads(server: &Server, signal: Signal) {
    let before = server.worker(1);
    let mark = server.log.mark();
    server.signal(signal);
    server.await_reload(mark);
    assert_ne!(server.worker(1), before);
    assert_eq!(server.get("/hello").text(), "hello");
}

/// The same, and the old worker is gone: it may take one more request after it was told to leave.
fn replaces(server: &Server) {
    let before = server.worker(1);
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.await_reload(mark);
    eventually("the end of the old worker", || !process::alive(before));
}

#[test]
fn interrupt_and_quit_stop() {
    stops(Setup::uwsgi().master(2), Signal::SIGINT);
    stops(Setup::uwsgi().master(2), Signal::SIGQUIT);
}

#[test]
fn stop_is_announced() {
    let mut server = Setup::uwsgi().master(2).start();
    server.stop();
    for line in [
        "SIGINT/SIGTERM received...killing workers...",
        "worker 1 buried after <N> seconds",
        "goodbye to uWSGI.",
    ] {
        server.wait_for(line);
    }
}

#[test]
fn terminate_stops_when_asked() {
    stops(Setup::uwsgi().master(2).arg("--die-on-term"), Signal::SIGTERM);
}

#[test]
fn terminate_reloads_by_default() {
    let server = Setup::uwsgi().master(2).start();
    reloads(&server, Signal::SIGTERM);
    server.wait_for("...brutally killing workers...");
}

#[test]
fn quit_reloads_with_die_on_term() {
    let server = Setup::uwsgi().master(2).arg("--die-on-term").start();
    reloads(&server, Signal::SIGQUIT);
}

#[test]
fn hangup_reloads_gracefully() {
    let server = Setup::uwsgi().master(2).start();
    reloads(&server, Signal::SIGHUP);
    for line in [
        "...gracefully killing workers...",
        "Gracefully killing worker 1 (pid: <N>)...",
        "binary reloading uWSGI...",
        "gracefully (RE)spawned uWSGI master process (pid: <N>)",
    ] {
        server.wait_for(line);
    }
}

#[test]
fn reload_keeps_the_pid_and_the_listener() {
    let setup = Setup::uwsgi();
    let path = setup.path("kept.sock");
    let server = setup.args(["-s"]).arg(&path).master(1).start();
    let inode = |path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
    let before = inode(&path);
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.await_reload(mark);
    assert_eq!(inode(&path), before);
    assert!(process::alive(server.pid()));
}

#[test]
fn reload_reads_the_configuration_and_the_application_again() {
    let code = |text: &str| {
        format!("def application(e, s):\n    s('200 OK', [])\n    return [b'{text}']\n")
    };
    let setup = Setup::new(crate::support::Wire::Uwsgi).file("app.py", &code("before"));
    let server = setup.args(["-s", "127.0.0.1:0", "--wsgi-file", "app.py"]).master(1).start();
    assert_eq!(server.get("/").text(), "before");
    std::fs::write(server.path("app.py"), code("after")).unwrap();
    replaces(&server);
    assert_eq!(server.get("/").text(), "after");
}

#[test]
fn a_configuration_can_tell_a_reload_from_a_start() {
    let text = "[uwsgi]\nif-reload =\nenv = STATE=reloaded\nendif =\nif-not-reload =\nenv = STATE=started\nendif =\n";
    let server =
        Setup::uwsgi().file("state.ini", text).args(["--ini", "state.ini"]).master(1).start();
    assert_eq!(server.get("/getenv?STATE").text(), "started");
    for count in ["1", "2"] {
        replaces(&server);
        assert_eq!(server.get("/getenv?STATE").text(), "reloaded");
        assert_eq!(server.get("/getenv?UWSGI_RELOADS").text(), count);
    }
}

#[test]
fn automatic_port_survives_a_reload() {
    ours_only!("it takes another port");
    let server = Setup::uwsgi().master(1).start();
    let before = server.address();
    reloads(&server, Signal::SIGHUP);
    assert_eq!(server.address(), before);
}

#[test]
fn running_request_survives_a_graceful_reload() {
    let server = Setup::uwsgi().master(1).args(["--threads", "2"]).start();
    let mut connection = server.connect();
    connection.send(Request::get("/sleep?1500").to_packet());
    // The second answer shows that the first request was taken: the one worker accepts in order.
    server.get("/hello");
    let before = server.worker(1);
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    assert_eq!(connection.answer(false).text(), format!("slept {before}"));
    server.await_reload(mark);
}

#[test]
fn clients_wait_through_a_reload() {
    ours_only!("a worker that ends may close what it has just accepted");
    let setup = Setup::uwsgi();
    let path = setup.path("wait.sock");
    let server = setup.arg("-s").arg(&path).master(2).start();
    let address = server.address_of(1);
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    let mut asked = 0;
    while asked < 50
        || server.log.wait(mark, |text| Some(!text.contains("spawned uWSGI worker 2 ("))).unwrap()
    {
        let mut connection = crate::support::Connection::open(&address);
        connection.send(Request::get("/hello").to_packet());
        assert_eq!(connection.answer(false).text(), "hello", "request {asked} during the reload");
        asked += 1;
    }
}

#[test]
fn lone_process_stops_on_interrupt() {
    let mut server = Server::uwsgi();
    server.stop();
    assert!(!process::alive(server.pid()));
}

#[test]
fn signalled_worker_is_replaced() {
    let server = Setup::uwsgi().master(1).start();
    let before = server.worker(1);
    process::send(before, Signal::SIGTERM);
    server.wait_for("Respawned uWSGI worker 1 (new pid: <N>)");
    eventually("the end of the old worker", || !process::alive(before));
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn second_interrupt_does_not_wait_for_a_stuck_worker() {
    ours_only!("its workers end at once on a stop");
    let mut server = Setup::uwsgi().master(1).start();
    let mut connection = server.connect();
    connection.send(Request::get("/hang").to_packet());
    server.signal(Signal::SIGINT);
    server.wait_for("SIGINT/SIGTERM received...killing workers...");
    server.signal(Signal::SIGINT);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn broken_client_does_not_end_the_server() {
    let server = Setup::uwsgi().master(1).start();
    let before = server.worker(1);
    let mut connection = server.connect();
    connection.send(Request::get("/pieces?100").to_packet());
    drop(connection);
    assert_eq!(server.get("/pid").text(), before.to_string());
}

#[test]
fn request_on_a_kept_connection_survives_a_reload() {
    ours_only!("http-socket has no keep-alive");
    let server = Setup::http().master(1).start();
    let (mut slow, mut kept) = (server.connect(), server.connect());
    assert_eq!(kept.ask(&Request::get("/hello")).text(), "hello");
    slow.send(Request::get("/sleep?1000").to_http());
    // The log line comes when the request before is over, so the next one runs or waits by now: either will do.
    server.wait_for("<*>GET /hello<*>");
    kept.send(Request::get("/hello").to_http());
    server.signal(Signal::SIGHUP);
    assert!(slow.answer(false).text().starts_with("slept "));
    assert_eq!(kept.answer(false).text(), "hello");
}
