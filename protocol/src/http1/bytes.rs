//! Which bytes may stand where (RFC 9110, 5.5 and 5.6.2; RFC 9112, 3.2).

const TOKEN: u8 = 1;
const TARGET: u8 = 2;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        if byte.is_ascii_alphanumeric() || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~') {
            table[at] |= TOKEN;
        }
        if byte > 0x20 && byte != 0x7f {
            table[at] |= TARGET;
        }
        at += 1;
    }
    table
}

/// A non-empty token.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| CLASS[*byte as usize] & TOKEN != 0)
}

/// A byte of a token.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    CLASS[byte as usize] & TOKEN != 0
}

/// No control character, space or DEL; bytes from 0x80 are tolerated.
pub(crate) fn is_target_byte(byte: u8) -> bool {
    CLASS[byte as usize] & TARGET != 0
}

/// No control character but TAB, and no DEL. Eight bytes at a time: this looks at every byte of every request.
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
        if has_control(word) && !is_value_slow(&word.to_le_bytes()) {
            return false;
        }
    }
    is_value_slow(words.remainder())
}

/// Whether some byte may be below 0x20 or 0x7f (the bit trick sees each such byte, and no other below 0x80).
const fn has_control(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
    let is_del = word ^ (ONES * 0x7f);
    let del = is_del.wrapping_sub(ONES) & !is_del & HIGH;
    (below_space | del) != 0
}

fn is_value_slow(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f))
}

/// Without spaces and tabs at both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// A decimal number of digits only that fits into 63 bits.
pub(crate) fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit).filter(|sum| *sum <= i64::MAX as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_test_agrees_with_the_slow_one_at_every_place() {
        for byte in 0..=255u8 {
            for at in 0..9 {
                let mut bytes = [b'a'; 9];
                bytes[at] = byte;
                assert_eq!(is_value(&bytes), is_value_slow(&bytes), "{byte:#x} at {at}");
            }
        }
    }
}
