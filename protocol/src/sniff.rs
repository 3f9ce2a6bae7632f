//! Which protocol a connection speaks, by its first bytes.
//!
//! | first bytes | it is | what else it could be |
//! |---|---|---|
//! | `0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a` | PROXY, version 2 | an empty line before an HTTP request, for the first two bytes |
//! | `PROXY ` | PROXY, version 1 | a method of HTTP, which nobody has |
//! | `01 01`, `01 09`, .. with the rest of a record's header | FastCGI | uwsgi with modifier 1, which nobody has |
//! | digits, then `:` | SCGI | uwsgi with a modifier from 48 to 57, where the size has the high byte 48 to 58: 12 KiB and more |
//! | a token, then a blank | HTTP | uwsgi with a modifier that is a letter, see below |
//! | anything else | uwsgi | |
//!
//! A uwsgi packet with a modifier from 33 to 126 that is also a letter of HTTP's tokens is told from HTTP by its second
//! modifier and its first pair: a block has a length there, with a zero byte. Names are below 256 bytes, so the sixth byte
//! of a packet is 0, and no token of HTTP or number of SCGI has a zero byte within its first six bytes.

/// Bytes that are enough to tell.
pub const BYTES_MAX: usize = 16;

const PROXY_V1: &[u8] = b"PROXY ";
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

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
    let Some(&first) = input.first() else { return Guess::More };
    if starts(input, PROXY_V1) || starts(input, PROXY_V2) {
        let whole = input.len() >= PROXY_V1.len() && input.starts_with(PROXY_V1)
            || input.starts_with(PROXY_V2);
        if whole {
            return Guess::Proxy;
        }
        // `P` may begin POST, a line end an HTTP request.
        return Guess::More;
    }
    match first {
        b'\r' => http_after_line_end(input),
        0 => uwsgi(input),
        1 => fastcgi_or_uwsgi(input),
        b'0'..=b'9' => scgi_or_other(input),
        _ if is_token_byte(first) => http_or_uwsgi(input),
        _ => uwsgi(input),
    }
}

/// Whether one of them begins with the other.
fn starts(input: &[u8], known: &[u8]) -> bool {
    input.iter().zip(known).all(|(one, other)| one == other)
}

/// One empty line may precede a request (RFC 9112, 2.2).
fn http_after_line_end(input: &[u8]) -> Guess {
    match input {
        [_] | [_, b'\n'] => Guess::More,
        [_, b'\n', next, ..] if is_token_byte(*next) => Guess::Http,
        _ => uwsgi(input),
    }
}

/// The length of the first name is below 256 and not 0, or the block is empty.
fn uwsgi(input: &[u8]) -> Guess {
    match *input {
        [_, 0, 0, _, ..] => Guess::Uwsgi,
        [_, _, _, _, name, 0, ..] if name > 0 => Guess::Uwsgi,
        [_, _, _, _, _, _, ..] => Guess::Unknown,
        _ => Guess::More,
    }
}

/// A record's header, of a type that begins a conversation, and with a reserved byte of 0.
fn fastcgi_or_uwsgi(input: &[u8]) -> Guess {
    match *input {
        [_, 1, _, _, 0, 8, ..] => Guess::FastCgi,
        [_, 9, 0, 0, _, _, ..] => Guess::FastCgi,
        [_, _, _, _, _, _, ..] => uwsgi(input),
        _ => Guess::More,
    }
}

fn scgi_or_other(input: &[u8]) -> Guess {
    let digits = input.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match input.get(digits) {
        None => Guess::More,
        Some(b':') => Guess::Scgi,
        Some(_) => http_or_uwsgi(input),
    }
}

/// Six bytes are enough: see the module.
fn http_or_uwsgi(input: &[u8]) -> Guess {
    let token = input.iter().take_while(|byte| is_token_byte(**byte)).count();
    match input.get(token) {
        Some(b' ') => Guess::Http,
        None if token < BYTES_MAX => Guess::More,
        // A long method, or no request at all: the codec says so.
        None => Guess::Http,
        Some(_) if token >= 6 => Guess::Http,
        Some(_) => uwsgi(input),
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
