//! Files whose change has consequences (behaviour note 3.8).
//!
//! A file has changed when its time of modification is another one than before, when another file is in its place, or when
//! it appeared or disappeared. It is compared once a second, and a moment after an event was noticed: a program that
//! writes a file does so in several steps, which are to count once.

use std::path::{Path, PathBuf};

use super::{Ended, Job, JobAction, Millis, Pid, RUNS_MAX, Stamp, Surroundings, lines};
use crate::config::model::jobs::{Jobs, Then};
use crate::supervisor::Command;

/// From the last event to the comparison.
const SETTLE_MS: u64 = 50;
/// From the first event to the comparison, however many follow.
const SETTLE_MS_MAX: u64 = 500;

/// What follows a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Ask(Command),
    /// The command of this touch.
    Run(usize),
    /// This daemon is started anew.
    Daemon(usize, PathBuf),
}

#[derive(Debug)]
pub(super) struct Touches {
    files: Vec<File>,
    /// First and last event that is not dealt with.
    noticed: Option<(Millis, Millis)>,
    /// Commands that run.
    runs: Vec<Pid>,
}

#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    effect: Effect,
    /// What is said of a change; `None` where the effect has a line of its own.
    what: Option<&'static str>,
    /// Any event in it counts.
    any_event: bool,
    noticed: bool,
    /// Outer `None`: never looked at.
    pub(super) stamp: Option<Option<Stamp>>,
}

impl Touches {
    pub(super) fn new(config: &Jobs) -> Self {
        let touches = config.touches.iter().enumerate().map(|(index, touch)| {
            let (effect, what) = effect(&touch.then, index);
            File::new(touch.path.clone(), effect, (what, touch.then.is_any_event()))
        });
        let daemons = config.daemons.iter().enumerate().flat_map(|(index, daemon)| {
            let file = move |path: &PathBuf| {
                File::new(path.clone(), Effect::Daemon(index, path.clone()), (None, false))
            };
            daemon.touch.iter().map(file)
        });
        Self { files: touches.chain(daemons).collect(), noticed: None, runs: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    pub(super) fn files_mut(&mut self) -> &mut [File] {
        &mut self.files
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self.files.iter().map(|file| file.path.clone()).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    pub(super) fn wake(&self) -> Option<Millis> {
        self.noticed.map(|(first, last)| (last + SETTLE_MS).min(first + SETTLE_MS_MAX))
    }

    /// What is there before anything can change. A file that an earlier image knew is compared with what that saw.
    pub(super) fn begin(&mut self, world: &dyn Surroundings, actions: &mut Vec<JobAction>) {
        for file in &mut self.files {
            if file.stamp.is_none() {
                let stamp = world.stamp(&file.path);
                file.stamp = Some(stamp);
                actions.extend(
                    match (stamp, file.any_event) {
                        (None, _) => Some(lines::cannot_stat(&file.path)),
                        (Some(_), true) => Some(lines::fs_registered(&file.path)),
                        (Some(_), false) => None,
                    }
                    .map(JobAction::Log),
                );
            }
        }
    }

    pub(super) fn notice(&mut self, path: &Path, now: Millis) {
        for file in self.files.iter_mut().filter(|file| file.path == path) {
            file.noticed = true;
            let first = self.noticed.map_or(now, |(first, _)| first);
            self.noticed = Some((first, now));
        }
    }

    /// `looks`: it is time to look at all files.
    pub(super) fn tick(
        &mut self,
        looks: bool,
        world: &dyn Surroundings,
        now: Millis,
        actions: &mut Vec<JobAction>,
    ) -> Vec<Effect> {
        let settled = self.wake().is_some_and(|wake| now >= wake);
        // What is being written is not looked at in between.
        if !settled && (!looks || self.noticed.is_some()) {
            return Vec::new();
        }
        self.noticed = None;
        let mut effects = Vec::new();
        for file in &mut self.files {
            let stamp = world.stamp(&file.path);
            let event = std::mem::take(&mut file.noticed) && file.any_event;
            let changed = file.stamp.is_some_and(|before| before != stamp);
            file.stamp = Some(stamp);
            if changed || event {
                actions.extend(file.line().map(JobAction::Log));
                effects.push(file.effect.clone());
            }
        }
        effects
    }

    pub(super) fn command<'a>(&self, index: usize, config: &'a Jobs) -> Option<&'a str> {
        match &config.touches.get(index)?.then {
            Then::Run(command) => Some(command),
            _ => None,
        }
    }

    pub(super) fn run(&mut self, index: usize, config: &Jobs, actions: &mut Vec<JobAction>) {
        let Some(command) = self.command(index, config) else { return };
        if self.runs.len() >= RUNS_MAX {
            let text = lines::touch_too_many(command, self.runs.len());
            return actions.push(JobAction::Log(text));
        }
        actions.push(JobAction::Log(lines::touch_running(command)));
        actions.push(JobAction::Start { job: Job::Touch(index), again: false });
    }

    pub(super) fn runs(&self) -> &[Pid] {
        &self.runs
    }

    pub(super) fn started(&mut self, pid: Pid) {
        self.runs.push(pid);
    }

    pub(super) fn ended(&mut self, pid: Pid, ended: Ended, actions: &mut Vec<JobAction>) {
        let Some(at) = self.runs.iter().position(|run| *run == pid) else { return };
        self.runs.swap_remove(at);
        if ended != Ended::Code(0) {
            actions.push(JobAction::Log(lines::touch_went_wrong(pid, ended)));
        }
    }
}

impl File {
    fn new(path: PathBuf, effect: Effect, (what, any_event): (Option<&'static str>, bool)) -> Self {
        Self { path, effect, what, any_event, noticed: false, stamp: None }
    }

    fn line(&self) -> Option<String> {
        match self.any_event {
            true => Some(lines::fs_event(&self.path)),
            false => self.what.map(|what| lines::touched(&self.path, what)),
        }
    }
}

fn effect(then: &Then, index: usize) -> (Effect, Option<&'static str>) {
    use Command::{BrutalReload, ChainReload, Reload, ReloadWorkers, ReopenLogs, RotateLogs};
    match then {
        Then::Reload => (Effect::Ask(Reload), Some("grace them all")),
        Then::ReloadWorkers => (Effect::Ask(ReloadWorkers), Some("workers reload")),
        Then::ChainReload => (Effect::Ask(ChainReload), Some("chain reload")),
        // uWSGI says nothing of these two; their effect shows in the log itself.
        Then::RotateLogs => (Effect::Ask(RotateLogs), None),
        Then::ReopenLogs => (Effect::Ask(ReopenLogs), None),
        Then::Run(_) => (Effect::Run(index), None),
        Then::FsReload => (Effect::Ask(Reload), None),
        Then::FsBrutalReload => (Effect::Ask(BrutalReload), None),
    }
}
