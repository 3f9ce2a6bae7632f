//! The stats server, metrics, where they are pushed to, and alarms.

use uwsgi_plugin_api::Reload::Live;
use uwsgi_plugin_api::option::{
    chapter, flag, integer, key_values, list, optional_text, text, unsigned64,
};
use uwsgi_plugin_api::{Argument, OptionRow, Section};

const METRICS: &str = "keep figures in the application, for instance with prometheus_client";
const PUSH: &str = "nothing pushes figures; let the agent of the monitoring system read the log or ask the application";
const ALARMS: &str = "nothing raises alarms; let a monitoring system watch the log and the answers";
const QUEUE_ALARM: &str = "watch the queue of the listening socket (ss -lt, column Recv-Q)";
const LOG_ALARM: &str = "let the log collector watch for the lines";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Monitoring,
    [
        text("stats", "ADDRESS",
            "Answer each connection to this TCP or unix socket with a JSON document about workers and requests.").aliases(&["stats-server"]).implies(&["master"]),
        flag("stats-http",
            "Put an HTTP head before the document of stats, so that browsers and HTTP clients can read it.").implies(&["master"]),
        flag("stats-minified",
            "Write the document of stats without white space.").aliases(&["stats-min"]).implies(&["master"]),
        flag("stats-no-cores",
            "Leave the cores of the workers out of stats.").implies(&["master"]),
        flag("stats-no-metrics",
            "Leave the metrics out of stats.").implies(&["master"])
            .no_effect("there are no metrics to leave out"),
        text("health", "ADDRESS",
            "Answer HTTP requests to this TCP or unix socket: /healthz with 200 while the master lives, /readyz with 200 while a worker takes requests and with 503 otherwise.").implies(&["master"]).extra(),
        list("stats-push", "PUSHER:ARGS",
            "Send the figures of stats to this pusher (file, socket, statsd, mongodb, ...) again and again.").implies(&["master", "enable-metrics"])
            .missing(PUSH),
        integer("stats-pusher-default-freq", "SECONDS",
            "Time between two sendings of a stats-push that names none (default 3).").aliases(&["stats-pushers-default-freq"]).implies(&["master"])
            .missing(PUSH),
        flag("statsd-all-gauges",
            "Send every metric to statsd as a gauge, counters too.").extra()
            .missing(PUSH),
        flag("statsd-no-workers",
            "Leave the figures of single workers out of what goes to statsd.").extra()
            .missing(PUSH),

        flag("enable-metrics",
            "Keep metrics: named figures of workers, cores and sockets, and those of the application.").implies(&["master"])
            .missing(METRICS),
        key_values("metric", "KEY=VALUE,...",
            "Add a metric: name, type (counter, gauge, absolute, alias), collector and its arguments.").implies(&["enable-metrics", "master"])
            .missing(METRICS),
        key_values("metric-threshold", "KEY=VALUE,...",
            "Act when a metric reaches a value: raise an alarm or reset the metric.").aliases(&["metric-alarm", "alarm-metric"]).implies(&["enable-metrics", "master"])
            .missing(ALARMS),
        text("metrics-dir", "DIR",
            "Keep each metric's value as text in a file of this directory.").aliases(&["metric-dir"]).implies(&["enable-metrics", "master"])
            .missing(METRICS),
        flag("metrics-dir-restore",
            "Start metrics with the values that metrics-dir holds.").aliases(&["metric-dir-restore"]).implies(&["enable-metrics", "master"])
            .missing(METRICS),
        flag("metrics-no-cores",
            "Keep no metrics of the cores of the workers.").implies(&["enable-metrics", "master"])
            .missing(METRICS),

        list("carbon", "ADDRESS",
            "Send statistics to this Carbon (Graphite) server.").implies(&["master"])
            .missing(PUSH),
        integer("carbon-freq", "SECONDS",
            "Time between two sendings to Carbon (default 60).")
            .missing(PUSH),
        integer("carbon-timeout", "SECONDS",
            "Longest wait for a connection to Carbon (default 3).")
            .missing(PUSH),
        integer("carbon-max-retry", "N",
            "How often a failed connection to Carbon is tried again (default 1).")
            .missing(PUSH),
        integer("carbon-retry-delay", "SECONDS",
            "Pause before a failed connection to Carbon is tried again (default 7).")
            .missing(PUSH),
        text("carbon-root", "NAME",
            "First part of the names sent to Carbon (default uwsgi).")
            .missing(PUSH),
        text("carbon-id", "NAME",
            "Name of this instance among the names sent to Carbon.")
            .missing(PUSH),
        text("carbon-hostname-dots", "CHARACTER",
            "Character that replaces the dots of the host name in what goes to Carbon; they stay by default.")
            .missing(PUSH),
        flag("carbon-name-resolve",
            "Accept host names as addresses of Carbon servers, not numeric addresses only.").aliases(&["carbon-resolve-names"])
            .missing(PUSH),
        text("carbon-idle-avg", "last|zero|none",
            "Which average is sent to Carbon for a time without requests (default last).")
            .missing(PUSH),
        flag("carbon-no-workers",
            "Leave the figures of single workers out of what goes to Carbon.")
            .missing(PUSH),
        flag("carbon-use-metrics",
            "Send the metrics to Carbon, under their own names, instead of figures made for it.")
            .missing(PUSH),
        list("rrdtool", "DIR",
            "Store the metrics as RRD files in this directory.").implies(&["master", "enable-metrics"])
            .missing(PUSH),
        integer("rrdtool-freq", "SECONDS",
            "Time between two updates of the files of rrdtool.")
            .missing(PUSH),
        text("rrdtool-lib", "PATH",
            "The library that writes the files of rrdtool (default librrd.so).")
            .missing(PUSH),
        optional_text("snmp", "ADDRESS",
            "Answer SNMP requests for metrics, on this UDP address or on that of the udp option.")
            .missing(METRICS),
        text("snmp-community", "NAME",
            "Community string that SNMP requests must have.")
            .missing(METRICS),
        optional_text("zabbix-template", "FILE",
            "Write a Zabbix template of all metrics to the file or to standard output and exit.").implies(&["enable-metrics"]).extra()
            .unsupported("there are no metrics to make a template of"),

        flag("nagios",
            "Check the server behind socket as a Nagios plugin does: print its state, exit with Nagios' code.")
            .unsupported("use Nagios' own check_http or check_tcp"),

        list("alarm", "NAME PLUGIN:ARGS",
            "Define an alarm by what it does: run a command, write to a socket, send a mail, ...").implies(&["master"])
            .missing(ALARMS),
        list("log-alarm", "NAME[,NAME] REGEX",
            "Raise these alarms for each log line that matches.").aliases(&["alarm-log"]).implies(&["master", "log-master"])
            .missing(LOG_ALARM),
        list("not-log-alarm", "NAME[,NAME] REGEX",
            "Do not raise these alarms for log lines that match.").aliases(&["not-alarm-log"]).implies(&["master", "log-master"])
            .missing(LOG_ALARM),
        list("alarm-backlog", "NAME",
            "Raise this alarm when the queue of a listening socket is full.").aliases(&["backlog-alarm", "lq-alarm", "alarm-lq", "alarm-listen-queue", "listen-queue-alarm"]).implies(&["master"])
            .missing(QUEUE_ALARM),
        list("alarm-segfault", "NAME",
            "Raise this alarm when a process dies of a segmentation fault.").aliases(&["segfault-alarm"]).implies(&["master"])
            .missing("watch the log and the kernel's log (dmesg, coredumpctl) for dying workers"),
        list("alarm-fd", "NAME FD[:BYTES] [MESSAGE]",
            "Raise this alarm when a descriptor becomes readable; 1 byte is read where no number is given.").implies(&["master"])
            .missing("let a program of its own watch the descriptor"),
        integer("alarm-freq", "SECONDS",
            "Shortest time between two alarms with the same message (default 3).").reload(Live)
            .missing(ALARMS),
        unsigned64("alarm-msg-size", "BYTES",
            "Longest message of an alarm (default 8192).")
            .missing(ALARMS),
        flag("alarm-cheap",
            "Raise alarms that use curl in the one alarm thread instead of a thread each.").argument(Argument::Required)
            .missing(ALARMS),
        flag("alarm-list",
            "List the alarms that are defined.").aliases(&["alarms-list"])
            .no_effect("there are no alarms to list"),
    ],
);
