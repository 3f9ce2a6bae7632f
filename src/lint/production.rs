//! What experienced operators set, and why.

use uwsgi_plugin_api::WireProtocol;

use super::{Diagnostic, Subject, general};
use crate::config::{Directive, Severity};

pub(super) fn find(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let serves = !subject.all("socket").is_empty()
        || subject.config.is_none_or(|config| !config.sockets.is_empty());
    if !serves {
        let text = "no socket is configured: the server ends at once where it inherits none (systemd); accepted: socket, http-socket, ...";
        found.push(general(Severity::Warning, "socket", text));
    }
    exposed(subject, found);
    processes(subject, found);
    stopping(subject, found);
    unix_sockets(subject, found);
    user(subject, found);
    requests(subject, found);
}

/// The uwsgi protocol lets its peer set variables that choose and load applications.
fn exposed(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let speaks_http =
        subject.config.is_some_and(|config| config.default_protocol == WireProtocol::Http);
    let plain = subject.all("socket").into_iter().filter(|_| !speaks_http);
    for directive in plain.chain(subject.all("uwsgi-socket")) {
        if is_public(directive.text()) {
            let text = "the uwsgi protocol is open to every network: whoever reaches it can pose as the front end; \
                        accepted: 127.0.0.1:PORT or a unix socket";
            found.push(Diagnostic::warning(directive, text));
        }
    }
}

/// An address that other machines reach: a port on all interfaces, or an address that is not of loopback.
fn is_public(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let numeric = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if !numeric || address.starts_with(['/', '.', '@', '=']) || address.contains("://") {
        return false;
    }
    let host = host.trim_matches(['[', ']']);
    !(host.starts_with("127.") || host == "localhost" || host == "::1")
}

fn has_master(subject: &Subject<'_>) -> bool {
    subject.config.map_or_else(|| subject.is_on("master"), |config| config.processes.master)
}

fn processes(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    if !has_master(subject) {
        let text =
            "there is no master: a worker that dies is not replaced, and nothing can be reloaded";
        found.push(at(subject, "processes", Severity::Warning, "master", text));
    }
    let one = |name| subject.number(name).unwrap_or(1) <= 1;
    if one("processes") && one("threads") {
        let text = "one process with one thread answers one request at a time";
        found.push(at(subject, "processes", Severity::Hint, "processes", text));
    }
}

fn stopping(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    if has_master(subject) && !subject.is_on("die-on-term") {
        let text = "SIGTERM reloads instead of stopping: systemd, Docker and Kubernetes send it to stop, wait, and kill; \
                    accepted: die-on-term = true";
        found.push(at(subject, "master", Severity::Warning, "die-on-term", text));
    }
    if !subject.is_on("need-app") {
        let text = "an application that does not load leaves a server that answers 500; need-app = true makes it fail \
                    where it is seen";
        found.push(general(Severity::Hint, "need-app", text));
    }
    if let Some(directive) = subject.last("daemonize") {
        let text =
            "a process that forks away is hard to watch for systemd and Docker; leave it out there";
        found.push(Diagnostic::hint(directive, text));
    }
}

fn unix_sockets(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let is_file = |directive: &&Directive| directive.text().starts_with(['/', '.']);
    let Some(socket) = subject.sockets().find(is_file) else { return };
    if subject.last("chmod-socket").is_none() && subject.last("chown-socket").is_none() {
        let text = "the front end's user may not be able to connect; accepted: chmod-socket = 660, or chown-socket";
        found.push(Diagnostic::hint(socket, text));
    }
    if !subject.is_on("vacuum") {
        found.push(Diagnostic::hint(
            socket,
            "the file stays behind at the end; vacuum = true removes it",
        ));
    }
}

fn user(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let machine = subject.machine;
    match subject.last("uid") {
        None if machine.uid == 0 => {
            let text = "the application would run as root; accepted: uid and gid";
            found.push(general(Severity::Warning, "uid", text));
        }
        Some(directive) if machine.uid != 0 => {
            let own = [machine.uid.to_string(), machine.user.clone()];
            if !own.iter().any(|own| own == directive.text()) {
                found.push(Diagnostic::warning(
                    directive,
                    "only root can become another user; you are not",
                ));
            }
        }
        _ => {}
    }
}

fn requests(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    if subject.number("harakiri").unwrap_or(0) == 0 {
        let text = "a request that hangs holds its worker for ever; accepted: harakiri = SECONDS";
        found.push(general(Severity::Hint, "harakiri", text));
    }
    if subject.last("buffer-size").is_none() {
        let text = "request heads over 4096 bytes are refused; large cookies and tokens need more: buffer-size = 32768";
        found.push(general(Severity::Hint, "buffer-size", text));
    }
}

/// A problem at the directive of `place` where it is given; of the option `about` all the same.
fn at(
    subject: &Subject<'_>,
    place: &str,
    severity: Severity,
    about: &str,
    text: &str,
) -> Diagnostic {
    let known = subject.last(place).map(|directive| Diagnostic::new(severity, directive, text));
    Diagnostic {
        option: about.to_owned(),
        ..known.unwrap_or_else(|| general(severity, about, text))
    }
}

#[cfg(test)]
mod tests {
    use super::is_public;

    #[test]
    fn addresses_that_other_machines_reach_are_known() {
        for (address, public) in [
            (":3031", true),
            ("0.0.0.0:3031", true),
            ("[::]:3031", true),
            ("*:3031", true),
            ("10.0.0.1:3031", true),
            ("127.0.0.1:3031", false),
            ("[::1]:3031", false),
            ("localhost:3031", false),
            ("/run/app.sock", false),
            ("@app", false),
            ("fd://3", false),
            ("app.sock", false),
        ] {
            assert_eq!(is_public(address), public, "{address}");
        }
    }
}
