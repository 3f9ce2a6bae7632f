//! What is wanted against what is there: who boots, who is sent away, and when a reload is complete.

use uwsgi_plugin_api::WorkerId;

use super::decisions::{Phase, Supervisor};
use super::fleet::{Process, Stage};
use super::{Action, Millis, Recycle, Seat, Trial, lines};

/// Why a worker needs a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// It has none.
    Vacant,
    /// Its own is of another generation.
    Old,
    /// Its own is to be replaced.
    Recycle(Recycle),
}

impl Supervisor {
    /// Moments at which a worker that has to wait gets its next process.
    pub(super) fn throttles(&self) -> impl Iterator<Item = Millis> + '_ {
        let waits = self.phase == Phase::Serving;
        self.workers().filter(move |_| waits).filter_map(|worker| {
            self.need(worker)?;
            let until = self.post(worker).throttle.until;
            (until > Millis(0) && self.fleet.booting(worker, self.target).is_none())
                .then_some(until)
                .filter(|until| *until > self.last_look)
        })
    }

    pub(super) fn reconcile(&mut self, now: Millis, actions: &mut Vec<Action>) {
        self.last_look = now;
        if self.phase != Phase::Serving {
            return;
        }
        self.look_for_mold(now);
        self.send_surplus_away(now, actions);
        self.try_candidate(now, actions);
        let Some(places) = self.molds.places(self.target) else { return };
        let workers: Vec<WorkerId> = self.workers().collect();
        for worker in workers {
            let Some(need) = self.need(worker) else { continue };
            let waits = self.post(worker).throttle.until > now;
            if waits || self.fleet.booting(worker, self.target).is_some() || !self.may_boot(need) {
                continue;
            }
            let Some(seat) = self.fleet.free_place(self.target, places) else { break };
            if need == Need::Recycle(Recycle::Chain) {
                actions.push(Action::Log(lines::chain_next(worker)));
                self.chain = true;
            }
            let trial = if need == Need::Vacant { Trial::None } else { Trial::Load };
            self.spawn(worker, seat, trial, now, actions);
        }
        self.end_chain(actions);
        self.commit_when_replaced(actions);
    }

    fn workers(&self) -> impl Iterator<Item = WorkerId> + use<> {
        self.wanted.workers().into_iter()
    }

    fn post(&self, worker: WorkerId) -> &super::post::Post {
        &self.posts[usize::from(worker.0) - 1]
    }

    fn need(&self, worker: WorkerId) -> Option<Need> {
        match self.fleet.serving(worker) {
            None => Some(Need::Vacant),
            Some(process) if process.seat.generation != self.target => Some(Need::Old),
            Some(process) => process.recycle.map(Need::Recycle),
        }
    }

    /// A worker without a process never waits for others; successors do.
    fn may_boot(&self, need: Need) -> bool {
        let settings = &self.settings;
        let limit = match need {
            Need::Vacant => return true,
            Need::Old | Need::Recycle(Recycle::Asked) => settings.boots_max,
            Need::Recycle(Recycle::Done | Recycle::Age) => settings.recycles_max,
            // A link waits until the one before serves, and so do those that boot for another reason.
            Need::Recycle(Recycle::Chain) => return !self.fleet.boots(),
            // It was wanted again before it was told to go.
            Need::Recycle(Recycle::Surplus) => return false,
        };
        self.fleet.replaced_now() < usize::from(limit)
    }

    /// The first successor of a new generation, beside everything that goes on.
    fn try_candidate(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let Some(candidate) = self.reload.loaded_candidate() else { return };
        let boots = self.fleet.0.iter().any(|process| process.seat.generation == candidate);
        let Some(places) = self.molds.places(candidate).filter(|_| !boots) else { return };
        if let Some(seat) = self.fleet.free_place(candidate, places) {
            let most = self.molds.workers(candidate).unwrap_or(1);
            let worker = self.workers().find(|worker| worker.0 <= most).unwrap_or(WorkerId(1));
            self.spawn(worker, seat, Trial::Check, now, actions);
        }
    }

    fn spawn(
        &mut self,
        worker: WorkerId,
        seat: Seat,
        trial: Trial,
        now: Millis,
        actions: &mut Vec<Action>,
    ) {
        let vacant = self.fleet.serving(worker).is_none();
        let post = &mut self.posts[usize::from(worker.0) - 1];
        // A successor of another generation is the first of its kind, as it is for uWSGI's new master.
        let respawn = post.manned && (vacant || !self.reload.is_new(seat.generation));
        post.manned = true;
        self.fleet.0.push(Process::new(seat, worker, respawn, now));
        actions.push(Action::Spawn { seat, worker, trial });
    }

    fn send_surplus_away(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let (wanted, target) = (self.wanted.clone(), self.target);
        let candidate = self.reload.loaded_candidate();
        let of_no_use = |process: &Process| {
            let generation = process.seat.generation;
            process.stage == Stage::Booting
                && (!wanted.has(process.worker) || generation != target)
                && Some(generation) != candidate
        };
        let unwanted = |process: &&mut Process| {
            let candidates = Some(process.seat.generation) == candidate;
            process.stays() && !wanted.has(process.worker) && !candidates
        };
        for process in self.fleet.0.iter_mut().filter(unwanted) {
            process.recycle = Some(Recycle::Surplus);
        }
        // Politely: one may serve by now, and its word of that be on its way. Until it hears signals, each of them ends it.
        self.dismiss(of_no_use, true, now, actions);
        let surplus =
            |process: &Process| process.stage == Stage::Serving && !wanted.has(process.worker);
        self.dismiss(surplus, true, now, actions);
    }

    fn end_chain(&mut self, actions: &mut Vec<Action>) {
        let linked = |process: &Process| process.stays() && process.recycle == Some(Recycle::Chain);
        if self.chain && !self.fleet.0.iter().any(linked) && self.fleet.replaced_now() == 0 {
            self.chain = false;
            actions.push(Action::Log(lines::CHAIN_COMPLETE.to_owned()));
        }
    }

    /// All wanted workers are of the new generation and none of the old one takes requests: the master follows.
    fn commit_when_replaced(&mut self, actions: &mut Vec<Action>) {
        let target = self.target;
        let replaced = |worker| {
            self.fleet.serving(worker).is_some_and(|process| process.seat.generation == target)
        };
        if !self.reload.is_replacing() || !self.workers().all(replaced) {
            return;
        }
        let unfinished = |process: &Process| {
            let old = process.seat.generation != target;
            process.pid.is_none()
                || process.stage == Stage::Booting
                || (old && process.takes_requests())
        };
        if self.fleet.0.iter().any(unfinished) {
            return;
        }
        self.commit(actions);
    }
}
