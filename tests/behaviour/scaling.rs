//! How many workers run: `cheaper`, its algorithms, `cheap`, `idle`, and commands.

use nix::sys::signal::Signal;

use crate::support::{Connection, Request, Server, Setup, Wire, eventually, process};

/// `/hold` answers when the file `open` is there, `/workers` says what `uwsgi.workers()` does.
const APP: &str = "
import os, time, uwsgi

def application(environ, start_response):
    if environ['PATH_INFO'] == '/hold':
        open('%d' % uwsgi.worker_id(), 'w').close()
        while not os.path.exists('open'):
            time.sleep(0.01)
    start_response('200 OK', [('Content-Type', 'text/plain')])
    if environ['PATH_INFO'] == '/workers':
        return [b' '.join(worker['status'] for worker in uwsgi.workers())]
    return [b'worker %d' % uwsgi.worker_id()]
";

fn setup(options: &[&str]) -> Setup {
    with(Setup::new(Wire::Uwsgi).args(["--socket", "127.0.0.1:0"]), options)
}

fn setup_on_unix(options: &[&str]) -> Setup {
    let setup = Setup::new(Wire::Uwsgi);
    let path = setup.path("unix.sock");
    with(setup.arg("--socket").arg(path), options)
}

fn with(setup: Setup, options: &[&str]) -> Setup {
    let setup = setup.file("app.py", APP);
    setup.args(["--wsgi-file", "app.py"]).fifo().args(options)
}

/// Keeps a worker busy until `release`.
fn hold(server: &Server) -> Connection {
    let mut connection = server.connect();
    connection.send(Request::get("/hold").to_packet());
    connection
}

fn release(server: &Server, held: Vec<Connection>) {
    std::fs::write(server.path("open"), "").unwrap();
    for mut connection in held {
        assert!(connection.answer(false).text().starts_with("worker "));
    }
}

/// Waits until `uwsgi.workers()` shows just these as stopped.
#[track_caller]
fn shows<const N: usize>(server: &Server, cheap: [bool; N]) {
    eventually("the workers to be shown as they are", || {
        let text = server.get("/workers").text();
        text.split(' ').map(|status| status == "cheap").eq(cheap)
    });
}

#[track_caller]
fn spawned(server: &Server, number: u32) {
    server.wait_for(&format!("spawned uWSGI worker {number} (pid: <N>, cores: 1)"));
}

#[track_caller]
fn cheaped(server: &Server, number: u32) {
    server.wait_for(&format!("worker {number} killed successfully (pid: <N>)"));
    server.wait_for(&format!("uWSGI worker {number} cheaped."));
}

#[test]
fn spare_keeps_one_worker_in_reserve() {
    let args = ["-p", "3", "--cheaper", "1", "--cheaper-overload", "1"];
    let server = setup(&args).start();
    assert!(!server.logged("spawned uWSGI worker 2 <*>"));
    let first = hold(&server);
    spawned(&server, 2);
    let second = hold(&server);
    spawned(&server, 3);
    release(&server, vec![first, second]);
    // The oldest go.
    cheaped(&server, 1);
    cheaped(&server, 2);
    assert!(process::alive(server.worker(3)));
    assert_eq!(server.get("/").text(), "worker 3");
}

#[test]
fn step_is_how_many_workers_start_at_once() {
    let args = ["-p", "4", "--cheaper", "1", "--cheaper-overload", "1", "--cheaper-step", "2"];
    let server = setup(&args).start();
    let held = hold(&server);
    spawned(&server, 2);
    spawned(&server, 3);
    release(&server, vec![held]);
}

#[test]
fn initial_workers_are_there_at_the_start() {
    let args = ["-p", "4", "--cheaper", "1", "--cheaper-initial", "3", "--cheaper-algo", "manual"];
    let server = setup(&args).start();
    spawned(&server, 3);
    shows(&server, [false, false, false, true]);
}

#[track_caller]
fn follows_the_backlog(setup: Setup) {
    let server = setup.start();
    let held = (0..4).map(|_| hold(&server)).collect();
    spawned(&server, 2);
    release(&server, held);
    cheaped(&server, 1);
    assert!(server.get("/").text().starts_with("worker "));
}

const BACKLOG: &[&str] =
    &["-p", "3", "--cheaper", "1", "--cheaper-algo", "backlog", "--cheaper-overload", "1"];

#[test]
fn connections_that_wait_at_a_port_start_workers() {
    follows_the_backlog(setup(BACKLOG));
}

#[test]
fn connections_that_wait_at_a_unix_socket_start_workers() {
    ours_only!("it takes the queue of a unix socket for empty");
    follows_the_backlog(setup_on_unix(BACKLOG));
}

#[test]
fn busyness_says_what_it_measures_and_does() {
    let args = [
        "-p",
        "2",
        "--cheaper=1",
        "--cheaper-algo=busyness",
        "--cheaper-overload=1",
        "--cheaper-busyness-multiplier=1",
        "--cheaper-busyness-verbose",
    ];
    let server = setup(&args).start();
    for line in [
        "[busyness] settings: min=25%, max=50%, overload=1, multiplier=1, respawn penalty=2",
        "[busyness] backlog alert is set to 33 request(s), step is 1",
        "[busyness] backlog non-zero alert is set to 60 second(s)",
        "[busyness] 1s average busyness of 1 worker(s) is at 0%",
    ] {
        server.wait_for(line);
    }
    let held = hold(&server);
    for line in [
        "[busyness] worker 1 was busy 1 time(s) in last cycle but no request was completed during this time, marking as 100% busy",
        "[busyness] 1s average busyness is at 100%, will spawn 1 new worker(s)",
        "[busyness] worker nr 2 1s average busyness is at 0%",
    ] {
        server.wait_for(line);
    }
    release(&server, vec![held]);
    server.wait_for("[busyness] 1s average busyness is at 0%, cheap one of 2 running workers");
    cheaped(&server, 1);
}

#[test]
fn many_waiting_connections_start_emergency_workers() {
    let args = [
        "-p",
        "4",
        "--cheaper=1",
        "--cheaper-algo=busyness",
        "--cheaper-overload=60",
        "--cheaper-busyness-backlog-alert=2",
        "--cheaper-busyness-backlog-step=2",
    ];
    let server = setup(&args).start();
    let held = (0..5).map(|_| hold(&server)).collect();
    server.wait_for("[busyness] <N> requests in listen queue, spawning 2 emergency worker(s) (2)!");
    spawned(&server, 3);
    release(&server, held);
}

#[test]
fn the_fifo_adds_and_takes_away_workers() {
    let args = ["-p", "3", "--cheaper", "1", "--cheaper-algo", "manual"];
    let server = setup(&args).start();
    server.fifo("+");
    spawned(&server, 2);
    server.fifo("-");
    cheaped(&server, 1);
    shows(&server, [true, false, true]);
    server.fifo("+");
    server.wait_for("Respawned uWSGI worker 1 (new pid: <N>)");
}

#[test]
fn signals_add_and_take_away_workers_without_cheaper() {
    ours_only!("it has no such signals");
    let server = setup(&["-p", "2"]).start();
    spawned(&server, 2);
    server.signal(Signal::SIGTTOU);
    cheaped(&server, 1);
    server.signal(Signal::SIGTTIN);
    server.wait_for("Respawned uWSGI worker 1 (new pid: <N>)");
}

#[test]
fn a_busy_worker_finishes_before_it_is_taken_away() {
    ours_only!("it takes away no busy worker");
    let server = setup(&["-p", "2"]).start();
    spawned(&server, 2);
    let held: Vec<_> = (0..2).map(|_| hold(&server)).collect();
    // Who is told to end takes nothing new: both are taken by then, as each worker has one thread.
    for number in ["1", "2"] {
        eventually("a worker that holds", || server.path(number).exists());
    }
    server.signal(Signal::SIGTTOU);
    server.wait_for("number of workers changed from 2 to 1");
    release(&server, held);
    server.wait_for("uWSGI worker <N> cheaped.");
    assert!(server.get("/").text().starts_with("worker "));
}

#[test]
fn workers_are_stopped_while_they_have_too_much_memory() {
    let args = [
        "-p",
        "3",
        "--cheaper=1",
        "--cheaper-initial=3",
        "--cheaper-algo=manual",
        "--memory-report",
        "--cheaper-rss-limit-soft=1000",
        "--cheaper-rss-limit-hard=2000",
    ];
    let server = setup(&args).start();
    spawned(&server, 3);
    // The original measures after a request.
    eventually("the limit to be seen", || {
        server.get("/");
        server.logged("cheaper hard rss memory limit exceeded, cheap one of 3 workers")
    });
    eventually("the second one", || {
        server.get("/");
        server.logged("cheaper hard rss memory limit exceeded, cheap one of 2 workers")
    });
    assert!(server.get("/").text().starts_with("worker "));
}

#[test]
fn a_cheap_server_starts_its_workers_at_the_first_connection() {
    for setup in [setup, setup_on_unix] {
        let server = setup(&["-p", "2", "--cheap"]).launch();
        server.wait_for("cheap mode enabled: waiting for socket connection...");
        assert!(!server.logged("spawned uWSGI worker <*>"));
        assert!(server.get("/").text().starts_with("worker "));
        spawned(&server, 1);
        spawned(&server, 2);
    }
}

#[test]
fn a_cheap_server_starts_as_many_workers_as_cheaper_says() {
    let args = ["-p", "3", "--cheap", "--cheaper", "1", "--cheaper-algo", "manual"];
    let server = setup(&args).launch();
    server.wait_for("cheap mode enabled: waiting for socket connection...");
    shows(&server, [false, true, true]);
}

#[test]
fn a_cheap_server_stops_and_reloads_without_workers() {
    let mut server = setup_on_unix(&["-p", "2", "--cheap"]).launch();
    server.wait_for("cheap mode enabled: waiting for socket connection...");
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.log.wait_for_since(mark, "gracefully (RE)spawned uWSGI master process (pid: <N>)");
    assert!(server.get("/").text().starts_with("worker "));
    // The original may miss a stop that comes while it starts its workers.
    if !crate::support::setup::original() {
        assert_eq!(server.stop().code(), Some(0));
    }
    let mut server = setup(&["-p", "2", "--cheap"]).launch();
    server.wait_for("cheap mode enabled: waiting for socket connection...");
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn an_idle_server_has_no_workers_until_somebody_connects() {
    let server = setup(&["-p", "2", "--idle", "1"]).start();
    server.wait_spawned(0, 2);
    let before = server.worker(1);
    assert!(server.get("/").text().starts_with("worker "));
    server.wait_for("workers have been inactive for more than 1 seconds<*>");
    server.wait_for("cheap mode enabled: waiting for socket connection...");
    eventually("the end of the workers", || !process::alive(before));
    assert!(server.get("/").text().starts_with("worker "));
    server.wait_for("Respawned uWSGI worker 1 (new pid: <N>)");
}

#[test]
fn a_running_request_keeps_a_server_from_being_idle() {
    let server = setup(&["-p", "2", "--idle", "1", "--cheaper", "1"]).start();
    let held = hold(&server);
    // The scaling machine looks as often: two workers more are seen after the time of idle at the earliest.
    spawned(&server, 2);
    assert!(!server.logged("workers have been inactive <*>"));
    release(&server, vec![held]);
    server.wait_for("workers have been inactive for more than 1 seconds<*>");
}

#[test]
fn an_idle_server_stops_where_it_is_to() {
    let (status, log) = setup(&["-p", "2", "--idle", "1", "--die-on-idle"]).run();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("workers have been inactive for more than 1 seconds"), "{log}");
    assert!(log.contains("goodbye to uWSGI."), "{log}");
}

#[test]
fn a_reload_keeps_the_number_of_workers() {
    ours_only!("it starts again with as many as at the first start");
    let args = ["-p", "3", "--cheaper", "1", "--cheaper-algo", "manual"];
    let server = setup(&args).start();
    server.fifo("++");
    spawned(&server, 3);
    server.fifo("-");
    cheaped(&server, 1);
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.log.wait_for_since(mark, "gracefully (RE)spawned uWSGI master process (pid: <N>)");
    shows(&server, [true, false, false]);
}

#[test]
fn numbers_that_contradict_each_other_are_refused() {
    for (args, text) in [
        (&["-p", "2", "--cheaper", "2"][..], "invalid cheaper value: must be lower than processes"),
        (&["--cheaper", "1"], "invalid cheaper value: must be lower than processes"),
        (
            &["-p", "3", "--cheaper=1", "--memory-report", "--cheaper-rss-limit-hard=9"],
            "enabling cheaper-rss-limit-hard requires setting also cheaper-rss-limit-soft",
        ),
        (
            &[
                "-p",
                "3",
                "--cheaper=1",
                "--memory-report",
                "--cheaper-rss-limit-hard=9",
                "--cheaper-rss-limit-soft=10",
            ],
            "cheaper-rss-limit-hard value must be higher than cheaper-rss-limit-soft value",
        ),
    ] {
        let (status, log) = setup(args).run();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains(text), "{log}");
    }
}

#[test]
fn processes_auto_is_as_many_as_may_run_at_a_time() {
    ours_only!("it takes numbers only");
    let taskset = std::process::Command::new("taskset").arg("--version").output();
    needs!(taskset.is_ok(), "there is no taskset");
    // The shell's own affinity is inherited.
    let server = setup(&["-p", "auto"]).shell("taskset -p -c 0 $$ > /dev/null").start();
    server.wait_for("*** Operational MODE: single process ***");
}
