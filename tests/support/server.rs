//! A running server.

use std::path::PathBuf;
use std::process::{Child, ExitStatus};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::answer::Answer;
use super::client::{Address, Connection};
use super::log::Log;
use super::request::Request;
use super::setup::{Setup, Wire, original, wait_exit};
use super::temp::TempDir;
use super::{eventually, fifo, pattern, process};

/// A server and its process group; both are gone when it is dropped.
pub struct Server {
    child: Child,
    pub log: Log,
    dir: TempDir,
    wire: Wire,
    ended: bool,
}

impl Server {
    pub fn new(child: Child, log: Log, dir: TempDir, wire: Wire) -> Self {
        Self { child, log, dir, wire, ended: false }
    }

    /// A server over HTTP with the probe application and nothing else.
    #[track_caller]
    pub fn http() -> Self {
        Setup::http().start()
    }

    /// A server over the uwsgi protocol with the probe application and nothing else.
    #[track_caller]
    pub fn uwsgi() -> Self {
        Setup::uwsgi().start()
    }

    /// The process that was started: the master, or worker 1 where there is none.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid is positive")
    }

    pub fn wire(&self) -> Wire {
        self.wire
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Waits until workers 1 to `count` were spawned since `mark`.
    #[track_caller]
    pub fn wait_spawned(&self, mark: usize, count: u32) {
        for number in 1..=count {
            let line = format!("spawned uWSGI worker {number} (");
            let seen = self.log.wait(mark, |text| text.contains(&line).then_some(()));
            if let Err(why) = seen {
                panic!("{why}: worker {number} was not spawned:\n{}", &self.log.text()[mark..]);
            }
        }
    }

    /// The original announces its workers before it and they are ready for signals, and ignores those until then.
    #[track_caller]
    pub fn wait_ready(&self, count: u32) {
        let workers = (1..=count).map(|number| self.worker(number));
        for pid in workers.chain([self.pid()]).filter(|_| original()) {
            eventually("a signal handler", || {
                process::handles(pid, Signal::SIGHUP) || !process::alive(pid)
            });
        }
    }

    /// Address of socket `number`, in the order of the configuration, as the log names it (the newest line counts).
    #[track_caller]
    pub fn address_of(&self, number: usize) -> Address {
        let found =
            self.log.wait(0, |text| text.lines().rev().find_map(|line| bound(line, number)));
        found.unwrap_or_else(|why| {
            panic!("{why}: socket {number} is not bound:\n{}", self.log.text())
        })
    }

    /// Address of the first socket.
    #[track_caller]
    pub fn address(&self) -> Address {
        self.address_of(0)
    }

    /// A new connection to the first socket.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(&self.address())
    }

    /// Sends a request of its own connection and reads all there is until the server closes.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Answer {
        let bytes = self.raw(request);
        let bodiless = request.method == "HEAD";
        Answer::whole(&bytes, bodiless)
            .unwrap_or_else(|| panic!("no answer but {:?}", String::from_utf8_lossy(&bytes)))
    }

    /// As `send`, without taking the answer apart.
    #[track_caller]
    pub fn raw(&self, request: &Request) -> Vec<u8> {
        let mut connection = self.connect();
        connection.send(match self.wire {
            Wire::Http => request.clone().header("Connection", "close").to_http(),
            Wire::Uwsgi => request.to_packet(),
        });
        connection.rest()
    }

    #[track_caller]
    pub fn get(&self, target: &str) -> Answer {
        self.send(&Request::get(target))
    }

    #[track_caller]
    pub fn post(&self, target: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send(&Request::post(target, body))
    }

    /// Waits for a log line of this shape (see `pattern`) and returns it.
    #[track_caller]
    pub fn wait_for(&self, wanted: &str) -> String {
        self.log.wait_for_since(0, wanted)
    }

    /// Whether a line of this shape is in the log by now.
    pub fn logged(&self, wanted: &str) -> bool {
        self.log.text().lines().any(|line| pattern::matches(wanted, line))
    }

    /// Waits until a reload that began after `mark` is complete: nobody of the old generation serves. uWSGI starts its
    /// workers then, ours has them already.
    #[track_caller]
    pub fn await_reload(&self, mark: usize) {
        self.log.wait_for_since(mark, "spawned uWSGI worker 1 (<*>");
        self.log.wait_for_since(mark, "gracefully (RE)spawned uWSGI master process (pid: <N>)");
    }

    pub fn signal(&self, signal: Signal) {
        process::send(self.pid(), signal);
    }

    /// The newest pid of worker `number`.
    #[track_caller]
    pub fn worker(&self, number: u32) -> i32 {
        let log = self.log.text();
        let pid = log.lines().rev().find_map(|line| worker_pid(line, number));
        pid.unwrap_or_else(|| panic!("worker {number} was never spawned:\n{log}"))
    }

    /// The newest pids of workers 1 to `count`.
    #[track_caller]
    pub fn workers(&self, count: u32) -> Vec<i32> {
        (1..=count).map(|number| self.worker(number)).collect()
    }

    /// Waits until workers 1, 2, .. are other processes than `before`, which are gone, and ready for signals.
    #[track_caller]
    pub fn wait_replaced(&self, before: &[i32]) {
        let count = u32::try_from(before.len()).expect("a few workers");
        for (number, old) in (1..=count).zip(before) {
            eventually(&format!("another worker {number}"), || self.worker(number) != *old);
            eventually(&format!("the end of worker {number}"), || !process::alive(*old));
        }
        self.wait_ready(count);
    }

    /// Waits until workers 1 to `count` of a server with `lazy-apps` have loaded: from then on they do not look at the
    /// files of the application.
    #[track_caller]
    pub fn wait_loaded(&self, count: u32) {
        for pid in self.workers(count) {
            self.wait_for(&format!("WSGI app 0 (<*>) ready in <*> pid: {pid} (default app)"));
        }
    }

    /// Writes commands to the master's fifo (see `Setup::fifo`).
    #[track_caller]
    pub fn fifo(&self, commands: &str) {
        fifo::write(&self.path("fifo"), commands.as_bytes());
    }

    /// Waits until the process ended by itself.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let status = wait_exit(&mut self.child);
        self.ended = true;
        status
    }

    /// Stops the server as Ctrl-C does, and waits.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGINT);
        self.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The group outlives its leader while a worker is left, so it is killed even after the leader's end.
        let _ = killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
        if !self.ended {
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- log of the server\n{}---", self.log.text());
        }
    }
}

/// The address in `uwsgi socket 0 bound to TCP address 127.0.0.1:3031 fd 4`.
fn bound(line: &str, number: usize) -> Option<Address> {
    if let (0, Some((_, rest))) = (number, line.split_once("uWSGI http bound on ")) {
        return Some(Address::parse(rest.rsplit_once(" fd ")?.0));
    }
    let rest = &line[line.find(&format!("uwsgi socket {number} "))?..];
    let (_, rest) = rest.split_once(" address ")?;
    Some(Address::parse(rest.rsplit_once(" fd ")?.0))
}

/// The pid in `spawned uWSGI worker 1 (pid: 7, cores: 1)` and `Respawned uWSGI worker 1 (new pid: 8)`.
fn worker_pid(line: &str, number: u32) -> Option<i32> {
    let rest = &line[line.find(&format!("pawned uWSGI worker {number} ("))?..];
    let (_, rest) = rest.split_once("pid: ")?;
    rest.split([',', ')']).next()?.parse().ok()
}
