//! Actions at moments of the server's life, and what is waited for before it serves.

use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;

use crate::support::{Server, Setup, eventually, process};

/// Asserts that the log has these lines, each somewhere behind the one before it.
#[track_caller]
fn in_order(log: &str, lines: &[&str]) {
    let mut rest = log;
    for line in lines {
        let wanted = format!("{line}\n");
        let at = rest.find(&wanted).unwrap_or_else(|| panic!("no {line:?} in its place:\n{log}"));
        rest = &rest[at + wanted.len()..];
    }
}

/// Starts what is expected to fail by itself.
#[track_caller]
fn fails(setup: Setup) -> String {
    let (status, log) = setup.run();
    assert_eq!(status.code(), Some(1), "{log}");
    log
}

#[test]
fn phases_come_in_their_order() {
    let mut setup = Setup::uwsgi().master(1);
    for phase in [
        "asap",
        "pre-jail",
        "in-jail",
        "as-user",
        "pre-app",
        "post-app",
        "post-fork",
        "accepting",
        "accepting-once",
        "accepting1",
        "accepting1-once",
        "as-user-atexit",
        "post-jail",
    ] {
        setup = setup.arg(format!("--hook-{phase}")).arg(format!("print:at {phase}"));
    }
    let mut server = setup.start();
    server.wait_for("at accepting1-once");
    server.stop();
    server.wait_for("at as-user-atexit");
    let log = server.log.text();
    in_order(
        &log,
        &[
            "running \"print:at asap\" (asap)...",
            "at asap",
            "running \"print:at pre-jail\" (pre-jail)...",
            "at pre-jail",
            "running \"print:at in-jail\" (in-jail)...",
            "running \"print:at as-user\" (as user)...",
            "at as-user",
            "running \"print:at pre-app\" (pre app)...",
            "running \"print:at post-app\" (post app)...",
            "running \"print:at post-fork\" (post-fork)...",
            "running \"print:at accepting\" (accepting)...",
            "running \"print:at accepting-once\" (accepting-once)...",
            "running \"print:at accepting1\" (accepting1)...",
            "running \"print:at accepting1-once\" (accepting1-once)...",
            "goodbye to uWSGI.",
            "running \"print:at as-user-atexit\" (atexit)...",
        ],
    );
    assert!(!log.contains("at post-jail"), "there is no jail:\n{log}");
}

#[test]
fn hooks_of_applications_run_in_the_worker_that_loads_them() {
    let server = Setup::uwsgi()
        .master(1)
        .args(["--lazy-apps", "--hook-pre-app", "exec:echo before in $PPID"])
        .args(["--hook-post-app", "exec:echo after in $PPID"])
        .start();
    let worker = server.worker(1);
    server.wait_for(&format!("before in {worker}"));
    server.wait_for(&format!("after in {worker}"));
}

#[test]
fn accepting_once_is_for_the_first_life_of_a_worker() {
    let server = Setup::uwsgi()
        .master(2)
        .args(["--hook-accepting", "print:each", "--hook-accepting-once", "print:once"])
        .args(["--hook-accepting1", "print:first", "--hook-accepting1-once", "print:first once"])
        .start();
    let count = |line: &str| server.log.text().lines().filter(|logged| *logged == line).count();
    let counts = || ["each", "once", "first", "first once"].map(count);
    eventually("both workers", || counts() == [2, 2, 1, 1]);
    process::send(server.worker(1), Signal::SIGKILL);
    eventually("the successor of worker 1", || counts() == [3, 2, 2, 1]);
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn files_are_made_and_written() {
    let setup = Setup::uwsgi().args([
        "--hook-asap",
        "mkdir:made",
        "--hook-asap",
        "sticky:made",
        "--hook-asap",
        "write:made/text one",
        "--hook-asap",
        "append:made/text  two",
        "--hook-asap",
        "appendn:made/text .",
        "--hook-asap",
        "writen:made/line x  y",
        "--hook-asap",
        "create:made/empty",
        "--hook-asap",
        "create:made/gone",
        "--hook-asap",
        "unlink:made/gone",
        "--hook-asap",
        "chmod:made/line 0604",
    ]);
    let server = setup.start();
    let read = |name: &str| std::fs::read_to_string(server.path(name)).unwrap();
    assert_eq!(read("made/text"), "one two.\n");
    assert_eq!(read("made/line"), "x  y\n");
    assert_eq!(read("made/empty"), "");
    assert!(!server.path("made/gone").exists());
    let mode = |name: &str| server.path(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("made/line"), 0o604);
    assert_eq!(mode("made") & 0o1000, 0o1000);
}

#[test]
fn commands_see_the_environment_and_the_directory_of_actions() {
    let setup = Setup::uwsgi();
    let folder = setup.path("folder");
    std::fs::create_dir(&folder).unwrap();
    let server = setup
        .args(["--hook-asap", "putenv:HOOKED=yes", "--hook-asap", "cd:folder"])
        .args(["--exec-asap", "echo $HOOKED in $(basename $(pwd))"])
        .start();
    server.wait_for("yes in folder");
    assert_eq!(server.get("/getenv?HOOKED").text(), "yes");
}

#[test]
fn hooks_come_before_commands_whatever_their_order() {
    let server =
        Setup::uwsgi().args(["--exec-asap", "echo command", "--hook-asap", "print:hook"]).start();
    in_order(&server.log.text(), &["hook", "running \"echo command\" (asap)...", "command"]);
}

#[test]
fn the_first_shell_that_is_there_runs_the_commands() {
    let server = Setup::uwsgi()
        .args(["--binsh", "/nonexistent/sh", "--binsh", "/bin/bash", "--exec-asap", "echo is $0"])
        .start();
    server.wait_for("is /bin/bash");
}

#[test]
fn a_failing_hook_ends_the_start() {
    for phase in ["asap", "pre-jail", "as-user"] {
        let setup = Setup::uwsgi().master(1).arg(format!("--hook-{phase}")).arg("exec:exit 7");
        let log = fails(setup.arg(format!("--hook-{phase}")).arg("print:behind it"));
        assert!(log.contains("command \"exit 7\" exited with non-zero code: 7\n"), "{log}");
        assert!(log.contains("FATAL hook failed, destroying instance\n"), "{log}");
        assert!(!log.contains("\nbehind it\n"), "{log}");
    }
}

#[test]
fn a_failing_command_ends_the_start() {
    for phase in ["asap", "as-user", "pre-app", "post-app"] {
        let log = fails(Setup::uwsgi().master(1).arg(format!("--exec-{phase}")).arg("exit 7"));
        assert!(log.contains("command \"exit 7\" exited with non-zero code: 7\n"), "{log}");
    }
}

#[test]
fn a_failing_hook_around_the_application_ends_the_start() {
    ours_only!("it says that it ends, goes on, and cannot be stopped any more");
    for phase in ["pre-app", "post-app"] {
        let log = fails(Setup::uwsgi().master(1).arg(format!("--hook-{phase}")).arg("mkdir:/"));
        assert!(log.contains("mkdir:/: File exists"), "{log}");
        assert!(log.contains("FATAL hook failed, destroying instance\n"), "{log}");
    }
}

#[test]
fn a_failing_hook_of_a_worker_stops_the_instance() {
    ours_only!("on a busy machine its master may miss that, and stay");
    for phase in ["post-fork", "accepting", "accepting1-once"] {
        let setup = Setup::uwsgi().master(1);
        let (status, log) = setup.arg(format!("--hook-{phase}")).arg("exec:exit 7").run();
        assert_eq!(status.code(), Some(0), "{log}");
        in_order(&log, &["command \"exit 7\" exited with non-zero code: 7", "goodbye to uWSGI."]);
        assert!(log.contains("FATAL hook failed, destroying instance\n"), "{log}");
    }
}

#[test]
fn a_failure_at_the_exit_changes_nothing() {
    let mut server = Setup::uwsgi()
        .master(1)
        .args(["--hook-as-user-atexit", "exec:exit 7", "--exec-as-user-atexit", "echo then this"])
        .start();
    assert_eq!(server.stop().code(), Some(0));
    server.wait_for("then this");
    let log = server.log.text();
    assert!(log.contains("command \"exit 7\" exited with non-zero code: 7\n"), "{log}");
    assert!(!log.contains("FATAL"), "{log}");
}

#[test]
fn safeexec_may_fail() {
    let server = Setup::uwsgi().args(["--hook-asap", "safeexec:exit 7"]).start();
    server.wait_for("command \"exit 7\" exited with non-zero code: 7");
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn a_killed_command_has_failed() {
    ours_only!("it takes a killed command for a good one");
    let log = fails(Setup::uwsgi().args(["--hook-asap", "exec:kill -9 $$"]));
    assert!(log.contains("command \"kill -9 $$\" was killed by signal 9\n"), "{log}");
}

#[test]
fn exit_ends_the_start_with_its_status() {
    ours_only!("its status is always 0");
    let (status, log) = Setup::uwsgi().args(["--hook-as-user", "exit:3"]).run();
    assert_eq!(status.code(), Some(3), "{log}");
}

#[test]
fn what_is_no_action_is_an_error_of_the_configuration() {
    ours_only!("it finds most of them only when their moment has come");
    for (option, said) in [
        ("--hook-post-fork=nosuch:x", "there is no action nosuch; accepted: cd, "),
        ("--hook-asap=print", "accepted: ACTION:TEXT"),
        ("--hook-asap=call:f", "the action call is not supported: "),
        ("--hook-accepting=chmod:/f", "accepted: chmod:PATH MODE"),
        ("--hook-asap=unix_signal:15 stats", "accepted: in hook-master-start and hook-touch"),
        ("--hook-master-start=unix_signal:15 nosuch", "there is no function nosuch; accepted: "),
        ("--hook-touch=file", "accepted: FILE ACTION:TEXT"),
        ("--mount-asap=tmpfs none", "accepted: TYPE SOURCE DIR"),
    ] {
        let log = fails(Setup::uwsgi().arg(option));
        assert!(log.contains(said), "{option}: {log}");
    }
}

#[test]
fn what_is_waited_for_comes_later() {
    let server = Setup::uwsgi().args(["--wait-for-fs", "later"]).launch();
    server.wait_for("waiting for later (max 60 seconds) ...");
    assert!(!server.logged("<*>spawned uWSGI worker<*>"));
    std::fs::write(server.path("later"), "").unwrap();
    server.wait_for("<*>later found");
    server.wait_spawned(0, 1);
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn what_is_there_is_not_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = Setup::uwsgi()
        .args(["--wait-for-dir", "/", "--wait-for-file", "/proc/self/stat"])
        .args(["--wait-for-mountpoint", "/proc", "--wait-for-interface", "lo"])
        .args(["--wait-for-socket", &address])
        .start();
    for line in [
        "<*>/ found",
        "<*>/proc/self/stat found",
        "<*>/proc mounted",
        "interface lo found with index <N>",
        &format!("<*>{address} ready"),
    ] {
        server.wait_for(line);
    }
}

#[test]
fn the_start_fails_where_nothing_comes() {
    let none = ["--wait-for-fs-timeout", "1", "--wait-for-socket-timeout", "1"];
    for (args, name) in [
        (["--wait-for-fs", "/nonexistent"], "/nonexistent"),
        (["--wait-for-mountpoint", "/etc"], "/etc"),
        (["--wait-for-socket", "127.0.0.1:1"], "127.0.0.1:1"),
    ] {
        let log = fails(Setup::uwsgi().args(none).args(args));
        assert!(log.contains(&format!("{name} unavailable after ")), "{log}");
    }
}

#[test]
fn files_and_directories_are_told_apart() {
    ours_only!("any of them will do for it");
    let timeout = ["--wait-for-fs-timeout", "1"];
    for args in [["--wait-for-file", "/etc"], ["--wait-for-dir", "/etc/passwd"]] {
        fails(Setup::uwsgi().args(timeout).args(args));
    }
}

#[test]
fn an_interrupt_ends_the_waiting() {
    let mut server = Setup::uwsgi().args(["--wait-for-fs", "/nonexistent"]).launch();
    server.wait_for("waiting for /nonexistent (max 60 seconds) ...");
    server.signal(Signal::SIGINT);
    assert!(!server.wait().success());
}

#[test]
fn commands_do_not_ignore_signals_because_the_start_does() {
    ours_only!("they ignore SIGHUP and SIGTERM, as it does itself at that time");
    let server = Setup::uwsgi()
        .args(["--hook-as-user", "exec:grep -e SigIgn -e SigBlk /proc/self/status"])
        .launch();
    let mask = |key: &str| {
        let line = server.wait_for(&format!("{key}:<*>"));
        u64::from_str_radix(line.rsplit('\t').next().unwrap(), 16).unwrap()
    };
    for signal in [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1] {
        for key in ["SigIgn", "SigBlk"] {
            assert_eq!(mask(key) >> (signal as u32 - 1) & 1, 0, "{key} {signal}");
        }
    }
}

/// Waits until a signal means what `hook-master-start` makes of it: actions are done in their order.
fn prepared(server: &Server) {
    server.wait_for("prepared");
}

#[test]
fn a_reload_does_it_all_again() {
    let server = Setup::uwsgi()
        .master(1)
        .args(["--hook-asap", "print:read", "--hook-as-user", "print:user"])
        .args(["--hook-post-app", "print:loaded", "--hook-accepting1-once", "print:serves"])
        .args(["--hook-master-start", "print:master"])
        .start();
    server.wait_for("serves");
    server.wait_for("master");
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    for line in ["read", "user", "loaded", "serves", "master"] {
        server.log.wait_for_since(mark, line);
    }
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn a_reload_whose_hooks_fail_leaves_the_old_workers_serving() {
    ours_only!("it has stopped them by then");
    for phase in ["asap", "as-user", "pre-app", "post-app", "post-fork", "accepting1"] {
        let setup = Setup::uwsgi().file("needed", "");
        let hook = setup.path("needed");
        let server = setup
            .master(1)
            .arg(format!("--hook-{phase}"))
            .arg(format!("chmod:{} 600", hook.display()))
            .start();
        let before = server.worker(1);
        assert_eq!(server.get("/pid").text(), before.to_string());
        std::fs::remove_file(&hook).unwrap();
        let mark = server.log.mark();
        server.signal(Signal::SIGHUP);
        server.log.wait_for_since(mark, "FATAL hook failed, destroying instance");
        server.log.wait_for_since(mark, "reload FAILED: <*>");
        assert_eq!(server.get("/pid").text(), before.to_string(), "{phase}");
    }
}

mod in_the_master {
    use super::*;
    use crate::support::Request;

    #[test]
    fn a_signal_can_be_a_graceful_stop() {
        let mut server = Setup::uwsgi()
            .master(1)
            .args(["--threads", "2"])
            .args(["--hook-master-start", "unix_signal:15 gracefully_kill_them_all"])
            .args(["--hook-master-start", "print:prepared"])
            .start();
        prepared(&server);
        let mut connection = server.connect();
        connection.send(Request::get("/sleep?1500").to_packet());
        // The second answer shows that the first request was taken.
        server.get("/hello");
        server.signal(Signal::SIGTERM);
        assert!(connection.answer(false).text().starts_with("slept "));
        assert_eq!(server.wait().code(), Some(0));
    }

    #[test]
    fn a_signal_can_reload_the_workers() {
        let server = Setup::uwsgi()
            .master(1)
            .args(["--hook-master-start", "unix_signal:12 uwsgi_reload_workers"])
            .args(["--hook-master-start", "print:prepared"])
            .start();
        prepared(&server);
        let before = server.worker(1);
        server.signal(Signal::SIGUSR2);
        eventually("another worker", || server.worker(1) != before);
        assert_eq!(server.get("/hello").text(), "hello");
    }

    #[test]
    fn a_command_does_not_keep_the_master_waiting() {
        ours_only!("it waits for the command, deaf for signals");
        let setup = Setup::uwsgi();
        let fifo = setup.path("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut server = setup
            .master(1)
            .args(["--hook-master-start", "exec:read x < fifo; echo read $x"])
            .args(["--hook-master-start", "print:prepared"])
            .start();
        let before = server.worker(1);
        process::send(before, Signal::SIGKILL);
        eventually("the successor", || server.worker(1) != before);
        assert!(!server.logged("prepared"), "actions keep their order");
        std::fs::write(&fifo, "this\n").unwrap();
        server.wait_for("read this");
        prepared(&server);
        assert_eq!(server.stop().code(), Some(0));
    }

    #[test]
    fn a_failing_hook_of_the_master_stops_the_instance() {
        ours_only!("it says so, and cannot be stopped any more");
        for action in ["exec:exit 7", "mkdir:/"] {
            let (status, log) =
                Setup::uwsgi().master(1).args(["--hook-master-start", action]).run();
            assert_eq!(status.code(), Some(0), "{log}");
            in_order(&log, &["FATAL hook failed, destroying instance", "goodbye to uWSGI."]);
        }
    }

    #[test]
    fn a_touched_file_is_noticed() {
        let setup = Setup::uwsgi().file("watched", "");
        let server = setup
            .master(1)
            .args([
                "--hook-touch",
                "watched print:touched",
                "--hook-master-start",
                "print:prepared",
            ])
            .start();
        prepared(&server);
        eventually("the action", || {
            let file = std::fs::File::options().write(true).open(server.path("watched")).unwrap();
            let now = std::time::SystemTime::now();
            file.set_modified(now + std::time::Duration::from_secs(5)).unwrap();
            server.logged("touched")
        });
        server.wait_for("running \"print:touched\" (touch)...");
    }
}
