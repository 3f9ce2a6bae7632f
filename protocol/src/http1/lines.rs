//! Lines of heads and trailers (RFC 9112, 2.2).
//!
//! Faults are judged in the order of the bytes: what a reader of one byte at a time would see first is what is
//! wrong. So the verdict does not depend on how the bytes were cut into reads.

use memchr::{memchr, memchr2};

use super::bytes::{is_blank, is_token, is_value, trim};
use crate::Reject;

pub(super) const fn bad(reason: &'static str) -> Reject {
    Reject::new(400, reason)
}

/// The line at the start of `rest`, without its line end; `None` where its end has not come. Nothing before
/// `scanned` can end the line. A line of more than `bytes_max` bytes is refused with `too_long`.
pub(super) fn line(
    rest: &[u8],
    scanned: usize,
    bytes_max: usize,
    too_long: Reject,
) -> Result<Option<&[u8]>, Reject> {
    let window = &rest[..rest.len().min(bytes_max.saturating_add(1))];
    let from = scanned.min(window.len());
    let Some(at) = memchr2(b'\r', b'\n', &window[from..]) else {
        return if rest.len() > bytes_max { Err(too_long) } else { Ok(None) };
    };
    let end = from + at;
    match (window[end], rest.get(end + 1)) {
        // Others take a bare LF for a line end; whoever is in front of us may not.
        (b'\n', _) => Err(bad("bare_lf")),
        (_, None) => Ok(None),
        (_, Some(b'\n')) => Ok(Some(&rest[..end])),
        (_, Some(_)) => Err(bad("bare_cr")),
    }
}

/// Where a search for the end of an incomplete line goes on: a CR at its end may be half of one.
pub(super) fn scanned(rest: &[u8]) -> usize {
    rest.len() - usize::from(rest.ends_with(b"\r"))
}

/// Name and value of a header line (RFC 9112, 5). `first`: it follows the request line.
pub(super) fn field(line: &[u8], first: bool) -> Result<(&[u8], &[u8]), Reject> {
    if line.first().copied().is_some_and(is_blank) {
        // RFC 9112, 2.2 and 5.2: neither is ever repaired here.
        return Err(bad(if first { "leading_whitespace" } else { "obs_fold" }));
    }
    let colon = memchr(b':', line).ok_or(bad("header_without_colon"))?;
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    if !is_token(name) {
        // RFC 9112, 5.1: must be refused, or two readers see two different headers.
        let spaced = name.last().copied().is_some_and(is_blank);
        return Err(bad(if spaced { "space_before_colon" } else { "bad_header_name" }));
    }
    if !is_value(value) {
        return Err(bad("bad_header_value"));
    }
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOO_LONG: Reject = Reject::new(431, "line_too_long");

    #[test]
    fn the_longest_line_is_allowed_and_one_byte_more_is_not() {
        assert_eq!(line(b"abcd\r\n", 0, 4, TOO_LONG), Ok(Some(&b"abcd"[..])));
        assert_eq!(line(b"abcd\r", 0, 4, TOO_LONG), Ok(None));
        assert_eq!(line(b"abcde", 0, 4, TOO_LONG), Err(TOO_LONG));
        assert_eq!(line(b"abcde\r\n", 0, 4, TOO_LONG), Err(TOO_LONG));
    }

    #[test]
    fn the_first_fault_decides() {
        assert_eq!(line(b"a\rb\n", 0, 9, TOO_LONG), Err(bad("bare_cr")));
        assert_eq!(line(b"a\nb\r\r", 0, 9, TOO_LONG), Err(bad("bare_lf")));
        assert_eq!(line(b"a\r", 0, 9, TOO_LONG), Ok(None));
    }
}
