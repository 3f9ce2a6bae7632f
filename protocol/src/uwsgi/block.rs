//! Blocks: pairs and items, to and from bytes. All lengths are 16-bit, least significant byte first.

use std::iter;

use super::HEADER_BYTES;
use crate::Reject;

const TRUNCATED_VAR: Reject = Reject::new(400, "truncated_var");
const TRUNCATED_ITEM: Reject = Reject::new(400, "truncated_item");
const EMPTY_KEY: Reject = Reject::new(400, "empty_key");

/// The pairs of a block in order; ends after the first fault (`truncated_var`, `empty_key`).
pub fn pairs(block: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), Reject>> {
    let mut rest = block;
    iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let result = pair(rest);
        rest = result.map_or(&[], |(_, _, rest)| rest);
        Some(result.map(|(name, value, _)| (name, value)))
    })
}

/// The items of an array block in order; ends after the first fault (`truncated_item`). Empty items are items:
/// uWSGI drops them, which moves the arguments behind them.
pub fn items(block: &[u8]) -> impl Iterator<Item = Result<&[u8], Reject>> {
    let mut rest = block;
    iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let result = item(rest).ok_or(TRUNCATED_ITEM);
        rest = result.map_or(&[], |(_, rest)| rest);
        Some(result.map(|(item, _)| item))
    })
}

/// Name, value, and what follows them.
pub(super) type Pair<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// The pair at the start of `rest`, and what follows it. uWSGI steps over a name that runs over the end; that is
/// not copied.
#[inline]
pub(super) fn pair(rest: &[u8]) -> Result<Pair<'_>, Reject> {
    // An empty name is told from a cut one by its length alone.
    if let [0, 0, ..] = rest {
        return Err(EMPTY_KEY);
    }
    let (name, rest) = item(rest).ok_or(TRUNCATED_VAR)?;
    let (value, rest) = item(rest).ok_or(TRUNCATED_VAR)?;
    Ok((name, value, rest))
}

#[inline]
fn item(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = rest.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))
}

/// Appends a packet with these pairs; false (and nothing appended) where the block would be over 65535 bytes.
pub fn encode(modifier1: u8, modifier2: u8, pairs: &[(&[u8], &[u8])], out: &mut Vec<u8>) -> bool {
    let parts = pairs.iter().flat_map(|(name, value)| [*name, *value]);
    encode_parts(modifier1, modifier2, parts, out)
}

/// Appends a packet with an array of these items; false as for [`encode`].
pub fn encode_items(modifier1: u8, modifier2: u8, items: &[&[u8]], out: &mut Vec<u8>) -> bool {
    encode_parts(modifier1, modifier2, items.iter().copied(), out)
}

/// Appends a packet with this block as it is; false as for [`encode`].
pub fn encode_block(modifier1: u8, modifier2: u8, block: &[u8], out: &mut Vec<u8>) -> bool {
    let begun = encode_header(modifier1, modifier2, block.len(), out);
    if begun {
        out.extend_from_slice(block);
    }
    begun
}

fn encode_parts<'a>(
    modifier1: u8,
    modifier2: u8,
    parts: impl Iterator<Item = &'a [u8]> + Clone,
    out: &mut Vec<u8>,
) -> bool {
    let size = parts.clone().map(|part| 2 + part.len()).sum();
    if !encode_header(modifier1, modifier2, size, out) {
        return false;
    }
    for part in parts {
        // Fits: the sum does.
        out.extend_from_slice(&(part.len() as u16).to_le_bytes());
        out.extend_from_slice(part);
    }
    true
}

fn encode_header(modifier1: u8, modifier2: u8, size: usize, out: &mut Vec<u8>) -> bool {
    let Ok(datasize) = u16::try_from(size) else { return false };
    out.reserve(HEADER_BYTES + size);
    let [low, high] = datasize.to_le_bytes();
    out.extend_from_slice(&[modifier1, low, high, modifier2]);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uwsgi::{Header, header};

    #[test]
    fn what_is_encoded_is_decoded() {
        let mut packet = Vec::new();
        assert!(encode(7, 9, &[(b"A", b""), (b"B", b"x")], &mut packet));
        let Some(Header { modifier1: 7, datasize: 11, modifier2: 9 }) = header(&packet) else {
            panic!("{packet:?}");
        };
        let found: Result<Vec<_>, _> = pairs(&packet[HEADER_BYTES..]).collect();
        assert_eq!(found, Ok(vec![(&b"A"[..], &b""[..]), (b"B", b"x")]));

        let mut packet = Vec::new();
        assert!(encode_items(173, 0, &[b"f", b"", b"x"], &mut packet));
        let found: Result<Vec<_>, _> = items(&packet[HEADER_BYTES..]).collect();
        assert_eq!(found, Ok(vec![&b"f"[..], b"", b"x"]));

        let mut packet = Vec::new();
        assert!(encode_block(101, 0, b"hello", &mut packet));
        assert_eq!(packet, b"\x65\x05\x00\x00hello");
    }

    #[test]
    fn a_block_has_at_most_65535_bytes() {
        let value = [b'v'; 65_530];
        let mut packet = Vec::new();
        assert!(encode(0, 0, &[(b"N", &value)], &mut packet));
        assert_eq!(packet.len(), HEADER_BYTES + 65_535);
        packet.clear();
        assert!(!encode(0, 0, &[(b"NN", &value)], &mut packet));
        assert!(packet.is_empty());
    }
}
