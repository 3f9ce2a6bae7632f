//! Options that go from one instance of a cluster to others: what a reading came to, and a reading made of that.
//!
//! What travels is the outcome: placeholders are filled in, conditions and loops are over, declared options stand as what
//! they mean. So nothing acts when it is read again, nothing is opened, and values that look like placeholders stay as they
//! are. Left out is what stays on a node: the names of files, and how the cluster is reached.

use std::sync::Arc;

use uwsgi_plugin_api::cluster::Options;
use uwsgi_plugin_api::{OptionRow, Section};

use super::read::assignment;
use super::snapshot::Snapshot;
use super::{Diagnostic, Directive, Origin, Reading};
use crate::options::Registry;
use crate::sys::machine::Machine;

/// A key that is no option: only a placeholder, and what applications read in `uwsgi.opt`.
const PLACEHOLDER: &str = "set-ph";
/// A positional argument: no option has this name.
const ARGUMENT: &str = "argument";
/// What has done all that it does when everything was read; blocks, too. The environment's changes travel as one list.
#[rustfmt::skip] // a table
const DONE: &[&str] = &[
    "ini", "yaml", "json", "xml", "toml", "config", "include", "inherit", "inject-before", "inject-after", "fallback-config",
    "set", "set-ph", "declare-option", "declare-option2", "profile", "iprint",
    "strict", "blacklist", "end-blacklist", "whitelist", "end-whitelist",
    "env", "ienv", "unenv", "envdir", "early-envdir",
];
/// What only asks, or says how to read: no configuration of its own.
const NEUTRAL: &[&str] = &["show-config", "get", "print", "plugins-list"];
/// What changes the environment of the processes.
const VARIABLES: &[&str] = &["env", "ienv", "unenv", "envdir", "early-envdir"];

/// What a node of a cluster reads instead of its own files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// The group that it came from, for messages.
    pub group: String,
    /// The change that brought it, in milliseconds since 1970.
    pub version: u64,
    /// Options that stay on this node.
    pub own: Options,
    /// All others.
    pub options: Options,
}

/// The options of a reading that others may run with, in the order in which they count.
pub fn shared_options(
    reading: &Reading,
    registry: &Registry,
    stays: &dyn Fn(&str) -> bool,
) -> Options {
    let mut options = Options::new();
    for directive in reading.effective() {
        let text = directive.text();
        match registry.find(&directive.key) {
            Some(row) if travels(row) && !stays(row.name) => {
                options.push((row.name.to_owned(), text.to_owned()));
            }
            // What strangers have in the environment is no wish of anybody.
            None if !matches!(directive.origin, Origin::Environment(_)) => {
                options.push((PLACEHOLDER.to_owned(), format!("{}={text}", directive.key)));
            }
            _ => {}
        }
    }
    options.extend(reading.variables.iter().map(|(name, value)| match value {
        Some(value) => ("env".to_owned(), format!("{name}={value}")),
        None => ("unenv".to_owned(), name.clone()),
    }));
    options.extend(reading.arguments.iter().map(|text| (ARGUMENT.to_owned(), text.clone())));
    options
}

fn travels(row: &OptionRow) -> bool {
    row.section != Section::Logic && !DONE.contains(&row.name)
}

/// The options of a reading that stay on the node, but for names of files, which were read.
pub fn own_options(
    reading: &Reading,
    registry: &Registry,
    stays: &dyn Fn(&str) -> bool,
) -> Options {
    let rows = reading.effective().filter_map(|directive| {
        let row = registry.find(&directive.key)?;
        Some((row, directive)).filter(|(row, _)| stays(row.name) && travels(row))
    });
    rows.map(|(row, directive)| (row.name.to_owned(), directive.text().to_owned())).collect()
}

/// Whether nothing is configured but what stays on a node.
pub fn is_bare(reading: &Reading, registry: &Registry, stays: &dyn Fn(&str) -> bool) -> bool {
    let says_nothing = |directive: &Directive| {
        let row = registry.find(&directive.key);
        row.is_none_or(|row| {
            let read = !travels(row) && !VARIABLES.contains(&row.name);
            read || stays(row.name) || NEUTRAL.contains(&row.name)
        })
    };
    reading.arguments.is_empty() && reading.effective().all(says_nothing)
}

/// Options from others without those that they have no say in: how this node reaches its cluster.
pub fn admitted(mut options: Options, stays: &dyn Fn(&str) -> bool) -> Options {
    options.retain(|(name, _)| !stays(name));
    options
}

/// The reading that `shared` is: nothing is opened. It can be read again in another process.
pub fn of_shared(registry: &Registry, machine: &Machine, shared: &Arc<Shared>) -> Reading {
    let mut reading = Reading::default();
    reading.snapshot = Some(Arc::new(Snapshot::of_shared(machine, shared.clone())));
    for (name, value) in &shared.own {
        reading.add(Directive::new(name, Some(value.clone()), Origin::CommandLine));
    }
    for (name, value) in &shared.options {
        let origin = Origin::Cluster(shared.group.clone());
        take(&mut reading, registry, Directive::new(name, Some(value.clone()), origin));
    }
    reading
}

fn take(reading: &mut Reading, registry: &Registry, directive: Directive) {
    match directive.key.as_str() {
        PLACEHOLDER => {
            let Some((key, value)) = directive.text().split_once('=') else {
                let text = "accepted: KEY=VALUE";
                return reading.problems.push(Diagnostic::error(&directive, text));
            };
            if registry.find(key).is_some() {
                // Where it came from, it was none; here it would act.
                let text = format!("{key} is an option here: as a placeholder it is left out");
                return reading.problems.push(Diagnostic::warning(&directive, text));
            }
            reading.placeholders.insert(key.to_owned());
            let pair = Directive::new(key, Some(value.to_owned()), directive.origin.clone());
            return reading.add(Directive { consumed: true, ..pair });
        }
        ARGUMENT if registry.find(ARGUMENT).is_none() => {
            return reading.arguments.push(directive.text().to_owned());
        }
        "env" => match assignment(&directive) {
            Ok(variable) => reading.variables.push(variable),
            Err(problem) => reading.problems.push(problem),
        },
        "unenv" => reading.variables.push((directive.text().to_owned(), None)),
        _ => {}
    }
    reading.add(directive);
}

#[cfg(test)]
mod tests;
