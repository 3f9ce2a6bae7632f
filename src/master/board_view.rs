//! The scoreboard as the supervisor sees it.

use std::sync::atomic::Ordering::Relaxed;

use uwsgi_plugin_api::{CoreId, WorkerId};

use crate::shm::Board;
use crate::supervisor::{Cores, Millis, Running};

pub(super) struct BoardView<'a>(pub(super) &'a Board);

impl Cores for BoardView<'_> {
    fn due(&self, worker: WorkerId, core: CoreId) -> Option<Millis> {
        self.0.core(worker, core).due_ms().map(Millis)
    }

    fn running(&self, worker: WorkerId, core: CoreId) -> Option<Running> {
        let slot = self.0.core(worker, core);
        slot.in_request.load(Relaxed).then(|| Running {
            since: Millis(slot.started_ms.load(Relaxed)),
            since_unix: slot.started_unix.load(Relaxed),
            description: slot.current.read().unwrap_or_default(),
        })
    }
}
