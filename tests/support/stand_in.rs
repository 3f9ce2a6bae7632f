//! A stand-in for Mongrel2: sockets of the test's own, for messages that a real one never sends, at times of the test's
//! choice.

use super::answer::Answer;
use super::{PATIENCE, eventually};

/// Its name to the handler.
pub const SENDER: &str = "34f9ceee-cd52-4b7f-b197-88bf2f0ec378";

/// See the module.
pub struct StandIn {
    requests: zmq::Socket,
    answers: zmq::Socket,
}

/// Bytes for clients.
#[derive(Debug)]
pub struct Reply {
    /// As the handler wrote them; several are separated by blanks.
    pub ids: String,
    /// None closes the client's connection.
    pub bytes: Vec<u8>,
}

impl StandIn {
    /// Listens on free ports.
    pub fn new() -> Self {
        Self::with_key(None)
    }

    /// The same, for handlers that know the public key of this secret one.
    pub fn with_key(secret: Option<&[u8; 32]>) -> Self {
        let context = zmq::Context::new();
        let bound = |kind| {
            let socket = context.socket(kind).expect("a socket of ZeroMQ");
            if let Some(secret) = secret {
                socket.set_curve_server(true).expect("an option of ZeroMQ");
                socket.set_curve_secretkey(secret).expect("an option of ZeroMQ");
            }
            socket.bind("tcp://127.0.0.1:*").expect("bind to a free port");
            socket.set_linger(0).expect("an option of ZeroMQ");
            let patience = i32::try_from(PATIENCE.as_millis()).expect("half a minute");
            socket.set_rcvtimeo(patience).expect("an option of ZeroMQ");
            socket
        };
        let (requests, answers) = (bound(zmq::PUSH), bound(zmq::SUB));
        answers.set_rcvhwm(0).expect("an option of ZeroMQ");
        answers.set_subscribe(b"").expect("an option of ZeroMQ");
        Self { requests, answers }
    }

    /// Its endpoints, as `--zeromq` takes them.
    pub fn pair(&self) -> String {
        let endpoint = |socket: &zmq::Socket| {
            socket.get_last_endpoint().expect("it is bound").expect("an endpoint is text")
        };
        format!("{},{}", endpoint(&self.requests), endpoint(&self.answers))
    }

    /// Sends a message, as soon as a handler is there.
    #[track_caller]
    pub fn send(&self, message: impl AsRef<[u8]>) {
        eventually("a handler that takes the message", || {
            // A new handler hears of the subscription when something is done with this socket.
            let _ = self.answers.get_events();
            self.requests.send(message.as_ref(), zmq::DONTWAIT).is_ok()
        });
    }

    /// Whether a handler takes messages, or will within half a second.
    pub fn is_heard(&self) -> bool {
        (0..50).any(|_| {
            let _ = self.answers.get_events();
            self.requests.poll(zmq::POLLOUT, 10).expect("poll a socket") > 0
        })
    }

    /// Asks for a target in the name of a client.
    #[track_caller]
    pub fn get(&self, id: u32, target: &str) {
        self.send(get(id, target, &[]));
    }

    /// The next message of the handler.
    #[track_caller]
    pub fn receive(&self) -> Reply {
        self.try_receive(PATIENCE.as_millis()).expect("a message from the handler")
    }

    /// The next message of the handler, if there is one within so many milliseconds.
    #[track_caller]
    pub fn try_receive(&self, milliseconds: u128) -> Option<Reply> {
        let wait = i64::try_from(milliseconds).expect("a short time");
        if self.answers.poll(zmq::POLLIN, wait).expect("poll a socket") == 0 {
            return None;
        }
        let message = self.answers.recv_bytes(0).expect("poll has found a message");
        Some(taken_apart(&message).unwrap_or_else(|| {
            panic!("no message of a handler: {:?}", String::from_utf8_lossy(&message))
        }))
    }

    /// Waits for a whole answer to the client, which keeps its connection.
    #[track_caller]
    pub fn answer(&self, id: u32) -> Answer {
        let mut bytes = Vec::new();
        loop {
            let reply = self.receive();
            assert_eq!(reply.ids, id.to_string(), "{reply:?}");
            let ended = reply.bytes.is_empty();
            bytes.extend(reply.bytes);
            match Answer::whole(&bytes, false) {
                Some(answer) if answer.complete || ended => return answer,
                _ => assert!(!ended, "closed after {:?}", String::from_utf8_lossy(&bytes)),
            }
        }
    }
}

/// A message with headers in JSON and no body.
pub fn get(id: u32, target: &str, more: &[(&str, &str)]) -> String {
    message(id, "GET", target, more, "")
}

/// A message with headers in JSON.
pub fn message(id: u32, method: &str, target: &str, more: &[(&str, &str)], body: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let own = [
        ("PATH", path),
        ("METHOD", method),
        ("VERSION", "HTTP/1.1"),
        ("URI", target),
        ("QUERY", query),
        ("PATTERN", "/"),
        ("URL_SCHEME", "http"),
        ("REMOTE_ADDR", "192.0.2.9"),
        ("host", "example.test"),
    ];
    let fields = own.iter().chain(more).map(|(name, value)| format!("\"{name}\":\"{value}\""));
    let headers = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
    format!("{SENDER} {id} {path} {}:{headers},{}:{body},", headers.len(), body.len())
}

/// A notice about a client.
pub fn notice(id: u32, body: &str) -> String {
    format!("{SENDER} {id} @* 17:{{\"METHOD\":\"JSON\"}},{}:{body},", body.len())
}

/// `SENDER LENGTH:IDS, BYTES`.
fn taken_apart(message: &[u8]) -> Option<Reply> {
    let (_, rest) = split(message, b' ')?;
    let (length, rest) = split(rest, b':')?;
    let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
    let (ids, rest) = rest.split_at_checked(length)?;
    let bytes = rest.strip_prefix(b", ")?.to_vec();
    Some(Reply { ids: String::from_utf8_lossy(ids).into_owned(), bytes })
}

fn split(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = bytes.iter().position(|byte| *byte == at)?;
    Some((&bytes[..place], &bytes[place + 1..]))
}
