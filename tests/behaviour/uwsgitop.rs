//! The monitor `uwsgitop` from PyPI, unmodified, on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use nix::pty::{Winsize, openpty};

use crate::support::setup::wait_exit;
use crate::support::{PATIENCE, Setup, python};

/// A running monitor and the keyboard and screen of its terminal.
struct Monitor {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    shown: String,
}

impl Monitor {
    fn start(address: &str) -> Option<Self> {
        let program = python::virtualenv("uwsgitop")?.join("bin/uwsgitop");
        let size = Winsize { ws_row: 40, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).expect("a terminal");
        let end = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
        let mut command = Command::new(program);
        command.arg(address).env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().expect("uwsgitop starts");
        drop(command);
        drop(pty.slave);
        let keyboard = File::from(pty.master);
        let mut output = keyboard.try_clone().expect("a descriptor");
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The terminal ends with an error (EIO), not with an end of file.
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                let _ = sender.send(buffer[..count].to_vec());
            }
        });
        Some(Self { child, keyboard, screen, shown: String::new() })
    }

    /// Waits until all of this was on the screen since the last key.
    #[track_caller]
    fn shows(&mut self, wanted: &[&str]) {
        // It draws all the time: only the whole wait has an end.
        let until = std::time::Instant::now() + PATIENCE;
        while !wanted.iter().all(|text| self.shown.contains(text)) {
            match self
                .screen
                .recv_timeout(until.saturating_duration_since(std::time::Instant::now()))
            {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("{error}: {wanted:?} not in {:?}", self.shown),
            }
        }
    }

    fn press(&mut self, key: &str) {
        self.shown.clear();
        self.keyboard.write_all(key.as_bytes()).expect("the terminal takes a key");
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_monitor_shows_workers_and_cores() {
    ours_only!("on a busy machine a worker with threads stays busy in its statistics");
    let setup = Setup::http().master(2).args(["--threads", "2", "--memory-report"]);
    let path = setup.path("stats.sock");
    let server = setup.arg("--stats").arg(&path).start();
    server.wait_for("*** Stats server enabled on <*> fd: <N> ***");
    for _ in 0..7 {
        server.get("/hello");
    }
    let Some(mut monitor) = Monitor::start(path.to_str().expect("a path of ASCII")) else {
        println!("skipped: tests/setup.sh uwsgitop was not run");
        return;
    };
    let master = format!("masterpid: {}", server.pid());
    let pids = [1, 2].map(|number| server.worker(number).to_string());
    monitor.shows(&[
        "uwsgi-2.0.31",
        "req: 7",
        "WID",
        "STATUS",
        &master,
        &pids[0],
        &pids[1],
        "idle",
    ]);
    // Cores beside workers, then below them.
    monitor.press("a");
    monitor.shows(&["1:0"]);
    monitor.press("q");
    assert!(wait_exit(&mut monitor.child).success(), "{:?}", monitor.shown);
}
