//! One request of a connection, from what is known of it to its log line.

use std::os::fd::AsRawFd;
use std::time::Duration;

use uwsgi_plugin_api::{Known, Outcome, Request, WireProtocol};
use uwsgi_protocol::http1::{Form, Rules};

use super::answer::{Answer, Terms};
use super::begun::Begun;
use super::body::{BodyBuffer, RequestBody};
use super::cell::{Cell, End, Serial};
use super::dress::Dress;
use super::fate::{Fate, end_of};
use super::fault::Standin;
use super::gzip::Gzip;
use super::perform;
use super::record::Record;
use super::serve::Core;
use super::shared::Routes;
use super::wish::Naming;
use crate::errors::{Counter, RequestId};
use crate::net::connection::Connection;
use crate::net::decode::Head;
use crate::net::front::Front;
use crate::net::origin;
use crate::net::pace::Pace;
use crate::net::peer::Peer;
use crate::net::site_peer::Sender;
use crate::shm::CoreSlot;
use crate::sys::socket;

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

impl Opening {
    /// How the answer is framed.
    fn rules(&self, head: &Head) -> Rules {
        Rules {
            wire: self.dress.wire,
            version: head.version,
            head_request: head.is_head,
            keep_alive: head.keep_alive && self.keeps,
            delimited: self.dress.records.is_some(),
        }
    }
}

impl Core {
    pub(super) fn answer(&mut self, connection: &mut Connection, holding: &mut bool) -> Fate {
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
        let Opening { ref begun, dress, timeout, .. } = opening;
        let (hub, bounds) = (&shared.hub, &shared.hub.bounds);
        let errors = &bounds.errors;
        let listening = &hub.listeners[usize::from(connection.listener)];
        let front = bounds.fronts.of(connection.listener);
        let fd = connection.fd().as_raw_fd();
        load_body(connection, &mut self.body);
        let parts = connection.parts();
        let handler = shared.routes.0[parts.head.modifier1 as usize].map_or(0, usize::from);
        self.encoder.reset(opening.rules(&parts.head));
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
        // Behind a gateway are clients, not a front end that would have removed their headers.
        let trusts = bounds.trusted.is_some() || listening.private;
        let mut request = Request {
            vars,
            listener: &listener,
            url_scheme: origin::url_scheme(vars, listener.protocol, trusts),
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
            begun,
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
        let _ = socket::send(connection.fd(), &[std::io::IoSlice::new(&[PING, 0, 0, 1])]);
    } else {
        crate::log::line(format_args!("-- unavailable modifier requested: {modifier} --"));
    }
    Some(Fate::Close)
}
