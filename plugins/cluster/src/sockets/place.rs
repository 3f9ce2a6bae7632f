//! Where a node speaks: an address of its own, and the interface that has it.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, Socket, Type};

use crate::plan::{Interface, Plan};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// An address of this host.
    pub(super) address: IpAddr,
    /// Number of the interface that has it; 0 where none is found.
    pub(super) index: u32,
}

impl Place {
    pub(super) fn socket_address(self, port: u16) -> SocketAddr {
        match self.address {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                SocketAddrV6::new(ip, port, 0, self.index).into()
            }
            ip => SocketAddr::new(ip, port),
        }
    }
}

/// An address of an interface.
struct Own {
    interface: String,
    address: IpAddr,
}

/// The place that the settings name; else the one from which the way to the group leads, or to a seed; else the first
/// that is not loopback.
///
/// # Errors
/// There is none yet.
pub(super) fn find(plan: &Plan, seeds: &[SocketAddr]) -> Result<Place, String> {
    let all = addresses(plan.group.address.is_ipv4())?;
    let place = |own: &Own| Place { address: own.address, index: index(&own.interface) };
    match &plan.interface {
        Some(Interface::Name(name)) => {
            let of_it = all.iter().filter(|own| own.interface == *name);
            let best = of_it.min_by_key(|own| is_of_link(own.address));
            best.map(place).ok_or_else(|| format!("interface {name} has no address yet"))
        }
        Some(Interface::Address(address)) => {
            let found = all.iter().find(|own| own.address == *address);
            found.map(place).ok_or_else(|| format!("no interface has the address {address} yet"))
        }
        None => {
            let targets = std::iter::once(&plan.group.address).chain(seeds);
            let by_route = targets.filter_map(|target| way_to(*target)).find_map(|address| {
                all.iter().find(|own| own.address == address && !own.address.is_loopback())
            });
            let outside = all.iter().filter(|own| !own.address.is_loopback());
            let best = by_route.or_else(|| outside.min_by_key(|own| is_of_link(own.address)));
            best.map(place).ok_or_else(|| {
                "this host has no address but loopback yet (cluster-interface = 127.0.0.1 takes that)".to_owned()
            })
        }
    }
}

/// Whether this is an address of this host. Where nobody knows, it is.
pub(super) fn is_own(address: IpAddr) -> bool {
    addresses(address.is_ipv4()).map_or(true, |all| all.iter().any(|own| own.address == address))
}

/// An address of IPv4 on the interface of this one, else on any but loopback.
pub(crate) fn ipv4_beside(address: IpAddr) -> Option<IpAddr> {
    let six = addresses(false).ok()?;
    let interface = six.into_iter().find(|own| own.address == address).map(|own| own.interface);
    let all = addresses(true).ok()?;
    let beside = all.iter().find(|own| interface.as_ref() == Some(&own.interface));
    let outside = all.iter().find(|own| !own.address.is_loopback());
    beside.or(outside).map(|own| own.address)
}

fn is_of_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn index(interface: &str) -> u32 {
    if_nametoindex(interface).unwrap_or(0)
}

/// All addresses of this host of one family.
fn addresses(v4: bool) -> Result<Vec<Own>, String> {
    let all = getifaddrs().map_err(|error| format!("addresses of this host: {error}"))?;
    let own = all.filter_map(|one| {
        let storage = one.address?;
        let v4_address = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        let v6_address = || storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip()));
        let address = v4_address.or_else(v6_address)?;
        Some(Own { interface: one.interface_name, address })
    });
    Ok(own.filter(|own| own.address.is_ipv4() == v4).collect())
}

/// The address that the kernel would send from. Nothing is sent.
fn way_to(target: SocketAddr) -> Option<IpAddr> {
    let socket = Socket::new(Domain::for_address(target), Type::DGRAM, Some(Protocol::UDP)).ok()?;
    socket.set_broadcast(true).ok()?;
    socket.connect(&target.into()).ok()?;
    Some(socket.local_addr().ok()?.as_socket()?.ip())
}
