//! Configuration files and questions about the configuration.

use uwsgi_plugin_api::option::{chapter, flag, integer, list, text};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Configuration,
    [
        list("ini", "FILE[:SECTION]",
            "Read an ini file at this place; the section is uwsgi where none is named, - is standard input.").immediate(),
        list("set", "KEY=VALUE",
            "Set an option or a placeholder for %(KEY).").short('S').aliases(&["set-placeholder"]).immediate(),
        list("set-ph", "KEY=VALUE",
            "Set a placeholder; the name of an option is refused.").immediate(),
        flag("strict",
            "Refuse unknown options in files from here on.").immediate(),
        list("plugins", "NAME[,NAME]",
            "Plugins that the configuration counts on. The built-in ones are always there.").aliases(&["plugin"]).immediate(),
        list("need-plugins", "NAME[,NAME]",
            "As plugins, but one that is not there is an error.").aliases(&["need-plugin"]).immediate(),
        flag("show-config",
            "Write the configuration as an ini file to the log at start."),
        text("reload", "FILE",
            "Reload the instance whose pid is in FILE and exit.").immediate(),
        text("stop", "FILE",
            "Stop the instance whose pid is in FILE and exit.").immediate(),
        text("pause", "FILE",
            "Pause the instance whose pid is in FILE and exit.").immediate(),
        text("suspend", "FILE",
            "Pause the instance whose pid is in FILE, as pause does, and exit.").immediate(),
        text("resume", "FILE",
            "Resume the paused instance whose pid is in FILE and exit.").immediate(),
        text("connect-and-read", "ADDRESS",
            "Print what is sent by the server at ADDRESS and exit.").immediate(),
        text("extract", "FILE",
            "Print FILE, which may have a scheme (http://, exec://, fd://, file://), and exit.").immediate(),
        text("signal", "ADDRESS,N",
            "Send uwsgi signal N to the instance at ADDRESS and exit.").immediate(),
        text("ping", "ADDRESS",
            "Exit with 0 where a uwsgi server answers at ADDRESS."),
        integer("ping-timeout", "SECONDS",
            "Longest wait of ping (default 3)."),
        flag("help",
            "Print this text and exit.").short('h').immediate(),
        flag("version",
            "Print the version and exit."),
    ],
);
