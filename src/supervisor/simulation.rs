//! Random events against a model of the kernel: molds that load or do not, processes that serve, hang, die and are
//! reaped late.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const WORKERS: u16 = 3;
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
    Command(Command),
    StopAsked,
    /// What a loading mold comes to.
    MoldLoads {
        workers: u16,
    },
    MoldDies(Index, i32),
    MoldsHang(bool),
    Spent(Index),
    /// Somebody connects, whoever is there.
    Connects,
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
    use Command::{
        BrutalReload, BrutalReloadWorkers, ChainReload, DrainWorkers, FewerWorkers, GoCheap,
        MoreWorkers, Pause, Reload, ReloadWorkers,
    };
    let commands = prop::sample::select(vec![
        Reload,
        Reload,
        Reload,
        BrutalReload,
        ReloadWorkers,
        BrutalReloadWorkers,
        ChainReload,
        DrainWorkers,
        GoCheap,
        FewerWorkers,
        MoreWorkers,
        MoreWorkers,
        Pause,
    ]);
    let stops = prop::sample::select(vec![Command::Stop, Command::GracefulStop]);
    prop_oneof![
        100 => (0..2_500_u64).prop_map(|ms| Step::Pass { ms }),
        20 => commands.prop_map(Step::Command),
        1 => stops.prop_map(Step::Command),
        1 => Just(Step::StopAsked),
        40 => (1..5_u16).prop_map(|workers| Step::MoldLoads { workers }),
        4 => (any::<Index>(), prop::sample::select(vec![0, 1, 3, 22])).prop_map(|(which, code)| Step::MoldDies(which, code)),
        2 => any::<bool>().prop_map(Step::MoldsHang),
        60 => any::<Index>().prop_map(Step::Ready),
        8 => any::<Index>().prop_map(Step::Draining),
        8 => any::<Index>().prop_map(Step::Spent),
        8 => Just(Step::Connects),
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

prop_compose! {
    fn scaling()(
        least in prop::option::of(1..WORKERS),
        idle in prop::option::of(2..20_u64),
        (cheap, die_on_idle) in (any::<bool>(), prop::bool::weighted(0.1)),
    ) -> Scaling {
        let (initial, idle) = (least.unwrap_or(WORKERS), idle.map(Duration::from_secs));
        Scaling { least, initial, idle, cheap, die_on_idle, ..Scaling::all(WORKERS) }
    }
}

#[derive(Debug)]
struct Process {
    worker: WorkerId,
    seat: Seat,
    /// It serves as its worker and was not told to end.
    serving: bool,
    hangs: bool,
    /// It has ended, and will be reaped at this moment.
    dead: Option<(Millis, Ended)>,
}

#[derive(Debug)]
struct Mold {
    workers: Option<u16>,
    /// It ends at this moment.
    ends: Option<(Millis, Ended)>,
}

struct Kernel {
    supervisor: Supervisor,
    settings: Settings,
    now: Millis,
    molds: BTreeMap<Generation, Mold>,
    molds_hang: bool,
    ever_loaded: bool,
    processes: BTreeMap<i32, Process>,
    next_pid: i32,
    requests: HashMap<(Seat, CoreId), Millis>,
    forks_fail: bool,
    reexec_fails: bool,
    /// A stop was asked for at this moment.
    stopped: Option<Millis>,
    /// An order to end that is no reload: less workers are wanted, or all at once.
    fewer_on_purpose: bool,
    /// The listeners are watched.
    watching: bool,
    over: bool,
}

struct Requests<'a>(&'a HashMap<(Seat, CoreId), Millis>);

impl Cores for Requests<'_> {
    fn due(&self, seat: Seat, core: CoreId) -> Option<Millis> {
        self.0.get(&(seat, core)).copied()
    }
    fn work(&self, seat: Seat, _now: Millis) -> Work {
        Work { busy: self.0.keys().any(|(one, _)| *one == seat), ..Work::default() }
    }
    fn running(&self, seat: Seat, core: CoreId) -> Option<Running> {
        self.0.contains_key(&(seat, core)).then(Running::default)
    }
}

impl Kernel {
    fn new(settings: Settings) -> Self {
        Self {
            supervisor: Supervisor::new(settings.clone(), Millis(0)),
            settings,
            now: Millis(0),
            molds: BTreeMap::new(),
            molds_hang: false,
            ever_loaded: false,
            processes: BTreeMap::new(),
            next_pid: 100,
            requests: HashMap::new(),
            forks_fail: false,
            reexec_fails: false,
            stopped: None,
            fewer_on_purpose: false,
            watching: false,
            over: false,
        }
    }

    fn send(&mut self, event: Event<'_>) {
        if self.over {
            return;
        }
        let mut actions = Vec::new();
        self.supervisor.step(self.now, event, &mut actions);
        self.perform(actions);
    }

    fn tick(&mut self) {
        let mut actions = Vec::new();
        self.supervisor.step(self.now, Event::Tick(&Requests(&self.requests)), &mut actions);
        self.perform(actions);
        let next = self.supervisor.next_wake();
        let asleep = self.supervisor.is_asleep() && self.ever_loaded && self.stopped.is_none();
        assert!(!asleep || self.watching, "nobody hears of the next connection");
        assert!(
            self.over || next.is_none_or(|next| next > self.now),
            "spins: wants to wake at {next:?}, now {:?}",
            self.now
        );
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            assert!(!self.over, "{action:?} after the end");
            match action {
                Action::StartMold { generation } => {
                    assert!(self.stopped.is_none(), "a mold after a stop");
                    let before = self.molds.insert(generation, Mold { workers: None, ends: None });
                    assert!(before.is_none(), "two molds of {generation:?}");
                }
                Action::DismissMold { generation } | Action::KillMold { generation } => {
                    let at = self.now + 300;
                    let gently = matches!(action, Action::DismissMold { .. });
                    let ended = if gently { Ended::Code(0) } else { Ended::Signal(9) };
                    let mold = self.molds.get_mut(&generation).expect("a mold that is gone");
                    if !(gently && self.molds_hang) {
                        mold.ends.get_or_insert((at, ended));
                    }
                }
                Action::Spawn { seat, worker, .. } => self.fork(seat, worker),
                Action::Tell { seat, pid, order } => self.tell(seat, pid, order),
                Action::Kill { pid, signal } => self.kill(pid, signal),
                Action::Log(line) if line == lines::NEED_APP => {
                    self.stopped.get_or_insert(self.now);
                }
                Action::WatchListeners(watch) => self.watching = watch,
                Action::Log(_) | Action::Report(_) | Action::Perform(_) | Action::Seated { .. } => {
                }
                Action::Stopping { .. } => {
                    self.stopped.get_or_insert(self.now);
                }
                Action::Reexec => self.reexec(),
                Action::Exit { .. } => {
                    assert!(self.stopped.is_some(), "exit without a stop");
                    assert!(self.processes.is_empty(), "exit with children: {:?}", self.processes);
                    assert!(self.molds.is_empty(), "exit with molds: {:?}", self.molds);
                    self.over = true;
                }
            }
        }
    }

    fn fork(&mut self, seat: Seat, worker: WorkerId) {
        let taken = self.processes.values().any(|process| process.seat == seat);
        assert!(!taken, "two processes at {seat:?}");
        assert!(self.stopped.is_none(), "a spawn after a stop");
        let mold = self.molds.get(&seat.generation).expect("a mold to fork from");
        let workers = mold.workers.expect("a mold that has loaded");
        assert!(seat.place.0 < 2 * workers, "no such place: {seat:?}");
        if self.forks_fail {
            self.send(Event::SpawnFailed { seat, error: &std::io::Error::from_raw_os_error(11) });
            return;
        }
        self.requests.retain(|(owner, _), _| *owner != seat);
        self.next_pid += 1;
        let process = Process { worker, seat, serving: false, hangs: false, dead: None };
        self.processes.insert(self.next_pid, process);
        self.send(Event::Spawned { seat, pid: Pid::from_raw(self.next_pid) });
    }

    fn tell(&mut self, seat: Seat, pid: Pid, order: Order) {
        let process = self.processes.get_mut(&pid.as_raw()).expect("told a process that is gone");
        assert_eq!(process.seat, seat);
        let worker = process.worker;
        let ends =
            matches!(order, Order::Drain | Order::Finish | Order::Stop | Order::Harakiri { .. });
        let served = ends && std::mem::replace(&mut process.serving, false);
        if !process.hangs && process.dead.is_none() {
            match order {
                Order::Stop => process.dead = Some((self.now + 100, Ended::Code(exit_code::END))),
                Order::Drain | Order::Finish => {
                    process.dead = Some((self.now + 800, Ended::Code(exit_code::RECYCLE)));
                }
                Order::Harakiri { .. } => process.dead = Some((self.now + 600, Ended::Signal(9))),
                Order::Pause | Order::Resume | Order::LameDuck => {}
                // The request may end or not; that is a step of its own.
                Order::LogStack { .. } | Order::Interrupt { .. } => {}
            }
        }
        let quits = order == Order::Drain && !process.hangs;
        // The heart of it: nobody who serves is sent away before somebody else serves in its place.
        if served
            && matches!(order, Order::Drain)
            && !self.fewer_on_purpose
            && self.stopped.is_none()
        {
            let other = |process: &Process| process.worker == worker && process.serving;
            assert!(
                self.processes.values().any(other) || !self.supervisor.wanted.has(worker),
                "nobody serves as worker {worker}"
            );
        }
        if quits {
            self.send(Event::Draining { seat });
        }
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
        assert!(self.stopped.is_none(), "a reload after a stop");
        if self.reexec_fails {
            self.send(Event::ReexecFailed { error: &std::io::Error::other("gone") });
            return;
        }
        let saved = self.supervisor.save(self.now);
        for process in &saved.processes {
            assert!(self.processes.contains_key(&process.pid.as_raw()), "a process that is gone");
        }
        assert_eq!(saved.processes.len(), self.processes.len(), "somebody is forgotten");
        let molds = saved.leaving_molds.iter().map(|(generation, _)| *generation);
        let mut molds: Vec<Generation> = molds.chain([saved.generation]).collect();
        molds.sort_unstable();
        assert!(self.molds.keys().copied().eq(molds), "a mold is forgotten");
        let workers = saved.workers;
        self.settings.workers = workers;
        self.supervisor = Supervisor::resume(self.settings.clone(), &saved, self.now);
    }

    fn reap(&mut self) {
        let ended =
            |at: Option<(Millis, Ended)>, now| at.filter(|(at, _)| *at <= now).map(|(_, how)| how);
        while let Some((generation, how)) = self
            .molds
            .iter()
            .find_map(|(generation, mold)| Some((*generation, ended(mold.ends, self.now)?)))
        {
            self.molds.remove(&generation);
            self.send(Event::MoldEnded { generation, ended: how });
        }
        while let Some((pid, how)) = self
            .processes
            .iter()
            .find_map(|(pid, process)| Some((*pid, ended(process.dead, self.now)?)))
        {
            let process = self.processes.remove(&pid).expect("found above");
            self.requests.retain(|(owner, _), _| *owner != process.seat);
            self.send(Event::Exited { pid: Pid::from_raw(pid), ended: how });
        }
    }

    /// Time passes; the supervisor wakes when it wants, children are reaped when they are dead.
    fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        loop {
            self.reap();
            let deaths = self.processes.values().filter_map(|process| process.dead);
            let ends = self.molds.values().filter_map(|mold| mold.ends);
            let moments = deaths.chain(ends).map(|(at, _)| at);
            let next = moments.chain(self.supervisor.next_wake()).min();
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
            let limit = stopped + MERCY_MS + 2 * REAP_MS_MAX + 2_000;
            assert!(
                self.over || self.now <= limit,
                "not over {} ms after the stop: {:?}",
                self.now.since(stopped),
                self.supervisor
            );
        }
    }

    fn pick(&self, which: &Index) -> Option<i32> {
        (!self.processes.is_empty()).then(|| {
            let pids: Vec<i32> = self.processes.keys().copied().collect();
            *which.get(&pids)
        })
    }

    fn ready(&mut self, pid: i32) {
        let process = self.processes.get_mut(&pid).expect("it lives");
        if process.dead.is_none() {
            process.serving = true;
            let seat = process.seat;
            self.send(Event::Ready { seat });
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Pass { ms } => self.pass(*ms),
            Step::Command(command) => {
                if matches!(command, Command::Stop | Command::GracefulStop) {
                    self.stopped.get_or_insert(self.now);
                }
                self.send(Event::Command(*command));
            }
            Step::StopAsked => {
                self.stopped.get_or_insert(self.now);
                self.send(Event::StopAsked);
            }
            Step::MoldLoads { workers } => {
                let loading = self.molds.iter_mut().find(|(_, mold)| mold.workers.is_none());
                if let Some((generation, mold)) = loading
                    && mold.ends.is_none()
                {
                    let generation = *generation;
                    // The master's own configuration, until one has loaded.
                    let workers = if self.ever_loaded { *workers } else { WORKERS };
                    mold.workers = Some(workers);
                    self.ever_loaded = true;
                    self.send(Event::MoldLoaded { generation, workers });
                }
            }
            Step::MoldDies(which, code) => {
                let all: Vec<Generation> = self.molds.keys().copied().collect();
                if !all.is_empty()
                    && let Some(mold) = self.molds.get_mut(which.get(&all))
                {
                    mold.ends.get_or_insert((self.now, Ended::Code(*code)));
                }
                self.reap();
            }
            Step::MoldsHang(hang) => self.molds_hang = *hang,
            Step::Ready(which) => {
                if let Some(pid) = self.pick(which) {
                    self.ready(pid);
                }
            }
            Step::Draining(which) => {
                if let Some(process) = self.pick(which).and_then(|pid| self.processes.get_mut(&pid))
                {
                    process.serving = false;
                    let seat = process.seat;
                    self.send(Event::Draining { seat });
                }
            }
            Step::Connects => {
                let asleep = self.supervisor.is_asleep();
                self.send(Event::Connection);
                assert!(
                    !asleep
                        || !self.ever_loaded
                        || !self.supervisor.wanted.is_none()
                        || self.stopped.is_some()
                );
            }
            Step::Spent(which) => {
                if let Some(pid) = self.pick(which) {
                    let seat = self.processes[&pid].seat;
                    self.send(Event::Spent { seat });
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
                    let seat = self.processes[&pid].seat;
                    self.requests.insert((seat, CoreId(*core)), self.now + *due_in_ms);
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

    /// Nothing bad happens any more: every worker must come to life again.
    fn settle(&mut self) {
        self.forks_fail = false;
        self.reexec_fails = false;
        self.molds_hang = false;
        self.requests.clear();
        let mut quiet = 0;
        for _ in 0..1_000 {
            self.pass(500);
            if self.over || self.stopped.is_some() {
                return;
            }
            self.take(&Step::MoldLoads { workers: WORKERS });
            let live: Vec<i32> = self.processes.keys().copied().collect();
            for pid in live {
                if self.processes.get(&pid).is_some_and(|process| !process.serving) {
                    self.ready(pid);
                }
            }
            quiet = if self.is_complete() { quiet + 1 } else { 0 };
            if quiet > 4 {
                return;
            }
        }
        panic!("a worker was lost: {:?}", self.supervisor);
    }

    fn is_complete(&self) -> bool {
        let workers = self.supervisor.wanted.workers();
        let serves = |worker| {
            let alive = |process: &&Process| {
                process.worker == worker && process.serving && process.dead.is_none()
            };
            self.processes.values().filter(alive).count() == 1
        };
        workers.into_iter().all(serves) && !self.supervisor.reloads()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_promises_hold(
        steps in prop::collection::vec(step(), 1..250),
        need_app in any::<bool>(),
        harakiri in prop::option::of(1_000..4_000_u64),
        interrupt_ms in prop::option::of(500..4_000_u64),
        graceful_ms in prop::option::of(500..4_000_u64),
        retries in 0..3_u32,
        scaling in scaling(),
    ) {
        let mut kernel = Kernel::new(Settings {
            workers: WORKERS,
            scaling,
            cores: 2,
            harakiri_ms: harakiri,
            timeouts: Timeouts {
                grades: grades::Limits { log_ms: Some(400), interrupt_ms },
                graceful: graceful_ms.map(|ms| (Signal::SIGTERM, ms)),
                queue_threshold: None,
            },
            mercy_ms: MERCY_MS,
            reload_mercy_ms: MERCY_MS,
            throttle_ms: THROTTLE_MS,
            need_app,
            boots_max: 2,
            recycles_max: 1,
            lame_duck_ms: 0,
            lifetime_ms_max: Some(60_000),
            lifetime_delta_ms: 1_000,
            evil_rss_bytes: None,
            evil_as_bytes: None,
            retries,
            exit_on_reload: false,
        });
        kernel.send(Event::Start);
        for step in &steps {
            kernel.take(step);
        }
        kernel.settle();
        // A stop is never lost, whatever state it meets.
        kernel.take(&Step::Command(Command::Stop));
        kernel.pass(MERCY_MS + 2 * REAP_MS_MAX + 2_000);
        prop_assert!(kernel.over);
    }
}
