//! The listening sockets, from the master's side: it accepts nothing, but sees how many connections wait, and that one
//! does while there are no workers (`cheap`, `idle`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::ears::Source;
use super::run::Master;
use crate::log;
use crate::supervisor::{Backlog, Event};
use crate::sys::backlog::Gauge;

/// Asks how many connections wait; says once that it cannot know.
#[derive(Default)]
pub(super) struct Queues {
    gauge: Gauge,
    said: bool,
}

impl Queues {
    /// The queue of one listener, where the kernel tells it.
    pub(super) fn one(&mut self, listener: BorrowedFd<'_>) -> Option<Backlog> {
        self.gauge.read(listener).ok()
    }

    /// The queues of all listeners together; `None` where the kernel does not tell a single one.
    pub(super) fn read(&mut self, listeners: &[(String, Arc<OwnedFd>)]) -> Option<Backlog> {
        let mut sum: Option<Backlog> = None;
        for (name, fd) in listeners {
            match self.gauge.read(fd.as_fd()) {
                Ok(one) => {
                    let all = sum.get_or_insert_default();
                    all.length = all.length.saturating_add(one.length);
                    all.max = all.max.saturating_add(one.max);
                }
                Err(error) if !self.said => {
                    self.said = true;
                    log::line(format_args!(
                        "connections that wait at {name} cannot be counted ({error}): the number of workers does not follow them"
                    ));
                }
                Err(_) => {}
            }
        }
        sum
    }
}

impl Master {
    /// Hears of the next connection, or does not any more.
    pub(super) fn watch_listeners(&mut self, watch: bool) {
        let listeners = self.context.listeners.clone();
        let ears = &mut self.hands_mut().ears;
        let mut deaf = watch && listeners.is_empty();
        for (number, (name, fd)) in listeners.iter().enumerate() {
            let source = Source::Listener(number);
            ears.forget(fd.as_fd(), source);
            if !watch {
                continue;
            }
            if let Err(error) = ears.listen(fd.as_fd(), source) {
                log::line(format_args!("connections to {name} cannot be heard: {error}"));
                deaf = true;
            }
        }
        if deaf {
            // Workers that nobody has asked for are better than clients that nobody hears.
            self.later_connection();
        }
    }

    pub(super) fn hear_listener(&mut self) {
        self.send(Event::Connection);
    }
}
