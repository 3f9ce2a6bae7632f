//! Messages from a handler: whom they are for, and bytes for those clients or a word to Mongrel2 itself.

use std::io::Write as _;

use super::tnetstring::{self, Value};
use super::{connection, is_sender};
use crate::Reject;

/// Most connections that one message is for (`limits.handler_targets`, as Mongrel2 comes).
pub const TARGETS_MAX: usize = 128;

/// What a handler asks of Mongrel2 instead of sending bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extended<'a> {
    /// The connection is not counted as idle: more will come.
    KeepAlive,
    /// The handler takes so many more bytes of a streamed upload (`upload.stream`).
    Credits(u32),
    /// The connection closes, also in the middle of an upload.
    Cancel,
    /// The file at this path, as Mongrel2 sees it, is sent by its filter `sendfile`.
    SendFile(&'a [u8]),
}

/// The connections of any number in groups that fit into a message each.
pub fn groups(ids: &[u32]) -> impl Iterator<Item = &[u32]> {
    ids.chunks(TARGETS_MAX)
}

/// Appends the head of a message to these connections; the bytes for the clients follow as they are. Mongrel2
/// closes the connections where nothing follows.
///
/// False, and nothing appended, unless there are 1 to [`TARGETS_MAX`] connections and `sender` is one
/// ([`is_sender`]).
#[must_use]
pub fn head(sender: &[u8], ids: &[u32], out: &mut Vec<u8>) -> bool {
    begin(sender, "", ids, out)
}

/// Appends a whole message with a request to Mongrel2; false as for [`head`].
#[must_use]
pub fn extended(sender: &[u8], ids: &[u32], request: Extended<'_>, out: &mut Vec<u8>) -> bool {
    let begun = begin(sender, "X ", ids, out);
    if begun {
        request.append(out);
    }
    begun
}

fn begin(sender: &[u8], mark: &str, ids: &[u32], out: &mut Vec<u8>) -> bool {
    if !is_sender(sender) || ids.is_empty() || ids.len() > TARGETS_MAX {
        return false;
    }
    let digits = |id: &u32| id.checked_ilog10().unwrap_or(0) as usize + 1;
    let len = mark.len() + ids.iter().map(digits).sum::<usize>() + ids.len() - 1;
    out.extend_from_slice(sender);
    // A Vec takes everything.
    let _ = write!(out, " {len}:{mark}");
    for (at, id) in ids.iter().enumerate() {
        let space = if at == 0 { "" } else { " " };
        let _ = write!(out, "{space}{id}");
    }
    out.extend_from_slice(b", ");
    true
}

impl Extended<'_> {
    fn append(self, out: &mut Vec<u8>) {
        tnetstring::list(out, |out| match self {
            Self::KeepAlive => control(out, b"keep-alive", |out| tnetstring::integer(1, out)),
            Self::Credits(bytes) => {
                control(out, b"credits", |out| tnetstring::integer(bytes.into(), out));
            }
            Self::Cancel => control(out, b"cancel", |out| tnetstring::boolean(true, out)),
            Self::SendFile(path) => {
                tnetstring::bytes(b"sendfile", out);
                tnetstring::list(out, |out| tnetstring::bytes(path, out));
            }
        });
    }
}

fn control(out: &mut Vec<u8>, word: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
    tnetstring::bytes(b"ctl", out);
    tnetstring::dict(out, |out| {
        tnetstring::bytes(word, out);
        value(out);
    });
}

/// A message from a handler, as Mongrel2 reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The server that it is for.
    pub sender: &'a [u8],
    /// The connections that it is for, 1 to [`TARGETS_MAX`].
    pub ids: Vec<u32>,
    /// True where the body is a request to Mongrel2: a tnetstring, the list of a name and its arguments.
    pub extended: bool,
    /// Bytes for the clients; none close the connections.
    pub body: &'a [u8],
}

/// Takes a handler's message apart: for whoever stands in for Mongrel2.
///
/// # Errors
/// `bad_response_head`, `bad_ident_list`, `ident_length_mismatch`, `missing_space_before_body`, `no_targets`,
/// `too_many_targets`; of an extended one also `bad_extended_body` and those of tnetstrings.
pub fn decode(input: &[u8]) -> Result<Reply<'_>, Reject> {
    let bad_head = Reject::new(400, "bad_response_head");
    let bad_list = Reject::new(400, "bad_ident_list");
    let (sender, rest) = cut(input, b' ').ok_or(bad_head)?;
    let (len, rest) = cut(rest, b':').ok_or(bad_head)?;
    if !is_sender(sender) || len.is_empty() || !len.iter().all(u8::is_ascii_digit) {
        return Err(bad_head);
    }
    let (list, rest) = cut(rest, b',').ok_or(bad_list)?;
    let (extended, text) = match list.strip_prefix(b"X ") {
        Some(text) => (true, text),
        None => (false, list),
    };
    let ids = targets(text).ok_or(bad_list)?;
    // A length that no number can hold is not the list's either.
    let len = std::str::from_utf8(len).ok().and_then(|len| len.parse().ok());
    if len != Some(list.len()) {
        return Err(Reject::new(400, "ident_length_mismatch"));
    }
    let body = rest.strip_prefix(b" ").ok_or(Reject::new(400, "missing_space_before_body"))?;
    match ids.len() {
        0 => return Err(Reject::new(400, "no_targets")),
        1..=TARGETS_MAX => {}
        _ => return Err(Reject::new(400, "too_many_targets")),
    }
    if extended {
        request_of(body)?;
    }
    Ok(Reply { sender, ids, extended, body })
}

fn cut(input: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(byte, input)?;
    Some((&input[..at], &input[at + 1..]))
}

/// Numbers, each with a space behind it but for the last one, where it may be missing.
fn targets(text: &[u8]) -> Option<Vec<u32>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let text = text.strip_suffix(b" ").unwrap_or(text);
    text.split(|byte| *byte == b' ').map(connection).collect()
}

/// Name and arguments of an extended message's body.
///
/// # Errors
/// `bad_extended_body` and those of tnetstrings.
pub fn request_of(body: &[u8]) -> Result<(&[u8], Value<'_>), Reject> {
    let bad = Reject::new(400, "bad_extended_body");
    let Value::List(mut list) = tnetstring::read(body)? else { return Err(bad) };
    let name = list.next().ok_or(bad)??.bytes().ok_or(bad)?;
    let arguments = list.next().ok_or(bad)??;
    list.next().is_none().then_some((name, arguments)).ok_or(bad)
}
