//! Sockets that the master itself answers: `stats` and `health`. They are bound as all others are, and survive a reload
//! as all others do; what is said over them is no business of this room.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use uwsgi_plugin_api::WireProtocol;

use super::{Bound, Inheritance, ListenError, failed, open, wanted};
use crate::config::Config;
use crate::config::model::{EndpointSpec, SocketSpec};
use crate::sys::listen as system;

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `stats`.
    Stats,
    /// `health`.
    Health,
}

impl Endpoint {
    /// The option.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stats => "stats",
            Self::Health => "health",
        }
    }

    /// That of this option.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Stats, Self::Health].into_iter().find(|endpoint| endpoint.name() == name)
    }
}

/// An open one: non-blocking, close-on-exec.
#[derive(Debug)]
pub struct EndpointSocket {
    /// What is answered.
    pub endpoint: Endpoint,
    /// Its descriptor.
    pub fd: OwnedFd,
    /// The address as written, with the port that it got.
    pub address: String,
    /// The path of a unix socket that has a file, for `vacuum`.
    pub path: Option<PathBuf>,
    /// The name under which the next image finds it again; no address of an option begins so.
    pub handover_name: String,
}

/// Whether this name, under which a socket is left to the next image, is that of an endpoint.
pub fn is_endpoint(name: &str) -> bool {
    let of = |endpoint: Endpoint| name.starts_with(&handover_name(endpoint, ""));
    of(Endpoint::Stats) || of(Endpoint::Health)
}

fn handover_name(endpoint: Endpoint, address: &str) -> String {
    format!("!{} {address}", endpoint.name())
}

/// Opens those of the configuration.
///
/// # Errors
/// The first one's that cannot be opened.
pub fn bind_endpoints(
    config: &Config,
    inheritance: &mut Inheritance,
) -> Result<Vec<EndpointSocket>, ListenError> {
    specs(config).map(|(endpoint, spec)| bind(config, endpoint, &spec, inheritance)).collect()
}

fn bind(
    config: &Config,
    endpoint: Endpoint,
    spec: &SocketSpec,
    inheritance: &mut Inheritance,
) -> Result<EndpointSocket, ListenError> {
    let handover_name = handover_name(endpoint, &spec.address);
    let opened = open(config, spec, &wanted(config, spec)?, &handover_name, inheritance)?;
    system::listen(opened.fd.as_fd(), config.runtime.backlog)
        .map_err(|error| failed(spec, &error.to_string()))?;
    let address = opened.name(Some(spec));
    let path = match opened.bound {
        Bound::Unix(path) => Some(path),
        _ => None,
    };
    Ok(EndpointSocket { endpoint, fd: opened.fd, address, path, handover_name })
}

/// Endpoints in the form of sockets, for what both have in common.
pub(super) fn specs(config: &Config) -> impl Iterator<Item = (Endpoint, SocketSpec)> {
    let monitoring = &config.monitoring;
    let both = [(Endpoint::Stats, &monitoring.stats), (Endpoint::Health, &monitoring.health)];
    both.into_iter().filter_map(|(endpoint, spec)| {
        let EndpointSpec { address, origin } = spec.clone()?;
        let (router, private) = (false, false);
        let protocol = WireProtocol::Http;
        let spec = SocketSpec { address, protocol, origin, router, private };
        Some((endpoint, spec))
    })
}
