//! Directories, files and the environment of the process.

use uwsgi_plugin_api::option::{chapter, flag, list, text};
use uwsgi_plugin_api::{OptionRow, Section};

const ONE_INSTANCE: &str =
    "start the server through flock(1), as in flock -n FILE uwsgi --ini uwsgi.ini";
const ONE_WAITS: &str = "start the server through flock(1), which waits for the lock, as in flock FILE uwsgi --ini uwsgi.ini";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Paths,
    [
        text("chdir", "DIR",
            "Change to this directory before the application is loaded, after uid and gid took effect."),
        text("chdir2", "DIR",
            "Change to this directory after the application was loaded, in each worker.")
            .unsupported("use chdir, or call os.chdir at the end of the application's module"),
        text("force-cwd", "DIR",
            "Take this directory for the one that the server was started in; a reload begins there.")
            .unsupported("start the server in that directory (WorkingDirectory= of systemd), or use chdir"),
        text("pidfile", "PATH",
            "Write the process id here, before uid and gid take effect."),
        text("pidfile2", "PATH",
            "Write the process id here, after uid and gid took effect."),
        text("safe-pidfile", "PATH",
            "Write the process id here once the server is up."),
        text("safe-pidfile2", "PATH",
            "Write the process id here once the server is up, after uid and gid took effect; as safe-pidfile, and both may be given."),
        flag("vacuum",
            "Remove pid files and unix sockets at the end."),
        list("env", "NAME=VALUE",
            "Set an environment variable for the application."),
        list("ienv", "NAME=VALUE",
            "Set an environment variable at once, so that the options behind it can refer to it.").immediate().extra(),
        list("unenv", "NAME",
            "Remove an environment variable."),
        list("envdir", "DIR",
            "Set environment variables from a directory: each file's name is a variable, its text without the blanks at its end the value; an empty file removes it."),
        list("early-envdir", "DIR",
            "As envdir, but at once, so that the options behind it can refer to the variables.").immediate(),
        text("umask", "MODE",
            "Mask of new files' modes, octal.").immediate(),
        list("file-write", "FILE=TEXT",
            "Write a text to a file at the start, with the rights from before uid and gid.")
            .unsupported("write the file before the server starts, for instance by ExecStartPre=+ of systemd"),
        text("flock", "FILE",
            "Lock this file at once; exit where another process has locked it.").immediate()
            .unsupported(ONE_INSTANCE),
        text("flock-wait", "FILE",
            "Lock this file at once; wait while another process has locked it.").immediate()
            .unsupported(ONE_WAITS),
        text("flock2", "FILE",
            "As flock, but after the log was opened and the terminal left.").immediate()
            .unsupported(ONE_INSTANCE),
        text("flock-wait2", "FILE",
            "As flock-wait, but after the log was opened and the terminal left.").immediate()
            .unsupported(ONE_WAITS),
    ],
);
