//! A connection of `raw-socket`: no request is read, the plugin has the connection until it returns.

use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use uwsgi_plugin_api::Outcome;

use super::begun::Begun;
use super::dress::Dress;
use super::fate::Fate;
use super::serve::Core;
use crate::net::connection::Connection;

impl Core {
    /// Gives a connection away, and closes it afterwards. As under uWSGI, nothing is logged of it.
    pub(super) fn take(&mut self, connection: &Connection) -> Fate {
        let shared = self.shared.clone();
        let cell = &shared.cells[usize::from(self.id.0)];
        let slot = shared.board.core(shared.place, self.id);
        let begun = Begun::now();
        self.begin(connection, slot, (cell, Dress::RAW, false), &begun);
        let modifier = usize::from(connection.head.modifier1);
        let handler = shared.routes.0[modifier].map_or(0, usize::from);
        let handler = &mut self.handlers[handler];
        let fd = connection.fd().as_raw_fd();
        let outcome = catch_unwind(AssertUnwindSafe(|| handler.take(self.id, fd)));
        let outcome = outcome.unwrap_or_else(|_| {
            crate::log::line(format_args!(
                "a request handler panicked; its raw connection is closed"
            ));
            Outcome { exception: true, ..Outcome::default() }
        });
        let duration_us = begun.elapsed_us();
        cell.end();
        slot.end(duration_us, 0);
        slot.count_app(outcome.app, outcome.exception);
        if outcome.exception {
            slot.count(|slot| &slot.exceptions);
        }
        shared.stile.called(duration_us.min(u64::from(u32::MAX)) as u32);
        (shared.after_request)(outcome);
        // Not by way of a shutdown: the application may have given a copy of the descriptor to somebody.
        Fate::Close
    }
}
