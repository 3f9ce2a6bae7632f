//! An instance seen from outside: its log, its processes, its end.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Only a broken instance takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Instance {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    /// Lines before this one were expected already.
    cursor: usize,
    /// Workers that were waited for already.
    ready: usize,
}

impl Instance {
    /// Starts this program as an instance; the log is its standard error.
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("instance")
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, seen: Vec::new(), cursor: 0, ready: 0 }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn signal(&self, signal: Signal) {
        self.signal_process(self.pid(), signal);
    }

    pub fn signal_process(&self, pid: i32, signal: Signal) {
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Waits for a line with this text behind the last expected one, and returns it.
    pub fn expect(&mut self, text: &str) -> String {
        let from = self.cursor;
        let found = loop {
            if let Some(at) = self.seen[self.cursor..].iter().position(|line| line.contains(text)) {
                break self.cursor + at;
            }
            self.cursor = self.seen.len();
            self.read_line(text, from);
        };
        self.cursor = found + 1;
        self.seen[found].clone()
    }

    /// Waits until so many workers more have said in any order that they serve.
    pub fn wait_ready(&mut self, workers: usize) {
        self.ready += workers;
        while self.seen.iter().filter(|line| line.ends_with(" serves")).count() < self.ready {
            self.read_line("worker N serves", 0);
        }
    }

    fn read_line(&mut self, wanted: &str, from: usize) {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => self.seen.push(line),
            Err(error) => panic!("no line {wanted:?} ({error}) in: {:#?}", &self.seen[from..]),
        }
    }

    /// The port of the listener; said once in every image.
    pub fn port(&mut self) -> u16 {
        let line = self.expect("listening on port ");
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// The latest process of a worker that the log names; waits for the first.
    pub fn worker_pid(&mut self, worker: u16) -> i32 {
        let spawned =
            [format!("pawned uWSGI worker {worker} (pid: "), format!("worker {worker} (new pid: ")];
        let line = loop {
            let mut lines = self.seen.iter().rev();
            if let Some(line) = lines.find(|line| spawned.iter().any(|text| line.contains(text))) {
                break line;
            }
            self.read_line("spawned", 0);
        };
        let number = line.split("pid: ").nth(1).unwrap();
        number.split([',', ')']).next().unwrap().parse().unwrap()
    }

    /// The exit status of the first process, when it has ended.
    pub fn status(&mut self) -> Option<i32> {
        wait_for(|| self.child.try_wait().unwrap()).code()
    }

    /// Waits until no process holds the log any more.
    pub fn expect_end_of_log(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("a process is left: {:#?}", self.seen),
            }
        }
    }

    pub fn expect_silent_stop(mut self) {
        self.signal(Signal::SIGINT);
        self.expect("goodbye to uWSGI.");
        assert_eq!(self.status(), Some(0));
        self.expect_end_of_log();
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // After a failed test; a good one has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks until there is something.
pub fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn temporary_file(kind: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("uwsgi-master-{}-{number}.{kind}", std::process::id()))
}
