//! From the bytes of a name to its [`Known`] variable: one multiplication, one table, one comparison.
//!
//! The tables are perfect hashes: the compiler tries multipliers until no two names share a slot, so a new
//! [`Known`] needs no care here (and a pair of names that cannot be told apart does not compile).

use crate::Known;

/// The prefix of a header's variable.
const HTTP: &[u8] = b"HTTP_";
/// Bytes of the longest name on the wire that is known, rounded up to whole words.
const WIRE_BYTES: usize = 32;
/// Turns ASCII letters to lower case and leaves `-` and digits alone. Bytes below 0x21 must be kept away: it
/// would turn some of them into letters.
const FOLD: u8 = 0x20;
const FOLD_WORD: u64 = u64::from_le_bytes([FOLD; 8]);
const NONE: u8 = u8::MAX;
const SLOT_BITS: u32 = 9;

struct Table {
    multiplier: u64,
    slots: [u8; 1 << SLOT_BITS],
}

static HEADERS: Table = table(true);
static VARIABLES: Table = table(false);
/// Names on the wire in lower case, padded with zeros; empty for variables that are no headers.
static WIRE: [[u8; WIRE_BYTES]; Known::COUNT] = wire_names();

/// The variable of a header by its name on the wire, in any case. `name` has no byte below 0x21.
pub(crate) fn header(name: &[u8]) -> Option<Known> {
    let known = HEADERS.candidate(name, FOLD)?;
    let wire = &WIRE[known as usize];
    let len = wire_len(known);
    (len == name.len() && same(&wire[..len], name, FOLD_WORD)).then_some(known)
}

/// A variable by its CGI name.
pub(crate) fn variable(name: &[u8]) -> Option<Known> {
    let known = VARIABLES.candidate(name, 0)?;
    let text = known.as_str().as_bytes();
    (text.len() == name.len() && same(text, name, 0)).then_some(known)
}

impl Table {
    fn candidate(&self, name: &[u8], fold: u8) -> Option<Known> {
        if name.is_empty() {
            return None;
        }
        let slot = slot(features(name, fold), self.multiplier);
        Known::ALL.get(usize::from(self.slots[slot])).copied()
    }
}

/// What tells the names apart: length, first, middle and the last two bytes.
const fn features(name: &[u8], fold: u8) -> u64 {
    let len = name.len();
    let first = name[0] | fold;
    let middle = name[len / 2] | fold;
    let before_last = name[len.saturating_sub(2)] | fold;
    let last = name[len - 1] | fold;
    u64::from_le_bytes([len as u8, first, middle, before_last, last, 0, 0, 0])
}

const fn slot(features: u64, multiplier: u64) -> usize {
    (features.wrapping_mul(multiplier) >> (u64::BITS - SLOT_BITS)) as usize
}

/// `wire` is folded already. Words overlap at the end, so there is no rest to look at byte by byte.
fn same(wire: &[u8], name: &[u8], fold: u64) -> bool {
    let len = wire.len().min(name.len());
    if len < 8 {
        return wire.iter().zip(name).all(|(known, byte)| *known == byte | (fold as u8));
    }
    let word = |bytes: &[u8], at: usize| {
        bytes[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
    };
    let equal = |at: usize| word(wire, at) == word(name, at) | fold;
    let mut at = 0;
    while at + 8 < len {
        if !equal(at) {
            return false;
        }
        at += 8;
    }
    equal(len - 8)
}

/// Length of a known header's name on the wire; 0 for other variables.
fn wire_len(known: Known) -> usize {
    let name = known.as_str().as_bytes();
    match known {
        Known::ContentType | Known::ContentLength => name.len(),
        _ if is_header(name) => name.len() - HTTP.len(),
        _ => 0,
    }
}

const fn is_header(name: &[u8]) -> bool {
    matches!(name, [b'H', b'T', b'T', b'P', b'_', _, ..])
}

const fn wire_names() -> [[u8; WIRE_BYTES]; Known::COUNT] {
    let mut names = [[0; WIRE_BYTES]; Known::COUNT];
    let mut at = 0;
    while at < Known::COUNT {
        let name = Known::ALL[at].as_str().as_bytes();
        // RFC 3875, 4.1: these two have no prefix.
        let bare = matches!(Known::ALL[at], Known::ContentType | Known::ContentLength);
        if bare || is_header(name) {
            let skip = if bare { 0 } else { HTTP.len() };
            let mut to = 0;
            while skip + to < name.len() {
                let byte = name[skip + to];
                names[at][to] = if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
                to += 1;
            }
        }
        at += 1;
    }
    names
}

const fn table(headers: bool) -> Table {
    let wire = wire_names();
    let mut multiplier: u64 = 0x9e37_79b9_7f4a_7c15; // any odd number; the golden ratio spreads well
    let mut tries = 0;
    while tries < 1000 {
        if let Some(slots) = fill(headers, &wire, multiplier) {
            return Table { multiplier, slots };
        }
        multiplier = multiplier.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(2);
        tries += 1;
    }
    panic!(
        "two known names have the same length and the same bytes in all places that are looked at"
    );
}

/// `None` where two names share a slot.
const fn fill(
    headers: bool,
    wire: &[[u8; WIRE_BYTES]; Known::COUNT],
    multiplier: u64,
) -> Option<[u8; 1 << SLOT_BITS]> {
    let mut slots = [NONE; 1 << SLOT_BITS];
    let mut at = 0;
    while at < Known::COUNT {
        let mut name = Known::ALL[at].as_str().as_bytes();
        if headers {
            let mut len = 0;
            while len < WIRE_BYTES && wire[at][len] != 0 {
                len += 1;
            }
            (name, _) = wire[at].split_at(len);
        }
        if !name.is_empty() {
            let slot = slot(features(name, 0), multiplier);
            if slots[slot] != NONE {
                return None;
            }
            slots[slot] = at as u8;
        }
        at += 1;
    }
    Some(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_both_forms() {
        for known in Known::ALL {
            let name = known.as_str();
            assert_eq!(variable(name.as_bytes()), Some(*known));
            if let Some(tail) = name.strip_prefix("HTTP_") {
                let wire = tail.replace('_', "-");
                assert_eq!(header(wire.as_bytes()), Some(*known), "{wire}");
                assert_eq!(header(wire.to_lowercase().as_bytes()), Some(*known), "{wire}");
                assert_eq!(header(tail.as_bytes()) == Some(*known), !tail.contains('_'), "{tail}");
            }
        }
        assert_eq!(header(b"Content-Type"), Some(Known::ContentType));
        assert_eq!(header(b"content-LENGTH"), Some(Known::ContentLength));
    }

    #[test]
    fn other_names_are_not_known() {
        for name in [&b""[..], b"x", b"x-unknown", b"http_host", b"server-name", b"content_type"] {
            assert_eq!(header(name), None);
            assert_eq!(variable(name), None, "CGI names are case-sensitive");
        }
    }

    #[test]
    fn a_name_that_differs_in_one_byte_is_another_name() {
        for known in Known::ALL {
            let name = known.as_str().as_bytes();
            for at in 0..name.len() {
                let mut other = name.to_vec();
                other[at] ^= 1;
                assert_ne!(variable(&other), Some(*known));
                let wire = &WIRE[*known as usize][..wire_len(*known)];
                if let Some(byte) = wire.get(at) {
                    let mut other = wire.to_vec();
                    other[at] = byte ^ 1;
                    assert_ne!(header(&other), Some(*known));
                }
            }
        }
    }
}
