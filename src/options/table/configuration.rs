//! Configuration files and questions about the configuration.

use uwsgi_plugin_api::option::{chapter, flag, list};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Configuration,
    [
        list("ini", "FILE[:SECTION]",
            "Read an ini file at this place; the section is uwsgi where none is named, - is standard input.").immediate(),
        list("set", "KEY=VALUE",
            "Set an option or a placeholder for %(KEY).").short('S').immediate(),
        list("set-ph", "KEY=VALUE",
            "Set a placeholder; the name of an option is refused.").aliases(&["set-placeholder"]).immediate(),
        flag("strict",
            "Refuse unknown options, wherever they stand.").immediate(),
        list("plugins", "NAME[,NAME]",
            "Plugins that the configuration counts on. The built-in ones are always there.").aliases(&["plugin"]).immediate(),
        list("need-plugins", "NAME[,NAME]",
            "As plugins, but one that is not there is an error.").aliases(&["need-plugin"]).immediate(),
        flag("show-config",
            "Write the configuration as an ini file to the log at start."),
        flag("help",
            "Print this text and exit.").short('h').immediate(),
        flag("version",
            "Print the version and exit."),
    ],
);
