//! What the membership library wants to be reminded of, by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use foca::Timer;

use crate::id::{Member, Millis};

/// More reminders than this are not kept: each node has one or two at a time.
const TIMERS_MAX: usize = 8_192;

/// A reminder. Ordered by its time, then by which was asked for first.
#[derive(PartialEq, Eq)]
struct Due {
    at: Millis,
    order: u64,
    timer: Timer<Member>,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// All reminders.
#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Due>>,
    count: u64,
}

impl Timers {
    /// Keeps a reminder, unless there are too many.
    pub(super) fn add(&mut self, at: Millis, timer: Timer<Member>) -> bool {
        let room = self.heap.len() < TIMERS_MAX;
        if room {
            self.count += 1;
            self.heap.push(Reverse(Due { at, order: self.count, timer }));
        }
        room
    }

    /// The next one whose time has come.
    pub(super) fn due(&mut self, now: Millis) -> Option<Timer<Member>> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| due.timer)
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Millis> {
        self.heap.peek().map(|Reverse(due)| due.at)
    }
}
