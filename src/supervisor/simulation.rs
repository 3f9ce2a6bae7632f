//! Random events against a model of the kernel: processes that serve, hang, die and are reaped late.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use proptest::sample::Index;

use super::slot::THROTTLE_MS_MAX;
use super::*;

const MERCY_MS: u64 = 5_000;
const THROTTLE_MS: u64 = 500;
/// A killed process is reaped within this time in the model.
const REAP_MS_MAX: u64 = 400;

/// What happens next; indices choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Pass {
        ms: u64,
    },
    Signal(Signal),
    Asked {
        stop: bool,
    },
    Ready(Index),
    Draining(Index),
    Exit(Index, Ended),
    /// The process ignores its channel from now on.
    Hang(Index),
    Request {
        worker: Index,
        core: u16,
        due_in_ms: u64,
    },
    RequestEnds(Index),
    ForksFail(bool),
    StrangerExits,
    ReexecFails(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let ended = prop_oneof![
        prop_oneof![Just(0), Just(1), Just(5), Just(17), Just(22), Just(30)].prop_map(Ended::Code),
        prop_oneof![Just(9), Just(11), Just(15)].prop_map(Ended::Signal),
    ];
    let reloads = prop_oneof![Just(Signal::SIGHUP), Just(Signal::SIGTERM), Just(Signal::SIGUSR2)];
    prop_oneof![
        100 => (0..2_500_u64).prop_map(|ms| Step::Pass { ms }),
        8 => reloads.prop_map(Step::Signal),
        1 => prop_oneof![Just(Signal::SIGINT), Just(Signal::SIGQUIT)].prop_map(Step::Signal),
        1 => any::<bool>().prop_map(|stop| Step::Asked { stop }),
        60 => any::<Index>().prop_map(Step::Ready),
        8 => any::<Index>().prop_map(Step::Draining),
        60 => (any::<Index>(), ended).prop_map(|(which, ended)| Step::Exit(which, ended)),
        20 => any::<Index>().prop_map(Step::Hang),
        30 => (any::<Index>(), 0..2_u16, 0..6_000_u64)
            .prop_map(|(worker, core, due_in_ms)| Step::Request { worker, core, due_in_ms }),
        20 => any::<Index>().prop_map(Step::RequestEnds),
        1 => any::<bool>().prop_map(Step::ForksFail),
        1 => Just(Step::StrangerExits),
        1 => any::<bool>().prop_map(Step::ReexecFails),
    ]
}

#[derive(Debug)]
struct Process {
    worker: WorkerId,
    hangs: bool,
    /// It has ended, and will be reaped at this moment.
    dead: Option<(Millis, Ended)>,
}

struct Kernel {
    supervisor: Supervisor,
    now: Millis,
    processes: BTreeMap<i32, Process>,
    next_pid: i32,
    requests: HashMap<(WorkerId, CoreId), Millis>,
    forks_fail: bool,
    reexec_fails: bool,
    /// A stop was asked for at this moment.
    stopped: Option<Millis>,
    ever_ready: bool,
    over: bool,
}

struct Requests<'a>(&'a HashMap<(WorkerId, CoreId), Millis>);

impl Cores for Requests<'_> {
    fn due(&self, worker: WorkerId, core: CoreId) -> Option<Millis> {
        self.0.get(&(worker, core)).copied()
    }
    fn running(&self, worker: WorkerId, core: CoreId) -> Option<Running> {
        self.0.contains_key(&(worker, core)).then(Running::default)
    }
}

impl Kernel {
    fn new(settings: Settings) -> Self {
        Self {
            supervisor: Supervisor::new(settings, Millis(0)),
            now: Millis(0),
            processes: BTreeMap::new(),
            next_pid: 100,
            requests: HashMap::new(),
            forks_fail: false,
            reexec_fails: false,
            stopped: None,
            ever_ready: false,
            over: false,
        }
    }

    fn send(&mut self, event: Event<'_>) {
        let mut actions = Vec::new();
        self.supervisor.step(self.now, event, &mut actions);
        self.perform(actions);
    }

    fn tick(&mut self) {
        let mut actions = Vec::new();
        self.supervisor.step(self.now, Event::Tick(&Requests(&self.requests)), &mut actions);
        self.perform(actions);
        let next = self.supervisor.next_wake();
        assert!(
            next.is_none_or(|next| next > self.now),
            "spins: wants to wake at {next:?}, now {:?}",
            self.now
        );
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            assert!(!self.over, "{action:?} after the end");
            match action {
                Action::Spawn { worker } => self.fork(worker),
                Action::Tell { worker, pid, order } => self.tell(worker, pid, order),
                Action::Kill { pid, signal } => self.kill(pid, signal),
                Action::Log(line) if line == lines::NEED_APP => {
                    assert!(!self.ever_ready, "an application that served once may fail later");
                    self.stopped.get_or_insert(self.now);
                }
                Action::Log(_) => {}
                Action::Reexec => self.reexec(),
                Action::Exit { .. } => {
                    assert!(self.stopped.is_some(), "exit without a stop");
                    assert!(self.processes.is_empty(), "exit with children: {:?}", self.processes);
                    self.over = true;
                }
            }
        }
    }

    fn fork(&mut self, worker: WorkerId) {
        let taken = self.processes.values().any(|process| process.worker == worker);
        assert!(!taken, "two processes in slot {worker}");
        assert!(self.stopped.is_none(), "a spawn after a stop");
        if self.forks_fail {
            self.send(Event::SpawnFailed { worker, error: &std::io::Error::from_raw_os_error(11) });
            return;
        }
        self.requests.retain(|(owner, _), _| *owner != worker);
        self.next_pid += 1;
        self.processes.insert(self.next_pid, Process { worker, hangs: false, dead: None });
        self.send(Event::Spawned { worker, pid: Pid::from_raw(self.next_pid) });
    }

    fn tell(&mut self, worker: WorkerId, pid: Pid, order: Order) {
        let process = self.processes.get_mut(&pid.as_raw()).expect("told a process that is gone");
        assert_eq!(process.worker, worker);
        if process.hangs || process.dead.is_some() {
            return;
        }
        let (delay, ended) = match order {
            Order::Stop => (100, Ended::Code(exit_code::END)),
            Order::Drain => (800, Ended::Code(exit_code::RECYCLE)),
            Order::Harakiri { .. } => (600, Ended::Signal(9)),
        };
        process.dead = Some((self.now + delay, ended));
    }

    fn kill(&mut self, pid: Pid, signal: Signal) {
        // A reaped pid may belong to anybody.
        let process = self.processes.get_mut(&pid.as_raw()).expect("killed a process that is gone");
        let reaped = self.now + u64::from(pid.as_raw().unsigned_abs()) % REAP_MS_MAX;
        if signal == Signal::SIGKILL {
            let earlier = process.dead.filter(|(at, _)| *at < reaped);
            process.dead = earlier.or(Some((reaped, Ended::Signal(9))));
        } else if !process.hangs && process.dead.is_none() {
            process.dead = Some((reaped, Ended::Signal(signal as i32)));
        }
    }

    fn reexec(&mut self) {
        assert!(self.processes.is_empty(), "reexec with children: {:?}", self.processes);
        assert!(self.stopped.is_none(), "a reload after a stop");
        if self.reexec_fails {
            self.send(Event::ReexecFailed { error: &std::io::Error::other("gone") });
        } else {
            self.over = true;
        }
    }

    fn reap(&mut self) {
        while let Some((&pid, _)) = self
            .processes
            .iter()
            .find(|(_, process)| process.dead.is_some_and(|(at, _)| at <= self.now))
        {
            let process = self.processes.remove(&pid).expect("found above");
            self.requests.retain(|(owner, _), _| *owner != process.worker);
            let (_, ended) = process.dead.expect("found above");
            self.send(Event::Exited { pid: Pid::from_raw(pid), ended });
        }
    }

    /// Time passes; the supervisor wakes when it wants, children are reaped when they are dead.
    fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        loop {
            self.reap();
            let deaths =
                self.processes.values().filter_map(|process| process.dead).map(|(at, _)| at);
            let next = deaths.chain(self.supervisor.next_wake()).min();
            match next.filter(|&next| next <= end && !self.over) {
                None => break,
                Some(next) => self.now = self.now.max(next),
            }
            if self.supervisor.next_wake().is_some_and(|wake| wake <= self.now) {
                self.tick();
            }
        }
        self.now = end;
        if let Some(stopped) = self.stopped {
            let limit = stopped + MERCY_MS + REAP_MS_MAX;
            assert!(
                self.over || self.now <= limit,
                "not over {} ms after the stop",
                self.now.since(stopped)
            );
        }
    }

    fn pick(&self, which: &Index) -> Option<i32> {
        (!self.processes.is_empty()).then(|| {
            let pids: Vec<i32> = self.processes.keys().copied().collect();
            *which.get(&pids)
        })
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Pass { ms } => self.pass(*ms),
            Step::Signal(signal) => {
                if matches!(signal, Signal::SIGINT | Signal::SIGQUIT) {
                    self.stopped.get_or_insert(self.now);
                }
                self.send(Event::Signal(*signal));
            }
            Step::Asked { stop: true } => {
                self.stopped.get_or_insert(self.now);
                self.send(Event::StopAsked);
            }
            Step::Asked { stop: false } => self.send(Event::ReloadAsked),
            Step::Ready(which) => {
                if let Some(pid) = self.pick(which) {
                    let worker = self.processes[&pid].worker;
                    self.ever_ready = true;
                    self.send(Event::Ready { worker });
                }
            }
            Step::Draining(which) => {
                if let Some(pid) = self.pick(which) {
                    let worker = self.processes[&pid].worker;
                    self.send(Event::Draining { worker });
                }
            }
            Step::Exit(which, ended) => {
                if let Some(process) = self.pick(which).and_then(|pid| self.processes.get_mut(&pid))
                {
                    process.dead.get_or_insert((self.now, *ended));
                }
                self.reap();
            }
            Step::Hang(which) => {
                if let Some(process) = self.pick(which).and_then(|pid| self.processes.get_mut(&pid))
                {
                    process.hangs = true;
                }
            }
            Step::Request { worker, core, due_in_ms } => {
                if let Some(pid) = self.pick(worker) {
                    let worker = self.processes[&pid].worker;
                    self.requests.insert((worker, CoreId(*core)), self.now + *due_in_ms);
                }
            }
            Step::RequestEnds(which) => {
                let mut keys: Vec<_> = self.requests.keys().copied().collect();
                keys.sort_unstable();
                if !keys.is_empty() {
                    self.requests.remove(which.get(&keys));
                }
            }
            Step::ForksFail(fail) => self.forks_fail = *fail,
            Step::StrangerExits => {
                self.send(Event::Exited { pid: Pid::from_raw(7), ended: Ended::Code(0) });
            }
            Step::ReexecFails(fail) => self.reexec_fails = *fail,
        }
    }

    /// Nothing bad happens any more: every slot must come to life again.
    fn settle(&mut self) {
        self.forks_fail = false;
        self.requests.clear();
        self.pass(MERCY_MS + REAP_MS_MAX + THROTTLE_MS_MAX + 1_000);
        if self.over || self.stopped.is_some() {
            return;
        }
        let mut alive: Vec<u16> = self.processes.values().map(|process| process.worker.0).collect();
        alive.sort_unstable();
        assert_eq!(alive, [1, 2, 3], "a slot was lost: {:?}", self.supervisor);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_promises_hold(
        steps in prop::collection::vec(step(), 1..250),
        need_app in any::<bool>(),
        harakiri in prop::option::of(1_000..4_000_u64),
    ) {
        let mut kernel = Kernel::new(Settings {
            workers: 3,
            cores: 2,
            harakiri_ms: harakiri,
            mercy_ms: MERCY_MS,
            throttle_ms: THROTTLE_MS,
            die_on_term: false,
            need_app,
        });
        kernel.send(Event::Start);
        for step in &steps {
            kernel.take(step);
        }
        kernel.settle();
        // A stop is never lost, whatever state it meets.
        kernel.take(&Step::Signal(Signal::SIGINT));
        kernel.pass(MERCY_MS + REAP_MS_MAX);
        prop_assert!(kernel.over);
    }
}
