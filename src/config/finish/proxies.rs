//! `enable-proxy-protocol` and its like, `trusted-proxies`.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::config::model::proxies::{Headers, Peers, ProxyProtocol, Trusted};
use crate::config::values::Values;

pub(super) fn proxy_protocol(values: &mut Values<'_>) -> ProxyProtocol {
    let from = peers(values, "proxy-protocol-from");
    ProxyProtocol {
        http: values.flag("enable-proxy-protocol"),
        router: values.flag("http-enable-proxy-protocol"),
        from: from.map(Arc::new),
    }
}

pub(super) fn trusted(values: &mut Values<'_>) -> Option<Arc<Trusted>> {
    let headers = match values.last("trusted-headers") {
        None => Headers::XForwarded,
        Some(directive) => match directive.text() {
            "x-forwarded" => Headers::XForwarded,
            "forwarded" => Headers::Forwarded,
            _ => {
                values.error(
                    directive,
                    "these headers are not known; accepted: x-forwarded, forwarded",
                );
                Headers::XForwarded
            }
        },
    };
    let peers = peers(values, "trusted-proxies");
    if let (None, Some(directive)) = (&peers, values.last("trusted-headers")) {
        values.error(directive, "nobody is believed: trusted-proxies says whose headers count");
    }
    let peers = peers?;
    Some(Arc::new(Trusted { peers, headers }))
}

/// An address or a network.
pub(super) fn network(word: &str) -> Option<IpNet> {
    let address = || word.parse::<IpAddr>().ok().map(IpNet::from);
    word.parse().ok().or_else(address)
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
            match network(word) {
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
