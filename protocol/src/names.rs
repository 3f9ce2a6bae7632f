//! From the bytes of a name to its [`Known`] variable, without an allocation.

use crate::Known;

const SLOTS: usize = 256;
const NONE: u8 = u8::MAX;

/// The form in which header names and CGI names agree: upper case, `_` for `-`.
const fn fold(byte: u8) -> u8 {
    match byte {
        b'-' => b'_',
        _ => byte.to_ascii_uppercase(),
    }
}

/// Length, first, middle and last byte tell the known names apart well enough.
const fn hash(name: &[u8]) -> usize {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    let mix = len * 31 + fold(name[0]) as usize * 5 + fold(name[len / 2]) as usize * 17 + fold(name[len - 1]) as usize * 3;
    mix % SLOTS
}

/// Open addressing over all known names, `skip` bytes left out at their start.
const fn table(skip: usize) -> [u8; SLOTS] {
    let mut slots = [NONE; SLOTS];
    let mut at = 0;
    while at < Known::COUNT {
        let name = Known::ALL[at].as_str().as_bytes();
        if skip == 0 || is_header(name) {
            let (_, tail) = name.split_at(skip);
            let mut slot = hash(tail);
            while slots[slot] != NONE {
                slot = (slot + 1) % SLOTS;
            }
            slots[slot] = at as u8;
        }
        at += 1;
    }
    slots
}

const fn is_header(name: &[u8]) -> bool {
    name.len() > PREFIX && name[0] == b'H' && name[1] == b'T' && name[2] == b'T' && name[3] == b'P' && name[4] == b'_'
}

const PREFIX: usize = "HTTP_".len();
static HEADERS: [u8; SLOTS] = table(PREFIX);
static VARIABLES: [u8; SLOTS] = table(0);

/// How a header is mostly spelled on the wire (`User-Agent`), so that one comparison of memory mostly does.
static SPELLED: [[u8; SPELLED_BYTES]; Known::COUNT] = spelled();
const SPELLED_BYTES: usize = 32;

const fn spelled() -> [[u8; SPELLED_BYTES]; Known::COUNT] {
    let mut table = [[0; SPELLED_BYTES]; Known::COUNT];
    let mut at = 0;
    while at < Known::COUNT {
        let name = Known::ALL[at].as_str().as_bytes();
        let mut from = PREFIX;
        while is_header(name) && from < name.len() {
            let begins_word = from == PREFIX || name[from - 1] == b'_';
            table[at][from - PREFIX] = match name[from] {
                b'_' => b'-',
                letter if begins_word => letter,
                letter => letter.to_ascii_lowercase(),
            };
            from += 1;
        }
        at += 1;
    }
    table
}

/// The variable of a header, by its name on the wire (any case); `CONTENT_TYPE` and `CONTENT_LENGTH` are not among them.
pub(crate) fn header(name: &[u8]) -> Option<Known> {
    let mut slot = hash(name);
    while HEADERS[slot] != NONE {
        let at = HEADERS[slot] as usize;
        let known = Known::ALL[at];
        if known.as_str().len() == name.len() + PREFIX {
            let spelled = &SPELLED[at][..name.len()];
            if spelled == name || spelled.eq_ignore_ascii_case(name) {
                return Some(known);
            }
        }
        slot = (slot + 1) % SLOTS;
    }
    None
}

/// A variable by its CGI name.
pub(crate) fn variable(name: &[u8]) -> Option<Known> {
    let mut slot = hash(name);
    while VARIABLES[slot] != NONE {
        let known = Known::ALL[VARIABLES[slot] as usize];
        if known.as_str().as_bytes() == name {
            return Some(known);
        }
        slot = (slot + 1) % SLOTS;
    }
    None
}

/// Appends the CGI name of an unknown header.
pub(crate) fn write_cgi_name(name: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP_");
    out.extend(name.iter().map(|byte| fold(*byte)));
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
                let wire = tail.replace('_', "-").to_lowercase();
                assert_eq!(header(wire.as_bytes()), Some(*known), "{wire}");
            }
        }
        assert_eq!(header(b"x-unknown"), None);
        assert_eq!(variable(b""), None);
        assert_eq!(variable(b"http_host"), None, "CGI names are case-sensitive");
    }
}
