//! Pairs of names and values (FastCGI 1.0, 3.4).

use crate::Reject;

const TRUNCATED: Reject = Reject::new(400, "params_truncated");

/// The pair at `at`: where name and value begin, and how long they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) name: usize,
    pub(super) name_len: usize,
    pub(super) value: usize,
    pub(super) value_len: usize,
}

/// Reads the pair that begins at `at`; the next one follows its value.
#[inline]
pub(super) fn pair(bytes: &[u8], at: usize) -> Result<Pair, Reject> {
    let (name_len, at) = length(bytes, at)?;
    let (value_len, name) = length(bytes, at)?;
    // Two lengths of 31 bits and a position: no overflow with 64 bits, and 32 bits are no platform of the server.
    let value = name.checked_add(name_len).ok_or(TRUNCATED)?;
    let end = value.checked_add(value_len).ok_or(TRUNCATED)?;
    if end > bytes.len() {
        return Err(TRUNCATED);
    }
    if name_len == 0 {
        return Err(Reject::new(400, "empty_param_name"));
    }
    Ok(Pair { name, name_len, value, value_len })
}

/// One byte, or four with the top bit set.
#[inline]
fn length(bytes: &[u8], at: usize) -> Result<(usize, usize), Reject> {
    let rest = bytes.get(at..).unwrap_or_default();
    match *rest {
        [] => Err(TRUNCATED),
        [short, ..] if short < 0x80 => Ok((usize::from(short), at + 1)),
        [a, b, c, d, ..] => {
            let length = u32::from_be_bytes([a & 0x7f, b, c, d]);
            Ok((length as usize, at + 4))
        }
        _ => Err(TRUNCATED),
    }
}

/// Pairs as bytes; lengths above 31 bits do not exist in memory here.
pub(super) fn encode(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in pairs {
        push_pair(&[name], &[value], &mut out);
    }
    out
}

/// Appends a pair whose name and value are in parts.
pub(super) fn push_pair(name: &[&[u8]], value: &[&[u8]], out: &mut Vec<u8>) {
    for parts in [name, value] {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        match u8::try_from(len) {
            Ok(short) if short < 0x80 => out.push(short),
            _ => out.extend_from_slice(&(len as u32 | 1 << 31).to_be_bytes()),
        }
    }
    for part in name.iter().chain(value) {
        out.extend_from_slice(part);
    }
}
