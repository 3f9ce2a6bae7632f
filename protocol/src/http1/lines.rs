//! Lines of heads and trailers (RFC 9112, 2.2).
//!
//! Faults are judged in the order of the bytes: what a reader of one byte at a time would see first is what is
//! wrong. So the verdict does not depend on how the bytes were cut into reads.

use std::ops::Range;

use memchr::{memchr, memchr2};

use super::Strictness;
use super::bytes::{is_blank, is_token, is_value, trim};
use crate::Reject;

pub(super) const fn bad(reason: &'static str) -> Reject {
    Reject::new(400, reason)
}

/// A complete line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Without its line end.
    pub(super) text: &'a [u8],
    /// Bytes of the line with its line end.
    pub(super) len: usize,
}

/// The line at the start of `rest`; `None` where its end has not come. Nothing before `scanned` can end the line. A
/// line of more than `bytes_max` bytes is refused with `too_long`.
pub(super) fn line(
    rest: &[u8],
    scanned: usize,
    bytes_max: usize,
    too_long: Reject,
    strictness: Strictness,
) -> Result<Option<Line<'_>>, Reject> {
    let window = &rest[..rest.len().min(bytes_max.saturating_add(1))];
    let from = scanned.min(window.len());
    let Some(at) = memchr2(b'\r', b'\n', &window[from..]) else {
        return if rest.len() > bytes_max { Err(too_long) } else { Ok(None) };
    };
    let end = from + at;
    match (window[end], rest.get(end + 1)) {
        (b'\n', _) if strictness.forgives() => Ok(Some(Line { text: &rest[..end], len: end + 1 })),
        // Others take a bare LF for a line end; whoever is in front of us may not.
        (b'\n', _) => Err(bad("bare_lf")),
        (_, None) => Ok(None),
        (_, Some(b'\n')) => Ok(Some(Line { text: &rest[..end], len: end + 2 })),
        (_, Some(_)) => Err(bad("bare_cr")),
    }
}

/// Where a search for the end of an incomplete line goes on: a CR at its end may be half of one.
pub(super) fn scanned(rest: &[u8]) -> usize {
    rest.len() - usize::from(rest.ends_with(b"\r"))
}

/// What stands before a header line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Before {
    /// The request line.
    #[default]
    RequestLine,
    /// A header line whose value may go on in the next one, where that is forgiven.
    Foldable,
    /// A header line that nobody may read in two ways.
    Rigid,
}

impl Before {
    /// The next line follows a header of that name.
    pub(super) fn field(name: &[u8]) -> Self {
        if is_rigid(name) { Self::Rigid } else { Self::Foldable }
    }
}

/// The name of a header line that was found in order, whatever follows the line.
pub(super) fn name(line: &[u8]) -> &[u8] {
    trim(&line[..memchr(b':', line).unwrap_or(line.len())])
}

/// A header line, taken apart; see [`field`]. Ranges are offsets of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Field {
        name_len: usize,
        value: Range<usize>,
    },
    /// More of the value before it.
    Fold(Range<usize>),
}

/// Headers that say where a message ends or whom it is for.
pub(super) fn is_rigid(name: &[u8]) -> bool {
    const NAMES: [&str; 4] = ["content-length", "transfer-encoding", "host", "connection"];
    NAMES.iter().any(|rigid| name.eq_ignore_ascii_case(rigid.as_bytes()))
}

/// Takes a header line apart (RFC 9112, 5).
pub(super) fn field(line: &[u8], before: Before, strictness: Strictness) -> Result<Part, Reject> {
    if line.first().copied().is_some_and(is_blank) {
        return fold(line, before, strictness);
    }
    let colon = memchr(b':', line).ok_or(bad("header_without_colon"))?;
    let (mut name, value) = (&line[..colon], trimmed(line, colon + 1));
    if name.last().copied().is_some_and(is_blank) && strictness.forgives() {
        let bare = trim(name);
        name = if is_rigid(bare) { name } else { bare };
    }
    if !is_token(name) {
        // RFC 9112, 5.1: must be refused, or two readers see two different headers.
        let spaced = name.last().copied().is_some_and(is_blank);
        return Err(bad(if spaced { "space_before_colon" } else { "bad_header_name" }));
    }
    if !is_value(&line[value.clone()]) {
        return Err(bad("bad_header_value"));
    }
    Ok(Part::Field { name_len: name.len(), value })
}

/// What is left of the line from `start` on without the blanks at both ends.
fn trimmed(line: &[u8], start: usize) -> Range<usize> {
    let value = trim(&line[start..]);
    let blanks = line[start..].iter().take_while(|byte| is_blank(**byte)).count();
    let start = start + if value.is_empty() { 0 } else { blanks };
    start..start + value.len()
}

/// RFC 9112, 2.2 and 5.2. A line of nothing but blanks ends the head for some readers.
fn fold(line: &[u8], before: Before, strictness: Strictness) -> Result<Part, Reject> {
    let value = trimmed(line, 0);
    match before {
        Before::RequestLine => Err(bad("leading_whitespace")),
        Before::Foldable if strictness.forgives() && !value.is_empty() => {
            if !is_value(&line[value.clone()]) {
                return Err(bad("bad_header_value"));
            }
            Ok(Part::Fold(value))
        }
        _ => Err(bad("obs_fold")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOO_LONG: Reject = Reject::new(431, "line_too_long");

    fn line(rest: &[u8], bytes_max: usize) -> Result<Option<Line<'_>>, Reject> {
        super::line(rest, 0, bytes_max, TOO_LONG, Strictness::Strict)
    }

    #[test]
    fn the_longest_line_is_allowed_and_one_byte_more_is_not() {
        assert_eq!(line(b"abcd\r\n", 4), Ok(Some(Line { text: b"abcd", len: 6 })));
        assert_eq!(line(b"abcd\r", 4), Ok(None));
        assert_eq!(line(b"abcde", 4), Err(TOO_LONG));
        assert_eq!(line(b"abcde\r\n", 4), Err(TOO_LONG));
    }

    #[test]
    fn a_bare_lf_ends_a_line_only_where_that_is_forgiven() {
        assert_eq!(line(b"ab\n", 9), Err(bad("bare_lf")));
        let forgiven = |rest| super::line(rest, 0, 9, TOO_LONG, Strictness::Compat);
        assert_eq!(forgiven(b"ab\nc\r\n"), Ok(Some(Line { text: b"ab", len: 3 })));
        assert_eq!(forgiven(b"ab\r\nc\n"), Ok(Some(Line { text: b"ab", len: 4 })));
        assert_eq!(forgiven(b"a\rb\n"), Err(bad("bare_cr")), "never a line end");
    }

    #[test]
    fn the_first_fault_decides() {
        assert_eq!(line(b"a\rb\n", 9), Err(bad("bare_cr")));
        assert_eq!(line(b"a\nb\r\r", 9), Err(bad("bare_lf")));
        assert_eq!(line(b"a\r", 9), Ok(None));
    }
}
