//! Texts as Mongrel2 writes them, and as a parser of JSON wants them.
//!
//! Bytes that may not stand in a string become `\u00XX`, and characters that come back from the parser become the
//! bytes of their numbers: what was in between is as it came.

use std::borrow::Cow;

use super::{DEPTH_MAX, JsonError};

/// The text with all bytes in strings that are neither ASCII nor to be seen escaped.
///
/// # Errors
/// What jansson would take as something else, or dig into.
pub(super) fn clean(json: &[u8]) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::with_capacity(json.len());
    let (mut in_string, mut depth) = (false, 0_usize);
    let mut rest = json;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        match (in_string, *byte) {
            (_, 0) => return Err(JsonError::Nul),
            (true, b'\\') => {
                rest = escape(rest, &mut out)?;
                continue;
            }
            (true, 1..=0x1f | 0x80..) => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let digit = |number: u8| DIGITS[usize::from(number & 15)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(*byte)]);
                continue;
            }
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') if depth == DEPTH_MAX => return Err(JsonError::TooDeep),
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        out.push(*byte);
    }
    Ok(out)
}

/// Copies an escape whose backslash stands before `rest`; what follows it. Its second byte may be the quote or the
/// backslash that mean nothing here.
fn escape<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], JsonError> {
    if rest.starts_with(b"u0000") {
        return Err(JsonError::Nul);
    }
    match rest {
        [escaped @ 0x21..=0x7e, behind @ ..] => {
            out.extend_from_slice(&[b'\\', *escaped]);
            Ok(behind)
        }
        _ => Err(JsonError::Malformed("invalid escape".to_owned())),
    }
}

/// The bytes of a text that the parser gave.
///
/// # Errors
/// [`JsonError::NotByte`].
pub(super) fn original(text: &[u8]) -> Result<Cow<'_, [u8]>, JsonError> {
    if text.is_ascii() {
        return Ok(Cow::Borrowed(text));
    }
    let text = std::str::from_utf8(text).map_err(|_| JsonError::NotByte)?;
    let byte = |character| u8::try_from(u32::from(character)).map_err(|_| JsonError::NotByte);
    text.chars().map(byte).collect::<Result<_, _>>().map(Cow::Owned)
}
