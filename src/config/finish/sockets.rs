//! Sockets, and how they are bound.

use uwsgi_plugin_api::WireProtocol;

use super::narrow;
use super::runtime::octal;
use crate::config::Reading;
use crate::config::model::{Modifiers, SocketSpec};
use crate::config::values::Values;
use crate::options::Registry;
use crate::sys::machine::Machine;

/// Options that ask for a socket, by canonical names, and what it speaks; `None` stands for `protocol`.
pub const SOCKETS: &[(&str, Option<WireProtocol>)] = &[
    ("socket", None),
    ("uwsgi-socket", Some(WireProtocol::Uwsgi)),
    ("http", Some(WireProtocol::Http)),
    ("http-socket", Some(WireProtocol::Http)),
    ("http11-socket", Some(WireProtocol::Http)),
    ("puwsgi-socket", Some(WireProtocol::PersistentUwsgi)),
    ("fastcgi-socket", Some(WireProtocol::FastCgi)),
    ("fastcgi-nph-socket", Some(WireProtocol::FastCgiNph)),
    ("scgi-socket", Some(WireProtocol::Scgi)),
    ("scgi-nph-socket", Some(WireProtocol::ScgiNph)),
    ("raw-socket", Some(WireProtocol::Raw)),
    ("auto-socket", Some(WireProtocol::Auto)),
];

pub(super) fn default_protocol(values: &mut Values<'_>) -> WireProtocol {
    let Some(directive) = values.last("protocol") else { return WireProtocol::Uwsgi };
    let name = directive.text();
    let found = WireProtocol::of_name(if name == "http11" { "http" } else { name });
    found.unwrap_or_else(|| {
        let accepted = WireProtocol::ALL.map(WireProtocol::name).join(", ");
        values.error(directive, format!("unable to find protocol; accepted: {accepted}"));
        WireProtocol::Uwsgi
    })
}

/// `fastcgi-modifier1` and its like.
pub(super) fn modifiers(values: &mut Values<'_>) -> Modifiers {
    let mut pair = |first, second| {
        let mut one = |name| narrow(values.number(name, 0..=u64::from(u8::MAX)), 0);
        (one(first), one(second))
    };
    Modifiers {
        fastcgi: pair("fastcgi-modifier1", "fastcgi-modifier2"),
        scgi: pair("scgi-modifier1", "scgi-modifier2"),
        http: pair("http-socket-modifier1", "http-socket-modifier2"),
        router: pair("http-modifier1", "http-modifier2"),
        raw: pair("raw-modifier1", "raw-modifier2"),
    }
}

pub(super) fn sockets(
    reading: &Reading,
    registry: &Registry,
    default: WireProtocol,
) -> Vec<SocketSpec> {
    let mut sockets = Vec::new();
    for directive in reading.effective() {
        let Some(row) = registry.find(&directive.key) else { continue };
        let Some((_, protocol)) = SOCKETS.iter().find(|(name, _)| *name == row.name) else {
            continue;
        };
        sockets.push(SocketSpec {
            address: directive.text().to_owned(),
            protocol: protocol.unwrap_or(default),
            origin: directive.place(),
            router: row.name == "http",
            private: false,
        });
    }
    sockets
}

pub(super) fn chmod_socket(values: &mut Values<'_>) -> Option<u32> {
    let directive = values.last("chmod-socket")?;
    let mode = match directive.text() {
        "" | "1" | "true" => Some(0o666),
        text if text.len() == 3 => octal(text, 0o777),
        _ => None,
    };
    if mode.is_none() {
        values.error(directive, "invalid chmod value; accepted: three octal digits such as 660");
    }
    mode
}

/// `listen`; more than the kernel gives is an error, as in uWSGI.
pub(super) fn backlog(values: &mut Values<'_>, machine: &Machine) -> u32 {
    let most = machine.somaxconn.unwrap_or(u32::MAX >> 1);
    let Some(directive) = values.last("listen") else { return most.min(100) };
    let backlog: u32 = narrow(values.number("listen", 0..=u64::from(u32::MAX >> 1)), 100);
    if backlog > most {
        values.error(
            directive,
            format!(
                "Listen queue size is greater than the system max net.core.somaxconn ({most})."
            ),
        );
    }
    backlog
}
