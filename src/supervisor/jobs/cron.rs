//! Commands that run at certain times (behaviour note 3.14).
//!
//! A command is due once in each minute that its schedule names; one that is `unique` and still runs is due as soon as it
//! has ended, if the minute is not over.

use super::{Ended, Job, JobAction, LocalTime, Millis, Pid, RUNS_MAX, kill, lines, milliseconds};
use crate::config::model::jobs::{Cron, Field, Jobs, Schedule};

/// Whether the schedule names this minute.
pub(super) fn is_due(schedule: &Schedule, time: LocalTime) -> bool {
    let Schedule { minute, hour, day, month, weekday } = *schedule;
    let other = matches(minute, time.minute) && matches(hour, time.hour);
    let by_day = (matches(day, time.day), matches(weekday, time.weekday));
    let on_day = match (day, weekday) {
        // As in cron(8): given both, either will do.
        (Field::At(_), Field::At(_)) => by_day.0 || by_day.1,
        _ => by_day.0 && by_day.1,
    };
    other && matches(month, time.month) && on_day
}

/// uWSGI divides, also days and months, which begin at 1: `-2` names the even ones.
fn matches(field: Field, number: u8) -> bool {
    match field {
        Field::At(at) => at == number,
        Field::Every(every) => number.is_multiple_of(every.max(1)),
    }
}

/// All crons with their commands that run.
#[derive(Debug)]
pub(super) struct CronTab {
    lines: Vec<Line>,
    /// Commands that run for a line which is configured no more; only their time limit is left of it.
    orphans: Vec<(String, Run)>,
}

#[derive(Debug, Default)]
pub(super) struct Line {
    /// When it was started last, in minutes since 1970.
    pub(super) last_minute: Option<u64>,
    pub(super) runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) pid: Pid,
    pub(super) since: Millis,
    /// `harakiri`; `None` without one and when it was killed.
    pub(super) kill_at: Option<Millis>,
}

impl CronTab {
    pub(super) fn new(config: &Jobs) -> Self {
        let lines = config.crons.iter().map(|_| Line::default()).collect();
        Self { lines, orphans: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(super) fn line_mut(&mut self, index: usize) -> Option<&mut Line> {
        self.lines.get_mut(index)
    }

    pub(super) fn orphans(&self) -> &[(String, Run)] {
        &self.orphans
    }

    pub(super) fn adopt(&mut self, command: &str, run: Run) {
        self.orphans.push((command.to_owned(), run));
    }

    /// When a command is out of time.
    pub(super) fn wake(&self) -> Option<Millis> {
        let lines = self.lines.iter().flat_map(|line| &line.runs);
        lines.chain(self.orphans.iter().map(|(_, run)| run)).filter_map(|run| run.kill_at).min()
    }

    pub(super) fn begin(&self, crons: &[Cron], actions: &mut Vec<JobAction>) {
        let line = |cron: &Cron| JobAction::Log(lines::cron_registered(&cron.command));
        actions.extend(crons.iter().map(line));
    }

    /// Starts what is due. Where it does not run here (`runs`), the minute counts as done: who leads from now on must not repeat
    /// what the leader before has begun.
    pub(super) fn look(
        &mut self,
        crons: &[Cron],
        (time, runs): (LocalTime, bool),
        actions: &mut Vec<JobAction>,
    ) {
        for (index, (line, cron)) in self.lines.iter_mut().zip(crons).enumerate() {
            let done = line.last_minute == Some(time.unix_minute);
            let busy = runs && cron.unique && !line.runs.is_empty();
            if done || busy || !is_due(&cron.schedule, time) {
                continue;
            }
            line.last_minute = Some(time.unix_minute);
            if !runs {
                continue;
            }
            if line.runs.len() >= RUNS_MAX {
                let text = lines::cron_too_many(&cron.command, line.runs.len());
                actions.push(JobAction::Log(text));
                continue;
            }
            actions.push(JobAction::Start { job: Job::Cron(index), again: false });
        }
    }

    /// Kills what is out of time.
    pub(super) fn tick(&mut self, crons: &[Cron], now: Millis, actions: &mut Vec<JobAction>) {
        let lines = self.lines.iter_mut().zip(crons);
        let runs = lines
            .flat_map(|(line, cron)| line.runs.iter_mut().map(|run| (cron.command.as_str(), run)));
        let orphans = self.orphans.iter_mut().map(|(command, run)| (command.as_str(), run));
        for (command, run) in runs.chain(orphans) {
            if run.kill_at.is_some_and(|due| now >= due) {
                run.kill_at = None;
                actions.push(JobAction::Log(lines::cron_harakiri(command, run.pid)));
                actions.push(kill(run.pid));
            }
        }
    }

    pub(super) fn started(
        &mut self,
        index: usize,
        crons: &[Cron],
        (pid, now): (Pid, Millis),
        actions: &mut Vec<JobAction>,
    ) {
        let (Some(line), Some(cron)) = (self.lines.get_mut(index), crons.get(index)) else {
            return;
        };
        let kill_at = cron.harakiri.map(|limit| now + milliseconds(limit));
        line.runs.push(Run { pid, since: now, kill_at });
        actions.push(JobAction::Log(lines::cron_running(&cron.command, pid)));
    }

    pub(super) fn ended(
        &mut self,
        pid: Pid,
        ended: Ended,
        crons: &[Cron],
        now: Millis,
        actions: &mut Vec<JobAction>,
    ) {
        let mut say = |command: &str, run: Run| {
            if ended != Ended::Code(0) {
                actions.push(JobAction::Log(lines::cron_went_wrong(command, pid, ended)));
            }
            let after_ms = now.since(run.since);
            actions.push(JobAction::Log(lines::cron_exited(command, pid, after_ms)));
        };
        for (line, cron) in self.lines.iter_mut().zip(crons) {
            if let Some(at) = line.runs.iter().position(|run| run.pid == pid) {
                say(&cron.command, line.runs.swap_remove(at));
            }
        }
        if let Some(at) = self.orphans.iter().position(|(_, run)| run.pid == pid) {
            let (command, run) = self.orphans.swap_remove(at);
            say(&command, run);
        }
    }
}
