//! Master, workers, threads and their lives.

use uwsgi_plugin_api::option::{chapter, flag, integer, megabytes, text, unsigned64};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Processes,
    [
        flag("master",
            "Run a master process that respawns and reloads workers.").short('M'),
        integer("processes", "N",
            "Number of worker processes (default 1).").short('p').aliases(&["workers"]),
        integer("threads", "N",
            "Request threads of each worker (default 1)."),
        flag("lazy-apps",
            "Load the applications in each worker instead of once before the fork."),
        flag("need-app",
            "Exit with status 22 where no application could be loaded."),
        integer("harakiri", "SECONDS",
            "Longest time of a request; its worker is replaced after it. 0 is no limit (default).").short('t'),
        unsigned64("max-requests", "N",
            "Replace a worker after N requests, but not before min-worker-lifetime. 0 is no limit (default).").short('R'),
        unsigned64("max-requests-delta", "N",
            "Add N times (worker number - 1) to max-requests, so that workers do not end together."),
        unsigned64("min-worker-lifetime", "SECONDS",
            "Shortest life of a worker before max-requests may end it (default 10)."),
        integer("worker-reload-mercy", "SECONDS",
            "How long a worker may take to end before it is killed (default 60)."),
        integer("forkbomb-delay", "SECONDS",
            "Pause before workers that die at once are started again (default 2).").implies(&["master"]),
        flag("die-on-term",
            "Stop on SIGTERM instead of reloading; SIGQUIT reloads."),
        flag("no-orphans",
            "Workers die with their master, whatever kills it."),
        megabytes("limit-as", "MEBIBYTES",
            "Largest address space of each process (RLIMIT_AS)."),
        text("uid", "USER",
            "User to run as, by name or number; needs root."),
        text("gid", "GROUP",
            "Group to run as, by name or number; needs root."),
        flag("auto-procname",
            "Give the processes telling names (uWSGI master, uWSGI worker 1)."),
        text("procname-prefix", "TEXT",
            "Text before the names of auto-procname.").implies(&["auto-procname"]),
        text("procname-prefix-spaced", "TEXT",
            "Text and a space before the names of auto-procname.").implies(&["auto-procname"]),
    ],
);
