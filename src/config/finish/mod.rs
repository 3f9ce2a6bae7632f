//! Directives become one checked [`Config`]; every problem is found before anything is started.
//!
//! A file for each part of the configuration; what an option's value may be is said where it is read.

mod actions;
mod errors;
mod files;
mod hooks;
mod http;
mod isolation;
mod jobs;
mod life_cycle;
mod limits;
mod loaders;
mod monitoring;
mod processes;
mod proxies;
mod runtime;
mod scaling;
mod sites;
mod sockets;
mod timeouts;

pub use sockets::SOCKETS;

use uwsgi_plugin_api::settings::flag_is_true;
use uwsgi_plugin_api::{OptionRow, Settings, Status};

use super::plugins::{BUILT_IN, is_built_in};
use super::values::Values;
use super::{Config, Diagnostic, Directive, Origin, Reading, Severity, misread};
use crate::options::Registry;
use crate::sys::machine::Machine;

/// Seconds that fit every clock calculation of the server (about 68 years).
const SECONDS_MAX: u64 = i32::MAX as u64;
/// So many unknown names are compared with all known ones; a file with more of them is no configuration.
const SUGGESTIONS_MAX: usize = 200;

/// Checks everything that was read.
///
/// # Errors
/// All problems, warnings among them, where one of them stops the server.
pub fn finish(
    reading: Reading,
    registry: &Registry,
    machine: &Machine,
) -> Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut values = Values::new(registry, reading.effective());
    values.problems = reading.problems.clone();
    statuses(&reading, registry, &mut values);
    plugins(&mut values);
    let default_protocol = sockets::default_protocol(&mut values);
    let processes = processes::processes(&mut values, machine);
    let isolation = isolation::isolation(&mut values);
    let descriptors = isolation.descriptors_max.unwrap_or(machine.descriptors_max);
    let life_cycle = life_cycle::life_cycle(&mut values, processes.workers, machine);
    let limits = limits::limits(&mut values, descriptors);
    let config = Config {
        sockets: sockets::sockets(&reading, registry, default_protocol),
        default_protocol,
        modifiers: sockets::modifiers(&mut values),
        proxy_protocol: proxies::proxy_protocol(&mut values),
        trusted: proxies::trusted(&mut values),
        errors: errors::errors(&mut values),
        files: files::static_files(&mut values),
        sites: sites::sites(&mut values, &reading, registry),
        jobs: jobs::jobs(&mut values, (life_cycle.reload_mercy, processes.worker_mercy)),
        life_cycle,
        scaling: scaling::scaling(&mut values, processes.workers),
        processes,
        monitoring: monitoring::monitoring(&mut values),
        http: http::http(&mut values, limits.head_bytes_max),
        limits,
        headers: limits::headers(&mut values),
        logging: runtime::logging(&mut values),
        runtime: runtime::runtime(&mut values, machine, &reading),
        hooks: hooks::hooks(&mut values),
        isolation,
        cluster: None,
        settings: settings(&reading, registry),
        arguments: reading.arguments.clone(),
    };
    let problems = values.problems;
    if problems.iter().any(Diagnostic::is_error) { Err(problems) } else { Ok((config, problems)) }
}

/// Unknown options, and known ones that do nothing, once each.
fn statuses(reading: &Reading, registry: &Registry, values: &mut Values<'_>) {
    let allowed = values.flag("allow-unsupported");
    let problems = &mut values.problems;
    let mut seen = std::collections::HashSet::new();
    let mut suggestions = SUGGESTIONS_MAX;
    for directive in reading.effective() {
        let row = registry.find(&directive.key);
        problems.extend(misread::unresolved(row, directive));
        problems.extend(misread::lost_letters(directive));
        problems.extend(row.and_then(|row| misread::misread(row, directive)));
        if !seen.insert(&directive.key) {
            continue;
        }
        match row {
            None => problems.extend(unknown(reading, registry, directive, &mut suggestions)),
            Some(row) => problems.extend(known(row, directive, allowed)),
        }
    }
}

/// An option that is known and does not work here. One that is switched off lacks nothing.
/// Where it is `allowed`, one without which the server is not what was asked for does not stop it.
fn known(row: &OptionRow, directive: &Directive, allowed: bool) -> Option<Diagnostic> {
    let off = row.kind.is_flag() && !flag_is_true(directive.text());
    let severity = match row.status {
        Status::Works => return None,
        Status::NoEffect(_) => Severity::Hint,
        Status::Missing(_) | Status::Unsupported(_) if off => return None,
        Status::Unsupported(_) if !allowed => Severity::Error,
        Status::Missing(_) | Status::Unsupported(_) => Severity::Warning,
    };
    row.status.remark().map(|remark| Diagnostic::new(severity, directive, remark))
}

/// An unknown key is a placeholder, as in uWSGI; it is named where nothing refers to it. Of the
/// environment, which is full of other programs' variables, only likely typing errors are.
fn unknown(
    reading: &Reading,
    registry: &Registry,
    directive: &Directive,
    suggestions: &mut usize,
) -> Option<Diagnostic> {
    let referred = !reading.strict && reading.referred.contains(&directive.key);
    if referred || reading.placeholders.contains(&directive.key) {
        return None;
    }
    let near = (*suggestions > 0).then(|| registry.nearest(&directive.key)).flatten();
    *suggestions = suggestions.saturating_sub(1);
    let meant = near.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
    if reading.strict {
        let text = format!("[strict-mode] unknown config directive{meant}");
        return Some(Diagnostic::error(directive, text).at_key(directive));
    }
    if near.is_none() && !matches!(directive.origin, Origin::File(..)) {
        return None;
    }
    let text = format!("unknown option{meant}; kept as a placeholder");
    Some(Diagnostic::warning(directive, text).at_key(directive))
}

fn plugins(values: &mut Values<'_>) {
    for (option, needed) in [("plugins", false), ("need-plugins", true)] {
        for directive in values.all(option).to_vec() {
            let names = directive.text().split(',').map(str::trim);
            for name in names.filter(|name| !name.is_empty() && !is_built_in(name)) {
                let others = BUILT_IN.join(", ");
                let text = format!("there is no plugin {name}; built in: python, {others}");
                let severity = if needed { Severity::Error } else { Severity::Warning };
                values.problems.push(Diagnostic::new(severity, directive, text));
            }
        }
    }
}

/// A number that was checked to fit.
fn narrow<T: TryFrom<u64>>(number: Option<u64>, default: T) -> T {
    number.and_then(|number| T::try_from(number).ok()).unwrap_or(default)
}

/// All options for plugins: canonical names, in their order; placeholders too, as in `uwsgi.opt`.
pub fn settings(reading: &Reading, registry: &Registry) -> Settings {
    let pair = |directive: &Directive| {
        let name = registry.find(&directive.key).map_or(directive.key.as_str(), |row| row.name);
        (name.to_owned(), directive.text().to_owned())
    };
    Settings::new(reading.effective().map(pair).collect())
}
