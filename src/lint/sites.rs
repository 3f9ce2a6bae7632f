//! Who may have applications loaded, and from where.

use uwsgi_plugin_api::WireProtocol;
use uwsgi_plugin_api::settings::flag_is_true;

use super::{Diagnostic, Subject};
use crate::config::Directive;
use crate::config::model::SocketSpec;

/// Writable for everybody, of `chmod-socket`.
const OTHERS_WRITE: u32 = 0o002;

pub(super) fn find(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    useless(subject, found);
    unseparated(subject, found);
    loaders(subject, found);
}

/// Options of what requests name where no request may.
fn useless(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let off = |directive: &&Directive| !flag_is_true(directive.text());
    let Some(off) = subject.last("dynamic-apps").filter(off) else { return };
    let processes = subject.last("app-isolation").filter(|one| one.text() == "process");
    let names = ["dynamic-apps-from", "dynamic-apps-root", "site-option"].into_iter();
    let given = names.flat_map(|name| subject.all(name)).chain(processes);
    let text = format!("has no effect: {}: no request has an application loaded", off.place());
    found.extend(given.map(|directive| Diagnostic::warning(directive, text.clone())));
}

/// Processes of sites that nobody starts, or that are asked for beside one interpreter for all.
fn unseparated(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let processes = subject.last("app-isolation").filter(|one| one.text() == "process");
    if let Some((shared, processes)) =
        subject.last("single-interpreter").filter(|one| flag_is_true(one.text())).zip(processes)
    {
        let text = format!(
            "contradicts {}: applications that requests name have processes of their own; only those of the configuration share an interpreter",
            processes.place()
        );
        found.push(Diagnostic::warning(shared, text));
    }
    if subject.config.is_none_or(|config| config.processes.master) {
        return;
    }
    let text = "has no effect: without a master nobody starts processes for sites; accepted: master = true";
    let options = subject.all("site-option").into_iter();
    found.extend(options.map(|directive| Diagnostic::warning(directive, text)));
}

fn loaders(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
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
