//! The log, and the files, user and directories of the process.

use std::path::PathBuf;
use std::time::Duration;

use uwsgi_plugin_api::settings::logger;

use super::sockets::{backlog, chmod_socket};
use crate::config::model::{Logging, ProcessNames, Runtime};
use crate::config::values::Values;
use crate::config::{Diagnostic, Reading};
use crate::sys::machine::Machine;

/// Milliseconds of about 24 days.
const MILLISECONDS_MAX: u64 = i32::MAX as u64;

/// `logger` with a name that is not there: the log goes on where it is.
fn loggers(values: &mut Values<'_>) {
    const WORKS: &[&str] = if cfg!(feature = "mongrel2") { &["zeromq", "zmq"] } else { &[] };
    for directive in values.all("logger").to_vec() {
        if logger(directive.text(), WORKS).is_none() {
            let text = format!(
                "is not supported with this logger: the log goes to standard error or to the file of logto; let systemd's journal, \
                 the container or a pipe to logger(1) carry it on; accepted: {}",
                if WORKS.is_empty() { "none" } else { "zeromq:ENDPOINT" }
            );
            values.problems.push(Diagnostic::warning(directive, text));
        }
    }
}

pub(super) fn logging(values: &mut Values<'_>) -> Logging {
    loggers(values);
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

pub(super) fn runtime(values: &mut Values<'_>, machine: &Machine, reading: &Reading) -> Runtime {
    let path = |values: &Values<'_>, name: &str| values.text(name).map(PathBuf::from);
    Runtime {
        daemonize: log_file(values, "daemonize"),
        logto: log_file(values, "logto"),
        log_date: log_date(values),
        log_leaves: false,
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
        names: names(values),
        fallback: reading.fallback.clone(),
        config_files: reading.files.clone(),
    }
}

fn names(values: &mut Values<'_>) -> ProcessNames {
    let spaced =
        values.last("procname-prefix-spaced").map(|directive| format!("{} ", directive.text()));
    ProcessNames {
        shown: values.flag("auto-procname"),
        procname_prefix: spaced.or_else(|| values.text("procname-prefix")).unwrap_or_default(),
        procname: values.text("procname"),
        procname_master: values.text("procname-master"),
        procname_append: values.text("procname-append").unwrap_or_default(),
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

pub(super) fn octal(text: &str, max: u32) -> Option<u32> {
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
