//! `spare`: one idle worker is kept in reserve.
//!
//! Without an idle worker for more than `cheaper-overload` ticks, `cheaper-step` workers are started. With more than one
//! idle for `cheaper-overload` ticks one is stopped, and after as many ticks the next.

use super::load::Load;
use super::{Situation, Wish};
use crate::config::model::Scaling;

/// One worker, in thousandths.
const ONE: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Spare {
    overload: u32,
    step: u16,
    /// Ticks without an idle worker, less those with one since.
    overloaded: u32,
    /// Ticks in a row with more than one.
    idle: u32,
}

impl Spare {
    pub(super) fn new(settings: &Scaling) -> Self {
        Self { overload: settings.overload, step: settings.step, overloaded: 0, idle: 0 }
    }

    pub(super) fn tick(&mut self, situation: &Situation<'_>) -> Wish {
        let idle = situation.idle();
        if idle < 2 {
            self.idle = 0;
        }
        if idle == 0 {
            self.overloaded = self.overloaded.saturating_add(1);
            if self.overloaded <= self.overload || situation.active() >= situation.most {
                return Wish::Nothing;
            }
            self.overloaded = 0;
            return Wish::Start(self.step);
        }
        self.overloaded = self.overloaded.min(self.overload).saturating_sub(1);
        if self.overloaded > 0 || idle == 1 || situation.active() <= situation.least {
            return Wish::Nothing;
        }
        self.idle = self.idle.saturating_add(1);
        if self.idle < self.overload.max(1) || !situation.may_stop(has_room) {
            return Wish::Nothing;
        }
        self.idle = 0;
        Wish::StopOne
    }
}

/// On average one of so many workers would be idle.
pub(super) fn has_room(load: &Load, workers: u16) -> bool {
    load.permille() + ONE <= u64::from(workers) * ONE
}
