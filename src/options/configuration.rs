//! Configuration files and questions about the configuration.

use uwsgi_plugin_api::OptionKind::TextList;
use uwsgi_plugin_api::{OptionRow, Section};

const BASE: OptionRow = OptionRow { section: Section::Configuration, ..super::BASE };
const NOW: OptionRow = OptionRow { immediate: true, ..BASE };

pub(super) const ROWS: &[OptionRow] = &[
    OptionRow {
        name: "ini",
        kind: TextList,
        metavar: "FILE[:SECTION]",
        help: "Read an ini file at this place; the section is uwsgi where none is named, - is standard input.",
        ..NOW
    },
    OptionRow {
        name: "set",
        aliases: &["set-placeholder"],
        short: Some('S'),
        kind: TextList,
        metavar: "KEY=VALUE",
        help: "Set an option or a placeholder for %(KEY).",
        ..NOW
    },
    OptionRow {
        name: "set-ph",
        kind: TextList,
        metavar: "KEY=VALUE",
        help: "Set a placeholder; the name of an option is refused.",
        ..NOW
    },
    OptionRow { name: "strict", help: "Refuse unknown options in files from here on.", ..NOW },
    OptionRow {
        name: "plugins",
        aliases: &["plugin"],
        kind: TextList,
        metavar: "NAME[,NAME]",
        help: "Plugins that the configuration counts on. The built-in ones are always there.",
        ..NOW
    },
    OptionRow {
        name: "need-plugins",
        aliases: &["need-plugin"],
        kind: TextList,
        metavar: "NAME[,NAME]",
        help: "As plugins, but one that is not there is an error.",
        ..NOW
    },
    OptionRow {
        name: "show-config",
        help: "Write the configuration as an ini file to the log at start.",
        ..BASE
    },
    OptionRow { name: "help", short: Some('h'), help: "Print this text and exit.", ..NOW },
    OptionRow { name: "version", help: "Print the version and exit.", ..BASE },
];
