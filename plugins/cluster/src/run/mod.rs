//! The gateway's process: a node with its sockets, its instance and its clocks.
//!
//! ```text
//!   datagrams --> Station --> Mail (open, decode) --> Node::step --> actions --> Mail (encode, seal) --> Sockets
//!   instance  --> Station, Workshop (what blocks) ----^              `--> instance: publish, drain; Workshop: reload
//! ```
//! So it is with the sealed protocol (`native`); with `cluster-compat` datagrams are as they were (`bare`).
//!
//! A node that comes before its network waits for it. One that has lost its address, or gets other secrets, begins another life.

mod bare;
pub(crate) mod clock;
mod life;
pub(crate) mod mail;
mod native;
pub(crate) mod state;
mod station;
mod workshop;

use std::io;
use std::net::{IpAddr, SocketAddr};

use uwsgi_plugin_api::{PluginError, Post, Settings};

use self::bare::Bare;
use self::life::{Hands, Heart, Life};
use self::native::Native;
use self::station::Station;
use crate::plan::Plan;
use crate::sockets::{Role, Sockets};

/// How often it is tried to open sockets, in milliseconds.
const OPEN_EVERY: u64 = 1_000;
/// How often it is told why they cannot be opened, in milliseconds.
const TELL_EVERY: u64 = 30_000;

/// Why a life is over.
enum End {
    /// The end was asked for.
    Asked,
    /// The node's address is no address of this host any more.
    AddressLost,
    /// The file of secrets has others in it.
    SecretsChanged(Vec<Vec<u8>>),
}

/// Is a node until the end is asked for.
///
/// # Errors
/// The poller, or a secret that cannot be used. Never the network.
pub(crate) fn serve(settings: &Settings, post: Post<'_>) -> Result<(), PluginError> {
    let mut plan = Plan::read(settings)?;
    // Who has a vote is known from one life to the next.
    let mut known = None;
    let instance = post.instance.ok_or_else(|| {
        PluginError("cluster: a node needs an instance (uwsgi --cluster)".to_owned())
    })?;
    let wrong = |error: io::Error| PluginError(format!("cluster: {error}"));
    let loud = plan.compat.then_some(bare::WARNING);
    plan.warnings.iter().map(String::as_str).chain(loud).for_each(|line| (post.log)(line));
    let mut station = Station::open(post.stop, post.input).map_err(wrong)?;
    let waker = station.waker().map_err(wrong)?;
    let mut seeds = Vec::new();
    loop {
        if station.sockets.is_none() {
            let opened = open_sockets(&plan, &mut station, post.log).map_err(wrong)?;
            let Some((sockets, addresses)) = opened else { return Ok(()) };
            (post.log)(&format!("cluster: {} speaks to {}", sockets.address(), plan.group));
            station.connect(sockets).map_err(wrong)?;
            seeds = addresses;
        }
        let Some(own) = station.sockets.as_ref().map(Sockets::address) else { continue };
        let (end, electorate) = std::thread::scope(|scope| {
            let workshop = workshop::Workshop::open(scope, instance, &waker);
            let log = post.log;
            let plan = &plan;
            let hands =
                Hands { settings, plan, log, station: &mut station, instance, workshop, own };
            let heart: Box<dyn Heart> = match plan.compat {
                true => Box::new(Bare::begin(&hands)),
                false => Box::new(Native::begin(&hands, &seeds, known.take())?),
            };
            Life::new(hands, heart).live()
        })?;
        known = electorate;
        match end {
            End::Asked => return Ok(()),
            End::AddressLost => {
                (post.log)(&format!("cluster: {own} is no address of this host any more"));
                station.sockets = None;
            }
            End::SecretsChanged(secrets) => {
                (post.log)("cluster: other secrets count from now on");
                plan.secrets = secrets;
            }
        }
    }
}

/// Tries until there are sockets; `None` where the end comes first.
fn open_sockets(
    plan: &Plan,
    station: &mut Station<'_>,
    log: &dyn Fn(&str),
) -> io::Result<Option<(Sockets, Vec<SocketAddr>)>> {
    let mut told = None;
    while !station.is_stopped() {
        let now = clock::monotonic();
        let seeds = resolve_seeds(plan);
        match Sockets::open(plan, Role::Node, &seeds) {
            Ok(sockets) => return Ok(Some((sockets, seeds))),
            Err(why) if told.is_none_or(|told| now >= told + TELL_EVERY) => {
                log(&format!("cluster: {why}; it is tried again"));
                told = Some(now);
            }
            Err(_) => {}
        }
        // What the instance says meanwhile nobody could hear.
        station.wait(now + OPEN_EVERY, &mut Vec::new())?;
    }
    Ok(None)
}

/// Addresses of the seeds, as far as names are known. Blocks.
pub(crate) fn resolve_seeds(plan: &Plan) -> Vec<SocketAddr> {
    seeds_of(plan, workshop::resolve(&plan.seeds))
}

/// Addresses that the node's sockets can send to.
fn seeds_of(plan: &Plan, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    addresses.retain(|address| address.is_ipv4() == plan.group.address.is_ipv4());
    addresses
}

/// Name of this host.
pub(crate) fn hostname() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().replace(char::is_control, "\u{fffd}")
}

/// An address without a host is this node's. A socket of IPv4 is not where a node of IPv6 is: `neighbour` is the host's IPv4 address.
fn reachable(
    address: &str,
    own: SocketAddr,
    neighbour: impl Fn(IpAddr) -> Option<IpAddr>,
) -> String {
    let Some((host, port)) = address.rsplit_once(':') else { return address.to_owned() };
    let ip = match host {
        "" | "0.0.0.0" | "*" if own.is_ipv6() => neighbour(own.ip()),
        "" | "0.0.0.0" | "[::]" | "*" => Some(own.ip()),
        _ => None,
    };
    match (ip, port.parse()) {
        (Some(ip), Ok(port)) => SocketAddr::new(ip, port).to_string(),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_host_gets_the_nodes() {
        let own = "10.0.0.7:1717".parse().expect("good");
        for (address, shown) in [
            (":3031", "10.0.0.7:3031"),
            ("0.0.0.0:3031", "10.0.0.7:3031"),
            ("[::]:3031", "10.0.0.7:3031"),
            ("192.0.2.1:3031", "192.0.2.1:3031"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80"),
            ("/run/app.sock", "/run/app.sock"),
            ("", ""),
        ] {
            assert_eq!(reachable(address, own, |_| None), shown);
        }
    }

    #[test]
    fn a_socket_of_ipv4_is_not_said_to_be_at_an_address_of_ipv6() {
        let own = "[2001:db8::1]:1717".parse().expect("good");
        let neighbour = |_| Some("10.0.0.7".parse().expect("good"));
        for (address, shown) in [
            (":3031", "10.0.0.7:3031"),
            ("0.0.0.0:3031", "10.0.0.7:3031"),
            ("[::]:3031", "[2001:db8::1]:3031"),
        ] {
            assert_eq!(reachable(address, own, neighbour), shown);
        }
        assert_eq!(reachable(":3031", own, |_| None), ":3031", "nobody is sent astray");
    }
}
