//! Applications that requests name, and how they are kept apart.

use std::path::PathBuf;

use ipnet::IpNet;
use uwsgi_plugin_api::SiteRules;

use super::loaders::Loaders;
use super::proxies::Peers;

/// Most sites of an instance where nothing else is said.
pub const SITES_MAX_DEFAULT: u16 = 1_024;

/// What keeps the applications of an instance apart (`app-isolation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppIsolation {
    /// An interpreter each, in the same processes, as under uWSGI.
    #[default]
    Interpreter,
    /// Nothing (`single-interpreter`).
    Shared,
    /// Processes of their own.
    Process,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sites {
    /// How they are told apart.
    pub rules: SiteRules,
    /// `app-isolation`.
    pub isolation: AppIsolation,
    /// `dynamic-apps`: requests may name applications.
    pub dynamic: bool,
    /// `dynamic-apps-from`: peers whose requests may.
    pub from: Loaders,
    /// `dynamic-apps-root`: directories that everything has to lie below; empty for anywhere.
    pub roots: Vec<PathBuf>,
    /// `max-sites`: of the whole instance.
    pub sites_max: u16,
    /// `site-option`, in their order.
    pub options: Vec<SiteOption>,
    /// Options of the instance that the processes of its sites have too ([`super::site_options::INHERITED`]).
    pub inherited: Vec<(String, String)>,
    /// The site whose processes these are.
    pub own: Option<OwnSite>,
}

/// The one site that an instance is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSite {
    /// What tells it from others.
    pub key: Vec<u8>,
    /// For people.
    pub name: String,
    /// Files whose change may mend it where it does not load.
    pub suspects: Vec<PathBuf>,
}

impl Sites {
    /// Whether sites may have processes of their own: all of them, or those that cannot be served here.
    pub fn separates(&self) -> bool {
        self.dynamic && self.own.is_none() && self.isolation != AppIsolation::Shared
    }
}

/// An option for the processes of sites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteOption {
    /// The host whose sites have it; `None` for all.
    pub host: Option<String>,
    /// The option's name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Peers of this machine: loopback, and whoever the permissions of a unix socket let in.
pub fn local_peers() -> Peers {
    let loopback = [([127, 0, 0, 0], 8)].map(|(address, bits)| IpNet::new(address.into(), bits));
    let loopback6 = IpNet::new(std::net::Ipv6Addr::LOCALHOST.into(), 128);
    Peers { networks: loopback.into_iter().chain([loopback6]).flatten().collect(), local: true }
}
