//! Frames of clients, put together to messages.

use super::mask::unmask;
use super::utf8::Utf8;
use super::{CONTROL_BYTES_MAX, Kind, Opcode, code};

/// Longest head of a frame in bytes: two, eight of length, four of mask.
const HEAD_BYTES_MAX: usize = 14;
const MASK_BYTES: usize = 4;

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole message.
    Message(Kind, Vec<u8>),
    /// To be answered with a pong of the same bytes.
    Ping(Vec<u8>),
    /// An answer.
    Pong(Vec<u8>),
    /// The end, with its code and reason, where it has one. Nothing follows it.
    Close(Option<(u16, String)>),
}

/// What is wrong with what a client sent. The connection has to be closed with [`Fault::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// RFC 6455, 5.1.
    #[error("a frame without a mask")]
    Unmasked,
    /// No extension was agreed on.
    #[error("a frame with reserved bits")]
    Reserved,
    /// An opcode that nobody has defined.
    #[error("a frame with the unknown opcode {0}")]
    Opcode(u8),
    /// RFC 6455, 5.5.
    #[error("a control frame in fragments, or of more than 125 bytes")]
    Control,
    /// A continuation without a beginning, or a beginning within another message.
    #[error("fragments out of order")]
    Order,
    /// Not in the shortest form, or over 63 bits.
    #[error("a length in the wrong form")]
    Length,
    /// A message over the limit.
    #[error("invalid packet size received: {size}, max allowed: {max}")]
    TooLarge {
        /// Its bytes, so far as they were announced.
        size: u64,
        /// The limit.
        max: usize,
    },
    /// A text, or the reason of a close, is not UTF-8.
    #[error("a text that is not UTF-8")]
    Text,
    /// A close frame with half a code, or one that may not be sent.
    #[error("a close frame with an invalid code")]
    Code,
}

impl Fault {
    /// What the connection is closed with.
    pub fn code(self) -> u16 {
        match self {
            Self::TooLarge { .. } => code::TOO_LARGE,
            Self::Text => code::BAD_TEXT,
            _ => code::PROTOCOL_ERROR,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: Opcode,
    is_last: bool,
    mask: [u8; 4],
    /// Bytes of the payload so far.
    at: usize,
    len: usize,
}

/// See the module. It remembers what was cut; a fault stays.
#[derive(Debug)]
pub struct Reader {
    bytes_max: usize,
    head: [u8; HEAD_BYTES_MAX],
    head_len: usize,
    frame: Option<Frame>,
    /// The message in the making.
    kind: Option<Kind>,
    message: Vec<u8>,
    utf8: Utf8,
    control: Vec<u8>,
    fault: Option<Fault>,
}

impl Reader {
    /// A reader that takes messages of up to so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            head: [0; HEAD_BYTES_MAX],
            head_len: 0,
            frame: None,
            kind: None,
            message: Vec::new(),
            utf8: Utf8::default(),
            control: Vec::new(),
            fault: None,
        }
    }

    /// Takes bytes up to the end of the next message or control frame: how many, and what they brought. `None` where all
    /// were taken and more are needed.
    ///
    /// # Errors
    /// [`Fault`], from then on for ever.
    pub fn read(&mut self, data: &[u8]) -> Result<(usize, Option<Event>), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let result = self.next(data);
        self.fault = result.as_ref().err().copied();
        result
    }

    fn next(&mut self, data: &[u8]) -> Result<(usize, Option<Event>), Fault> {
        let mut used = 0;
        loop {
            let frame = match self.frame {
                Some(frame) => frame,
                None => {
                    used += self.take_head(&data[used..])?;
                    match self.frame {
                        Some(frame) => frame,
                        None => return Ok((used, None)),
                    }
                }
            };
            let piece = &data[used..][..(data.len() - used).min(frame.len - frame.at)];
            self.take_payload(frame, piece)?;
            used += piece.len();
            if frame.at + piece.len() < frame.len {
                self.frame = Some(Frame { at: frame.at + piece.len(), ..frame });
                return Ok((used, None));
            }
            self.frame = None;
            if let Some(event) = self.end_frame(frame)? {
                return Ok((used, Some(event)));
            }
        }
    }

    /// Takes bytes of a head; `self.frame` is set once it is whole. Refuses as early as it can.
    fn take_head(&mut self, data: &[u8]) -> Result<usize, Fault> {
        for (taken, byte) in data.iter().enumerate() {
            self.head[self.head_len] = *byte;
            self.head_len += 1;
            self.check_head()?;
            if self.head_len >= 2 && self.head_len + MASK_BYTES == self.head_bytes() {
                self.length()?;
            }
            if self.head_len >= 2 && self.head_len == self.head_bytes() {
                self.frame = Some(self.read_head()?);
                self.head_len = 0;
                return Ok(taken + 1);
            }
        }
        Ok(data.len())
    }

    /// Bytes of the present head, by its second byte.
    fn head_bytes(&self) -> usize {
        match self.head[1] & 0x7f {
            126 => 8,
            127 => 14,
            _ => 6,
        }
    }

    /// What the first and second byte say.
    fn check_head(&self) -> Result<(), Fault> {
        let [first, second, ..] = self.head;
        if self.head_len == 1 {
            if first & 0x70 != 0 {
                return Err(Fault::Reserved);
            }
            let is_last = first & 0x80 != 0;
            return match (self.opcode()?, self.kind) {
                (Opcode::Continuation, None) => Err(Fault::Order),
                (Opcode::Text | Opcode::Binary, Some(_)) => Err(Fault::Order),
                (opcode, _) if opcode.is_control() && !is_last => Err(Fault::Control),
                _ => Ok(()),
            };
        }
        if self.head_len == 2 {
            if second & 0x80 == 0 {
                return Err(Fault::Unmasked);
            }
            if self.head[0] & 0x08 != 0 && usize::from(second & 0x7f) > CONTROL_BYTES_MAX {
                return Err(Fault::Control);
            }
        }
        Ok(())
    }

    fn read_head(&self) -> Result<Frame, Fault> {
        let opcode = self.opcode()?;
        let len = self.length()?;
        let mut mask = [0; MASK_BYTES];
        mask.copy_from_slice(&self.head[self.head_len - MASK_BYTES..self.head_len]);
        Ok(Frame { opcode, is_last: self.head[0] & 0x80 != 0, mask, at: 0, len })
    }

    fn opcode(&self) -> Result<Opcode, Fault> {
        let number = self.head[0] & 0x0f;
        Opcode::of(number).ok_or(Fault::Opcode(number))
    }

    /// Bytes of the payload; looked at as soon as they are known.
    fn length(&self) -> Result<usize, Fault> {
        let extended = &self.head[2..self.head_bytes() - MASK_BYTES];
        let value = extended.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        let len = match extended.len() {
            0 => u64::from(self.head[1] & 0x7f),
            2 if value > 125 => value,
            8 if value > 0xffff && value >> 63 == 0 => value,
            _ => return Err(Fault::Length),
        };
        let is_control = self.opcode()?.is_control();
        let before = if is_control { 0 } else { self.message.len() as u64 };
        let (size, max) = (before.saturating_add(len), self.bytes_max);
        if !is_control && size > max as u64 {
            return Err(Fault::TooLarge { size, max });
        }
        usize::try_from(len).map_err(|_| Fault::TooLarge { size, max })
    }

    fn take_payload(&mut self, frame: Frame, piece: &[u8]) -> Result<(), Fault> {
        match frame.opcode {
            Opcode::Text => self.kind = Some(Kind::Text),
            Opcode::Binary => self.kind = Some(Kind::Binary),
            _ => {}
        }
        let target = if frame.opcode.is_control() { &mut self.control } else { &mut self.message };
        let start = target.len();
        target.extend_from_slice(piece);
        unmask(&mut target[start..], frame.mask, frame.at);
        let is_text = !frame.opcode.is_control() && self.kind == Some(Kind::Text);
        if is_text && !self.utf8.push(&self.message[start..]) {
            return Err(Fault::Text);
        }
        Ok(())
    }

    fn end_frame(&mut self, frame: Frame) -> Result<Option<Event>, Fault> {
        let control = |this: &mut Self| std::mem::take(&mut this.control);
        Ok(match frame.opcode {
            Opcode::Ping => Some(Event::Ping(control(self))),
            Opcode::Pong => Some(Event::Pong(control(self))),
            Opcode::Close => Some(Event::Close(ending(&control(self))?)),
            _ if !frame.is_last => None,
            _ if !self.utf8.is_whole() => return Err(Fault::Text),
            _ => {
                let message = std::mem::take(&mut self.message);
                self.kind.take().map(|kind| Event::Message(kind, message))
            }
        })
    }
}

/// The payload of a close frame (RFC 6455, 5.5.1).
fn ending(payload: &[u8]) -> Result<Option<(u16, String)>, Fault> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(Fault::Code) };
    };
    let code = u16::from_be_bytes(*code);
    if !code::is_sent(code) {
        return Err(Fault::Code);
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Fault::Text)?;
    Ok(Some((code, reason.to_owned())))
}
