//! How many workers run at a time.

use uwsgi_plugin_api::Reload::Live;
use uwsgi_plugin_api::option::{chapter, flag, integer, text, unsigned64};
use uwsgi_plugin_api::{OptionRow, Section};

const ALL_RUN: &str = "all workers of processes, the largest number, always run; set processes to the number that you want";
const AT_ONCE: &str =
    "all workers are started at once and stay; an idle one takes no processor time";
const MEMORY: &str = "set processes to a number that fits the memory, and bound the service with MemoryMax= of systemd";
const BUSYNESS: &str =
    "no algorithm changes the number of workers; set processes to what the load's peak needs";
const BACKLOG: &str = "no emergency workers are started; set processes to what the load's peak needs, and listen to how many may wait";
const ON_DEMAND: &str = "the workers stay; where that takes too much memory, start the server by systemd's socket activation at the first connection";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Scaling,
    [
        integer("cheaper", "N",
            "Smallest number of workers; with more load there are more, up to processes. It must be less than processes.").implies(&["master"]).reload(Live)
            .missing(ALL_RUN),
        integer("cheaper-initial", "N",
            "Number of workers at the start, between cheaper (default) and processes.").implies(&["master"])
            .missing(AT_ONCE),
        integer("cheaper-step", "N",
            "How many workers are started at a time when there is too much load (default 1).").implies(&["master"]).reload(Live)
            .missing(AT_ONCE),
        text("cheaper-algo", "NAME",
            "How the number of workers is found: spare (default), backlog, busyness or manual.").implies(&["master"]).reload(Live)
            .missing(ALL_RUN),
        unsigned64("cheaper-overload", "N",
            "Cycles, connections in the queue or seconds, by the algorithm, after which the number of workers changes (default 3).").implies(&["master"]).reload(Live)
            .missing(ALL_RUN),
        integer("cheaper-idle", "SECONDS",
            "Stop surplus workers that were idle for this long.").implies(&["master"]).reload(Live).extra()
            .missing(AT_ONCE),
        unsigned64("cheaper-rss-limit-soft", "BYTES",
            "Start no more workers while all of them together have this much resident memory; needs memory-report.").implies(&["master"]).reload(Live)
            .missing(MEMORY),
        unsigned64("cheaper-rss-limit-hard", "BYTES",
            "Stop workers, one at a time, while all of them together have more than this resident memory; needs memory-report.").implies(&["master"]).reload(Live)
            .missing(MEMORY),
        unsigned64("cheaper-busyness-max", "PERCENT",
            "Average busyness of workers above which more are started (default 50).").reload(Live)
            .missing(BUSYNESS),
        unsigned64("cheaper-busyness-min", "PERCENT",
            "Average busyness of workers below which one may be stopped (default 25).").reload(Live)
            .missing(BUSYNESS),
        unsigned64("cheaper-busyness-multiplier", "N",
            "Busyness must stay low for N times cheaper-overload seconds before a worker is stopped (default 10).").reload(Live)
            .missing(BUSYNESS),
        unsigned64("cheaper-busyness-penalty", "N",
            "Added to the multiplier where a worker that was just stopped is needed again (default 2).").reload(Live)
            .missing(BUSYNESS),
        flag("cheaper-busyness-verbose",
            "Log what the busyness algorithm measures and decides.").reload(Live)
            .missing("no algorithm changes the number of workers, so there is nothing to log"),
        integer("cheaper-busyness-backlog-alert", "N",
            "Start emergency workers when more than N connections wait in the listen queue (default 33).").reload(Live)
            .missing(BACKLOG),
        integer("cheaper-busyness-backlog-step", "N",
            "How many emergency workers are started at a time (default 1).").reload(Live)
            .missing(BACKLOG),
        unsigned64("cheaper-busyness-backlog-multiplier", "N",
            "As cheaper-busyness-multiplier, for emergency workers (default 3).").reload(Live)
            .missing(BACKLOG),
        unsigned64("cheaper-busyness-backlog-nonzero", "SECONDS",
            "Start an emergency worker when connections have been waiting for this long (default 60).").reload(Live)
            .missing(BACKLOG),
        flag("cheap",
            "Start without workers; they are started at the first connection.").implies(&["master"])
            .missing(ON_DEMAND),
        integer("idle", "SECONDS",
            "Stop all workers after this time without a request; the next connection starts them again.").implies(&["master"]).reload(Live)
            .missing(ON_DEMAND),
        flag("die-on-idle",
            "Stop the server, not only its workers, after the time of idle.").reload(Live)
            .missing("the server goes on waiting; stop it from a timer and let systemd's socket activation start it again"),
        flag("die-on-no-workers",
            "Stop the server when no worker is left.").reload(Live).extra()
            .no_effect("workers that end are always replaced"),
    ],
);
