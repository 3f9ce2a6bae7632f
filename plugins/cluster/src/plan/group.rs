//! Where a cluster meets: `225.1.1.1:1717`, `[ff15::1]:1717`, `:1717`; and hosts that are named for it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const ACCEPTED: &str = "accepted: A.B.C.D:PORT with a multicast address (224.0.0.0 to 239.255.255.255), [ff..]:PORT with one of IPv6 \
                        (then also %INTERFACE), or :PORT for broadcast";
const ACCEPTED_SEED: &str = "accepted: HOST, HOST:PORT, an address of IPv6 in brackets";

/// A group that is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Address and port; 255.255.255.255 is broadcast.
    pub address: SocketAddr,
    /// The interface that was named with it.
    pub interface: Option<String>,
}

/// A node by name or address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Name, or address without brackets.
    pub host: String,
    /// UDP port.
    pub port: u16,
}

impl Group {
    /// Reads `ADDRESS:PORT`.
    ///
    /// # Errors
    /// What is accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (place, interface) = split_interface(text.trim());
        let (host, port) = place.rsplit_once(':').ok_or_else(|| format!("no port; {ACCEPTED}"))?;
        let port = port.parse().ok().filter(|port| *port != 0);
        let port: u16 = port.ok_or_else(|| format!("no port; {ACCEPTED}"))?;
        let ip: IpAddr = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => host.parse::<Ipv6Addr>().map_err(|_| ACCEPTED.to_owned())?.into(),
            None if host.is_empty() => Ipv4Addr::BROADCAST.into(),
            None => host.parse::<Ipv4Addr>().map_err(|_| ACCEPTED.to_owned())?.into(),
        };
        if !ip.is_multicast() && ip != Ipv4Addr::BROADCAST {
            return Err(format!("{ip} is no multicast address; {ACCEPTED}"));
        }
        Ok(Self { address: SocketAddr::new(ip, port), interface })
    }

    /// Everybody of the network, not a group that is joined.
    pub fn is_broadcast(&self) -> bool {
        self.address.ip() == Ipv4Addr::BROADCAST
    }
}

/// `[ff15::1%eth0]:1717` and `[ff15::1]:1717%eth0` mean the same.
fn split_interface(text: &str) -> (String, Option<String>) {
    let Some((before, after)) = text.split_once('%') else { return (text.to_owned(), None) };
    match after.split_once(']') {
        Some((interface, rest)) => (format!("{before}]{rest}"), Some(interface.to_owned())),
        None => (before.to_owned(), Some(after.to_owned())),
    }
}

/// As all nodes of the cluster write it, whatever their interface is.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)
    }
}

impl Seed {
    /// Reads `HOST[:PORT]`.
    ///
    /// # Errors
    /// What is accepted.
    pub(super) fn parse(text: &str, port: u16) -> Result<Self, String> {
        if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Self { host: address.to_string(), port });
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { host: address.ip().to_string(), port: address.port() });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| ACCEPTED_SEED.to_owned())?),
            None => (text, port),
        };
        if host.is_empty() || host.contains([':', '[', ']', '/']) || port == 0 {
            return Err(ACCEPTED_SEED.to_owned());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_all_kinds() {
        for (text, shown, interface) in [
            ("225.1.1.1:1717", "225.1.1.1:1717", None),
            ("[ff15::1]:1717", "[ff15::1]:1717", None),
            ("[ff15::1%eth0]:1717", "[ff15::1]:1717", Some("eth0")),
            ("[ff15::1]:1717%eth0", "[ff15::1]:1717", Some("eth0")),
            (":1717", "255.255.255.255:1717", None),
            ("255.255.255.255:1717", "255.255.255.255:1717", None),
        ] {
            let group = Group::parse(text).expect(text);
            assert_eq!(
                (group.to_string().as_str(), group.interface.as_deref()),
                (shown, interface)
            );
        }
        assert!(Group::parse(":1").expect("good").is_broadcast());
    }

    #[test]
    fn what_is_no_group_is_told_what_is_one() {
        for text in [
            "",
            "225.1.1.1",
            "225.1.1.1:0",
            "225.1.1.1:x",
            "10.0.0.1:1",
            "[::1]:1",
            "host:1",
            "ff15::1:1",
        ] {
            let error = Group::parse(text).expect_err(text);
            assert!(error.contains(ACCEPTED), "{error}");
        }
    }
}
