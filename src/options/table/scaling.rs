//! How many workers run at a time.

use uwsgi_plugin_api::Reload::Live;
use uwsgi_plugin_api::option::{chapter, flag, integer, text, unsigned64};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Scaling,
    [
        integer("cheaper", "N",
            "Smallest number of workers; with more load there are more, up to processes. It must be less than processes.").implies(&["master"]).reload(Live),
        integer("cheaper-initial", "N",
            "Number of workers at the start, between cheaper (default) and processes.").implies(&["master"]),
        integer("cheaper-step", "N",
            "How many workers are started at a time when there is too much load (default 1).").implies(&["master"]).reload(Live),
        text("cheaper-algo", "NAME",
            "How the number of workers is found: spare (default), backlog, busyness or manual.").implies(&["master"]).reload(Live),
        unsigned64("cheaper-overload", "N",
            "Cycles, connections in the queue or seconds, by the algorithm, after which the number of workers changes (default 3).").implies(&["master"]).reload(Live),
        integer("cheaper-idle", "SECONDS",
            "Stop surplus workers that were idle for this long.").implies(&["master"]).reload(Live).extra(),
        unsigned64("cheaper-rss-limit-soft", "BYTES",
            "Start no more workers while all of them together have this much resident memory.").implies(&["master"]).reload(Live),
        unsigned64("cheaper-rss-limit-hard", "BYTES",
            "Stop workers, one at a time, while all of them together have more than this resident memory.").implies(&["master"]).reload(Live),
        unsigned64("cheaper-busyness-max", "PERCENT",
            "Average busyness of workers above which more are started (default 50).").reload(Live),
        unsigned64("cheaper-busyness-min", "PERCENT",
            "Average busyness of workers below which one may be stopped (default 25).").reload(Live),
        unsigned64("cheaper-busyness-multiplier", "N",
            "Busyness must stay low for N times cheaper-overload seconds before a worker is stopped (default 10).").reload(Live),
        unsigned64("cheaper-busyness-penalty", "N",
            "Added to the multiplier where a worker that was just stopped is needed again (default 2).").reload(Live),
        flag("cheaper-busyness-verbose",
            "Log what the busyness algorithm measures and decides.").reload(Live),
        integer("cheaper-busyness-backlog-alert", "N",
            "Start emergency workers when more than N connections wait in the listen queue (default 33).").reload(Live),
        integer("cheaper-busyness-backlog-step", "N",
            "How many emergency workers are started at a time (default 1).").reload(Live),
        unsigned64("cheaper-busyness-backlog-multiplier", "N",
            "As cheaper-busyness-multiplier, for emergency workers (default 3).").reload(Live),
        unsigned64("cheaper-busyness-backlog-nonzero", "SECONDS",
            "Start an emergency worker when connections have been waiting for this long (default 60).").reload(Live),
        flag("cheap",
            "Start without workers; they are started at the first connection.").implies(&["master"]),
        integer("idle", "SECONDS",
            "Stop all workers after this time without a request; the next connection starts them again.").implies(&["master"]).reload(Live),
        flag("die-on-idle",
            "Stop the server, not only its workers, after the time of idle.").reload(Live),
        flag("die-on-no-workers",
            "Stop the server when no worker is left.").reload(Live).extra()
            .no_effect("workers that end are always replaced"),
    ],
);
