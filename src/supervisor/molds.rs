//! The processes that load a generation and fork its workers: which there are, and how they go.

use super::{Action, Generation, Millis};
use crate::shm::PLACES_PER_WORKER;

/// The processes that have a generation loaded.
#[derive(Debug, Default)]
pub(super) struct Molds(Vec<Mold>);

#[derive(Debug)]
struct Mold {
    generation: Generation,
    /// Its `processes`, once it has loaded.
    workers: Option<u16>,
    dismissed: Dismissed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dismissed {
    No,
    /// Told; the next tick sets the time.
    Now,
    Until(Millis),
    Killed,
}

impl Molds {
    pub(super) fn resume(
        (generation, workers): (Generation, u16),
        leaving: &[(Generation, Millis)],
    ) -> Self {
        let workers = Some(workers);
        let leaving = leaving.iter().map(|(generation, until)| Mold {
            generation: *generation,
            workers,
            dismissed: Dismissed::Until(*until),
        });
        let charged = Mold { generation, workers, dismissed: Dismissed::No };
        Self([charged].into_iter().chain(leaving).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn start(&mut self, generation: Generation, actions: &mut Vec<Action>) {
        self.0.push(Mold { generation, workers: None, dismissed: Dismissed::No });
        actions.push(Action::StartMold { generation });
    }

    fn find(&self, generation: Generation) -> Option<&Mold> {
        self.0.iter().find(|mold| mold.generation == generation)
    }

    pub(super) fn loaded(&mut self, generation: Generation, workers: u16) {
        if let Some(mold) = self.0.iter_mut().find(|mold| mold.generation == generation) {
            mold.workers = Some(workers);
        }
    }

    pub(super) fn workers(&self, generation: Generation) -> Option<u16> {
        self.find(generation)?.workers
    }

    /// Places of its board, where it can fork.
    pub(super) fn places(&self, generation: Generation) -> Option<u16> {
        let mold = self.find(generation).filter(|mold| mold.dismissed == Dismissed::No)?;
        Some(mold.workers?.saturating_mul(PLACES_PER_WORKER))
    }

    pub(super) fn dismiss(&mut self, generation: Generation, actions: &mut Vec<Action>) {
        let mold = self.0.iter_mut().find(|mold| mold.generation == generation);
        let Some(mold) = mold.filter(|mold| mold.dismissed == Dismissed::No) else { return };
        // One that is loading does not listen.
        match mold.workers {
            None => {
                mold.dismissed = Dismissed::Killed;
                actions.push(Action::KillMold { generation });
            }
            Some(_) => {
                mold.dismissed = Dismissed::Now;
                actions.push(Action::DismissMold { generation });
            }
        }
    }

    pub(super) fn dismiss_all(&mut self, actions: &mut Vec<Action>) {
        let all: Vec<Generation> = self.0.iter().map(|mold| mold.generation).collect();
        all.into_iter().for_each(|generation| self.dismiss(generation, actions));
    }

    pub(super) fn kill_all(&mut self, actions: &mut Vec<Action>) {
        for mold in self.0.iter_mut().filter(|mold| mold.dismissed != Dismissed::Killed) {
            mold.dismissed = Dismissed::Killed;
            actions.push(Action::KillMold { generation: mold.generation });
        }
    }

    /// Whether it was told to end.
    pub(super) fn ended(&mut self, generation: Generation) -> bool {
        let asked = self.find(generation).is_none_or(|mold| mold.dismissed != Dismissed::No);
        self.0.retain(|mold| mold.generation != generation);
        asked
    }

    /// Those that were told to end and did not yet, with the time at which they are killed.
    pub(super) fn leaving(&self, now: Millis, mercy_ms: u64) -> Vec<(Generation, Millis)> {
        let until = |mold: &Mold| match mold.dismissed {
            Dismissed::No => None,
            Dismissed::Now => Some((mold.generation, now + mercy_ms)),
            Dismissed::Until(until) => Some((mold.generation, until)),
            Dismissed::Killed => Some((mold.generation, now + 1)),
        };
        self.0.iter().filter_map(until).collect()
    }

    pub(super) fn tick(&mut self, now: Millis, mercy_ms: u64, actions: &mut Vec<Action>) {
        for mold in &mut self.0 {
            mold.dismissed = match mold.dismissed {
                Dismissed::Now => Dismissed::Until(now + mercy_ms),
                Dismissed::Until(until) if until <= now => {
                    actions.push(Action::KillMold { generation: mold.generation });
                    Dismissed::Killed
                }
                other => other,
            };
        }
    }

    pub(super) fn wake(&self) -> Option<Millis> {
        let until = |mold: &Mold| match mold.dismissed {
            Dismissed::Until(until) => Some(until),
            _ => None,
        };
        self.0.iter().filter_map(until).min()
    }
}
