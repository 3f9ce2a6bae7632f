//! What a connection takes in: bytes from the socket, and the heads that they hold.

use std::io;
use std::os::fd::AsFd;

use uwsgi_plugin_api::WireProtocol;
use uwsgi_protocol::{Reject, fastcgi, http1};

use super::connection::{Bounds, Connection, Phase};
use super::decode::{self, Decoded, Found, Look};
use super::input::Input;
use super::origin;
use super::pool::Pool;
use super::reactor::Listening;
use super::site_peer::Sender;
use super::sorting::Destination;
use super::upload::Upload;
use crate::sys::socket;

/// What follows a look at the input.
pub(super) enum Next {
    /// More bytes are needed.
    More,
    /// There is a head.
    Body,
    /// Another look.
    Again,
    /// There is a head, of a request that is another process's. Nothing of its body was touched.
    Away(Destination),
}

impl Connection {
    /// Reads once. A read that does not fill the room has emptied the socket: no second one is needed.
    pub(super) fn receive(&mut self, pool: &Pool) -> io::Result<usize> {
        if self.input.is_empty() && self.input.room().is_empty() {
            self.input = Input::with_memory(pool.input());
        }
        let wanted = match self.phase {
            Phase::Body => self.head.len + self.upload.room_wanted(),
            _ => 0,
        };
        self.input.make_room(wanted);
        let room = self.input.room();
        let capacity = room.len();
        let count = socket::receive(self.fd.as_fd(), room)?;
        self.input.filled(count);
        // The edge that told of the client's end will not come again: read until the end itself is read.
        self.input_pending = count == capacity || self.hung_up;
        Ok(count)
    }

    /// Looks for the next head, or for whatever else lies there.
    pub(super) fn decode(
        &mut self,
        listening: &Listening,
        bounds: &Bounds,
        pool: &Pool,
    ) -> Result<Next, Reject> {
        let skipped = self.skip.min(self.input.len());
        self.input.consume(skipped);
        self.skip -= skipped;
        if self.input.is_empty() && listening.info.protocol != WireProtocol::Raw {
            return Ok(Next::More);
        }
        let recognizes = listening.info.protocol == WireProtocol::Auto;
        if self.awaits_header {
            let next = |goes_on| if goes_on { Next::Again } else { Next::More };
            return self.take_introduction(recognizes).map(next);
        }
        if self.spoken.is_none() && recognizes {
            self.spoken = decode::recognize(self.input.data())?;
            if self.spoken.is_none() {
                return Ok(Next::More);
            }
        }
        let vars = self.vars.get_or_insert_with(|| pool.vars());
        let look = Look {
            input: self.input.data(),
            limits: &bounds.head,
            body: &bounds.body,
            listener: listening.form(self.spoken),
            front: bounds.fronts.of(self.listener),
            peer: &self.peer,
            arrival: self.arrival,
            decoder: &mut self.decoder,
        };
        match look.decode(vars)? {
            Found::Part => Ok(Next::More),
            Found::Head(Decoded { head, upload, expects_continue }) => {
                (self.head, self.upload) = (head, upload);
                if let Some(trusted) = &bounds.trusted {
                    let believed = origin::is_believed(trusted, &self.peer, &mut self.believed);
                    let protocol = listening.form(self.spoken).protocol;
                    origin::amend(trusted, (protocol, believed), self.input.data(), vars);
                }
                let request =
                    || (listening.form(self.spoken).protocol, vars.view(self.input.data()));
                let from = || Sender { listening, peer: &self.peer, socket: self.fd.as_fd() };
                if let Some(away) = bounds.away.as_ref().filter(|_| self.denied.is_none())
                    && let Some(to) = away.sort(request(), from())
                {
                    if !self.handed {
                        self.upload = Upload::default();
                        return Ok(Next::Away(to));
                    }
                    // The instance and its site disagree: it would be sent to and fro for ever.
                    self.denied = Some(500);
                }
                if expects_continue && self.input.len() == head.len {
                    self.send_continue();
                }
                Ok(Next::Body)
            }
            Found::Between { consumed, answer } => {
                self.input.consume(consumed);
                self.spill.push(&answer);
                self.flush_and_resume();
                Ok(Next::Again)
            }
            Found::Interleaved => {
                fastcgi::sort(self.input.data_mut());
                Ok(Next::Again)
            }
        }
    }

    /// RFC 9110, 10.1.1. A socket that takes nothing now is in no state to be promised anything: the client will
    /// send its body after its own time-out. What it takes a part of is sent whole, before the answer.
    fn send_continue(&mut self) {
        let sent = socket::send(self.fd.as_fd(), &[io::IoSlice::new(http1::CONTINUE)]);
        if let Ok(count @ 1..) = sent {
            self.spill.push(&http1::CONTINUE[count..]);
        }
    }
}
