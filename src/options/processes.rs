//! Master, workers, threads and their lives.

use uwsgi_plugin_api::OptionKind::{Flag, Integer, Megabytes, Text, Unsigned64};
use uwsgi_plugin_api::{OptionRow, Section};

const BASE: OptionRow = OptionRow { section: Section::Processes, ..super::BASE };
const SECONDS: OptionRow = OptionRow { kind: Integer, metavar: "SECONDS", ..BASE };

pub(super) const ROWS: &[OptionRow] = &[
    OptionRow {
        name: "master",
        short: Some('M'),
        help: "Run a master process that respawns and reloads workers.",
        ..BASE
    },
    OptionRow {
        name: "processes",
        aliases: &["workers"],
        short: Some('p'),
        kind: Integer,
        metavar: "N",
        help: "Number of worker processes (default 1).",
        ..BASE
    },
    OptionRow {
        name: "threads",
        kind: Integer,
        metavar: "N",
        help: "Request threads of each worker (default 1).",
        ..BASE
    },
    OptionRow {
        name: "lazy-apps",
        help: "Load the applications in each worker instead of once before the fork.",
        ..BASE
    },
    OptionRow {
        name: "need-app",
        kind: Flag,
        help: "Exit with status 22 where no application could be loaded.",
        ..BASE
    },
    OptionRow {
        name: "harakiri",
        short: Some('t'),
        help: "Longest time of a request; its worker is replaced after it. 0 is no limit (default).",
        ..SECONDS
    },
    OptionRow {
        name: "max-requests",
        short: Some('R'),
        kind: Unsigned64,
        metavar: "N",
        help: "Replace a worker after N requests, but not before min-worker-lifetime. 0 is no limit (default).",
        ..BASE
    },
    OptionRow {
        name: "max-requests-delta",
        kind: Unsigned64,
        metavar: "N",
        help: "Add N times (worker number - 1) to max-requests, so that workers do not end together.",
        ..BASE
    },
    OptionRow {
        name: "min-worker-lifetime",
        help: "Shortest life of a worker before max-requests may end it (default 10).",
        kind: Unsigned64,
        ..SECONDS
    },
    OptionRow {
        name: "worker-reload-mercy",
        help: "How long a worker may take to end before it is killed (default 60).",
        ..SECONDS
    },
    OptionRow {
        name: "forkbomb-delay",
        implies: &["master"],
        help: "Pause before workers that die at once are started again (default 2).",
        ..SECONDS
    },
    OptionRow {
        name: "die-on-term",
        help: "Stop on SIGTERM instead of reloading; SIGQUIT reloads.",
        ..BASE
    },
    OptionRow {
        name: "no-orphans",
        help: "Workers die with their master, whatever kills it.",
        ..BASE
    },
    OptionRow {
        name: "limit-as",
        kind: Megabytes,
        metavar: "MEBIBYTES",
        help: "Largest address space of each process (RLIMIT_AS).",
        ..BASE
    },
    OptionRow {
        name: "uid",
        kind: Text,
        metavar: "USER",
        help: "User to run as, by name or number; needs root.",
        ..BASE
    },
    OptionRow {
        name: "gid",
        kind: Text,
        metavar: "GROUP",
        help: "Group to run as, by name or number; needs root.",
        ..BASE
    },
    OptionRow {
        name: "auto-procname",
        help: "Give the processes telling names (uWSGI master, uWSGI worker 1).",
        ..BASE
    },
    OptionRow {
        name: "procname-prefix",
        kind: Text,
        metavar: "TEXT",
        implies: &["auto-procname"],
        help: "Text before the names of auto-procname.",
        ..BASE
    },
    OptionRow {
        name: "procname-prefix-spaced",
        kind: Text,
        metavar: "TEXT",
        implies: &["auto-procname"],
        help: "Text and a space before the names of auto-procname.",
        ..BASE
    },
];
