//! WebSocket, the server's side of it (RFC 6455): handshake, frames of clients in, frames for them out. No extensions.

mod handshake;
mod mask;
mod reader;
mod utf8;
mod writer;

pub use handshake::{Offer, Refusal, VERSION, accept, asks};
pub use reader::{Event, Fault, Reader};
pub use writer::{FrameHead, close, frame, masked_frame};

/// What the application sends and is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// What a frame is (RFC 6455, 5.2). The discriminant is what it says on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// More of a message.
    Continuation = 0,
    /// The beginning of a text, or all of it.
    Text = 1,
    /// The same of bytes.
    Binary = 2,
    /// The end.
    Close = 8,
    /// A question whether the other side is there.
    Ping = 9,
    /// The answer.
    Pong = 10,
}

impl Opcode {
    fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    /// RFC 6455, 5.5.
    fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

impl From<Kind> for Opcode {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Binary => Self::Binary,
        }
    }
}

/// Largest payload of a control frame in bytes.
pub const CONTROL_BYTES_MAX: usize = 125;

/// Codes that a connection closes with (RFC 6455, 7.4.1).
pub mod code {
    /// All is done.
    pub const NORMAL: u16 = 1000;
    /// One side leaves.
    pub const GOING_AWAY: u16 = 1001;
    /// The other side broke the protocol.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// A text was not UTF-8.
    pub const BAD_TEXT: u16 = 1007;
    /// A message was too large.
    pub const TOO_LARGE: u16 = 1009;
    /// The application failed.
    pub const INTERNAL_ERROR: u16 = 1011;

    /// True for a code that a close frame may carry: those of the RFC and of IANA's registry, of libraries (3000 and
    /// above) and of applications (4000 and above).
    pub fn is_sent(code: u16) -> bool {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}
