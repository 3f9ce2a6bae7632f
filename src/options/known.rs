//! Options that are known and do nothing here, and options that are known and not there yet.
//!
//! A no-effect option is accepted everywhere and its reason is logged once at start, so that nobody
//! believes it did something. An unsupported one is an error that says what to do instead.

use uwsgi_plugin_api::{OptionKind, OptionRow};

/// An option that is accepted and changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoEffect {
    /// How it is written.
    pub row: OptionRow,
    /// Why it changes nothing; follows "has no effect here: ".
    pub reason: &'static str,
}

/// Options that uWSGI has and this server does not have yet.
#[derive(Clone, Copy, Debug)]
pub struct Unsupported {
    /// How it is written.
    pub row: OptionRow,
    /// What to do instead; follows "is not supported yet: ".
    pub reason: &'static str,
}

const fn no_effect(name: &'static str, reason: &'static str) -> NoEffect {
    NoEffect { row: OptionRow { name, help: reason, ..super::BASE }, reason }
}

const fn no_effect_value(
    name: &'static str,
    metavar: &'static str,
    reason: &'static str,
) -> NoEffect {
    let row = OptionRow { name, metavar, kind: OptionKind::Text, help: reason, ..super::BASE };
    NoEffect { row, reason }
}

const fn unsupported(
    name: &'static str,
    metavar: &'static str,
    reason: &'static str,
) -> Unsupported {
    let kind = if metavar.is_empty() { OptionKind::Flag } else { OptionKind::Text };
    let row = OptionRow { name, metavar, kind, immediate: true, help: reason, ..super::BASE };
    Unsupported { row, reason }
}

const fn unsupported_short(short: char, of: Unsupported) -> Unsupported {
    Unsupported { row: OptionRow { short: Some(short), ..of.row }, reason: of.reason }
}

const IN_WORKERS: &str = "HTTP is served by the workers themselves, no router process exists";

/// Accepted without an effect.
pub const NO_EFFECT: &[NoEffect] = &[
    no_effect(
        "thunder-lock",
        "connections are always shared out by the kernel, one wake-up for each",
    ),
    NoEffect {
        row: OptionRow {
            name: "enable-threads",
            short: Some('T'),
            help: "threads of the application always run",
            ..super::BASE
        },
        reason: "threads of the application always run",
    },
    no_effect("pcre-jit", "the regular expression engine needs no switch"),
    no_effect("close-on-exec", "connections are always closed in programs the application starts"),
    no_effect("close-on-exec2", "sockets are always closed in programs the application starts"),
    no_effect_value("http-processes", "N", IN_WORKERS),
    no_effect_value("http-workers", "N", IN_WORKERS),
    no_effect(
        "http-auto-chunked",
        "answers without a length are always sent chunked to HTTP/1.1 clients",
    ),
    no_effect("http-chunked-input", "chunked request bodies are always decoded"),
    no_effect("http-raw-body", "chunked request bodies are always decoded"),
];

const INI_ONLY: &str = "write the configuration as an ini file";
const NO_LOGIC: &str = "write the lines out, or choose between files with ini";
const SPEAKS: &str = "sockets speak uwsgi (socket) and HTTP (http-socket)";

/// Known and refused with what to do instead.
pub const UNSUPPORTED: &[Unsupported] = &[
    unsupported_short('x', unsupported("xml", "FILE", INI_ONLY)),
    unsupported("xmlconfig", "FILE", INI_ONLY),
    unsupported_short('y', unsupported("yaml", "FILE", INI_ONLY)),
    unsupported("yml", "FILE", INI_ONLY),
    unsupported_short('j', unsupported("json", "FILE", INI_ONLY)),
    unsupported("js", "FILE", INI_ONLY),
    unsupported("include", "FILE", "use ini, which reads a file at its place"),
    unsupported("inherit", "FILE", "use ini, which reads a file at its place"),
    unsupported("if-env", "NAME", NO_LOGIC),
    unsupported("ifenv", "NAME", NO_LOGIC),
    unsupported("if-not-env", "NAME", NO_LOGIC),
    unsupported("if-opt", "KEY", NO_LOGIC),
    unsupported("if-not-opt", "KEY", NO_LOGIC),
    unsupported("if-exists", "PATH", NO_LOGIC),
    unsupported("ifexists", "PATH", NO_LOGIC),
    unsupported("if-not-exists", "PATH", NO_LOGIC),
    unsupported("if-file", "PATH", NO_LOGIC),
    unsupported("if-not-file", "PATH", NO_LOGIC),
    unsupported("if-dir", "PATH", NO_LOGIC),
    unsupported("ifdir", "PATH", NO_LOGIC),
    unsupported("if-directory", "PATH", NO_LOGIC),
    unsupported("if-not-dir", "PATH", NO_LOGIC),
    unsupported("if-reload", "", NO_LOGIC),
    unsupported("if-not-reload", "", NO_LOGIC),
    unsupported("if-hostname", "NAME", NO_LOGIC),
    unsupported("if-not-hostname", "NAME", NO_LOGIC),
    unsupported("if-hostname-match", "REGEX", NO_LOGIC),
    unsupported("if-not-hostname-match", "REGEX", NO_LOGIC),
    unsupported("if-plugin", "NAME", NO_LOGIC),
    unsupported("ifplugin", "NAME", NO_LOGIC),
    unsupported("if-not-plugin", "NAME", NO_LOGIC),
    unsupported("for", "LIST", NO_LOGIC),
    unsupported("for-glob", "PATTERN", NO_LOGIC),
    unsupported("for-times", "N", NO_LOGIC),
    unsupported("for-readline", "FILE", NO_LOGIC),
    unsupported("endif", "", NO_LOGIC),
    unsupported("end-if", "", NO_LOGIC),
    unsupported("endfor", "", NO_LOGIC),
    unsupported("end-for", "", NO_LOGIC),
    unsupported("else", "", NO_LOGIC),
    unsupported("shared-socket", "ADDRESS", "give the address to socket or http-socket"),
    unsupported("undeferred-shared-socket", "ADDRESS", "give the address to socket or http-socket"),
    unsupported("https", "ADDRESS", "let a front end such as nginx do TLS"),
    unsupported("https-socket", "ADDRESS", "let a front end such as nginx do TLS"),
    unsupported("ssl-socket", "ADDRESS", SPEAKS),
    unsupported("suwsgi-socket", "ADDRESS", SPEAKS),
    unsupported("fastcgi-socket", "ADDRESS", SPEAKS),
    unsupported("fastcgi-nph-socket", "ADDRESS", SPEAKS),
    unsupported("scgi-socket", "ADDRESS", SPEAKS),
    unsupported("scgi-nph-socket", "ADDRESS", SPEAKS),
    unsupported("puwsgi-socket", "ADDRESS", SPEAKS),
    unsupported("raw-socket", "ADDRESS", SPEAKS),
    unsupported("http-to", "ADDRESS", IN_WORKERS),
];
