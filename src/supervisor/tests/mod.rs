//! One rule a test, with a fake clock. Worker N of the first generation has pid 100 + N, later
//! processes count on.

use std::collections::HashMap;

use super::*;

mod harakiri;
mod life;

const SERVING: Settings = Settings {
    workers: 2,
    cores: 2,
    harakiri_ms: Some(3_000),
    mercy_ms: 60_000,
    throttle_ms: 2_000,
    die_on_term: false,
    need_app: false,
};

/// A master that forks at once, and a clock that is set.
struct World {
    supervisor: Supervisor,
    now: Millis,
    next_pid: i32,
    cores: FakeCores,
    log: Vec<String>,
    done: Vec<Action>,
}

#[derive(Default)]
struct FakeCores(HashMap<(WorkerId, CoreId), (Millis, Running)>);

impl Cores for FakeCores {
    fn due(&self, worker: WorkerId, core: CoreId) -> Option<Millis> {
        self.0.get(&(worker, core)).map(|(due, _)| *due)
    }
    fn running(&self, worker: WorkerId, core: CoreId) -> Option<Running> {
        self.0.get(&(worker, core)).map(|(_, running)| running.clone())
    }
}

impl World {
    fn new(settings: Settings) -> Self {
        let now = Millis(1_000_000);
        Self {
            supervisor: Supervisor::new(settings, now),
            now,
            next_pid: 101,
            cores: FakeCores::default(),
            log: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Started, every worker ready, and two seconds old.
    fn serving(settings: Settings) -> Self {
        let mut world = Self::new(settings);
        world.send(Event::Start);
        for id in 1..=world.supervisor_workers() {
            world.send(Event::Ready { worker: WorkerId(id) });
        }
        world.pass(2_000);
        world.forget();
        world
    }

    fn supervisor_workers(&self) -> u16 {
        (self.next_pid - 101) as u16
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
            if let Action::Spawn { worker } = action {
                self.done.push(action);
                let pid = Pid::from_raw(self.next_pid);
                self.next_pid += 1;
                self.send(Event::Spawned { worker, pid });
            } else if let Action::Log(line) = action {
                self.log.push(line);
            } else {
                self.done.push(action);
            }
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

    fn signal(&mut self, signal: Signal) {
        self.send(Event::Signal(signal));
    }

    fn exits(&mut self, pid: i32, code: i32) {
        self.send(Event::Exited { pid: Pid::from_raw(pid), ended: Ended::Code(code) });
    }

    fn dies(&mut self, pid: i32, signal: i32) {
        self.send(Event::Exited { pid: Pid::from_raw(pid), ended: Ended::Signal(signal) });
    }

    fn request(&mut self, worker: u16, core: u16, due_in_ms: u64) {
        let running = Running {
            since: self.now,
            since_unix: 1_795_229_051,
            description: b"127.0.0.1 - POST /body".to_vec(),
        };
        self.cores.0.insert((WorkerId(worker), CoreId(core)), (self.now + due_in_ms, running));
    }

    fn request_ends(&mut self, worker: u16, core: u16) {
        self.cores.0.remove(&(WorkerId(worker), CoreId(core)));
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
            Action::Spawn { worker } => Some(worker.0),
            _ => None,
        });
        workers.collect()
    }

    fn end(&self) -> Option<&Action> {
        self.done.iter().find(|action| matches!(action, Action::Exit { .. } | Action::Reexec))
    }
}
