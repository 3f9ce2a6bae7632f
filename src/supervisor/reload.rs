//! Generations: the first one, a new one beside the old, and the way back.
//!
//! ```text
//!   Idle -> Loading -> Proving -> Replacing -> (Reexec) Idle
//!              |          |           |
//!              `----------+-----------'--> Idle, the old generation in charge; perhaps once more after a pause
//! ```
//!
//! *Loading*: the mold reads the configuration and loads the application. *Proving*: the first worker of the new
//! generation boots, beside everything that goes on. It is ready: the new generation is in charge, and *replacing*
//! follows, worker by worker. Until the end of it the old mold is kept, and wanting the old generation again undoes it.

use super::decisions::{Phase, Supervisor};
use super::fleet::{Process, Stage};
use super::post::{THROTTLE_MS_MAX, Throttle};
use super::{Action, Ended, Generation, Millis, Report, exit_code, lines};

/// So many successors of a generation in a row may die before they are ready; then it is given up.
const FAILURES_MAX: u32 = 3;

/// The first pause before a reload is tried again by itself; doubled each time, up to [`THROTTLE_MS_MAX`].
const RETRY_MS: u64 = 1_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Idle,
    Loading {
        generation: Generation,
    },
    Proving {
        generation: Generation,
    },
    Replacing {
        previous: Generation,
        workers_before: u16,
    },
}

/// The reload that runs, if one does.
#[derive(Debug, Default)]
pub(super) struct Reload {
    step: Step,
    brutal: bool,
    /// Somebody asked for another one while it ran.
    again: Option<bool>,
    failures: u32,
    /// Counts reloads, for those who ask for one.
    pub(super) round: u32,
    last: Generation,
    /// When it is tried again, and how often it was.
    pub(super) retry_at: Option<Millis>,
    retries: u32,
    /// The mold in charge is gone: without another one no worker can be replaced.
    moldless: bool,
    /// Of the first generation.
    boots: Throttle,
}

impl Reload {
    /// After `last`; `again` is a reload that was asked for during the last one, at this moment.
    pub(super) fn resume(last: Generation, round: u32, again: Option<(bool, Millis)>) -> Self {
        let brutal = again.is_some_and(|(brutal, _)| brutal);
        Self { last, round, brutal, retry_at: again.map(|(_, now)| now), ..Self::default() }
    }

    /// Another reload was asked for while this one ran; whether a brutal one.
    pub(super) fn again(&self) -> Option<bool> {
        self.again
    }

    pub(super) fn is_running(&self) -> bool {
        self.step != Step::Idle
    }

    pub(super) fn is_replacing(&self) -> bool {
        matches!(self.step, Step::Replacing { .. })
    }

    /// A generation that is not in charge yet.
    pub(super) fn is_candidate(&self, generation: Generation) -> bool {
        matches!(self.step, Step::Loading { generation: one } | Step::Proving { generation: one } if one == generation)
    }

    /// The one whose first worker is to boot.
    pub(super) fn loaded_candidate(&self) -> Option<Generation> {
        match self.step {
            Step::Proving { generation } => Some(generation),
            _ => None,
        }
    }

    /// A generation whose workers take the places of another's.
    pub(super) fn is_new(&self, generation: Generation) -> bool {
        self.is_running() && generation == self.last
    }

    /// Old workers end at once when the new ones of this generation are there.
    pub(super) fn is_brutal(&self, generation: Generation) -> bool {
        self.brutal && self.is_new(generation)
    }

    fn next(&mut self) -> Generation {
        self.last = Generation(self.last.0.saturating_add(1));
        self.last
    }
}

impl Supervisor {
    /// The first generation loads, again after it died.
    pub(super) fn boot(&mut self, actions: &mut Vec<Action>) {
        let generation = self.reload.next();
        self.molds.start(generation, actions);
    }

    pub(super) fn ask_reload(&mut self, brutal: bool, now: Millis, actions: &mut Vec<Action>) {
        if self.phase == Phase::Booting && self.molds.is_empty() {
            // Somebody mended what dies at boot: no need to wait.
            self.reload.retry_at = Some(now);
            return;
        }
        if self.phase != Phase::Serving {
            return;
        }
        if self.settings.exit_on_reload {
            return if brutal {
                self.stop(0, now, actions)
            } else {
                self.stop_gracefully(now, actions)
            };
        }
        if std::mem::take(&mut self.drained) {
            self.want(self.usual(), actions);
        }
        if self.reload.is_running() {
            self.reload.again = Some(brutal || self.reload.again == Some(true));
            return;
        }
        self.reload.retries = 0;
        self.start_reload(brutal, actions);
    }

    fn start_reload(&mut self, brutal: bool, actions: &mut Vec<Action>) {
        let generation = self.reload.next();
        self.reload.round += 1;
        self.reload.retry_at = None;
        self.reload.brutal = brutal;
        self.reload.failures = 0;
        self.reload.step = Step::Loading { generation };
        actions.push(Action::Log(lines::reload_begins(generation, self.target)));
        self.molds.start(generation, actions);
    }

    pub(super) fn on_mold_loaded(
        &mut self,
        generation: Generation,
        workers: u16,
        actions: &mut Vec<Action>,
    ) {
        self.molds.loaded(generation, workers);
        match (self.phase, self.reload.step) {
            (Phase::Booting, _) => {
                self.phase = Phase::Serving;
                self.target = generation;
                if self.is_asleep() {
                    self.begin_sleep(actions);
                }
            }
            (_, Step::Loading { generation: loading }) if loading == generation => {
                self.reload.step = Step::Proving { generation };
            }
            // Of a reload that was given up in the meantime.
            _ if generation != self.target => self.molds.dismiss(generation, actions),
            _ => {}
        }
    }

    /// The candidate's first worker serves: it is in charge.
    pub(super) fn promote(&mut self, actions: &mut Vec<Action>) {
        let Some(generation) = self.reload.loaded_candidate() else { return };
        let previous = self.target;
        let workers_before = self.posts.len() as u16;
        let workers = self.molds.workers(generation).unwrap_or(workers_before);
        self.wanted.resize(workers.max(1));
        self.posts.resize_with(usize::from(workers.max(1)), Default::default);
        self.target = generation;
        // As after a start.
        self.paused = false;
        self.reload.step = Step::Replacing { previous, workers_before };
        let line = if self.reload.brutal { lines::BRUTAL_RELOAD } else { lines::GRACEFUL_RELOAD };
        actions.push(Action::Log(line.to_owned()));
    }

    pub(super) fn on_mold_ended(
        &mut self,
        generation: Generation,
        ended: Ended,
        now: Millis,
        actions: &mut Vec<Action>,
    ) {
        let asked = self.molds.ended(generation);
        // What it was asked to fork will not come.
        self.fleet.0.retain(|one| one.pid.is_some() || one.seat.generation != generation);
        match self.phase {
            Phase::Booting => self.on_boot_failed(ended, now, actions),
            Phase::Serving if self.reload.is_candidate(generation) => {
                let loading = matches!(self.reload.step, Step::Loading { .. });
                let when = if loading { "while it was loaded" } else { "when it was loaded" };
                let text = match ended {
                    Ended::Code(exit_code::NOT_LOADED) => "an application does not load".to_owned(),
                    _ => format!("its process {ended} {when}"),
                };
                self.fail_reload(text, now, actions);
            }
            Phase::Serving if generation == self.target && !asked => {
                actions.push(Action::Log(lines::mold_lost(generation, ended)));
                self.reload.moldless = true;
                if self.reload.is_replacing() {
                    self.roll_back("its process is gone".to_owned(), now, actions);
                } else if !self.reload.is_running() {
                    self.reload.retry_at.get_or_insert(now);
                }
            }
            _ => {}
        }
    }

    fn on_boot_failed(&mut self, ended: Ended, now: Millis, actions: &mut Vec<Action>) {
        let first_ms = self.settings.throttle_ms;
        match ended {
            Ended::Code(exit_code::NO_APP) => {
                actions.push(Action::Log(lines::NEED_APP.to_owned()));
                self.stop(exit_code::NO_APP, now, actions);
            }
            // It has said what is wrong, and the same would be wrong again.
            Ended::Code(code @ (exit_code::FAILURE | exit_code::NOT_LOADED)) => {
                self.stop(code, now, actions);
            }
            _ => {
                let throttle = &mut self.reload.boots;
                let pause_ms = throttle.penalty_ms(true, first_ms).max(first_ms);
                let deaths = throttle.quick_deaths;
                actions.push(Action::Log(lines::boot_failed(ended)));
                actions.push(Action::Log(lines::attempts("the application", deaths, pause_ms)));
                self.reload.retry_at = Some(now + pause_ms);
            }
        }
    }

    /// A worker of the new generation died before it was ready.
    pub(super) fn on_successor_failed(
        &mut self,
        generation: Generation,
        why: String,
        now: Millis,
        actions: &mut Vec<Action>,
    ) {
        self.reload.failures += 1;
        if self.reload.is_candidate(generation) {
            self.fail_reload(why, now, actions);
        } else if self.reload.is_replacing() && self.reload.failures >= FAILURES_MAX {
            self.roll_back(why, now, actions);
        }
    }

    /// The old generation was in charge all the time.
    pub(super) fn fail_reload(&mut self, why: String, now: Millis, actions: &mut Vec<Action>) {
        let (Step::Loading { generation } | Step::Proving { generation }) = self.reload.step else {
            return;
        };
        self.molds.dismiss(generation, actions);
        let foreign = |process: &Process| process.seat.generation == generation && process.stays();
        self.dismiss(foreign, false, now, actions);
        self.give_up(why, now, actions);
    }

    /// As somebody asks, who has waited long enough.
    pub(super) fn give_up_reload(&mut self, now: Millis, actions: &mut Vec<Action>) {
        self.reload.again = None;
        self.fail_reload("it takes too long".to_owned(), now, actions);
        if !self.reload.moldless {
            self.reload.retry_at = None;
        }
    }

    /// The old generation takes charge again: what serves of the new one gets successors of the old one.
    fn roll_back(&mut self, why: String, now: Millis, actions: &mut Vec<Action>) {
        let Step::Replacing { previous, workers_before } = self.reload.step else { return };
        if self.molds.places(previous).is_none() && self.molds.places(self.target).is_some() {
            // There is no way back: what serves goes on, and who is missing is tried again.
            self.reload.failures = 0;
            return;
        }
        let failed = std::mem::replace(&mut self.target, previous);
        self.posts.resize_with(usize::from(workers_before), Default::default);
        self.wanted.resize(workers_before);
        self.molds.dismiss(failed, actions);
        let boots = |process: &Process| {
            process.seat.generation == failed && process.stage == Stage::Booting
        };
        self.dismiss(boots, false, now, actions);
        self.give_up(why, now, actions);
    }

    fn give_up(&mut self, why: String, now: Millis, actions: &mut Vec<Action>) {
        actions.push(Action::Log(lines::reload_failed(self.target, &why)));
        self.report(Err(why), actions);
        self.reload.step = Step::Idle;
        if let Some(brutal) = self.reload.again.take() {
            self.reload.retries = 0;
            self.start_reload(brutal, actions);
            return;
        }
        if self.reload.retries < self.settings.retries || self.reload.moldless {
            let pause_ms = RETRY_MS
                .saturating_mul(1_u64.checked_shl(self.reload.retries).unwrap_or(u64::MAX))
                .min(THROTTLE_MS_MAX);
            self.reload.retries += 1;
            self.reload.retry_at = Some(now + pause_ms);
            let tries = self.reload.retries;
            actions.push(Action::Log(lines::attempts("the reload", tries, pause_ms)));
        }
    }

    /// Without the mold in charge no worker can be replaced: it is loaded again, as a reload.
    pub(super) fn look_for_mold(&mut self, now: Millis) {
        let missing = self.molds.places(self.target).is_none();
        if missing && !self.reload.is_running() && self.reload.retry_at.is_none() {
            self.reload.moldless = true;
            self.reload.retry_at = Some(now + RETRY_MS);
        }
    }

    /// Nothing more is to come of the reload that runs.
    pub(super) fn abandon_reload(&mut self, why: &str, actions: &mut Vec<Action>) {
        self.reload.again = None;
        self.reload.retry_at = None;
        if self.reload.is_running() {
            self.reload.step = Step::Idle;
            self.report(Err(why.to_owned()), actions);
        }
    }

    pub(super) fn tick_reload(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if self.reload.retry_at.is_none_or(|at| at > now) {
            return;
        }
        self.reload.retry_at = None;
        match self.phase {
            Phase::Booting if self.molds.is_empty() => self.boot(actions),
            Phase::Serving if !self.reload.is_running() => {
                let brutal = self.reload.brutal;
                self.start_reload(brutal, actions);
            }
            _ => {}
        }
    }

    /// Everything is of the new generation: the old mold goes, and the master becomes its own new image.
    pub(super) fn commit(&mut self, actions: &mut Vec<Action>) {
        let Step::Replacing { previous, .. } = self.reload.step else { return };
        self.molds.dismiss(previous, actions);
        self.report(Ok(()), actions);
        self.reload.step = Step::Idle;
        self.reload.moldless = false;
        self.reload.retries = 0;
        self.phase = Phase::Reexecuting;
        actions.extend([Action::Log(lines::REEXEC.to_owned()), Action::Reexec]);
    }

    pub(super) fn on_reexec_failed(&mut self, error: &std::io::Error, actions: &mut Vec<Action>) {
        self.phase = Phase::Serving;
        actions.push(Action::Log(lines::reexec_failed(error)));
    }

    fn report(&self, result: Result<(), String>, actions: &mut Vec<Action>) {
        actions.push(Action::Report(Report { round: self.reload.round, result }));
    }
}
