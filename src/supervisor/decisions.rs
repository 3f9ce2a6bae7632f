//! The state, and what each event changes in it.

use uwsgi_plugin_api::WorkerId;

use super::ending::report_death;
use super::fleet::{Fleet, Process, Stage};
use super::molds::Molds;
use super::post::Post;
use super::reload::Reload;
use super::scale::Scale;
use super::wanted::Wanted;
use super::{
    Action, Command, Cores, Ended, Event, Generation, Millis, Order, Pid, Recycle, Seat, Settings,
    Signal, exit_code, harakiri, lines,
};

/// Deadlines of requests are looked at this often, and at the earliest known one.
pub(super) const TICK_MS: u64 = 1_000;
/// Shortest pause after a fork that failed: the machine is out of something.
const FORK_RETRY_MS: u64 = 1_000;

/// What the instance as a whole is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Before `Start`.
    New,
    /// The first generation loads.
    Booting,
    /// Every wanted worker is to have a process.
    Serving,
    /// `Reexec` was asked for.
    Reexecuting,
    /// Workers end; then the master does, with this status.
    Stopping {
        code: i32,
        /// Until then workers go on serving (`lame-duck`); then they finish what runs.
        lame_until: Option<Millis>,
    },
    /// `Exit` was asked for.
    Over,
}

/// The master's decisions; see the module.
#[derive(Debug)]
pub struct Supervisor {
    pub(super) settings: Settings,
    pub(super) phase: Phase,
    pub(super) fleet: Fleet,
    pub(super) posts: Vec<Post>,
    pub(super) molds: Molds,
    /// The generation in charge.
    pub(super) target: Generation,
    pub(super) reload: Reload,
    /// Workers that are to have a process.
    pub(super) wanted: Wanted,
    /// What changes their number.
    pub(super) scale: Scale,
    /// Workers take nothing new until somebody says so.
    pub(super) paused: bool,
    /// Some worker has served since the start: the application can be loaded.
    pub(super) ever_ready: bool,
    pub(super) next_tick: Millis,
    /// When wanted and there were compared last.
    pub(super) last_look: Millis,
    /// A chain reload runs.
    pub(super) chain: bool,
    /// Workers were sent away until the next reload.
    pub(super) drained: bool,
}

impl Supervisor {
    /// Nothing runs yet.
    pub fn new(settings: Settings, now: Millis) -> Self {
        Self {
            phase: Phase::New,
            fleet: Fleet::default(),
            posts: vec![Post::default(); usize::from(settings.workers)],
            molds: Molds::default(),
            target: Generation(0),
            reload: Reload::default(),
            wanted: Scale::initial(&settings),
            scale: Scale::new(&settings, now),
            paused: false,
            ever_ready: false,
            next_tick: now + TICK_MS,
            last_look: now,
            chain: false,
            drained: false,
            settings,
        }
    }

    /// The number of the reload that somebody asks for now, for [`Action::Report`].
    pub fn next_round(&self) -> u32 {
        self.reload.round + 1
    }

    /// The generation in charge.
    pub fn generation(&self) -> Generation {
        self.target
    }

    /// The instance ends.
    pub fn stops(&self) -> bool {
        matches!(self.phase, Phase::Stopping { .. } | Phase::Over)
    }

    /// A reload runs.
    pub fn reloads(&self) -> bool {
        self.reload.is_running()
    }

    /// Workers were told to take nothing new.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Who has this place, while a process does.
    pub fn worker_at(&self, seat: Seat) -> Option<WorkerId> {
        self.fleet.0.iter().find(|process| process.seat == seat).map(|process| process.worker)
    }

    /// Whether a worker of this generation serves that is not to leave.
    pub fn serves(&self, generation: Generation) -> bool {
        let serving = |process: &Process| process.stage == Stage::Serving;
        self.fleet.0.iter().any(|process| process.seat.generation == generation && serving(process))
    }

    /// The seat of a worker process.
    pub fn seat_of(&self, pid: Pid) -> Option<Seat> {
        self.fleet.0.iter().find(|process| process.pid == Some(pid)).map(|process| process.seat)
    }

    /// When the next [`Event::Tick`] is due; `None` when nothing will happen any more. May be in the past.
    pub fn next_wake(&self) -> Option<Millis> {
        if matches!(self.phase, Phase::New | Phase::Over | Phase::Reexecuting) {
            return None;
        }
        let lame = match self.phase {
            Phase::Stopping { lame_until, .. } => lame_until,
            _ => None,
        };
        let kills = self.fleet.0.iter().filter_map(Process::wake);
        let scale = self.scale.wake().filter(|_| self.phase == Phase::Serving);
        let others = [lame, self.reload.retry_at, self.molds.wake(), scale, Some(self.next_tick)];
        kills.chain(self.throttles()).chain(others.into_iter().flatten()).min()
    }

    /// Takes in what happened at `now` and appends what is to be done, in order.
    pub fn step(&mut self, now: Millis, event: Event<'_>, actions: &mut Vec<Action>) {
        if self.phase == Phase::Over {
            return;
        }
        match event {
            Event::Start => self.start(actions),
            Event::Command(command) => self.command(command, now, actions),
            // An application may ask while the instance ends already; only people ask twice in earnest.
            Event::StopAsked if matches!(self.phase, Phase::Stopping { .. }) => {}
            Event::StopAsked => self.stop(0, now, actions),
            Event::MoldLoaded { generation, workers } => {
                self.on_mold_loaded(generation, workers, actions)
            }
            Event::MoldEnded { generation, ended } => {
                self.on_mold_ended(generation, ended, now, actions)
            }
            Event::Spawned { seat, pid } => self.on_spawned(seat, pid, now, actions),
            Event::SpawnFailed { seat, error } => self.on_spawn_failed(seat, error, now, actions),
            Event::Ready { seat } => self.on_ready(seat, now, actions),
            Event::Draining { seat } => {
                let mercy_ms = self.settings.mercy_ms;
                if let Some(process) = self.fleet.at(seat) {
                    process.quit = true;
                    process.must_end(now, mercy_ms, true);
                }
            }
            Event::Spent { seat } => {
                if let Some(process) = self.fleet.at(seat) {
                    process.recycle = Some(Recycle::Done);
                }
            }
            Event::Connection => self.on_connection(now, actions),
            Event::Exited { pid, ended } => self.on_exited(pid, ended, now, actions),
            Event::ReexecFailed { error } => self.on_reexec_failed(error, actions),
            Event::Tick(cores) => self.on_tick(cores, now, actions),
        }
        self.reconcile(now, actions);
        self.end_when_nothing_runs(actions);
    }

    fn start(&mut self, actions: &mut Vec<Action>) {
        self.phase = Phase::Booting;
        actions.extend(self.scale.greeting().into_iter().map(Action::Log));
        self.boot(actions);
    }

    fn command(&mut self, command: Command, now: Millis, actions: &mut Vec<Action>) {
        match command {
            Command::Reload | Command::Refork => self.ask_reload(false, now, actions),
            Command::BrutalReload => self.ask_reload(true, now, actions),
            Command::GiveUpReload => self.give_up_reload(now, actions),
            Command::ReloadWorkers => self.recycle_all(Recycle::Asked),
            Command::ChainReload => self.recycle_all(Recycle::Chain),
            Command::BrutalReloadWorkers => self.replace_all_at_once(now, actions),
            Command::Stop => self.stop(0, now, actions),
            Command::GracefulStop => self.stop_gracefully(now, actions),
            Command::Pause => self.pause(actions),
            Command::MoreWorkers => self.change_by_hand(1, now),
            Command::FewerWorkers => self.change_by_hand(-1, now),
            Command::DrainWorkers => {
                self.want(Wanted::first(0, self.posts.len() as u16), actions);
                self.end_sleep(actions);
                self.drained = true;
            }
            Command::GoCheap => self.go_cheap(actions),
            Command::Upgrade
            | Command::ReopenLogs
            | Command::RotateLogs
            | Command::RewritePidfiles
            | Command::PrintStatus => actions.push(Action::Perform(command)),
        }
    }

    fn recycle_all(&mut self, why: Recycle) {
        for process in self.fleet.0.iter_mut().filter(|process| process.stays()) {
            process.recycle = Some(why);
        }
    }

    fn replace_all_at_once(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if self.phase == Phase::Serving {
            actions.push(Action::Log(lines::BRUTAL_RELOAD.to_owned()));
            self.dismiss(|_| true, false, now, actions);
        }
    }

    fn on_spawned(&mut self, seat: Seat, pid: Pid, now: Millis, actions: &mut Vec<Action>) {
        let (cores, mercy_ms) = (self.settings.cores, self.settings.mercy_ms);
        let gentle = self.gentle_order();
        let Some(process) = self.fleet.at(seat) else { return };
        process.pid = Some(pid);
        process.spawned = now;
        let worker = process.worker;
        actions.push(Action::Log(match process.respawn {
            true => lines::respawned(worker, pid),
            false => lines::spawned(worker, pid, cores),
        }));
        let killed = matches!(process.stage, Stage::Killed { .. });
        if killed {
            actions.push(Action::Kill { pid, signal: Signal::SIGKILL });
        }
        if let Stage::Leaving { graceful, .. } = process.stage {
            // It was sent away while it was being forked.
            process.must_end(now, mercy_ms, graceful);
            send_away(process, graceful.then_some(gentle), actions);
        }
        if killed {
            self.kill_idle_molds(actions);
        }
        let vacant = self.fleet.serving(worker).is_none();
        if vacant && let Some(process) = self.fleet.at(seat) {
            let respawn = std::mem::take(&mut process.respawn);
            actions.push(Action::Seated { worker, seat, respawn });
        }
    }

    fn on_spawn_failed(
        &mut self,
        seat: Seat,
        error: &std::io::Error,
        now: Millis,
        actions: &mut Vec<Action>,
    ) {
        actions.push(Action::Log(format!("fork(): {error}")));
        let Some(position) = self.fleet.0.iter().position(|process| process.seat == seat) else {
            return;
        };
        let process = self.fleet.0.remove(position);
        self.throttle(process.worker, (true, FORK_RETRY_MS), now, actions);
        if self.reload.is_candidate(seat.generation) {
            self.fail_reload(format!("no process can be made: {error}"), now, actions);
        }
    }

    fn on_ready(&mut self, seat: Seat, now: Millis, actions: &mut Vec<Action>) {
        self.ever_ready = true;
        let Some(process) = self.fleet.at(seat) else { return };
        process.ready = true;
        let worker = process.worker;
        if process.stage != Stage::Booting {
            return;
        }
        // The one before it may go now.
        let brutal = self.reload.is_brutal(seat.generation);
        if self.reload.is_candidate(seat.generation) {
            self.promote(actions);
        }
        let before =
            |one: &Process| one.worker == worker && one.seat != seat && one.stage == Stage::Serving;
        let paused = self.paused;
        self.dismiss(before, !brutal, now, actions);
        let Some(process) = self.fleet.at(seat) else { return };
        process.stage = Stage::Serving;
        if paused {
            tell(process, Order::Pause, actions);
        }
        actions.push(Action::Seated { worker, seat, respawn: process.respawn });
    }

    fn on_exited(&mut self, pid: Pid, ended: Ended, now: Millis, actions: &mut Vec<Action>) {
        // Not a worker: as a reaper of orphans the master also gets the application's.
        let Some(process) = self.fleet.remove(pid) else { return };
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        let candidate = self.reload.is_candidate(process.seat.generation);
        report_death(&process, ended, (stopping, candidate), now, actions);
        if stopping {
            return;
        }
        let (worker, generation) = (process.worker, process.seat.generation);
        let no_app = ended == Ended::Code(exit_code::NO_APP);
        if no_app && self.settings.need_app && !self.ever_ready {
            actions.push(Action::Log(lines::NEED_APP.to_owned()));
            self.stop(exit_code::NO_APP, now, actions);
            return;
        }
        let unasked = process.stays();
        if !process.ready && unasked && self.reload.is_new(generation) {
            let text = match ended {
                Ended::Code(exit_code::CHECK_FAILED) => "it did not pass reload-check".to_owned(),
                Ended::Code(exit_code::NOT_LOADED) => "an application does not load".to_owned(),
                _ => format!("worker {worker} {ended} before it was ready"),
            };
            self.on_successor_failed(generation, text, now, actions);
        }
        let wanted = !unasked || is_recycle(ended);
        let vacant = self.fleet.serving(worker).is_none();
        // One that was to be replaced by a better one says nothing about the next.
        if vacant || (unasked && !process.ready) {
            let quick = process.dies_at_once(now, wanted) && unasked;
            self.throttle(worker, (quick, 0), now, actions);
        }
    }

    fn throttle(
        &mut self,
        worker: WorkerId,
        (quick, pause_ms_min): (bool, u64),
        now: Millis,
        actions: &mut Vec<Action>,
    ) {
        let first_ms = self.settings.throttle_ms;
        let Some(post) = self.posts.get_mut(usize::from(worker.0) - 1) else { return };
        let pause_ms = post.throttle.penalty_ms(quick, first_ms).max(pause_ms_min);
        post.throttle.until = now + pause_ms;
        if pause_ms > 0 && self.phase == Phase::Serving {
            let deaths = post.throttle.quick_deaths;
            actions.push(Action::Log(lines::throttled(pause_ms)));
            actions.push(Action::Log(lines::attempts(
                &format!("worker {worker}"),
                deaths,
                pause_ms,
            )));
        }
    }

    fn on_tick(&mut self, cores: &dyn Cores, now: Millis, actions: &mut Vec<Action>) {
        self.next_tick = now + TICK_MS;
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        let lame = matches!(self.phase, Phase::Stopping { lame_until: Some(_), .. });
        for process in &mut self.fleet.0 {
            // At a stop the requests end anyway; the mercy bounds it.
            if !stopping || lame {
                let look = harakiri::Look { now, cores, settings: &self.settings };
                let next = harakiri::check(process, look, actions);
                self.next_tick = next.map_or(self.next_tick, |next| self.next_tick.min(next));
                check_age(process, now, &self.settings, actions);
                check_memory(process, (now, cores, &self.settings), actions);
            }
            if process.wake().is_some_and(|kill_at| kill_at <= now)
                && let Some(pid) = process.pid
            {
                actions.push(Action::Log(lines::no_mercy(process.worker, pid)));
                kill(process, now, actions);
            }
        }
        if let Phase::Stopping { code, lame_until: Some(until) } = self.phase
            && until <= now
        {
            self.phase = Phase::Stopping { code, lame_until: None };
            self.molds.dismiss_all(actions);
            self.dismiss(|_| true, true, now, actions);
        }
        self.tick_scale(cores, now, actions);
        self.molds.tick(now, self.settings.reload_mercy_ms, actions);
        self.tick_reload(now, actions);
    }

    /// Sends the chosen processes away, as far as they stay; those that leave already may lose their grace.
    pub(super) fn dismiss(
        &mut self,
        chosen: impl Fn(&Process) -> bool,
        graceful: bool,
        now: Millis,
        actions: &mut Vec<Action>,
    ) {
        let mercy_ms = self.settings.mercy_ms;
        let gentle = self.gentle_order();
        for process in &mut self.fleet.0 {
            let told = matches!(process.stage, Stage::Leaving { graceful: before, .. } if before == graceful);
            if !chosen(process) || told || matches!(process.stage, Stage::Killed { .. }) {
                continue;
            }
            process.must_end(now, mercy_ms, graceful);
            if process.pid.is_some() {
                send_away(process, graceful.then_some(gentle), actions);
            }
        }
    }
}

pub(super) fn tell(process: &Process, order: Order, actions: &mut Vec<Action>) {
    if let Some(pid) = process.pid {
        actions.push(Action::Tell { seat: process.seat, pid, order });
    }
}

/// Tells a worker to end; `gentle` is the order where it may finish its requests.
fn send_away(process: &Process, gentle: Option<Order>, actions: &mut Vec<Action>) {
    let Some(pid) = process.pid else { return };
    let seat = process.seat;
    if process.ready && gentle.is_some() {
        actions.push(Action::Log(lines::draining(process.worker, pid)));
    }
    actions.push(Action::Tell { seat, pid, order: gentle.unwrap_or(Order::Stop) });
    if !process.ready {
        // It may be in a long import and not listen to its channel yet: then any of these signals ends it. Or it serves, and
        // its word of that is on its way: then the gentle one lets it finish.
        let signal = if gentle.is_some() { Signal::SIGHUP } else { Signal::SIGTERM };
        actions.push(Action::Kill { pid, signal });
    }
}

pub(super) fn kill(process: &mut Process, now: Millis, actions: &mut Vec<Action>) {
    let since = match process.stage {
        Stage::Killed { .. } => return,
        Stage::Leaving { since, .. } => since,
        Stage::Booting | Stage::Serving => now,
    };
    process.stage = Stage::Killed { since };
    // One that is being forked is killed as soon as it is known.
    if let Some(pid) = process.pid {
        actions.push(Action::Kill { pid, signal: Signal::SIGKILL });
    }
}

fn check_age(process: &mut Process, now: Millis, settings: &Settings, actions: &mut Vec<Action>) {
    let Some(limit_ms) = settings.lifetime_ms_max else { return };
    let more_ms = settings.lifetime_delta_ms.saturating_mul(u64::from(process.worker.0) - 1);
    let age_ms = now.since(process.spawned);
    let due = age_ms >= limit_ms.saturating_add(more_ms);
    if due && process.stage == Stage::Serving && process.recycle.is_none() {
        actions.push(Action::Log(lines::lifetime(process.worker, age_ms)));
        process.recycle = Some(Recycle::Age);
    }
}

fn check_memory(
    process: &mut Process,
    (now, cores, settings): (Millis, &dyn Cores, &Settings),
    actions: &mut Vec<Action>,
) {
    let (rss_max, as_max) = (settings.evil_rss_bytes, settings.evil_as_bytes);
    let Some(pid) = process.pid.filter(|_| rss_max.is_some() || as_max.is_some()) else { return };
    let (rss, vsz) = cores.memory(pid);
    let over = |used: u64, limit: Option<u64>| limit.is_some_and(|limit| used >= limit);
    for (name, used, limit) in [("RSS", rss, rss_max), ("ADDRESS SPACE", vsz, as_max)] {
        if over(used, limit) && !matches!(process.stage, Stage::Killed { .. }) {
            actions.push(Action::Log(lines::evil(process.worker, name, used)));
            kill(process, now, actions);
        }
    }
}

fn is_recycle(ended: Ended) -> bool {
    matches!(ended, Ended::Code(exit_code::RECYCLE | exit_code::EXCEPTION))
}
