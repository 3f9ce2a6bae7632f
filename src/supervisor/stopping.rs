//! The end of the instance: at once, gracefully, with a time as a lame duck before; and the pause, which ends nothing.

use super::decisions::{Phase, Supervisor, kill, tell};
use super::fleet::{Process, Stage};
use super::{Action, Millis, Order, lines};

impl Supervisor {
    pub(super) fn pause(&mut self, actions: &mut Vec<Action>) {
        if self.phase != Phase::Serving {
            return;
        }
        self.paused = !self.paused;
        actions.push(Action::Log(lines::paused(self.paused).to_owned()));
        let order = if self.paused { Order::Pause } else { Order::Resume };
        for process in self.fleet.0.iter().filter(|process| process.stage == Stage::Serving) {
            tell(process, order, actions);
        }
    }

    /// All workers end, then the master. Asked a second time it does not wait for them.
    pub(super) fn stop(&mut self, code: i32, now: Millis, actions: &mut Vec<Action>) {
        match self.phase {
            Phase::Booting | Phase::Serving => {
                if code == 0 {
                    actions.push(Action::Log(lines::STOP.to_owned()));
                }
                self.begin_stop((code, false, None), actions);
                self.dismiss(|_| true, false, now, actions);
            }
            // First of those that were to finish their requests, then of those that were to end at once.
            Phase::Stopping { code, lame_until } => {
                self.phase = Phase::Stopping { code, lame_until: None };
                if lame_until.is_some() {
                    self.molds.dismiss_all(actions);
                }
                let polite = |process: &Process| {
                    process.stays()
                        || matches!(process.stage, Stage::Leaving { graceful: true, .. })
                };
                if self.fleet.0.iter().any(polite) {
                    self.dismiss(polite, false, now, actions);
                } else {
                    self.kill_all(now, actions);
                }
            }
            Phase::New | Phase::Reexecuting | Phase::Over => {}
        }
    }

    /// As [`Supervisor::stop`], but requests are finished, and with `lame-duck` new ones are taken for a while.
    pub(super) fn stop_gracefully(&mut self, now: Millis, actions: &mut Vec<Action>) {
        match self.phase {
            Phase::Booting | Phase::Serving => {
                actions.push(Action::Log(lines::GRACEFUL_STOP.to_owned()));
                let lame_ms = self.settings.lame_duck_ms;
                if lame_ms == 0 || self.phase == Phase::Booting {
                    self.begin_stop((0, true, None), actions);
                    self.dismiss(|_| true, true, now, actions);
                    return;
                }
                self.begin_stop((0, true, Some(now + lame_ms)), actions);
                for process in self.fleet.0.iter().filter(|one| one.stage == Stage::Serving) {
                    tell(process, Order::LameDuck, actions);
                }
                self.dismiss(|process| process.stage == Stage::Booting, false, now, actions);
            }
            // Whoever asks again does not want to wait for the load balancers.
            Phase::Stopping { code, lame_until: Some(_) } => {
                self.phase = Phase::Stopping { code, lame_until: None };
                self.molds.dismiss_all(actions);
                self.dismiss(|_| true, true, now, actions);
            }
            Phase::New | Phase::Reexecuting | Phase::Over | Phase::Stopping { .. } => {}
        }
    }

    fn begin_stop(&mut self, stop: (i32, bool, Option<Millis>), actions: &mut Vec<Action>) {
        let (code, gracefully, lame_until) = stop;
        self.phase = Phase::Stopping { code, lame_until };
        self.end_sleep(actions);
        actions.push(Action::Stopping { gracefully });
        self.abandon_reload("the instance stops", actions);
        if lame_until.is_none() {
            self.molds.dismiss_all(actions);
        }
    }

    /// What a worker is told that may finish its requests.
    pub(super) fn gentle_order(&self) -> Order {
        let last = matches!(self.phase, Phase::Stopping { .. }) || self.wanted.is_none();
        if last { Order::Finish } else { Order::Drain }
    }

    fn kill_all(&mut self, now: Millis, actions: &mut Vec<Action>) {
        for process in &mut self.fleet.0 {
            kill(process, now, actions);
        }
        self.kill_idle_molds(actions);
    }

    pub(super) fn end_when_nothing_runs(&mut self, actions: &mut Vec<Action>) {
        if let Phase::Stopping { code, .. } = self.phase
            && self.fleet.0.is_empty()
            && self.molds.is_empty()
        {
            self.phase = Phase::Over;
            actions.push(Action::Exit { code });
        }
    }

    /// One that is forking is left until it has said whom: nobody else knows that process.
    pub(super) fn kill_idle_molds(&mut self, actions: &mut Vec<Action>) {
        if self.fleet.0.iter().all(|process| process.pid.is_some()) {
            self.molds.kill_all(actions);
        }
    }
}
