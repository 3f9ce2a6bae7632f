//! Vectors of forwarded headers: who asked, by the addresses that proxies appended.

use std::net::IpAddr;

use serde_json::json;
use uwsgi_protocol::forwarded::{Claims, XForwarded, x_forwarded};

use super::{Vector, report, vectors};

#[test]
fn forwarded_vectors() {
    let mut failures = Vec::new();
    for vector in vectors("proxy.json", &["proxy.header", "xff"]) {
        if vector.kind() != "xff" {
            continue;
        }
        let peer: IpAddr = vector.json["config"]["remote"].as_str().unwrap().parse().unwrap();
        let headers = XForwarded { addresses: Some(&vector.bytes), ..XForwarded::default() };
        // Whether the connection comes from a proxy is its owner's question.
        let claims = match trusted(&vector, &peer) {
            true => x_forwarded(&headers, |ip| trusted(&vector, ip)),
            false => Claims::default(),
        };
        let client = claims.client.map_or(peer, |client| client.ip);
        let got = json!([client.to_string(), claims.client.is_some()]);
        let ok = &vector.expect()["ok"];
        if got != json!([ok["client"], ok["used_header"]]) {
            failures.push(format!("{}\n  got  {got}\n  want {ok}", vector.name()));
        }
    }
    report(&failures);
}

fn trusted(vector: &Vector, ip: &IpAddr) -> bool {
    let networks = vector.json["config"]["trusted"].as_array().unwrap();
    networks.iter().any(|network| contains(network.as_str().unwrap(), ip))
}

/// `network` is an address and the number of bits that count of it.
fn contains(network: &str, ip: &IpAddr) -> bool {
    let (base, bits) = network.split_once('/').unwrap();
    let (base, bits): (IpAddr, u32) = (base.parse().unwrap(), bits.parse().unwrap());
    match (base, ip) {
        (IpAddr::V4(base), IpAddr::V4(ip)) => (base.to_bits() ^ ip.to_bits()) >> (32 - bits) == 0,
        (IpAddr::V6(base), IpAddr::V6(ip)) => (base.to_bits() ^ ip.to_bits()) >> (128 - bits) == 0,
        _ => false,
    }
}
