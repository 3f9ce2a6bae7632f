//! The decisions.

use uwsgi_plugin_api::WorkerId;

use super::slot::{Live, Slot, Stage, State};
use super::{
    Action, Cores, Ended, Event, Millis, Order, Pid, Settings, Signal, exit_code, harakiri, lines,
};

/// Deadlines of requests are looked at this often, and at the earliest known one.
const TICK_MS: u64 = 1_000;

/// Shortest pause after a fork that failed: the machine is out of something.
const FORK_RETRY_MS: u64 = 1_000;

/// What the instance as a whole is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before `Start`.
    New,
    /// Every slot is to have a worker.
    Serving,
    /// Workers end; then a new image takes over.
    Reloading { brutal: bool },
    /// `Reexec` was asked for.
    Reexecuting,
    /// Workers end; then the master does, with this status.
    Stopping { code: i32 },
    /// `Exit` was asked for.
    Over,
}

/// The master's decisions; see the module.
#[derive(Debug)]
pub struct Supervisor {
    settings: Settings,
    slots: Vec<Slot>,
    phase: Phase,
    /// Some worker has served since the start: the application can be loaded.
    ever_ready: bool,
    next_tick: Millis,
}

impl Supervisor {
    /// Nothing runs yet.
    pub fn new(settings: Settings, now: Millis) -> Self {
        let slots = (1..=settings.workers).map(|id| Slot::new(WorkerId(id))).collect();
        Self { settings, slots, phase: Phase::New, ever_ready: false, next_tick: now + TICK_MS }
    }

    /// When the next [`Event::Tick`] is due; `None` when nothing will happen any more. May be in the past.
    pub fn next_wake(&self) -> Option<Millis> {
        if matches!(self.phase, Phase::New | Phase::Over | Phase::Reexecuting) {
            return None;
        }
        let slots = self.slots.iter().filter_map(|slot| match &slot.state {
            State::Throttled { until } => Some(*until),
            State::Live(live) => live.wake(),
            State::Down | State::Forking => None,
        });
        slots.chain([self.next_tick]).min()
    }

    /// Takes in what happened at `now` and appends what is to be done, in order.
    pub fn step(&mut self, now: Millis, event: Event<'_>, actions: &mut Vec<Action>) {
        if self.phase == Phase::Over {
            return;
        }
        match event {
            Event::Start => self.start(actions),
            Event::Signal(signal) => self.on_signal(signal, now, actions),
            Event::ReloadAsked => self.reload(false, now, actions),
            // An application may ask while the instance ends already; only people ask twice in earnest.
            Event::StopAsked if matches!(self.phase, Phase::Stopping { .. }) => {}
            Event::StopAsked => self.stop(0, now, actions),
            Event::Spawned { worker, pid } => self.on_spawned(worker, pid, now, actions),
            Event::SpawnFailed { worker, error } => {
                actions.push(Action::Log(format!("fork(): {error}")));
                self.replace(worker, (true, FORK_RETRY_MS), now, actions);
            }
            Event::Ready { worker } => {
                self.ever_ready = true;
                if let Some(live) = self.slot(worker).live_mut() {
                    live.ready = true;
                }
            }
            Event::Draining { worker } => {
                let mercy_ms = self.settings.mercy_ms;
                if let Some(live) = self.slot(worker).live_mut() {
                    live.must_end(now, mercy_ms);
                }
            }
            Event::Exited { pid, ended } => self.on_exited(pid, ended, now, actions),
            Event::ReexecFailed { error } => {
                actions.push(Action::Log(format!(
                    "unable to reload: {error}; starting the workers again"
                )));
                self.start(actions);
            }
            Event::Tick(cores) => self.on_tick(cores, now, actions),
        }
        self.end_when_all_are_down(actions);
    }

    fn start(&mut self, actions: &mut Vec<Action>) {
        self.phase = Phase::Serving;
        for slot in &mut self.slots {
            spawn(slot, actions);
        }
    }

    fn on_signal(&mut self, signal: Signal, now: Millis, actions: &mut Vec<Action>) {
        match (signal, self.settings.die_on_term) {
            (Signal::SIGHUP, _) => self.reload(false, now, actions),
            (Signal::SIGTERM, false) | (Signal::SIGQUIT, true) => self.reload(true, now, actions),
            (Signal::SIGINT, _) | (Signal::SIGTERM, true) | (Signal::SIGQUIT, false) => {
                self.stop(0, now, actions)
            }
            // Blocked so that they cannot kill the master as they do uWSGI's (behaviour note 3.6).
            _ => {}
        }
    }

    /// All workers end, then a new image takes over. A brutal one overtakes a graceful one.
    fn reload(&mut self, brutal: bool, now: Millis, actions: &mut Vec<Action>) {
        let line = if brutal { lines::BRUTAL_RELOAD } else { lines::GRACEFUL_RELOAD };
        match self.phase {
            Phase::Serving => {}
            Phase::Reloading { brutal: false } if brutal => {}
            _ => return,
        }
        actions.push(Action::Log(line.to_owned()));
        self.phase = Phase::Reloading { brutal };
        self.end_workers(now, actions);
    }

    /// All workers end, then the master. Asked a second time it does not wait for them.
    fn stop(&mut self, code: i32, now: Millis, actions: &mut Vec<Action>) {
        match self.phase {
            Phase::Serving | Phase::Reloading { .. } => {
                if code == 0 {
                    actions.push(Action::Log(lines::STOP.to_owned()));
                }
                self.phase = Phase::Stopping { code };
                self.end_workers(now, actions);
            }
            Phase::Stopping { .. } => self.kill_workers(now, actions),
            Phase::New | Phase::Reexecuting | Phase::Over => {}
        }
    }

    fn end_workers(&mut self, now: Millis, actions: &mut Vec<Action>) {
        for slot in &mut self.slots {
            match &mut slot.state {
                State::Throttled { .. } => slot.state = State::Down,
                State::Live(live) => {
                    end_worker(slot.id, live, self.phase, (now, self.settings.mercy_ms), actions)
                }
                State::Down | State::Forking => {}
            }
        }
    }

    fn kill_workers(&mut self, now: Millis, actions: &mut Vec<Action>) {
        for live in self.slots.iter_mut().filter_map(Slot::live_mut) {
            kill(live, now, actions);
        }
    }

    fn on_spawned(&mut self, worker: WorkerId, pid: Pid, now: Millis, actions: &mut Vec<Action>) {
        let (phase, cores, mercy_ms) = (self.phase, self.settings.cores, self.settings.mercy_ms);
        let slot = self.slot(worker);
        let respawn = std::mem::replace(&mut slot.respawn, true);
        let line = if respawn {
            lines::respawned(worker, pid)
        } else {
            lines::spawned(worker, pid, cores)
        };
        actions.push(Action::Log(line));
        let mut live = Live::new(pid, now);
        if phase != Phase::Serving {
            end_worker(worker, &mut live, phase, (now, mercy_ms), actions);
        }
        slot.state = State::Live(live);
    }

    fn on_exited(&mut self, pid: Pid, ended: Ended, now: Millis, actions: &mut Vec<Action>) {
        let dead =
            self.slots.iter_mut().find(|slot| slot.live().is_some_and(|live| live.pid == pid));
        // Not a worker: as process 1 the master also inherits the application's orphans.
        let Some(slot) = dead else { return };
        let State::Live(live) = std::mem::replace(&mut slot.state, State::Down) else { return };
        let worker = slot.id;
        if self.phase != Phase::Serving {
            report_buried(worker, &live, ended, now, actions);
            return;
        }
        report_death(worker, &live, ended, now, actions);
        if ended == Ended::Code(exit_code::NO_APP) && self.settings.need_app && !self.ever_ready {
            actions.push(Action::Log(lines::NEED_APP.to_owned()));
            self.stop(exit_code::NO_APP, now, actions);
            return;
        }
        let wanted =
            matches!(live.stage, Stage::Ending { .. } | Stage::Killed { .. }) || is_recycle(ended);
        self.replace(worker, (live.dies_at_once(now, wanted), 0), now, actions);
    }

    /// A slot without a process gets a new one, now or after a pause, if the instance serves.
    fn replace(
        &mut self,
        worker: WorkerId,
        (quick, pause_ms_min): (bool, u64),
        now: Millis,
        actions: &mut Vec<Action>,
    ) {
        let (phase, first_ms) = (self.phase, self.settings.throttle_ms);
        let slot = self.slot(worker);
        slot.state = State::Down;
        if phase != Phase::Serving {
            return;
        }
        match slot.penalty_ms(quick, first_ms).max(pause_ms_min) {
            0 => spawn(slot, actions),
            pause_ms => {
                actions.push(Action::Log(lines::throttled(pause_ms)));
                slot.state = State::Throttled { until: now + pause_ms };
            }
        }
    }

    fn on_tick(&mut self, cores: &dyn Cores, now: Millis, actions: &mut Vec<Action>) {
        self.next_tick = now + TICK_MS;
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        for slot in &mut self.slots {
            let worker = slot.id;
            match &mut slot.state {
                State::Throttled { until } if *until <= now => spawn(slot, actions),
                State::Live(live) => {
                    // At a stop the requests end anyway; the mercy bounds it.
                    if !stopping {
                        let next =
                            harakiri::check(worker, live, (now, cores, &self.settings), actions);
                        self.next_tick =
                            next.map_or(self.next_tick, |next| self.next_tick.min(next));
                    }
                    if live.wake().is_some_and(|kill_at| kill_at <= now) {
                        actions.push(Action::Log(lines::no_mercy(worker, live.pid)));
                        kill(live, now, actions);
                    }
                }
                State::Throttled { .. } | State::Down | State::Forking => {}
            }
        }
    }

    fn end_when_all_are_down(&mut self, actions: &mut Vec<Action>) {
        if !self.slots.iter().all(|slot| matches!(slot.state, State::Down)) {
            return;
        }
        match self.phase {
            Phase::Reloading { .. } => {
                self.phase = Phase::Reexecuting;
                actions.extend([Action::Log(lines::REEXEC.to_owned()), Action::Reexec]);
            }
            Phase::Stopping { code } => {
                self.phase = Phase::Over;
                actions.extend([Action::Log(lines::GOODBYE.to_owned()), Action::Exit { code }]);
            }
            Phase::New | Phase::Serving | Phase::Reexecuting | Phase::Over => {}
        }
    }

    fn slot(&mut self, worker: WorkerId) -> &mut Slot {
        &mut self.slots[usize::from(worker.0) - 1]
    }
}

fn spawn(slot: &mut Slot, actions: &mut Vec<Action>) {
    slot.state = State::Forking;
    actions.push(Action::Spawn { worker: slot.id });
}

fn kill(live: &mut Live, now: Millis, actions: &mut Vec<Action>) {
    let since = match live.stage {
        Stage::Killed { .. } => return,
        Stage::Ending { since, .. } => since,
        Stage::Serving => now,
    };
    live.stage = Stage::Killed { since };
    actions.push(Action::Kill { pid: live.pid, signal: Signal::SIGKILL });
}

/// Tells a worker to end, in the way the phase asks for.
fn end_worker(
    worker: WorkerId,
    live: &mut Live,
    phase: Phase,
    (now, mercy_ms): (Millis, u64),
    actions: &mut Vec<Action>,
) {
    let pid = live.pid;
    let graceful = phase == Phase::Reloading { brutal: false };
    live.must_end(now, mercy_ms);
    if graceful {
        actions.push(Action::Log(lines::draining(worker, pid)));
        actions.push(Action::Tell { worker, pid, order: Order::Drain });
        return;
    }
    actions.push(Action::Tell { worker, pid, order: Order::Stop });
    if !live.ready {
        // It may be in a long import and not listen to its channel yet; it has no request to lose.
        actions.push(Action::Kill { pid, signal: Signal::SIGTERM });
    }
}

fn is_recycle(ended: Ended) -> bool {
    matches!(ended, Ended::Code(exit_code::RECYCLE | exit_code::EXCEPTION))
}

/// While the instance serves.
fn report_death(
    worker: WorkerId,
    live: &Live,
    ended: Ended,
    now: Millis,
    actions: &mut Vec<Action>,
) {
    let pid = live.pid;
    let mut log = |line| actions.push(Action::Log(line));
    match (live.stage, ended) {
        (_, Ended::Code(exit_code::RECYCLE)) => log(lines::recycled(worker, pid)),
        // The worker has logged the exception and its own end.
        (_, Ended::Code(exit_code::EXCEPTION)) => {}
        (_, Ended::Code(exit_code::NO_APP)) => log(lines::load_failed(worker, pid)),
        (Stage::Killed { since }, Ended::Signal(_)) if live.harakiri.is_none() => {
            log(lines::buried(worker, now.since(since)));
        }
        (_, Ended::Code(code)) => {
            log(lines::exit_status(worker, pid, code));
            log(lines::died(worker, pid, ended));
        }
        (_, Ended::Signal(_)) => log(lines::died(worker, pid, ended)),
    }
}

/// While the instance ends.
fn report_buried(
    worker: WorkerId,
    live: &Live,
    ended: Ended,
    now: Millis,
    actions: &mut Vec<Action>,
) {
    let (since, killed) = match live.stage {
        Stage::Serving => (now, false),
        Stage::Ending { since, .. } => (since, false),
        Stage::Killed { since } => (since, true),
    };
    let asked = [Signal::SIGTERM as i32, Signal::SIGINT as i32, Signal::SIGHUP as i32];
    if let Ended::Signal(signal) = ended
        && !killed
        && !asked.contains(&signal)
    {
        let pid = live.pid;
        actions.push(Action::Log(format!(
            "worker {worker} (pid: {pid}) was killed by signal {signal}"
        )));
    }
    actions.push(Action::Log(lines::buried(worker, now.since(since))));
}
