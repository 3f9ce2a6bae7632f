//! Incremental decoder of chunked bodies (RFC 9112, 7.1) over the caller's buffer.

use memchr::memchr;

use super::bytes::{is_token, trim};
use crate::Reject;

/// Longest chunk line (size and extensions) in bytes.
const CHUNK_LINE_BYTES_MAX: usize = 1024;
/// Longest trailer line in bytes.
const TRAILER_LINE_BYTES_MAX: usize = 8190;
/// Most bytes of all trailers.
const TRAILER_BYTES_MAX: usize = 65536;
/// Significant hexadecimal digits of a chunk size: 15 are below 2^60.
const SIZE_DIGITS_MAX: usize = 15;

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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers(usize),
}

/// See the module. One for each body.
#[derive(Clone, Debug, Default)]
pub struct ChunkedDecoder {
    state: State,
}

const fn bad(reason: &'static str) -> Reject {
    Reject::new(400, reason)
}

impl ChunkedDecoder {
    /// Looks at the bytes that follow those consumed so far (`skip + len`, or `consumed`, of each answer).
    ///
    /// # Errors
    /// A [`Reject`]; the connection cannot go on, because nobody knows where the next request begins.
    pub fn decode(&mut self, input: &[u8]) -> Result<Chunk, Reject> {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            match self.state {
                State::Size => match size_line(rest)? {
                    None => return Ok(Chunk::More { consumed: at }),
                    Some((0, line)) => {
                        self.state = State::Trailers(0);
                        at += line;
                    }
                    Some((size, line)) => {
                        self.state = State::Data(size);
                        at += line;
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
                State::Trailers(seen) => match trailer_line(rest)? {
                    None => return Ok(Chunk::More { consumed: at }),
                    Some(2) => return Ok(Chunk::End { consumed: at + 2 }),
                    Some(line) if seen + line > TRAILER_BYTES_MAX => {
                        return Err(Reject::new(431, "headers_too_big"));
                    }
                    Some(line) => {
                        self.state = State::Trailers(seen + line);
                        at += line;
                    }
                },
            }
        }
    }
}

/// The size of a chunk and the length of its line; `None` where the line is not complete.
fn size_line(rest: &[u8]) -> Result<Option<(u64, usize)>, Reject> {
    let Some(end) = memchr(b'\n', rest) else {
        if rest.len() > CHUNK_LINE_BYTES_MAX {
            return Err(bad("chunk_line_too_long"));
        }
        let line = rest.strip_suffix(b"\r").unwrap_or(rest);
        // Blanks may still be followed by an extension.
        let line = if line.len() == rest.len() { trim_end(line) } else { line };
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        // What is there must be able to become a chunk line: nobody waits for the end of a bad one.
        return if is_extension(&line[digits..]) && (digits > 0 || rest.is_empty() || rest == b"\r") {
            Ok(None)
        } else {
            Err(bad("bad_chunk_size"))
        };
    };
    let Some(line) = rest[..end].strip_suffix(b"\r") else { return Err(bad("bare_lf_in_chunk")) };
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits == 0 || !is_extension(&line[digits..]) {
        return Err(bad("bad_chunk_size"));
    }
    if line.len() > CHUNK_LINE_BYTES_MAX {
        return Err(bad("chunk_line_too_long"));
    }
    let significant = line[..digits].iter().skip_while(|byte| **byte == b'0');
    if significant.clone().count() > SIZE_DIGITS_MAX {
        return Err(bad("chunk_size_overflow"));
    }
    let size = significant.fold(0, |sum, byte| sum << 4 | u64::from(char::from(*byte).to_digit(16).unwrap_or(0)));
    Ok(Some((size, end + 1)))
}

fn trim_end(line: &[u8]) -> &[u8] {
    let blanks = line.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &line[..line.len() - blanks]
}

/// Nothing, or blanks and `;` and text without control characters.
fn is_extension(bytes: &[u8]) -> bool {
    let start = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    match &bytes[start..] {
        [] => start == 0,
        [b';', text @ ..] => super::bytes::is_value(text),
        _ => false,
    }
}

/// Names that a trailer must not have (RFC 9110, 6.5.1).
const FORBIDDEN: [&str; 9] = [
    "content-length", "transfer-encoding", "host", "content-encoding", "trailer", "authorization", "content-type",
    "content-range", "cookie",
];

/// Length of a trailer line, 2 for the empty one that ends the body; `None` where it is not complete.
fn trailer_line(rest: &[u8]) -> Result<Option<usize>, Reject> {
    let too_long = || Reject::new(431, "line_too_long");
    let Some(end) = memchr(b'\n', rest) else {
        if rest.len() > TRAILER_LINE_BYTES_MAX {
            return Err(too_long());
        }
        let (before_last, _) = rest.split_at(rest.len().saturating_sub(1));
        return if memchr(b'\r', before_last).is_some() { Err(bad("bare_cr")) } else { Ok(None) };
    };
    if end > TRAILER_LINE_BYTES_MAX + 1 {
        return Err(too_long());
    }
    let Some(line) = rest[..end].strip_suffix(b"\r") else { return Err(bad("bare_lf")) };
    if memchr(b'\r', line).is_some() {
        return Err(bad("bare_cr"));
    }
    if line.is_empty() {
        return Ok(Some(2));
    }
    let name = memchr(b':', line).map(|colon| &line[..colon]).filter(|name| is_token(name));
    let Some(name) = name else { return Err(bad("bad_trailer")) };
    let name = trim(name);
    if FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes())) {
        return Err(bad("forbidden_trailer"));
    }
    Ok(Some(end + 1))
}
