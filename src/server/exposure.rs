//! What is said loudly at the start: that others may have code run as this user.
//!
//! An instance that serves one application on a public address is told nothing here: by default only peers of this machine
//! may name applications, and its requests are refused where they do. One that is for such applications is told just that.
//! Both are told where every local user may write to their unix socket: such a user is a peer of this machine. Naming who
//! may ends these lines, and roots the last one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::MetadataExt;

use uwsgi_plugin_api::WireProtocol;

use crate::config::Config;
use crate::config::model::site_options::IDENTITY;
use crate::net::listen::Socket;

/// Writable for everybody, of a file's mode.
const OTHERS_WRITE: u32 = 0o002;

/// The lines for these sockets.
pub(super) fn warnings(config: &Config, sockets: &[Socket]) -> Vec<String> {
    let sites = &config.sites;
    if !sites.dynamic {
        return Vec::new();
    }
    let missing = sites.roots.iter().filter(|root| !root.is_dir());
    let missing = missing.map(|root| {
        let root = root.display();
        format!("WARNING: dynamic-apps-root {root}: there is no such directory; nothing is loaded from below it")
    });
    let named = || sockets.iter().filter(|socket| names_applications(socket));
    let open = named().filter(|_| sites.roots.is_empty());
    let closed = named().filter(|_| is_for_sites(config)).filter_map(refuses);
    let crossed = named().filter_map(|socket| crosses_users(config, socket));
    let open = open.filter_map(|socket| warning(config, socket));
    missing.chain(open).chain(closed).chain(crossed).collect()
}

/// Whether requests are meant to name applications, and nothing says whose may.
fn is_for_sites(config: &Config) -> bool {
    let sites = &config.sites;
    let meant = sites.rules.by_host || config.applications().is_empty();
    meant && sites.own.is_none() && config.settings.all("dynamic-apps-from").next().is_none()
}

/// That most who reach a socket may not do there what the instance is for.
fn refuses(socket: &Socket) -> Option<String> {
    let name = &socket.info.name;
    socket.tcp.filter(|address| !address.ip().is_loopback())?;
    Some(format!(
        "WARNING: {name} can be reached from other machines: only peers of this machine may have applications loaded by UWSGI_SCRIPT and its like, others \
         get 403; accepted: dynamic-apps-from = PEER for those that may, dynamic-apps = false"
    ))
}

/// That sites have users of their own, and nobody sees which user's a peer is. Roots do not help: a site may write below
/// one, and name another's host.
fn crosses_users(config: &Config, socket: &Socket) -> Option<String> {
    let sites = &config.sites;
    let apart = sites.options.iter().any(|option| IDENTITY.contains(&option.name.as_str()));
    let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    let local = loopback.iter().any(|address| sites.from.peers.contain(Some(*address)));
    let name = &socket.info.name;
    (apart && local && socket.tcp.is_some()).then(|| {
        format!(
            "WARNING: {name}: every process of this machine may have code run as the user of any site, those of other sites included \
             (site-option uid, dynamic-apps-from); accepted: a unix socket with dynamic-apps-from = user:NAME, dynamic-apps = false"
        )
    })
}

/// Whether requests by a socket have variables of their peers' choice.
fn names_applications(socket: &Socket) -> bool {
    !socket.private && !matches!(socket.info.protocol, WireProtocol::Http | WireProtocol::Raw)
}

fn warning(config: &Config, socket: &Socket) -> Option<String> {
    let from = &config.sites.from;
    let name = &socket.info.name;
    match &socket.tcp {
        Some(address) if from.reach_beyond_machine() && !address.ip().is_loopback() => {
            Some(format!(
                "WARNING: {name}: peers of other machines may have any Python code loaded and run as this user (dynamic-apps-from); \
             accepted: fewer peers, dynamic-apps-root = DIR, dynamic-apps = false"
            ))
        }
        Some(_) => None,
        None if from.peers.local && everybody_writes(socket) => Some(format!(
            "WARNING: {name}: every local user may write to this socket and so have any Python code loaded and run as this user; \
             accepted: chmod-socket = 660, dynamic-apps-from = user:NAME, dynamic-apps-root = DIR, dynamic-apps = false"
        )),
        None => None,
    }
}

/// An abstract socket has no permissions at all.
fn everybody_writes(socket: &Socket) -> bool {
    match &socket.path {
        Some(path) => path.metadata().is_ok_and(|file| file.mode() & OTHERS_WRITE != 0),
        None => true,
    }
}
