//! Frames for clients, which have no mask (RFC 6455, 5.1), and frames of clients for who serves them in our place.

use super::{CONTROL_BYTES_MAX, Opcode};

/// Head of a frame: what precedes the payload.
#[derive(Clone, Copy, Debug)]
pub struct FrameHead {
    bytes: [u8; 10],
    len: u8,
}

impl FrameHead {
    /// That of a whole message, or control frame, of so many bytes.
    pub fn new(opcode: Opcode, length: usize) -> Self {
        const FIN: u8 = 0x80;
        Self::after(FIN | opcode as u8, length)
    }

    fn after(first: u8, length: usize) -> Self {
        let mut bytes = [first, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let len = match length {
            0..=125 => {
                bytes[1] = length as u8;
                2
            }
            126..=0xffff => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..].copy_from_slice(&(length as u64).to_be_bytes());
                10
            }
        };
        Self { bytes, len }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Appends a message, or a control frame, in one frame. The payload of a control frame is cut at
/// [`CONTROL_BYTES_MAX`] bytes.
pub fn frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    let fits = if opcode.is_control() { CONTROL_BYTES_MAX } else { usize::MAX };
    let payload = &payload[..payload.len().min(fits)];
    let head = FrameHead::new(opcode, payload.len());
    out.reserve(head.bytes().len() + payload.len());
    out.extend_from_slice(head.bytes());
    out.extend_from_slice(payload);
}

/// Appends a client's frame, with a mask of zeros, which changes nothing (RFC 6455, 5.2). `first`: its first byte, as it
/// came.
pub fn masked_frame(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    const MASKED: u8 = 0x80;
    let mut head = FrameHead::after(first, payload.len());
    head.bytes[1] |= MASKED;
    out.reserve(head.bytes().len() + 4 + payload.len());
    out.extend_from_slice(head.bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// Appends the end: a close frame with a code and a reason, which is cut between two characters where it is too long.
/// Without a code it is empty.
pub fn close(code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
    let Some(code) = code else { return frame(Opcode::Close, b"", out) };
    let fits = (0..=reason.len().min(CONTROL_BYTES_MAX - 2))
        .rev()
        .find(|end| reason.is_char_boundary(*end))
        .unwrap_or(0);
    frame(Opcode::Close, &[&code.to_be_bytes(), &reason.as_bytes()[..fits]].concat(), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(opcode: Opcode, length: usize) -> Vec<u8> {
        FrameHead::new(opcode, length).bytes().to_vec()
    }

    #[test]
    fn frames_of_the_rfc() {
        // RFC 6455, 5.7.
        let mut out = Vec::new();
        frame(Opcode::Text, b"Hello", &mut out);
        assert_eq!(out, b"\x81\x05Hello");
        out.clear();
        frame(Opcode::Ping, b"Hello", &mut out);
        assert_eq!(out, b"\x89\x05Hello");
        assert_eq!(head(Opcode::Binary, 256), [0x82, 0x7e, 1, 0]);
        assert_eq!(head(Opcode::Binary, 65536), [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(head(Opcode::Pong, 125), [0x8a, 125]);
        assert_eq!(head(Opcode::Text, 126), [0x81, 126, 0, 126]);
        assert_eq!(head(Opcode::Text, 65535), [0x81, 126, 255, 255]);
    }

    #[test]
    fn clients_frames_are_read_as_they_were() {
        for length in [0, 125, 126, 0xffff, 0x10000] {
            let payload = vec![b'x'; length];
            let mut out = Vec::new();
            masked_frame(0x82, &payload, &mut out);
            let plain = head(Opcode::Binary, length);
            assert_eq!(
                (out[0], out[1], &out[2..plain.len()]),
                (0x82, 0x80 | plain[1], &plain[2..])
            );
            assert_eq!(out[plain.len()..plain.len() + 4], [0; 4]);
            assert_eq!(out[plain.len() + 4..], payload);
        }
    }

    #[test]
    fn reasons_are_cut_between_characters() {
        let mut out = Vec::new();
        close(Some(1000), &"€".repeat(100), &mut out);
        assert_eq!(out[..4], [0x88, 2 + 123, 3, 0xe8]);
        assert!(std::str::from_utf8(&out[4..]).is_ok_and(|reason| reason.chars().count() == 41));
        out.clear();
        close(None, "", &mut out);
        assert_eq!(out, [0x88, 0]);
    }
}
