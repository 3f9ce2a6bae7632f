//! The two sockets of a node: one hears what goes to the group, the other one is the node's own. All is sent by the own one,
//! so that its address is what the node is known by.
//!
//! Nothing that the network does ends a node: what cannot be sent is counted, and told now and then.

mod place;
mod troubles;

pub(crate) use self::place::ipv4_beside;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use mio::net::UdpSocket;
use nix::errno::Errno;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use self::place::Place;
pub(crate) use self::troubles::Troubles;
use crate::plan::{Group, Plan};

/// Bytes that the kernel may keep for a node that is busy; it may allow less.
const RECEIVE_BYTES: usize = 1024 * 1024;
/// Room for one datagram: more than one may have in either protocol, so that a longer one is seen to be longer.
pub(crate) const DATAGRAM_ROOM: usize = uwsgi_protocol::cluster::DATAGRAM_BYTES_MAX + 1;
const _: () = assert!(DATAGRAM_ROOM > crate::seal::DATAGRAM_BYTES_MAX);
/// Errors of a socket that are passed over to get to a datagram.
const ERRORS_MAX: usize = 8;

/// What the sockets are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It hears the group and is reached at a port that stays.
    Node,
    /// It asks, and hears what is answered to it.
    Guest,
    /// It asks, and hears the group too: answers of the old protocol go there.
    Listener,
}

/// Which of the two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ear {
    /// The group's.
    Group,
    /// The node's own.
    Own,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Sockets {
    group: Option<UdpSocket>,
    own: UdpSocket,
    joins: Group,
    place: Place,
    address: SocketAddr,
    /// What went wrong since it was told last.
    pub(crate) troubles: Troubles,
}

impl Sockets {
    /// Opens what the role needs. `seeds`: addresses of nodes, for the way to them.
    ///
    /// # Errors
    /// What is missing, for the log; it may be there later.
    pub(crate) fn open(plan: &Plan, role: Role, seeds: &[SocketAddr]) -> Result<Self, String> {
        let place = place::find(plan, seeds)?;
        let own = own_socket(plan, role, place)?;
        let address = own.local_addr().map_err(|error| format!("own socket: {error}"))?;
        let mut troubles = Troubles::default();
        let group = match role {
            Role::Guest => None,
            Role::Node | Role::Listener => match group_socket(&plan.group, place) {
                Ok(socket) => Some(socket),
                // Others are reached without it.
                Err(why) if !seeds.is_empty() && role == Role::Node => {
                    troubles.note(&why);
                    None
                }
                Err(why) => return Err(why),
            },
        };
        Ok(Self {
            group,
            own: UdpSocket::from_std(own.into()),
            joins: plan.group.clone(),
            place,
            address: address.as_socket().map(key).ok_or("own socket: no address")?,
            troubles,
        })
    }

    /// What the node is known by.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The sockets, to be polled.
    pub(crate) fn sources(&mut self) -> impl Iterator<Item = (Ear, &mut UdpSocket)> {
        let group = self.group.as_mut().map(|socket| (Ear::Group, socket));
        std::iter::once((Ear::Own, &mut self.own)).chain(group)
    }

    /// To one node. What does not go is lost, as datagrams are.
    pub(crate) fn send(&mut self, to: SocketAddr, bytes: &[u8]) {
        let result = self.own.send_to(bytes, self.scoped(to));
        self.note(to, result);
    }

    /// To all that hear the group.
    pub(crate) fn send_group(&mut self, bytes: &[u8]) {
        self.send(self.joins.address, bytes);
    }

    /// The next datagram, with its length and sender; longer ones are cut at the buffer's length.
    pub(crate) fn receive(&mut self, ear: Ear, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        let socket = match ear {
            Ear::Group => self.group.as_ref()?,
            Ear::Own => &self.own,
        };
        for _ in 0..ERRORS_MAX {
            match socket.recv_from(buffer) {
                Ok((count, from)) => return Some((count, key(from))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                // The next datagram may be there for all that.
                Err(error) => self.troubles.note(&format!("receive: {error}")),
            }
        }
        None
    }

    /// Joins the group again: an interface that was away and came back has forgotten who joined.
    pub(crate) fn rejoin(&mut self) {
        let Some(socket) = &self.group else { return };
        match join(&socket2::SockRef::from(socket), &self.joins, self.place) {
            Err(error) if error.raw_os_error() != Some(Errno::EADDRINUSE as i32) => {
                self.troubles.note(&format!("join {}: {error}", self.joins));
            }
            _ => {}
        }
    }

    /// Whether the node's address is still one of this host.
    pub(crate) fn has_own_address(&self) -> bool {
        place::is_own(self.place.address)
    }

    fn note(&mut self, to: SocketAddr, result: io::Result<usize>) {
        if let Err(error) = result {
            self.troubles.note(&format!("send to {to}: {error}"));
        }
    }

    /// Addresses that are good on one link only are sent to by the interface of the cluster.
    fn scoped(&self, to: SocketAddr) -> SocketAddr {
        match to {
            SocketAddr::V6(to) if is_of_link(to.ip()) => {
                SocketAddrV6::new(*to.ip(), to.port(), 0, self.place.index).into()
            }
            _ => to,
        }
    }
}

/// An address as all nodes write it: the number of an interface means nothing elsewhere.
fn key(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

fn is_of_link(ip: &std::net::Ipv6Addr) -> bool {
    // ff02::/16 is the link's own of the groups (RFC 4291 section 2.7).
    ip.is_unicast_link_local() || ip.segments()[0] & 0xff0f == 0xff02
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    let _ = socket.set_recv_buffer_size(RECEIVE_BYTES); // less is no fault
    Ok(socket)
}

fn own_socket(plan: &Plan, role: Role, place: Place) -> Result<Socket, String> {
    let wrong = |error: io::Error| format!("own socket at {}: {error}", place.address);
    let address = SocketAddr::new(place.address, 0);
    let socket = socket(address).map_err(wrong)?;
    match place.address {
        IpAddr::V4(own) => {
            socket.set_broadcast(true).map_err(wrong)?;
            socket.set_multicast_if_v4(&own).map_err(wrong)?;
            socket.set_multicast_loop_v4(true).map_err(wrong)?;
            socket.set_multicast_ttl_v4(plan.ttl.into()).map_err(wrong)?;
        }
        IpAddr::V6(_) => {
            socket.set_multicast_if_v6(place.index).map_err(wrong)?;
            socket.set_multicast_loop_v6(true).map_err(wrong)?;
            socket.set_multicast_hops_v6(plan.ttl.into()).map_err(wrong)?;
        }
    }
    let bind = |port| socket.bind(&place.socket_address(port).into());
    let port = match (role, plan.port) {
        (Role::Guest | Role::Listener, _) => 0,
        (Role::Node, Some(port)) => port,
        (Role::Node, None) => plan.group.address.port(),
    };
    match bind(port) {
        // Another node lives on this host. Who names a port has a reason: there it is waited for.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && plan.port.is_none() => bind(0),
        bound => bound,
    }
    .map_err(|error| format!("own socket at {}: {error}", SocketAddr::new(place.address, port)))?;
    Ok(socket)
}

/// Bound to the group's address, so that it hears nothing else; several nodes of a host hear it all.
fn group_socket(group: &Group, place: Place) -> Result<UdpSocket, String> {
    let wrong = |error: io::Error| format!("group {group}: {error}");
    let socket = socket(group.address).map_err(wrong)?;
    socket.set_reuse_address(true).map_err(wrong)?;
    let address = match group.address {
        SocketAddr::V6(address) if is_of_link(address.ip()) => {
            SocketAddrV6::new(*address.ip(), address.port(), 0, place.index).into()
        }
        address => address,
    };
    socket.bind(&address.into()).map_err(wrong)?;
    join(&socket, group, place).map_err(wrong)?;
    Ok(UdpSocket::from_std(socket.into()))
}

fn join(socket: &Socket, group: &Group, place: Place) -> io::Result<()> {
    match (group.address.ip(), place.address) {
        (IpAddr::V4(Ipv4Addr::BROADCAST), _) => Ok(()),
        (IpAddr::V4(ip), _) if place.index != 0 => {
            socket.join_multicast_v4_n(&ip, &InterfaceIndexOrAddress::Index(place.index))
        }
        (IpAddr::V4(ip), IpAddr::V4(own)) => socket.join_multicast_v4(&ip, &own),
        (IpAddr::V4(ip), IpAddr::V6(_)) => socket.join_multicast_v4(&ip, &Ipv4Addr::UNSPECIFIED),
        (IpAddr::V6(ip), _) => socket.join_multicast_v6(&ip, place.index),
    }
}

#[cfg(test)]
mod tests;
