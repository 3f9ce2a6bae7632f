//! From the host of an address to one that can be bound.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::net::address::Host;
use crate::sys::machine;

/// The socket address of a host. Names prefer IPv4, as uWSGI does.
///
/// # Errors
/// What cannot be resolved, and why.
pub fn resolve(host: &Host, port: u16) -> Result<SocketAddr, String> {
    match host {
        Host::V4(address) => Ok((*address, port).into()),
        Host::V6(address, scope) => {
            let scope_id = scope.as_deref().map_or(Ok(0), scope_id)?;
            Ok(std::net::SocketAddrV6::new(*address, port, 0, scope_id).into())
        }
        Host::Name(name) => {
            let found = (name.as_str(), port).to_socket_addrs();
            let found: Vec<_> =
                found.map_err(|error| format!("cannot resolve {name}: {error}"))?.collect();
            let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
            first.copied().ok_or_else(|| format!("cannot resolve {name}: it has no address"))
        }
        Host::Wildcard(prefix) if prefix.is_empty() => Ok(([0, 0, 0, 0], port).into()),
        Host::Wildcard(prefix) => {
            let local = machine::local_ipv4().map_err(|error| error.to_string())?;
            let found = local.into_iter().find(|address| address.to_string().starts_with(prefix));
            let found = found
                .ok_or_else(|| format!("this machine has no address that begins with {prefix}"))?;
            Ok((found, port).into())
        }
    }
}

fn scope_id(scope: &str) -> Result<u32, String> {
    if let Ok(number) = scope.parse() {
        return Ok(number);
    }
    nix::net::if_::if_nametoindex(scope)
        .map_err(|error| format!("no network interface {scope}: {error}"))
}
