//! Crons and attached daemons.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{Server, Setup, eventually, process};
use crate::touch::{touch, without};

fn master() -> Setup {
    Setup::uwsgi().master(1)
}

/// A program that says its pid as `WORD <pid>` and stays until it is ended.
fn stays(word: &str) -> String {
    format!("echo {word} $$; exec sleep 1000")
}

/// The pid in the first line `WORD <pid>` since `mark`.
#[track_caller]
fn pid_of(server: &Server, mark: usize, word: &str) -> i32 {
    let line = server.log.wait_for_since(mark, &format!("{word} <N>"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[track_caller]
fn gone(pid: i32) {
    eventually("the end of the process", || !process::alive(pid));
}

/// Ends what outlives its server, whatever becomes of the test.
struct Survivor(i32);

impl Drop for Survivor {
    fn drop(&mut self) {
        process::send(self.0, Signal::SIGKILL);
    }
}

#[track_caller]
fn pid_in(server: &Server, name: &str) -> Survivor {
    let path = server.path(name);
    let read = || fs::read_to_string(&path).ok()?.trim().parse::<i32>().ok();
    // For a moment the original's names a process that is about to execute it.
    let comm = |pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let runs = |pid: i32| process::alive(pid) && comm(pid) == "sleep\n";
    eventually("a pid file of a program that runs", || read().is_some_and(runs));
    Survivor(read().unwrap())
}

#[test]
fn a_cron_runs_when_it_is_due() {
    let server = master().args(["--cron", "-1 -1 -1 -1 -1 echo cron has run"]).start();
    server.wait_for("<*>[uwsgi-cron] command \"echo cron has run\" registered as cron task");
    server.wait_for("<*>[uwsgi-cron] running \"echo cron has run\" (pid <N>)");
    server.wait_for("cron has run");
    server.wait_for(
        "<*>[uwsgi-cron] command \"echo cron has run\" running with pid <N> exited after <N> second(s)",
    );
}

#[test]
fn a_cron_is_killed_when_it_is_out_of_time() {
    let command = stays("cron");
    let server = master().args(["--cron2", &format!("minute=-1,harakiri=1 {command}")]).start();
    let pid = pid_of(&server, 0, "cron");
    server.wait_for(&format!("<*>*** HARAKIRI ON CRON \"{command}\" (pid: {pid}) ***"));
    gone(pid);
}

#[test]
fn a_unique_cron_goes_on_over_a_reload_and_is_not_started_beside_itself() {
    ours_only!("it forgets what runs, and rejects its own options at a reload");
    let command = stays("unique");
    let server = master().args(["--unique-cron", &format!("-1 -1 -1 -1 -1 {command}")]).start();
    let pid = Survivor(pid_of(&server, 0, "unique"));
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.log.wait_for_since(mark, "<*>gracefully (RE)spawned uWSGI master process (pid: <N>)");
    server.log.wait_for_since(mark, "<*>registered as cron task");
    assert!(process::alive(pid.0));
    process::send(pid.0, Signal::SIGTERM);
    let line = format!("<*>running with pid {} exited after <N> second(s)", pid.0);
    server.log.wait_for_since(mark, &line);
    let started = server.log.text().matches("[uwsgi-cron] running").count();
    // Only a minute that has begun since can have started another.
    assert!(started <= 2, "{}", server.log.text());
}

#[test]
fn a_daemon_is_started_again_when_it_ends() {
    let command = stays("daemon");
    let server = master().args(["--attach-daemon", &command]).start();
    server.wait_for(&format!("<*>[uwsgi-daemons] spawning \"{command}\" (uid: <N> gid: <N>)"));
    let pid = pid_of(&server, 0, "daemon");
    let mark = server.log.mark();
    process::send(pid, Signal::SIGKILL);
    server.log.wait_for_since(
        mark,
        &format!("<*>[uwsgi-daemons] respawning \"{command}\" (uid: <N> gid: <N>)"),
    );
    assert_ne!(pid_of(&server, mark, "daemon"), pid);
}

#[test]
fn a_daemon_that_ends_at_once_is_throttled() {
    let mut server = master().args(["--attach-daemon", "false"]).start();
    server.wait_for("<*>[uwsgi-daemons] throttling \"false\" for <N> seconds");
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn a_stop_ends_a_daemon_with_what_it_has_started() {
    let command = "sleep 1000 & echo inner $!; echo outer $$; wait";
    let mut server = master().args(["--attach-daemon", command]).start();
    let (inner, outer) = (pid_of(&server, 0, "inner"), pid_of(&server, 0, "outer"));
    assert_eq!(server.stop().code(), Some(0));
    server.wait_for(&format!("<*>[uwsgi-daemons] stopping daemon (pid: {outer}): {command}"));
    gone(inner);
    gone(outer);
}

#[test]
fn a_daemon_that_does_not_end_is_killed() {
    let command = "trap '' TERM; echo deaf $$; while :; do sleep 0.1; done";
    let mut server = master().args(["--attach-daemon", command, "--reload-mercy", "1"]).start();
    let pid = pid_of(&server, 0, "deaf");
    server.stop();
    server.wait_for(&format!(
        "<*>[uwsgi-daemons] daemon did not die in time, killing (pid: {pid}): {command}"
    ));
    gone(pid);
}

#[test]
fn a_second_interrupt_does_not_wait_for_a_daemon() {
    ours_only!("it waits with signals blocked");
    let command = "trap '' TERM; echo deaf $$; while :; do sleep 0.1; done";
    let mut server = master().args(["--attach-daemon", command, "--reload-mercy", "1000"]).start();
    let pid = pid_of(&server, 0, "deaf");
    server.signal(Signal::SIGINT);
    server.wait_for("<*>[uwsgi-daemons] stopping daemon<*>");
    server.signal(Signal::SIGINT);
    assert_eq!(server.wait().code(), Some(0));
    gone(pid);
}

#[test]
fn the_end_of_a_control_daemon_stops_the_instance() {
    let mut server = master().args(["--attach-control-daemon", &stays("control")]).start();
    process::send(pid_of(&server, 0, "control"), Signal::SIGTERM);
    assert_eq!(server.wait().code(), Some(0));
    server.wait_for("goodbye to uWSGI.");
}

#[test]
fn a_daemon_does_not_outlive_a_killed_master() {
    let server = master().args(["--attach-daemon", &stays("daemon")]).start();
    let pid = pid_of(&server, 0, "daemon");
    server.signal(Signal::SIGKILL);
    gone(pid);
}

#[test]
fn a_reload_starts_a_daemon_anew() {
    let server = master().args(["--attach-daemon", &stays("daemon")]).start();
    let before = pid_of(&server, 0, "daemon");
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server
        .log
        .wait_for_since(mark, &format!("<*>[uwsgi-daemons] stopping daemon (pid: {before}): <*>"));
    assert_ne!(pid_of(&server, mark, "daemon"), before);
    gone(before);
}

#[test]
fn a_reload_that_fails_leaves_daemons_alone() {
    ours_only!("it stops everything first");
    let ini = "[uwsgi]\nattach-daemon = echo daemon $$; exec sleep 1000\n";
    let server = master().file("a.ini", ini).args(["--ini", "a.ini"]).start();
    let pid = pid_of(&server, 0, "daemon");
    fs::write(server.path("a.ini"), "[uwsgi]\nprocesses = many\nprocesses = -1\n").unwrap();
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.log.wait_for_since(mark, "reload FAILED: <*>");
    assert!(process::alive(pid));
    assert!(!server.logged("<*>stopping daemon<*>"));
}

#[test]
fn a_daemon_that_is_configured_no_more_ends_at_the_reload() {
    let line = "attach-daemon = echo daemon $$; exec sleep 1000\n";
    let server =
        master().file("a.ini", &format!("[uwsgi]\n{line}")).args(["--ini", "a.ini"]).start();
    let pid = pid_of(&server, 0, "daemon");
    fs::write(server.path("a.ini"), "[uwsgi]\n").unwrap();
    server.signal(Signal::SIGHUP);
    gone(pid);
}

#[test]
fn a_new_master_beside_the_old_one_leaves_daemons_to_it() {
    ours_only!("it has no second master");
    let arguments = ["--signals", "gunicorn", "--attach-daemon", &stays("daemon")];
    let mut server = master().args(arguments).start();
    let first = pid_of(&server, 0, "daemon");
    let mark = server.log.mark();
    server.signal(Signal::SIGUSR2);
    server.log.wait_for_since(mark, "spawned uWSGI worker 1 (<*>");
    assert!(process::alive(first));
    assert_eq!(server.log.text().matches("[uwsgi-daemons] spawning").count(), 1);
    assert_eq!(server.stop().code(), Some(0));
    gone(first);
    pid_of(&server, mark, "daemon");
}

#[test]
fn signals_and_surroundings_of_a_daemon_are_as_its_keys_say() {
    let command = "trap 'echo got interrupt; exit' INT; trap 'echo got hangup; exit' HUP; \
                   echo starts in $PWD; while :; do sleep 0.1; done";
    let keys = format!("cmd={command},stopsignal=2,reloadsignal=1,chdir=/usr");
    let mut server = master().args(["--attach-daemon2", &keys]).start();
    server.wait_for("starts in /usr");
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.log.wait_for_since(mark, "got hangup");
    server.log.wait_for_since(mark, "starts in /usr");
    server.log.wait_for_since(mark, "spawned uWSGI worker 1 (<*>");
    server.wait_ready(1);
    server.signal(Signal::SIGINT);
    server.log.wait_for_since(mark, "got interrupt");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_daemon_can_be_another_user() {
    needs!(nix::unistd::geteuid().is_root(), "only root can change users");
    let keys = "cmd=echo is $(id -u) $(id -g); exec sleep 1000,uid=12345,gid=12346";
    let server = master().args(["--attach-daemon2", keys]).start();
    server.wait_for("is 12345 12346");
}

#[test]
fn a_touched_file_renews_a_daemon() {
    let keys = format!("cmd={},touch=renew", stays("daemon"));
    let server = without(master().args(["--attach-daemon2", &keys]), "renew");
    let before = pid_of(&server, 0, "daemon");
    let mark = server.log.mark();
    touch(&server.path("renew"));
    server.log.wait_for_since(
        mark,
        "<*>*** renew has been touched... reloading daemon \"<*>\" (pid: <N>) !!! ***",
    );
    gone(before);
    pid_of(&server, mark, "daemon");
}

#[test]
fn a_daemon_with_a_pid_file_survives_reload_and_stop() {
    let mut server =
        master().args(["--smart-attach-daemon2", "daemon.pid exec sleep 1000"]).start();
    let daemon = pid_in(&server, "daemon.pid");
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.log.wait_for_since(
        mark,
        &format!(
            "<*>[uwsgi-daemons] found valid/active pidfile for \"exec sleep 1000\" (pid: {})",
            daemon.0
        ),
    );
    assert_eq!(server.stop().code(), Some(0));
    assert!(process::alive(daemon.0));
}

#[test]
fn a_daemon_with_a_pid_file_is_started_again_when_it_is_gone() {
    let server = master().args(["--smart-attach-daemon2", "daemon.pid exec sleep 1000"]).start();
    let first = pid_in(&server, "daemon.pid");
    server.wait_for("<*>[uwsgi-daemons] found <*>");
    process::send(first.0, Signal::SIGTERM);
    gone(first.0);
    let second = pid_in(&server, "daemon.pid");
    assert_ne!(first.0, second.0);
}

#[test]
fn a_program_that_goes_to_the_background_by_itself_is_attached() {
    let command = "setsid sh -c 'echo $$ > daemon.pid; exec sleep 1000' & sleep 0.2";
    let server =
        master().args(["--smart-attach-daemon", &format!("daemon.pid,2 {command}")]).start();
    let first = pid_in(&server, "daemon.pid");
    server.wait_for("<*>[uwsgi-daemons] found <*>");
    let mark = server.log.mark();
    process::send(first.0, Signal::SIGKILL);
    gone(first.0);
    server.log.wait_for_since(mark, "<*>[uwsgi-daemons] respawning <*>");
    let second = pid_in(&server, "daemon.pid");
    assert_ne!(first.0, second.0);
}

#[test]
fn a_running_program_is_found_by_its_pid_file() {
    let setup = master();
    // Its own parent is not to be asked for it: a zombie would look alive.
    let start = "sleep 1000 > /dev/null 2>&1 & echo $!";
    let started = std::process::Command::new("sh").args(["-c", start]).output().unwrap();
    let pid = String::from_utf8_lossy(&started.stdout).trim().parse();
    let survivor = Survivor(pid.unwrap());
    let setup = setup.file("daemon.pid", &format!("{}\n", survivor.0));
    let server =
        setup.args(["--smart-attach-daemon", "daemon.pid echo started by the server"]).start();
    let line =
        format!("<*>[uwsgi-daemons] found valid/active pidfile for \"<*>\" (pid: {})", survivor.0);
    server.wait_for(&line);
    assert!(!server.logged("started by the server"));
}

#[test]
fn wrong_values_are_errors() {
    ours_only!("it takes most of them silently");
    for (option, value, expected) in [
        ("--cron", "* * * * * date", "minute is \"*\"; accepted: 0 to 59, -1 for every"),
        (
            "--attach-daemon2",
            "cmd=x,colour=1",
            "no key is called \"colour\"; accepted: command, cmd",
        ),
        ("--touch-exec", "file", "accepted: FILE COMMAND"),
    ] {
        let (status, log) = master().args([option, value]).run();
        assert_eq!(status.code(), Some(1));
        assert!(log.contains(expected), "{log}");
    }
}
