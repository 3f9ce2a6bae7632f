//! Addresses as proxies write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Client;

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80` (RFC 7239, 6; `X-Forwarded-For` has
/// no specification). `None` for all else: `unknown`, `_hidden`, names, zones, leading zeros.
pub(super) fn node(text: &[u8]) -> Option<Client> {
    if let Some(rest) = text.strip_prefix(b"[") {
        let end = rest.iter().position(|byte| *byte == b']')?;
        let port = match &rest[end + 1..] {
            [] => None,
            [b':', port @ ..] => self::port(port)?,
            _ => return None,
        };
        return client(IpAddr::V6(parsed::<Ipv6Addr>(&rest[..end])?), port);
    }
    let mut colons = text.iter().enumerate().filter(|(_, byte)| **byte == b':');
    match (colons.next(), colons.next()) {
        (None, _) => client(IpAddr::V4(parsed::<Ipv4Addr>(text)?), None),
        (Some((colon, _)), None) => {
            let port = port(&text[colon + 1..])?;
            client(IpAddr::V4(parsed::<Ipv4Addr>(&text[..colon])?), port)
        }
        // More than one: they are the address's own.
        _ => client(IpAddr::V6(parsed::<Ipv6Addr>(text)?), None),
    }
}

/// One address has one form, so that a list of trusted ones cannot miss it.
fn client(ip: IpAddr, port: Option<u16>) -> Option<Client> {
    Some(Client { ip: ip.to_canonical(), port })
}

fn parsed<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    str::from_utf8(text).ok()?.parse().ok()
}

/// Digits; or a name that hides the port (RFC 7239, 6.2), which is then not known.
fn port(text: &[u8]) -> Option<Option<u16>> {
    match text {
        [b'_', _, ..] => Some(None),
        [] => None,
        _ if text.iter().all(u8::is_ascii_digit) => parsed(text).map(Some),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_form() {
        let cases = [
            ("192.0.2.1", "192.0.2.1", None),
            ("192.0.2.1:0", "192.0.2.1", Some(0)),
            ("192.0.2.1:65535", "192.0.2.1", Some(65_535)),
            ("192.0.2.1:_p", "192.0.2.1", None),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:DB8::1]", "2001:db8::1", None),
            ("[2001:db8::1]:80", "2001:db8::1", Some(80)),
            ("::ffff:192.0.2.1", "192.0.2.1", None),
            ("[::ffff:192.0.2.1]:1", "192.0.2.1", Some(1)),
        ];
        for (text, ip, port) in cases {
            let want = Client { ip: ip.parse().unwrap(), port };
            assert_eq!(node(text.as_bytes()), Some(want), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_addresses() {
        let texts = [
            "",
            ":",
            "[",
            "[]",
            "[]:1",
            "unknown",
            "_hidden",
            "client.example",
            "192.0.2.01",
            "192.0.2",
            "192.0.2.1:",
            "192.0.2.1:65536",
            "192.0.2.1:+1",
            "192.0.2.1:_",
            "[192.0.2.1]",
            "[::1]x",
            "[::1]:",
            "::1%eth0",
            " 192.0.2.1",
            "[::1",
            "1:2",
            "\u{661}92.0.2.1",
        ];
        for text in texts {
            assert_eq!(node(text.as_bytes()), None, "{text}");
        }
    }
}
