//! A client of WebSockets that may break the rules.

use super::client::{Address, Connection};
use super::{Answer, Request};

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A connection that has become a WebSocket.
pub struct Socket(pub Connection);

/// A frame from the server: its first byte and its payload.
pub type Frame = (u8, Vec<u8>);

/// The handshake of a browser.
pub fn handshake(path: &str) -> Request {
    Request::get(path)
        .header("Host", "localhost")
        .header("Upgrade", "websocket")
        .header("Connection", "keep-alive, Upgrade")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Version", "13")
}

/// A frame of a client.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ MASK[at % 4]));
    frame
}

impl Socket {
    #[track_caller]
    pub fn open(address: &Address, path: &str) -> Self {
        let (socket, answer) = Self::ask(address, &handshake(path));
        assert_eq!(answer.status, 101, "{}", answer.text());
        socket
    }

    /// Sends a handshake and reads its answer.
    #[track_caller]
    pub fn ask(address: &Address, request: &Request) -> (Self, Answer) {
        let mut connection = Connection::open(address);
        let answer = connection.ask(request);
        (Self(connection), answer)
    }

    #[track_caller]
    pub fn send(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        self.0.send(frame(first, payload.as_ref()));
    }

    /// The next frame, which must be one of a server.
    #[track_caller]
    pub fn receive(&mut self) -> Frame {
        let head = self.0.take(2);
        assert!(head[1] & 0x80 == 0, "a server's frames have no mask");
        let extended = match head[1] {
            126 => self.0.take(2),
            127 => self.0.take(8),
            _ => vec![head[1]],
        };
        let length = extended.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        (head[0], self.0.take(length))
    }

    /// Sends a text and expects it back.
    #[track_caller]
    pub fn echo(&mut self, text: &str) {
        self.send(TEXT, text);
        let frame = loop {
            // The original asks at once where the application does not wait.
            match self.receive() {
                (PING, _) => {}
                frame => break frame,
            }
        };
        assert_eq!(frame, (TEXT, text.as_bytes().to_vec()));
    }
}
