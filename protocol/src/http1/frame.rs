//! Body bytes as they go on the wire (RFC 9112, 6 and 7.1).

/// One stretch of a body, framed.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    prefix: Prefix,
    /// Bytes to send between prefix and suffix.
    pub data: &'a [u8],
    /// What follows.
    pub suffix: &'static [u8],
    /// Bytes that were dropped because they exceed the announced length.
    pub dropped: u64,
}

/// The same for bytes of a file.
#[derive(Clone, Copy, Debug)]
pub struct FileFrame {
    prefix: Prefix,
    /// Bytes of the file to send between prefix and suffix.
    pub len: u64,
    /// What follows.
    pub suffix: &'static [u8],
    /// Bytes that were dropped because they exceed the announced length.
    pub dropped: u64,
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Bytes to send.
    pub tail: &'static [u8],
    /// The connection may be kept.
    pub keep_alive: bool,
    /// Bytes that were announced and not sent: the connection must close.
    pub missing: u64,
}

/// How the client learns where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body; bytes of the application are dropped.
    None,
    /// After that many more bytes.
    Length(u64),
    /// By the last chunk.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

impl BodyFraming {
    /// Frames `len` bytes.
    pub(super) fn frame(&mut self, len: u64) -> FileFrame {
        let plain = FileFrame { prefix: Prefix::NONE, len, suffix: b"", dropped: 0 };
        match self {
            Self::None => FileFrame { len: 0, ..plain },
            Self::UntilClose => plain,
            Self::Length(left) => {
                let kept = len.min(*left);
                *left -= kept;
                FileFrame { len: kept, dropped: len - kept, ..plain }
            }
            // An empty chunk would end the body.
            Self::Chunked if len == 0 => plain,
            Self::Chunked => FileFrame { prefix: Prefix::chunk(len), suffix: b"\r\n", ..plain },
        }
    }
}

impl FileFrame {
    /// What precedes the data.
    pub fn prefix(&self) -> &[u8] {
        self.prefix.bytes()
    }

    /// The same frame around bytes in memory, of which there are at least `len`.
    pub(super) fn around(self, data: &[u8]) -> Frame<'_> {
        let Self { prefix, len, suffix, dropped } = self;
        let (data, _) = data.split_at(data.len().min(usize::try_from(len).unwrap_or(usize::MAX)));
        Frame { prefix, data, suffix, dropped }
    }
}

impl Frame<'_> {
    /// What precedes the data.
    pub fn prefix(&self) -> &[u8] {
        self.prefix.bytes()
    }
}

/// A chunk's size line, inline: at most 16 digits and a line end, at the end of the array.
#[derive(Clone, Copy, Debug)]
struct Prefix {
    bytes: [u8; 18],
    start: u8,
}

impl Prefix {
    const NONE: Self = Self { bytes: [0; 18], start: 18 };

    fn chunk(mut len: u64) -> Self {
        let mut bytes = [0; 18];
        (bytes[16], bytes[17]) = (b'\r', b'\n');
        let mut start = 16;
        loop {
            start -= 1;
            bytes[start] = b"0123456789abcdef"[(len & 15) as usize];
            len >>= 4;
            if len == 0 {
                return Self { bytes, start: start as u8 };
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_lines() {
        for len in [1, 15, 16, 255, 256, 65_536, u64::MAX] {
            let frame = BodyFraming::Chunked.frame(len);
            assert_eq!(frame.prefix(), format!("{len:x}\r\n").as_bytes());
            assert_eq!((frame.suffix, frame.len), (&b"\r\n"[..], len));
        }
        let empty = BodyFraming::Chunked.frame(0);
        assert!(empty.prefix().is_empty() && empty.suffix.is_empty(), "it would end the body");
    }
}
