//! Directories, files and the environment of the process.

use uwsgi_plugin_api::option::{chapter, flag, list, text};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Paths,
    [
        text("chdir", "PATH",
            "Change to this directory before the application is loaded, after uid and gid took effect."),
        text("pidfile", "PATH",
            "Write the process id here, before uid and gid take effect."),
        text("pidfile2", "PATH",
            "Write the process id here, after uid and gid took effect."),
        text("safe-pidfile", "PATH",
            "Write the process id here once the server is up."),
        flag("vacuum",
            "Remove pid files and unix sockets at the end."),
        list("env", "NAME=VALUE",
            "Set an environment variable for the application."),
        text("umask", "MODE",
            "Mask of new files' modes, octal.").immediate(),
    ],
);
