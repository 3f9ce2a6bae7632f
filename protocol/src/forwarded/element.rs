//! The syntax of `Forwarded` (RFC 7239, 4), from its right end.

use crate::http1::{is_token, trim};

/// What one proxy wrote. Parameters that mean nothing here, `by` among them, are passed over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Element<'a> {
    /// `for`: who sent the request to the proxy.
    pub(super) node: Option<&'a [u8]>,
    pub(super) proto: Option<&'a [u8]>,
    pub(super) host: Option<&'a [u8]>,
}

/// The elements from right to left; `None` for what is none.
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = Option<Element<'_>>> {
    let mut left = Some(value);
    std::iter::from_fn(move || {
        let (before, last) = split_last(left?);
        left = before;
        Some(element(trim(last)))
    })
}

/// The text behind the last comma, and the one before it. It is looked for from the right: what a client has begun
/// with a quotation mark must not swallow what a proxy appended.
fn split_last(value: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut quoted = false;
    for (at, byte) in value.iter().enumerate().rev() {
        match byte {
            b'"' if !is_escaped(&value[..at]) => quoted = !quoted,
            b',' if !quoted => return (Some(&value[..at]), &value[at + 1..]),
            _ => {}
        }
    }
    (None, value)
}

/// Whether what follows is escaped: by a backslash that is not escaped itself.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// `name=value` with semicolons between them, each name once.
fn element(text: &[u8]) -> Option<Element<'_>> {
    let mut element = Element::default();
    let mut rest = text;
    let mut names = 0;
    while !rest.is_empty() {
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        let name = &rest[..equals];
        if !is_token(name) {
            return None;
        }
        let (value, next) = value(&rest[equals + 1..])?;
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        let place = if is(b"for") {
            Some(&mut element.node)
        } else if is(b"proto") {
            Some(&mut element.proto)
        } else if is(b"host") {
            Some(&mut element.host)
        } else {
            None
        };
        if let Some(place) = place
            && place.replace(value).is_some()
        {
            return None;
        }
        names += 1;
        rest = next;
    }
    (names > 0).then_some(element)
}

/// The value at the start of `text`, and what follows its semicolon. One with escapes is refused: nothing that is
/// read here needs them. A value without quotes may have any bytes, for some proxies forget them around ports.
fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (value, rest) = match text.strip_prefix(b"\"") {
        Some(quoted) => {
            let end = quoted.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            if quoted[end] == b'\\' {
                return None;
            }
            (&quoted[..end], trim(&quoted[end + 1..]))
        }
        None => {
            let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
            (trim(&text[..end]), &text[end..])
        }
    };
    match rest {
        [] => Some((value, rest)),
        [b';', rest @ ..] => Some((value, trim(rest))),
        _ => None,
    }
}
