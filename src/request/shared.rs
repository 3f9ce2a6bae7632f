//! What all request threads of a worker share.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use uwsgi_plugin_api::{Outcome, WorkerId};

use super::cell::Cell;
use super::figures::Figures;
use crate::config::model::Logging;
use crate::config::model::sites::Sites;
use crate::files::Files;
use crate::log::throttle::Throttle;
use crate::net::connection::Connection;
use crate::net::hub::Hub;
use crate::net::reactor::Reactor;
use crate::net::turnstile::{Held, Turnstile};
use crate::shm::{Board, PlaceId, ProcessSlot};
use crate::sys::channel::Channel;
use crate::sys::clock;

/// The meeting place of a worker's request threads.
pub type Stile = Turnstile<Box<Connection>, Reactor>;

/// Keeps them from ending.
pub type HeldStile = Held<Box<Connection>, Reactor>;

/// What all request threads of a worker share.
pub struct Shared {
    /// This worker.
    pub worker: WorkerId,
    /// Its connections.
    pub hub: Arc<Hub>,
    /// Its jobs.
    pub stile: Arc<Stile>,
    /// The scoreboard.
    pub board: Arc<Board>,
    /// Its place there.
    pub place: PlaceId,
    /// Its cores, seen from outside.
    pub cells: Vec<Cell>,
    /// Which handler answers which modifier.
    pub routes: Routes,
    /// `harakiri`.
    pub harakiri: Option<Duration>,
    /// `socket-timeout`.
    pub socket_timeout: Duration,
    /// `limit-post`.
    pub body_bytes_max: Option<u64>,
    /// Static files, where there are any.
    pub files: Option<Arc<Files>>,
    /// Applications that requests name.
    pub sites: Sites,
    /// How often refusals of them are told.
    pub refusals: Throttle,
    /// Figures of sites, where there may be any.
    pub figures: Option<Figures>,
    /// `add-header`.
    pub headers: Vec<(String, String)>,
    /// What is logged.
    pub logging: Logging,
    /// Called after each request; ends the worker where it has done its share.
    pub after_request: Box<dyn Fn(Outcome) + Send + Sync>,
}

impl Shared {
    /// The worker process's own slot.
    pub fn process(&self) -> &ProcessSlot {
        self.board.process(self.place)
    }

    /// Nothing new is accepted, and the request threads end when nothing is left; see [`Hub::drain`].
    pub fn drain(&self, heirs: bool) {
        // A second word may come to a worker whose threads end already.
        let Some(_held) = self.stile.hold() else { return };
        let mut jobs = VecDeque::new();
        self.hub.drain(heirs, &mut jobs);
        jobs.into_iter().for_each(|job| self.stile.push(job));
        if self.cells.iter().all(Cell::is_busy) {
            // Nobody here can say when the next one is free; an heir may be.
            self.hand_over();
        }
        self.stile.drain();
    }

    /// Takes what waits in the queues of the listeners that heirs have not got; see [`Hub::take_abandoned`].
    pub fn take_abandoned(&self) {
        let Some(_held) = self.stile.hold() else { return };
        let mut jobs = VecDeque::new();
        self.hub.take_abandoned(&mut jobs);
        jobs.into_iter().for_each(|job| self.stile.push(job));
    }

    /// The master's answer to the question for a site: what has waited for it goes.
    pub fn know_site(&self, key: &[u8], channel: Option<Channel>) {
        self.hub.know_site(key, channel);
        let Some(_held) = self.stile.hold() else { return };
        let mut jobs = VecDeque::new();
        self.hub.deliver(clock::monotonic_ms(), &mut jobs);
        jobs.into_iter().for_each(|job| self.stile.push(job));
    }

    /// Gives what was not begun to another worker, where there is one.
    pub fn hand_over(&self) {
        // While it is in this thread's hands, the others must not find that nothing is left.
        let Some(_held) = self.stile.hold() else { return };
        let kept = self.hub.pass_on_all(self.stile.take_unstarted());
        kept.into_iter().for_each(|job| self.stile.push(job));
    }
}

/// Handler number of each first modifier.
pub struct Routes(pub [Option<u8>; 256]);
