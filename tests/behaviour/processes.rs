//! Master, workers and threads.

use nix::sys::signal::Signal;

use crate::support::{Request, Server, Setup, eventually, process, setup};

#[test]
fn master_and_its_workers() {
    let server = Setup::uwsgi().master(3).start();
    let mut workers = [1, 2, 3].map(|number| server.worker(number)).to_vec();
    let mut children = process::children(server.pid());
    workers.sort_unstable();
    children.sort_unstable();
    if !setup::original() {
        // The one that has the application loaded.
        children.retain(|child| workers.contains(child));
    }
    assert_eq!(children, workers);
    let answered = server.get("/pid").text().parse().unwrap();
    assert!(workers.contains(&answered));
}

#[test]
fn without_master_the_process_is_worker_one() {
    let server = Setup::uwsgi().processes(2).start();
    assert_eq!(server.worker(1), server.pid());
    assert_eq!(process::children(server.pid()), [server.worker(2)]);
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn threads_serve_at_once() {
    for setup in Setup::both() {
        let server = setup.args(["--threads", "4"]).start();
        let mut connections = (0..4)
            .map(|_| {
                let mut connection = server.connect();
                let request = Request::get("/threads?4").header("Connection", "close");
                connection.send(match server.wire() {
                    crate::support::Wire::Http => request.to_http(),
                    crate::support::Wire::Uwsgi => request.to_packet(),
                });
                connection
            })
            .collect::<Vec<_>>();
        for connection in &mut connections {
            assert_eq!(connection.answer(false).text(), "met");
        }
    }
}

#[test]
fn killed_worker_is_replaced() {
    let server = Setup::uwsgi().master(2).start();
    let victim = server.worker(1);
    process::send(victim, Signal::SIGKILL);
    server.wait_for(&format!(
        "DAMN ! worker 1 (pid: {victim}) died, killed by signal 9 :( trying respawn ..."
    ));
    server.wait_for("Respawned uWSGI worker 1 (new pid: <N>)");
    assert_ne!(server.worker(1), victim);
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn worker_that_exits_is_replaced() {
    let server = Setup::uwsgi().master(1).start();
    assert_eq!(server.raw(&Request::get("/exit")), b"");
    server.wait_for("Respawned uWSGI worker 1 (new pid: <N>)");
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn dead_worker_stays_dead_without_master() {
    let server = Setup::uwsgi().processes(2).start();
    process::send(server.worker(2), Signal::SIGKILL);
    eventually("the end of worker 2", || !process::alive(server.worker(2)));
    assert_eq!(server.get("/pid").text(), server.pid().to_string());
    assert!(!server.logged("Respawned<*>"));
}

#[test]
fn system_exit_of_the_application_ends_its_worker() {
    let server = Setup::uwsgi().master(1).start();
    server.raw(&Request::get("/system-exit"));
    server.wait_for("Respawned uWSGI worker 1 (new pid: <N>)");
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn worker_is_recycled_after_max_requests() {
    let server = Setup::uwsgi().master(1).args(["-R", "5", "--min-worker-lifetime", "0"]).start();
    let first = server.worker(1);
    let pids = (0..5).map(|_| server.get("/pid").text()).collect::<Vec<_>>();
    assert_eq!(pids, vec![first.to_string(); 5]);
    server.wait_for(&format!("...The work of process {first} is done. Seeya!"));
    server.wait_for("Respawned uWSGI worker 1 (new pid: <N>)");
    assert_ne!(server.get("/pid").text(), first.to_string());
}

#[test]
fn max_requests_delta_spreads_the_recycling() {
    let args = ["-R", "3", "--max-requests-delta", "4", "--min-worker-lifetime", "0"];
    let server = Setup::uwsgi().master(2).args(args).start();
    let (first, second) = (server.worker(1), server.worker(2));
    let mut counts = [0, 0];
    while [1, 2].iter().any(|id| !server.logged(&format!("Respawned uWSGI worker {id} <*>"))) {
        let pid = server.get("/pid").text().parse::<i32>().unwrap();
        for (count, worker) in counts.iter_mut().zip([first, second]) {
            *count += u32::from(pid == worker);
        }
    }
    // Worker 1 answers 3 requests, worker 2 answers 3 + 4.
    assert!(counts[0] >= 3 && counts[1] >= 7, "recycled after {counts:?}");
    if crate::support::setup::original() {
        // Ours go on until they are told that a successor serves.
        assert_eq!(counts, [3, 7]);
    }
}

#[test]
fn no_request_is_lost_by_recycling() {
    let server =
        Setup::uwsgi().master(2).args(["-R", "10", "--min-worker-lifetime", "0", "-L"]).start();
    for number in 0..200 {
        assert_eq!(server.get("/hello").text(), "hello", "request {number}");
    }
    server.wait_for("Respawned uWSGI worker <N> (new pid: <N>)");
}

#[test]
fn address_space_is_limited() {
    let server = Setup::uwsgi().master(1).args(["--limit-as", "512"]).start();
    assert_eq!(server.get("/memory?4").text(), "got 4194304");
    assert_eq!(server.get("/memory?1000").text(), "MemoryError");
}

#[test]
fn application_is_loaded_once_before_fork() {
    let marker = "import os, sys\nsys.stderr.write('loaded in %d\\n' % os.getpid())\n";
    let code = format!("{marker}def application(e, s):\n    s('200 OK', [])\n    return [b'x']\n");
    let setup = |args: &[&str]| {
        let setup = Setup::new(crate::support::Wire::Uwsgi).file("once.py", &code);
        setup
            .args(["-s", "127.0.0.1:0", "--wsgi-file", "once.py"])
            .args(args.iter().copied())
            .master(2)
    };
    let server = setup(&[]).start();
    server.get("/");
    if !setup::original() {
        let loader =
            server.wait_for("WSGI app 0 (mountpoint='') ready in <*> pid: <N> (default app)");
        let pid = loader.rsplit_once("pid: ").unwrap().1.split_once(' ').unwrap().0.to_owned();
        server.wait_for(&format!("loaded in {pid}"));
    } else {
        server.wait_for(&format!("loaded in {}", server.pid()));
    }
    assert_eq!(server.log.text().matches("loaded in ").count(), 1);
    let server = setup(&["--lazy-apps"]).start();
    for worker in [1, 2] {
        server.wait_for(&format!("loaded in {}", server.worker(worker)));
    }
    assert!(!server.logged(&format!("loaded in {}", server.pid())));
}

#[test]
fn workers_die_with_their_master_when_asked() {
    let server = Setup::uwsgi().master(2).arg("--no-orphans").start();
    let workers = [server.worker(1), server.worker(2)];
    server.signal(Signal::SIGKILL);
    for worker in workers {
        eventually("the end of an orphan", || !process::alive(worker));
    }
}

#[test]
fn each_worker_gets_a_share_of_connections() {
    ours_only!("its workers race for connections");
    let server = Setup::http().master(4).start();
    // A worker that is still booting gets none, so each has to have answered first.
    let mut seen = std::collections::BTreeSet::new();
    eventually("an answer of each worker", || {
        seen.insert(server.get("/pid").text());
        seen.len() == 4
    });
    // Each when the one before was taken: a burst goes to whoever the kernel lets run.
    let mut connections = Vec::new();
    let mut pids = Vec::new();
    for _ in 0..32 {
        let mut connection = server.connect();
        pids.push(connection.ask(&Request::get("/pid")).text());
        connections.push(connection);
    }
    for worker in 1..=4 {
        let pid = server.worker(worker).to_string();
        let count = pids.iter().filter(|&other| *other == pid).count();
        assert!(count >= 4, "worker {worker} has {count} of 32 connections");
    }
}

#[test]
fn crashing_worker_is_throttled_and_a_stop_still_wins() {
    let code = "import os, uwsgi\nif uwsgi.worker_id():\n    os._exit(1)\n";
    let setup = Setup::new(crate::support::Wire::Uwsgi).file("crash.py", code);
    let args = ["-s", "127.0.0.1:0", "--wsgi-file", "crash.py", "--lazy-apps"];
    let mut server = setup.args(args).master(1).launch();
    server.wait_for("<*>worker respawning too fast !!!<*>");
    if crate::support::setup::original() {
        return; // it may never end
    }
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn environment_is_set() {
    let server =
        Setup::uwsgi().master(1).args(["--env", "PROBE_A=one", "--env", "PROBE_B=two=2"]).start();
    assert_eq!(server.get("/getenv?PROBE_A").text(), "one");
    assert_eq!(server.get("/getenv?PROBE_B").text(), "two=2");
}

#[test]
fn lone_server_answers_many_connections() {
    let server = Server::uwsgi();
    for _ in 0..300 {
        assert_eq!(server.get("/hello").text(), "hello");
    }
}
