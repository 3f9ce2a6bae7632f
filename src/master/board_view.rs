//! The scoreboards as the supervisor sees them.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use uwsgi_plugin_api::CoreId;

use crate::shm::{Board, CoreSlot};
use crate::supervisor::{Backlog, Cores, Generation, Millis, Pid, Running, Seat};
use crate::sys::backlog::Gauge;
use crate::sys::memory;

/// By generation. One of another program's layout is missing.
pub(super) type Boards = HashMap<Generation, Arc<Board>>;

pub(super) struct BoardView<'a> {
    pub(super) boards: &'a Boards,
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

    fn backlog(&self) -> Option<Backlog> {
        // Only asked for where a request is out of time, so the gauge is not kept.
        let mut gauge = Gauge::default();
        let queues = self.listeners.iter().filter_map(|(_, fd)| gauge.read(fd.as_fd()).ok());
        queues.reduce(|sum, one| Backlog {
            length: sum.length.saturating_add(one.length),
            max: sum.max.saturating_add(one.max),
        })
    }

    fn memory(&self, pid: Pid) -> (u64, u64) {
        let usage = memory::usage_of(pid.as_raw());
        (usage.rss_bytes, usage.vsz_bytes)
    }
}
