//! One rule a test, with a fake clock. Worker N of the first generation has pid 100 + N, later
//! processes count on.

use std::collections::HashMap;

use super::*;

mod generations;
mod harakiri;
mod life;
mod scale;

const NO_TIMEOUTS: Timeouts = Timeouts {
    grades: grades::Limits { log_ms: None, interrupt_ms: None },
    graceful: None,
    queue_threshold: None,
};

const SERVING: Settings = Settings {
    workers: 2,
    scaling: Scaling::all(2),
    cores: 2,
    harakiri_ms: Some(3_000),
    timeouts: NO_TIMEOUTS,
    mercy_ms: 60_000,
    reload_mercy_ms: 30_000,
    throttle_ms: 2_000,
    need_app: false,
    boots_max: 2,
    recycles_max: 1,
    lame_duck_ms: 0,
    lifetime_ms_max: None,
    lifetime_delta_ms: 0,
    evil_rss_bytes: None,
    evil_as_bytes: None,
    retries: 0,
    exit_on_reload: false,
};

/// A master that forks at once, molds that load at once where nothing else is said, and a clock that is set.
struct World {
    supervisor: Supervisor,
    now: Millis,
    next_pid: i32,
    /// Molds load by themselves.
    molds_load: bool,
    molds: Vec<Generation>,
    /// Where each process is.
    seats: HashMap<i32, Seat>,
    cores: FakeCores,
    log: Vec<String>,
    done: Vec<Action>,
}

#[derive(Default)]
struct FakeCores {
    work: HashMap<Seat, Work>,
    requests: HashMap<(Seat, CoreId), (Millis, Running)>,
    memory: HashMap<i32, (u64, u64)>,
    backlog: Option<Backlog>,
}

impl Cores for FakeCores {
    fn due(&self, seat: Seat, core: CoreId) -> Option<Millis> {
        self.requests.get(&(seat, core)).map(|(due, _)| *due)
    }
    fn running(&self, seat: Seat, core: CoreId) -> Option<Running> {
        self.requests.get(&(seat, core)).map(|(_, running)| running.clone())
    }
    fn backlog(&self) -> Option<Backlog> {
        self.backlog
    }
    fn work(&self, seat: Seat, _now: Millis) -> Work {
        self.work.get(&seat).copied().unwrap_or_default()
    }
    fn memory(&self, pid: Pid) -> (u64, u64) {
        self.memory.get(&pid.as_raw()).copied().unwrap_or_default()
    }
}

impl World {
    fn new(settings: Settings) -> Self {
        let now = Millis(1_000_000);
        Self {
            supervisor: Supervisor::new(settings, now),
            now,
            next_pid: 101,
            molds_load: true,
            molds: Vec::new(),
            seats: HashMap::new(),
            cores: FakeCores::default(),
            log: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Started, every worker ready, and two seconds old.
    fn serving(settings: Settings) -> Self {
        let mut world = Self::new(settings);
        world.send(Event::Start);
        for pid in 101..world.next_pid {
            world.ready(pid);
        }
        world.pass(2_000);
        world.forget();
        world
    }

    fn forget(&mut self) {
        self.log.clear();
        self.done.clear();
    }

    fn send(&mut self, event: Event<'_>) {
        let mut actions = Vec::new();
        self.supervisor.step(self.now, event, &mut actions);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.done.push(action.clone());
            match action {
                Action::Spawn { seat, .. } => {
                    let pid = Pid::from_raw(self.next_pid);
                    self.seats.insert(self.next_pid, seat);
                    self.next_pid += 1;
                    self.send(Event::Spawned { seat, pid });
                }
                Action::StartMold { generation } => {
                    self.molds.push(generation);
                    if self.molds_load {
                        self.loaded(2);
                    }
                }
                Action::DismissMold { generation } => self.mold_ends(generation, 0),
                Action::KillMold { generation } => {
                    self.molds.retain(|one| *one != generation);
                    self.send(Event::MoldEnded { generation, ended: Ended::Signal(9) });
                }
                // A worker says at once that it takes nothing new.
                Action::Tell { seat, order: Order::Drain, .. } => {
                    self.send(Event::Draining { seat });
                }
                Action::Log(line) => self.log.push(line),
                _ => {}
            }
        }
    }

    /// The newest mold has loaded a configuration with so many workers.
    fn loaded(&mut self, workers: u16) {
        let generation = *self.molds.last().expect("one was started");
        let workers = workers.min(self.supervisor.settings.workers.max(workers));
        let workers = if self.molds_load { self.supervisor.settings.workers } else { workers };
        self.send(Event::MoldLoaded { generation, workers });
    }

    fn mold_ends(&mut self, generation: Generation, code: i32) {
        if self.molds.contains(&generation) {
            self.molds.retain(|one| *one != generation);
            self.send(Event::MoldEnded { generation, ended: Ended::Code(code) });
        }
    }

    /// Lets time pass, waking up whenever the supervisor wants to.
    fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(wake) = self.supervisor.next_wake().filter(|&wake| wake <= end) {
            self.now = self.now.max(wake);
            let mut actions = Vec::new();
            self.supervisor.step(self.now, Event::Tick(&self.cores), &mut actions);
            self.perform(actions);
        }
        self.now = end;
    }

    fn command(&mut self, command: Command) {
        self.send(Event::Command(command));
    }

    fn seat(&self, pid: i32) -> Seat {
        self.seats[&pid]
    }

    fn ready(&mut self, pid: i32) {
        self.send(Event::Ready { seat: self.seat(pid) });
    }

    fn exits(&mut self, pid: i32, code: i32) {
        self.send(Event::Exited { pid: Pid::from_raw(pid), ended: Ended::Code(code) });
    }

    fn dies(&mut self, pid: i32, signal: i32) {
        self.send(Event::Exited { pid: Pid::from_raw(pid), ended: Ended::Signal(signal) });
    }

    fn request(&mut self, pid: i32, core: u16, due_in_ms: u64) {
        let running = Running {
            since: self.now,
            since_unix: 1_795_229_051,
            description: b"127.0.0.1 - POST /body".to_vec(),
        };
        let key = (self.seat(pid), CoreId(core));
        self.cores.requests.insert(key, (self.now + due_in_ms, running));
    }

    fn request_ends(&mut self, pid: i32, core: u16) {
        self.cores.requests.remove(&(self.seat(pid), CoreId(core)));
    }

    fn told(&self, order: Order) -> Vec<i32> {
        let pids = self.done.iter().filter_map(|action| match action {
            Action::Tell { pid, order: told, .. } if *told == order => Some(pid.as_raw()),
            _ => None,
        });
        pids.collect()
    }

    fn killed(&self) -> Vec<i32> {
        let pids = self.done.iter().filter_map(|action| match action {
            Action::Kill { pid, signal: Signal::SIGKILL } => Some(pid.as_raw()),
            _ => None,
        });
        pids.collect()
    }

    fn spawned(&self) -> Vec<u16> {
        let workers = self.done.iter().filter_map(|action| match action {
            Action::Spawn { worker, .. } => Some(worker.0),
            _ => None,
        });
        workers.collect()
    }

    fn reports(&self) -> Vec<Result<(), String>> {
        let results = self.done.iter().filter_map(|action| match action {
            Action::Report(report) => Some(report.result.clone()),
            _ => None,
        });
        results.collect()
    }

    fn end(&self) -> Option<&Action> {
        self.done.iter().find(|action| matches!(action, Action::Exit { .. } | Action::Reexec))
    }

    #[track_caller]
    fn logged(&self, line: &str) {
        assert!(self.log.iter().any(|logged| logged.contains(line)), "{line:?} in {:?}", self.log);
    }
}
