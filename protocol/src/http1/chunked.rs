//! Incremental decoder of chunked bodies (RFC 9112, 7.1) over the caller's buffer.
//!
//! The caller drops what a call consumed before the next one; body bytes are never copied. Trailers are checked
//! and dropped: they never become variables (RFC 9110, 6.5.1).

use memchr::memchr;

use super::Strictness;
use super::bytes::{is_token, is_value};
use super::lines::{bad, line};
use crate::Reject;

/// Significant hexadecimal digits of a chunk size: 15 are below 2^60, so no sum overflows soon.
const SIZE_DIGITS_MAX: u32 = 15;

/// Bytes of chunk lines that a body may have beyond what its data pays for: a client that wraps each byte into a chunk
/// of its own, or sends long extensions, is only a burden.
const OVERHEAD_BYTES_MAX: u64 = 16 * 1024;
/// A chunk line of this size is in order whatever its chunk has, in bytes.
const LINE_BYTES_FREE: u64 = 16;

/// Limits of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkLimits {
    /// Longest chunk line (size and extensions) in bytes, without its line end.
    pub line_bytes_max: usize,
    /// Most bytes of the body (`limit-post`).
    pub body_bytes_max: u64,
    /// Longest trailer line in bytes, without its line end.
    pub trailer_line_bytes_max: usize,
    /// Most bytes of all trailer lines and the empty line that ends them.
    pub trailers_bytes_max: usize,
}

impl Default for ChunkLimits {
    fn default() -> Self {
        Self {
            line_bytes_max: 1024,
            body_bytes_max: u64::MAX,
            trailer_line_bytes_max: 8190,
            trailers_bytes_max: 65536,
        }
    }
}

/// What the bytes at the start of the input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// The first `consumed` bytes are done with; more are needed.
    More {
        /// Bytes that can be dropped.
        consumed: usize,
    },
    /// After `skip` bytes of framing there are `len` (at least one) bytes of the body.
    Data {
        /// Bytes of framing.
        skip: usize,
        /// Bytes of the body.
        len: usize,
    },
    /// The body ended; what follows is the next request.
    End {
        /// Bytes that can be dropped.
        consumed: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    /// That many bytes of the chunk are to come.
    Data(u64),
    DataEnd,
    /// That many bytes of trailers were seen.
    Trailers(usize),
    End,
}

/// See the module. One for each body.
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    limits: ChunkLimits,
    state: State,
    /// Bytes of all chunks so far, the current one included.
    announced: u64,
    /// Bytes of chunk lines that the data does not pay for; see [`OVERHEAD_BYTES_MAX`].
    overhead: u64,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new(ChunkLimits::default())
    }
}

impl ChunkedDecoder {
    /// A decoder for one body.
    pub fn new(limits: ChunkLimits) -> Self {
        Self { limits, state: State::Size, announced: 0, overhead: 0 }
    }

    /// Looks at the bytes that follow those consumed so far (`skip + len`, or `consumed`, of each answer).
    ///
    /// # Errors
    /// A [`Reject`]; the connection cannot go on, because nobody knows where the next request begins.
    pub fn decode(&mut self, input: &[u8]) -> Result<Chunk, Reject> {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            match self.state {
                State::Size => match size_line(rest, self.limits.line_bytes_max)? {
                    None => return Ok(Chunk::More { consumed: at }),
                    Some((size, len)) => {
                        self.weigh(size, len)?;
                        self.begin(size)?;
                        at += len;
                    }
                },
                State::Data(left) => {
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    if len == 0 {
                        return Ok(Chunk::More { consumed: at });
                    }
                    let left = left - len as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok(Chunk::Data { skip: at, len });
                }
                State::DataEnd => match rest {
                    [] | [b'\r'] => return Ok(Chunk::More { consumed: at }),
                    [b'\r', b'\n', ..] => {
                        self.state = State::Size;
                        at += 2;
                    }
                    _ => return Err(bad("bad_chunk_terminator")),
                },
                State::Trailers(seen) => match self.trailer(rest, seen)? {
                    None => return Ok(Chunk::More { consumed: at }),
                    Some(len) => at += len,
                },
                State::End => return Ok(Chunk::End { consumed: at }),
            }
        }
    }

    /// A chunk pays for a line as long as itself.
    fn weigh(&mut self, size: u64, line_bytes: usize) -> Result<(), Reject> {
        let paid = size.saturating_add(LINE_BYTES_FREE);
        self.overhead = (self.overhead + line_bytes as u64).saturating_sub(paid);
        if self.overhead > OVERHEAD_BYTES_MAX {
            return Err(bad("chunk_overhead_too_big"));
        }
        Ok(())
    }

    fn begin(&mut self, size: u64) -> Result<(), Reject> {
        if size == 0 {
            self.state = State::Trailers(0);
            return Ok(());
        }
        self.announced = self.announced.saturating_add(size);
        if self.announced > self.limits.body_bytes_max {
            return Err(Reject::new(413, "body_too_large"));
        }
        self.state = State::Data(size);
        Ok(())
    }

    /// Length of the trailer line (or of the empty line that ends the body) at the start of `rest`.
    fn trailer(&mut self, rest: &[u8], seen: usize) -> Result<Option<usize>, Reject> {
        const LINE_TOO_LONG: Reject = Reject::new(431, "line_too_long");
        let room = self.limits.trailers_bytes_max.saturating_sub(seen);
        let window = &rest[..rest.len().min(room)];
        let bytes_max = self.limits.trailer_line_bytes_max;
        // What comes behind chunks decides where the next message begins: no leniency ever reaches it.
        let Some(line) = line(window, 0, bytes_max, LINE_TOO_LONG, Strictness::Strict)? else {
            let is_full = rest.len() >= room;
            return if is_full { Err(Reject::new(431, "trailers_too_big")) } else { Ok(None) };
        };
        let len = line.len;
        if line.text.is_empty() {
            self.state = State::End;
        } else {
            check_trailer(line.text)?;
            self.state = State::Trailers(seen + len);
        }
        Ok(Some(len))
    }
}

/// The size of a chunk and the length of its line; `None` where the line is not complete. Judged byte by byte, so
/// that nobody waits for the end of a line that cannot become a good one.
fn size_line(rest: &[u8], bytes_max: usize) -> Result<Option<(u64, usize)>, Reject> {
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Part {
        Nothing,
        Digits,
        Blanks,
        Extension,
    }
    let (mut part, mut size, mut digits) = (Part::Nothing, 0u64, 0);
    for (at, byte) in rest.iter().copied().enumerate() {
        if byte == b'\r' && matches!(part, Part::Digits | Part::Extension) {
            return match rest.get(at + 1) {
                None => Ok(None),
                Some(b'\n') => Ok(Some((size, at + 2))),
                Some(_) => Err(bad("bad_chunk_size")),
            };
        }
        if at >= bytes_max {
            return Err(bad("chunk_line_too_long"));
        }
        part = match (part, byte) {
            (Part::Nothing | Part::Digits, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                size = size << 4 | u64::from(char::from(byte).to_digit(16).unwrap_or(0));
                digits += u32::from(size > 0);
                if digits > SIZE_DIGITS_MAX {
                    return Err(bad("chunk_size_overflow"));
                }
                Part::Digits
            }
            // RFC 9112, 7.1.1: blanks only in front of an extension.
            (Part::Digits | Part::Blanks, b' ' | b'\t') => Part::Blanks,
            (Part::Digits | Part::Blanks, b';') => Part::Extension,
            (Part::Extension, b'\t' | b' '..=b'~' | 0x80..) => Part::Extension,
            (_, b'\n') => return Err(bad("bare_lf_in_chunk")),
            _ => return Err(bad("bad_chunk_size")),
        };
    }
    Ok(None)
}

/// Names that a trailer must not have: framing, routing, authentication, control of the connection, content (RFC 9110,
/// 6.5.1).
const FORBIDDEN: [&str; 18] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "max-forwards",
    "proxy-authorization",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn check_trailer(line: &[u8]) -> Result<(), Reject> {
    let colon = memchr(b':', line).ok_or(bad("bad_trailer"))?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) || !is_value(value) {
        return Err(bad("bad_trailer"));
    }
    if FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes())) {
        return Err(bad("forbidden_trailer"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(limits: ChunkLimits, input: &[u8]) -> Result<Chunk, Reject> {
        let mut decoder = ChunkedDecoder::new(limits);
        let mut at = 0;
        loop {
            match decoder.decode(&input[at..])? {
                Chunk::Data { skip, len } => at += skip + len,
                end => return Ok(end),
            }
        }
    }

    #[test]
    fn a_line_may_be_as_long_as_the_limit() {
        let limits = ChunkLimits { line_bytes_max: 4, ..ChunkLimits::default() };
        assert_eq!(answer(limits, b"1;ab\r\nx\r\n0\r\n\r\n"), Ok(Chunk::End { consumed: 7 }));
        assert_eq!(answer(limits, b"1;abc\r\n"), Err(bad("chunk_line_too_long")));
        assert_eq!(answer(limits, b"1;abc"), Err(bad("chunk_line_too_long")));
    }

    #[test]
    fn the_body_is_refused_before_the_chunk_that_is_too_much() {
        let limits = ChunkLimits { body_bytes_max: 5, ..ChunkLimits::default() };
        assert_eq!(
            answer(limits, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
            Ok(Chunk::End { consumed: 7 })
        );
        let too_large = Reject::new(413, "body_too_large");
        assert_eq!(answer(limits, b"3\r\nabc\r\n3\r\n"), Err(too_large));
    }

    #[test]
    fn chunk_lines_are_bounded_by_what_they_carry() {
        let fill = |extension: usize| format!("1;{}\r\nx\r\n", "e".repeat(extension));
        let body = |chunks: usize, extension| fill(extension).repeat(chunks) + "0\r\n\r\n";
        let ends = |body: String| {
            matches!(answer(ChunkLimits::default(), body.as_bytes()), Ok(Chunk::End { .. }))
        };
        // A line of 17 bytes is paid for by a chunk of one.
        assert!(ends(body(100_000, 13)));
        // Each of these is 1,007 bytes more than paid for, and 16 of them are below 16 KiB.
        assert!(ends(body(16, 1_020)));
        let refused = answer(ChunkLimits::default(), body(17, 1_020).as_bytes());
        assert_eq!(refused, Err(bad("chunk_overhead_too_big")));
        assert!(ends(body(100_000, 0)), "tiny chunks without extensions are legitimate");
    }

    #[test]
    fn names_that_change_a_message_are_no_trailers() {
        for name in FORBIDDEN {
            for name in [name.to_owned(), name.to_uppercase()] {
                let input = format!("0\r\n{name}: x\r\n\r\n");
                let refused = answer(ChunkLimits::default(), input.as_bytes());
                assert_eq!(refused, Err(bad("forbidden_trailer")), "{name}");
            }
        }
        for line in ["no colon", ": x", "a b: x", " folded: x", "a : x", "a: \0", "a: \u{7f}"] {
            let input = format!("0\r\n{line}\r\n\r\n");
            let refused = answer(ChunkLimits::default(), input.as_bytes());
            assert_eq!(refused, Err(bad("bad_trailer")), "{line:?}");
        }
        for line in ["a: b\n", "a: b\rc\r\n"] {
            let input = format!("0\r\n{line}\r\n");
            assert!(answer(ChunkLimits::default(), input.as_bytes()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn trailers_are_bounded_together() {
        let limits = ChunkLimits { trailers_bytes_max: 12, ..ChunkLimits::default() };
        assert_eq!(answer(limits, b"0\r\na: b\r\nc:\r\n"), Ok(Chunk::More { consumed: 13 }));
        assert_eq!(
            answer(limits, b"0\r\na: b\r\nc: d\r\n"),
            Err(Reject::new(431, "trailers_too_big"))
        );
    }
}
