//! `busyness`: by the share of time in which workers are busy, measured over cycles of `cheaper-overload` seconds.
//!
//! On average above `-max` percent, `cheaper-step` workers are started; below `-min` for `-multiplier` cycles, one is
//! stopped. When one is needed again within that time, `-penalty` cycles are added to it. Between the two the time starts
//! anew after three cycles. When connections wait all the same, emergency workers are started (`alert`). Lines as uWSGI
//! writes them (seen with 2.0.31).

use std::collections::HashMap;

use uwsgi_plugin_api::WorkerId;

use super::super::Millis;
use super::load::Load;
use super::{Situation, Wish, WorkerView, milliseconds};
use crate::config::model::{self, Scaling};

/// Cycles between the two limits after which the wait for a stop starts anew.
const OTHER_CYCLES: u32 = 3;
/// The multiplier never grows beyond this.
const MULTIPLIER_MAX: u32 = 10_000;

#[derive(Debug)]
pub(super) struct Busyness {
    settings: model::Busyness,
    step: u16,
    cycle_ms: u64,
    /// As configured, with penalties.
    multiplier: u32,
    cycle: Option<Cycle>,
    /// Since when load has been low.
    low_since: Millis,
    /// Cycles in a row between the limits.
    other: u32,
    stopped: Option<Millis>,
    /// A worker was needed again since the last stop.
    penalised: bool,
    /// Emergency workers that run.
    emergency: u16,
    /// Since when connections have been waiting.
    waiting: Option<Millis>,
}

#[derive(Debug)]
struct Cycle {
    began: Millis,
    marks: HashMap<(WorkerId, Millis), Mark>,
}

/// A worker at the beginning of a cycle, and how often it was seen busy since.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    busy_us: u64,
    requests: u64,
    times_busy: u32,
}

impl Cycle {
    fn new(now: Millis, workers: &[WorkerView]) -> Self {
        let mark = |worker: &WorkerView| {
            let mark = Mark { busy_us: worker.busy_us, requests: worker.requests, times_busy: 0 };
            ((worker.id, worker.since), mark)
        };
        Self { began: now, marks: workers.iter().map(mark).collect() }
    }
}

impl Busyness {
    pub(super) fn new(settings: &Scaling) -> Self {
        Self {
            settings: settings.busyness,
            step: settings.step,
            cycle_ms: u64::from(settings.overload.max(1)) * 1_000,
            multiplier: settings.busyness.multiplier,
            cycle: None,
            low_since: Millis(0),
            other: 0,
            stopped: None,
            penalised: false,
            emergency: 0,
            waiting: None,
        }
    }

    /// What is said at the start.
    pub(super) fn greeting(settings: &Scaling) -> Vec<String> {
        let model::Busyness { min_percent, max_percent, multiplier, penalty, .. } =
            settings.busyness;
        let model::Busyness { alert, alert_step, nonzero, .. } = settings.busyness;
        let overload = settings.overload;
        vec![
            format!(
                "[busyness] settings: min={min_percent}%, max={max_percent}%, overload={overload}, \
                 multiplier={multiplier}, respawn penalty={penalty}"
            ),
            format!("[busyness] backlog alert is set to {alert} request(s), step is {alert_step}"),
            format!("[busyness] backlog non-zero alert is set to {} second(s)", nonzero.as_secs()),
        ]
    }

    pub(super) fn tick(&mut self, situation: &Situation<'_>, lines: &mut Vec<String>) -> Wish {
        let now = situation.now;
        let alert = self.alert(situation, lines);
        let Some(cycle) = &mut self.cycle else {
            self.cycle = Some(Cycle::new(now, situation.workers));
            self.low_since = now;
            return alert;
        };
        for worker in situation.workers.iter().filter(|worker| worker.busy) {
            cycle.marks.entry((worker.id, worker.since)).or_default().times_busy += 1;
        }
        if now.since(cycle.began) < self.cycle_ms {
            return alert;
        }
        let shares = self.shares(situation, lines);
        self.cycle = Some(Cycle::new(now, situation.workers));
        match alert {
            Wish::Nothing => self.judge(&shares, situation, lines),
            _ => alert,
        }
    }

    /// Percentage of the cycle in which each serving worker was busy.
    fn shares(&self, situation: &Situation<'_>, lines: &mut Vec<String>) -> Vec<u64> {
        let Some(cycle) = &self.cycle else { return Vec::new() };
        let seconds = self.cycle_ms / 1_000;
        let mut shares = Vec::with_capacity(situation.workers.len());
        for worker in situation.workers.iter().filter(|worker| worker.serving) {
            let mark = cycle.marks.get(&(worker.id, worker.since)).copied().unwrap_or_default();
            let began = cycle.began.max(worker.since);
            let elapsed_us = situation.now.since(began).saturating_mul(1_000);
            let busy_us = worker.busy_us.saturating_sub(mark.busy_us);
            let mut share = (busy_us * 100).checked_div(elapsed_us).unwrap_or(0).min(100);
            if mark.times_busy > 0 && worker.requests == mark.requests {
                share = 100;
                self.say(lines, || {
                    format!(
                        "worker {} was busy {} time(s) in last cycle but no request was completed during this time, \
                         marking as 100% busy",
                        worker.id, mark.times_busy
                    )
                });
            }
            if situation.active() > 1 {
                self.say(lines, || {
                    format!("worker nr {} {seconds}s average busyness is at {share}%", worker.id)
                });
            }
            shares.push(share);
        }
        shares
    }

    fn judge(
        &mut self,
        shares: &[u64],
        situation: &Situation<'_>,
        lines: &mut Vec<String>,
    ) -> Wish {
        let sum: u64 = shares.iter().sum();
        let Some(average) = sum.checked_div(shares.len() as u64) else { return Wish::Nothing };
        let (seconds, count) = (self.cycle_ms / 1_000, shares.len());
        self.say(lines, || {
            format!("{seconds}s average busyness of {count} worker(s) is at {average}%")
        });
        if average > self.settings.max_percent {
            return self.too_busy(average, situation, lines);
        }
        if situation.active() <= situation.least {
            self.low_since = situation.now;
            return Wish::Nothing;
        }
        if average < self.settings.min_percent {
            return self.low(average, situation, lines);
        }
        self.other = self.other.saturating_add(1);
        let (other, anew) = (self.other, self.other >= OTHER_CYCLES);
        self.low_since = match anew {
            true => situation.now,
            false => situation.now.min(self.low_since + self.cycle_ms),
        };
        self.say(lines, || {
            let what = if anew { "resetting" } else { "adjusting" };
            format!("{seconds}s average busyness is at {average}%, {other} non-idle cycle(s), {what} cheaper timer")
        });
        Wish::Nothing
    }

    fn too_busy(
        &mut self,
        average: u64,
        situation: &Situation<'_>,
        lines: &mut Vec<String>,
    ) -> Wish {
        let (now, seconds) = (situation.now, self.cycle_ms / 1_000);
        self.other = 0;
        self.low_since = now;
        let room = situation.most.saturating_sub(situation.active());
        if room == 0 {
            lines.push(format!(
                "[busyness] {seconds}s average busyness is at {average}% but we already started maximum number of \
                 workers available with current limits ({})",
                situation.most
            ));
            return Wish::Nothing;
        }
        if situation.boots() {
            return Wish::Nothing;
        }
        let again_ms = u64::from(self.multiplier) * self.cycle_ms;
        if self.stopped.take().is_some_and(|stopped| now.since(stopped) <= again_ms) {
            self.multiplier =
                self.multiplier.saturating_add(self.settings.penalty).min(MULTIPLIER_MAX);
            self.penalised = true;
            let (multiplier, penalty) = (self.multiplier, self.settings.penalty);
            self.say(lines, || {
                format!("worker(s) respawned to fast, increasing cheaper multiplier to {multiplier} (+{penalty})")
            });
        }
        let count = self.step.min(room);
        lines.push(format!(
            "[busyness] {seconds}s average busyness is at {average}%, will spawn {count} new worker(s)"
        ));
        Wish::Start(count)
    }

    fn low(&mut self, average: u64, situation: &Situation<'_>, lines: &mut Vec<String>) -> Wish {
        let (now, seconds) = (situation.now, self.cycle_ms / 1_000);
        self.other = 0;
        let wait_ms = self.wait_ms();
        let low_ms = now.since(self.low_since);
        let room = situation.may_stop(|load, workers| self.has_room(load, workers));
        if low_ms < wait_ms || !room {
            // uWSGI counts the second that has begun.
            let more = (wait_ms.saturating_sub(low_ms) / 1_000).saturating_sub(1);
            self.say(lines, || format!("need to wait {more} more second(s) to cheap worker"));
            return Wish::Nothing;
        }
        if self.emergency > 0 {
            self.emergency -= 1;
            self.say_emergency(lines);
        }
        if std::mem::take(&mut self.penalised) {
            // The next one shows whether it was enough.
        } else if self.multiplier > self.settings.multiplier {
            self.multiplier -= 1;
            let multiplier = self.multiplier;
            self.say(lines, || format!("decreasing cheaper multiplier to {multiplier}"));
        }
        self.low_since = now;
        self.stopped = Some(now);
        let active = situation.active();
        lines.push(format!(
            "[busyness] {seconds}s average busyness is at {average}%, cheap one of {active} running workers"
        ));
        Wish::StopOne
    }

    /// Emergency workers where connections wait: many, or for long.
    fn alert(&mut self, situation: &Situation<'_>, lines: &mut Vec<String>) -> Wish {
        let (Some(queue), now) = (situation.queue, situation.now) else { return Wish::Nothing };
        if queue == 0 {
            if self.waiting.take().is_some() {
                self.say(lines, || "backlog is now empty".to_owned());
            }
            return Wish::Nothing;
        }
        let room = situation.most.saturating_sub(situation.active());
        let since = self.waiting;
        let long =
            since.is_some_and(|since| now.since(since) >= milliseconds(self.settings.nonzero));
        if since.is_none() {
            self.waiting = Some(now);
        }
        if room == 0 || (queue <= self.settings.alert && !long) {
            if since.is_none() {
                self.say(lines, || format!("backlog is starting to fill ({queue})"));
            }
            return Wish::Nothing;
        }
        if queue <= self.settings.alert {
            self.waiting = Some(now);
            let seconds = self.settings.nonzero.as_secs();
            lines.push(format!(
                "[busyness] backlog was non-zero for {seconds} second(s), spawning new worker(s)"
            ));
        }
        if self.emergency > 0 {
            self.say_emergency(lines);
        }
        let count = self.settings.alert_step.min(room);
        self.emergency = self.emergency.saturating_add(count).min(situation.most);
        lines.push(format!(
            "[busyness] {queue} requests in listen queue, spawning {count} emergency worker(s) ({})!",
            self.emergency
        ));
        Wish::Start(count)
    }

    /// For how long load must be low.
    fn wait_ms(&self) -> u64 {
        let cycles =
            if self.emergency > 0 { self.settings.alert_multiplier } else { self.multiplier };
        u64::from(cycles) * self.cycle_ms
    }

    /// So many workers would not be above the upper limit.
    pub(super) fn has_room(&self, load: &Load, workers: u16) -> bool {
        load.permille() <= u64::from(workers) * self.settings.max_percent * 10
    }

    fn say_emergency(&self, lines: &mut Vec<String>) {
        let (count, seconds) =
            (self.emergency, u64::from(self.settings.alert_multiplier) * self.cycle_ms / 1_000);
        self.say(lines, || {
            format!("{count} emergency worker(s) running, using {seconds} seconds cheaper timer")
        });
    }

    /// What only `cheaper-busyness-verbose` tells.
    fn say(&self, lines: &mut Vec<String>, line: impl FnOnce() -> String) {
        if self.settings.verbose {
            lines.push(format!("[busyness] {}", line()));
        }
    }
}
