//! Requests that take too long.

use crate::support::{Request, Server, Setup, Wire};

fn stuck(server: &Server, target: &str) -> crate::support::Connection {
    let mut connection = server.connect();
    connection.send(match server.wire() {
        Wire::Http => Request::get(target).to_http(),
        Wire::Uwsgi => Request::get(target).to_packet(),
    });
    connection
}

#[test]
fn stuck_worker_is_killed_and_the_log_says_why() {
    let server = Setup::uwsgi().master(1).args(["-t", "1"]).start();
    let victim = server.worker(1);
    let _connection = stuck(&server, "/hang?now");
    let mark = server.log.mark();
    server.wait_for("Respawned uWSGI worker 1 (new pid: <N>)");
    let sequence = [
        format!("<*>*** HARAKIRI ON WORKER 1 (pid: {victim}, try: 1, graceful: <*>) ***"),
        "<*>HARAKIRI !!! worker 1 status !!!".into(),
        "<*>HARAKIRI [core 0] 192.0.2.9 - GET /hang?now since <N>".into(),
        "<*>HARAKIRI !!! end of worker 1 status !!!".into(),
        "<*>HARAKIRI triggered by worker 1 core 0 !!!".into(),
    ];
    // Ours starts the new process before the stuck one has ended.
    server.wait_for(&format!(
        "DAMN ! worker 1 (pid: {victim}) died, killed by signal 9 :( trying respawn ..."
    ));
    let log = server.log.text();
    let mut lines = log[mark..].lines();
    for wanted in sequence {
        assert!(
            lines.any(|line| crate::support::pattern::matches(&wanted, line)),
            "{wanted} in its place of\n{log}"
        );
    }
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn quick_requests_are_left_alone() {
    let server = Setup::uwsgi().master(1).args(["--harakiri", "2"]).start();
    let before = server.worker(1);
    // Together longer than the limit, each of them shorter.
    for _ in 0..4 {
        assert_eq!(server.get("/sleep?700").text(), format!("slept {before}"));
    }
}

#[test]
fn waiting_client_gets_504() {
    ours_only!("it closes the connection without an answer");
    for setup in Setup::both() {
        let server = setup.master(1).args(["-t", "1"]).start();
        assert_eq!(stuck(&server, "/hang").answer(false).status, 504);
    }
}

#[test]
fn stack_of_the_stuck_request_is_logged() {
    ours_only!("it shows no Python");
    let server = Setup::uwsgi().master(1).args(["-t", "1"]).start();
    let _connection = stuck(&server, "/hang");
    server.wait_for("<*>probe.py<*> in hang");
}

#[test]
fn other_requests_of_the_worker_finish() {
    ours_only!("it kills all threads of the worker");
    let server = Setup::uwsgi().master(1).args(["-t", "2", "--threads", "2"]).start();
    let mut hanging = stuck(&server, "/hang");
    server.wait_for("spawned uWSGI worker 1 (<*>");
    // Answered by the second thread: the hanging request holds the first.
    server.get("/hello");
    eventually_half_way();
    let mut other = stuck(&server, "/sleep?1500");
    assert_eq!(hanging.answer(false).status, 504);
    assert!(other.answer(false).text().starts_with("slept "));
}

/// Lets the first request age, so that the second one is still running when the first is killed.
fn eventually_half_way() {
    let start = std::time::Instant::now();
    crate::support::eventually("one second of the request's life", || {
        start.elapsed().as_millis() > 1000
    });
}

#[test]
fn harakiri_works_without_master() {
    let mut server = Setup::uwsgi().args(["-t", "1"]).start();
    let mut connection = stuck(&server, "/hang");
    connection.rest();
    server.wait();
    let log = server.log.text();
    assert!(log.contains("HARAKIRI") || log.contains("Killing the current process"), "{log}");
}

#[test]
fn application_may_set_its_own_limit() {
    let server = Setup::uwsgi().master(1).start();
    let victim = server.worker(1);
    server.get("/module?uwsgi.set_user_harakiri(30)");
    let _connection = stuck(&server, "/user-harakiri?1");
    server.wait_for(&format!(
        "DAMN ! worker 1 (pid: {victim}) died, killed by signal 9 :( trying respawn ..."
    ));
    assert!(server.log.text().contains("HARAKIRI"));
}

#[test]
fn connections_of_a_stuck_worker_are_served_by_another() {
    ours_only!("they are lost with the worker");
    let server = Setup::http().master(1).args(["-t", "2"]).start();
    let (mut stuck, mut waiting) = (server.connect(), server.connect());
    for connection in [&mut stuck, &mut waiting] {
        assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
    }
    stuck.send(Request::get("/hang").to_http());
    server.wait_for("HARAKIRI triggered by worker 1 core 0 !!!");
    waiting.send(Request::get("/hello").to_http());
    assert_eq!(stuck.answer(false).status, 504);
    assert_eq!(waiting.answer(false).text(), "hello", "it has a new worker");
}

#[test]
fn slow_request_is_interrupted_and_its_worker_lives() {
    ours_only!("it has no harakiri-interrupt");
    for setup in Setup::both() {
        let server = setup.master(1).args(["--harakiri-interrupt", "1", "-t", "20"]).start();
        let worker = server.get("/pid").text();
        assert_eq!(stuck(&server, "/hang").answer(false).status, 504);
        server.wait_for("harakiri-interrupt: worker 1 core 0 is in <*> - GET /hang for 1.<*>");
        server.wait_for("uwsgi.RequestTimeout: the request took longer than harakiri-interrupt");
        server.wait_for("<*> GET /hang => generated 0 bytes in <*> 504) <*>");
        assert_eq!(server.get("/pid").text(), worker);
        assert!(!server.logged("<*>write error<*>"), "the application was not told to write");
    }
}

#[test]
fn slow_request_on_another_thread_is_interrupted_too() {
    ours_only!("it has no harakiri-interrupt");
    let args = ["--harakiri-interrupt", "1", "--threads", "3"];
    let server = Setup::uwsgi().master(1).args(args).start();
    let worker = server.get("/pid").text();
    let mut connections = [(); 3].map(|()| stuck(&server, "/naps"));
    for connection in &mut connections {
        assert_eq!(connection.answer(false).status, 504);
    }
    let timeouts = || server.log.text().matches("uwsgi.RequestTimeout").count();
    crate::support::eventually("every thread is free again", || timeouts() == 3);
    assert_eq!(server.get("/pid").text(), worker);
}

#[test]
fn interruption_works_without_master() {
    ours_only!("it has no harakiri-interrupt");
    let server = Setup::uwsgi().args(["--harakiri-interrupt", "1"]).start();
    assert_eq!(stuck(&server, "/hang").answer(false).status, 504);
    assert_eq!(server.get("/pid").text(), server.pid().to_string());
}

/// An answer that has begun is cut, visibly.
#[test]
fn half_sent_answer_is_cut_by_an_interruption() {
    ours_only!("it has no harakiri-interrupt");
    let server = Setup::http().master(1).args(["--harakiri-interrupt", "1"]).start();
    let mut connection = stuck(&server, "/half-and-hang");
    let bytes = connection.rest();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("half"), "{text}");
    assert!(!text.ends_with("0\r\n\r\n") && !text.contains("504"), "{text}");
    assert_eq!(server.get("/hello").text(), "hello");
}

/// Requests that end at the very moment of their interruption: none of the next ones pays for it, however slow the
/// machine is.
#[test]
fn interruption_never_meets_the_next_request() {
    ours_only!("it has no harakiri-interrupt");
    const QUICK: usize = 20;
    let args = ["--harakiri-interrupt", "1", "--threads", "4"];
    let server = Setup::http().master(1).args(args).start();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let server = &server;
            scope.spawn(move || {
                for milliseconds in [985, 1000, 1015] {
                    let slow = format!("/sleep?{}", milliseconds + 3 * thread);
                    for target in [slow.as_str()].iter().chain(&["/hello"; QUICK]) {
                        let status = server.get(target).status;
                        assert!([200, 504].contains(&status), "{status}");
                    }
                }
            });
        }
    });
    let requests = || server.log.text().matches(" => generated ").count();
    crate::support::eventually("all request lines", || requests() == 4 * 3 * (1 + QUICK));
    let log = server.log.text();
    for line in log.lines().filter(|line| line.contains("(HTTP/1.1 504)")) {
        let before = line.split(" msecs ").next();
        let milliseconds = before.and_then(|before| before.rsplit(' ').next());
        assert!(milliseconds.unwrap().parse::<u32>().unwrap() >= 1000, "{line}");
    }
    assert!(!log.contains("DAMN"), "{log}");
}

#[test]
fn slow_request_is_logged_and_left_alone() {
    ours_only!("it has no harakiri-log");
    let server = Setup::uwsgi().master(1).args(["--harakiri-log", "1"]).start();
    let worker = server.worker(1);
    assert_eq!(server.get("/sleep?1500").text(), format!("slept {worker}"));
    server
        .wait_for("harakiri-log: worker 1 core 0 is in <*> - GET /sleep?1500 for 1.<*>: its stack");
    server.wait_for("<*>probe.py<*> in sleep");
}

#[test]
fn graceful_signal_comes_first() {
    let args = ["-t", "1", "--harakiri-graceful-timeout", "2"];
    let server = Setup::uwsgi().master(1).args(args).start();
    let victim = server.worker(1);
    let mut connection = stuck(&server, "/hang");
    server.wait_for(&format!(
        "<*>*** HARAKIRI ON WORKER 1 (pid: {victim}, try: 1, graceful: yes) ***"
    ));
    server.wait_for(
        "<*>HARAKIRI: graceful termination attempt on worker 1 with signal 15. Next harakiri: <N>",
    );
    server.wait_for(&format!("DAMN ! worker 1 (pid: {victim}) died :( trying respawn ..."));
    server.wait_for("Respawned uWSGI worker 1 (new pid: <N>)");
    if !crate::support::setup::original() {
        assert_eq!(connection.answer(false).status, 504);
    }
}

#[test]
fn kill_follows_a_graceful_signal_that_did_not_help() {
    let args = ["-t", "1", "--harakiri-graceful-timeout", "2", "--harakiri-graceful-signal", "1"];
    let server = Setup::uwsgi().master(1).args(args).start();
    let victim = server.worker(1);
    let _connection = stuck(&server, "/hang");
    server.wait_for("<*>graceful termination attempt on worker 1 with signal 1. <*>");
    server.wait_for(&format!(
        "<*>*** HARAKIRI ON WORKER 1 (pid: {victim}, try: 2, graceful: no) ***"
    ));
    server.wait_for(&format!("DAMN ! worker 1 (pid: {victim}) <*>killed by signal 9 <*>"));
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn requests_may_go_on_while_nobody_waits() {
    let args = ["-t", "1", "--harakiri-queue-threshold", "2"];
    let server = Setup::uwsgi().master(1).args(args).start();
    let worker = server.worker(1);
    let mut connection = stuck(&server, "/sleep?2500");
    server.wait_for(
        "<*>HARAKIRI: Skipping harakiri on worker 1. Listen queue is smaller than the threshold (<N> < 2)",
    );
    assert_eq!(connection.answer(false).text(), format!("slept {worker}"));
    let mark = server.log.mark();
    let _stuck = stuck(&server, "/hang");
    // Nobody accepts any more.
    server.log.wait_for_since(mark, "<*>HARAKIRI: Skipping harakiri on worker 1. <*>");
    let _waiting = [(); 3].map(|()| stuck(&server, "/hello"));
    server.wait_for("<*>HARAKIRI triggered by worker 1 core 0 !!!");
}
