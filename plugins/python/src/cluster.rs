//! What the module `uwsgi` tells of the cluster of the instance (behaviour note 5.4, as uWSGI 0.9.8 to 1.4), and messages to others.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use uwsgi_plugin_api::cluster::{ClusterMessage, ClusterNode, Outgoing};
use uwsgi_plugin_api::{ClusterView, Host};

use crate::ffi::{Exception, Object, Py, Raised, Ref};

/// The first modifier of a message of `send_multicast_message` (protocol reference 6.2).
const MULTICAST: u8 = 74;
/// A packet's head counts its bytes in 16 bits, and a datagram holds less than that.
const MESSAGE_BYTES_MAX: usize = 65_000;
/// Routers that a datagram may pass: none, as in uWSGI.
const TTL: u32 = 1;

fn bytes_or_none(py: Py<'_>, text: Option<&str>) -> Result<Object, Raised> {
    text.map_or_else(|| Ok(py.none().own(py)), |text| py.bytes(text.as_bytes()))
}

/// The group, or None.
pub(crate) fn group(py: Py<'_>, host: &dyn Host) -> Result<Object, Raised> {
    bytes_or_none(py, host.cluster_group())
}

/// Addresses of the nodes that take requests.
pub(crate) fn nodes(py: Py<'_>, host: &dyn Host) -> Result<Object, Raised> {
    let view = host.cluster_view().unwrap_or_default();
    let takers = view.nodes.iter().filter(|node| node.takes_requests());
    let addresses = takers.map(|node| py.bytes(node.address.as_bytes()));
    py.list(addresses.collect::<Result<_, _>>()?)
}

/// The address of the node with the most room, or None; those with the same take turns.
pub(crate) fn best(py: Py<'_>, host: &dyn Host) -> Result<Object, Raised> {
    let Some(view) = host.cluster_view() else { return Ok(py.none().own(py)) };
    let best = view.best(host.cluster_turn());
    bytes_or_none(py, best.first().map(|node| node.address.as_str()))
}

/// Name of the host of a node, None where there is no such node; of this one where none is named.
pub(crate) fn node_name(
    py: Py<'_>,
    host: &dyn Host,
    own: &[u8],
    address: Option<&str>,
) -> Result<Object, Raised> {
    let Some(address) = address else { return py.bytes(own) };
    let view = host.cluster_view();
    bytes_or_none(py, view.as_deref().and_then(|view| named(view, address)))
}

fn named<'a>(view: &'a ClusterView, address: &str) -> Option<&'a str> {
    let is_it =
        |node: &&ClusterNode| node.address == address || node.endpoint.to_string() == address;
    view.nodes.iter().find(is_it).map(|node| node.hostname.as_str())
}

/// The last messages that other nodes' applications sent, with a larger number than `after`: `(number, host, message)` each.
pub(crate) fn messages(py: Py<'_>, host: Option<&dyn Host>, after: u64) -> Result<Object, Raised> {
    let messages = host.map_or_else(Vec::new, |host| host.cluster_messages(after));
    let one = |message: &ClusterMessage| {
        let (number, from) = (py.unsigned(message.number)?, py.bytes(message.from.as_bytes())?);
        py.tuple(vec![number, from, py.bytes(&message.bytes)?])
    };
    py.list(messages.iter().map(one).collect::<Result<_, _>>()?)
}

/// `send_multicast_message(address, message)`: to the instance's own cluster through its node, which signs it; to others as
/// uWSGI does, bare. True where it went on its way, else None.
pub(crate) fn send(
    py: Py<'_>,
    host: Option<&dyn Host>,
    arguments: &[Ref<'_>],
) -> Result<Object, Raised> {
    let [address, message] = arguments else {
        return Err(py.raise(Exception::TypeError, "expected two arguments: address, message"));
    };
    let (address, message) = (bytes_of(py, *address)?, bytes_of(py, *message)?);
    let address = String::from_utf8_lossy(&address).into_owned();
    if message.len() > MESSAGE_BYTES_MAX {
        let text = format!("the message is longer than {MESSAGE_BYTES_MAX} bytes");
        return Err(py.raise(Exception::ValueError, &text));
    }
    let own = host.filter(|host| host.cluster_group() == Some(address.as_str()));
    let sent = match own {
        Some(host) => host.tell_cluster(&Outgoing::Message(message)),
        None => match send_bare(&address, &message) {
            Ok(()) => true,
            Err(error) => {
                return Err(py.raise(Exception::OSError, &format!("{address}: {error}")));
            }
        },
    };
    Ok(if sent { py.boolean(true).own(py) } else { py.none().own(py) })
}

fn bytes_of(py: Py<'_>, argument: Ref<'_>) -> Result<Vec<u8>, Raised> {
    if argument.is_bytes() {
        Ok(argument.bytes(py)?.to_vec())
    } else if argument.is_str() {
        Ok(argument.text(py).into_bytes())
    } else {
        Err(py.raise(Exception::TypeError, "expected str or bytes"))
    }
}

fn send_bare(address: &str, message: &[u8]) -> io::Result<()> {
    let address = target(address)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "accepted: GROUP:PORT"))?;
    let length = u16::try_from(message.len()).map_err(io::Error::other)?.to_le_bytes();
    let packet = [&[MULTICAST, length[0], length[1], 0], message].concat();
    let socket = match address {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
    };
    if address.is_ipv4() {
        socket.set_multicast_ttl_v4(TTL)?;
        socket.set_broadcast(true)?;
    }
    socket.send_to(&packet, address).map(drop)
}

/// `:PORT` is broadcast, as for `cluster`.
fn target(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix(':') {
        Some(port) => Some((Ipv4Addr::BROADCAST, port.parse::<u16>().ok()?).into()),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_a_port() {
        for (text, expected) in [
            ("225.1.1.1:1717", Some("225.1.1.1:1717")),
            ("[ff15::1]:1717", Some("[ff15::1]:1717")),
            (":1717", Some("255.255.255.255:1717")),
            ("225.1.1.1", None),
            (":x", None),
            ("", None),
        ] {
            let found = target(text).map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    /// Bytes as in the protocol reference, 6.2.
    #[test]
    fn a_bare_message_is_a_packet_74() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
        send_bare(&peer.local_addr().unwrap().to_string(), b"hello").unwrap();
        let mut bytes = [0; 64];
        let length = peer.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"\x4a\x05\0\0hello");
    }
}
