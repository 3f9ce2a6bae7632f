//! Who may have applications loaded, and from where.

use uwsgi_plugin_api::WireProtocol;

use super::{Diagnostic, Subject};
use crate::config::model::SocketSpec;

/// Writable for everybody, of `chmod-socket`.
const OTHERS_WRITE: u32 = 0o002;

pub(super) fn find(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let Some(config) = subject.config.filter(|config| config.sites.dynamic) else { return };
    let sites = &config.sites;
    for directive in subject.all("dynamic-apps-from") {
        let place = directive.place();
        let here = sites.from.accounts.iter().filter(|account| account.place == place);
        found.extend(
            here.filter_map(|account| account.number().err())
                .map(|why| Diagnostic::error(directive, why)),
        );
        if sites.roots.is_empty() && sites.from.reach_beyond_machine() {
            let text = "peers of other machines may have any Python code loaded and run as this user; accepted: \
                        dynamic-apps-root = DIR, or peers of this machine alone (127.0.0.1, unix, user:NAME)";
            found.push(Diagnostic::warning(directive, text));
        }
    }
    let mode = config.runtime.chmod_socket.unwrap_or(0);
    let names = |socket: &SocketSpec| {
        let silent = matches!(socket.protocol, WireProtocol::Http | WireProtocol::Raw);
        !silent && !socket.private && !socket.address.contains(':')
    };
    let anywhere = sites.from.peers.local && sites.roots.is_empty();
    let open = mode & OTHERS_WRITE != 0 && anywhere && config.sockets.iter().any(names);
    if let Some(directive) = subject.last("chmod-socket").filter(|_| open) {
        let text = "every local user may write to the socket and so have any Python code loaded and run as this user; \
                    accepted: chmod-socket = 660, dynamic-apps-from = user:NAME, dynamic-apps-root = DIR, dynamic-apps = false";
        found.push(Diagnostic::warning(directive, text));
    }
}
