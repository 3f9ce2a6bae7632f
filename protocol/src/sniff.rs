//! Which protocol a connection speaks, by its first bytes.
//!
//! The rules in their order; the first that holds decides, and none decides before a later byte could change it.
//!
//! | first bytes | it is | what else they could be, and why they are not |
//! |---|---|---|
//! | `0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a` | PROXY, version 2 | an HTTP request has at most one empty line before it |
//! | `PROXY ` | PROXY, version 1 | a method of HTTP that nobody has |
//! | `00` | uwsgi for Python | nothing |
//! | `01` | FastCGI | uwsgi with modifier 1, which nobody has |
//! | `16 03` | nothing: a client that wants TLS | uwsgi with modifier 22, which ran code from the network and is gone |
//! | a zero among the second to the fourth byte | uwsgi: size below 256, or second modifier 0 | texts have none there |
//! | 1 to 10 digits, then `:` | SCGI | uwsgi with modifier 48 to 57, which nobody has |
//! | a zero as the sixth byte | uwsgi: the first name of the block is below 256 bytes | texts have none there |
//! | a token, then a blank, perhaps after one line end | HTTP | uwsgi with a letter as modifier (`G` is 71), a block of 8 KiB or more that begins with a name as long, and a second modifier |
//! | anything else | nothing | |
//!
//! So uwsgi's services whose modifiers are letters (ping is `d`, echo `e`, signals `n`, the cache `o`) are told from methods.

use crate::http1::is_token;

/// Bytes that are enough to tell.
pub const BYTES_MAX: usize = 16;

const PROXY_V1: &[u8] = b"PROXY ";
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Digits of an SCGI netstring's length at most.
const DIGITS_MAX: usize = 10;

/// What the first bytes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// More bytes are needed.
    More,
    /// HTTP/1.
    Http,
    /// The uwsgi protocol.
    Uwsgi,
    /// FastCGI.
    FastCgi,
    /// SCGI.
    Scgi,
    /// A header of the PROXY protocol.
    Proxy,
    /// Nothing that is known here.
    Unknown,
}

/// Looks at the first bytes of a connection.
pub fn recognize(input: &[u8]) -> Guess {
    // What is further back must not change what was told before it came.
    let input = &input[..input.len().min(BYTES_MAX)];
    for header in [PROXY_V1, PROXY_V2] {
        if input.starts_with(header) {
            return Guess::Proxy;
        }
        // `P` may begin POST, a line end an HTTP request.
        if header.starts_with(input) {
            return Guess::More;
        }
    }
    match *input {
        [0, ..] => Guess::Uwsgi,
        [1, ..] => Guess::FastCgi,
        [0x16, 0x03, ..] => Guess::Unknown,
        [_, second, third, fourth, ..] if [second, third, fourth].contains(&0) => Guess::Uwsgi,
        [_, _, _, _, ..] => text_or_uwsgi(input),
        _ => Guess::More,
    }
}

/// The first four bytes have no zero.
fn text_or_uwsgi(input: &[u8]) -> Guess {
    let digits = input.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match input.get(digits) {
        Some(b':') if (1..=DIGITS_MAX).contains(&digits) => return Guess::Scgi,
        None if digits <= DIGITS_MAX => return Guess::More,
        _ => {}
    }
    match input.get(5) {
        None => Guess::More,
        Some(0) => Guess::Uwsgi,
        Some(_) => http(input),
    }
}

/// One empty line may precede a request (RFC 9112, 2.2).
fn http(input: &[u8]) -> Guess {
    let line = input.strip_prefix(b"\r\n").unwrap_or(input);
    let (first, rest) = match line.iter().position(|byte| !is_token(&[*byte])) {
        Some(end) => line.split_at(end),
        None => (line, &b""[..]),
    };
    match (first, rest) {
        ([], _) => Guess::Unknown,
        (_, [b' ', ..]) => Guess::Http,
        (_, [_, ..]) => Guess::Unknown,
        (_, []) if input.len() < BYTES_MAX => Guess::More,
        // A method as long as nobody has: the codec says so.
        (_, []) => Guess::Http,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_from_packets_with_the_same_first_byte() {
        let cases: [(&[u8], Guess); 22] = [
            (b"GET / HTTP/1.1\r\n", Guess::Http),
            (b"\r\nGET / HTTP/1.1\r\n", Guess::Http),
            (b"x / HTTP/1.1\r\n", Guess::Http),
            (b"M-SEARCH-AND-MORE-OF-IT", Guess::Http),
            (b"G\x05\0\0\x01\0A\0\0", Guess::Uwsgi),
            (b"G \x01\0\x01\0A", Guess::Uwsgi),
            (b"GET \x0e\0REQUEST_METHOD", Guess::Uwsgi),
            (b"d\0\0\0", Guess::Uwsgi),
            (b"o \0\0key", Guess::Uwsgi),
            (b"e\x05\0\0hello", Guess::Uwsgi),
            (b"70:CONTENT_LENGTH\x00", Guess::Scgi),
            (b"70:A\0b\0", Guess::Scgi),
            (b"7:\0\0\x01\0A", Guess::Uwsgi),
            (b"1234567890:A", Guess::Scgi),
            (b"12345678901:A\0b\0", Guess::Unknown),
            (b"\r\n\r\n\0\r\nQUIT\n", Guess::Proxy),
            (b"\r\n\r\n\0\r\nQUIT ", Guess::Unknown),
            (b"\r\n\r\nGET / HTTP/1.1\r\n", Guess::Unknown),
            (b"\r\x0a\0\0\x01\0A\x05\0", Guess::Uwsgi),
            (b"PROXY TCP4", Guess::Proxy),
            (b"PROXIES / HTTP/1.1", Guess::Http),
            (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", Guess::Unknown),
        ];
        for (input, want) in cases {
            assert_eq!(recognize(input), want, "{input:?}");
        }
    }

    #[test]
    fn digits_without_end_are_nothing() {
        assert_eq!(recognize(b"1234567890"), Guess::More);
        assert_ne!(recognize(b"1234567890123456"), Guess::More);
        assert_eq!(recognize(&[b'\xff'; BYTES_MAX]), Guess::Unknown);
    }
}
