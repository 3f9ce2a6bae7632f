//! Hooks of the master: when its loop begins, and when a file changes. It does not wait for them.

use super::run::{Master, now};
use crate::config::model::hooks::{Hooks, Phase};
use crate::hooks::{self, Sequence, Step, Stop, Touched};
use crate::log;
use crate::supervisor::{Ended, Event, Millis, Pid};

/// So many hooks at most have a child at work. Only files that change while the command of their last change still runs
/// make more.
const SEQUENCES_MAX: usize = 64;
/// Pause between two looks at the files of `hook-touch`, as uWSGI's.
const LOOK_MS: u64 = 1000;

/// What hooks need of the master between two turns of its loop.
pub(super) struct MasterHooks {
    running: Vec<Sequence>,
    touched: Touched,
    /// `None` without a file to look at.
    look_at: Option<Millis>,
    /// What the action `exit` asked for.
    status: Option<i32>,
}

impl MasterHooks {
    pub(super) fn new(hooks: &Hooks, now: Millis) -> Self {
        let touched = Touched::new(hooks.touch.iter().map(|(file, _)| file.clone()));
        let look_at = (!hooks.touch.is_empty()).then_some(now + LOOK_MS);
        Self { running: Vec::new(), touched, look_at, status: None }
    }

    /// When to look at the files.
    pub(super) fn next_wake(&self) -> Option<Millis> {
        self.look_at
    }

    /// The exit status that a hook asked for.
    pub(super) fn status(&self) -> Option<i32> {
        self.status
    }
}

impl Master {
    /// What is to be done when the loop begins.
    pub(super) fn start_hooks(&mut self) {
        let config = self.context.config.clone();
        let phase = Phase::MasterStart;
        self.begin(Sequence::new(phase.label(), config.hooks.of(phase)));
    }

    /// What is to be done at the end of the instance: there is nobody left who could be kept waiting.
    pub(super) fn end_hooks(&self) {
        // There, nothing stops.
        let _ = hooks::run(Phase::AsUserAtExit, &self.context.config.hooks);
    }

    /// Does what is to be done for files that have changed.
    pub(super) fn look_at_touched(&mut self) {
        let now = now();
        if self.hooks.look_at.is_none_or(|at| at > now) {
            return;
        }
        self.hooks.look_at = Some(now + LOOK_MS);
        let config = self.context.config.clone();
        for number in self.hooks.touched.changed() {
            if let Some((_, hook)) = config.hooks.touch.get(number) {
                self.begin(Sequence::new("touch", [hook]));
            }
        }
    }

    /// Whether the child that ended was at work for a hook.
    pub(super) fn hook_ended(&mut self, pid: Pid, ended: Ended) -> bool {
        let config = self.context.config.clone();
        let mut found = None;
        for (position, sequence) in self.hooks.running.iter_mut().enumerate() {
            if let Some(step) = sequence.ended(pid, ended, &config.hooks) {
                found = Some((position, step));
                break;
            }
        }
        let Some((position, step)) = found else { return false };
        let sequence = self.hooks.running.remove(position);
        self.follow(sequence, step);
        true
    }

    fn begin(&mut self, mut sequence: Sequence) {
        if self.hooks.running.len() >= SEQUENCES_MAX {
            log::line(format_args!("{SEQUENCES_MAX} hooks run already: one is left out"));
            return;
        }
        let step = sequence.advance(&self.context.config.clone().hooks);
        self.follow(sequence, step);
    }

    fn follow(&mut self, mut sequence: Sequence, mut step: Step) {
        let config = self.context.config.clone();
        loop {
            match step {
                Step::Done => return,
                Step::Waiting => {
                    self.hooks.running.push(sequence);
                    return;
                }
                Step::OnSignal(signal, command) => {
                    self.context.signals.set(signal, command);
                    step = sequence.advance(&config.hooks);
                }
                Step::Stop(stop) => {
                    if let Stop::Exit(status) = stop {
                        self.hooks.status = Some(status);
                    }
                    self.send(Event::StopAsked);
                    return;
                }
            }
        }
    }
}
