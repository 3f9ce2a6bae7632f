//! One request thread's work: run a request, send its answer, log it, and see what becomes of the connection.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use uwsgi_plugin_api::{CoreId, Handler};
use uwsgi_protocol::http1::ResponseEncoder;

use super::begun::Date;
use super::body::BodyBuffer;
use super::fate::Fate;
use super::shared::Shared;
use crate::net::connection::{Connection, Step};
use crate::net::leaving::Course;
use crate::net::table::Wait;
use crate::sys::{clock, socket};

/// One request thread.
pub struct Core {
    pub(super) id: CoreId,
    pub(super) shared: Arc<Shared>,
    pub(super) handlers: Vec<Box<dyn Handler>>,
    pub(super) encoder: ResponseEncoder,
    pub(super) body: BodyBuffer,
    jobs: VecDeque<Box<Connection>>,
    pub(super) date: Date,
    pub(super) line: Vec<u8>,
}

impl Core {
    /// The thread that calls this serves as core `id`, with its own handlers.
    pub fn new(id: CoreId, shared: Arc<Shared>, handlers: Vec<Box<dyn Handler>>) -> Self {
        Self {
            id,
            shared,
            handlers,
            encoder: ResponseEncoder::default(),
            body: BodyBuffer::default(),
            jobs: VecDeque::new(),
            date: Date::default(),
            line: Vec::new(),
        }
    }

    /// Serves until the worker is drained.
    pub fn run(&mut self) {
        let stile = self.shared.stile.clone();
        let mut found = VecDeque::new();
        loop {
            let handlers = &mut self.handlers;
            let mut rest = || handlers.iter_mut().for_each(|handler| handler.park());
            match stile.next(&mut found, &mut rest) {
                Some(connection) => {
                    self.serve(connection);
                    stile.done();
                }
                None => return,
            }
        }
    }

    /// Serves a connection as long as its next request is here and nobody else waits.
    fn serve(&mut self, connection: Box<Connection>) {
        let shared = self.shared.clone();
        let mut holding = false;
        let mut next = self.with_request(connection);
        while let Some(mut connection) = next {
            let mut fate = self.answer(&mut connection, &mut holding);
            if holding && fate != Fate::Keep {
                // What was kept back comes before the end of our direction.
                holding = false;
                if self.send_held(&mut connection).is_err() {
                    fate = Fate::Close;
                }
            }
            let step = self.end_request(&mut connection, fate);
            // A client that always has its next request ready must not keep a worker that has heirs.
            let leaves = shared.hub.course() == Course::HandingOver;
            let goes_on = step == Step::Run && !leaves && !shared.stile.others_wait();
            if goes_on && !(holding && connection.unread()) {
                next = self.with_request(connection);
                continue;
            }
            let step = if holding { self.flush_held(&mut connection, step) } else { step };
            holding = false;
            if step == Step::Run {
                if let Some(kept) = shared.hub.offer(connection) {
                    shared.stile.push(kept);
                }
                return;
            }
            next = self.rest(connection, step).and_then(|connection| self.with_request(connection));
        }
    }

    /// The connection with its request; nothing where there is none, or it went to its rest.
    fn with_request(&mut self, connection: Box<Connection>) -> Option<Box<Connection>> {
        if connection.unread() {
            // What it would wait for, it waits for before it takes the request away from others.
            let main = self.shared.routes.0[0].map_or(0, usize::from);
            self.handlers.get_mut(main).into_iter().for_each(|handler| handler.ready());
        }
        match self.shared.hub.read_request(connection) {
            Ok(connection) => Some(connection),
            Err((connection, step)) => {
                let connection = self.rest(connection, step)?;
                // One that is not read yet was looked at a moment ago: others first.
                self.shared.stile.push(connection);
                None
            }
        }
    }

    /// Does what a step that is not to run means. Gives a connection back that is to run now all the same.
    fn rest(&mut self, connection: Box<Connection>, step: Step) -> Option<Box<Connection>> {
        let mut jobs = std::mem::take(&mut self.jobs);
        self.shared.hub.settle(connection, step, clock::monotonic_ms(), &mut jobs);
        let next = jobs.pop_front();
        self.jobs = jobs;
        match next {
            Some(next) if self.shared.stile.others_wait() => {
                self.shared.stile.push(next);
                None
            }
            next => next,
        }
    }

    /// Sends what was kept back. What the socket does not take is spilled.
    fn send_held(&mut self, connection: &mut Connection) -> io::Result<()> {
        let mut held = Vec::new();
        self.shared.cells[self.id.0 as usize].take_held(&mut held);
        let spilled = !connection.spill.is_empty();
        let sent = match spilled {
            true => Ok(0),
            false => socket::send(connection.fd(), &[io::IoSlice::new(&held)]),
        };
        match sent {
            Ok(count) => connection.spill.push(&held[count..]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => connection.spill.push(&held),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Sends what was kept back, before `step`. What the socket does not take comes first from then on.
    fn flush_held(&mut self, connection: &mut Connection, step: Step) -> Step {
        if self.send_held(connection).is_err() {
            return Step::Close;
        }
        match step {
            _ if connection.spill.is_empty() => step,
            // The next answer is sent behind the spill.
            Step::Run => Step::Run,
            // Of what goes away, the head is found again then.
            Step::Wait(_) | Step::Away(_) => {
                connection.flush_and_resume();
                Step::Wait(Wait::Flush)
            }
            // The earlier answers are worth more than the refusal of what came behind them.
            Step::Refuse(_) | Step::Close => {
                connection.flush_then(true, true);
                Step::Wait(Wait::Flush)
            }
        }
    }

    fn end_request(&mut self, connection: &mut Connection, fate: Fate) -> Step {
        let hub = &self.shared.hub;
        connection.finish_request();
        let surplus = self.body.surplus();
        if !surplus.is_empty() {
            connection.input.extend(surplus);
        }
        self.body.clear();
        if !connection.spill.is_empty() && fate != Fate::Reset {
            connection.flush_then(fate != Fate::Keep, fate == Fate::Linger);
            return Step::Wait(Wait::Flush);
        }
        match fate {
            Fate::Keep => {
                // It closes now; what has arrived already is still served.
                connection.input_pending |= hub.course_of(connection.listener) == Course::Finishing;
                if connection.input.is_empty() && !connection.input_pending {
                    return Step::Wait(Wait::KeepAlive);
                }
                connection.head_deadline_ms =
                    clock::monotonic_ms() + hub.times_of(connection.listener).head_ms;
                hub.look_at(connection)
            }
            Fate::Close => Step::Close,
            Fate::Linger => connection.begin_linger(),
            Fate::Reset => {
                // Zero linger time turns the close into a reset (socket(7)).
                let reset =
                    socket2::SockRef::from(&connection.fd()).set_linger(Some(Duration::ZERO));
                if let Err(error) = reset {
                    crate::log::line(format_args!("cannot reset a connection: {error}"));
                }
                Step::Close
            }
        }
    }
}
