//! What works as it is and has something better beside it: options with a successor, comments behind values.

use super::{Diagnostic, Subject};
use crate::config::comment_behind;

/// Name as written, and what to use today.
const SUCCESSORS: &[(&str, &str)] = &[
    ("lazy", "lazy-apps does what is wanted of it, and keeps reloads whole"),
    ("grunt", "attach-daemon or a service of the system"),
    ("cache", "cache2 names its caches"),
    ("cron", "cron2 names its fields"),
    ("smart-attach-daemon", "attach-daemon2 names its fields"),
    ("subscribe-to", "subscribe2 names its fields"),
    ("subscribe", "subscribe2 names its fields"),
    ("log-syslog", "logger = syslog"),
    ("log-socket", "logger = socket:ADDRESS"),
    ("static-offload-to-thread", "offload-threads"),
    ("vhost-host", "vhost reads the Host header by itself"),
    ("exec-pre-app", "hook-pre-app = exec:COMMAND"),
    ("exec-post-app", "hook-post-app = exec:COMMAND"),
    ("exec-asap", "hook-asap = exec:COMMAND"),
    ("exec-as-root", "hook-as-root = exec:COMMAND"),
    ("exec-as-user", "hook-as-user = exec:COMMAND"),
    (
        "reload-on-exception",
        "max-requests; an exception of one request is no reason to stop the others",
    ),
    ("thunder-lock", "nothing: connections are always shared out one by one"),
    ("catch-exceptions", "nothing in production: it shows the application's inside to everybody"),
    ("honour-stdin", "attach-daemon for programs that want a terminal"),
    ("master-as-root", "uid, and privileged sockets, which are opened before it takes effect"),
    ("daemonize2", "a service of the system, which sees a process that does not fork away"),
    ("http-keepalive", "nothing: connections are kept anyway; it only sets the seconds"),
    (
        "env",
        "nothing where the value is a secret: it can be read in /proc; use the service's environment file",
    ),
];

/// Only what is no secret is looked at by name alone.
fn concerns(key: &str, value: &str) -> bool {
    if key != "env" {
        return true;
    }
    let name = value.split('=').next().unwrap_or_default().to_ascii_lowercase();
    ["password", "secret", "token", "api_key", "apikey"].iter().any(|word| name.contains(word))
}

pub(super) fn find(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for directive in subject.reading.effective() {
        if let Some(row) = subject.registry.find(&directive.key) {
            found.extend(comment_behind(row, directive));
        }
        let better = SUCCESSORS.iter().find(|(name, _)| *name == directive.key);
        if let Some((_, better)) = better.filter(|(name, _)| concerns(name, directive.text())) {
            let text = format!("there is something better: {better}");
            found.push(Diagnostic::hint(directive, text).at_key(directive));
        }
    }
}
