//! Tnetstrings: `LENGTH:CONTENT` and a tag that says of which type the content is.
//!
//! ```text
//!   5:hello,   bytes      4:3.14^    float      0:~          null      15:1:a,1:1#1:b,0:]}   dictionary
//!   2:-1#      integer    4:true!    boolean    8:1:a,1:b,]  list
//! ```
//! A length has at most nine digits and no leading zeros. Reading is lazy: the faults inside of a list or a
//! dictionary are met by whoever walks it, and each iterator ends with the first one.

use std::fmt::Display;

use crate::Reject;

/// How deep lists and dictionaries may lie in each other.
pub const DEPTH_MAX: u8 = 32;

const DIGITS_MAX: usize = 9;

const BAD_NETSTRING: Reject = Reject::new(400, "bad_netstring");
const TRUNCATED: Reject = Reject::new(400, "netstring_truncated");
const BAD_TERMINATOR: Reject = Reject::new(400, "bad_netstring_terminator");

/// A value. Its parts are spans of the input.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Any bytes.
    Bytes(&'a [u8]),
    /// An integer, leading zeros included; what does not fit is refused.
    Integer(i64),
    /// A finite number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Nothing.
    Null,
    /// Names and values.
    Dict(Dict<'a>),
    /// Values.
    List(List<'a>),
}

/// A dictionary: an iterator of names and values in their order, repeated names included.
#[derive(Clone, Debug, PartialEq)]
pub struct Dict<'a> {
    rest: &'a [u8],
    depth: u8,
}

/// A list: an iterator of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct List<'a> {
    rest: &'a [u8],
    depth: u8,
}

/// Reads an input that is one value and nothing else.
///
/// # Errors
/// `bad_netstring`, `netstring_truncated`, `bad_netstring_terminator` and `tnet_bad_*` of the outermost value,
/// `trailing_bytes`.
pub fn read(input: &[u8]) -> Result<Value<'_>, Reject> {
    match item(input)? {
        (item, []) => Value::of(item, 0),
        _ => Err(Reject::new(400, "trailing_bytes")),
    }
}

/// A content with its tag, not looked at any further.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub(super) content: &'a [u8],
    pub(super) tag: u8,
}

impl<'a> Item<'a> {
    /// The content, where the tag is among these.
    #[inline]
    pub(super) fn tagged(self, tags: &[u8]) -> Result<&'a [u8], Reject> {
        if tags.contains(&self.tag) { Ok(self.content) } else { Err(BAD_TERMINATOR) }
    }
}

/// The item at the start of `input`, and what follows it.
#[inline]
pub(super) fn item(input: &[u8]) -> Result<(Item<'_>, &[u8]), Reject> {
    let (len, rest) = length(input)?;
    let (content, rest) = rest.split_at_checked(len).ok_or(TRUNCATED)?;
    let (&tag, rest) = rest.split_first().ok_or(TRUNCATED)?;
    Ok((Item { content, tag }, rest))
}

/// The length at the start of `input`, and what follows its colon.
#[inline]
fn length(input: &[u8]) -> Result<(usize, &[u8]), Reject> {
    let mut len = 0;
    for (at, byte) in input.iter().take(DIGITS_MAX + 1).enumerate() {
        match byte {
            b':' if at > 0 => return Ok((len, &input[at + 1..])),
            b'0'..=b'9' if at < DIGITS_MAX && (at == 0 || len > 0) => {
                len = len * 10 + usize::from(byte - b'0');
            }
            _ => break,
        }
    }
    Err(BAD_NETSTRING)
}

impl<'a> Value<'a> {
    /// The value of an item that lies in `depth` others.
    pub(super) fn of(item: Item<'a>, depth: u8) -> Result<Self, Reject> {
        if depth > DEPTH_MAX {
            return Err(Reject::new(400, "tnet_too_deep"));
        }
        let rest = item.content;
        match (item.tag, rest) {
            (b',', _) => Ok(Self::Bytes(rest)),
            (b'#', _) => integer_of(rest).map(Self::Integer),
            (b'^', _) => float_of(rest).map(Self::Float),
            (b'!', b"true") => Ok(Self::Bool(true)),
            (b'!', b"false") => Ok(Self::Bool(false)),
            (b'!', _) => Err(Reject::new(400, "tnet_bad_bool")),
            (b'~', []) => Ok(Self::Null),
            (b'~', _) => Err(Reject::new(400, "tnet_bad_null")),
            (b'}', _) => Ok(Self::Dict(Dict { rest, depth: depth + 1 })),
            (b']', _) => Ok(Self::List(List { rest, depth: depth + 1 })),
            _ => Err(BAD_TERMINATOR),
        }
    }

    /// The bytes, where it is bytes.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

fn integer_of(content: &[u8]) -> Result<i64, Reject> {
    // `parse` takes a plus sign too.
    let text = std::str::from_utf8(content).ok().filter(|text| !text.starts_with('+'));
    text.and_then(|text| text.parse().ok()).ok_or(Reject::new(400, "tnet_bad_integer"))
}

/// Digits with a sign, a point and an exponent: `parse` takes `.5` and words such as `nan` too.
fn float_of(content: &[u8]) -> Result<f64, Reject> {
    let digits = content.strip_prefix(b"-").or(content.strip_prefix(b"+")).unwrap_or(content);
    let number = || {
        std::str::from_utf8(content).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
    };
    let begun = digits.first().is_some_and(u8::is_ascii_digit);
    begun.then(number).flatten().ok_or(Reject::new(400, "tnet_bad_float"))
}

impl<'a> Dict<'a> {
    fn pair(&mut self) -> Result<(&'a [u8], Value<'a>), Reject> {
        let (name, value, rest) = pair(self.rest)?;
        self.rest = rest;
        Ok((name, Value::of(value, self.depth)?))
    }
}

/// Name, value and what follows them, at the start of a dictionary's content.
#[inline]
pub(super) fn pair(rest: &[u8]) -> Result<(&[u8], Item<'_>, &[u8]), Reject> {
    let (name, rest) = item(rest)?;
    let name = name.tagged(b",")?;
    if rest.is_empty() {
        return Err(Reject::new(400, "tnet_odd_dict"));
    }
    let (value, rest) = item(rest)?;
    Ok((name, value, rest))
}

impl<'a> Iterator for Dict<'a> {
    type Item = Result<(&'a [u8], Value<'a>), Reject>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let pair = self.pair();
        if pair.is_err() {
            self.rest = &[];
        }
        Some(pair)
    }
}

impl<'a> Iterator for List<'a> {
    type Item = Result<Value<'a>, Reject>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (item, rest) = match item(self.rest) {
            Ok((item, rest)) => (Ok(item), rest),
            Err(reject) => (Err(reject), &[][..]),
        };
        let value = item.and_then(|item| Value::of(item, self.depth));
        self.rest = if value.is_ok() { rest } else { &[] };
        Some(value)
    }
}

/// Appends bytes. More than 999,999,999 of them are written as well, and refused by every reader; so it is with
/// the contents of lists and dictionaries.
pub fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    scalar(bytes, b',', out);
}

/// Appends an integer.
pub fn integer(number: i64, out: &mut Vec<u8>) {
    text(number, b'#', out);
}

/// Appends a number; one that is not finite becomes null, because there is no text for it.
pub fn float(number: f64, out: &mut Vec<u8>) {
    if number.is_finite() {
        scalar(format!("{number:?}").as_bytes(), b'^', out);
    } else {
        null(out);
    }
}

/// Appends a boolean.
pub fn boolean(value: bool, out: &mut Vec<u8>) {
    text(value, b'!', out);
}

/// Appends null.
pub fn null(out: &mut Vec<u8>) {
    scalar(b"", b'~', out);
}

/// Appends a list with what `fill` appends.
pub fn list(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    nested(b']', out, fill);
}

/// Appends a dictionary with what `fill` appends: names ([`bytes`]) and values by turns.
pub fn dict(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    nested(b'}', out, fill);
}

fn text(value: impl Display, tag: u8, out: &mut Vec<u8>) {
    scalar(value.to_string().as_bytes(), tag, out);
}

fn scalar(content: &[u8], tag: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}:", content.len()).as_bytes());
    out.extend_from_slice(content);
    out.push(tag);
}

/// The length stands before a content that is only known behind it: the content moves. It is short.
fn nested(tag: u8, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    fill(out);
    let length = format!("{}:", out.len().saturating_sub(start));
    out.splice(start..start, length.into_bytes());
    out.push(tag);
}
