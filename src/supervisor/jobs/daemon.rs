//! One attached daemon (behaviour note 3.12); those with a pid file are in `smart`.
//!
//! ```text
//!         Start            Started           told to end
//!  Down ---------> Asked ---------> Up ------------------------> Ending --SIGKILL after the mercy--> killed
//!   ^                |               | ended                        | ended
//!   +---- pause <----+---------------+------------------------------+--- at a stop: Over
//! ```

use std::path::Path;

use super::smart::Smart;
use super::{
    Ended, Job, JobAction, Millis, Pid, Signal, Surroundings, Whom, kill, lines, milliseconds,
};
use crate::config::model::jobs::Daemon as Spec;
use crate::supervisor::Command;

/// A daemon that ends younger than this ends "at once".
const QUICK_DEATH_MS: u64 = 3_000;
/// Each death at once in a row makes the pause so much longer.
const THROTTLE_STEP_MS: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) state: State,
    /// Deaths at once in a row.
    pub(super) quick_deaths: u32,
    /// It had a process before.
    pub(super) again: bool,
    /// The pause before its next process.
    rests_until: Millis,
    /// Its end was asked for by a touched file: it says nothing about the next process.
    renewed: bool,
    /// What is known by its pid file, where it has one.
    pub(super) smart: Option<Smart>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No process until this moment.
    Down { start_at: Millis },
    /// `Start` was asked for and not answered.
    Asked,
    /// A process that nobody wants to end.
    Up { pid: Pid, since: Millis },
    /// It was told to end; killed at `kill_at`, which is `None` afterwards. Then it starts `again`, or not.
    Ending { pid: Pid, kill_at: Option<Millis>, again: bool },
    /// No process for good, or until it is wanted again.
    Over,
}

impl Daemon {
    pub(super) fn new(spec: &Spec) -> Self {
        Self {
            state: State::Down { start_at: Millis(0) },
            quick_deaths: 0,
            again: false,
            rests_until: Millis(0),
            renewed: false,
            smart: spec.pidfile.is_some().then(Smart::default),
        }
    }

    pub(super) fn is_smart(&self) -> bool {
        self.smart.is_some()
    }

    /// True where its end was asked for.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending { again: false, .. } | State::Over)
    }

    /// True where it has a process.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Asked | State::Up { .. } | State::Ending { .. })
    }

    /// A program on its own is never waited for.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_smart() || !self.is_running()
    }

    /// `starts`: it is started when its pause is over.
    pub(super) fn wake(&self, starts: bool) -> Option<Millis> {
        match self.state {
            // Whether one with a pid file is started is found out when the file is looked at.
            State::Down { start_at } => (starts && !self.is_smart()).then_some(start_at),
            State::Ending { kill_at, .. } => kill_at,
            State::Asked | State::Up { .. } | State::Over => None,
        }
    }

    /// `job`: what to start, where something may be started.
    pub(super) fn tick(
        &mut self,
        job: Option<Job>,
        spec: &Spec,
        now: Millis,
        actions: &mut Vec<JobAction>,
    ) {
        match self.state {
            State::Down { start_at } if now >= start_at => {
                if let Some(job) = job
                    && self.smart.as_mut().is_none_or(Smart::take_wish)
                {
                    self.state = State::Asked;
                    actions.push(JobAction::Start { job, again: self.again });
                }
            }
            State::Ending { pid, kill_at: Some(due), again } if now >= due => {
                self.state = State::Ending { pid, kill_at: None, again };
                actions.push(JobAction::Log(lines::no_mercy(pid, &spec.command)));
                actions.push(kill(pid));
            }
            _ => {}
        }
    }

    /// Looks at its pid file.
    pub(super) fn look(
        &mut self,
        spec: &Spec,
        world: &dyn Surroundings,
        now: Millis,
        actions: &mut Vec<JobAction>,
    ) {
        let idle = |state| matches!(state, State::Down { start_at } if now >= start_at);
        let (Some(smart), Some(file)) = (&mut self.smart, &spec.pidfile) else { return };
        let found = world.pid_in(file);
        let Some(since) = smart.look(spec, found, (now, idle(self.state)), actions) else { return };
        self.died(spec, since, now, actions);
        if let (true, Some(smart)) = (idle(self.state), &mut self.smart) {
            smart.wish = true;
        }
    }

    pub(super) fn started(&mut self, pid: Pid, now: Millis) {
        self.state = State::Up { pid, since: now };
        self.again = true;
        if let Some(smart) = &mut self.smart {
            smart.started(now);
        }
    }

    pub(super) fn start_failed(&mut self, spec: &Spec, now: Millis, actions: &mut Vec<JobAction>) {
        if self.state == State::Asked {
            self.state = State::Down { start_at: now };
            self.pause(spec, true, now, actions);
        }
    }

    /// True where it was this daemon's.
    pub(super) fn ended(
        &mut self,
        pid: Pid,
        ended: Ended,
        spec: &Spec,
        now: Millis,
        actions: &mut Vec<JobAction>,
    ) -> bool {
        let known = self.smart.as_ref().is_some_and(|smart| smart.is(pid));
        match self.state {
            State::Up { pid: ours, since } if ours == pid => {
                if ended != Ended::Code(0) {
                    let line = lines::daemon_ended(pid, &spec.command, ended);
                    actions.push(JobAction::Log(line));
                }
                self.state = State::Down { start_at: self.rests_until };
                // One with a pid file has perhaps gone to the background.
                if !self.is_smart() {
                    self.died(spec, since, now, actions);
                }
                true
            }
            State::Ending { pid: ours, again, .. } if ours == pid => {
                // What it has started must not outlive it.
                actions.push(kill(pid));
                if again {
                    self.state = State::Down { start_at: now };
                } else {
                    self.state = State::Over;
                    actions.push(JobAction::Log(lines::annihilated(pid, &spec.command)));
                }
                true
            }
            _ => known,
        }
    }

    /// Nobody had told it to end.
    fn died(&mut self, spec: &Spec, since: Millis, now: Millis, actions: &mut Vec<JobAction>) {
        let renewed = std::mem::take(&mut self.renewed);
        if spec.control && !renewed {
            if let State::Down { .. } = self.state {
                self.state = State::Over;
            }
            actions.push(JobAction::Ask(Command::GracefulStop));
            return;
        }
        let quick = now.since(since) < QUICK_DEATH_MS && !renewed;
        self.pause(spec, quick, now, actions);
    }

    /// No pause after a proper life; else a second more each time.
    fn pause(&mut self, spec: &Spec, quick: bool, now: Millis, actions: &mut Vec<JobAction>) {
        self.quick_deaths = if quick { self.quick_deaths.saturating_add(1) } else { 0 };
        // What waits for a gateway waits for all: the first time it comes back at once.
        let patience = u32::from(spec.gateway.is_some());
        let pause_ms = THROTTLE_STEP_MS
            .saturating_mul(u64::from(self.quick_deaths.saturating_sub(patience)))
            .min(milliseconds(spec.throttle_max));
        if pause_ms > 0 {
            actions.push(JobAction::Log(lines::throttling(&spec.command, pause_ms)));
        }
        self.rests_until = now + pause_ms;
        // Of a program with a pid file the shell may be left for a while.
        if let State::Down { start_at } = &mut self.state {
            *start_at = self.rests_until;
        }
    }

    /// One of its files was touched.
    pub(super) fn touch(&mut self, path: &Path, spec: &Spec, actions: &mut Vec<JobAction>) {
        let pid = match (&self.smart, self.state) {
            (Some(smart), _) => smart.pid(),
            (None, State::Up { pid, .. }) => Some(pid),
            _ => None,
        };
        let Some(pid) = pid else { return };
        self.renewed = true;
        actions.push(JobAction::Log(lines::daemon_touched(path, &spec.command, pid)));
        actions.push(signal(pid, spec.stop_signal, self.is_smart()));
    }

    /// The next image of the master has taken over: one of the server's own is started anew. A gateway goes on: whoever
    /// sends it requests is to notice nothing.
    pub(super) fn renew(&mut self, spec: &Spec, kill_at: Millis, actions: &mut Vec<JobAction>) {
        if spec.gateway.is_some() {
            return;
        }
        if let Some(smart) = &self.smart {
            if let (true, Some(pid), Some(told)) = (spec.notify, smart.pid(), spec.reload_signal) {
                actions.push(signal(pid, told, true));
            }
            return;
        }
        if let State::Up { pid, .. } = self.state {
            let told = spec.reload_signal.unwrap_or(spec.stop_signal);
            self.tell_to_end(pid, (told, kill_at, true), spec, actions);
        }
    }

    /// The instance ends.
    pub(super) fn stop(&mut self, spec: &Spec, kill_at: Millis, actions: &mut Vec<JobAction>) {
        match self.state {
            State::Down { .. } => self.state = State::Over,
            State::Up { .. } if self.is_smart() => {}
            State::Up { pid, .. } => {
                self.tell_to_end(pid, (spec.stop_signal, kill_at, false), spec, actions);
            }
            State::Ending { pid, kill_at: before, .. } => {
                let kill_at = before.map(|before| before.min(kill_at));
                self.state = State::Ending { pid, kill_at, again: false };
            }
            State::Asked | State::Over => {}
        }
    }

    /// It is wanted again, after [`Self::stop`].
    pub(super) fn resume(&mut self, now: Millis) {
        match &mut self.state {
            State::Over => self.state = State::Down { start_at: now },
            State::Ending { again, .. } => *again = true,
            State::Down { .. } | State::Asked | State::Up { .. } => {}
        }
    }

    fn tell_to_end(
        &mut self,
        pid: Pid,
        (told, kill_at, again): (Signal, Millis, bool),
        spec: &Spec,
        actions: &mut Vec<JobAction>,
    ) {
        actions.push(JobAction::Log(lines::stopping(pid, &spec.command)));
        actions.push(signal(pid, told, false));
        self.state = State::Ending { pid, kill_at: Some(kill_at), again };
    }
}

fn signal(pid: Pid, signal: Signal, smart: bool) -> JobAction {
    let whom = if smart { Whom::GroupOrProcess } else { Whom::Group };
    JobAction::Signal { pid, signal, whom }
}
