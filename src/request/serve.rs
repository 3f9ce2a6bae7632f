//! One request thread's work: run a request, send its answer, log it, and see what becomes of the connection.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use uwsgi_plugin_api::{CoreId, Handler, Known, Outcome, Request, WireProtocol};
use uwsgi_protocol::http1::{Form, ResponseEncoder, Rules};

use super::answer::{Answer, Terms};
use super::begun::{Begun, Date};
use super::body::{BodyBuffer, RequestBody};
use super::cell::{Cell, End, Serial};
use super::dress::Dress;
use super::fate::{Fate, end_of};
use super::fault::Standin;
use super::gzip::Gzip;
use super::perform;
use super::record::Record;
use super::shared::{Routes, Shared};
use super::wish::Naming;
use crate::errors::{Counter, RequestId};
use crate::net::connection::{Connection, Step};
use crate::net::front::Front;
use crate::net::leaving::Course;
use crate::net::origin;
use crate::net::pace::Pace;
use crate::net::peer::Peer;
use crate::net::site_peer::Sender;
use crate::net::table::Wait;
use crate::shm::CoreSlot;
use crate::sys::{clock, socket};

/// One request thread.
pub struct Core {
    pub(super) id: CoreId,
    pub(super) shared: Arc<Shared>,
    pub(super) handlers: Vec<Box<dyn Handler>>,
    encoder: ResponseEncoder,
    body: BodyBuffer,
    jobs: VecDeque<Box<Connection>>,
    date: Date,
    line: Vec<u8>,
}

/// What is known of a request when it begins, besides its variables and its body.
struct Opening {
    begun: Begun,
    dress: Dress,
    /// Its client may give it an id.
    may_name: bool,
    /// The id that it has otherwise.
    made: RequestId<'static>,
    /// Its answer may be kept back, to leave together with the next one.
    hold: bool,
    peer: Peer,
    /// The server answers with this status.
    denied: Option<u16>,
    /// Its connection may be kept.
    keeps: bool,
    pace: Option<Pace>,
    /// Of each wait for its client.
    timeout: Duration,
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

    fn answer(&mut self, connection: &mut Connection, holding: &mut bool) -> Fate {
        let shared = self.shared.clone();
        let listener = shared.hub.listener_of(connection).clone();
        if let Some(fate) = builtin(connection, &shared.routes) {
            return fate;
        }
        if listener.protocol == WireProtocol::Raw {
            return self.take(connection);
        }
        let cell = &shared.cells[self.id.0 as usize];
        let slot = shared.board.core(shared.place, self.id);
        let opening = self.open(connection, (cell, slot), listener.protocol);
        let Opening { begun, dress, timeout, .. } = opening;
        let (hub, bounds) = (&shared.hub, &shared.hub.bounds);
        let errors = &bounds.errors;
        let listening = &hub.listeners[usize::from(connection.listener)];
        let front = bounds.fronts.of(connection.listener);
        let fd = connection.fd().as_raw_fd();
        load_body(connection, &mut self.body);
        let parts = connection.parts();
        let handler = shared.routes.0[parts.head.modifier1 as usize].map_or(0, usize::from);
        self.encoder.reset(Rules {
            wire: dress.wire,
            version: parts.head.version,
            head_request: parts.head.is_head,
            keep_alive: parts.head.keep_alive && opening.keeps,
            delimited: dress.records.is_some(),
        });
        let vars = parts.vars.view(parts.head_bytes);
        let id = origin::given_id(vars, opening.may_name).unwrap_or(opening.made);
        let terms = Terms {
            fd: parts.fd,
            cell,
            date: self.date.at(begun.unix_s),
            timeout,
            dress,
            standin: Standin { errors, id },
            id: if errors.named { vars.get(Known::XRequestId) } else { None },
            headers: &shared.headers,
            internal: shared.files.as_deref().filter(|files| files.has_internal()),
            hold: opening.hold,
        };
        let gzip = Gzip::new(front, vars);
        let mut answer = Answer::new(terms, (&mut self.encoder, parts.spill), gzip, *holding);
        let mut body = RequestBody::new(
            parts.fd,
            parts.body_bytes,
            parts.upload,
            &mut self.body,
            timeout,
            shared.body_bytes_max,
            bounds.body.spool_from.is_some(),
        );
        body.keep_pace(opening.pace, &cell.silence);
        if parts.head.upgrade {
            body.offers(vars);
        }
        let from = Sender { listening, peer: &opening.peer, socket: parts.fd };
        let naming = Naming::of(&shared.sites, (listener.protocol, from), vars);
        let mut request = Request {
            vars,
            listener: &listener,
            // Behind a gateway are clients, not a front end that would have removed their headers.
            url_scheme: origin::url_scheme(
                vars,
                listener.protocol,
                bounds.trusted.is_some() || listening.private,
            ),
            modifier1: parts.head.modifier1,
            modifier2: parts.head.modifier2,
            wish: naming.wish(),
            core: self.id,
            connection_fd: fd,
            body: &mut body,
        };
        let outcome = match opening.denied {
            Some(status) => {
                answer.replace(status);
                Outcome::default()
            }
            None => {
                let files = (shared.files.as_deref(), begun.unix_s);
                let handler = &mut *self.handlers[handler];
                perform::answer(handler, &mut request, &mut answer, &naming, files)
            }
        };
        let open = body.is_open();
        let (finished, end) = perform::conclude(&mut answer, cell);
        *holding = answer.is_holding();
        let (sealed, switched) = (answer.is_sealed(), answer.is_switched());
        let sent = std::mem::take(&mut answer.sent);
        if outcome.refused {
            naming.tell(&shared, id);
        }
        let duration_us = begun.elapsed_us();
        let record = Record {
            site: naming.site(),
            shared: &shared,
            core: self.id,
            vars,
            listener: &listener,
            peer: &opening.peer,
            encoder: &self.encoder,
            sent: &sent,
            outcome: &outcome,
            begun: &begun,
            id,
            duration_us,
            memory: Record::measured(&shared),
        };
        record.keep(slot, &mut self.line);
        if !switched {
            shared.stile.called(duration_us.min(u64::from(u32::MAX)) as u32);
        }
        (shared.after_request)(outcome);
        if finished && end == End::Own && (!open || connection.passes_over_rest()) {
            return Fate::Keep;
        }
        let unread = open || connection.has_surplus() || !self.body.surplus().is_empty();
        end_of(unread, sealed, &sent, &listener)
    }

    /// A request begins.
    fn open(
        &self,
        connection: &mut Connection,
        (cell, slot): (&Cell, &CoreSlot),
        protocol: WireProtocol,
    ) -> Opening {
        let hub = &self.shared.hub;
        let begun = Begun::now();
        let dress = dress(connection, protocol);
        let may_name = connection.may_name(protocol);
        let serial = self.begin(connection, slot, (cell, dress, may_name), &begun);
        let errors = &hub.bounds.errors;
        let made = errors.id(Counter::Core(self.id.0), serial.count());
        if errors.named {
            connection.name(made, may_name);
        }
        Opening {
            begun,
            dress,
            may_name,
            made,
            hold: connection.next_is_here() && !self.shared.stile.calls_are_long(),
            peer: connection.peer,
            denied: connection.denied,
            keeps: hub.may_keep(connection),
            pace: hub.pace_of(connection),
            timeout: Duration::from_millis(hub.times_of(connection.listener).progress_ms),
        }
    }

    pub(super) fn begin(
        &self,
        connection: &Connection,
        slot: &CoreSlot,
        (cell, dress, may_name): (&Cell, Dress, bool),
        begun: &Begun,
    ) -> Serial {
        let deadline_ms = self
            .shared
            .harakiri
            .map_or(0, |limit| begun.monotonic_us / 1000 + limit.as_millis() as u64);
        if let Some(vars) = connection.vars() {
            let vars = vars.view(connection.input.data());
            let var = |known| vars.get(known).unwrap_or_default();
            let address = var(Known::RemoteAddr);
            cell.set_given_id(origin::given_id(vars, may_name));
            slot.current.write(&[
                address,
                b" - ",
                var(Known::RequestMethod),
                b" ",
                var(Known::RequestUri),
            ]);
        }
        slot.begin(begun.monotonic_us / 1000, deadline_ms, begun.unix_s);
        let front = self.shared.hub.bounds.fronts.of(connection.listener);
        cell.silence.begin(front.and_then(Front::silence_max), begun.monotonic_us / 1000);
        let behind = !connection.spill.is_empty();
        cell.begin(connection.fd().as_raw_fd(), behind, dress)
    }
}

/// How the answer to a connection's request goes on the wire.
fn dress(connection: &Connection, protocol: WireProtocol) -> Dress {
    let vars = connection.vars().map(|vars| vars.view(connection.input.data()));
    let accept = vars.and_then(|vars| vars.get(Known::Accept));
    let form = accept.map_or(Form::Text, Form::wanted);
    Dress::new(protocol, connection.head.request_id).read_by(form, connection.head.is_head)
}

/// Coded bytes that are not decoded yet lie behind the body, or bytes of another protocol behind the head: the
/// application's reads continue with them.
fn load_body(connection: &mut Connection, buffer: &mut BodyBuffer) {
    buffer.clear();
    let coded = matches!(connection.upload.rest, crate::net::upload::Rest::Coded(_));
    if coded || (connection.head.upgrade && !connection.upload.coded) {
        let used = connection.head.len + connection.upload.ready;
        buffer.load(&connection.input.data()[used..]);
        connection.input.truncate(used);
    }
}

/// Packets that the server answers itself.
fn builtin(connection: &mut Connection, routes: &Routes) -> Option<Fate> {
    const PING: u8 = 100;
    let modifier = connection.head.modifier1;
    if routes.0[modifier as usize].is_some() {
        return None;
    }
    if modifier == PING {
        // Four bytes fit into the buffer of a new connection; if not, the peer takes silence as failure.
        let _ = socket::send(connection.fd(), &[io::IoSlice::new(&[PING, 0, 0, 1])]);
    } else {
        crate::log::line(format_args!("-- unavailable modifier requested: {modifier} --"));
    }
    Some(Fate::Close)
}
