//! What is known of a daemon by its pid file.
//!
//! The file is looked at once a second. As long as it names a living process, that is the daemon, whoever has started it.
//! When there is none the daemon is started, and then it may take `freq` until the file names it: programs that go to the
//! background write it late.

use super::{JobAction, Millis, Pid, lines, milliseconds};
use crate::config::model::jobs::Daemon as Spec;

#[derive(Debug, Default)]
pub(super) struct Smart {
    /// The living process that the file named last.
    pid: Option<Pid>,
    /// When the program was started, or the process found.
    pub(super) since: Option<Millis>,
    /// It is to be started.
    pub(super) wish: bool,
    /// It was complained about since the start.
    complained: bool,
}

impl Smart {
    pub(super) fn pid(&self) -> Option<Pid> {
        self.pid
    }

    pub(super) fn is(&self, pid: Pid) -> bool {
        self.pid == Some(pid)
    }

    /// Whether it is to be started; true once.
    pub(super) fn take_wish(&mut self) -> bool {
        std::mem::take(&mut self.wish)
    }

    pub(super) fn started(&mut self, now: Millis) {
        self.since = Some(now);
        self.complained = false;
    }

    /// `found`: the living process in the file; `idle`: no program that was started runs, and no pause is to be kept.
    /// Where the daemon is lost, returns since when it was there.
    pub(super) fn look(
        &mut self,
        spec: &Spec,
        found: Option<Pid>,
        (now, idle): (Millis, bool),
        actions: &mut Vec<JobAction>,
    ) -> Option<Millis> {
        let mut log = |line| actions.push(JobAction::Log(line));
        match (self.pid, found) {
            (Some(old), Some(new)) if old == new => {}
            (Some(old), Some(new)) => {
                log(lines::changed_pid(&spec.command, old, new));
                self.pid = found;
            }
            (None, Some(pid)) => {
                log(lines::valid_pidfile(&spec.command, pid));
                self.pid = found;
                self.since.get_or_insert(now);
            }
            (Some(_), None) => {
                self.pid = None;
                return Some(self.since.take().unwrap_or(now));
            }
            (None, None) => {
                let late = self.since.map(|since| now >= since + milliseconds(spec.freq));
                if late == Some(true) && !self.complained {
                    log(lines::did_not_daemonize(&spec.command));
                    self.complained = true;
                }
                self.wish = idle && late != Some(false);
            }
        }
        None
    }
}
