//! Who asks, and how, by what trusted proxies say: `X-Forwarded-*`, and `Forwarded` (RFC 7239).
//!
//! Each proxy appends where a request came from, so a list is read from its right end, and only as far as each next
//! address is that of a trusted proxy. What stands further left may be the client's own invention, and changes
//! nothing, however it is written (reference 7.4).
//!
//! | request | address | scheme and host |
//! |---|---|---|
//! | `X-Forwarded-For: spoofed, client, proxy` | `client` | those of `X-Forwarded-Proto`, `-Ssl`, `-Host`, as far from the right as `client` is |
//! | `X-Forwarded-For: client, unknown` | none: the connection's counts | those that the proxy told that wrote `unknown` |
//! | `Forwarded: for=client;proto=https, for=proxy` | `client` | those of the element that names `client` |
//!
//! Whoever calls has found that the connection itself comes from a trusted proxy. Nothing here takes both kinds of
//! headers: a proxy that writes the one passes the other on as a client wrote it, so a configuration has to say which
//! counts.

mod element;
mod node;

use std::net::IpAddr;

use crate::http1::{is_host, list};
use element::elements;
use node::node;

/// Most proxies in a row that are believed; what is further left is not looked at.
pub const HOPS_MAX: usize = 64;

/// What trusted proxies say of a request. What they do not say, or do not say clearly, is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claims<'a> {
    /// The address nearest to here that is not a trusted proxy's, or the furthest that could be read; `None`: the
    /// connection's own.
    pub client: Option<Client>,
    /// The scheme that the client used.
    pub scheme: Option<Scheme>,
    /// The host that the client asked for: a valid, not empty value of `Host`.
    pub host: Option<&'a [u8]>,
}

/// An address as a proxy saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Never an IPv4 address in the form of an IPv6 one.
    pub ip: IpAddr,
    /// Its port, where it was told.
    pub port: Option<u16>,
}

/// Schemes of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn read(text: &[u8]) -> Option<Self> {
        [Self::Http, Self::Https]
            .into_iter()
            .find(|scheme| text.eq_ignore_ascii_case(scheme.as_str().as_bytes()))
    }
}

/// The `X-Forwarded-*` headers of a request, each joined with commas where it came more than once.
#[derive(Clone, Copy, Debug, Default)]
pub struct XForwarded<'a> {
    /// `X-Forwarded-For`.
    pub addresses: Option<&'a [u8]>,
    /// `X-Forwarded-Proto`.
    pub proto: Option<&'a [u8]>,
    /// `X-Forwarded-Ssl`: `on` means https where no `X-Forwarded-Proto` came.
    pub ssl: Option<&'a [u8]>,
    /// `X-Forwarded-Host`.
    pub host: Option<&'a [u8]>,
}

/// What `headers` say of a request that a trusted proxy has sent.
pub fn x_forwarded<'a>(headers: &XForwarded<'a>, trusted: impl Fn(&IpAddr) -> bool) -> Claims<'a> {
    let (client, hops) = match headers.addresses {
        Some(addresses) => walk(addresses, trusted),
        None => (None, 1),
    };
    let scheme = match (headers.proto, headers.ssl) {
        (Some(proto), _) => Scheme::read(at_hop(proto, hops)),
        (None, Some(ssl)) if at_hop(ssl, hops).eq_ignore_ascii_case(b"on") => Some(Scheme::Https),
        (None, _) => None,
    };
    Claims { client, scheme, host: headers.host.and_then(|host| host_of(at_hop(host, hops))) }
}

/// What the value of `Forwarded` says of a request that a trusted proxy has sent.
pub fn forwarded(value: &[u8], trusted: impl Fn(&IpAddr) -> bool) -> Claims<'_> {
    let mut claims = Claims::default();
    for element in elements(value).take(HOPS_MAX) {
        // A trusted proxy writes no such thing, so one that is not stands before it.
        let Some(element) = element else { break };
        claims.scheme = element.proto.and_then(Scheme::read);
        claims.host = element.host.and_then(host_of);
        let Some(client) = element.node.and_then(node) else { break };
        claims.client = Some(client);
        if !trusted(&client.ip) {
            break;
        }
    }
    claims
}

/// The client by a list of addresses, and at which element from the right, counted from 1, the walk ended.
fn walk(addresses: &[u8], trusted: impl Fn(&IpAddr) -> bool) -> (Option<Client>, usize) {
    let (mut client, mut hops) = (None, 0);
    for element in list(addresses).rev().take(HOPS_MAX) {
        hops += 1;
        let Some(found) = node(element) else { break };
        client = Some(found);
        if !trusted(&found.ip) {
            break;
        }
    }
    (client, hops)
}

/// The element that the proxy wrote which stands so far from the right. A shorter list was not written by all of
/// them: then it is the first one's.
fn at_hop(value: &[u8], hops: usize) -> &[u8] {
    list(value).rev().take(hops).last().unwrap_or_default()
}

fn host_of(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty() && is_host(text)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proxies are in 10.0.0.0/8.
    fn ours(ip: &IpAddr) -> bool {
        matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 10)
    }

    fn told(claims: Claims<'_>) -> (String, &'static str, String) {
        let ip = claims.client.map(|client| match client.port {
            Some(port) => format!("{} {port}", client.ip),
            None => client.ip.to_string(),
        });
        let host = String::from_utf8_lossy(claims.host.unwrap_or_default()).into_owned();
        (ip.unwrap_or_default(), claims.scheme.map_or("", Scheme::as_str), host)
    }

    /// Addresses, scheme and host as they are written; what is empty was not sent.
    fn x(addresses: &str, proto: &str, host: &str) -> (String, &'static str, String) {
        let sent = |text: &'static str| (!text.is_empty()).then_some(text.as_bytes());
        let leak = |text: &str| sent(String::leak(text.to_owned()));
        let headers = XForwarded {
            addresses: leak(addresses),
            proto: leak(proto),
            ssl: None,
            host: leak(host),
        };
        told(x_forwarded(&headers, ours))
    }

    fn standard(value: &str) -> (String, &'static str, String) {
        told(forwarded(value.as_bytes(), ours))
    }

    fn of(client: &str, scheme: &'static str, host: &str) -> (String, &'static str, String) {
        (client.to_owned(), scheme, host.to_owned())
    }

    #[test]
    fn scheme_and_host_are_those_of_the_proxy_that_saw_the_client() {
        let cases = [
            (("192.0.2.9", "https", "a.example"), ("192.0.2.9", "https", "a.example")),
            (("192.0.2.9, 10.0.0.1", "https, http", "a, b:81"), ("192.0.2.9", "https", "a")),
            (("192.0.2.9, 10.0.0.1", "HTTPS", "a"), ("192.0.2.9", "https", "a")),
            // What a client sent itself is further left.
            (("192.0.2.9", "https, http", "evil, a"), ("192.0.2.9", "http", "a")),
            (("10.0.0.7, 192.0.2.9", "https, http", "evil, a"), ("192.0.2.9", "http", "a")),
            // Without addresses, what the peer wrote counts.
            (("", "https, http", "evil, a"), ("", "http", "a")),
            // An address that is hidden is one that was seen.
            (("192.0.2.9, _x, 10.0.0.1", "a, https, http", ""), ("10.0.0.1", "https", "")),
            (("192.0.2.9", "gopher", "a b"), ("192.0.2.9", "", "")),
            (("192.0.2.9", ",", ","), ("192.0.2.9", "", "")),
        ];
        for ((addresses, proto, host), want) in cases {
            assert_eq!(x(addresses, proto, host), of(want.0, want.1, want.2), "{addresses}");
        }
    }

    #[test]
    fn ssl_counts_where_the_scheme_is_not_told() {
        let scheme = |proto: Option<&'static [u8]>, ssl: &'static [u8]| {
            let headers = XForwarded { proto, ssl: Some(ssl), ..XForwarded::default() };
            x_forwarded(&headers, ours).scheme
        };
        assert_eq!(scheme(None, b"on"), Some(Scheme::Https));
        assert_eq!(scheme(None, b"off"), None);
        assert_eq!(scheme(None, b"on, off"), None);
        assert_eq!(scheme(Some(b"http"), b"on"), Some(Scheme::Http));
    }

    #[test]
    fn forwarded_is_read_from_the_right() {
        let cases = [
            ("for=192.0.2.9", ("192.0.2.9", "", "")),
            ("For=192.0.2.9;Proto=HTTPS;By=10.0.0.3;HOST=a", ("192.0.2.9", "https", "a")),
            (r#"for="192.0.2.9:4711" ; proto=http"#, ("192.0.2.9 4711", "http", "")),
            (r#"for="[2001:db8::1]:80", for=10.0.0.1"#, ("2001:db8::1 80", "", "")),
            (r#"for="[2001:db8::1]";host="a:81""#, ("2001:db8::1", "", "a:81")),
            ("for=192.0.2.9;proto=https, for=10.0.0.1;proto=http", ("192.0.2.9", "https", "")),
            ("for=1.1.1.1;proto=https, for=192.0.2.9", ("192.0.2.9", "", "")),
            (r#"for="192.0.2.9:_http";ext="a,b;c""#, ("192.0.2.9", "", "")),
            // Who asked is not told, but how.
            ("for=_hidden;proto=https, for=10.0.0.1", ("10.0.0.1", "https", "")),
            ("for=unknown;proto=https", ("", "https", "")),
            ("proto=https;host=a", ("", "https", "a")),
            // No proxy wrote that.
            ("for=192.0.2.9;for=192.0.2.8", ("", "", "")),
            (r#"for="192.0.2.9"#, ("", "", "")),
            (r#"for="192.0.2.9"x"#, ("", "", "")),
            (r#"for="192.0.2\.9""#, ("", "", "")),
            ("192.0.2.9", ("", "", "")),
            ("", ("", "", "")),
            ("for=192.0.2.9,", ("", "", "")),
        ];
        for (value, want) in cases {
            assert_eq!(standard(value), of(want.0, want.1, want.2), "{value}");
        }
    }

    #[test]
    fn a_chain_has_an_end() {
        let chain = vec!["10.0.0.1"; HOPS_MAX];
        let (client, scheme, host) = x(&format!("192.0.2.9, {}", chain.join(", ")), "", "");
        assert_eq!((client.as_str(), scheme, host.as_str()), ("10.0.0.1", "", ""));
        let (client, ..) = x(&format!("192.0.2.9, {}", chain[1..].join(", ")), "", "");
        assert_eq!(client, "192.0.2.9");
    }
}
