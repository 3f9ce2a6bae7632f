//! Directives become one checked [`Config`]; every problem is found before anything is started.

use std::path::PathBuf;
use std::time::Duration;

use uwsgi_plugin_api::settings::flag_is_true;
use uwsgi_plugin_api::{OptionRow, Settings, Status, WireProtocol};
use uwsgi_protocol::http1::{is_token, is_value};

use super::model::{Limits, Logging, Processes, Runtime, SocketSpec};
use super::plugins::is_built_in;
use super::values::Values;
use super::{Config, Diagnostic, Directive, Origin, Reading, Severity, misread};
use crate::options::Registry;
use crate::sys::machine::Machine;

/// Seconds that fit every clock calculation of the server (about 68 years).
const SECONDS_MAX: u64 = i32::MAX as u64;
/// Milliseconds of about 24 days.
const MILLISECONDS_MAX: u64 = i32::MAX as u64;
/// An idle HTTP connection is kept this long: a little longer than common proxies keep theirs, so that
/// it is them who close.
const KEEP_ALIVE_SECONDS: u64 = 75;
/// So many unknown names are compared with all known ones; a file with more of them is no configuration.
const SUGGESTIONS_MAX: usize = 200;
/// Connections of a worker are at most this many, whatever the descriptor limit says.
const CONNECTIONS_MAX: u64 = 16_384;

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
    let default_protocol = default_protocol(&mut values);
    let config = Config {
        sockets: sockets(&reading, registry, default_protocol),
        default_protocol,
        processes: processes(&mut values),
        limits: limits(&mut values, machine),
        headers: headers(&mut values),
        logging: logging(&mut values),
        runtime: runtime(&mut values, machine, &reading),
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
    match row.status {
        Status::Works => None,
        Status::NoEffect(reason) => {
            Some(Diagnostic::hint(directive, format!("has no effect here: {reason}")))
        }
        Status::Missing(_) | Status::Unsupported(_) if off => None,
        Status::Missing(instead) => {
            Some(Diagnostic::warning(directive, format!("is not supported: {instead}")))
        }
        Status::Unsupported(instead) => {
            let severity = if allowed { Severity::Warning } else { Severity::Error };
            Some(Diagnostic::new(severity, directive, format!("is not supported: {instead}")))
        }
    }
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
    if reading.strict {
        let meant = near.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
        let text = format!("[strict-mode] unknown config directive{meant}");
        return Some(Diagnostic::error(directive, text).at_key(directive));
    }
    if near.is_none() && !matches!(directive.origin, Origin::File(..)) {
        return None;
    }
    let meant = near.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
    let text = format!("unknown option{meant}; kept as a placeholder");
    Some(Diagnostic::warning(directive, text).at_key(directive))
}

fn plugins(values: &mut Values<'_>) {
    for (option, needed) in [("plugins", false), ("need-plugins", true)] {
        for directive in values.all(option).to_vec() {
            let names = directive.text().split(',').map(str::trim);
            for name in names.filter(|name| !name.is_empty() && !is_built_in(name)) {
                let text = format!("there is no plugin {name}; built in: python, http");
                let problem = Diagnostic::warning(directive, text);
                values.problems.push(match needed {
                    true => Diagnostic { severity: super::Severity::Error, ..problem },
                    false => problem,
                });
            }
        }
    }
}

fn default_protocol(values: &mut Values<'_>) -> WireProtocol {
    let Some(directive) = values.last("protocol") else { return WireProtocol::Uwsgi };
    match directive.text() {
        "uwsgi" => WireProtocol::Uwsgi,
        "http" | "http11" => WireProtocol::Http,
        _ => {
            values.error(directive, "unable to find protocol; accepted: uwsgi, http");
            WireProtocol::Uwsgi
        }
    }
}

fn sockets(reading: &Reading, registry: &Registry, default: WireProtocol) -> Vec<SocketSpec> {
    let mut sockets = Vec::new();
    for directive in reading.effective() {
        let Some(row) = registry.find(&directive.key) else { continue };
        let protocol = match row.name {
            "socket" => default,
            "uwsgi-socket" => WireProtocol::Uwsgi,
            "http" | "http-socket" | "http11-socket" => WireProtocol::Http,
            _ => continue,
        };
        sockets.push(SocketSpec {
            address: directive.text().to_owned(),
            protocol,
            origin: directive.place(),
            router: row.name == "http",
        });
    }
    sockets
}

fn processes(values: &mut Values<'_>) -> Processes {
    let seconds = Duration::from_secs;
    Processes {
        master: values.flag("master"),
        workers: narrow(values.number("processes", 1..=u64::from(u16::MAX)), 1),
        threads: narrow(values.positive("threads", u64::from(u16::MAX)), 1),
        lazy_apps: values.flag("lazy-apps") || values.flag("lazy"),
        need_app: values.flag("need-app"),
        harakiri: values.positive("harakiri", SECONDS_MAX).map(seconds),
        max_requests: values.positive("max-requests", u64::MAX),
        max_requests_delta: values.number("max-requests-delta", 0..=u64::MAX).unwrap_or(0),
        min_worker_lifetime: seconds(
            values.number("min-worker-lifetime", 0..=SECONDS_MAX).unwrap_or(10),
        ),
        worker_mercy: seconds(values.number("worker-reload-mercy", 0..=SECONDS_MAX).unwrap_or(60)),
        forkbomb_delay: seconds(values.number("forkbomb-delay", 0..=SECONDS_MAX).unwrap_or(2)),
        die_on_term: values.flag("die-on-term"),
        no_orphans: values.flag("no-orphans"),
        limit_as_bytes: values
            .positive("limit-as", u64::MAX >> 20)
            .map(|mebibytes| mebibytes << 20),
    }
}

/// A number that was checked to fit.
fn narrow<T: TryFrom<u64>>(number: Option<u64>, default: T) -> T {
    number.and_then(|number| T::try_from(number).ok()).unwrap_or(default)
}

fn limits(values: &mut Values<'_>, machine: &Machine) -> Limits {
    let head_bytes = values.number("buffer-size", 1..=u64::MAX).unwrap_or(4096).min(65_535);
    let pairs = values.number("max-vars", 1..=u64::from(u16::MAX)).unwrap_or(64);
    let timeout = values.number("socket-timeout", 1..=SECONDS_MAX).unwrap_or(4);
    let connections = (machine.descriptors_max / 4 * 3).clamp(1, CONNECTIONS_MAX);
    Limits {
        head_bytes_max: narrow(Some(head_bytes), 4096),
        vars_max: narrow(Some(pairs * 2), 128),
        body_bytes_max: values.positive("limit-post", u64::MAX),
        post_buffering_bytes: values
            .positive("post-buffering", u64::MAX)
            .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        socket_timeout: Duration::from_secs(timeout),
        keep_alive: keep_alive(values),
        connections_max: narrow(Some(connections), 1),
    }
}

/// `add-header`, where it is one that may be sent.
fn headers(values: &mut Values<'_>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for directive in values.all("add-header").to_vec() {
        let header =
            directive.text().split_once(':').map(|(name, value)| (name.trim(), value.trim()));
        match header.filter(|(name, value)| is_token(name.as_bytes()) && is_value(value.as_bytes()))
        {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None => values.error(
                directive,
                "no header that may be sent; accepted: NAME: VALUE, without control characters",
            ),
        }
    }
    headers
}

/// `http-keepalive`: without a value or with 1 it is on, as it always is; 0 switches it off.
fn keep_alive(values: &mut Values<'_>) -> Duration {
    let default = Duration::from_secs(KEEP_ALIVE_SECONDS);
    match values.text("http-keepalive").as_deref() {
        None | Some("" | "true") => default,
        Some(_) => match values.number("http-keepalive", 0..=SECONDS_MAX) {
            None | Some(1) => default,
            Some(seconds) => Duration::from_secs(seconds),
        },
    }
}

fn logging(values: &mut Values<'_>) -> Logging {
    Logging {
        requests: !values.flag("disable-logging"),
        log_4xx: values.flag("log-4xx"),
        log_5xx: values.flag("log-5xx"),
        log_slow: values.positive("log-slow", MILLISECONDS_MAX).map(Duration::from_millis),
        log_x_forwarded_for: values.flag("log-x-forwarded-for"),
        micros: values.flag("log-micros"),
        memory_report: values.flag("memory-report"),
        ignore_sigpipe: values.flag("ignore-sigpipe"),
        ignore_write_errors: values.flag("ignore-write-errors"),
        disable_write_exception: values.flag("disable-write-exception"),
    }
}

fn runtime(values: &mut Values<'_>, machine: &Machine, reading: &Reading) -> Runtime {
    let path = |values: &Values<'_>, name: &str| values.text(name).map(PathBuf::from);
    let spaced =
        values.last("procname-prefix-spaced").map(|directive| format!("{} ", directive.text()));
    Runtime {
        daemonize: log_file(values, "daemonize"),
        logto: log_file(values, "logto"),
        log_date: log_date(values),
        pidfile: path(values, "pidfile"),
        pidfile2: path(values, "pidfile2"),
        safe_pidfile: path(values, "safe-pidfile"),
        safe_pidfile2: path(values, "safe-pidfile2"),
        vacuum: values.flag("vacuum"),
        uid: values.text("uid"),
        gid: values.text("gid"),
        chdir: path(values, "chdir"),
        umask: umask(values),
        env: reading.variables.clone(),
        backlog: backlog(values, machine),
        chmod_socket: chmod_socket(values),
        chown_socket: values.text("chown-socket"),
        abstract_socket: values.flag("abstract-socket"),
        reuse_port: values.flag("reuse-port"),
        so_keepalive: values.flag("so-keepalive"),
        tcp_nodelay: values.flag("tcp-nodelay"),
        defer_accept: !values.flag("no-defer-accept"),
        auto_procname: values.flag("auto-procname"),
        procname_prefix: spaced.or_else(|| values.text("procname-prefix")),
        fallback: reading.fallback.clone(),
        config_files: reading.files.clone(),
    }
}

/// A log file; uWSGI takes `host:port` for a UDP log server.
fn log_file(values: &mut Values<'_>, name: &str) -> Option<String> {
    let directive = values.last(name)?;
    let target = directive.text();
    let is_path = target.starts_with(['/', '.']) || !target.contains(':');
    if !is_path {
        values.error(
            directive,
            "logging to a UDP server is not supported; accepted: the path of a file",
        );
    } else if target.is_empty() {
        values.error(directive, "no file is named; accepted: the path of a file");
    }
    Some(target.to_owned())
}

/// Without a format, `true` and its like ask for uWSGI's own form.
fn log_date(values: &mut Values<'_>) -> Option<String> {
    let text = values.text("log-date")?;
    match text.as_str() {
        "" | "1" | "true" | "on" | "yes" => Some(String::new()),
        "0" | "false" | "off" | "no" => None,
        _ => Some(text),
    }
}

fn octal(text: &str, max: u32) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    digits.then(|| u32::from_str_radix(text, 8).ok()).flatten().filter(|mode| *mode <= max)
}

fn umask(values: &mut Values<'_>) -> Option<u32> {
    let directive = values.last("umask")?;
    let mode = octal(directive.text().trim(), 0o777);
    if mode.is_none() {
        values.error(directive, "accepted: an octal mode such as 022");
    }
    mode
}

fn chmod_socket(values: &mut Values<'_>) -> Option<u32> {
    let directive = values.last("chmod-socket")?;
    let mode = match directive.text() {
        "" | "1" | "true" => Some(0o666),
        text if text.len() == 3 => octal(text, 0o777),
        _ => None,
    };
    if mode.is_none() {
        values.error(directive, "invalid chmod value; accepted: three octal digits such as 660");
    }
    mode
}

/// `listen`; more than the kernel gives is an error, as in uWSGI.
fn backlog(values: &mut Values<'_>, machine: &Machine) -> u32 {
    let most = machine.somaxconn.unwrap_or(u32::MAX >> 1);
    let Some(directive) = values.last("listen") else { return most.min(100) };
    let backlog: u32 = narrow(values.number("listen", 0..=u64::from(u32::MAX >> 1)), 100);
    if backlog > most {
        values.error(
            directive,
            format!(
                "Listen queue size is greater than the system max net.core.somaxconn ({most})."
            ),
        );
    }
    backlog
}

/// All options for plugins: canonical names, in their order; placeholders too, as in `uwsgi.opt`.
fn settings(reading: &Reading, registry: &Registry) -> Settings {
    let pair = |directive: &Directive| {
        let name = registry.find(&directive.key).map_or(directive.key.as_str(), |row| row.name);
        (name.to_owned(), directive.text().to_owned())
    };
    Settings::new(reading.effective().map(pair).collect())
}
