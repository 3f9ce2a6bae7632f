//! The scoreboards as the supervisor sees them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use uwsgi_plugin_api::CoreId;

use super::listeners::Queues;
use crate::shm::{Board, CoreSlot};
use crate::supervisor::{Backlog, Cores, Generation, Millis, Pid, Running, Seat, Work};
use crate::sys::memory;

/// By generation. One of another program's layout is missing.
pub(super) type Boards = HashMap<Generation, Arc<Board>>;

pub(super) struct BoardView<'a> {
    pub(super) boards: &'a Boards,
    pub(super) queues: &'a RefCell<Queues>,
    pub(super) listeners: &'a [(String, Arc<OwnedFd>)],
}

impl BoardView<'_> {
    fn core(&self, seat: Seat, core: CoreId) -> Option<&CoreSlot> {
        let board = self.boards.get(&seat.generation)?;
        board.cores_of(seat.place).get(usize::from(core.0))
    }
}

impl Cores for BoardView<'_> {
    fn due(&self, seat: Seat, core: CoreId) -> Option<Millis> {
        self.core(seat, core)?.due_ms().map(Millis)
    }

    fn since(&self, seat: Seat, core: CoreId) -> Option<Millis> {
        let slot = self.core(seat, core)?;
        slot.in_request.load(Relaxed).then(|| Millis(slot.started_ms.load(Relaxed)))
    }

    fn running(&self, seat: Seat, core: CoreId) -> Option<Running> {
        let slot = self.core(seat, core)?;
        slot.in_request.load(Relaxed).then(|| Running {
            since: Millis(slot.started_ms.load(Relaxed)),
            since_unix: slot.started_unix.load(Relaxed),
            description: slot.current.read().unwrap_or_default(),
        })
    }

    fn work(&self, seat: Seat, now: Millis) -> Work {
        let Some(board) = self.boards.get(&seat.generation) else { return Work::default() };
        board.cores_of(seat.place).iter().fold(Work::default(), |work, core| {
            let work = Work {
                busy_us: work.busy_us.saturating_add(core.running_us.load(Relaxed)),
                requests: work.requests.saturating_add(core.requests.load(Relaxed)),
                ..work
            };
            if !core.in_request.load(Relaxed) {
                return work;
            }
            let since = Millis(core.started_ms.load(Relaxed));
            work.running(Duration::from_millis(now.since(since)))
        })
    }

    fn backlog(&self) -> Option<Backlog> {
        self.queues.borrow_mut().read(self.listeners)
    }

    fn memory(&self, pid: Pid) -> (u64, u64) {
        let usage = memory::usage_of(pid.as_raw());
        (usage.rss_bytes, usage.vsz_bytes)
    }
}
