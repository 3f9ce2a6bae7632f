//! `enable-proxy-protocol` and its like.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::config::model::proxies::{Peers, ProxyProtocol};
use crate::config::values::Values;

pub(super) fn proxy_protocol(values: &mut Values<'_>) -> ProxyProtocol {
    let from = peers(values, "proxy-protocol-from");
    ProxyProtocol {
        http: values.flag("enable-proxy-protocol"),
        router: values.flag("http-enable-proxy-protocol"),
        from: from.map(Arc::new),
    }
}

/// Addresses and networks, separated by commas, and `unix`; `None` where the option is not there.
fn peers(values: &mut Values<'_>, name: &str) -> Option<Peers> {
    let directives = values.all(name).to_vec();
    if directives.is_empty() {
        return None;
    }
    let mut peers = Peers::default();
    for directive in directives {
        for word in directive.text().split(',').map(str::trim) {
            let address = || word.parse::<IpAddr>().ok().map(IpNet::from);
            match word.parse().ok().or_else(address) {
                Some(network) => peers.networks.push(network),
                None if word == "unix" => peers.local = true,
                None => values.error(
                    directive,
                    format!("{word:?} is no peer; accepted: addresses, networks such as 10.0.0.0/8, unix"),
                ),
            }
        }
    }
    Some(peers)
}
