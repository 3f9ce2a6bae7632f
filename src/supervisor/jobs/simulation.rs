//! Random events against a small kernel: whatever happens, the promises of the module hold.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;

use super::tests::{Outside, config, cron, daemon, stamp};
use super::*;
use crate::config::model::jobs::{Cron, Daemon as Spec, Jobs as Config, Then, Touch};
use crate::supervisor::Command;

const MERCY_MS: u64 = 3_000;
/// A killed process is collected within this time.
const REAP_MS_MAX: u64 = 20;

#[derive(Clone, Debug)]
enum Step {
    Pass {
        ms: u64,
    },
    Exit(Index, i32),
    /// It does not end by any signal but SIGKILL.
    Hang(Index),
    /// The program behind the pid file appears, or is gone.
    PidFile(bool),
    Touch,
    StartsFail(bool),
    /// The next image, with this configuration.
    Reload(usize),
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4_000_u64).prop_map(|ms| Step::Pass { ms }),
        4 => (any::<Index>(), 0..3).prop_map(|(which, code)| Step::Exit(which, code)),
        2 => any::<Index>().prop_map(Step::Hang),
        2 => any::<bool>().prop_map(Step::PidFile),
        1 => Just(Step::Touch),
        1 => any::<bool>().prop_map(Step::StartsFail),
        2 => (0..3_usize).prop_map(Step::Reload),
        1 => Just(Step::Stop),
    ]
}

fn configuration(number: usize) -> Arc<Config> {
    let smart = Spec { pidfile: Some("p".into()), freq: Duration::from_secs(2), ..daemon("smart") };
    let touched = Spec { touch: vec!["t".into()], ..daemon("touched") };
    let daemons = match number {
        0 => vec![daemon("a"), touched, smart],
        1 => vec![smart, daemon("b"), daemon("a")],
        _ => vec![daemon("b")],
    };
    let unique = Cron { unique: true, harakiri: Some(Duration::from_secs(50)), ..cron("c") };
    let touches = vec![Touch { path: "t".into(), then: Then::Reload }];
    Arc::new(Config { crons: vec![unique], daemons, touches, ..config() })
}

struct Process {
    text: String,
    own: bool,
    hangs: bool,
    dead: Option<(Millis, Ended)>,
}

struct Kernel {
    jobs: Jobs,
    config: Arc<Config>,
    now: Millis,
    outside: Outside,
    next_pid: i32,
    processes: BTreeMap<i32, Process>,
    /// Whose end was told last: its session may be signalled once more.
    last_buried: i32,
    starts_fail: bool,
    stopped: Option<Millis>,
}

impl Kernel {
    fn new() -> Self {
        let config = configuration(0);
        let now = Millis(1_000_000);
        let jobs = Jobs::new(config.clone(), now);
        Self {
            jobs,
            config,
            now,
            outside: Outside::default(),
            next_pid: 101,
            processes: BTreeMap::new(),
            last_buried: 0,
            starts_fail: false,
            stopped: None,
        }
    }

    fn send(&mut self, event: JobEvent<'_>) {
        let mut actions = Vec::new();
        self.jobs.step(self.now, event, &mut actions);
        self.perform(actions);
    }

    fn look(&mut self, begins: bool) {
        self.outside.local.unix_minute = self.now.0 / 60_000;
        let mut actions = Vec::new();
        let event = match begins {
            true => JobEvent::Begin(&self.outside),
            false => JobEvent::Tick(&self.outside),
        };
        self.jobs.step(self.now, event, &mut actions);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<JobAction>) {
        for action in actions {
            match action {
                JobAction::Start { job, .. } => self.start(job),
                JobAction::Signal { pid, signal, whom } => self.signal(pid, signal, whom),
                JobAction::Log(_) => {}
                JobAction::Ask(command) => assert_eq!(command, Command::Reload),
            }
        }
    }

    fn start(&mut self, job: Job) {
        assert!(self.stopped.is_none(), "{job:?} is started after the stop");
        if self.starts_fail {
            let error = std::io::Error::from_raw_os_error(libc::EAGAIN);
            return self.send(JobEvent::StartFailed { job, error: &error });
        }
        let (text, own) = match job {
            Job::Cron(index) => (self.config.crons[index].command.clone(), false),
            Job::Daemon(index) => {
                let spec = &self.config.daemons[index];
                (spec.text.clone(), spec.pidfile.is_none())
            }
            Job::Touch(_) => unreachable!("none is configured"),
        };
        let twice = self.processes.values().any(|process| process.text == text);
        assert!(!twice, "{text} runs twice");
        if text.contains("smart") {
            assert!(self.outside.pidfiles.borrow().is_empty(), "{text} runs already");
        }
        let pid = self.next_pid;
        self.next_pid += 1;
        self.processes.insert(pid, Process { text, own, hangs: false, dead: None });
        self.send(JobEvent::Started { job, pid: Pid::from_raw(pid) });
    }

    fn signal(&mut self, pid: Pid, signal: Signal, whom: Whom) {
        let raw = pid.as_raw();
        if let Some(process) = self.processes.get_mut(&raw) {
            if signal == Signal::SIGKILL || !process.hangs {
                let dead = (self.now + REAP_MS_MAX, Ended::Signal(signal as i32));
                process.dead.get_or_insert(dead);
            }
            return;
        }
        if whom == Whom::GroupOrProcess
            && self.outside.pidfiles.borrow().values().any(|it| *it == raw)
        {
            return;
        }
        assert_eq!(raw, self.last_buried, "{signal} to a process that is no more");
    }

    fn reap(&mut self) {
        let dead = |(pid, process): (&i32, &Process)| {
            process.dead.filter(|(at, _)| *at <= self.now).map(|(_, ended)| (*pid, ended))
        };
        if let Some((pid, ended)) = self.processes.iter().find_map(dead) {
            self.processes.remove(&pid);
            self.last_buried = pid;
            self.send(JobEvent::Exited { pid: Pid::from_raw(pid), ended });
            self.reap();
        }
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        loop {
            self.reap();
            let deaths =
                self.processes.values().filter_map(|process| process.dead.map(|(at, _)| at));
            let next = deaths.chain(self.jobs.next_wake()).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if self.jobs.next_wake().is_some_and(|wake| wake <= self.now) {
                self.look(false);
            }
        }
        self.now = end;
        if self.stopped.is_some_and(|stopped| self.now > stopped + MERCY_MS + REAP_MS_MAX) {
            assert!(self.jobs.is_quiet());
            assert!(self.processes.values().all(|process| !process.own), "a daemon is left");
        }
    }

    fn pick(&mut self, which: &Index) -> Option<&mut Process> {
        let pids: Vec<i32> = self.processes.keys().copied().collect();
        if pids.is_empty() { None } else { self.processes.get_mut(which.get(&pids)) }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Pass { ms } => self.pass(*ms),
            Step::Exit(which, code) => {
                let now = self.now;
                if let Some(process) = self.pick(which) {
                    process.dead.get_or_insert((now, Ended::Code(*code)));
                }
                self.reap();
            }
            Step::Hang(which) => {
                if let Some(process) = self.pick(which) {
                    process.hangs = true;
                }
            }
            Step::PidFile(lives) => {
                let mut files = self.outside.pidfiles.borrow_mut();
                files.clear();
                let started = self.processes.values().any(|process| process.text.contains("smart"));
                if *lives && started {
                    files.insert("p".into(), 50_000);
                }
            }
            Step::Touch => {
                let time = i128::from(self.now.0);
                self.outside.stamps.insert("t".into(), stamp(time));
                self.send(JobEvent::Changed { path: Path::new("t") });
            }
            Step::StartsFail(fail) => self.starts_fail = *fail,
            Step::Reload(number) if self.stopped.is_none() => {
                let lines = self.jobs.save();
                self.config = configuration(*number);
                if self.config.daemons.iter().all(|spec| spec.pidfile.is_none()) {
                    // A program of its own that is configured no more is nobody's.
                    self.processes.retain(|_, process| !process.text.contains("smart"));
                }
                self.jobs = Jobs::new(self.config.clone(), self.now);
                self.jobs.restore(lines.iter().map(String::as_str));
                self.look(true);
            }
            Step::Reload(_) => {}
            Step::Stop => {
                self.stopped.get_or_insert(self.now);
                self.send(JobEvent::Stopping);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_promises_hold(steps in prop::collection::vec(step(), 1..200)) {
        let mut kernel = Kernel::new();
        kernel.look(true);
        for step in &steps {
            kernel.take(step);
        }
        if kernel.stopped.is_none() {
            // Nothing bad happens any more: every daemon of the configuration comes to life.
            kernel.starts_fail = false;
            kernel.pass(MERCY_MS + REAP_MS_MAX + 300_000);
            for spec in kernel.config.daemons.iter().filter(|spec| spec.pidfile.is_none()) {
                let count = kernel.processes.values().filter(|one| one.text == spec.text).count();
                prop_assert_eq!(count, 1, "{}", &spec.text);
            }
        }
        kernel.take(&Step::Stop);
        kernel.pass(MERCY_MS + REAP_MS_MAX + 1);
        prop_assert!(kernel.jobs.is_quiet());
    }
}
