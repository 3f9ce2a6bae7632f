//! What the master starts and watches besides its workers, pure: crons, attached daemons, files that are touched.
//!
//! As in the supervisor, whoever runs it tells what happened and performs what it answers, in order. All processes that it
//! starts lead a session of their own, so that a signal reaches what they have started too. Their state survives the
//! exec of the next image of the master as lines of text ([`Jobs::save`]), matched with the new configuration by the jobs'
//! texts: what is configured as before goes on, what is not is ended or begins.
//!
//! Gateways are daemons, too, that are this program itself: they outlive reloads, and in a graceful stop they end before
//! the workers do, the node of a cluster among them: others are to send nothing more. While the instance is drained, those that
//! bring requests rest.
//!
//! Daemons that are the server's own are started anew when the next image is in charge, not before: a reload that comes to
//! nothing leaves them alone. Programs with a pid file survive reloads and the instance; so do commands of crons and of
//! `touch-exec`, which are let go on at a stop, as uWSGI does.
//!
//! Promises, checked by the simulation: a daemon never runs twice; a stop ends every one of the server's own within the
//! mercy; nothing is started after it; only living processes are sent signals.
//!
//! Deliberately absent: legions, and the bus of uwsgi signals (`touch-signal`).

mod cron;
mod daemon;
mod events;
mod lines;
mod saved;
#[cfg(test)]
mod simulation;
mod smart;
#[cfg(test)]
mod tests;
mod touch;

use std::path::PathBuf;
use std::sync::Arc;

use uwsgi_plugin_api::Cargo;

use self::cron::CronTab;
use self::daemon::Daemon;
pub use self::events::{Job, JobAction, JobEvent, LocalTime, Stamp, Surroundings, Whom};
use self::touch::{Effect, Touches};
use super::{Command, Ended, Millis, Pid, Signal, milliseconds};
use crate::config::model::jobs;

/// Crons, pid files and times of files are looked at this often, as in uWSGI.
const LOOK_MS: u64 = 1_000;
/// Commands of one `cron` or of one `touch-exec` that run at the same time; more are not started.
const RUNS_MAX: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before `Begin`.
    New,
    Running,
    /// Nothing is started any more.
    Draining,
    /// And daemons end.
    Stopping,
}

/// A process of a daemon that is configured no more; it was told to end.
#[derive(Debug)]
struct Leaving {
    pid: Pid,
    /// What it is still to be told.
    told: Option<Signal>,
    /// `None` when it was killed.
    kill_at: Option<Millis>,
    text: String,
}

impl Leaving {
    fn shown(&self) -> &str {
        jobs::Daemon::shown(&self.text)
    }
}

/// The machine; see the module.
#[derive(Debug)]
pub struct Jobs {
    config: Arc<jobs::Jobs>,
    phase: Phase,
    crons: CronTab,
    daemons: Vec<Daemon>,
    touches: Touches,
    leaving: Vec<Leaving>,
    next_look: Millis,
    /// The instance gets no requests: gateways that bring them rest.
    drained: bool,
    /// This is not the first image of the master.
    resumed: bool,
}

impl Jobs {
    /// Nothing runs yet.
    pub fn new(config: Arc<jobs::Jobs>, now: Millis) -> Self {
        Self {
            phase: Phase::New,
            crons: CronTab::new(&config),
            daemons: config.daemons.iter().map(Daemon::new).collect(),
            touches: Touches::new(&config),
            leaving: Vec::new(),
            next_look: now,
            drained: false,
            resumed: false,
            config,
        }
    }

    /// The files whose changes are to be told by [`JobEvent::Changed`].
    pub fn watched(&self) -> Vec<PathBuf> {
        self.touches.paths()
    }

    /// When the next [`JobEvent::Tick`] is due.
    pub fn next_wake(&self) -> Option<Millis> {
        if self.phase == Phase::New {
            return None;
        }
        let look = self.has_to_look().then_some(self.next_look);
        let running = self.phase == Phase::Running;
        let events = self.touches.wake().filter(|_| running);
        let daemons = self.daemons.iter().filter_map(|daemon| daemon.wake(running));
        let leaving = self.leaving.iter().filter_map(|one| one.kill_at);
        let others = [look, events, self.crons.wake()];
        daemons.chain(leaving).chain(others.into_iter().flatten()).min()
    }

    fn has_to_look(&self) -> bool {
        let smart = self.daemons.iter().any(Daemon::is_smart);
        self.phase == Phase::Running
            && (smart || !self.crons.is_empty() || !self.touches.is_empty())
    }

    /// What ends has been told to.
    pub fn is_stopping(&self) -> bool {
        self.phase == Phase::Stopping
    }

    /// No process is left whose end is waited for.
    pub fn is_quiet(&self) -> bool {
        self.leaving.is_empty() && self.daemons.iter().all(Daemon::is_quiet)
    }

    /// The same, but for who carries the log.
    pub fn has_nothing_to_say(&self) -> bool {
        let mut pairs = self.daemons.iter().zip(&self.config.daemons);
        self.leaving.is_empty()
            && pairs.all(|(daemon, spec)| daemon.is_quiet() || carries_log(spec))
    }

    /// Takes in what happened at `now` and appends what is to be done, in order.
    pub fn step(&mut self, now: Millis, event: JobEvent<'_>, actions: &mut Vec<JobAction>) {
        match event {
            JobEvent::Begin(world) => self.begin(world, now, actions),
            JobEvent::Started { job, pid } => self.on_started(job, pid, now, actions),
            JobEvent::StartFailed { job, error } => self.on_start_failed(job, error, now, actions),
            JobEvent::Exited { pid, ended } => self.on_exited(pid, ended, now, actions),
            JobEvent::Changed { path } => self.touches.notice(path, now),
            JobEvent::Draining if self.phase == Phase::Stopping => {}
            JobEvent::Draining => self.drain(now, actions),
            JobEvent::Stopping if self.phase == Phase::Stopping => {}
            JobEvent::Stopping => self.stop(now + self.mercy_ms(), actions),
            JobEvent::Hurry => self.stop(now, actions),
            JobEvent::TakesRequests(takes) => self.rest(!takes, now, actions),
            JobEvent::Silence => self.end_log(now + self.mercy_ms(), actions),
            JobEvent::Tick(world) => self.tick(world, now, actions),
        }
    }

    fn begin(&mut self, world: &dyn Surroundings, now: Millis, actions: &mut Vec<JobAction>) {
        if self.phase != Phase::New {
            return;
        }
        self.phase = Phase::Running;
        self.crons.begin(&self.config.crons, actions);
        self.touches.begin(world, actions);
        let mercy_ms = self.mercy_ms();
        for (daemon, spec) in self.daemons.iter_mut().zip(&self.config.daemons) {
            if self.resumed {
                daemon.look(spec, world, now, actions);
                daemon.renew(spec, now + mercy_ms, actions);
            }
        }
        for one in &mut self.leaving {
            if let Some(signal) = one.told.take() {
                one.kill_at = Some(now + mercy_ms);
                actions.push(JobAction::Log(lines::stopping(one.pid, one.shown())));
                actions.push(JobAction::Signal { pid: one.pid, signal, whom: Whom::Group });
            }
        }
        self.tick(world, now, actions);
    }

    fn tick(&mut self, world: &dyn Surroundings, now: Millis, actions: &mut Vec<JobAction>) {
        let running = self.phase == Phase::Running;
        let looks = now >= self.next_look && running;
        if looks {
            self.next_look = now + LOOK_MS;
            let runs = world.runs_crons();
            self.crons.look(&self.config.crons, (world.local(), runs), actions);
        }
        self.crons.tick(&self.config.crons, now, actions);
        if running {
            for effect in self.touches.tick(looks, world, now, actions) {
                self.follow(&effect, actions);
            }
        }
        for (index, daemon) in self.daemons.iter_mut().enumerate() {
            let Some(spec) = self.config.daemons.get(index) else { break };
            if looks {
                daemon.look(spec, world, now, actions);
            }
            daemon.tick(running.then_some(Job::Daemon(index)), spec, now, actions);
        }
        for one in self.leaving.iter_mut().filter(|one| one.kill_at.is_some_and(|due| now >= due)) {
            one.kill_at = None;
            actions.push(JobAction::Log(lines::no_mercy(one.pid, one.shown())));
            actions.push(kill(one.pid));
        }
    }

    fn follow(&mut self, effect: &Effect, actions: &mut Vec<JobAction>) {
        match effect {
            Effect::Ask(command) => {
                // Several files that were touched together ask once.
                let asks = JobAction::Ask(*command);
                if !actions.contains(&asks) {
                    actions.push(asks);
                }
            }
            Effect::Run(index) => self.touches.run(*index, &self.config, actions),
            Effect::Daemon(index, path) => {
                if let (Some(daemon), Some(spec)) =
                    (self.daemons.get_mut(*index), self.config.daemons.get(*index))
                {
                    daemon.touch(path, spec, actions);
                }
            }
        }
    }

    fn on_started(&mut self, job: Job, pid: Pid, now: Millis, actions: &mut Vec<JobAction>) {
        let (stopping, mercy_ms) = (self.phase == Phase::Stopping, self.mercy_ms());
        match job {
            Job::Cron(index) => self.crons.started(index, &self.config.crons, (pid, now), actions),
            Job::Touch(_) => self.touches.started(pid),
            Job::Daemon(index) => {
                let Some(daemon) = self.daemons.get_mut(index) else { return };
                daemon.started(pid, now);
                let Some(spec) = self.config.daemons.get(index) else { return };
                if stopping || (self.drained && brings_requests(spec)) {
                    daemon.stop(spec, now + mercy_ms, actions);
                }
            }
        }
    }

    fn on_start_failed(
        &mut self,
        job: Job,
        error: &std::io::Error,
        now: Millis,
        actions: &mut Vec<JobAction>,
    ) {
        match job {
            Job::Cron(index) => {
                if let Some(cron) = self.config.crons.get(index) {
                    actions.push(JobAction::Log(lines::cron_failed(&cron.command, error)));
                }
            }
            Job::Touch(index) => {
                if let Some(command) = self.touches.command(index, &self.config) {
                    actions.push(JobAction::Log(lines::touch_failed(command, error)));
                }
            }
            Job::Daemon(index) => {
                if let (Some(daemon), Some(spec)) =
                    (self.daemons.get_mut(index), self.config.daemons.get(index))
                {
                    actions.push(JobAction::Log(lines::daemon_failed(&spec.command, error)));
                    daemon.start_failed(spec, now, actions);
                    if self.phase == Phase::Stopping {
                        daemon.stop(spec, now, actions);
                    }
                }
            }
        }
    }

    fn on_exited(&mut self, pid: Pid, ended: Ended, now: Millis, actions: &mut Vec<JobAction>) {
        if let Some(at) = self.leaving.iter().position(|one| one.pid == pid) {
            let gone = self.leaving.swap_remove(at);
            actions.push(kill(pid));
            actions.push(JobAction::Log(lines::annihilated(pid, gone.shown())));
        }
        self.touches.ended(pid, ended, actions);
        self.crons.ended(pid, ended, &self.config.crons, now, actions);
        let mut gateway = false;
        for (daemon, spec) in self.daemons.iter_mut().zip(&self.config.daemons) {
            if daemon.ended(pid, ended, spec, now, actions) {
                // Its pid file is looked at at once.
                self.next_look = now;
                gateway |= brings_requests(spec);
            }
        }
        if gateway {
            self.let_workers_go(actions);
        }
    }

    /// Gateways end first: what they have taken in is answered while there are workers.
    fn drain(&mut self, now: Millis, actions: &mut Vec<JobAction>) {
        self.phase = Phase::Draining;
        let kill_at = now + milliseconds(self.config.gateway_mercy);
        let first = |_: &Daemon, spec: &jobs::Daemon| brings_requests(spec) || is_node(spec);
        self.stop_daemons(first, kill_at, actions);
        self.let_workers_go(actions);
    }

    /// Gateways that bring requests rest, or come back.
    fn rest(&mut self, drained: bool, now: Millis, actions: &mut Vec<JobAction>) {
        let goes_on = matches!(self.phase, Phase::New | Phase::Running);
        if !goes_on || std::mem::replace(&mut self.drained, drained) == drained {
            return;
        }
        let kill_at = now + milliseconds(self.config.gateway_mercy);
        if drained {
            return self.stop_daemons(|_, spec| brings_requests(spec), kill_at, actions);
        }
        let mut pairs = self.daemons.iter_mut().zip(&self.config.daemons);
        pairs
            .by_ref()
            .filter(|(_, spec)| brings_requests(spec))
            .for_each(|(daemon, _)| daemon.resume(now));
    }

    /// Workers that serve on for the gateways alone need not any longer.
    fn let_workers_go(&self, actions: &mut Vec<JobAction>) {
        let mut pairs = self.daemons.iter().zip(&self.config.daemons);
        let waited = self.config.workers_wait && self.phase == Phase::Draining;
        if waited && !pairs.any(|(daemon, spec)| brings_requests(spec) && daemon.is_running()) {
            // A second wish to end gracefully ends the wait.
            actions.push(JobAction::Ask(Command::GracefulStop));
        }
    }

    /// All but who carries the log: those that end have things to say.
    fn stop(&mut self, kill_at: Millis, actions: &mut Vec<JobAction>) {
        self.phase = Phase::Stopping;
        self.stop_daemons(|_, spec| !carries_log(spec), kill_at, actions);
        for one in &mut self.leaving {
            one.kill_at = one.kill_at.map(|before| before.min(kill_at));
        }
    }

    fn end_log(&mut self, kill_at: Millis, actions: &mut Vec<JobAction>) {
        self.phase = Phase::Stopping;
        let log = |daemon: &Daemon, spec: &jobs::Daemon| carries_log(spec) && !daemon.is_ending();
        self.stop_daemons(log, kill_at, actions);
    }

    fn stop_daemons(
        &mut self,
        chosen: impl Fn(&Daemon, &jobs::Daemon) -> bool,
        kill_at: Millis,
        actions: &mut Vec<JobAction>,
    ) {
        for (daemon, spec) in self.daemons.iter_mut().zip(&self.config.daemons) {
            if chosen(daemon, spec) {
                daemon.stop(spec, kill_at, actions);
            }
        }
    }

    fn mercy_ms(&self) -> u64 {
        milliseconds(self.config.mercy)
    }
}

/// True for the gateway that carries the log.
fn carries_log(spec: &jobs::Daemon) -> bool {
    carries(spec, Cargo::Log)
}

/// True for a gateway whose requests the workers answer.
fn brings_requests(spec: &jobs::Daemon) -> bool {
    carries(spec, Cargo::Requests)
}

/// True for the node of a cluster.
fn is_node(spec: &jobs::Daemon) -> bool {
    carries(spec, Cargo::Cluster)
}

fn carries(spec: &jobs::Daemon, cargo: Cargo) -> bool {
    spec.gateway.as_ref().is_some_and(|gateway| gateway.cargo == cargo)
}

/// Whatever is left of the session that a process led.
fn kill(pid: Pid) -> JobAction {
    JobAction::Signal { pid, signal: Signal::SIGKILL, whom: Whom::Group }
}
