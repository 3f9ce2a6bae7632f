//! Commands that want an answer: `uwsgi --reload PIDFILE` waits for what becomes of the reload.
//!
//! The master listens at an abstract unix socket that is named by its process id; who may signal it may ask it: its own
//! user and root, by the kernel's word. A command is one line with the name of a command, the answer is one line: `ok`, or
//! `failed: ` and why. The number of those who wait is bounded, and so is what they may say.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;

use super::ears::Source;
use super::handover::Passed;
use super::run::Master;
use crate::control::commands;
use crate::control::door;
use crate::log;
use crate::stats;
use crate::supervisor::{Command, Event, Report};
use crate::sys::clock;

/// More commands than this do not wait at the same time.
const ASKERS_MAX: usize = 64;
/// Longest command with its line break.
const LINE_BYTES_MAX: usize = 128;

#[derive(Default)]
pub(super) struct Asks {
    door: Option<UnixListener>,
    askers: Vec<Asker>,
    last: u32,
}

struct Asker {
    number: u32,
    stream: UnixStream,
    line: Vec<u8>,
    /// The reload whose end it waits for, once it has asked.
    round: Option<u32>,
}

impl Asks {
    pub(super) fn save(&self, text: &mut String, passed: &mut Vec<(String, RawFd)>) {
        if let Some(door) = &self.door {
            text.push_str("door\n");
            passed.push(("door".to_owned(), door.as_raw_fd()));
        }
        for Asker { number, stream, line, round } in &self.askers {
            let round = round.map_or_else(|| "-".to_owned(), |round| round.to_string());
            let line = String::from_utf8_lossy(line);
            text.push_str(&format!("asker {number} {round} {line}\n"));
            passed.push((format!("asker {number}"), stream.as_raw_fd()));
        }
    }

    pub(super) fn restore(&mut self, line: &str, passed: &mut Passed) {
        let mut words = line.splitn(4, ' ');
        if words.next() == Some("door") {
            self.door = passed.remove("door").map(UnixListener::from);
            return;
        }
        let mut number = || words.next()?.parse::<u32>().ok();
        let (Some(number), round) = (number(), number()) else { return };
        if let Some(fd) = passed.remove(&format!("asker {number}")) {
            let stream = UnixStream::from(fd);
            self.last = self.last.max(number);
            let line = words.next().unwrap_or_default().into();
            self.askers.push(Asker { number, stream, line, round });
        }
    }
}

impl Asker {
    /// An answer fits into the buffer of a socket that nothing was written to.
    fn say(&self, text: &str) {
        let _ = (&self.stream).write_all(text.as_bytes());
    }

    /// The command, once its line is complete; an error ends the connection.
    fn read(&mut self) -> io::Result<Option<String>> {
        let mut bytes = [0; LINE_BYTES_MAX];
        match self.stream.read(&mut bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.line.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        match self.line.iter().position(|byte| *byte == b'\n') {
            Some(end) => Ok(Some(String::from_utf8_lossy(&self.line[..end]).trim().to_owned())),
            None if self.line.len() >= LINE_BYTES_MAX => Err(io::ErrorKind::InvalidData.into()),
            None => Ok(None),
        }
    }
}

fn open(pid: i32) -> io::Result<UnixListener> {
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(door::name(pid))?)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The master's own user and root may ask.
fn may_ask(stream: &UnixStream) -> bool {
    let user = getsockopt(stream, PeerCredentials).map(|peer| peer.uid());
    user.is_ok_and(|user| user == 0 || user == geteuid().as_raw())
}

impl Master {
    /// Opens what people and programs speak to the master through.
    pub(super) fn open_doors(&mut self) {
        let pid = self.pid.as_raw();
        let hands = self.hands_mut();
        match hands.asks.door.take().map_or_else(|| open(pid), Ok) {
            Ok(door) => {
                let heard = hands.ears.listen(door.as_fd(), Source::Door);
                hands.asks.door = Some(door);
                if let Err(error) = heard {
                    log::line(format_args!("commands cannot be heard: {error}"));
                }
            }
            Err(error) => log::line(format_args!(
                "commands get no answer ({error}); signals and the master fifo work"
            )),
        }
        let asks = &hands.asks;
        for asker in &asks.askers {
            // One that cannot be heard gets its answer all the same.
            let _ = hands.ears.listen(asker.stream.as_fd(), Source::Asker(asker.number));
        }
        self.open_jobs();
        // Those belong to the old master, as long as it is there.
        if self.context.succession.is_none() {
            self.open_fifos();
        }
    }

    pub(super) fn open_the_door(&mut self) {
        loop {
            let hands = self.hands_mut();
            let Some(Ok((stream, _))) = hands.asks.door.as_ref().map(UnixListener::accept) else {
                return;
            };
            let welcome = may_ask(&stream) && hands.asks.askers.len() < ASKERS_MAX;
            if !welcome || stream.set_nonblocking(true).is_err() {
                continue;
            }
            let number = hands.asks.last.wrapping_add(1);
            hands.asks.last = number;
            if hands.ears.listen(stream.as_fd(), Source::Asker(number)).is_ok() {
                hands.asks.askers.push(Asker { number, stream, line: Vec::new(), round: None });
                self.hear_asker(number);
            }
        }
    }

    pub(super) fn hear_asker(&mut self, number: u32) {
        let hands = self.hands_mut();
        let Some(asker) = hands.asks.askers.iter_mut().find(|asker| asker.number == number) else {
            return;
        };
        match asker.read() {
            Ok(None) => {}
            Ok(Some(line)) => self.obey(number, &line),
            Err(_) => self.forget_asker(number),
        }
    }

    fn obey(&mut self, number: u32, line: &str) {
        if line == commands::SITES {
            let table = stats::table::sites(&self.sites_shown(), clock::unix_seconds());
            return self.end_asker(number, &format!("text:\n{table}"));
        }
        match line {
            commands::LOAD => return self.end_asker(number, &self.load_told()),
            commands::LOOK => {
                self.look_at_cluster();
                return self.end_asker(number, "ok\n");
            }
            commands::GIVE_UP => {
                self.end_asker(number, "ok\n");
                return self.send(Event::Command(Command::GiveUpReload));
            }
            _ => {}
        }
        let Some(command) = commands::of_name(line) else {
            let known = commands::names().join(", ");
            return self
                .end_asker(number, &format!("failed: no such command; accepted: {known}\n"));
        };
        let reload = matches!(command, Command::Reload | Command::BrutalReload | Command::Refork);
        if !reload {
            self.end_asker(number, "ok\n");
            return self.send(Event::Command(command));
        }
        let round = self.supervisor.next_round();
        let askers = &mut self.hands_mut().asks.askers;
        if let Some(asker) = askers.iter_mut().find(|asker| asker.number == number) {
            asker.round = Some(round);
            asker.line.clear();
        }
        self.send(Event::Command(command));
        if !self.supervisor.reloads() {
            self.end_asker(number, "failed: the instance does not serve yet, or ends\n");
        }
    }

    /// Tells those who waited for this reload.
    pub(super) fn report(&mut self, report: &Report) {
        let text = match &report.result {
            Ok(()) => "ok\n".to_owned(),
            Err(why) => format!("failed: {why}\n"),
        };
        let due = |asker: &&Asker| asker.round.is_some_and(|round| round <= report.round);
        let askers = &self.hands().asks.askers;
        let due: Vec<u32> = askers.iter().filter(due).map(|asker| asker.number).collect();
        due.into_iter().for_each(|number| self.end_asker(number, &text));
    }

    fn end_asker(&mut self, number: u32, text: &str) {
        let askers = &self.hands_mut().asks.askers;
        if let Some(asker) = askers.iter().find(|asker| asker.number == number) {
            asker.say(text);
        }
        self.forget_asker(number);
    }

    fn forget_asker(&mut self, number: u32) {
        let hands = self.hands_mut();
        if let Some(at) = hands.asks.askers.iter().position(|asker| asker.number == number) {
            let asker = hands.asks.askers.swap_remove(at);
            hands.ears.forget(asker.stream.as_fd(), Source::Asker(number));
        }
    }
}
