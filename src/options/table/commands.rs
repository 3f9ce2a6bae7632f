//! Questions that are answered instead of serving, and commands to an instance that runs.

use uwsgi_plugin_api::option::{chapter, flag, integer, list, optional_text, text};
use uwsgi_plugin_api::{OptionRow, Section};

const NO_BUILD: &str = "the program is complete: plugins are part of it";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Commands,
    [
        flag("help", "Print help and exit: the usual options, those of a section (--help SECTION), of all (--help all), or one option.")
            .short('h').aliases(&["usage"]).immediate(),
        flag("version", "Print the version and exit."),
        flag("show-config", "Write the options as an ini file to the log at the start."),
        list("get", "NAME", "Print the first value of an option or placeholder and exit."),
        flag("dump-options", "Print the names of all options and exit."),
        flag("plugins-list", "Write the plugins to the log at the start.").aliases(&["plugin-list"]),
        optional_text("exit", "STATUS", "Exit with this status where the option stands, 1 without one.").immediate(),
        list("print", "TEXT", "Write a text to the log when all options were read."),
        list("iprint", "TEXT", "Write a text to the log where the option stands.").immediate(),
        text("reload", "PIDFILE", "Send SIGHUP to the process of this pid file, which reloads the instance, and exit.").immediate(),
        text("stop", "PIDFILE", "Send SIGINT to the process of this pid file, which stops the instance, and exit.").immediate(),
        text("pause", "PIDFILE", "Send SIGTSTP to the process of this pid file and exit. uWSGI pauses at it, or goes on; this server ignores it.")
            .aliases(&["suspend", "resume"]).immediate(),
        text("sites", "PIDFILE", "Print what the instance of this pid file has done for each of its sites, as a table, and exit.").extra().immediate(),
        text("ping", "ADDRESS", "Ask another uWSGI server whether it lives, by its uwsgi socket, and exit with 0 if it does."),
        integer("ping-timeout", "SECONDS", "Longest wait for the answer to ping (default 3)."),
        text("signal", "ADDRESS,N", "Send uwsgi signal N to the server at this address, and exit with 0 where it was taken.").immediate(),
        text("connect-and-read", "ADDRESS", "Connect to this address, print all that comes, and exit.").immediate(),
        text("extract", "URL", "Print what a configuration file or a scheme (http://, exec://, fd://) holds, and exit.").immediate(),
        flag("cheaper-algos-list", "List the algorithms for cheaper-algo at the start.").aliases(&["cheaper-algo-list", "cheaper-list"])
            .no_effect("there are no such algorithms; the number of workers is processes"),
        flag("clocks-list", "List the clocks at the start.").aliases(&["clock-list"])
            .no_effect("there is one clock, the system's"),
        text("print-symbol", "NAME", "Print a data symbol of the program and exit.").aliases(&["print-sym"]).immediate()
            .unsupported("there are no such symbols in this program"),
        flag("cflags", "Print the compiler flags for plugins and exit.").immediate()
            .unsupported(NO_BUILD),
        flag("config-py", "Print the build program of uWSGI and exit.").immediate()
            .unsupported(NO_BUILD),
        flag("dot-h", "Print uWSGI's header file and exit.").immediate()
            .unsupported(NO_BUILD),
        text("build-plugin", "DIR", "Build a plugin and exit.").immediate()
            .unsupported(NO_BUILD),
        text("binary-append-data", "FILE", "Print a file in the form in which it can be appended to the program, and exit.").immediate()
            .unsupported("keep configuration files beside the program"),
    ],
);
