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

/// Waits until the state of the instance is written to the log: `signal` asks for it.
#[track_caller]
fn statistics(server: &Server) {
    let mark = server.log.mark();
    server.signal(Signal::SIGUSR1);
    server.log.wait_for_since(mark, "<*>total requests: <N>");
}

#[test]
fn user_signal_1_writes_the_state_of_the_instance() {
    let server = Setup::uwsgi().master(2).start();
    let (mut asked, mut seen) = (0, std::collections::BTreeSet::new());
    eventually("an answer of each worker", || {
        seen.insert(server.get("/pid").text());
        asked += 1;
        seen.len() == 2
    });
    let mark = server.log.mark();
    server.signal(Signal::SIGUSR1);
    server.log.wait_for_since(mark, &format!("<*>workers total requests: {asked}"));
    for number in [1, 2] {
        let line = format!("<*>worker {number} app 0 [] requests: <N> exceptions: 0");
        server.log.wait_for_since(mark, &line);
    }
}

#[test]
fn signals_without_a_meaning_change_nothing() {
    let server = Setup::uwsgi().master(2).start();
    let before = server.workers(2);
    for signal in [Signal::SIGWINCH, Signal::SIGURG, Signal::SIGPIPE, Signal::SIGCHLD] {
        server.signal(signal);
        statistics(&server);
    }
    assert_eq!(server.workers(2), before);
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn signals_that_harm_the_original_change_nothing() {
    ours_only!("they end its master");
    let server = Setup::uwsgi().master(2).start();
    let before = server.workers(2);
    for signal in
        [Signal::SIGUSR2, Signal::SIGALRM, Signal::SIGIO, Signal::SIGTTIN, Signal::SIGTTOU]
    {
        server.signal(signal);
        statistics(&server);
    }
    assert_eq!(server.workers(2), before);
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn terminal_input_and_output_change_the_number_of_workers() {
    ours_only!("they stop its processes, as a terminal stops a program of the background");
    let server = Setup::uwsgi().master(2).start();
    let before = server.workers(2);
    let alive = || before.iter().filter(|pid| process::alive(**pid)).count();
    server.signal(Signal::SIGTTOU);
    eventually("one worker", || alive() == 1);
    let mark = server.log.mark();
    server.signal(Signal::SIGTTIN);
    server.log.wait_for_since(mark, "<*>pawned uWSGI worker <N> (<*>");
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn terminal_stop_pauses_and_resumes() {
    let server = Setup::uwsgi().master(2).start();
    server.signal(Signal::SIGTSTP);
    server.wait_for("<*>*** PAUSE <*>");
    for number in [1, 2] {
        server.wait_for(&format!("<*>*** worker {number} suspended ***"));
    }
    let mut connection = server.connect();
    connection.send(Request::get("/log").to_packet());
    for _ in 0..5 {
        statistics(&server); // time in which a worker that takes requests would have taken it
    }
    assert!(!server.logged("<*>printed to stdout<*>"), "a request was taken during the pause");
    server.signal(Signal::SIGTSTP);
    assert_eq!(connection.answer(false).text(), "logged");
    server.wait_for("<*>resuming workers ***");
}

#[test]
fn paused_instance_stops_and_reloads() {
    let mut server = Setup::unix_socket()
        .args(["--wsgi-file".into(), crate::support::setup::app("probe.py").into_os_string()])
        .master(2)
        .start();
    server.signal(Signal::SIGTSTP);
    server.wait_for("<*>*** worker 2 suspended ***");
    let before = server.workers(2);
    server.signal(Signal::SIGHUP);
    server.wait_replaced(&before);
    assert_eq!(server.get("/hello").text(), "hello");
    server.signal(Signal::SIGTSTP);
    server.stop();
}

#[test]
fn hung_up_worker_finishes_its_request_and_is_replaced() {
    let server = Setup::uwsgi().master(1).args(["--threads", "2"]).start();
    let mut connection = server.connect();
    connection.send(Request::get("/sleep?1000").to_packet());
    // The second answer shows that the first request was taken: the one worker accepts in order.
    server.get("/hello");
    let before = server.worker(1);
    process::send(before, Signal::SIGHUP);
    assert_eq!(connection.answer(false).text(), format!("slept {before}"));
    server.wait_replaced(&[before]);
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn worker_ended_by_a_signal_is_replaced() {
    let server = Setup::uwsgi().master(1).start();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let before = server.worker(1);
        process::send(before, signal);
        server.wait_replaced(&[before]);
        assert_eq!(server.get("/hello").text(), "hello");
    }
    assert!(process::alive(server.pid()));
}

#[test]
fn user_signal_1_of_a_worker_writes_its_counters() {
    let server = Setup::uwsgi().master(1).start();
    server.get("/hello");
    process::send(server.worker(1), Signal::SIGUSR1);
    server.wait_for("<*>worker 1 total requests: 1");
    assert_eq!(server.get("/pid").text(), server.worker(1).to_string());
}

#[test]
fn user_signal_2_of_a_worker_tells_what_it_does() {
    let server = Setup::uwsgi().master(1).start();
    server.get("/hello"); // it is ready for signals by now
    let before = server.worker(1);
    let mut connection = server.connect();
    connection.send(Request::get("/sleep?1000").to_packet());
    eventually("the request in what the worker does", || {
        process::send(before, Signal::SIGUSR2);
        server.logged("SIGUSR2: --- uWSGI worker 1 (pid: <N>) is managing request /sleep<*>")
            || server.logged("<*>uWSGI worker 1<*>/sleep<*>")
    });
    assert_eq!(connection.answer(false).text(), format!("slept {before}"));
}

#[test]
fn harmless_signals_leave_a_worker_alone() {
    let server = Setup::uwsgi().master(1).start();
    let before = server.worker(1);
    for signal in [Signal::SIGWINCH, Signal::SIGURG, Signal::SIGPIPE] {
        process::send(before, signal);
        assert_eq!(server.get("/pid").text(), before.to_string(), "{signal}");
    }
}

#[test]
fn crash_of_a_worker_is_told_and_it_is_replaced() {
    // A real one: the runtime of Rust lets a process live that is only sent the signal.
    let server = Setup::uwsgi().master(1).start();
    let before = server.worker(1);
    assert_eq!(server.raw(&Request::get("/crash")), b"");
    server.wait_for(&format!("DAMN ! worker 1 (pid: {before}) died<*>"));
    server.wait_replaced(&[before]);
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn signals_of_one_master_in_a_row_are_all_followed() {
    ours_only!("it forgets what comes while it starts");
    let server = Setup::unix_socket()
        .args(["--wsgi-file".into(), crate::support::setup::app("probe.py").into_os_string()])
        .master(2)
        .start();
    for _ in 0..5 {
        server.signal(Signal::SIGHUP);
    }
    let before = server.workers(2);
    server.signal(Signal::SIGHUP);
    server.wait_replaced(&before);
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn hook_makes_terminate_a_graceful_stop() {
    let hook = "unix_signal:15 gracefully_kill_them_all";
    let mut server = Setup::uwsgi().master(1).args(["--hook-master-start", hook]).start();
    // The hook runs after the workers were announced.
    server.wait_for("running \"unix_signal:15 gracefully_kill_them_all\" (master-start)...");
    let mut connection = server.connect();
    connection.send(Request::get("/pieces?3").to_packet());
    assert_eq!(connection.answer(false).body.len(), 3 * 65536);
    server.wait_ready(1);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait().code(), Some(0));
    server.wait_for("<*>graceful shutdown triggered...");
}

#[test]
fn application_that_does_not_load_any_more_leaves_the_old_one_serving() {
    ours_only!("it serves without an application then");
    let code = "def application(e, s):\n    s('200 OK', [])\n    return [b'works']\n";
    for lazy in ["--lazy-apps=false", "--lazy-apps"] {
        let setup = Setup::new(crate::support::Wire::Uwsgi).file("app.py", code);
        let args = ["-s", "127.0.0.1:0", "--wsgi-file", "app.py", lazy];
        let server = setup.args(args).master(2).start();
        if lazy == "--lazy-apps" {
            server.wait_loaded(2);
        }
        std::fs::write(server.path("app.py"), "import no_such_module\n").unwrap();
        server.signal(Signal::SIGHUP);
        server.wait_for("reload FAILED: <*>");
        assert_eq!(server.get("/").text(), "works");
        std::fs::write(server.path("app.py"), code.replace("works", "anew")).unwrap();
        server.signal(Signal::SIGHUP);
        eventually("the new application", || server.get("/").text() == "anew");
    }
}
