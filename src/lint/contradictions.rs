//! Options that do not go together, and options that others make useless.

use std::collections::HashMap;

use uwsgi_plugin_api::settings::flag_is_true;

use super::{Diagnostic, Subject};
use crate::config::{Directive, Origin};

pub(super) fn find(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    overridden(subject, found);
    master_all_the_same(subject, found);
    same_address(subject, found);
    larger_than(subject, found);
    applications(subject, found);
}

/// A single value that is given twice in one file: only the last one counts.
fn overridden(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let mut last: HashMap<&str, &Directive> = HashMap::new();
    for directive in subject.reading.effective() {
        let Origin::File(spot) = &directive.origin else { continue };
        let Some(row) = subject.registry.find(&directive.key) else { continue };
        if row.kind.is_list() || row.immediate {
            continue;
        }
        let Some(before) = last.insert(row.name, directive) else { continue };
        let Origin::File(earlier) = &before.origin else { continue };
        if earlier.file == spot.file && before.text() != directive.text() {
            let text = format!(
                "has no effect: {} is given again in line {}, and the last one counts",
                row.name, spot.key.line
            );
            found.push(Diagnostic::warning(before, text).at_key(before));
        }
    }
}

/// `master = false` beside an option that switches the master on by being named.
fn master_all_the_same(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let Some(master) = subject.last("master").filter(|master| !flag_is_true(master.text())) else {
        return;
    };
    let implies = subject.reading.effective().find(|directive| {
        let row = subject.registry.find(&directive.key);
        row.is_some_and(|row| row.implies.contains(&"master"))
    });
    if let Some(other) = implies {
        let text =
            format!("has no effect: {} switches the master on by being named", other.place());
        found.push(Diagnostic::warning(master, text));
    }
}

fn same_address(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<&str, &Directive> = HashMap::new();
    for directive in subject.addresses() {
        if let Some(other) = seen.insert(directive.text(), directive) {
            let text = format!("the address is given to {} already", other.place());
            found.push(Diagnostic::error(directive, text));
        }
    }
}

/// Pairs of options of which the first must not be larger than the second, and what happens then.
const AT_MOST: &[(&str, &str, &str)] = &[
    (
        "min-worker-lifetime",
        "max-worker-lifetime",
        "a worker would have to live longer than it may",
    ),
    ("harakiri", "worker-reload-mercy", "a reload kills requests before harakiri would"),
    ("post-buffering", "limit-post", "no body can be as large as that"),
];

fn larger_than(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (small, large, message) in AT_MOST {
        let Some((directive, (first, second))) = subject
            .last(small)
            .zip(subject.number(small).zip(subject.number(large)).filter(|(_, large)| *large > 0))
        else {
            continue;
        };
        if first > second {
            let text = format!("contradicts {large} = {second}: {message}");
            found.push(Diagnostic::warning(directive, text));
        }
    }
}

/// Two applications for the same place.
fn applications(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    if let Some((module, file)) = subject.last("module").zip(subject.last("wsgi-file")) {
        let text = format!("{} names an application for the same place", file.place());
        found.push(Diagnostic::warning(module, text));
    }
    if subject.is_on("lazy")
        && subject.is_on("lazy-apps")
        && let Some(lazy) = subject.last("lazy")
    {
        found.push(Diagnostic::warning(
            lazy,
            "lazy-apps is given too, and says more clearly what is wanted",
        ));
    }
}
