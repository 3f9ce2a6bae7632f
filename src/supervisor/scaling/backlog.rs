//! `backlog`: by the connections that wait at the listeners.
//!
//! More than `cheaper-overload` of them start `cheaper-step` workers, at every tick; fewer stop one, at every tick as long
//! as what the workers do fits into the others. (uWSGI stops workers as soon as nothing waits, which is what enough workers
//! are for, and starts them again at once.)

use super::load::Load;
use super::{Situation, Wish};
use crate::config::model::Scaling;

/// So busy the workers that are left may be.
const FULL_PERCENT: u64 = 80;

#[derive(Debug)]
pub(super) struct Queue {
    overload: u32,
    step: u16,
}

impl Queue {
    pub(super) fn new(settings: &Scaling) -> Self {
        Self { overload: settings.overload, step: settings.step }
    }

    pub(super) fn tick(&self, situation: &Situation<'_>) -> Wish {
        let Some(queue) = situation.queue else { return Wish::Nothing };
        if queue > self.overload && situation.active() < situation.most && !situation.boots() {
            return Wish::Start(self.step);
        }
        let low = queue < self.overload.max(1) && situation.active() > situation.least;
        if low && situation.may_stop(has_room) { Wish::StopOne } else { Wish::Nothing }
    }
}

/// So many workers would not be full.
pub(super) fn has_room(load: &Load, workers: u16) -> bool {
    load.permille() * 100 <= u64::from(workers) * FULL_PERCENT * 1_000
}
