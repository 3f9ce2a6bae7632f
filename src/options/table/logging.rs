//! Where the log goes and what is logged.

use uwsgi_plugin_api::option::{chapter, flag, integer, negative_flag, optional_text, text};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Logging,
    [
        negative_flag("disable-logging",
            "No line for each request; log-4xx, log-5xx and log-slow still write theirs.").short('L'),
        flag("log-4xx",
            "Log requests with a 4xx status even with disable-logging."),
        flag("log-5xx",
            "Log requests with a 5xx status even with disable-logging."),
        integer("log-slow", "MILLISECONDS",
            "Log requests that took at least this long even with disable-logging."),
        flag("log-x-forwarded-for",
            "Log the address of X-Forwarded-For instead of the peer's."),
        optional_text("log-date", "FORMAT",
            "Begin each line with the date, by a strftime format where one is given. Request lines, which have their own, are left as they are.").aliases(&["logdate", "log-prefix"]),
        flag("log-micros",
            "Give the time of a request in microseconds."),
        flag("memory-report",
            "Begin request lines with the worker's address space and resident memory.").short('m'),
        flag("ignore-sigpipe",
            "Do not log writes to a client that went away."),
        flag("ignore-write-errors",
            "Do not log failed writes."),
        flag("disable-write-exception",
            "Do not raise OSError in the application when the client went away."),
        text("logto", "PATH",
            "Append the log to this file."),
        text("daemonize", "PATH",
            "Run in the background and append the log to this file.").short('d'),
    ],
);
