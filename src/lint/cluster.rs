//! What others may read and change by way of the cluster, and options of clusters that do nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{Diagnostic, Subject};
use crate::config::{Directive, Origin};

/// Readable for everybody.
const OTHERS_READ: u32 = 0o004;
/// What names the cluster of an instance.
const GROUPS: &[&str] = &["cluster", "cluster-nodes"];
/// The old protocol has no secrets, votes, leaders or times.
const NATIVE: &[&str] = &[
    "cluster-secret",
    "cluster-secret-file",
    "cluster-quorum",
    "cluster-state",
    "cluster-cron",
    "cluster-forget",
    "cluster-clock-tolerance",
];
/// What says nothing where no cluster is named.
const MORE: &[&str] =
    &["cluster-port", "cluster-interface", "cluster-ttl", "cluster-compat", "cluster-seed"];

pub(super) fn find(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let is_named = GROUPS.iter().any(|name| subject.last(name).is_some());
    if !is_named {
        let text = "has no effect: no cluster is named; accepted: cluster = GROUP:PORT";
        let all = NATIVE.iter().chain(MORE).flat_map(|name| subject.all(name));
        found.extend(all.map(|directive| Diagnostic::warning(directive, text)));
        return;
    }
    open(subject, found);
    secrets(subject, found);
    if let Some((member, observer)) = subject.last("cluster").zip(subject.last("cluster-nodes")) {
        let text = format!(
            "has no effect: {} joins a cluster, and it is one or the other",
            member.place()
        );
        found.push(Diagnostic::warning(observer, text));
    }
}

/// The old protocol, and what it does not know.
fn open(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let Some(compat) = subject.last("cluster-compat").filter(|_| subject.is_on("cluster-compat"))
    else {
        return;
    };
    let text = "nothing is signed: everybody who reaches the group reads the configuration and reloads the nodes; \
                accepted: cluster-secret-file = FILE, once no old uWSGI is left";
    found.push(Diagnostic::warning(compat, text));
    let text = format!("has no effect: {}: the old protocol does not know it", compat.place());
    let unknown = NATIVE.iter().flat_map(|name| subject.all(name));
    found.extend(unknown.map(|directive| Diagnostic::warning(directive, text.clone())));
}

fn secrets(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let text = "everybody on this machine may read it, and who has it may run programs on all nodes; \
                accepted: a file of mode 640 or 600, cluster-secret-file = FILE";
    let exposed = subject.all("cluster-secret").into_iter().filter(|one| is_exposed(one));
    found.extend(exposed.map(|directive| Diagnostic::warning(directive, text).at_key(directive)));
}

/// It stands in a file that everybody may read, or in lists of processes.
fn is_exposed(directive: &Directive) -> bool {
    match &directive.origin {
        Origin::CommandLine => true,
        Origin::File(spot) => fs::metadata(&spot.file.name)
            .is_ok_and(|metadata| metadata.permissions().mode() & OTHERS_READ != 0),
        _ => false,
    }
}
