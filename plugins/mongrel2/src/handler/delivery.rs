//! To Mongrel2: answers, refusals, ends of connections.

use std::time::Instant;

use uwsgi_protocol::mongrel2::Extended;

use super::Handler;
use crate::answer;
use crate::exchange::Body;
use crate::uploads::Client;

impl Handler<'_> {
    /// Sends what Mongrel2 takes of an answer; ends the request after the last byte.
    pub(super) fn deliver(&mut self, number: usize) {
        let Some(exchange) = self.exchanges.get_mut(number) else { return };
        let pair = &mut self.pairs[exchange.client.pair];
        let mut now = None;
        while let Some(len) = exchange.flow.next(*now.get_or_insert_with(Instant::now)) {
            if pair.is_stuck() {
                break;
            }
            pair.address(exchange.client, &mut self.message);
            self.message.extend_from_slice(exchange.flow.message(len));
            exchange.flow.sent(len, *now.get_or_insert_with(Instant::now));
            pair.send(&self.message);
        }
        if let Some(closes) = exchange.flow.is_over() {
            if closes {
                pair.address(exchange.client, &mut self.message);
                pair.send(&self.message);
            }
            self.forget(number);
        } else if let Some(due) = exchange.flow.due()
            && !std::mem::replace(&mut exchange.paced, true)
        {
            self.paced.push_back((due, number, exchange.serial));
        }
        if self.pairs.iter().any(crate::pair::Pair::is_stuck) {
            self.retry_soon();
        }
    }

    /// An answer that no worker gives, or the end of one that is not whole.
    pub(super) fn answer_fails(&mut self, number: usize, status: u16, why: &str) {
        let Some(exchange) = self.exchanges.get_mut(number) else { return };
        if !exchange.answer.has_begun() {
            let bytes = answer::refusal(status, why, false, &self.date.text);
            exchange.flow.bytes().extend_from_slice(&bytes);
        }
        exchange.flow.end(true);
        self.deliver(number);
    }

    /// The same for what never became a request.
    pub(super) fn refuse(&mut self, client: Client, status: u16, why: &str) {
        let bytes = answer::refusal(status, why, false, &self.date.text);
        self.say(client, &bytes);
        self.close_client(client);
    }

    /// Ends a client's connection.
    pub(super) fn close_client(&mut self, client: Client) {
        self.say(client, b"");
    }

    /// No bytes end the connection.
    fn say(&mut self, client: Client, bytes: &[u8]) {
        let pair = &mut self.pairs[client.pair];
        pair.address(client, &mut self.message);
        self.message.extend_from_slice(bytes);
        pair.send(&self.message);
    }

    /// Mongrel2 may send so many more bytes of a streamed upload.
    pub(super) fn grant(&mut self, client: Client, bytes: usize) {
        let pair = &mut self.pairs[client.pair];
        let credits = Extended::Credits(u32::try_from(bytes).unwrap_or(u32::MAX));
        pair.about(client, credits, &mut self.message);
        pair.send(&self.message);
    }

    /// The same for what a worker has taken of it.
    pub(super) fn grant_owed(&mut self, number: usize) {
        let Some(exchange) = self.exchanges.get_mut(number) else { return };
        if exchange.owed > 0 && exchange.outgoing.takes_pieces() {
            let (client, owed) = (exchange.client, std::mem::take(&mut exchange.owed));
            self.grant(client, owed);
        }
    }

    /// The client is gone: nobody wants the answer.
    pub(super) fn abandon(&mut self, number: usize) {
        self.cut(number);
        self.forget(number);
    }

    /// A Mongrel2 is gone, and its clients with it. Returns how many requests they had.
    pub(super) fn drop_clients(&mut self, pair: usize) -> usize {
        let numbers = self.exchanges_of(pair);
        numbers.iter().for_each(|number| self.abandon(*number));
        self.uploads.forget_pair(pair);
        self.pairs[pair].forget_answers();
        numbers.len()
    }

    /// The request is over.
    fn forget(&mut self, number: usize) {
        let Some(exchange) = self.exchanges.try_remove(number) else { return };
        self.by_client.remove(&exchange.client);
        if exchange.owed > 0 {
            self.grant(exchange.client, exchange.owed);
        }
        if let Body::File { upload, .. } = &exchange.outgoing.body {
            self.uploads.remove(upload);
        }
        self.spare.keep_answer(exchange.answer, exchange.flow);
    }
}
