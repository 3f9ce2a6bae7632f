//! What the service manager hears: systemd's protocol on a real socket.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Instant;

use nix::sys::signal::Signal;
use uwsgi::sys::channel::Channel;

use crate::support::{Connection, PATIENCE, Request, Server, Setup, Wire, process, temp::TempDir};

/// A manager, and what it has heard.
struct Manager {
    socket: Channel,
    path: PathBuf,
    heard: Vec<String>,
    /// What it was given to keep, with the names.
    stored: Vec<(String, OwnedFd)>,
    _folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = TempDir::new();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("bind a socket");
        let (heard, stored) = (Vec::new(), Vec::new());
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let socket = Channel::from(OwnedFd::from(socket));
        Self { socket, path, heard, stored, _folder: folder }
    }

    fn looks_after(&self, setup: Setup) -> Setup {
        setup.env("NOTIFY_SOCKET", self.path.to_str().expect("a path of ASCII"))
    }

    fn hear(&mut self) {
        let mut bytes = [0; 4096];
        let got = self.socket.receive_with_fd(&mut bytes).expect("a message in time");
        let (count, fd) = got.expect("messages are not empty");
        let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
        if let Some(fd) = fd {
            let name = text.lines().find_map(|line| line.strip_prefix("FDNAME="));
            self.stored.push((name.expect("it is named").to_owned(), fd));
        }
        self.heard.push(text);
    }

    /// Waits for a message with this line, and forgets it and all before it.
    #[track_caller]
    fn wait_for(&mut self, line: &str) -> String {
        let start = Instant::now();
        loop {
            let has = |text: &String| text.lines().any(|found| found.starts_with(line));
            if let Some(at) = self.heard.iter().position(has) {
                return self.heard.drain(..=at).next_back().expect("it was just found");
            }
            assert!(start.elapsed() < PATIENCE, "no {line} in {:?}", self.heard);
            self.hear();
        }
    }
}

fn main_pid(message: &str) -> Option<i32> {
    message.lines().find_map(|line| line.strip_prefix("MAINPID=")?.parse().ok())
}

#[test]
fn the_manager_hears_when_the_instance_is_ready() {
    let mut manager = Manager::new();
    let server = manager.looks_after(Setup::http().master(1)).start();
    assert_eq!(manager.wait_for("STATUS="), "STATUS=initializing uWSGI\n");
    let ready = manager.wait_for("READY=1");
    assert!(ready.contains("STATUS=uWSGI is ready\n"), "{ready}");
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn an_instance_is_ready_when_its_application_is_loaded_and_not_before() {
    ours_only!("the original says it before its first worker loads anything");
    const APP: &str = "import os, socket, time
while not os.path.exists('go'):
    time.sleep(0.01)
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.sendto(b'LOADED=1', os.environ['NOTIFY_SOCKET'])
def application(e, s):
    s('200 OK', [])
    return [b'1']
";
    let mut manager = Manager::new();
    let setup = Setup::new(Wire::Http).file("app.py", APP);
    let go = setup.path("go");
    let setup =
        setup.args(["--http-socket", "127.0.0.1:0", "--wsgi-file", "app.py", "--lazy-apps"]);
    let server = manager.looks_after(setup.master(1)).start();
    server.wait_for("spawned uWSGI worker 1 (pid: <N>, cores: 1)");
    std::fs::write(go, "").expect("write a file of the test");
    // What was heard before is forgotten: only a later message will do.
    manager.wait_for("LOADED=1");
    manager.wait_for("READY=1");
}

#[test]
fn applications_see_the_variable() {
    let manager = Manager::new();
    let server = manager.looks_after(Setup::http().master(1)).start();
    assert_eq!(server.get("/getenv?NOTIFY_SOCKET").text(), manager.path.to_str().unwrap());
}

#[test]
fn reloads_and_stops_are_told() {
    ours_only!("the original tells of its start only");
    let mut manager = Manager::new();
    let mut server = manager.looks_after(Setup::http().master(1)).start();
    assert_eq!(main_pid(&manager.wait_for("READY=1")), Some(server.pid()));
    server.signal(Signal::SIGHUP);
    let reloading = manager.wait_for("RELOADING=1");
    assert!(reloading.contains("\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(main_pid(&manager.wait_for("READY=1")), Some(server.pid()));
    server.log.wait_for_since(0, "gracefully (RE)spawned uWSGI master process (pid: <N>)");
    server.stop();
    manager.wait_for("STOPPING=1");
}

#[test]
fn a_reload_that_fails_leaves_the_instance_ready_and_says_why() {
    ours_only!("the original tells of its start only");
    let mut manager = Manager::new();
    let setup = Setup::new(Wire::Http)
        .file("app.py", "def application(e, s):\n    s('200 OK', [])\n    return [b'1']\n");
    let path = setup.path("app.py");
    let setup = setup.args(["--http-socket", "127.0.0.1:0", "--wsgi-file", "app.py", "--need-app"]);
    let server = manager.looks_after(setup.master(1)).start();
    manager.wait_for("READY=1");
    std::fs::write(path, "import nothing_of_this_name\n").expect("write a file of the test");
    server.signal(Signal::SIGHUP);
    manager.wait_for("RELOADING=1");
    manager.wait_for("READY=1");
    manager.wait_for("STATUS=uWSGI is ready; the last reload failed: ");
    assert_eq!(server.get("/").text(), "1");
}

#[test]
fn the_watchdog_is_fed() {
    ours_only!("the original feeds no watchdog");
    let mut manager = Manager::new();
    let setup = manager.looks_after(Setup::http().master(1)).env("WATCHDOG_USEC", "100000");
    let server = setup.start();
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("READY=1");
    server.signal(Signal::SIGHUP);
    server.wait_for("gracefully (RE)spawned uWSGI master process (pid: <N>)");
    manager.heard.clear();
    manager.wait_for("WATCHDOG=1");
}

/// As systemd does it after a crash: the stored sockets come back with their names.
fn restarted(manager: &Manager, setup: Setup) -> Server {
    let [(name, fd)] = &manager.stored[..] else { panic!("stored: {:?}", manager.stored) };
    let shell = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID";
    let fd = fd.try_clone().expect("a descriptor");
    setup.stdin(fd).shell(shell).env("LISTEN_FDNAMES", name).start()
}

#[test]
fn sockets_survive_the_death_of_the_master_in_the_managers_store() {
    ours_only!("the original stores nothing");
    let mut manager = Manager::new();
    let server = manager.looks_after(Setup::uwsgi().master(1)).start();
    manager.wait_for("READY=1");
    let (address, worker) = (server.address(), server.worker(1));
    server.signal(Signal::SIGKILL);
    process::send(worker, Signal::SIGKILL);
    // The port is still there: who connects now waits for the next instance.
    let mut connection = Connection::open(&address);
    connection.send(Request::get("/hello").to_packet());
    let next = restarted(&manager, Setup::uwsgi().master(1));
    next.wait_for("uwsgi socket 0 inherited INET address <*> fd <N>");
    assert_eq!(next.address(), address);
    assert!(String::from_utf8_lossy(&connection.rest()).ends_with("hello"));
    assert!(!next.logged("uwsgi socket 1 <*>"));
}
