//! Files and folders that are not there. On another machine than the one that will serve these are only noise,
//! so none of them is an error.

use std::path::{Path, PathBuf};

use super::{Diagnostic, Subject};

/// Options whose value must exist.
const MUST_EXIST: &[&str] = &["chdir", "home", "wsgi-file", "python", "pythonpath", "plugins-dir"];
/// Options whose folder must exist, because the file is made in it.
const FOLDER_MUST_EXIST: &[&str] = &[
    "pidfile",
    "pidfile2",
    "safe-pidfile",
    "safe-pidfile2",
    "logto",
    "logto2",
    "daemonize",
    "master-fifo",
];
/// Options that may name a unix socket.
const SOCKETS: &[&str] = &["socket", "uwsgi-socket", "http-socket", "http", "stats"];

pub(super) fn find(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let chdir = subject.last("chdir").map(|directive| PathBuf::from(directive.text()));
    for name in MUST_EXIST {
        for directive in subject.all(name) {
            let path =
                absolute(subject, directive.text(), chdir.as_deref().filter(|_| *name != "chdir"));
            if is_plain(directive.text()) && !path.exists() {
                found.push(Diagnostic::warning(
                    directive,
                    "there is no such file or folder on this machine",
                ));
            }
        }
    }
    for directive in FOLDER_MUST_EXIST.iter().flat_map(|name| subject.all(name)) {
        folder(subject, directive, found);
    }
    let sockets = SOCKETS.iter().flat_map(|name| subject.all(name));
    for directive in sockets.filter(|directive| directive.text().starts_with(['/', '.'])) {
        folder(subject, directive, found);
    }
}

fn folder(
    subject: &Subject<'_>,
    directive: &crate::config::Directive,
    found: &mut Vec<Diagnostic>,
) {
    let path = absolute(subject, directive.text(), None);
    let folder = path.parent().unwrap_or(Path::new("/"));
    if is_plain(directive.text()) && !folder.exists() {
        let text = format!("there is no folder {} on this machine", folder.display());
        found.push(Diagnostic::warning(directive, text));
    }
}

/// A path, not a pattern, a placeholder or an address.
fn is_plain(value: &str) -> bool {
    !value.is_empty() && !value.contains(['*', '(', '\n']) && !value.contains("://")
}

/// Relative paths count from `chdir` for what is loaded, else from the working directory.
fn absolute(subject: &Subject<'_>, value: &str, chdir: Option<&Path>) -> PathBuf {
    let base =
        chdir.map_or_else(|| subject.machine.cwd.clone(), |chdir| subject.machine.cwd.join(chdir));
    base.join(value)
}
