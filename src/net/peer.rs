//! The client's address as text, without an allocation.

use std::io::Write;
use std::net::IpAddr;

use crate::sys::socket::PeerAddress;

/// Longest text of an IPv6 address.
const ADDRESS_BYTES_MAX: usize = 45;

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    text: [u8; ADDRESS_BYTES_MAX],
    len: u8,
    /// TCP port; 0 for unix sockets.
    pub port: u16,
}

impl Peer {
    /// Renders an address once per connection.
    pub fn new(address: PeerAddress) -> Self {
        let mut peer = Self { text: [0; ADDRESS_BYTES_MAX], len: 0, port: 0 };
        if let PeerAddress::Ip(ip, port) = address {
            peer.port = port;
            match ip {
                IpAddr::V4(ip) => ip.octets().into_iter().enumerate().for_each(|(at, octet)| {
                    if at > 0 {
                        peer.push(b'.');
                    }
                    peer.push_decimal(octet);
                }),
                IpAddr::V6(ip) => {
                    let mut rest = &mut peer.text[..];
                    // Cannot fail: the array holds the longest text.
                    let _ = write!(rest, "{ip}");
                    peer.len = (ADDRESS_BYTES_MAX - rest.len()) as u8;
                }
            }
        }
        peer
    }

    fn push(&mut self, byte: u8) {
        self.text[self.len as usize] = byte;
        self.len += 1;
    }

    /// By hand: the formatting machinery costs more than an accept's share of anything else here.
    fn push_decimal(&mut self, number: u8) {
        if number >= 100 {
            self.push(b'0' + number / 100);
        }
        if number >= 10 {
            self.push(b'0' + number / 10 % 10);
        }
        self.push(b'0' + number % 10);
    }

    /// An address that was rendered already; text that is too long is no address.
    pub fn from_text(address: &[u8], port: u16) -> Self {
        let mut peer = Self { text: [0; ADDRESS_BYTES_MAX], len: 0, port };
        if let Some(text) = peer.text.get_mut(..address.len()) {
            text.copy_from_slice(address);
            peer.len = address.len() as u8;
        }
        peer
    }

    /// The address; empty for unix sockets.
    pub fn address(&self) -> &[u8] {
        &self.text[..self.len as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_address_fits() {
        let long = "2001:1111:2222:3333:4444:5555:6666:7777".parse().unwrap();
        assert_eq!(
            Peer::new(PeerAddress::Ip(long, 1)).address(),
            b"2001:1111:2222:3333:4444:5555:6666:7777"
        );
        assert_eq!(Peer::new(PeerAddress::Local).address(), b"");
        for text in ["0.0.0.0", "127.0.0.1", "10.20.103.255", "255.255.255.255"] {
            let ip = text.parse().unwrap();
            assert_eq!(Peer::new(PeerAddress::Ip(ip, 80)).address(), text.as_bytes());
        }
    }
}
