//! Directories, files and the environment of the process.

use uwsgi_plugin_api::OptionKind::{Text, TextList};
use uwsgi_plugin_api::{OptionRow, Section};

const BASE: OptionRow = OptionRow { section: Section::Paths, ..super::BASE };
const PATH: OptionRow = OptionRow { kind: Text, metavar: "PATH", ..BASE };

pub(super) const ROWS: &[OptionRow] = &[
    OptionRow {
        name: "chdir",
        help: "Change to this directory before the application is loaded, after uid and gid took effect.",
        ..PATH
    },
    OptionRow {
        name: "pidfile",
        help: "Write the process id here, before uid and gid take effect.",
        ..PATH
    },
    OptionRow {
        name: "pidfile2",
        help: "Write the process id here, after uid and gid took effect.",
        ..PATH
    },
    OptionRow {
        name: "safe-pidfile",
        help: "Write the process id here once the server is up.",
        ..PATH
    },
    OptionRow { name: "vacuum", help: "Remove pid files and unix sockets at the end.", ..BASE },
    OptionRow {
        name: "env",
        kind: TextList,
        metavar: "NAME=VALUE",
        help: "Set an environment variable for the application.",
        ..BASE
    },
    OptionRow {
        name: "umask",
        kind: Text,
        metavar: "MODE",
        immediate: true,
        help: "Mask of new files' modes, octal.",
        ..BASE
    },
];
