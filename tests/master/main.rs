//! The master with real processes: signals, fork, exec, and what an operator reads in the log.
//!
//! Without arguments this program is the tests; with `instance NAME ...` it is a small server made of the
//! library's master and a worker that only obeys (`instance.rs`). A reload executes it again.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test binary: a panic is a failed test")]

mod instance;
mod under_test;

use std::panic::catch_unwind;
use std::process::ExitCode;

use nix::sys::signal::Signal;
use under_test::{Instance, temporary_file};

const TESTS: &[(&str, fn())] = &[
    ("start_and_stop", start_and_stop),
    ("a_killed_worker_comes_back", a_killed_worker_comes_back),
    ("a_reload_keeps_pid_and_listener", a_reload_keeps_pid_and_listener),
    ("term_reloads_or_stops", term_reloads_or_stops),
    ("a_stop_is_not_lost_in_the_throttle", a_stop_is_not_lost_in_the_throttle),
    ("mercy_ends", mercy_ends),
    ("a_second_interrupt_does_not_wait", a_second_interrupt_does_not_wait),
    ("harakiri", harakiri),
    ("workers_see_the_end_of_the_master", workers_see_the_end_of_the_master),
    ("no_orphans", no_orphans),
    ("need_app_is_status_22", need_app_is_status_22),
    ("a_panic_stays_in_its_worker", a_panic_stays_in_its_worker),
    ("a_worker_blocks_no_signal", a_worker_blocks_no_signal),
    ("the_applications_children_keep_their_signals", the_applications_children_keep_their_signals),
    ("an_application_reloads_and_stops", an_application_reloads_and_stops),
    ("signals_without_a_meaning_do_not_kill", signals_without_a_meaning_do_not_kill),
    ("orphans_of_the_application_are_reaped", orphans_of_the_application_are_reaped),
    ("vacuum_removes_the_pidfile_at_the_end_only", vacuum_removes_the_pidfile_at_the_end_only),
    ("processes_show_what_they_are", processes_show_what_they_are),
    ("without_a_master", without_a_master),
    ("a_daemon_leaves_the_terminal", a_daemon_leaves_the_terminal),
    ("root_is_left_for_good", root_is_left_for_good),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "instance") {
        return ExitCode::from(instance::main(&arguments[1..]) as u8);
    }
    if arguments.iter().any(|argument| argument == "--ignored") {
        // As libtest: none of these tests is ignored.
        return ExitCode::SUCCESS;
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let chosen =
        TESTS.iter().filter(|(name, _)| filter.is_none_or(|filter| name.contains(filter.as_str())));
    let mut failed = 0;
    for (name, test) in chosen {
        let outcome = catch_unwind(test);
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        failed += u8::from(outcome.is_err());
    }
    ExitCode::from(failed)
}

fn start_and_stop() {
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        let mut instance = Instance::start(&["obey"]);
        let master = instance.pid();
        instance.expect(&format!("spawned uWSGI master process (pid: {master})"));
        instance.expect("spawned uWSGI worker 1 (pid: ");
        instance.expect("spawned uWSGI worker 2 (pid: ");
        instance.wait_ready(2);
        instance.signal(signal);
        instance.expect("SIGINT/SIGTERM received...killing workers...");
        instance.expect(" buried after 1 seconds");
        instance.expect(" buried after 1 seconds");
        instance.expect("goodbye to uWSGI.");
        assert_eq!(instance.status(), Some(0));
    }
}

fn a_killed_worker_comes_back() {
    let mut instance = Instance::start(&["obey"]);
    instance.wait_ready(2);
    let pid = instance.worker_pid(2);
    instance.signal_process(pid, Signal::SIGKILL);
    instance.expect(&format!(
        "DAMN ! worker 2 (pid: {pid}) died, killed by signal 9 :( trying respawn ..."
    ));
    instance.expect("Respawned uWSGI worker 2 (new pid: ");
    instance.wait_ready(1);
    instance.expect_silent_stop();
}

fn a_reload_keeps_pid_and_listener() {
    let mut instance = Instance::start(&["obey"]);
    let port = instance.port();
    instance.wait_ready(2);
    for _ in 0..2 {
        instance.signal(Signal::SIGHUP);
        instance.expect("spawned uWSGI worker 1 (pid: ");
        instance.expect("...gracefully killing workers...");
        instance.expect("Gracefully killing worker 1 (pid: ");
        instance.expect("spawned uWSGI worker 2 (pid: ");
        instance.expect("Gracefully killing worker 2 (pid: ");
        instance.expect("binary reloading uWSGI...");
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        instance.expect("chdir() to ");
        instance.expect("closing all non-uwsgi socket fds > 2 (max_fd = ");
        instance.expect(&format!(" mapped to socket 0 (127.0.0.1:{port})"));
        instance.expect("running ");
        assert_eq!(instance.port(), port);
        let master = instance.pid();
        instance.expect(&format!("gracefully (RE)spawned uWSGI master process (pid: {master})"));
    }
    instance.expect_silent_stop();
}

fn term_reloads_or_stops() {
    let mut instance = Instance::start(&["obey"]);
    instance.wait_ready(2);
    instance.signal(Signal::SIGTERM);
    instance.expect("...brutally killing workers...");
    instance.expect("gracefully (RE)spawned uWSGI master process");
    instance.wait_ready(2);
    instance.expect_silent_stop();

    let mut instance = Instance::start(&["obey", "die-on-term"]);
    instance.wait_ready(2);
    instance.signal(Signal::SIGTERM);
    instance.expect("goodbye to uWSGI.");
    assert_eq!(instance.status(), Some(0));
}

fn a_stop_is_not_lost_in_the_throttle() {
    let mut instance = Instance::start(&["die"]);
    instance.expect(") died :( trying respawn ...");
    instance.expect("worker respawning too fast !!! i have to sleep a bit (2 seconds)...");
    instance.signal(Signal::SIGINT);
    instance.expect("goodbye to uWSGI.");
    assert_eq!(instance.status(), Some(0));
}

fn mercy_ends() {
    let mut instance = Instance::start(&["ignore", "short-mercy"]);
    instance.wait_ready(2);
    let pid = instance.worker_pid(1);
    instance.signal(Signal::SIGINT);
    instance
        .expect(&format!("worker 1 (pid: {pid}) is taking too much time to die...NO MERCY !!!"));
    instance.expect("goodbye to uWSGI.");
    assert_eq!(instance.status(), Some(0));
}

fn a_second_interrupt_does_not_wait() {
    let mut instance = Instance::start(&["ignore"]);
    instance.wait_ready(2);
    instance.signal(Signal::SIGINT);
    instance.expect("SIGINT/SIGTERM received...killing workers...");
    instance.signal(Signal::SIGINT);
    instance.expect("goodbye to uWSGI.");
    assert_eq!(instance.status(), Some(0));
}

fn harakiri() {
    let mut instance = Instance::start(&["stuck"]);
    instance.wait_ready(2);
    let pid = instance.worker_pid(2);
    instance.expect(&format!("*** HARAKIRI ON WORKER 2 (pid: {pid}, try: 1, graceful: yes) ***"));
    instance.expect("HARAKIRI !!! worker 2 status !!!");
    instance.expect("HARAKIRI [core 1] 127.0.0.1 - GET /slow since 1795229051");
    instance.expect("HARAKIRI !!! end of worker 2 status !!!");
    instance.expect("HARAKIRI triggered by worker 2 core 1 !!!");
    instance.expect("HARAKIRI: worker 2 core 1 was in this request for ");
    instance.expect("worker 2 told of core 1");
    // Its successor is there before it has ended.
    instance.expect("Respawned uWSGI worker 2");
    instance.expect(&format!("DAMN ! worker 2 (pid: {pid}) died, killed by signal 9"));
    instance.expect_silent_stop();
}

fn workers_see_the_end_of_the_master() {
    let mut instance = Instance::start(&["obey"]);
    instance.wait_ready(2);
    instance.signal(Signal::SIGKILL);
    instance.expect("sees the end of the master");
    instance.expect("sees the end of the master");
    instance.expect_end_of_log();
}

fn no_orphans() {
    let mut instance = Instance::start(&["ignore", "no-orphans"]);
    instance.wait_ready(2);
    instance.signal(Signal::SIGKILL);
    // The log's pipe ends when the last process that holds it is gone.
    instance.expect_end_of_log();
}

fn need_app_is_status_22() {
    let mut instance = Instance::start(&["no-app", "need-app"]);
    instance.expect("OOPS ! failed loading app in worker ");
    instance.expect("need-app requested, destroying the instance...");
    instance.expect("goodbye to uWSGI.");
    assert_eq!(instance.status(), Some(22));
}

fn a_panic_stays_in_its_worker() {
    let mut instance = Instance::start(&["panic"]);
    instance.expect("exited with status 1");
    instance.expect(") died :( trying respawn ...");
    instance.signal(Signal::SIGINT);
    instance.expect("goodbye to uWSGI.");
    assert_eq!(instance.status(), Some(0));
}

fn a_worker_blocks_no_signal() {
    let mut instance = Instance::start(&["mask"]);
    instance.expect("SigBlk:\t0000000000000000");
    instance.expect_silent_stop();
}

fn the_applications_children_keep_their_signals() {
    let mut instance = Instance::start(&["child"]);
    instance.expect("the child was killed by signal 15, the worker saw None");
    instance.expect_silent_stop();
}

fn an_application_reloads_and_stops() {
    let mut instance = Instance::start(&["reload-then-stop"]);
    // The new worker asks at once, perhaps before the master knows that it is ready.
    instance.expect("reloading: generation 2 is loaded while generation 1 serves");
    instance.expect("SIGINT/SIGTERM received...killing workers...");
    instance.expect("goodbye to uWSGI.");
    assert_eq!(instance.status(), Some(0));
}

fn signals_without_a_meaning_do_not_kill() {
    let mut instance = Instance::start(&["obey"]);
    instance.wait_ready(2);
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGALRM, Signal::SIGTSTP] {
        instance.signal(signal);
    }
    let pid = instance.worker_pid(1);
    instance.signal_process(pid, Signal::SIGKILL);
    instance.expect("Respawned uWSGI worker 1");
    instance.expect_silent_stop();
}

fn orphans_of_the_application_are_reaped() {
    let mut instance = Instance::start(&["orphan", "subreaper"]);
    instance.expect("the orphan's number was reaped: true");
    instance.expect_silent_stop();
}

fn vacuum_removes_the_pidfile_at_the_end_only() {
    let path = temporary_file("pid");
    let text = path.to_str().unwrap();
    let mut instance = Instance::start(&["obey", "pidfile", text]);
    instance.wait_ready(2);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", instance.pid()));
    let worker = instance.worker_pid(1);
    instance.signal_process(worker, Signal::SIGINT);
    instance.expect("Respawned uWSGI worker 1");
    instance.signal(Signal::SIGHUP);
    instance.expect("(RE)spawned uWSGI master process");
    instance.wait_ready(2);
    assert!(path.exists());
    instance.signal(Signal::SIGINT);
    instance.expect("VACUUM: pidfile removed.");
    assert_eq!(instance.status(), Some(0));
    assert!(!path.exists());
}

fn processes_show_what_they_are() {
    let mut instance = Instance::start(&["obey", "names"]);
    instance.wait_ready(2);
    let shown = |pid: i32| {
        let text = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        String::from_utf8(text).unwrap().trim_end_matches('\0').to_owned()
    };
    assert_eq!(shown(instance.pid()), "test uWSGI master");
    assert_eq!(shown(instance.worker_pid(2)), "test uWSGI worker 2");
    instance.signal(Signal::SIGHUP);
    instance.expect("(RE)spawned uWSGI master process");
    instance.wait_ready(2);
    assert_eq!(shown(instance.pid()), "test uWSGI master");
    instance.expect_silent_stop();
}

fn without_a_master() {
    let mut instance = Instance::start(&["obey", "alone"]);
    let first = instance.pid();
    instance.expect(&format!("spawned uWSGI worker 1 (pid: {first}, cores: 2)"));
    instance.expect("spawned uWSGI worker 2 (pid: ");
    instance.wait_ready(2);
    let second = instance.worker_pid(2);
    instance.signal(Signal::SIGINT);
    assert_eq!(instance.status(), Some(30));
    instance.signal_process(second, Signal::SIGTERM);
    instance.expect_end_of_log();
}

fn a_daemon_leaves_the_terminal() {
    let path = temporary_file("log");
    let mut instance = Instance::start(&["daemon", path.to_str().unwrap()]);
    assert_eq!(instance.status(), Some(0));
    instance.expect_end_of_log();
    let text = under_test::wait_for(|| {
        std::fs::read_to_string(&path).ok().filter(|text| text.ends_with("done\n"))
    });
    assert!(text.contains("a session of its own: true, leader: false"), "{text}");
    std::fs::remove_file(path).unwrap();
}

fn root_is_left_for_good() {
    if !nix::unistd::geteuid().is_root() {
        println!("not root: root_is_left_for_good shows nothing");
        return;
    }
    let mut instance = Instance::start(&["nobody"]);
    instance.expect("uid 65534 gid 65533 groups [65533], root again: false");
    instance.expect("gid 0 was asked for, but this process runs as uid 65534");
    assert_eq!(instance.status(), Some(0));
}
