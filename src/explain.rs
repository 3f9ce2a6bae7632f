//! A configuration in plain words: what the server will do, then every option in the order in which it counts.

mod sites;

use std::fmt::Write;

use uwsgi_plugin_api::settings::flag_is_true;
use uwsgi_plugin_api::{OptionRow, WireProtocol};

use crate::config::model::Algorithm;
use crate::config::{Config, Diagnostic, Directive, Origin, Reading};
use crate::options::Registry;

/// The whole text.
pub fn configuration(
    registry: &Registry,
    reading: &Reading,
    config: Option<&Config>,
    problems: &[Diagnostic],
) -> String {
    let mut out = String::new();
    match config {
        Some(config) => {
            out.push_str("This configuration\n");
            summary(config).iter().for_each(|line| item(&mut out, line));
        }
        None => out.push_str("This configuration cannot be served:\n"),
    }
    for problem in problems.iter().filter(|problem| config.is_none() && problem.is_error()) {
        item(&mut out, &problem.to_string());
    }
    out.push_str("\nIts options, in the order in which they count\n");
    let mut source = String::new();
    let ends = ["endif", "end-if", "endfor", "end-for"];
    for directive in reading.effective().filter(|one| !ends.contains(&one.key.as_str())) {
        let (from, line) = origin(directive);
        if from != source {
            let _ = writeln!(out, "\n{from}"); // a String takes everything
            source = from;
        }
        option(&mut out, registry, directive, &line);
    }
    out
}

/// Where a directive comes from, and which line of it.
fn origin(directive: &Directive) -> (String, String) {
    match &directive.origin {
        Origin::File(spot) => (spot.file.name.clone(), format!("{:>4}  ", spot.key.line)),
        origin => (origin.to_string(), "  ".to_owned()),
    }
}

fn item(out: &mut String, text: &str) {
    let _ = writeln!(out, "  - {text}"); // a String takes everything
}

fn option(out: &mut String, registry: &Registry, directive: &Directive, line: &str) {
    let value = directive.value.as_deref().unwrap_or("true");
    let _ = writeln!(out, "{line}{} = {value}", directive.key);
    let _ = writeln!(out, "      {}", meaning(registry.find(&directive.key), directive));
}

fn meaning(row: Option<&'static OptionRow>, directive: &Directive) -> String {
    let Some(row) = row else {
        return "A placeholder for %(...), or an option declared here; no option of the server."
            .to_owned();
    };
    let off =
        if row.kind.is_flag() && !flag_is_true(directive.text()) { "Switched off: " } else { "" };
    let remark = row.status.remark().map(|text| format!(" It {text}."));
    format!("{off}{}{}", row.help, remark.unwrap_or_default())
}

/// What the server will do, a sentence each.
fn summary(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    for socket in &config.sockets {
        let protocol = match socket.protocol {
            WireProtocol::Uwsgi => "the uwsgi protocol",
            WireProtocol::PersistentUwsgi => "the persistent uwsgi protocol",
            WireProtocol::Http => "HTTP",
            WireProtocol::FastCgi | WireProtocol::FastCgiNph => "FastCGI",
            WireProtocol::Scgi | WireProtocol::ScgiNph => "SCGI",
            WireProtocol::Raw => "raw connections",
            WireProtocol::Auto => "uwsgi, HTTP, FastCGI or SCGI, whichever comes,",
        };
        lines.push(format!("serves {protocol} on {} ({})", socket.address, socket.origin));
    }
    if config.sockets.is_empty() {
        lines.push(
            "names no socket: it serves only where systemd or another hands sockets over"
                .to_owned(),
        );
    }
    lines.push(applications(config));
    lines.extend(sites::sentences(config));
    lines.push(workers(config));
    scaling(config, &mut lines);
    limits(config, &mut lines);
    lines.push(stopping(config));
    logging(config, &mut lines);
    monitoring(config, &mut lines);
    user(config, &mut lines);
    lines
}

fn monitoring(config: &Config, lines: &mut Vec<String>) {
    let monitoring = &config.monitoring;
    if let Some(stats) = &monitoring.stats {
        let form = if monitoring.stats_http { " over HTTP" } else { "" };
        lines.push(format!("gives its statistics away at {}{form}", stats.address));
    }
    if let Some(health) = &monitoring.health {
        lines.push(format!("answers /healthz and /readyz at {}", health.address));
    }
}

fn applications(config: &Config) -> String {
    let named = config.applications();
    let python = config.settings.text("home").map(|home| format!(" with the Python of {home}"));
    match named.is_empty() {
        true if sites::names_applications(config) => {
            "runs no application but those that requests name: others are answered with 500"
                .to_owned()
        }
        true => "loads no application: every request is answered with 500".to_owned(),
        false => format!("runs {}{}", named.join(", "), python.unwrap_or_default()),
    }
}

fn workers(config: &Config) -> String {
    let processes = &config.processes;
    let (workers, threads) = (u32::from(processes.workers), u32::from(processes.threads));
    let crew = match (workers, threads) {
        (1, 1) => "one process, one request at a time".to_owned(),
        (_, 1) => format!("{workers} processes: as many requests at a time"),
        (1, _) => format!("one process with {threads} threads: {threads} requests at a time"),
        _ => format!(
            "{workers} processes with {threads} threads each: {} requests at a time",
            workers * threads
        ),
    };
    match processes.master {
        true => format!("runs {crew}, watched by a master that replaces what dies"),
        false => format!("runs {crew}, without a master: what dies is not replaced"),
    }
}

fn scaling(config: &Config, lines: &mut Vec<String>) {
    let scaling = &config.scaling;
    if let Some(least) = scaling.least {
        let follows = match scaling.algorithm {
            Algorithm::Spare => "so that one of them is idle",
            Algorithm::Backlog => "by the connections that wait",
            Algorithm::Busyness => "by how busy they are",
            Algorithm::Manual => "when somebody asks for more or fewer",
        };
        let (initial, most) = (scaling.initial, config.processes.workers);
        lines.push(format!("runs {initial} of them at first, then {least} to {most}, {follows}"));
    }
    if scaling.cheap {
        lines.push("starts them at the first connection".to_owned());
    }
    if let Some(idle) = scaling.idle {
        let seconds = idle.as_secs();
        lines.push(match scaling.die_on_idle {
            true => format!("stops after {seconds} seconds without a request"),
            false => format!(
                "stops them after {seconds} seconds without a request, until the next connection"
            ),
        });
    }
}

fn limits(config: &Config, lines: &mut Vec<String>) {
    let processes = &config.processes;
    if let Some(time) = processes.harakiri {
        lines.push(format!(
            "ends a request after {} seconds and replaces its worker",
            time.as_secs()
        ));
    }
    if let Some(number) = processes.max_requests {
        lines.push(format!(
            "replaces a worker after {number} requests, not before it is {} seconds old",
            processes.min_worker_lifetime.as_secs()
        ));
    }
    if let Some(bytes) = processes.limit_as_bytes {
        lines.push(format!("limits each process to {} MiB of address space", bytes >> 20));
    }
    lines.push(format!("refuses request heads over {} bytes", config.limits.head_bytes_max));
    if let Some(bytes) = config.limits.body_bytes_max {
        lines.push(format!("refuses request bodies over {bytes} bytes"));
    }
}

fn stopping(config: &Config) -> String {
    match (config.processes.master, config.processes.die_on_term) {
        (true, true) => "stops on SIGINT and SIGTERM, reloads on SIGHUP and SIGQUIT",
        (true, false) => "stops on SIGINT and SIGQUIT, reloads on SIGHUP and on SIGTERM",
        (false, _) => "stops on SIGINT and SIGTERM",
    }
    .to_owned()
}

fn logging(config: &Config, lines: &mut Vec<String>) {
    let runtime = &config.runtime;
    let place = match (&runtime.daemonize, &runtime.logto) {
        (Some(file), _) => format!("runs in the background and logs to {file}"),
        (None, Some(file)) => format!("logs to {file}"),
        (None, None) => "logs to standard error".to_owned(),
    };
    let requests = match config.logging.requests {
        true => "a line for each request",
        false => "no line for ordinary requests",
    };
    lines.push(format!("{place}, {requests}"));
}

fn user(config: &Config, lines: &mut Vec<String>) {
    let runtime = &config.runtime;
    if let Some(user) = &runtime.uid {
        let group = runtime.gid.as_ref().map(|group| format!(" and group {group}"));
        lines.push(format!("becomes user {user}{}", group.unwrap_or_default()));
    }
    if let Some(folder) = &runtime.chdir {
        lines.push(format!("changes to {} before it loads the application", folder.display()));
    }
}
