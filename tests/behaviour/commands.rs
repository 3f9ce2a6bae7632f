//! Commands that one process gives to another instance, and their exit statuses.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::support::{Server, Setup, Wire};

/// Runs a command to its end: its exit status and all it wrote.
#[track_caller]
fn command(args: &[&str]) -> (Option<i32>, String) {
    ended(Setup::new(Wire::Uwsgi).args(args))
}

/// As [`command`], in a folder with this pid file.
#[track_caller]
fn command_with_file(option: &str, content: &str) -> (Option<i32>, String) {
    ended(Setup::new(Wire::Uwsgi).file("server.pid", content).args([option, "server.pid"]))
}

#[track_caller]
fn ended(setup: Setup) -> (Option<i32>, String) {
    let (status, text) = setup.run();
    (status.code(), text)
}

/// A master with one worker that writes `server.pid` into its folder, and the path of that.
#[track_caller]
fn server_with_pidfile() -> (Server, String) {
    let server = Setup::uwsgi().master(1).args(["--pidfile", "server.pid"]).start();
    let path = server.path("server.pid").display().to_string();
    (server, path)
}

/// A peer for one connection: it reads `asked.len()` bytes, which must be these, and answers. Its address.
fn peer(asked: &'static [u8], answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut read = vec![0; asked.len()];
        stream.read_exact(&mut read).unwrap();
        if read == asked {
            stream.write_all(answer).unwrap();
        }
    });
    address
}

/// An address where nobody listens. No automatic port: another test could get it.
const DEAD: &str = "127.0.0.1:1";

/// A process that does nothing, in its own process group; gone when it is dropped.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        let mut command = Command::new("sleep");
        command.arg("600").process_group(0).stdin(Stdio::null());
        Self(command.spawn().expect("start sleep"))
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id().try_into().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn reload_reloads_the_instance_of_a_pid_file() {
    let (server, path) = server_with_pidfile();
    let before = server.worker(1);
    let mark = server.log.mark();
    let (status, text) = command(&["--reload", &path]);
    assert_eq!(status, Some(0), "{text}");
    server.log.wait_for_since(mark, "...gracefully killing workers...");
    server.await_reload(mark);
    assert_ne!(server.worker(1), before);
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn stop_stops_the_instance_of_a_pid_file() {
    let (mut server, path) = server_with_pidfile();
    let (status, text) = command(&["--stop", &path]);
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(server.wait().code(), Some(0));
    server.wait_for("goodbye to uWSGI.");
}

#[test]
fn pause_suspend_and_resume_are_the_terminals_stop_signal() {
    for option in ["--pause", "--suspend", "--resume"] {
        let sleeper = Sleeper::start();
        let (status, text) = command_with_file(option, &format!("{}\n", sleeper.pid()));
        assert_eq!(status, Some(0), "{text}");
        let state = waitpid(sleeper.pid(), Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert_eq!(state, WaitStatus::Stopped(sleeper.pid(), Signal::SIGTSTP), "{option}");
    }
}

#[test]
fn missing_pid_file_is_status_1() {
    let (status, text) = command(&["--reload", "no-such.pid"]);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("no-such.pid"), "{text}");
}

#[test]
fn process_that_is_gone_is_status_255() {
    let sleeper = Sleeper::start();
    let pid = sleeper.pid();
    drop(sleeper);
    let (status, text) = command_with_file("--reload", &format!("{pid}\n"));
    assert_eq!(status, Some(255), "{text}");
    assert!(text.contains("No such process"), "{text}");
}

#[test]
fn pid_file_without_one_process_is_refused() {
    ours_only!("it signals its own process group, or one in the file");
    let sleeper = Sleeper::start();
    let (group, double) = (format!("-{}\n", sleeper.pid()), format!("{0}\n{0}\n", sleeper.pid()));
    for content in ["", "garbage\n", "0\n", "1\n", "4294967296\n", &group, &double] {
        let (status, text) = command_with_file("--stop", content);
        assert_eq!(status, Some(1), "{content:?}: {text}");
        for word in ["server.pid", "accepted: one process id and nothing else", "process 1 only"] {
            assert!(text.contains(word), "{content:?}: {text}");
        }
    }
    let state = waitpid(sleeper.pid(), Some(WaitPidFlag::WNOHANG)).unwrap();
    assert_eq!(state, WaitStatus::StillAlive);
}

#[test]
fn ping_is_answered() {
    let setup = Setup::uwsgi().args(["-s", "ping.sock"]);
    let server = setup.start();
    let unix = server.path("ping.sock").display().to_string();
    for address in [server.address().text(), unix] {
        let (status, text) = command(&["--ping", &address]);
        assert_eq!(status, Some(0), "{text}");
        assert!(text.contains(&format!("PING uwsgi host {address} (timeout: 3)")), "{text}");
    }
    for modifier2 in [0, 1] {
        let mut connection = server.connect();
        connection.send([100, 0, 0, modifier2]);
        assert_eq!(connection.rest(), [100, 0, 0, 1]);
    }
}

#[test]
fn last_ping_timeout_counts() {
    let server = Setup::uwsgi().start();
    let address = server.address().text();
    for (times, expected) in [(["9", "7"], 7), (["9", "0"], 3)] {
        let [first, last] = times;
        let args = ["--ping-timeout", first, "--ping", &address, "--ping-timeout", last];
        let (status, text) = command(&args);
        assert_eq!(status, Some(0), "{text}");
        assert!(text.contains(&format!("(timeout: {expected})")), "{times:?}: {text}");
    }
}

#[test]
fn ping_tells_dead_and_ailing_nodes_apart() {
    let (status, text) = command(&["--ping", DEAD]);
    assert_eq!(status, Some(1), "{text}");

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let (status, text) = command(&["--ping", &address, "--ping-timeout", "1"]);
    assert_eq!(status, Some(1), "{text}");

    let (status, text) = command(&["--ping", &peer(&[100, 0, 0, 0], b"\x64\x04\x00\x01full")]);
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("full"), "{text}");
}

#[test]
fn ping_of_another_protocol_fails() {
    ours_only!("any four bytes are an answer");
    let (status, text) = command(&["--ping", &peer(&[100, 0, 0, 0], b"+OK\0")]);
    assert_eq!(status, Some(1), "{text}");
}

#[test]
fn signal_is_delivered_or_rejected() {
    let ask = |answer| format!("{},17", peer(&[110, 0, 0, 17], answer));
    for (target, expected) in [
        (ask(&[255, 0, 0, 1]), 0),
        (format!("{DEAD},17"), 1),
        (ask(b""), 1),
        (ask(&[255, 0, 0, 0]), 2),
        (format!("{DEAD},256"), 3),
        (format!("{DEAD},-1"), 3),
        (DEAD.to_owned(), 1),
    ] {
        let (status, text) = command(&["--signal", &target]);
        assert_eq!(status, Some(expected), "{target}: {text}");
    }
}

#[test]
fn signal_that_is_no_number_is_refused() {
    ours_only!("it delivers signal 0");
    for number in ["", "x"] {
        let (status, text) = command(&["--signal", &format!("{DEAD},{number}")]);
        assert_eq!(status, Some(3), "{text}");
    }
}

#[test]
fn connect_and_read_shows_what_the_peer_sends() {
    let (status, text) = command(&["--connect-and-read", &peer(b"", b"one\ntwo")]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.ends_with("one\ntwo"), "{text}");

    let (status, text) = command(&["--connect-and-read", DEAD]);
    assert_eq!(status, Some(1), "{text}");
}

#[test]
fn connect_and_read_prints_to_standard_output_alone() {
    ours_only!("it prints to the log");
    let setup = Setup::new(Wire::Uwsgi).shell("exec 2>/dev/null");
    let (_, text) = ended(setup.args(["--connect-and-read", &peer(b"", b"{}\n")]));
    assert_eq!(text, "{}\n");
}

#[test]
fn extract_prints_to_standard_output_alone() {
    for target in ["some.txt", "exec://cat some.txt"] {
        let setup = Setup::new(Wire::Uwsgi).shell("exec 2>/dev/null").file("some.txt", "a\nb");
        assert_eq!(ended(setup.args(["--extract", target])), (Some(0), "a\nb".to_owned()));
    }
    let (status, text) = command(&["--extract", "no-such.txt"]);
    assert_eq!(status, Some(1), "{text}");
}
