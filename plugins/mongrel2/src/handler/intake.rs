//! From Mongrel2: requests, pieces of their bodies, notices.

use std::time::{Duration, Instant};

use uwsgi_protocol::fastcgi::client;
use uwsgi_protocol::http1::decimal;
use uwsgi_protocol::mongrel2::{Limits, Message, message};
use uwsgi_protocol::websocket;

use super::Handler;
use crate::exchange::{Body, Exchange, Outgoing};
use crate::json::{self, Notice};
use crate::request::{self, ID, Length};
use crate::uploads::{Client, DONE, Kind, START, Upload};

/// What Mongrel2 holds back itself, with room.
const LIMITS: Limits =
    Limits { head_bytes_max: 1 << 20, body_bytes_max: 64 << 20, fields_max: 1_280 };
/// Requests that may wait for a worker besides those that the workers have: as few as keep them busy.
const WAITING: usize = 16;
/// So many may wait while others can only go on when Mongrel2 is heard; more are refused.
const WAITING_MAX: usize = 4_096;
/// How often a message is taken although nobody can serve it.
const PEEK: Duration = Duration::from_millis(20);
/// One complaint in this time.
const COMPLAINTS: Duration = Duration::from_secs(1);

impl Handler<'_> {
    /// True where the next message may be taken. `hears`: more are taken than the workers can run, see [`Self::must_hear`].
    pub(super) fn takes_more(&self, hears: bool) -> bool {
        let waiting = self.waiting.len();
        waiting < WAITING || (hears && waiting <= WAITING_MAX)
    }

    /// Notices come by the same way as requests, and so do the frames of WebSockets. Where somebody waits for one, the
    /// requests before it have to be taken; where not, a look from time to time tells of clients that are gone.
    pub(super) fn must_hear(&mut self, now: Instant) -> bool {
        if self.waiting.len() < WAITING {
            return false;
        }
        let hears = |(_, exchange): (usize, &Exchange)| {
            exchange.flow.waits_for_credits() || exchange.waits_for_pieces()
        };
        if self.leaving.is_some() || self.exchanges.iter().any(hears) {
            self.peek_at = now + PEEK;
            return true;
        }
        let due = self.peek_at <= now;
        if due {
            self.peek_at = now + PEEK;
        }
        due
    }

    /// Takes a message.
    pub(super) fn take(&mut self, pair: usize, bytes: &[u8]) {
        if let Some(leaving) = &mut self.leaving {
            leaving.heard = Instant::now();
        }
        let message = match message::decode(bytes, &LIMITS) {
            Ok(message) => message,
            Err(reject) => {
                let length = bytes.len();
                return self.complain(&format!(
                    "a message that is none: {} ({length} bytes)",
                    reject.reason
                ));
            }
        };
        let Some(sender) = self.pairs[pair].sender(message.sender) else {
            return self.complain("a message of one sender too many");
        };
        let client = Client { pair, sender, id: message.id };
        match self.head.read(message.headers, &LIMITS) {
            Ok(()) => self.sort(client, &message),
            // A notice needs no answer, whatever its headers are.
            Err(_) if message.path == b"@*" => {}
            Err(reject) => self.refuse_head(client, reject),
        }
    }

    fn refuse_head(&mut self, client: Client, reject: uwsgi_protocol::Reject) {
        let missing = json::JsonError::NotBuilt;
        if reject == missing.reject() {
            self.complain(&missing.to_string());
            self.refuse(client, 501, &missing.to_string());
        } else {
            self.complain(&format!("headers that are none: {}", reject.reason));
            self.refuse(client, reject.status, reject.reason);
        }
    }

    fn sort(&mut self, client: Client, message: &Message<'_>) {
        match self.head.get(b"METHOD").unwrap_or_default() {
            b"JSON" if message.path == b"@*" => self.hear(client, message.body),
            b"JSON" | b"XML" => {
                self.complain(
                    "a message of a raw socket (JSON, XML): only HTTP and WebSocket are served",
                );
                self.close_client(client);
            }
            b"WEBSOCKET" => self.take_frame(client, message.body),
            _ if self.head.get(b"UPLOAD_STREAM").is_some() => {
                self.take_stream(client, message.body)
            }
            _ => match self.uploads.look(client, &self.head, !message.body.is_empty()) {
                Kind::Plain => self.request(client, message.body, None),
                Kind::Forged(why) => {
                    // It may be a mistake in the configuration: the path helps to find it.
                    let path = self.head.get(START).or(self.head.get(DONE)).unwrap_or_default();
                    let path = String::from_utf8_lossy(path).escape_debug().to_string();
                    self.complain(&format!("a forged header of uploads is ignored: {why}: {path}"));
                    self.request(client, message.body, None);
                }
                Kind::Start(upload) => self.upload_begins(client, upload),
                Kind::Done(upload) => self.upload_ends(client, upload),
                Kind::Refused(why) => {
                    self.complain(&format!("an upload is refused: {why}"));
                    self.refuse(client, 413, why);
                }
            },
        }
    }

    /// A notice about a client. It is never answered.
    fn hear(&mut self, client: Client, body: &[u8]) {
        match json::notice_type(body) {
            Ok(Notice::Disconnect) => {
                self.uploads.forget(client);
                if let Some(&number) = self.by_client.get(&client) {
                    self.abandon(number);
                }
            }
            Ok(Notice::Credits(given)) => {
                let header = self.head.get(b"DOWNLOAD_CREDITS").and_then(decimal);
                if let Some(&number) = self.by_client.get(&client) {
                    if let Some(exchange) = self.exchanges.get_mut(number) {
                        exchange.flow.grant(given.or(header).unwrap_or(0));
                    }
                    self.deliver(number);
                    // The worker may have waited for room.
                    self.push_on(number);
                }
            }
            Ok(Notice::Other) => self.complain("a notice that nobody knows"),
            Err(error) => self.complain(&format!("a notice that cannot be read: {error}")),
        }
    }

    fn upload_begins(&mut self, client: Client, upload: Upload) {
        if self.uploads.rules().is_some_and(|rules| rules.early) {
            self.request(client, b"", Some((upload, false)));
        }
    }

    fn upload_ends(&mut self, client: Client, upload: Upload) {
        let running = self.by_client.get(&client).copied();
        let early = running.and_then(|number| Some((number, self.exchanges.get_mut(number)?)));
        match early {
            Some((
                number,
                Exchange { outgoing: Outgoing { body: Body::File { complete, .. }, .. }, .. },
            )) => {
                *complete = true;
                self.push_on(number);
            }
            _ if self.uploads.rules().is_some_and(|rules| rules.early) => {
                // It was answered before its body was there.
                self.uploads.remove(&upload);
            }
            _ => self.request(client, b"", Some((upload, true))),
        }
    }

    /// A piece of an upload that comes as messages: the first is the request.
    fn take_stream(&mut self, client: Client, body: &[u8]) {
        let number = self.head.get(b"UPLOAD_STREAM").and_then(decimal).unwrap_or(0);
        let last = self.head.get(b"UPLOAD_STREAM_DONE").is_some();
        if number == 0 {
            self.open_request(client);
        }
        match self.by_client.get(&client).and_then(|number| self.exchanges.get_mut(*number)) {
            Some(exchange) => exchange.owed += body.len(),
            // It is answered already: the rest is passed over.
            None => self.grant(client, body.len()),
        }
        self.take_piece(client, body, last);
    }

    /// Adds to the body of a request that is open.
    fn take_piece(&mut self, client: Client, piece: &[u8], last: bool) {
        let Some(&number) = self.by_client.get(&client) else { return };
        let Some(exchange) = self.exchanges.get_mut(number) else { return };
        if !matches!(exchange.outgoing.body, Body::Pieces) {
            return;
        }
        if !exchange.outgoing.push(piece) {
            self.complain("a worker does not read what a client sends: its request ends");
            return self.abandon(number);
        }
        if last {
            exchange.outgoing.end();
        }
        self.push_on(number);
    }

    /// A frame of a WebSocket, for the worker as the client sent it, but with a mask that changes nothing.
    fn take_frame(&mut self, client: Client, payload: &[u8]) {
        let flags = self.head.get(b"FLAGS").unwrap_or(b"0x81");
        let flags = std::str::from_utf8(flags).unwrap_or_default().trim_start_matches("0x");
        let first = u8::from_str_radix(flags, 16).unwrap_or(0x81);
        if let Some(&number) = self.by_client.get(&client)
            && let Some(exchange) = self.exchanges.get_mut(number)
        {
            exchange.flow.heard();
            self.deliver(number);
        }
        let mut frame = Vec::new();
        websocket::masked_frame(first, payload, &mut frame);
        self.take_piece(client, &frame, false);
    }

    /// A request whose body is there, or in a file.
    fn request(&mut self, client: Client, body: &[u8], file: Option<(Upload, bool)>) {
        let length = match request::length(&self.head, body.len(), file.is_some()) {
            Ok(length) => length,
            Err(reject) => return self.refuse(client, reject.status, reject.reason),
        };
        let websocket = self.head.get(b"METHOD") == Some(b"WEBSOCKET_HANDSHAKE");
        let announced = match (&file, length) {
            _ if websocket => return self.open_request(client),
            (Some((_, false)), None) => Length::Open,
            (Some((upload, true)), None) => {
                Length::Bytes(upload.file.metadata().map_or(0, |file| file.len()))
            }
            (_, length) => Length::Bytes(length.unwrap_or(body.len() as u64)),
        };
        let mut records = self.spare.take_records();
        let facts = match request::write(&self.head, announced, &self.around, &mut records) {
            Ok(facts) => facts,
            Err(reject) => return self.refuse(client, reject.status, reject.reason),
        };
        let body = match file {
            Some((upload, complete)) => Body::File { upload, at: 0, complete },
            None => {
                client::body(ID, body, &mut records);
                client::end_body(ID, &mut records);
                Body::Whole
            }
        };
        self.begin(client, facts, Outgoing::new(records, body));
    }

    /// A request whose body comes later.
    fn open_request(&mut self, client: Client) {
        let mut records = self.spare.take_records();
        match request::write(&self.head, Length::Open, &self.around, &mut records) {
            Ok(facts) => self.begin(client, facts, Outgoing::new(records, Body::Pieces)),
            Err(reject) => self.refuse(client, reject.status, reject.reason),
        }
    }

    fn begin(&mut self, client: Client, facts: request::Facts, outgoing: Outgoing) {
        if let Some(&before) = self.by_client.get(&client) {
            // Mongrel2 asks one thing at a time of a connection: what is still here belongs to nobody.
            self.abandon(before);
        }
        if self.waiting.len() >= WAITING_MAX {
            return self.refuse(client, 503, "too many requests wait for a worker");
        }
        self.serial += 1;
        let (answer, flow) = self.spare.take_answer();
        let mut exchange = Exchange {
            client,
            serial: self.serial,
            answer,
            flow,
            upstream: None,
            outgoing,
            attempts: 0,
            paced: false,
            owed: 0,
        };
        exchange.answer.begin(&facts);
        exchange.flow.begin(self.head.get(b"DOWNLOAD_CREDITS").and_then(decimal));
        let number = self.exchanges.insert(exchange);
        self.by_client.insert(client, number);
        self.waiting.push_back(number);
        self.start_waiting();
    }

    /// Says what is wrong with what came, but not with each of many.
    pub(super) fn complain(&mut self, what: &str) {
        let now = Instant::now();
        let (said, unsaid) = self.complained.unwrap_or((now - 2 * COMPLAINTS, 0));
        if now < said + COMPLAINTS {
            self.complained = Some((said, unsaid + 1));
            return;
        }
        let others =
            if unsaid > 0 { format!(" ({unsaid} more were not told)") } else { String::new() };
        (self.post.log)(&format!("mongrel2: {what}{others}"));
        self.complained = Some((now, 0));
    }
}
