//! Which workers are to have a process.

use uwsgi_plugin_api::WorkerId;

/// A choice of the numbers from 1 to `processes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted(Vec<bool>);

impl Wanted {
    /// The first `count` of so many workers.
    pub(super) fn first(count: u16, workers: u16) -> Self {
        Self((0..workers).map(|index| index < count).collect())
    }

    /// All of so many workers but these.
    pub(super) fn all_but(absent: &[WorkerId], workers: u16) -> Self {
        let mut wanted = Self::first(workers, workers);
        wanted.remove(absent);
        wanted
    }

    pub(super) fn has(&self, worker: WorkerId) -> bool {
        let index = usize::from(worker.0).checked_sub(1);
        index.and_then(|index| self.0.get(index)).is_some_and(|wanted| *wanted)
    }

    pub(super) fn count(&self) -> u16 {
        self.0.iter().filter(|wanted| **wanted).count() as u16
    }

    pub(super) fn is_none(&self) -> bool {
        !self.0.contains(&true)
    }

    /// In order.
    pub(super) fn workers(&self) -> Vec<WorkerId> {
        self.select(true)
    }

    /// Those that are not wanted, in order.
    pub(super) fn absent(&self) -> Vec<WorkerId> {
        self.select(false)
    }

    fn select(&self, wanted: bool) -> Vec<WorkerId> {
        let all = (1..).map(WorkerId).zip(&self.0);
        all.filter(|(_, one)| **one == wanted).map(|(worker, _)| worker).collect()
    }

    /// So many more, the lowest numbers first.
    pub(super) fn add(&mut self, count: u16) {
        let absent = self.0.iter_mut().filter(|wanted| !**wanted);
        absent.take(usize::from(count)).for_each(|wanted| *wanted = true);
    }

    pub(super) fn remove(&mut self, workers: &[WorkerId]) {
        for worker in workers {
            let index = usize::from(worker.0).checked_sub(1);
            if let Some(wanted) = index.and_then(|index| self.0.get_mut(index)) {
                *wanted = false;
            }
        }
    }

    /// As many as before of another number of workers, as far as there are so many; all, where it was all of them.
    pub(super) fn resize(&mut self, workers: u16) {
        let (before, all) = (self.count(), !self.0.contains(&false));
        self.0.resize(usize::from(workers), false);
        let count = if all { workers } else { before.min(workers) };
        self.add(count.saturating_sub(self.count()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(wanted: &Wanted) -> Vec<u16> {
        wanted.workers().into_iter().map(|worker| worker.0).collect()
    }

    #[test]
    fn the_lowest_numbers_come_back_first() {
        let mut wanted = Wanted::all_but(&[WorkerId(1), WorkerId(3)], 4);
        assert_eq!(numbers(&wanted), [2, 4]);
        wanted.add(1);
        assert_eq!(numbers(&wanted), [1, 2, 4]);
        wanted.add(9);
        assert_eq!(numbers(&wanted), [1, 2, 3, 4]);
        wanted.remove(&[WorkerId(9), WorkerId(0), WorkerId(2)]);
        assert_eq!((numbers(&wanted), wanted.absent()), (vec![1, 3, 4], vec![WorkerId(2)]));
    }

    #[test]
    fn another_number_of_workers_keeps_the_count() {
        for (absent, before, after, expected) in [
            (&[][..], 3, 5, &[1, 2, 3, 4, 5][..]),
            (&[][..], 3, 2, &[1, 2]),
            (&[1], 3, 5, &[2, 3]),
            (&[1, 2], 4, 3, &[1, 3]),
            (&[1, 2, 3], 3, 5, &[]),
        ] {
            let absent: Vec<_> = absent.iter().copied().map(WorkerId).collect();
            let mut wanted = Wanted::all_but(&absent, before);
            wanted.resize(after);
            assert_eq!(numbers(&wanted), expected, "{absent:?} of {before}, then {after}");
        }
    }
}
