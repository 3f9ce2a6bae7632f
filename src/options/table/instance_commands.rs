//! Commands to an instance that runs, and questions about what is there.

use uwsgi_plugin_api::option::{chapter, flag, text};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Commands,
    [
        text("reload", "PIDFILE",
            "Send SIGHUP to the process of this pid file, which reloads the instance, and exit.").immediate(),
        text("signal", "ADDRESS,N",
            "Send uwsgi signal N to the server at this address, and exit with 0 where it was taken.").immediate(),
        flag("cheaper-algos-list",
            "List the algorithms for cheaper-algo at the start.").aliases(&["cheaper-algo-list", "cheaper-list"])
            .missing("there are no such algorithms; the number of workers is processes"),
    ],
);
