//! From the bytes of a name to its [`Known`] variable: two words, one multiplication, one table.
//!
//! The tables are perfect hashes: the compiler tries multipliers until no two names share a slot, so a new
//! [`Known`] needs no care here (and a pair of names that cannot be told apart does not compile).

use crate::Known;

/// The prefix of a header's variable.
const HTTP: &[u8] = b"HTTP_";
/// Room for the longest name.
const NAME_BYTES_MAX: usize = 40;
/// Turns ASCII letters to lower case and leaves `-` and digits alone. Bytes below 0x21 must be kept away: it
/// would turn some of them into letters.
const FOLD: u8 = 0x20;
const NONE: u8 = u8::MAX;
const SLOT_BITS: u32 = 9;

static HEADERS: Table = table(true);
static VARIABLES: Table = table(false);

/// The variable of a header by its name on the wire, in any case. `name` has no byte below 0x21.
#[inline]
pub(crate) fn header(name: &[u8]) -> Option<Known> {
    HEADERS.find(name, FOLD)
}

/// A variable by its CGI name.
#[inline]
pub(crate) fn variable(name: &[u8]) -> Option<Known> {
    VARIABLES.find(name, 0)
}

/// Names as they are looked for: CGI names, or names on the wire in lower case.
struct Table {
    multiplier: u64,
    slots: [u8; 1 << SLOT_BITS],
    names: [Text; Known::COUNT],
}

/// A name; empty for a variable that is no header, in the table of headers.
#[derive(Clone, Copy)]
struct Text {
    ends: Ends,
    bytes: [u8; NAME_BYTES_MAX],
}

/// Length, first and last bytes of a name. They are all of it up to 16 bytes, and tell longer known ones apart.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ends {
    len: usize,
    first: u64,
    last: u64,
}

impl Ends {
    /// `fold` is set in every byte.
    #[inline(always)]
    const fn of(name: &[u8], fold: u8) -> Self {
        let len = name.len();
        let (first, last) =
            if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
                let fold = u64::from_le_bytes([fold; 8]);
                (u64::from_le_bytes(*first) | fold, u64::from_le_bytes(*last) | fold)
            } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
                let fold = u32::from_le_bytes([fold; 4]);
                let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
                ((first | fold) as u64, (last | fold) as u64)
            } else if len > 0 {
                (
                    (name[0] | fold) as u64,
                    (name[len / 2] | fold) as u64 | ((name[len - 1] | fold) as u64) << 8,
                )
            } else {
                (0, 0)
            };
        Self { len, first, last }
    }

    #[inline(always)]
    const fn slot(&self, multiplier: u64) -> usize {
        let mixed = (self.first ^ self.last.rotate_left(29)).wrapping_add(self.len as u64);
        (mixed.wrapping_mul(multiplier) >> (u64::BITS - SLOT_BITS)) as usize
    }
}

impl Table {
    #[inline(always)]
    fn find(&self, name: &[u8], fold: u8) -> Option<Known> {
        let ends = Ends::of(name, fold);
        let known = *Known::ALL.get(usize::from(self.slots[ends.slot(self.multiplier)]))?;
        let text = &self.names[known as usize];
        if text.ends != ends {
            return None;
        }
        if ends.len > 16 {
            // What lies between the two words.
            let between = 8..ends.len - 8;
            let bytes = text.bytes.get(between.clone())?.iter().zip(&name[between]);
            if !{ bytes }.all(|(text, byte)| *text == byte | fold) {
                return None;
            }
        }
        Some(known)
    }
}

const fn table(headers: bool) -> Table {
    let names = names(headers);
    let mut multiplier: u64 = 0x9e37_79b9_7f4a_7c15; // any odd number; the golden ratio spreads well
    let mut tries = 0;
    while tries < 1000 {
        if let Some(slots) = fill(&names, multiplier) {
            return Table { multiplier, slots, names };
        }
        multiplier = multiplier.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(2);
        tries += 1;
    }
    panic!("two known names have the same length and the same first and last eight bytes")
}

const fn names(headers: bool) -> [Text; Known::COUNT] {
    let none = Text { ends: Ends::of(b"", 0), bytes: [0; NAME_BYTES_MAX] };
    let mut names = [none; Known::COUNT];
    let mut at = 0;
    while at < Known::COUNT {
        let name = Known::ALL[at].as_str().as_bytes();
        let (mut from, mut to) = (0, 0);
        if headers {
            from = match Known::ALL[at] {
                // RFC 3875, 4.1: these two have no prefix.
                Known::ContentType | Known::ContentLength => 0,
                _ if matches!(name, [b'H', b'T', b'T', b'P', b'_', _, ..]) => HTTP.len(),
                _ => name.len(),
            };
        }
        while from < name.len() {
            let byte = name[from];
            names[at].bytes[to] = match byte {
                _ if !headers => byte,
                b'_' => b'-',
                _ => byte.to_ascii_lowercase(),
            };
            (from, to) = (from + 1, to + 1);
        }
        names[at].ends = Ends::of(names[at].bytes.split_at(to).0, 0);
        at += 1;
    }
    names
}

/// `None` where two names share a slot.
const fn fill(names: &[Text; Known::COUNT], multiplier: u64) -> Option<[u8; 1 << SLOT_BITS]> {
    let mut slots = [NONE; 1 << SLOT_BITS];
    let mut at = 0;
    while at < Known::COUNT {
        if names[at].ends.len > 0 {
            let slot = names[at].ends.slot(multiplier);
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
                let wire = &HEADERS.names[*known as usize];
                let wire = &wire.bytes[..wire.ends.len];
                if let Some(byte) = wire.get(at) {
                    let mut other = wire.to_vec();
                    other[at] = byte ^ 1;
                    assert_ne!(header(&other), Some(*known));
                }
            }
        }
    }
}
