//! The uwsgi protocol: a 4-byte header and a block of length-prefixed pairs.

use crate::vars::Vars;
use crate::{Known, Name, Reject, Span, names};

/// Limits of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest block in bytes, at most 65535 (`buffer-size`).
    pub block_bytes_max: usize,
    /// Most variables of a request (`max-vars` / 2).
    pub vars_max: usize,
}

/// A decoded request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// First modifier: which plugin.
    pub modifier1: u8,
    /// Second modifier.
    pub modifier2: u8,
    /// Bytes of the packet: header and block. The body follows.
    pub consumed: usize,
    /// `CONTENT_LENGTH`; `None` where absent or empty.
    pub content_length: Option<u64>,
}

/// Bytes of a packet's header.
pub const HEADER_BYTES: usize = 4;

/// Decodes the packet at the start of `input` into `vars` (cleared first); `Ok(None)` asks for more bytes.
///
/// Repeated `HTTP_*` variables are joined as HTTP joins headers; other repeated ones must be equal. `HTTP_PROXY` is
/// dropped.
///
/// # Errors
/// A [`Reject`] where the packet can never become valid.
pub fn decode(input: &[u8], limits: &Limits, vars: &mut Vars) -> Result<Option<Head>, Reject> {
    let Some(Header { modifier1, datasize, modifier2 }) = header(input) else { return Ok(None) };
    if datasize > limits.block_bytes_max {
        return Err(Reject::new(400, "packet_too_big"));
    }
    let consumed = HEADER_BYTES + datasize;
    let Some(block) = input.get(HEADER_BYTES..consumed) else { return Ok(None) };
    vars.clear();
    let mut content_length = None;
    let mut count = 0;
    for pair in pairs(block) {
        let (name, value) = pair?;
        count += 1;
        if count > limits.vars_max {
            return Err(Reject::new(400, "too_many_vars"));
        }
        if name == b"CONTENT_LENGTH" && !value.is_empty() {
            content_length = Some(one_length(content_length, value)?);
        }
        push(input, name, value, vars)?;
    }
    Ok(Some(Head { modifier1, modifier2, consumed, content_length }))
}

/// The header of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// First modifier.
    pub modifier1: u8,
    /// Bytes of the block behind the header.
    pub datasize: usize,
    /// Second modifier.
    pub modifier2: u8,
}

/// The header at the start of `input`; `None` where it is not complete.
pub fn header(input: &[u8]) -> Option<Header> {
    let [modifier1, low, high, modifier2] = *input.first_chunk::<HEADER_BYTES>()?;
    Some(Header { modifier1, datasize: usize::from(u16::from_le_bytes([low, high])), modifier2 })
}

/// Offset of a part of `input`.
fn offset(input: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(input.as_ptr() as usize)
}

fn one_length(before: Option<u64>, value: &[u8]) -> Result<u64, Reject> {
    let length = crate::http1::decimal(value).ok_or(Reject::new(400, "bad_content_length"))?;
    match before {
        Some(before) if before != length => Err(Reject::new(400, "conflicting_content_length")),
        _ => Ok(length),
    }
}

fn push(input: &[u8], name: &[u8], value: &[u8], vars: &mut Vars) -> Result<(), Reject> {
    if name == b"HTTP_PROXY" {
        return Ok(());
    }
    let span = Span::head(offset(input, value), value.len());
    let key = match names::variable(name) {
        Some(known) => Name::Known(known),
        None => Name::Other(Span::head(offset(input, name), name.len())),
    };
    let before = match key {
        Name::Known(known) => vars.position(known),
        Name::Other(_) => vars.view(input).iter().position(|(other, _)| vars.view(input).name(other) == name),
    };
    let Some(position) = before else {
        vars.push(key, span);
        return Ok(());
    };
    let first = vars.entries()[position].value;
    if vars.bytes(input, first) == value && !name.starts_with(b"HTTP_") {
        return Ok(());
    }
    if name == b"CONTENT_LENGTH" && (value.is_empty() || vars.bytes(input, first).is_empty()) {
        if !value.is_empty() {
            vars.replace(position, span);
        }
        return Ok(());
    }
    if !name.starts_with(b"HTTP_") {
        return Err(Reject::new(400, "conflicting_var"));
    }
    let glue: &[u8] = if key == Name::Known(Known::Cookie) { b"; " } else { b", " };
    let joined = [vars.bytes(input, first), glue, value].concat();
    let joined = vars.stash(&joined);
    vars.replace(position, joined);
    Ok(())
}

/// The pairs of a block in order; ends after the first fault.
pub fn pairs(block: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), Reject>> {
    let mut rest = block;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let result = pair(rest);
        rest = result.as_ref().map_or(&[][..], |(_, _, rest)| rest);
        Some(result.map(|(name, value, _)| (name, value)))
    })
}

/// The items of an array block in order; ends after the first fault.
pub fn items(block: &[u8]) -> impl Iterator<Item = Result<&[u8], Reject>> {
    let mut rest = block;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let found = item(rest);
        rest = found.map_or(&[][..], |(_, rest)| rest);
        Some(found.map(|(item, _)| item).ok_or(Reject::new(400, "truncated_item")))
    })
}

/// Appends a packet with these pairs; false (and nothing appended) where the block would be over 65535 bytes.
pub fn encode(modifier1: u8, modifier2: u8, pairs: &[(&[u8], &[u8])], out: &mut Vec<u8>) -> bool {
    let size: usize = pairs.iter().map(|(name, value)| 4 + name.len() + value.len()).sum();
    let Ok(datasize) = u16::try_from(size) else { return false };
    let [low, high] = datasize.to_le_bytes();
    out.extend_from_slice(&[modifier1, low, high, modifier2]);
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        // Fits: the sum above does.
        out.extend_from_slice(&(part.len() as u16).to_le_bytes());
        out.extend_from_slice(part);
    }
    true
}

type Pair<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn pair(rest: &[u8]) -> Result<Pair<'_>, Reject> {
    const TRUNCATED: Reject = Reject::new(400, "truncated_var");
    let (name, rest) = item(rest).ok_or(TRUNCATED).and_then(|(name, rest)| match name {
        [] => Err(Reject::new(400, "empty_key")),
        _ => Ok((name, rest)),
    })?;
    let (value, rest) = item(rest).ok_or(TRUNCATED)?;
    Ok((name, value, rest))
}

/// A 16-bit length, least significant byte first, and that many bytes.
fn item(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = rest.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))
}
