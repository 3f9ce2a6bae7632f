//! SCGI: a netstring of names and values, and the body behind it.
//!
//! ```text
//!   24:CONTENT_LENGTH <0> 27 <0> SCGI <0> 1 <0> ... ,body
//! ```
//! The order of the variables does not matter here, nor whether `SCGI` is among them.

use crate::http1::scan;
use crate::pairs::{PairStore, Repeated};
use crate::{Known, Reject, Span, Vars};

/// Digits of the netstring's length.
const DIGITS_MAX: usize = 10;

/// Limits of a request head.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest netstring in bytes (`buffer-size`).
    pub head_bytes_max: usize,
    /// Most variables (`max-vars` / 2).
    pub vars_max: usize,
}

/// A decoded request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the netstring with its length and its comma. The body follows.
    pub consumed: usize,
    /// `CONTENT_LENGTH`.
    pub content_length: u64,
}

/// Decodes the request at the start of `input` into `vars` (cleared first); `Ok(None)` asks for more bytes.
///
/// Repeated `HTTP_*` variables are joined as HTTP joins headers: front ends send them, although the specification wants
/// every name to be there once. `HTTP_PROXY` is dropped.
///
/// # Errors
/// A [`Reject`] where the request can never become valid.
pub fn decode(input: &[u8], limits: &Limits, vars: &mut Vars) -> Result<Option<Head>, Reject> {
    let Some((start, len)) = netstring(input, limits.head_bytes_max)? else { return Ok(None) };
    let end = start + len;
    let Some(&comma) = input.get(end) else { return Ok(None) };
    if comma != b',' {
        return Err(Reject::new(400, "missing_comma"));
    }
    let head = &input[..end];
    if head[end - 1] != 0 {
        return Err(Reject::new(400, "unterminated_value"));
    }
    vars.clear();
    let mut store = PairStore::new(head, limits.vars_max, Repeated::Never);
    let mut at = start;
    while at < end {
        let (name, name_span, next) = string(head, at)?;
        if next == end {
            return Err(Reject::new(400, "odd_strings"));
        }
        if name.is_empty() {
            return Err(Reject::new(400, "empty_name"));
        }
        let (value, value_span, next) = string(head, next)?;
        store.add((name, name_span), (value, value_span), vars)?;
        at = next;
    }
    let length = store.conclude()?;
    let content_length = match (length, vars.position(Known::ContentLength)) {
        (Some(length), _) => length,
        (None, None) => return Err(Reject::new(400, "missing_content_length")),
        (None, Some(_)) => return Err(Reject::new(400, "bad_content_length")),
    };
    Ok(Some(Head { consumed: end + 1, content_length }))
}

/// Where the netstring's bytes begin, and how many there are.
fn netstring(input: &[u8], max: usize) -> Result<Option<(usize, usize)>, Reject> {
    let bad = Reject::new(400, "bad_netstring_length");
    let digits = input.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > DIGITS_MAX || (digits > 1 && input[0] == b'0') {
        return Err(bad);
    }
    match input.get(digits) {
        None => return Ok(None),
        Some(b':') if digits > 0 => {}
        Some(_) => return Err(bad),
    }
    let len = input[..digits].iter().fold(0_u64, |sum, byte| sum * 10 + u64::from(byte - b'0'));
    match usize::try_from(len) {
        Ok(0) => Err(Reject::new(400, "empty_header")),
        Ok(len) if len <= max => Ok(Some((digits + 1, len))),
        _ => Err(Reject::new(400, "header_too_big")),
    }
}

/// The string that begins there, and where the next one does. Most are so short that calling a search with wide registers
/// for each would cost more than it saves.
#[inline]
fn string(head: &[u8], at: usize) -> Result<(&[u8], Span, usize), Reject> {
    let end = scan::zero(head, at).ok_or(Reject::new(400, "unterminated_value"))?;
    Ok((&head[at..end], Span::head(at, end - at), end + 1))
}

/// The head of a request for these variables, `CONTENT_LENGTH` first; the body is to follow.
pub fn encode(content_length: u64, pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    let length = content_length.to_string();
    let mut block = Vec::new();
    let first: [(&[u8], &[u8]); 2] = [(b"CONTENT_LENGTH", length.as_bytes()), (b"SCGI", b"1")];
    for (name, value) in first.iter().chain(pairs) {
        block.extend([*name, b"\0", *value, b"\0"].concat());
    }
    let mut out = format!("{}:", block.len()).into_bytes();
    out.extend_from_slice(&block);
    out.push(b',');
    out
}
