//! Headers in the one form in which Mongrel2 writes them, without a document in between: jansson takes fifty times as long.
//!
//! ```text
//!   {"PATH":"/x","host":"a","cookie":["b=1","c=2"]}      no blanks; only \" and \\ are escaped
//! ```
//! Everything else is left to the parser, whether it is JSON or not.

use std::borrow::Cow;

use memchr::memchr2;

/// Of more names it is not looked whether they are all different.
const NAMES_MAX: usize = 64;

type Text<'a> = Cow<'a, [u8]>;

/// A header with all its values.
pub(super) struct Field<'a> {
    pub(super) name: Text<'a>,
    pub(super) values: Vec<Text<'a>>,
}

/// The headers in their order; `None` where the parser has to look.
pub(super) fn headers(json: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields: Vec<Field<'_>> = Vec::with_capacity(16);
    let mut rest = json.strip_prefix(b"{")?;
    while fields.len() < NAMES_MAX {
        let (name, behind) = text(rest)?;
        // Of a name that is there twice the last value counts.
        if fields.iter().any(|other| other.name == name) {
            return None;
        }
        let (values, behind) = values(behind.strip_prefix(b":")?)?;
        fields.push(Field { name, values });
        match behind {
            [b',', behind @ ..] => rest = behind,
            b"}" => return Some(fields),
            _ => return None,
        }
    }
    None
}

fn values(json: &[u8]) -> Option<(Vec<Text<'_>>, &[u8])> {
    let Some(mut rest) = json.strip_prefix(b"[") else {
        let (value, rest) = text(json)?;
        return Some((vec![value], rest));
    };
    let mut values = Vec::new();
    loop {
        let (value, behind) = text(rest)?;
        values.push(value);
        match behind {
            [b',', behind @ ..] => rest = behind,
            [b']', behind @ ..] => return Some((values, behind)),
            _ => return None,
        }
    }
}

/// A string, and what follows it. A NUL is the parser's to refuse.
fn text(json: &[u8]) -> Option<(Text<'_>, &[u8])> {
    let json = json.strip_prefix(b"\"")?;
    let mut at = memchr2(b'"', b'\\', json)?;
    let mut bytes = Cow::Borrowed(&json[..at]);
    while json[at] == b'\\' {
        let escaped = *json.get(at + 1).filter(|byte| matches!(byte, b'"' | b'\\'))?;
        let begin = at + 2;
        let next = begin + memchr2(b'"', b'\\', &json[begin..])?;
        let owned = bytes.to_mut();
        owned.push(escaped);
        owned.extend_from_slice(&json[begin..next]);
        at = next;
    }
    (!bytes.contains(&0)).then_some((bytes, &json[at + 1..]))
}
