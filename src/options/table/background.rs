//! What runs beside the requests: daemons, crons, timers, mules and spoolers.

use uwsgi_plugin_api::Reload::Live;
use uwsgi_plugin_api::option::{chapter, flag, integer, key_values, list, text};
use uwsgi_plugin_api::{Argument, OptionRow, Section};

const CURL_CRON: &str = "call curl from cron(8) or a systemd timer";
const LEGION_CRON: &str = "run the command from cron(8) or a systemd timer of one machine";
const LEGION_CURL: &str = "call curl from cron(8) or a systemd timer of one machine";
const TIMER: &str = "there are no uwsgi signals; run the work from a systemd timer, or in a thread of the application";
const SIGNAL_QUEUE: &str = "there are no uwsgi signals that could wait";
const MULES: &str = "run the work in a process of its own (Celery, RQ, a systemd service) or in a thread of the application";
const NO_MULES: &str = "there are no mules";
const SPOOLER: &str = "give the tasks to a queue with processes of its own (Celery, RQ, dramatiq)";
const NO_SPOOLER: &str = "there is no spooler";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Background,
    [
        list("attach-daemon", "COMMAND",
            "Run this program, which must stay in the foreground, beside the server; it is started again when it ends.").implies(&["master"]),
        key_values("attach-daemon2", "KEY=VALUE,...",
            "As attach-daemon, by keys: cmd, pidfile, freq, control, daemonize, touch (files, with ; between), stopsignal, reloadsignal, notifypid, stdin, uid, gid, chdir, ns_pid, max_throttle; a comma in a value is written \\,.").implies(&["master"]),
        list("attach-control-daemon", "COMMAND",
            "As attach-daemon; when the program ends, the server stops.").implies(&["master"]),
        list("smart-attach-daemon", "PIDFILE[,SECONDS] COMMAND",
            "Run a program that goes to the background and writes PIDFILE; it survives reloads and is started again when it is gone.").implies(&["master"]),
        list("smart-attach-daemon2", "PIDFILE[,SECONDS] COMMAND",
            "As smart-attach-daemon, for a program that stays in the foreground.").implies(&["master"]),
        flag("daemons-honour-stdin",
            "Leave the standard input of attached daemons as it is instead of replacing it by /dev/null.").implies(&["master"]),
        list("cron", "MINUTE HOUR DAY MONTH WEEKDAY COMMAND",
            "Run a command at these times (local time); -1 is every, -N every N-th.").implies(&["master"]).reload(Live),
        key_values("cron2", "KEY=VALUE,... COMMAND",
            "As cron, by keys: minute, hour, day, month, week, unique, harakiri.").implies(&["master"]).reload(Live),
        list("unique-cron", "MINUTE HOUR DAY MONTH WEEKDAY COMMAND",
            "As cron, but the command is not started while it still runs.").implies(&["master"]).reload(Live),
        integer("cron-harakiri", "SECONDS",
            "Longest time of a command of cron; it is killed after it, with what it has started. 0 is no limit (default).").reload(Live),
        list("legion-cron", "LEGION MINUTE HOUR DAY MONTH WEEKDAY COMMAND",
            "As cron, but only while this instance is the lord of the legion.").aliases(&["cron-legion"]).implies(&["master"]).reload(Live)
            .missing(LEGION_CRON),
        list("unique-legion-cron", "LEGION MINUTE HOUR DAY MONTH WEEKDAY COMMAND",
            "As unique-cron, but only while this instance is the lord of the legion.").aliases(&["unique-cron-legion"]).implies(&["master"]).reload(Live)
            .missing(LEGION_CRON),
        list("curl-cron", "MINUTE HOUR DAY MONTH WEEKDAY URL",
            "As cron, but an URL is fetched instead of running a command.").aliases(&["cron-curl"]).implies(&["master"]).reload(Live).extra()
            .missing(CURL_CRON),
        list("legion-curl-cron", "LEGION MINUTE HOUR DAY MONTH WEEKDAY URL",
            "As curl-cron, but only while this instance is the lord of the legion.").aliases(&["legion-cron-curl", "curl-cron-legion", "cron-curl-legion"]).implies(&["master"]).reload(Live).extra()
            .missing(LEGION_CURL),
        list("timer", "N SECONDS",
            "Raise uwsgi signal N again and again, this many seconds apart.").aliases(&["signal-timer"]).implies(&["master"]).reload(Live)
            .missing(TIMER),
        list("rbtimer", "N SECONDS",
            "As timer, but by a timer of the master's own instead of the kernel's, so that there may be many.").aliases(&["signal-rbtimer"]).implies(&["master"]).reload(Live)
            .missing(TIMER),
        integer("signal-bufsize", "BYTES",
            "Size of the queue of uwsgi signals that wait for a process.").aliases(&["signals-bufsize"])
            .no_effect(SIGNAL_QUEUE),
        list("mule", "FILE",
            "Run a process beside the workers that gets messages and signals, or runs this script or module.").argument(Argument::Optional).implies(&["master"])
            .unsupported(MULES),
        integer("mules", "N",
            "Run N mules without a script of their own; they wait for messages and signals.").implies(&["master"])
            .unsupported(MULES),
        list("farm", "NAME:N[,N]",
            "Call these mules, given by number, a farm: one of them takes each message that is sent to its name.").implies(&["master"])
            .unsupported(MULES),
        integer("mule-harakiri", "SECONDS",
            "Longest time of a mule's task; the mule is killed after it. 0 is no limit (default).").reload(Live)
            .no_effect(NO_MULES),
        integer("mule-msg-size", "BYTES",
            "Size of the buffer for messages to mules (default 65536).").argument(Argument::Optional).implies(&["master"])
            .no_effect(NO_MULES),
        integer("mule-msg-recv-size", "BYTES",
            "Size of the buffer by which mules receive messages.").implies(&["master"]).extra()
            .no_effect(NO_MULES),
        list("spooler", "DIR",
            "Run a process that carries out the tasks that applications leave in this directory.").short('Q').implies(&["master"])
            .unsupported(SPOOLER),
        list("spooler-external", "DIR",
            "Leave tasks in this directory for the spooler of another instance.").implies(&["master"])
            .unsupported(SPOOLER),
        integer("spooler-processes", "N",
            "Number of processes of each spooler behind this option (default 1).").immediate()
            .no_effect(NO_SPOOLER),
        integer("spooler-frequency", "SECONDS",
            "How often a spooler looks for tasks (default 30).").aliases(&["spooler-freq"])
            .no_effect(NO_SPOOLER),
        integer("spooler-harakiri", "SECONDS",
            "Longest time of a task; its spooler is killed after it. 0 is no limit (default).").reload(Live)
            .no_effect(NO_SPOOLER),
        integer("spooler-max-tasks", "N",
            "Replace a spooler after N tasks. 0 is no limit (default).")
            .no_effect(NO_SPOOLER),
        flag("spooler-ordered",
            "Carry out tasks in the order of their names, and by the priority of their directories.")
            .no_effect(NO_SPOOLER),
        text("spooler-chdir", "DIR",
            "Change to this directory before each task.")
            .no_effect(NO_SPOOLER),
        flag("spooler-quiet",
            "Do not log that tasks begin and end.")
            .no_effect(NO_SPOOLER),
        flag("spooler-cheap",
            "Start a spooler only when there are tasks.").extra()
            .no_effect(NO_SPOOLER),
        flag("spooler-signal-as-task",
            "Count uwsgi signals that a spooler handles as tasks, for spooler-max-tasks.").extra()
            .no_effect(NO_SPOOLER),
    ],
);
