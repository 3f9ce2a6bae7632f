//! WebSockets over a transport in memory.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use uwsgi_protocol::Vars;

use super::*;
use crate::{BodyError, Flow};

/// What a client sends, in pieces; `None` is silence for as long as anybody waits.
struct Client {
    vars: Vars,
    here: Vec<u8>,
    next: VecDeque<Option<Vec<u8>>>,
    open: bool,
    waits: Vec<Duration>,
}

impl Body for Client {
    fn remaining(&self) -> Option<u64> {
        None
    }
    fn unannounced(&self) -> bool {
        true
    }
    fn available(&self) -> &[u8] {
        &self.here
    }
    fn consume(&mut self, count: usize) {
        self.here.drain(..count);
    }
    fn fill(&mut self) -> Result<Fill, BodyError> {
        unreachable!("a WebSocket never waits without an end")
    }
    fn poll(&mut self, within: Duration) -> Result<Option<Fill>, BodyError> {
        assert!(self.open && self.here.is_empty());
        self.waits.push(within);
        match self.next.pop_front() {
            Some(Some(piece)) => {
                self.here = piece;
                Ok(Some(Fill::More))
            }
            Some(None) => {
                std::thread::sleep(within);
                Ok(None)
            }
            None => Err(BodyError::Truncated),
        }
    }
    fn offer(&self) -> Option<VarsView<'_>> {
        Some(self.vars.view(b""))
    }
    fn open(&mut self) {
        self.open = true;
    }
}

#[derive(Default)]
struct Answer {
    status: String,
    headers: Vec<(String, String)>,
    switched: bool,
    sent: Vec<u8>,
    gone: bool,
}

impl Response for Answer {
    fn start(&mut self, status: &[u8]) -> Result<(), HeadError> {
        self.status = String::from_utf8_lossy(status).into_owned();
        Ok(())
    }
    fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        self.headers.push((text(name), text(value)));
        Ok(())
    }
    fn started(&self) -> bool {
        !self.status.is_empty()
    }
    fn head_sent(&self) -> bool {
        self.switched
    }
    fn whole_body(&mut self, _length: u64) {}
    fn write(&mut self, _data: &[u8]) -> Result<Flow, WriteError> {
        unreachable!("frames are sent as they are")
    }
    fn write_file(&mut self, _file: OwnedFd, _at: u64, _len: u64) -> Result<Flow, WriteError> {
        unreachable!("as above")
    }
    fn wait(&mut self) -> Result<(), WriteError> {
        Ok(())
    }
    fn flush_head(&mut self) -> Result<(), WriteError> {
        Ok(())
    }
    fn switch(&mut self, protocol: &[u8]) -> Result<(), WriteError> {
        assert_eq!(protocol, b"websocket");
        self.switched = true;
        Ok(())
    }
    fn send_as_is(&mut self, parts: &[IoSlice<'_>]) -> Result<(), WriteError> {
        if self.gone {
            return Err(WriteError::Disconnected(std::io::ErrorKind::BrokenPipe.into()));
        }
        parts.iter().for_each(|part| self.sent.extend_from_slice(part));
        Ok(())
    }
    fn abort(&mut self) {}
}

/// A short frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0][..], payload].concat()
}

fn client(pieces: impl IntoIterator<Item = Option<Vec<u8>>>) -> Client {
    let mut vars = Vars::default();
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", "/chat"),
        ("REMOTE_ADDR", "192.0.2.7"),
        ("HTTP_SEC_WEBSOCKET_VERSION", "13"),
        ("HTTP_SEC_WEBSOCKET_KEY", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("HTTP_SEC_WEBSOCKET_PROTOCOL", "chat, superchat"),
    ] {
        vars.set(b"", name.as_bytes(), value.as_bytes());
    }
    let next = pieces.into_iter().collect();
    Client { vars, here: Vec::new(), next, open: false, waits: Vec::new() }
}

fn accepted(client: &mut Client, terms: Terms) -> (WebSocket, Answer) {
    let mut answer = Answer::default();
    let socket = WebSocket::accept(terms, &Handshake::default(), client, &mut answer);
    (socket.expect("it is accepted"), answer)
}

#[test]
fn a_handshake_is_answered() {
    let mut client = client([]);
    let (socket, answer) = accepted(&mut client, Terms::default());
    assert!(answer.switched && client.open);
    assert_eq!(answer.status, "101 Switching Protocols");
    assert_eq!(socket.label(), "\"GET /chat\" (192.0.2.7)");
    for (name, value) in [
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("Sec-WebSocket-Protocol", "chat"),
        ("Sec-WebSocket-Origin", "*"),
    ] {
        assert!(answer.headers.contains(&(name.into(), value.into())), "{:?}", answer.headers);
    }
}

#[test]
fn a_handshake_of_another_version_is_refused() {
    let mut client = client([]);
    client.vars.set(b"", b"HTTP_SEC_WEBSOCKET_VERSION", b"8");
    let mut answer = Answer::default();
    let refused =
        WebSocket::accept(Terms::default(), &Handshake::default(), &mut client, &mut answer);
    assert!(matches!(refused, Err(SocketError::Refused(Refusal::Version))));
    assert!(answer.status.starts_with("426 ") && !answer.switched && !client.open);
    assert!(answer.headers.contains(&("Sec-WebSocket-Version".to_owned(), "13".to_owned())));
}

#[test]
fn messages_come_and_pings_and_closes_are_answered() {
    let pieces = [
        frame(0x81, b"one"),
        [frame(0x89, b"there?"), frame(0x02, b"t")].concat(),
        [frame(0x80, b"wo"), frame(0x88, b"\x03\xe9bye")].concat(),
    ];
    let mut client = client(pieces.map(Some));
    let (mut socket, mut answer) = accepted(&mut client, Terms::default());
    let mut receive =
        |socket: &mut WebSocket, answer: &mut Answer| socket.receive(true, &mut client, answer);
    let message = receive(&mut socket, &mut answer).expect("a message");
    assert_eq!(message, Some((Kind::Text, b"one".to_vec())));
    let message = receive(&mut socket, &mut answer).expect("another one");
    assert_eq!(message, Some((Kind::Binary, b"two".to_vec())));
    assert_eq!(answer.sent, b"\x8a\x06there?");
    answer.sent.clear();
    assert!(matches!(receive(&mut socket, &mut answer), Err(SocketError::Closed)));
    assert_eq!(answer.sent, b"\x88\x02\x03\xe9", "the client's own code");
    assert!(matches!(receive(&mut socket, &mut answer), Err(SocketError::Closed)));
    assert!(matches!(socket.send(Kind::Text, b"x", &mut answer), Err(SocketError::Closed)));
    socket.finish(false, &mut answer);
    assert_eq!(answer.sent, b"\x88\x02\x03\xe9", "once");
}

#[test]
fn a_silent_client_is_asked_and_then_given_up() {
    let terms = Terms {
        ping_every: Some(Duration::from_millis(2)),
        pong_within: Duration::from_millis(1),
        ..Terms::default()
    };
    let answers = [None, Some(frame(0x8a, b"")), None, None];
    let mut client = client(answers);
    let (mut socket, mut answer) = accepted(&mut client, terms);
    let end = socket.receive(true, &mut client, &mut answer);
    assert!(matches!(end, Err(SocketError::Silent(_))), "{end:?}");
    assert_eq!(answer.sent, b"\x89\x00\x89\x00");
    assert!(
        client.next.is_empty() && client.waits.iter().all(|wait| *wait <= Duration::from_millis(2))
    );
}

#[test]
fn without_waiting_there_may_be_nothing() {
    let mut client = client([None, Some(frame(0x81, b"x"))]);
    let (mut socket, mut answer) = accepted(&mut client, Terms::default());
    assert_eq!(socket.receive(false, &mut client, &mut answer).expect("no error"), None);
    let message = socket.receive(false, &mut client, &mut answer).expect("no error");
    assert_eq!(message, Some((Kind::Text, b"x".to_vec())));
    assert_eq!(client.waits, [Duration::ZERO; 2]);
    assert!(answer.sent.is_empty());
    assert!(matches!(socket.receive(false, &mut client, &mut answer), Err(SocketError::Closed)));
}

#[test]
fn who_breaks_the_rules_is_told_so() {
    let mut client = client([Some(vec![0x81, 1, b'x'])]);
    let (mut socket, mut answer) = accepted(&mut client, Terms::default());
    let end = socket.receive(true, &mut client, &mut answer);
    assert!(matches!(end, Err(SocketError::Fault(Fault::Unmasked))));
    assert_eq!(answer.sent, b"\x88\x02\x03\xea");
}

#[test]
fn messages_go_in_one_frame_each() {
    let mut client = client([]);
    let (mut socket, mut answer) = accepted(&mut client, Terms::default());
    socket.send(Kind::Text, b"hello", &mut answer).expect("it is sent");
    socket.send(Kind::Binary, b"\0", &mut answer).expect("it is sent");
    socket.finish(true, &mut answer);
    assert_eq!(answer.sent, b"\x81\x05hello\x82\x01\0\x88\x02\x03\xf3");
    let (mut socket, mut answer) = accepted(&mut client, Terms::default());
    answer.gone = true;
    assert!(matches!(socket.send(Kind::Text, b"x", &mut answer), Err(SocketError::Write(_))));
}
