//! Eight bytes at a time: where a name, a value or a target ends.
//!
//! The usual bit tricks for "some byte of this word is below n" or "equals b". A borrow can only reach bytes above
//! the first hit, so the lowest hit is always a true one, and only that one is used.

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
/// Bytes that no search here stops at.
const QUIET: u64 = u64::from_le_bytes([b'a'; 8]);

/// Bytes below `bound` (at most 0x80).
const fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(ONES * bound as u64) & !word & HIGH
}

const fn equal(word: u64, byte: u8) -> u64 {
    let zero_if_equal = word ^ (ONES * byte as u64);
    zero_if_equal.wrapping_sub(ONES) & !zero_if_equal & HIGH
}

#[inline(always)]
fn find(bytes: &[u8], from: usize, hits: impl Fn(u64) -> u64) -> Option<usize> {
    let mut rest = bytes.get(from..)?;
    let mut at = from;
    while let Some((word, tail)) = rest.split_first_chunk() {
        let hits = hits(u64::from_le_bytes(*word));
        if hits != 0 {
            return Some(at + (hits.trailing_zeros() / 8) as usize);
        }
        rest = tail;
        at += 8;
    }
    let place = rest.iter().position(|byte| hits(QUIET << 8 | u64::from(*byte)) != 0)?;
    Some(at + place)
}

/// The first colon, space or control character from `from` on.
pub(super) fn name_end(bytes: &[u8], from: usize) -> Option<usize> {
    find(bytes, from, |word| below(word, 0x21) | equal(word, b':'))
}

/// The first control character but TAB from `from` on (DEL is one).
pub(super) fn value_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at = find(bytes, at, |word| below(word, 0x20) | equal(word, 0x7f))?;
        if bytes[at] != b'\t' {
            return Some(at);
        }
        at += 1;
    }
}

/// The first byte of a target from `from` on that ends it or has a meaning: space and control characters, `?`,
/// `%` and `#`.
pub(super) fn target_mark(bytes: &[u8], from: usize) -> Option<usize> {
    find(bytes, from, |word| {
        below(word, 0x21)
            | equal(word, 0x7f)
            | equal(word, b'?')
            | equal(word, b'%')
            | equal(word, b'#')
    })
}

/// The first zero from `from` on.
#[inline]
pub(crate) fn zero(bytes: &[u8], from: usize) -> Option<usize> {
    find(bytes, from, |word| equal(word, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Search = (fn(&[u8], usize) -> Option<usize>, fn(u8) -> bool);

    const SEARCHES: [Search; 4] = [
        (name_end, |byte| byte <= b' ' || byte == b':'),
        (value_end, |byte| (byte < b' ' && byte != b'\t') || byte == 0x7f),
        (target_mark, |byte| byte <= b' ' || byte == 0x7f || b"?%#".contains(&byte)),
        (zero, |byte| byte == 0),
    ];

    #[test]
    fn every_byte_at_every_place_beside_every_byte_that_may_disturb_it() {
        for (search, stops) in SEARCHES {
            for byte in 0..=u8::MAX {
                for neighbour in [b'a', 0x00, 0x1f, b' ', b'!', b':', 0x7e, 0x7f, 0x80, 0xff] {
                    for at in 0..19 {
                        let mut bytes = [b'a'; 20];
                        (bytes[at], bytes[at + 1]) = (byte, neighbour);
                        let slow = bytes.iter().position(|byte| stops(*byte));
                        assert_eq!(search(&bytes, 0), slow, "{byte:#x} {neighbour:#x} {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_search_begins_where_it_is_told() {
        assert_eq!(name_end(b"a:b:c", 2), Some(3));
        assert_eq!(value_end(b"\rab\tcdefghijkl\r", 1), Some(14));
        assert_eq!(value_end(b"abc", 3), None);
        assert_eq!(value_end(b"abc", 4), None, "beyond the end there is nothing");
    }
}
