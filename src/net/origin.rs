//! Who asks, and by which scheme, where a request came through proxies.
//!
//! A front end tells whom it speaks for: in `REMOTE_ADDR` by its own protocol, in a header of the PROXY protocol, or by
//! being the peer itself. Whether headers are believed depends on that address alone, so that nobody behind a front end
//! that passes everything on can invent them:
//!
//! | trusted-proxies | address | `X-Forwarded-*` |
//! |---|---|---|
//! | not given | any, by HTTP | means nothing |
//! | not given | any, by another protocol | `-Proto` and `-Ssl` say the scheme, as with uWSGI (behaviour note 4.3) |
//! | given | a trusted one | says client and scheme |
//! | given | another | means nothing |
//!
//! What is found replaces variables of the request, so that application, log and statistics agree. The headers stay as
//! they came, and so does `Host`.

use std::io::Write as _;
use std::net::IpAddr;

use uwsgi_plugin_api::WireProtocol;
use uwsgi_protocol::forwarded::{self, Claims, XForwarded};
use uwsgi_protocol::vars::Name;
use uwsgi_protocol::{Known, Vars, VarsView};

use super::connection::Connection;
use super::peer::Peer;
use crate::config::model::proxies::{Headers, Trusted};
use crate::errors::RequestId;

/// Whether a connection's peer may speak for others; `known` keeps it for the connection's life.
pub(super) fn is_believed(trusted: &Trusted, peer: &Peer, known: &mut Option<bool>) -> bool {
    *known.get_or_insert_with(|| speaks_for_others(trusted, peer.address()))
}

/// Replaces what the headers of trusted proxies know better. `believed` is the peer's, of a connection that speaks
/// HTTP.
pub(super) fn amend(
    trusted: &Trusted,
    (protocol, believed): (WireProtocol, bool),
    input: &[u8],
    vars: &mut Vars,
) {
    let view = vars.view(input);
    let believed = match protocol {
        WireProtocol::Http => believed,
        _ => speaks_for_others(trusted, view.get(Known::RemoteAddr).unwrap_or_default()),
    };
    if !believed {
        return;
    }
    let Claims { client, scheme, .. } = claims(trusted, view);
    if let Some(client) = client {
        set(vars, Known::RemoteAddr, |out| write(out, format_args!("{}", client.ip)));
        // Of the proxy's port nobody would know whose it is.
        replace(vars, Known::RemotePort, |out| {
            if let Some(port) = client.port {
                write(out, format_args!("{port}"));
            }
        });
    }
    if let Some(scheme) = scheme {
        let text = scheme.as_str();
        match scheme {
            forwarded::Scheme::Https => set(vars, Known::Https, |out| out.extend(b"on")),
            forwarded::Scheme::Http => replace(vars, Known::Https, |out| out.extend(b"off")),
        }
        for known in [Known::UwsgiScheme, Known::RequestScheme] {
            replace(vars, known, |out| out.extend(text.as_bytes()));
        }
    }
}

fn claims<'a>(trusted: &Trusted, view: VarsView<'a>) -> Claims<'a> {
    let is_trusted = |ip: &IpAddr| trusted.peers.contain(Some(*ip));
    match trusted.headers {
        Headers::XForwarded => {
            let headers = XForwarded {
                addresses: view.get(Known::XForwardedFor),
                proto: view.get(Known::XForwardedProto),
                ssl: view.get(Known::XForwardedSsl),
                host: None,
            };
            forwarded::x_forwarded(&headers, is_trusted)
        }
        Headers::Forwarded => view
            .find(b"HTTP_FORWARDED")
            .map_or_else(Claims::default, |value| forwarded::forwarded(value, is_trusted)),
    }
}

/// Clients of unix sockets have no address; nginx calls them `unix:`.
fn speaks_for_others(trusted: &Trusted, address: &[u8]) -> bool {
    let ip = match address {
        b"" | b"unix:" => None,
        _ => match str::from_utf8(address).ok().and_then(|text| text.parse().ok()) {
            Some(ip) => Some(ip),
            None => return false,
        },
    };
    trusted.peers.contain(ip)
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _ = out.write_fmt(text);
}

fn set(vars: &mut Vars, known: Known, value: impl FnOnce(&mut Vec<u8>)) {
    let value = vars.stash_with(value);
    match vars.position(known) {
        Some(position) => vars.replace(position, value),
        None => vars.push(Name::Known(known), value),
    }
}

/// As [`set`], where there is such a variable.
fn replace(vars: &mut Vars, known: Known, value: impl FnOnce(&mut Vec<u8>)) {
    if vars.position(known).is_some() {
        set(vars, known, value);
    }
}

/// The id that a request came with, from somebody who may give it one.
pub fn given_id(vars: VarsView<'_>, may_name: bool) -> Option<RequestId<'_>> {
    if !may_name {
        return None;
    }
    vars.get(Known::XRequestId).and_then(RequestId::taken)
}

impl Connection {
    /// Whether who sends its requests may give them ids: a front end, or a trusted proxy.
    pub fn may_name(&self, protocol: WireProtocol) -> bool {
        protocol != WireProtocol::Http || self.believed == Some(true)
    }

    /// Shows the application an id of its request: that one, unless it came with one.
    pub fn name(&mut self, id: RequestId<'_>, may_name: bool) {
        let Some(vars) = &mut self.vars else { return };
        if given_id(vars.view(self.input.data()), may_name).is_none() {
            set(vars, Known::XRequestId, |out| id.write(out));
        }
    }
}

/// The scheme of the URL that the client asked for. `amended`: headers were looked at before, or must not be.
pub fn url_scheme(vars: VarsView<'_>, protocol: WireProtocol, amended: bool) -> &[u8] {
    let is_on = |known| {
        let on = |value: &[u8]| value == b"1" || value.eq_ignore_ascii_case(b"on");
        vars.get(known).is_some_and(on)
    };
    if protocol != WireProtocol::Http {
        if let Some(scheme) = vars.get(Known::UwsgiScheme).filter(|scheme| !scheme.is_empty()) {
            return scheme;
        }
        if !amended {
            match vars.get(Known::XForwardedProto) {
                Some(proto) if proto.eq_ignore_ascii_case(b"https") => return b"https",
                Some(proto) if proto.eq_ignore_ascii_case(b"http") => return b"http",
                _ if is_on(Known::XForwardedSsl) => return b"https",
                _ => {}
            }
        }
    }
    if is_on(Known::Https) { b"https" } else { b"http" }
}

#[cfg(test)]
mod tests;
