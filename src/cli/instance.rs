//! The instance, as its node in a cluster sees it: memory that both share, and the master's door.

use std::io;
use std::time::Duration;

use uwsgi_plugin_api::cluster::{ClusterView, Load, Options};
use uwsgi_plugin_api::{Instance, PluginError};

use crate::control::commands::{GIVE_UP, LOAD, LOOK};
use crate::control::door::{self, Answer};
use crate::log;
use crate::shm::{ClusterMemory, StagedOptions};
use crate::sys::clock;

/// A master that is asked for its load answers at once; one that does not hangs, and then there is no load to tell.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a reload may take, less than a leader waits for it. One that hangs would hold up every later change.
const RELOAD_PATIENCE: Duration = Duration::from_secs(100);

/// The instance whose master has started this process.
pub(super) struct Parent {
    memory: ClusterMemory,
    master: i32,
}

impl Parent {
    pub(super) fn new(memory: ClusterMemory) -> Self {
        Self { memory, master: nix::unistd::getppid().as_raw() }
    }
}

impl Instance for Parent {
    fn publish(&self, view: &ClusterView, leads_until_ms: u64) {
        self.memory.board.publish(view, leads_until_ms, clock::monotonic_ms());
    }

    fn drain(&self, on: bool) {
        self.memory.board.set_draining(on);
        // Where nobody hears it now, the master sees it when it looks the next time.
        if let Err(error) = door::ask_within(self.master, LOOK, Some(PATIENCE)) {
            log::line(format_args!("cluster: the master does not answer: {error}"));
        }
    }

    fn is_draining(&self) -> bool {
        self.memory.board.is_draining()
    }

    fn deliver(&self, from: &str, message: &[u8]) {
        if let Err(error) = self.memory.deliver(from, message) {
            log::line(format_args!("cluster: a message of {from} is lost: {error}"));
        }
    }

    fn load(&self) -> Option<Load> {
        match door::ask_within(self.master, LOAD, Some(PATIENCE)) {
            Ok(Some(Answer::Text(text))) => serde_json::from_str(&text).ok(),
            _ => None,
        }
    }

    fn address(&self) -> String {
        self.memory.running().unwrap_or_default().address
    }

    fn config(&self) -> Result<(u64, Options), PluginError> {
        let running = self.memory.running();
        let running = running
            .ok_or_else(|| PluginError("the instance has not told its options".to_owned()))?;
        Ok((running.shared.version, running.shared.options))
    }

    fn stage(&self, config: Option<(u64, &Options)>) -> Result<(), PluginError> {
        let staged =
            config.map(|(version, options)| StagedOptions { version, options: options.clone() });
        let staged = self.memory.stage(staged.as_ref());
        staged.map_err(|error| PluginError(format!("cannot keep the options: {error}")))
    }

    fn staged(&self) -> Option<(u64, Options)> {
        self.memory.staged().map(|staged| (staged.version, staged.options))
    }

    fn is_founder(&self) -> bool {
        self.memory.running().is_some_and(|running| running.is_founder)
    }

    fn keep(&self, state: &[u8]) {
        if let Err(error) = self.memory.keep(state) {
            log::line(format_args!("cluster: cannot keep who has a vote: {error}"));
        }
    }

    fn kept(&self) -> Option<Vec<u8>> {
        self.memory.kept()
    }

    fn reload(&self) -> Result<(), PluginError> {
        self.reload_within(RELOAD_PATIENCE)
    }
}

impl Parent {
    fn reload_within(&self, patience: Duration) -> Result<(), PluginError> {
        match door::ask_within(self.master, "reload", Some(patience)) {
            Ok(Some(Answer::Done | Answer::Text(_))) => Ok(()),
            Ok(Some(Answer::Failed(why))) => Err(PluginError(why)),
            Ok(None) => Err(PluginError("the master cannot be asked".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let _ = door::ask_within(self.master, GIVE_UP, Some(PATIENCE));
                let seconds = patience.as_secs();
                Err(PluginError(format!("it was not ready within {seconds} s")))
            }
            Err(error) => Err(PluginError(format!("the master does not answer: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};

    use super::*;
    use crate::shm::RunningOptions;

    /// An instance whose master is this process, which answers this, a line an answer.
    fn answered(answers: Vec<&'static str>) -> (Parent, std::thread::JoinHandle<Vec<String>>) {
        let master = i32::try_from(std::process::id()).unwrap();
        let address = SocketAddr::from_abstract_name(door::name(master)).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let answering = std::thread::spawn(move || {
            let ask = |answer: &&str| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
                // Who is not answered has to wait: that stream ends when all are served.
                (line.trim().to_owned(), answer.is_empty().then_some(stream))
            };
            let served: Vec<_> = answers.iter().map(ask).collect();
            served.into_iter().map(|(line, _)| line).collect()
        });
        (Parent { memory: ClusterMemory::new().unwrap(), master }, answering)
    }

    #[test]
    fn a_node_speaks_to_its_instance() {
        let load = "text:\n{\"workers\":2,\"threads\":8,\"busy\":3,\"queue\":1,\"requests\":99}\n";
        let answers = vec![
            load,
            "failed: no worker is ready\n",
            "ok\n",
            "failed: it is bad\n",
            "",
            "ok\n",
            "ok\n",
        ];
        let (parent, answering) = answered(answers);
        let expected = Load { workers: 2, threads: 8, busy: 3, queue: 1, requests: 99 };
        assert_eq!((parent.load(), parent.load()), (Some(expected), None));
        assert!(parent.reload().is_ok());
        assert_eq!(parent.reload().unwrap_err().to_string(), "it is bad");
        // The master does nothing more for one that hangs.
        let error = parent.reload_within(Duration::from_millis(10)).unwrap_err().to_string();
        assert_eq!(error, "it was not ready within 0 s");
        parent.drain(true);
        assert!(parent.is_draining());
        let asked = ["load", "load", "reload", "reload", "reload", GIVE_UP, "look"];
        assert_eq!(answering.join().unwrap(), asked);
        // Nobody is there any more.
        assert_eq!(parent.load(), None);
        assert!(parent.reload().is_err());
        parent.drain(false);
        assert!(!parent.is_draining());
        options_are_told_and_staged(&parent);
    }

    fn options_are_told_and_staged(parent: &Parent) {
        assert!(parent.config().is_err() && parent.address().is_empty());
        let options = vec![("socket".to_owned(), ":3031".to_owned())];
        let shared = StagedOptions { version: 5, options: options.clone() };
        let address = ":3031".to_owned();
        let running = RunningOptions { shared, address, ..RunningOptions::default() };
        parent.memory.run(&running).unwrap();
        assert_eq!(parent.config().unwrap(), (5, options.clone()));
        assert_eq!(parent.address(), ":3031");
        assert_eq!(parent.staged(), None);
        parent.stage(Some((6, &options))).unwrap();
        assert_eq!(parent.staged(), Some((6, options)));
        parent.stage(None).unwrap();
        assert_eq!(parent.staged(), None);
    }
}
