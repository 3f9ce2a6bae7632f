//! Where the log goes and what is logged.

use uwsgi_plugin_api::OptionKind::{Integer, NegativeFlag, OptionalText, Text};
use uwsgi_plugin_api::{OptionRow, Section};

const BASE: OptionRow = OptionRow { section: Section::Logging, ..super::BASE };

pub(super) const ROWS: &[OptionRow] = &[
    OptionRow {
        name: "disable-logging",
        short: Some('L'),
        kind: NegativeFlag,
        help: "No line for each request; log-4xx, log-5xx and log-slow still write theirs.",
        ..BASE
    },
    OptionRow {
        name: "log-4xx",
        help: "Log requests with a 4xx status even with disable-logging.",
        ..BASE
    },
    OptionRow {
        name: "log-5xx",
        help: "Log requests with a 5xx status even with disable-logging.",
        ..BASE
    },
    OptionRow {
        name: "log-slow",
        kind: Integer,
        metavar: "MILLISECONDS",
        help: "Log requests that took at least this long even with disable-logging.",
        ..BASE
    },
    OptionRow {
        name: "log-x-forwarded-for",
        help: "Log the address of X-Forwarded-For instead of the peer's.",
        ..BASE
    },
    OptionRow {
        name: "log-date",
        aliases: &["logdate", "log-prefix"],
        kind: OptionalText,
        metavar: "FORMAT",
        help: "Begin each line with the date, by a strftime format where one is given. Request lines, which \
               have their own, are left as they are.",
        ..BASE
    },
    OptionRow { name: "log-micros", help: "Give the time of a request in microseconds.", ..BASE },
    OptionRow {
        name: "memory-report",
        short: Some('m'),
        help: "Begin request lines with the worker's address space and resident memory.",
        ..BASE
    },
    OptionRow {
        name: "ignore-sigpipe",
        help: "Do not log writes to a client that went away.",
        ..BASE
    },
    OptionRow { name: "ignore-write-errors", help: "Do not log failed writes.", ..BASE },
    OptionRow {
        name: "disable-write-exception",
        help: "Do not raise OSError in the application when the client went away.",
        ..BASE
    },
    OptionRow {
        name: "logto",
        kind: Text,
        metavar: "PATH",
        help: "Append the log to this file.",
        ..BASE
    },
    OptionRow {
        name: "daemonize",
        short: Some('d'),
        kind: Text,
        metavar: "PATH",
        help: "Run in the background and append the log to this file.",
        ..BASE
    },
];
