//! To and from the workers.

use std::io;

use mio::Token;
use uwsgi_protocol::fastcgi::client::Part;

use super::Handler;
use crate::exchange::{Body, Exchange, Outgoing};
use crate::upstream::{Received, SendError, Upstream};

/// How often a request is sent that no worker has read.
const ATTEMPTS_MAX: u32 = 5;

impl Handler<'_> {
    /// Gives waiting requests to workers, as long as there is a connection for them.
    pub(super) fn start_waiting(&mut self) {
        while let Some(&number) = self.waiting.front() {
            let Some(key) = self.free_upstream() else { return };
            self.waiting.pop_front();
            let Some(exchange) = self.exchanges.get_mut(number) else {
                self.idle.push(key);
                continue;
            };
            exchange.upstream = Some(key);
            exchange.attempts += 1;
            self.upstreams[key].exchange = Some(number);
            self.pump(key);
        }
    }

    /// One that rests, or a new one. The one that rested last belongs to a worker that was busy a moment ago, so that its
    /// memory is warm and it is awake.
    fn free_upstream(&mut self) -> Option<usize> {
        if let Some(key) = self.idle.pop() {
            return Some(key);
        }
        if self.upstreams.len() >= self.post.requests_max {
            return None;
        }
        match self.connect() {
            Ok(key) => Some(key),
            Err(error) => {
                // A full queue, or workers that are not there yet.
                if error.kind() != io::ErrorKind::WouldBlock {
                    self.complain(&format!("the workers cannot be reached: {error}"));
                }
                self.retry_soon();
                None
            }
        }
    }

    fn connect(&mut self) -> io::Result<usize> {
        let upstream = Upstream::connect(self.workers)?;
        let key = self.upstreams.insert(upstream);
        let token = Token(self.first_upstream() + key);
        if let Err(error) = self.upstreams[key].register(self.poll.registry(), token) {
            self.upstreams.remove(key);
            return Err(error);
        }
        Ok(key)
    }

    /// What waits for something that no event tells.
    pub(super) fn try_again(&mut self) {
        self.start_waiting();
        let growing = self.exchanges.iter().filter(|(_, one)| one.outgoing.waits_for_file());
        let keys: Vec<_> = growing.filter_map(|(_, one)| one.upstream).collect();
        keys.into_iter().for_each(|key| self.pump(key));
        let stuck = self.pairs.iter().any(crate::pair::Pair::is_stuck);
        if stuck || !self.waiting.is_empty() {
            self.retry_soon();
        }
    }

    /// A request can go on.
    pub(super) fn push_on(&mut self, number: usize) {
        if let Some(key) = self.exchanges.get(number).and_then(|exchange| exchange.upstream) {
            self.pump(key);
        }
    }

    /// Answers of this Mongrel2 may be made again.
    pub(super) fn resume(&mut self, pair: usize) {
        for number in self.exchanges_of(pair) {
            self.deliver(number);
            self.push_on(number);
        }
    }

    /// Numbers of the requests that came from this Mongrel2.
    pub(super) fn exchanges_of(&self, pair: usize) -> Vec<usize> {
        let of_pair = self.exchanges.iter().filter(|(_, one)| one.client.pair == pair);
        of_pair.map(|(number, _)| number).collect()
    }

    /// Moves what can be moved between a worker and its request.
    pub(super) fn pump(&mut self, key: usize) {
        let Some(upstream) = self.upstreams.get_mut(key) else { return };
        let Some(number) = upstream.exchange else { return self.look_at_idle(key) };
        let Some(exchange) = self.exchanges.get_mut(number) else { return };
        match upstream.send(&mut exchange.outgoing) {
            Ok(()) => {}
            Err(error @ SendError::File(_)) => return self.body_lost(number, &error),
            Err(_) if upstream.readable => {}
            Err(SendError::Worker(_)) => return self.worker_lost(key, number, true),
        }
        let grows = exchange.outgoing.waits_for_file();
        self.grant_owed(number);
        self.await_room(key);
        if grows {
            self.retry_soon();
        }
        self.receive(key, number);
    }

    fn await_room(&mut self, key: usize) {
        let token = Token(self.first_upstream() + key);
        let Some(upstream) = self.upstreams.get_mut(key) else { return };
        if let Err(error) = upstream.await_room(self.poll.registry(), token) {
            self.complain(&format!("epoll_ctl: {error}"));
        }
    }

    fn receive(&mut self, key: usize, number: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(upstream) = self.upstreams.get_mut(key)
            && upstream.readable
            && upstream.exchange == Some(number)
            && let Some(exchange) = self.exchanges.get(number)
            && !exchange.flow.is_full()
            && !self.pairs[exchange.client.pair].is_stuck()
        {
            match upstream.read(&mut buffer) {
                Received::Nothing => break,
                Received::Over { unread } => {
                    self.worker_lost(key, number, unread);
                    break;
                }
                Received::Bytes(count) => self.take_answer(key, number, &buffer[..count]),
            }
        }
        self.buffer = buffer;
    }

    /// A worker has nothing to say without a request, but that it leaves.
    fn look_at_idle(&mut self, key: usize) {
        let upstream = &mut self.upstreams[key];
        if upstream.readable || upstream.hung_up {
            self.idle.retain(|idle| *idle != key);
            self.upstreams.remove(key);
        } else if let Some(outgoing) = upstream.rest.take() {
            self.send_rest(key, outgoing);
        }
    }

    fn take_answer(&mut self, key: usize, number: usize, mut bytes: &[u8]) {
        let (Some(upstream), Some(exchange)) =
            (self.upstreams.get_mut(key), self.exchanges.get_mut(number))
        else {
            return;
        };
        // In one read there may be a small answer, whole: then its length is known.
        let stdout = &mut self.stdout;
        stdout.clear();
        let mut ended = false;
        let broken = loop {
            match upstream.decoder.next(&mut bytes) {
                Ok(Some(Part::Stdout(part))) => stdout.extend_from_slice(part),
                // The worker has logged it.
                Ok(Some(Part::Stderr(_))) => {}
                Ok(Some(Part::End)) => {
                    ended = true;
                    break !bytes.is_empty();
                }
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        let Exchange { answer, flow, .. } = exchange;
        let whole = ended && !answer.has_begun();
        let none = answer.take(stdout, whole, &self.date.text, flow.bytes()).is_err();
        if none || broken {
            self.complain("a worker has sent what is no answer");
            self.cut(number);
            return self.answer_fails(number, 502, "the application's answer is none");
        }
        if ended {
            let keeps = exchange.answer.end(exchange.flow.bytes());
            exchange.flow.end(!keeps);
            exchange.upstream = None;
            let outgoing = std::mem::take(&mut exchange.outgoing);
            if let Body::File { upload, .. } = &outgoing.body {
                self.uploads.remove(upload);
            }
            if self.upstreams.get_mut(key).is_some_and(Upstream::finish) {
                self.send_rest(key, outgoing);
            } else {
                self.upstreams.remove(key);
            }
        }
        self.deliver(number);
    }

    /// The answer is whole, but perhaps not the request: the worker passes over the rest of a body that nobody has read.
    fn send_rest(&mut self, key: usize, mut outgoing: Outgoing) {
        let Some(upstream) = self.upstreams.get_mut(key) else { return };
        let sent = outgoing.has_end() && upstream.send(&mut outgoing).is_ok();
        if !sent {
            self.upstreams.remove(key);
        } else if outgoing.is_sent() {
            self.spare.keep_records(outgoing.into_memory());
            self.idle.push(key);
            self.await_room(key);
        } else {
            upstream.rest = Some(outgoing);
            self.await_room(key);
        }
    }

    /// A worker is gone with a request. `unread`: it had not read all of it, so that nobody has begun to serve it.
    fn worker_lost(&mut self, key: usize, number: usize, unread: bool) {
        self.upstreams.remove(key);
        let Some(exchange) = self.exchanges.get_mut(number) else { return };
        exchange.upstream = None;
        let fresh = unread && !exchange.answer.has_begun() && exchange.attempts < ATTEMPTS_MAX;
        if fresh && exchange.outgoing.begin_again() {
            self.waiting.push_front(number);
            return;
        }
        if !exchange.answer.has_begun() {
            self.complain("a worker is gone with a request");
        }
        self.answer_fails(number, 502, "the application's process is gone");
    }

    /// The body of a request cannot be read: no worker could have it.
    fn body_lost(&mut self, number: usize, error: &SendError) {
        self.complain(&error.to_string());
        self.cut(number);
        self.answer_fails(number, 500, "the upload cannot be read");
    }

    /// Takes the connection away from a request that nobody wants any more: the worker sees its end.
    pub(super) fn cut(&mut self, number: usize) {
        let Some(exchange) = self.exchanges.get_mut(number) else { return };
        match exchange.upstream.take() {
            Some(key) => drop(self.upstreams.remove(key)),
            None => self.waiting.retain(|waiting| *waiting != number),
        }
    }
}
