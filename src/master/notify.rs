//! What the service manager is told, and when (sd_notify(3); behaviour note 3.1: uWSGI's two status lines).
//!
//! Only the master speaks. `NOTIFY_SOCKET` stays in the environment, as with uWSGI: the next image of the master needs
//! it, and whether anybody else is heard is the manager's choice (`NotifyAccess=`).

use std::collections::VecDeque;
use std::env;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::run::Master;
use crate::log;
use crate::net::inherit;
use crate::supervisor::{Action, Millis, Pid};
use crate::sys::clock;
use crate::sys::notify::{NotifySocket, stored_name};
use crate::sys::process;

/// Messages that wait because the manager did not read; the oldest are dropped.
const UNSENT_MESSAGES_MAX: usize = 16;
/// Pause before messages that wait are sent again.
const RETRY_MS: u64 = 1_000;

/// What is told to the manager; does nothing where there is none.
#[derive(Debug, Default)]
pub(super) struct Notifier {
    socket: Option<NotifySocket>,
    unsent: VecDeque<String>,
    /// Pause between two signs of life; half of what the manager waits for.
    beat_ms: Option<u64>,
    /// When the next sign of life, or of what waits, is due.
    due: Option<Millis>,
    /// Names of the descriptors that the manager keeps.
    stored: Vec<String>,
    stage: Stage,
}

/// What one image of the master leaves to the next of it.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Names of the descriptors that the manager keeps.
    pub(super) stored: Vec<String>,
    /// Pause between two signs of life.
    pub(super) beat_ms: Option<u64>,
}

/// What the manager was told last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Starting,
    Ready,
    Reloading,
    Stopping,
}

impl Notifier {
    /// The manager that the environment names.
    pub(super) fn from_env() -> Self {
        Self::new(&variable, process::current())
    }

    fn new(variable: &dyn Fn(&str) -> Option<String>, pid: Pid) -> Self {
        let Some(value) = variable("NOTIFY_SOCKET").filter(|value| !value.is_empty()) else {
            return Self::default();
        };
        match NotifySocket::new(&value) {
            Ok(socket) => {
                let beat_ms = beat_ms(variable, Some(pid));
                let due = beat_ms.map(|_| Millis(0));
                Self { socket: Some(socket), beat_ms, due, ..Self::default() }
            }
            Err(error) => {
                log::line(format_args!(
                    "the service manager is not told anything: NOTIFY_SOCKET={value}: {error}"
                ));
                Self::default()
            }
        }
    }

    /// The instance starts.
    pub(super) fn starting(&mut self) {
        self.send("STATUS=initializing uWSGI\n".to_owned());
    }

    /// The instance serves: after the start, and after each reload, whatever came of it.
    pub(super) fn ready(&mut self) {
        self.stage = Stage::Ready;
        let pid = process::current();
        self.send(format!("STATUS=uWSGI is ready\nREADY=1\nMAINPID={pid}\n"));
    }

    /// A reload has begun; [`Self::ready`] ends it.
    pub(super) fn reloading(&mut self) {
        self.stage = Stage::Reloading;
        let now_us = clock::monotonic_us();
        self.send(format!("STATUS=reloading\nRELOADING=1\nMONOTONIC_USEC={now_us}\n"));
    }

    /// The instance ends.
    pub(super) fn stopping(&mut self) {
        self.stage = Stage::Stopping;
        self.send("STATUS=stopping\nSTOPPING=1\n".to_owned());
    }

    /// For people, in one line.
    pub(super) fn status(&mut self, text: &str) {
        let line = text.replace(|character: char| character.is_control(), " ");
        self.send(format!("STATUS={line}\n"));
    }

    /// Lets the manager keep these listening sockets, and no others: they come back as `LISTEN_FDS` where the master
    /// was killed. Needs `FileDescriptorStoreMax=` in the unit; without it, the manager closes what it gets.
    pub(super) fn store<'a>(&mut self, sockets: impl Iterator<Item = (&'a str, BorrowedFd<'a>)>) {
        let Some(socket) = &self.socket else { return };
        let mut wanted = Vec::new();
        for (name, fd) in sockets {
            let Some(name) = stored_name(name) else { continue };
            if !self.stored.contains(&name) {
                let message = format!("FDSTORE=1\nFDNAME={name}\n");
                // A full queue: the sockets are stored again after the next reload.
                if socket.send(&message, &[fd]).is_err() {
                    continue;
                }
            }
            wanted.push(name);
        }
        let gone: Vec<String> =
            self.stored.iter().filter(|name| !wanted.contains(name)).cloned().collect();
        self.stored = wanted;
        for name in gone {
            self.send(format!("FDSTOREREMOVE=1\nFDNAME={name}\n"));
        }
    }

    /// For the next image.
    pub(super) fn save(&self, text: &mut String) {
        // Stored names hold no blanks.
        self.stored.iter().for_each(|name| text.push_str(&format!("stored {name}\n")));
        self.beat_ms.iter().for_each(|beat_ms| text.push_str(&format!("beat {beat_ms}\n")));
    }

    /// What the last image knew.
    pub(super) fn remember(&mut self, told: Told) {
        self.stored = told.stored;
        // Perhaps it was not the process that `WATCHDOG_PID` names, but took its place.
        self.beat_ms = self.beat_ms.or(told.beat_ms);
        self.due = self.beat_ms.map(|_| Millis(0));
    }

    /// Another process is the master from now on.
    fn succeeded(&mut self, pid: Pid) {
        self.stage = Stage::Stopping;
        self.send(format!("MAINPID={pid}\n"));
    }

    /// When [`Self::beat`] is to be called; `None` where never.
    pub(super) fn next_wake(&self) -> Option<Millis> {
        self.due
    }

    /// Gives the sign of life that the watchdog waits for, where it is due, and sends again what waits.
    pub(super) fn beat(&mut self, now: Millis) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        self.due = self.beat_ms.map(|beat_ms| now + beat_ms);
        if self.beat_ms.is_some() {
            self.send("WATCHDOG=1\n".to_owned());
        } else {
            self.flush();
        }
    }

    fn send(&mut self, message: String) {
        if self.socket.is_none() {
            return;
        }
        if self.unsent.len() >= UNSENT_MESSAGES_MAX {
            self.unsent.pop_front();
        }
        self.unsent.push_back(message);
        self.flush();
    }

    /// In their order; what a manager that is gone did not read is forgotten.
    fn flush(&mut self) {
        let Some(socket) = &self.socket else { return };
        while let Some(message) = self.unsent.front() {
            if let Err(error) = socket.send(message, &[])
                && error.kind() == io::ErrorKind::WouldBlock
            {
                let retry = Millis(clock::monotonic_ms()) + RETRY_MS;
                self.due = Some(self.due.map_or(retry, |due| due.min(retry)));
                return;
            }
            self.unsent.pop_front();
        }
    }
}

impl Master {
    pub(super) fn notify_start(&mut self) {
        if self.context.succession.is_none() {
            self.hands_mut().notifier.starting();
        }
    }

    /// This master, which was started beside another one, is the only one now.
    pub(super) fn notify_succession(&mut self) {
        let beat_ms = beat_ms(&variable, None);
        self.hands_mut().notifier.remember(Told { beat_ms, ..Told::default() });
        if self.supervisor.stops() {
            return self.hands_mut().notifier.stopping();
        }
        self.notify_ready();
    }

    /// The instance serves: says so, and lets the manager keep the sockets. Those that it has activated it keeps anyway.
    pub(super) fn notify_ready(&mut self) {
        if self.context.succession.is_some() {
            return;
        }
        let listeners = self.context.listeners.clone();
        let kept = listeners.iter().filter(|(name, _)| !inherit::is_activated(name));
        let notifier = &mut self.hands_mut().notifier;
        notifier.store(kept.map(|(name, fd)| (name.as_str(), fd.as_fd())));
        notifier.ready();
    }

    /// Tells the manager what an action means to it.
    pub(super) fn notify(&mut self, action: &Action) {
        let told = self.hands().notifier.stage;
        if self.context.succession.is_some() {
            // The old master speaks while it is there.
            return;
        }
        match action {
            // A worker has its seat before it has loaded anything.
            Action::Seated { seat, .. }
                if told == Stage::Starting && self.supervisor.serves(seat.generation) =>
            {
                self.notify_ready();
            }
            Action::WatchListeners(true) if told == Stage::Starting => self.notify_ready(),
            Action::StartMold { .. } if told == Stage::Ready => {
                self.hands_mut().notifier.reloading();
            }
            Action::Report(report) if told == Stage::Reloading => {
                self.notify_ready();
                if let Err(why) = &report.result {
                    let notifier = &mut self.hands_mut().notifier;
                    notifier.status(&format!("uWSGI is ready; the last reload failed: {why}"));
                }
            }
            Action::Stopping { .. } => match self.upgrade.child {
                Some(child) => self.hands_mut().notifier.succeeded(child),
                None => self.hands_mut().notifier.stopping(),
            },
            _ => {}
        }
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// Half of `WATCHDOG_USEC`, where it is meant for the process `pid`.
fn beat_ms(variable: &dyn Fn(&str) -> Option<String>, pid: Option<Pid>) -> Option<u64> {
    let meant = variable("WATCHDOG_PID");
    if let (Some(meant), Some(pid)) = (meant, pid)
        && meant != pid.to_string()
    {
        return None;
    }
    let timeout_us: u64 = variable("WATCHDOG_USEC")?.parse().ok()?;
    Some((timeout_us / 2_000).max(1)).filter(|_| timeout_us > 0)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    struct Manager {
        socket: UnixDatagram,
        folder: tempfile::TempDir,
    }

    impl Manager {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
            socket.set_nonblocking(true).unwrap();
            Self { socket, folder }
        }

        fn notifier(&self, others: &[(&str, &str)]) -> Notifier {
            let path = self.folder.path().join("notify").to_str().unwrap().to_owned();
            let other = |name: &str| others.iter().find(|(known, _)| *known == name);
            let variable = |name: &str| match name {
                "NOTIFY_SOCKET" => Some(path.clone()),
                _ => other(name).map(|(_, value)| (*value).to_owned()),
            };
            Notifier::new(&variable, Pid::from_raw(77))
        }

        fn heard(&self) -> Vec<String> {
            let mut bytes = [0; 4096];
            let mut next = || {
                let count = self.socket.recv(&mut bytes).ok()?;
                Some(String::from_utf8_lossy(&bytes[..count]).into_owned())
            };
            std::iter::from_fn(&mut next).collect()
        }
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        let mut notifier = Notifier::new(&|_| None, Pid::from_raw(77));
        notifier.ready();
        notifier.beat(Millis(5));
        assert_eq!(notifier.next_wake(), None);
        let mut notifier = Notifier::new(&|_| Some("nonsense".to_owned()), Pid::from_raw(77));
        notifier.ready();
    }

    #[test]
    fn a_life_is_told_in_systemds_words() {
        let manager = Manager::new();
        let mut notifier = manager.notifier(&[]);
        notifier.starting();
        notifier.ready();
        notifier.reloading();
        notifier.status("a\nREADY=1");
        notifier.stopping();
        let heard = manager.heard();
        assert_eq!(heard[0], "STATUS=initializing uWSGI\n");
        let pid = std::process::id();
        assert_eq!(heard[1], format!("STATUS=uWSGI is ready\nREADY=1\nMAINPID={pid}\n"));
        assert!(heard[2].starts_with("STATUS=reloading\nRELOADING=1\nMONOTONIC_USEC="));
        assert_eq!(heard[3..], ["STATUS=a READY=1\n", "STATUS=stopping\nSTOPPING=1\n"]);
        assert_eq!(notifier.next_wake(), None);
    }

    #[test]
    fn the_watchdog_is_fed_twice_in_its_time() {
        let manager = Manager::new();
        let mut notifier =
            manager.notifier(&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "77")]);
        for (now, fed) in [(10, 1), (11, 0), (1509, 0), (1510, 1), (9000, 1)] {
            notifier.beat(Millis(now));
            assert_eq!(manager.heard(), vec!["WATCHDOG=1\n"; fed], "at {now}");
        }
        assert_eq!(notifier.next_wake(), Some(Millis(10_500)));
        for others in [
            &[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "78")][..],
            &[("WATCHDOG_USEC", "x")],
            &[("WATCHDOG_USEC", "0")],
        ] {
            assert_eq!(manager.notifier(others).next_wake(), None, "{others:?}");
        }
    }

    #[test]
    fn what_the_manager_does_not_read_comes_later_and_in_order() {
        let manager = Manager::new();
        let mut notifier = manager.notifier(&[]);
        while notifier.unsent.is_empty() {
            notifier.status("noise");
        }
        notifier.ready();
        assert!(notifier.next_wake().is_some() && notifier.unsent.len() == 2);
        manager.heard();
        notifier.beat(notifier.next_wake().unwrap());
        let heard = manager.heard();
        assert!(heard.len() == 2 && heard[1].contains("READY=1"), "{heard:?}");
        assert_eq!(notifier.next_wake(), None);
        for number in 0..100_000 {
            notifier.status(&number.to_string());
        }
        assert_eq!(notifier.unsent.len(), UNSENT_MESSAGES_MAX);
    }

    #[test]
    fn sockets_are_stored_once_and_taken_out_again() {
        let manager = Manager::new();
        let mut notifier = manager.notifier(&[]);
        let file = tempfile::tempfile().unwrap();
        let pairs = |names: &'static [&'static str]| names.iter().map(|name| (*name, file.as_fd()));
        notifier.store(pairs(&["a:1", "b"]));
        notifier.store(pairs(&["b", "c"]));
        assert_eq!(
            manager.heard(),
            [
                "FDSTORE=1\nFDNAME=uwsgi-rs.a%3A1\n",
                "FDSTORE=1\nFDNAME=uwsgi-rs.b\n",
                "FDSTORE=1\nFDNAME=uwsgi-rs.c\n",
                "FDSTOREREMOVE=1\nFDNAME=uwsgi-rs.a%3A1\n",
            ]
        );
    }
}
