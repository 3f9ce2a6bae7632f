//! `--signals gunicorn`: the master's signals mean what they mean to Gunicorn's. Its upgrade has two masters side by side.

use nix::sys::signal::Signal;

use crate::support::{Connection, Load, Request, Server, Setup, Wire, eventually, process};

/// Tells the worker, waits for a file where asked, and leaves a trace that the request has begun.
const APP: &str = "
import os, time
def application(environ, start_response):
    if environ['PATH_INFO'] == '/wait':
        open('running', 'w').close()
        while not os.path.exists('finish'):
            time.sleep(0.01)
    start_response('200 OK', [])
    return [str(os.getpid()).encode()]
";

fn setup() -> Setup {
    let setup = Setup::unix_socket().file("app.py", APP);
    setup.args(["--signals", "gunicorn", "--wsgi-file", "app.py", "--pidfile", "app.pid"]).master(2)
}

/// The number in a pid file, where there is one.
fn pid_in(server: &Server, name: &str) -> Option<i32> {
    std::fs::read_to_string(server.path(name)).ok()?.trim().parse().ok()
}

/// A request that runs until `finish`.
fn running(server: &Server) -> Connection {
    let mut connection = server.connect();
    connection.send(Request::get("/wait").to_packet());
    eventually("the request in the application", || server.path("running").exists());
    connection
}

fn finish(server: &Server) {
    std::fs::write(server.path("finish"), "").unwrap();
}

fn alive(pids: &[i32]) -> usize {
    pids.iter().filter(|pid| process::alive(**pid)).count()
}

/// Which master the worker belongs to that answers.
fn answering_master(server: &Server) -> Option<i32> {
    let worker = server.get("/").text().parse::<i32>().unwrap();
    process::status_line(worker, "PPid")?.parse().ok()
}

/// Asks for a second master and waits until workers of it answer too. Its pid.
#[track_caller]
fn upgrade(server: &Server) -> i32 {
    server.signal(Signal::SIGUSR2);
    let mut second = None;
    eventually("the pid file of the second master", || {
        second = pid_in(server, "app.pid.2");
        second.is_some()
    });
    let second = second.unwrap();
    assert_ne!(second, server.pid());
    eventually("an answer from its workers", || answering_master(server) == Some(second));
    second
}

#[test]
fn terminate_stops_when_requests_are_done() {
    ours_only!("it has no such signals");
    let mut server = setup().start();
    let mut connection = running(&server);
    server.signal(Signal::SIGTERM);
    let idle = server.workers(2);
    eventually("the end of the idle worker", || alive(&idle) == 1);
    finish(&server);
    assert!(connection.answer(false).complete);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn interrupt_and_quit_stop_at_once() {
    ours_only!("it has no such signals");
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        let mut server = setup().start();
        let mut connection = running(&server);
        server.signal(signal);
        assert_eq!(connection.rest(), b"");
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn hangup_reloads() {
    ours_only!("it has no such signals");
    let server = setup().start();
    let before = server.workers(2);
    let load = Load::start(&server, "/", 2, |_| true);
    server.signal(Signal::SIGHUP);
    server.wait_replaced(&before);
    load.wait_answers(20);
    load.stop_without_failure();
}

#[test]
fn terminal_input_and_output_change_the_number_of_workers() {
    ours_only!("it has no such signals");
    let server = setup().start();
    let before = server.workers(2);
    let load = Load::start(&server, "/", 2, |_| true);
    server.signal(Signal::SIGTTOU);
    eventually("one worker", || alive(&before) == 1);
    let mark = server.log.mark();
    server.signal(Signal::SIGTTIN);
    server.log.wait_for_since(mark, "<*>pawned uWSGI worker <N> (<*>");
    eventually("two workers", || alive(&server.workers(2)) == 2);
    load.wait_answers(20);
    load.stop_without_failure();
}

#[test]
fn last_worker_stays() {
    ours_only!("it has no such signals");
    let server = setup().start();
    let before = server.workers(2);
    let load = Load::start(&server, "/", 2, |_| true);
    server.signal(Signal::SIGTTOU);
    eventually("one worker", || alive(&before) == 1);
    for _ in 0..5 {
        server.signal(Signal::SIGTTOU);
        load.wait_answers(20);
    }
    assert_eq!(alive(&before), 1);
    load.stop_without_failure();
}

#[test]
fn user_signal_1_opens_log_files_again() {
    ours_only!("it has no such signals");
    let server = setup().args(["--logto", "out.log"]).launch();
    let read = |name| std::fs::read_to_string(server.path(name)).unwrap_or_default();
    eventually("workers", || read("out.log").contains("spawned uWSGI worker 2 ("));
    std::fs::rename(server.path("out.log"), server.path("moved")).unwrap();
    server.signal(Signal::SIGUSR1);
    eventually("another file", || server.path("out.log").exists());
    // The master has opened it by now; a worker may still have to hear of it.
    let address = crate::support::Address::Unix(server.path("main.sock"));
    eventually("a request in it", || {
        let mut connection = Connection::open(&address);
        connection.send(Request::get("/after-reopening").to_packet());
        connection.answer(false);
        read("out.log").contains("/after-reopening")
    });
}

#[test]
fn upgrade_ends_with_the_second_master() {
    ours_only!("it has no such signals");
    let mut server = setup().start();
    let (first, before) = (server.pid(), server.workers(2));
    let load = Load::start(&server, "/", 2, |_| true);
    let second = upgrade(&server);
    assert_eq!(pid_in(&server, "app.pid"), Some(first));
    assert_eq!(alive(&before), 2, "both generations serve");
    server.signal(Signal::SIGWINCH);
    eventually("the end of the first master's workers", || alive(&before) == 0);
    assert!(process::alive(first), "the first master waits");
    load.wait_answers(20);
    server.signal(Signal::SIGQUIT);
    assert_eq!(server.wait().code(), Some(0));
    eventually("the second master's pid in the file", || {
        pid_in(&server, "app.pid") == Some(second) && !server.path("app.pid.2").exists()
    });
    load.wait_answers(20);
    load.stop_without_failure();
    assert_eq!(answering_master(&server), Some(second));
}

#[test]
fn upgrade_is_rolled_back() {
    ours_only!("it has no such signals");
    let server = setup().start();
    let (first, before) = (server.pid(), server.workers(2));
    let load = Load::start(&server, "/", 2, |_| true);
    let second = upgrade(&server);
    server.signal(Signal::SIGWINCH);
    eventually("the end of the first master's workers", || alive(&before) == 0);
    server.signal(Signal::SIGHUP);
    eventually("the first master's workers again", || answering_master(&server) == Some(first));
    process::send(second, Signal::SIGTERM);
    eventually("the end of the second master", || !process::alive(second));
    assert_eq!(pid_in(&server, "app.pid"), Some(first));
    load.wait_answers(20);
    load.stop_without_failure();
    assert_eq!(answering_master(&server), Some(first));
}

#[test]
fn pid_file_of_the_second_master_goes_with_it() {
    ours_only!("it has no such signals");
    let server = setup().start();
    let second = upgrade(&server);
    process::send(second, Signal::SIGTERM);
    eventually("the end of its pid file", || !server.path("app.pid.2").exists());
    assert_eq!(pid_in(&server, "app.pid"), Some(server.pid()));
}

#[test]
fn vacuum_of_one_master_leaves_what_the_other_uses() {
    ours_only!("it has no such signals");
    let mut server = setup().arg("--vacuum").start();
    let second = upgrade(&server);
    process::send(second, Signal::SIGTERM);
    // Until the first one knows of that, it does not begin another upgrade.
    server.wait_for(&format!("<*>(pid: {second}) exited with 0; this one goes on"));
    assert!(server.path("main.sock").exists() && server.path("app.pid").exists());
    let second = upgrade(&server);
    server.signal(Signal::SIGQUIT);
    server.wait();
    eventually("the second master's pid in the file", || {
        pid_in(&server, "app.pid") == Some(second)
    });
    server.get("/");
    process::send(second, Signal::SIGTERM);
    eventually("the end of the second master", || !process::alive(second));
    assert!(!server.path("main.sock").exists() && !server.path("app.pid").exists());
}

#[test]
fn second_upgrade_waits_for_the_end_of_the_first() {
    ours_only!("it has no such signals");
    let server = setup().start();
    let second = upgrade(&server);
    server.signal(Signal::SIGUSR2);
    let load = Load::start(&server, "/", 2, |_| true);
    load.wait_answers(50);
    load.stop_without_failure();
    assert_eq!(pid_in(&server, "app.pid.2"), Some(second));
    process::send(second, Signal::SIGTERM);
    eventually("the end of the second master", || !process::alive(second));
    // The first one learns of that and is free for another.
    eventually("another second master", || {
        server.signal(Signal::SIGUSR2);
        pid_in(&server, "app.pid.2").is_some_and(|pid| pid != second)
    });
}

#[test]
fn upgrade_onto_a_broken_application_leaves_the_first_master_serving() {
    ours_only!("it has no such signals");
    let server = setup().start();
    let before = server.workers(2);
    let load = Load::start(&server, "/", 2, |_| true);
    std::fs::write(server.path("app.py"), "import no_such_module\n").unwrap();
    server.signal(Signal::SIGUSR2);
    server.wait_for("<*>No module named 'no_such_module'<*>");
    load.wait_answers(50);
    load.stop_without_failure();
    assert_eq!(alive(&before), 2);
    assert_eq!(pid_in(&server, "app.pid"), Some(server.pid()));
}

#[test]
fn window_change_is_for_an_upgrade() {
    ours_only!("it has no such signals");
    // Gunicorn ignores it on a terminal, where a person changes the size of a window.
    let server = setup().start();
    let before = server.workers(2);
    server.signal(Signal::SIGWINCH);
    let load = Load::start(&server, "/", 2, |_| true);
    load.wait_answers(50);
    load.stop_without_failure();
    assert_eq!(alive(&before), 2);
}

#[test]
fn unknown_set_of_signals_is_refused() {
    ours_only!("it has no such option");
    let setup = Setup::new(Wire::Uwsgi).args(["-s", "127.0.0.1:0", "--signals", "apache"]);
    let (status, text) = setup.run();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("gunicorn"), "it says what is accepted: {text}");
}
