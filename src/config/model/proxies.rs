//! Which peers may speak for others.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use uwsgi_plugin_api::WireProtocol;

/// Peers by address; those of unix sockets have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// Addresses and networks.
    pub networks: Vec<IpNet>,
    /// Whoever comes by a unix socket.
    pub local: bool,
}

impl Peers {
    /// Whether one with this address is among them; `None` for a unix socket.
    pub fn contain(&self, address: Option<IpAddr>) -> bool {
        let Some(address) = address else { return self.local };
        // An IPv4 client of an IPv6 socket is the same client.
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Proxies that are believed what they say of whom they speak for (`trusted-proxies`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// Who they are.
    pub peers: Peers,
    /// What they write.
    pub headers: Headers,
}

/// The headers in which proxies tell of their client. Those that are not named pass a proxy as a client wrote them, so
/// only one kind can be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Headers {
    /// `X-Forwarded-For`, `-Proto` and `-Ssl`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Whose connections begin with a header of the PROXY protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Introduced {
    /// Nobody's.
    #[default]
    Nobody,
    /// Those of these peers.
    By(Arc<Peers>),
    /// Everybody's.
    Everybody,
}

impl Introduced {
    /// Whether a connection of this peer does; `None` for a unix socket.
    pub fn covers(&self, address: Option<IpAddr>) -> bool {
        match self {
            Self::Nobody => false,
            Self::By(peers) => peers.contain(address),
            Self::Everybody => true,
        }
    }
}

/// What the options say of the PROXY protocol, for all sockets.
#[derive(Clone, Debug, Default)]
pub struct ProxyProtocol {
    /// `enable-proxy-protocol`: sockets that speak HTTP.
    pub http: bool,
    /// `http-enable-proxy-protocol`: those of `http`.
    pub router: bool,
    /// `proxy-protocol-from`.
    pub from: Option<Arc<Peers>>,
}

impl ProxyProtocol {
    /// Whose connections to a socket begin with a header. A socket that recognizes what comes takes one only from those
    /// who are named: anybody else could say anything.
    pub fn of(&self, protocol: WireProtocol, router: bool) -> Introduced {
        let wanted = match protocol {
            WireProtocol::Http if router => self.router,
            WireProtocol::Http => self.http,
            WireProtocol::Auto => self.from.is_some(),
            _ => false,
        };
        match (&self.from, wanted) {
            (_, false) => Introduced::Nobody,
            (Some(peers), true) => Introduced::By(peers.clone()),
            (None, true) => Introduced::Everybody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_addresses_of_both_forms() {
        let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap()).into();
        let peers = Peers { networks, local: false };
        let contain = |text: &str| peers.contain(Some(text.parse().unwrap()));
        assert!(contain("10.1.2.3") && contain("::ffff:10.1.2.3") && contain("2001:db8::1"));
        assert!(!contain("11.1.2.3") && !contain("2001:db9::1") && !peers.contain(None));
        assert!(Introduced::Everybody.covers(None) && !Introduced::Nobody.covers(None));
    }
}
