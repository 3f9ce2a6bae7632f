//! One rule a test, with a fake clock and files that are only told of. Processes count from 101.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::model::jobs::{
    Cron, Daemon as Spec, Field, Jobs as Config, Schedule, Then, Touch,
};

mod crons;
mod daemons;
mod gateways;
mod handover;
mod touches;

pub(super) const EVERY: Schedule = Schedule {
    minute: Field::Every(1),
    hour: Field::Every(1),
    day: Field::Every(1),
    month: Field::Every(1),
    weekday: Field::Every(1),
};

pub(super) fn config() -> Config {
    Config {
        crons: Vec::new(),
        daemons: Vec::new(),
        touches: Vec::new(),
        mercy: Duration::from_secs(3),
        gateway_mercy: Duration::from_secs(60),
        workers_wait: false,
    }
}

pub(super) fn cron(command: &str) -> Cron {
    Cron { schedule: EVERY, command: command.to_owned(), unique: false, harakiri: None }
}

pub(super) fn daemon(command: &str) -> Spec {
    Spec::new(format!("attach-daemon {command}"), command)
}

pub(super) fn touch(path: &str, then: Then) -> Touch {
    Touch { path: path.into(), then }
}

/// What the machine can see.
#[derive(Default)]
pub(super) struct Outside {
    pub(super) local: LocalTime,
    /// Another node leads the cluster.
    pub(super) follows: bool,
    pub(super) stamps: HashMap<PathBuf, Stamp>,
    pub(super) pidfiles: RefCell<HashMap<PathBuf, i32>>,
}

impl Surroundings for Outside {
    fn local(&self) -> LocalTime {
        self.local
    }
    fn stamp(&self, path: &Path) -> Option<Stamp> {
        self.stamps.get(path).copied()
    }
    fn runs_crons(&self) -> bool {
        !self.follows
    }
    fn pid_in(&self, file: &Path) -> Option<Pid> {
        self.pidfiles.borrow().get(file).map(|pid| Pid::from_raw(*pid))
    }
}

pub(super) fn stamp(time: i128) -> Stamp {
    Stamp { modified_ns: time, identity: (1, 7) }
}

struct World {
    jobs: Jobs,
    now: Millis,
    outside: Outside,
    next_pid: i32,
    starts_fail: bool,
    log: Vec<String>,
    /// Everything but lines of the log, as text.
    done: Vec<String>,
}

impl World {
    /// Begun at minute 1000 since 1970.
    fn of(config: Config) -> Self {
        let mut world = Self::before_begin(Jobs::new(Arc::new(config), Millis(0)));
        world.begin();
        world
    }

    fn before_begin(jobs: Jobs) -> Self {
        let outside = Outside { local: local(1_000), ..Outside::default() };
        let (log, done) = (Vec::new(), Vec::new());
        Self { jobs, now: Millis(100_000), outside, next_pid: 101, starts_fail: false, log, done }
    }

    fn begin(&mut self) {
        let mut actions = Vec::new();
        self.jobs.step(self.now, JobEvent::Begin(&self.outside), &mut actions);
        self.perform(actions);
    }

    fn send(&mut self, event: JobEvent<'_>) {
        let mut actions = Vec::new();
        self.jobs.step(self.now, event, &mut actions);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<JobAction>) {
        for action in actions {
            match action {
                JobAction::Start { job, again } => {
                    let again = if again { " again" } else { "" };
                    self.done.push(format!("start {job:?}{again}"));
                    if self.starts_fail {
                        let error = std::io::Error::from_raw_os_error(libc::EAGAIN);
                        self.send(JobEvent::StartFailed { job, error: &error });
                    } else {
                        let pid = Pid::from_raw(self.next_pid);
                        self.next_pid += 1;
                        self.send(JobEvent::Started { job, pid });
                    }
                }
                JobAction::Signal { pid, signal, whom } => {
                    let whom = if whom == Whom::GroupOrProcess { " or process" } else { "" };
                    self.done.push(format!("{signal} {pid}{whom}"));
                }
                JobAction::Log(line) => self.log.push(line),
                JobAction::Ask(command) => self.done.push(format!("ask {command:?}")),
            }
        }
    }

    /// Lets time pass, waking up whenever the machine wants to.
    fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(wake) = self.jobs.next_wake().filter(|&wake| wake <= end) {
            self.now = self.now.max(wake);
            let mut actions = Vec::new();
            self.jobs.step(self.now, JobEvent::Tick(&self.outside), &mut actions);
            self.perform(actions);
        }
        self.now = end;
    }

    fn exits(&mut self, pid: i32, code: i32) {
        self.send(JobEvent::Exited { pid: Pid::from_raw(pid), ended: Ended::Code(code) });
    }

    fn killed(&mut self, pid: i32) {
        self.send(JobEvent::Exited { pid: Pid::from_raw(pid), ended: Ended::Signal(9) });
    }

    /// What was done since it was asked last.
    fn done(&mut self) -> Vec<String> {
        std::mem::take(&mut self.done)
    }

    fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// What the next image of the master starts with.
    fn next_image(self, config: Config) -> Self {
        let lines = self.jobs.save();
        let mut jobs = Jobs::new(Arc::new(config), self.now);
        jobs.restore(lines.iter().map(String::as_str));
        Self { jobs, log: Vec::new(), done: Vec::new(), ..self }
    }
}

fn local(unix_minute: u64) -> LocalTime {
    LocalTime {
        unix_minute,
        minute: (unix_minute % 60) as u8,
        hour: 4,
        day: 27,
        month: 11,
        weekday: 5,
    }
}
