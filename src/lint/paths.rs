//! Files and folders that are not there. On another machine than the one that will serve these are only noise,
//! so none of them is an error.

use std::path::{Path, PathBuf};

use super::{Diagnostic, Subject};
use crate::config::{Directive, Origin};

/// Options whose value must exist.
const MUST_EXIST: &[&str] = &[
    "chdir",
    "home",
    "wsgi-file",
    "python",
    "pythonpath",
    "plugins-dir",
    "dynamic-apps-root",
    "error-page-403",
    "error-page-404",
    "error-page-500",
];
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
    "cluster-state",
];

pub(super) fn find(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for directive in MUST_EXIST.iter().flat_map(|name| subject.all(name)) {
        let is_there = |path: PathBuf| path.exists();
        if is_plain(directive.text()) && !candidates(subject, directive).into_iter().any(is_there) {
            let text = "there is no such file or folder on this machine";
            found.push(Diagnostic::warning(directive, text));
        }
    }
    let sockets = subject.addresses().filter(|directive| directive.text().starts_with(['/', '.']));
    for directive in FOLDER_MUST_EXIST.iter().flat_map(|name| subject.all(name)).chain(sockets) {
        let folder = |path: &PathBuf| path.parent().unwrap_or(Path::new("/")).to_owned();
        let folders: Vec<_> = candidates(subject, directive).iter().map(folder).collect();
        if is_plain(directive.text()) && !folders.iter().any(|folder| folder.exists()) {
            let text = format!("there is no folder {} on this machine", folders[0].display());
            found.push(Diagnostic::warning(directive, text));
        }
    }
}

/// A path, not a pattern, a placeholder or an address.
fn is_plain(value: &str) -> bool {
    !value.is_empty() && !value.contains(['*', '(', '\n']) && !value.contains("://")
}

/// What a path may be when the server starts: relative ones count from `chdir` or the working directory, which may be
/// another one then; beside the file that names it is the likeliest.
fn candidates(subject: &Subject<'_>, directive: &Directive) -> Vec<PathBuf> {
    let here = &subject.machine.cwd;
    let chdir = subject.last("chdir").map(|chdir| here.join(chdir.text()));
    let beside = match &directive.origin {
        Origin::File(spot) => here.join(&spot.file.name).parent().map(Path::to_owned),
        _ => None,
    };
    let bases = chdir.into_iter().chain([here.clone()]).chain(beside);
    bases.map(|base| base.join(directive.text())).collect()
}
