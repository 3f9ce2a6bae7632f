//! Addresses of sockets as users write them (reference 8.1).
//!
//! Where uWSGI wraps a port around, resolves nonsense to 255.255.255.255 or takes a path with a colon for a
//! host, this is an error or the path that was meant. Parsing opens and resolves nothing.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::RawFd;

/// uWSGI's limit of a unix socket's name, a few bytes below the kernel's.
pub const UNIX_NAME_BYTES_MAX: usize = 102;
/// uWSGI has shared sockets 0 to 9.
const SHARED_MAX: u32 = 9;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP; port 0 lets the kernel choose.
    Tcp(Host, u16),
    /// A unix socket's path, as bytes.
    Unix(Vec<u8>),
    /// A unix socket without a file (Linux), its name without the leading zero.
    Abstract(Vec<u8>),
    /// A descriptor that was opened by whoever started the server.
    Fd(RawFd),
    /// A shared socket by its number.
    Shared(u32),
    /// A unix socket without a file, with a name that the kernel chooses. No text means it.
    Private,
}

/// The host part of a TCP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// IPv4; nothing before the colon is 0.0.0.0.
    V4(Ipv4Addr),
    /// IPv6 with its scope (`%eth0`).
    V6(Ipv6Addr, Option<String>),
    /// A name to resolve.
    Name(String),
    /// The first local IPv4 address that begins like this (`10.*`).
    Wildcard(String),
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing, or blanks.
    #[error("the address is empty; accepted: {ACCEPTED}")]
    Empty,
    /// A zero byte.
    #[error("the address holds a zero byte")]
    NulInAddress,
    /// `=` without a number.
    #[error("after = stands the number of a shared socket, 0 to 9")]
    BadSharedIndex,
    /// `=10` and above.
    #[error("there are no more than ten shared sockets, 0 to 9")]
    NoSuchSharedSocket,
    /// `fd://` without a number.
    #[error("after fd:// stands the number of an open descriptor")]
    BadFd,
    /// Not a number, or too many digits.
    #[error("the port after the last colon is no number; accepted: {ACCEPTED}")]
    BadPort,
    /// 65536 and above.
    #[error("the port is larger than 65535")]
    PortOutOfRange,
    /// Looks like IPv4 and is not.
    #[error(
        "the host is no IPv4 address; accepted: four numbers from 0 to 255 without leading zeros"
    )]
    BadIpv4,
    /// Not IPv6 between brackets.
    #[error("between the brackets stands no IPv6 address")]
    BadIpv6,
    /// No name of a host either.
    #[error("the host is neither an address nor a name; IPv6 needs brackets; accepted: {ACCEPTED}")]
    BadHost,
    /// A star that is not at the end of the beginning of an IPv4 address.
    #[error("a * stands for the end of an IPv4 address only (10.*:8080)")]
    BadWildcard,
    /// `@` alone.
    #[error("the abstract socket has no name")]
    EmptyUnixName,
    /// Longer than [`UNIX_NAME_BYTES_MAX`].
    #[error("invalid socket name: longer than 102 bytes")]
    UnixPathTooLong,
}

const ACCEPTED: &str = ":PORT, HOST:PORT, [IPV6]:PORT, a path, @ABSTRACT, fd://N";

/// Reads an address.
///
/// # Errors
/// The first rule that it breaks.
pub fn parse(text: &[u8]) -> Result<Address, AddressError> {
    let text = text.trim_ascii_start();
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if text.contains(&0) {
        return Err(AddressError::NulInAddress);
    }
    if let Some(number) = text.strip_prefix(b"=") {
        return shared(number);
    }
    if let Some(number) = text.strip_prefix(b"fd://") {
        return digits(number)
            .and_then(|fd| fd.parse().ok())
            .map(Address::Fd)
            .ok_or(AddressError::BadFd);
    }
    if let Some(name) = text.strip_prefix(b"@").or_else(|| text.strip_prefix(b"\\0")) {
        return abstract_name(name);
    }
    let is_path = text.starts_with(b"/") || text.starts_with(b"./") || text.starts_with(b"../");
    match text.iter().rposition(|&byte| byte == b':') {
        Some(colon) if !is_path => {
            let port = port(&text[colon + 1..])?;
            Ok(Address::Tcp(host(&text[..colon])?, port))
        }
        _ if text.len() > UNIX_NAME_BYTES_MAX => Err(AddressError::UnixPathTooLong),
        _ => Ok(Address::Unix(text.to_vec())),
    }
}

/// The text where it is one or more digits.
fn digits(text: &[u8]) -> Option<&str> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()).flatten()
}

fn shared(number: &[u8]) -> Result<Address, AddressError> {
    let number: u32 = digits(number)
        .and_then(|digits| digits.parse().ok())
        .ok_or(AddressError::BadSharedIndex)?;
    if number > SHARED_MAX {
        Err(AddressError::NoSuchSharedSocket)
    } else {
        Ok(Address::Shared(number))
    }
}

fn abstract_name(name: &[u8]) -> Result<Address, AddressError> {
    match name.len() {
        0 => Err(AddressError::EmptyUnixName),
        length if length >= UNIX_NAME_BYTES_MAX => Err(AddressError::UnixPathTooLong),
        _ => Ok(Address::Abstract(name.to_vec())),
    }
}

/// Nothing is port 0; more than five digits are no port at all.
fn port(text: &[u8]) -> Result<u16, AddressError> {
    if text.is_empty() {
        return Ok(0);
    }
    let digits = digits(text).filter(|digits| digits.len() <= 5).ok_or(AddressError::BadPort)?;
    digits.parse().map_err(|_| AddressError::PortOutOfRange)
}

fn host(text: &[u8]) -> Result<Host, AddressError> {
    let text = std::str::from_utf8(text).map_err(|_| AddressError::BadHost)?;
    if text.is_empty() {
        return Ok(Host::V4(Ipv4Addr::UNSPECIFIED));
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return ipv6(inner);
    }
    if text.contains('*') {
        return wildcard(text);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return text.parse().map(Host::V4).map_err(|_| AddressError::BadIpv4);
    }
    if is_name(text) { Ok(Host::Name(text.to_owned())) } else { Err(AddressError::BadHost) }
}

fn ipv6(inner: &str) -> Result<Host, AddressError> {
    let (address, scope) = match inner.split_once('%') {
        Some((_, "")) => return Err(AddressError::BadIpv6),
        Some((address, scope)) => (address, Some(scope.to_owned())),
        None => (inner, None),
    };
    address.parse().map(|address| Host::V6(address, scope)).map_err(|_| AddressError::BadIpv6)
}

/// Digits and dots, then one star.
fn wildcard(text: &str) -> Result<Host, AddressError> {
    let prefix = text.strip_suffix('*').ok_or(AddressError::BadWildcard)?;
    let legal = prefix.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if legal { Ok(Host::Wildcard(prefix.to_owned())) } else { Err(AddressError::BadWildcard) }
}

/// Letters, digits and inner dashes in labels of at most 63 (RFC 1123, 2.1).
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

impl fmt::Display for Host {
    /// As users write it; 0.0.0.0 is nothing, as uWSGI shows `:9090`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(address, None) => write!(f, "[{address}]"),
            Self::V6(address, Some(scope)) => write!(f, "[{address}%{scope}]"),
            Self::Name(name) => f.write_str(name),
            Self::Wildcard(prefix) => write!(f, "{prefix}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // `tests/socket_vectors.rs` reads the recorded addresses.
    #[test]
    fn paths_may_hold_colons() {
        for path in ["/tmp/a:1", "./a:1", "../a:1"] {
            assert_eq!(parse(path.as_bytes()), Ok(Address::Unix(path.into())));
        }
    }
}
