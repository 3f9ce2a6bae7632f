//! Which bytes may stand where (RFC 9110, 5.5 and 5.6.2; RFC 9112, 3.2).

use super::scan;

/// For each byte of a token what it becomes in a CGI name (RFC 3875, 4.1.18): upper case, `_` for `-`. 0 for bytes
/// that no token has.
static CGI: [u8; 256] = cgi_bytes();

const fn cgi_bytes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < table.len() {
        let byte = at as u8;
        table[at] = match byte {
            b'-' => b'_',
            b'a'..=b'z' => byte.to_ascii_uppercase(),
            b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'.' => byte,
            b'^'..=b'`' | b'|' | b'~' => byte,
            _ => 0,
        };
        at += 1;
    }
    table
}

static HOST: [bool; 256] = host_bytes();

const fn host_bytes() -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < table.len() {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b'-' | b';' | b'=' | b'%');
        at += 1;
    }
    table
}

/// A byte of a registered name or an IPv4 address (RFC 3986, 3.2.2).
pub(super) fn is_host_byte(byte: u8) -> bool {
    HOST[usize::from(byte)]
}

/// What a byte of a token becomes in a CGI name; 0 for a byte that no token has.
pub(super) fn cgi_byte(byte: u8) -> u8 {
    CGI[usize::from(byte)]
}

/// A byte of a token.
pub(super) fn is_token_byte(byte: u8) -> bool {
    cgi_byte(byte) != 0
}

/// A non-empty token, as the name of a header is (RFC 9110, 5.6.2).
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

/// No control character but TAB, and no DEL, as in the value of a header (RFC 9110, 5.5).
pub fn is_value(bytes: &[u8]) -> bool {
    scan::value_end(bytes, 0).is_none()
}

/// A blank that may surround a value.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Without blanks at both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The elements of a list, without the blanks around them; empty ones included (RFC 9110, 5.6.1).
pub fn list(value: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
    value.split(|byte| *byte == b',').map(trim)
}

/// A decimal number of digits only that fits into 63 bits.
pub fn decimal(bytes: &[u8]) -> Option<u64> {
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
    fn tokens_are_what_the_specification_lists() {
        let symbols = b"!#$%&'*+-.^_`|~";
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || symbols.contains(&byte);
            assert_eq!(is_token_byte(byte), expected, "{byte:#x}");
        }
        assert!(!is_token(b""));
    }

    #[test]
    fn host_bytes_are_what_the_specification_lists() {
        let symbols = b"._~!$&'()*+,;=%-";
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || symbols.contains(&byte);
            assert_eq!(is_host_byte(byte), expected, "{byte:#x}");
        }
    }

    #[test]
    fn numbers_end_at_63_bits() {
        assert_eq!(decimal(b"9223372036854775807"), Some(i64::MAX as u64));
        for bad in ["9223372036854775808", "18446744073709551617", "", "+1", "1 ", "0x1", "1_0"] {
            assert_eq!(decimal(bad.as_bytes()), None, "{bad}");
        }
    }
}
