//! The PROXY protocol, versions 1 and 2: what a load balancer says of its client before the first byte of the connection.
//!
//! Everything is checked, and nothing is guessed: who is to send a header sends one, or is refused (reference 7.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::Reject;

/// Longest header of version 1 in bytes, with its line end.
const V1_BYTES_MAX: usize = 107;
const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of version 2 before the addresses.
const V2_HEAD_BYTES: usize = 16;
/// Largest header of version 2 in bytes that is waited for. Larger ones carry certificates and the like.
const V2_BYTES_MAX: usize = 4096;

const TLV_CRC32C: u8 = 0x03;
const TLV_SSL: u8 = 0x20;
/// In the first byte of its value: the client speaks TLS with the balancer.
const CLIENT_SSL: u8 = 0x01;
/// Its shortest value: flags, and the result of the certificate's verification.
const SSL_BYTES_MIN: usize = 5;

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its bytes: drop them.
    pub consumed: usize,
    /// The client's address and the one that it connected to; `None` where the connection is the balancer's own, or the
    /// client has no address: the real one counts.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
    /// The client speaks TLS with the balancer. Only version 2 can say so.
    pub tls: bool,
}

/// The header at the start of a connection's input; `Ok(None)` asks for more bytes.
///
/// # Errors
/// A [`Reject`] where it is none, or a broken one.
pub fn decode(input: &[u8]) -> Result<Option<Header>, Reject> {
    let begins = |known: &[u8]| input.iter().zip(known).all(|(one, other)| one == other);
    match input.first() {
        None => Ok(None),
        Some(b'P') if begins(V1) => version_1(input),
        Some(b'\r') if begins(V2) => version_2(input),
        Some(_) => Err(bad("no_proxy_header")),
    }
}

fn bad(reason: &'static str) -> Reject {
    Reject::new(400, reason)
}

fn version_1(input: &[u8]) -> Result<Option<Header>, Reject> {
    let line = &input[..input.len().min(V1_BYTES_MAX)];
    let Some(end) = memchr::memchr(b'\n', line) else {
        let whole = line.len() == V1_BYTES_MAX;
        return if whole { Err(bad("v1_too_long")) } else { Ok(None) };
    };
    let consumed = end + 1;
    let line = line[..end].strip_suffix(b"\r").ok_or(bad("v1_bad_line"))?;
    let rest = line.strip_prefix(V1).ok_or(bad("v1_bad_line"))?;
    if rest.contains(&b'\r') {
        return Err(bad("v1_bad_line"));
    }
    if rest == b"UNKNOWN" || rest.starts_with(b"UNKNOWN ") {
        return Ok(Some(Header { consumed, addresses: None, tls: false }));
    }
    let mut words = rest.split(|byte| *byte == b' ');
    let family = words.next().unwrap_or_default();
    if family != b"TCP4" && family != b"TCP6" {
        return Err(bad("v1_bad_family"));
    }
    let (Some(source), Some(target), Some(from), Some(to), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad("v1_bad_line"));
    };
    let address = |text| address(family, text).ok_or(bad("v1_bad_address"));
    let (source, target) = (address(source)?, address(target)?);
    let port = |text| port(text).ok_or(bad("v1_bad_port"));
    let (from, to) = (SocketAddr::new(source, port(from)?), SocketAddr::new(target, port(to)?));
    Ok(Some(Header { consumed, addresses: Some((from, to)), tls: false }))
}

/// An address of this family as the standard library reads it, which knows neither zones nor leading zeros here.
fn address(family: &[u8], text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    match family {
        b"TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        _ => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
    }
}

/// Digits without a leading zero.
fn port(text: &[u8]) -> Option<u16> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let zero = text.len() > 1 && text[0] == b'0';
    (digits && !zero).then(|| str::from_utf8(text).ok()?.parse().ok()).flatten()
}

fn version_2(input: &[u8]) -> Result<Option<Header>, Reject> {
    const LOCAL: u8 = 0;
    const PROXY: u8 = 1;
    let Some(&[.., kind, family, high, low]) = input.first_chunk::<V2_HEAD_BYTES>() else {
        return Ok(None);
    };
    if kind >> 4 != 2 {
        return Err(bad("v2_bad_version"));
    }
    let command = kind & 0x0f;
    if command != LOCAL && command != PROXY {
        return Err(bad("v2_bad_command"));
    }
    let local = command == LOCAL;
    if !local && (family >> 4 > 3 || family & 0x0f > 2) {
        return Err(bad("v2_bad_family"));
    }
    let consumed = V2_HEAD_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if consumed > V2_BYTES_MAX {
        return Err(bad("v2_too_long"));
    }
    let Some(header) = input.get(..consumed) else { return Ok(None) };
    let body = &header[V2_HEAD_BYTES..];
    let block = match family >> 4 {
        1 => 12,
        2 => 36,
        3 => 216,
        // Whatever it holds, it is to be ignored.
        _ => return Ok(Some(Header { consumed, addresses: None, tls: false })),
    };
    let (addresses, tls) = match body.split_at_checked(block) {
        _ if local => (None, false),
        None => return Err(bad("v2_short_address")),
        Some((addresses, tlvs)) => {
            let tls = read_tlvs(header, consumed - tlvs.len())?;
            // A datagram has no connection that could have been accepted here.
            (if family & 0x0f == 1 { pair(addresses) } else { None }, tls)
        }
    };
    Ok(Some(Header { consumed, addresses, tls }))
}

fn pair(block: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let port = |at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
    let v4 = |at: usize| IpAddr::from([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let v6 = |at: usize| {
        let bytes: Option<[u8; 16]> = block.get(at..at + 16)?.try_into().ok();
        bytes.map(IpAddr::from)
    };
    match block.len() {
        12 => Some((SocketAddr::new(v4(0), port(8)), SocketAddr::new(v4(4), port(10)))),
        36 => Some((SocketAddr::new(v6(0)?, port(32)), SocketAddr::new(v6(16)?, port(34)))),
        _ => None,
    }
}

/// Everything behind the addresses: nothing runs over the end, and a checksum is right. There is one at the most, for each
/// is over the whole header. True where the client speaks TLS.
fn read_tlvs(header: &[u8], mut at: usize) -> Result<bool, Reject> {
    let (mut checked, mut tls) = (false, false);
    while at < header.len() {
        let Some([kind, high, low]) = header[at..].first_chunk() else {
            return Err(bad("v2_truncated_tlv"));
        };
        let value = at + 3;
        let end = value + usize::from(u16::from_be_bytes([*high, *low]));
        let Some(bytes) = header.get(value..end) else { return Err(bad("v2_truncated_tlv")) };
        if *kind == TLV_CRC32C {
            let sum: [u8; 4] = bytes.try_into().map_err(|_| bad("v2_bad_crc32c"))?;
            if std::mem::replace(&mut checked, true) {
                return Err(bad("v2_repeated_crc32c"));
            }
            let zeroed = [&header[..value], &[0; 4], &header[end..]].concat();
            if crc32c(&zeroed) != u32::from_be_bytes(sum) {
                return Err(bad("v2_bad_crc32c"));
            }
        }
        if *kind == TLV_SSL {
            let flags = bytes.first().filter(|_| bytes.len() >= SSL_BYTES_MIN);
            tls |= *flags.ok_or(bad("v2_bad_ssl"))? & CLIENT_SSL != 0;
        }
        at = end;
    }
    Ok(tls)
}

/// Castagnoli's, bit by bit: it is once a connection, over a few hundred bytes at the most.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (POLYNOMIAL & 0_u32.wrapping_sub(sum & 1))
        })
    });
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// A header of version 2 with these TLVs.
    fn version_2_with(tlvs: &[u8]) -> Vec<u8> {
        let len = 12 + tlvs.len() as u8;
        [V2, &[0x21, 0x11, 0, len, 192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 3, 4], tlvs].concat()
    }

    #[test]
    fn the_client_speaks_tls_where_the_balancer_says_so() {
        let tls = |tlvs: &[u8]| decode(&version_2_with(tlvs)).map(|header| header.unwrap().tls);
        assert_eq!(tls(&[]), Ok(false));
        assert_eq!(tls(&[0x20, 0, 5, 1, 0, 0, 0, 0]), Ok(true));
        // A certificate of the client's (bit 1) is no connection.
        assert_eq!(tls(&[0x20, 0, 5, 6, 0, 0, 0, 0]), Ok(false));
        assert_eq!(tls(&[4, 0, 1, 0, 0x20, 0, 8, 7, 0, 0, 0, 0, 0x21, 0, 0]), Ok(true));
        assert_eq!(tls(&[0x20, 0, 4, 1, 0, 0, 0]), Err(bad("v2_bad_ssl")));
    }

    #[test]
    fn a_header_has_one_checksum() {
        let with = |sums: &[[u8; 4]]| {
            let tlvs: Vec<u8> =
                sums.iter().flat_map(|sum| [&[3, 0, 4], &sum[..]].concat()).collect();
            version_2_with(&tlvs)
        };
        let sum = crc32c(&with(&[[0; 4]])).to_be_bytes();
        assert!(matches!(decode(&with(&[sum])), Ok(Some(Header { addresses: Some(_), .. }))));
        // The first one is right, whatever the second one is.
        let second = *b"abcd";
        let first = crc32c(&with(&[[0; 4], second])).to_be_bytes();
        assert_eq!(decode(&with(&[first, second])), Err(bad("v2_repeated_crc32c")));
    }
}
