//! The applications of this worker on the board: those of the configuration, and those that requests have named since.
//!
//! The board has room for the first [`APPS_COUNTED_MAX`] numbers; requests of the others count for their worker and their
//! site alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use uwsgi_plugin_api::{LoadedApp, Outcome};

use crate::plugin::Registry;
use crate::shm::{APPS_COUNTED_MAX, Board, PlaceId};

/// What is on the board. Request threads write it, one at a time.
pub(super) struct Applications {
    plugins: Registry,
    board: Arc<Board>,
    place: PlaceId,
    /// A bit for each number that is shown.
    shown: AtomicU64,
    list: Mutex<Vec<LoadedApp>>,
}

const _: () = assert!(APPS_COUNTED_MAX <= u64::BITS as usize);

impl Applications {
    /// Shows what is loaded before the first request.
    pub(super) fn new(plugins: Registry, board: Arc<Board>, place: PlaceId) -> Self {
        let apps = plugins.apps();
        let all = (0..).take(apps.len()).filter_map(bit).fold(0, |all, bit| all | bit);
        board.process(place).apps.write(&apps);
        Self { plugins, board, place, shown: all.into(), list: Mutex::new(apps) }
    }

    /// Called after each request, by its thread: an application that was loaded for it is shown from now on.
    #[inline]
    pub(super) fn after_request(&self, outcome: &Outcome) {
        let Some(bit) = outcome.app.and_then(bit) else { return };
        let shown = || self.shown.load(Ordering::Relaxed) & bit != 0;
        if !shown() && self.shown.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            self.show();
        }
    }

    #[cold]
    fn show(&self) {
        // Before the lock: it may have to wait for a thread that waits for the lock.
        let apps = self.plugins.apps();
        let mut list = self.list.lock();
        merge(&mut list, apps);
        self.board.process(self.place).apps.write(&list);
    }
}

/// `None` for an application that is not counted by itself.
fn bit(number: u16) -> Option<u64> {
    (usize::from(number) < APPS_COUNTED_MAX).then(|| 1 << number)
}

/// Takes over what is new. Another thread may have brought more already, and one that loads leaves a gap in its place.
fn merge(list: &mut Vec<LoadedApp>, found: Vec<LoadedApp>) {
    let gap = LoadedApp::default();
    list.resize(list.len().max(found.len()), gap.clone());
    for (known, found) in list.iter_mut().zip(found) {
        if found != gap {
            *known = found;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(mountpoint: &str) -> LoadedApp {
        LoadedApp { mountpoint: mountpoint.to_owned(), ..LoadedApp::default() }
    }

    #[test]
    fn an_older_look_takes_nothing_back() {
        let mut list = vec![app("/a")];
        merge(&mut list, vec![app("/a"), app(""), app("/c")]);
        assert_eq!(list, [app("/a"), app(""), app("/c")]);
        merge(&mut list, vec![app("/a"), app("/b")]);
        assert_eq!(list, [app("/a"), app("/b"), app("/c")]);
        merge(&mut list, vec![app("/a"), app(""), app("")]);
        assert_eq!(list, [app("/a"), app("/b"), app("/c")]);
    }

    #[test]
    fn the_first_numbers_are_counted() {
        assert_eq!((bit(0), bit(7), bit(8), bit(u16::MAX)), (Some(1), Some(128), None, None));
    }
}
