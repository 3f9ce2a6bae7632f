//! Sockets, and how they are bound.

use uwsgi_plugin_api::WireProtocol;

use super::narrow;
use super::runtime::octal;
use crate::config::Reading;
use crate::config::model::SocketSpec;
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
];

pub(super) fn default_protocol(values: &mut Values<'_>) -> WireProtocol {
    let Some(directive) = values.last("protocol") else { return WireProtocol::Uwsgi };
    match directive.text() {
        "uwsgi" => WireProtocol::Uwsgi,
        "http" | "http11" => WireProtocol::Http,
        _ => {
            values.error(directive, "unable to find protocol; accepted: uwsgi, http");
            WireProtocol::Uwsgi
        }
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
