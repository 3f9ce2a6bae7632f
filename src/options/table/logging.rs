//! Where the log goes and what is logged.

use uwsgi_plugin_api::Reload::{Live, Workers};
use uwsgi_plugin_api::option::{
    chapter, flag, integer, list, negative_flag, optional_text, text, unsigned64,
};
use uwsgi_plugin_api::{Argument, OptionRow, Section};

const FORMAT: &str = "request lines keep uWSGI's default form; let the front end write an access log of another form";
const FORCED: &str = "log all requests (without disable-logging) and select where the log is read";
const LOGGERS: &str = "the log goes to standard error or to the file of logto; let systemd's journal, the container or a pipe to logger(1) carry it on";
const SYSLOG: &str = "let systemd's journal or a pipe to logger(1) hand the log to syslog";
const ENCODERS: &str = "lines are written as they are; let the log collector (vector, fluent-bit, rsyslog) turn them into another form";
const SELECT: &str = "all lines go to one log; select with grep or the log collector";
const ROTATION: &str =
    "let logrotate move the file and reload the server (SIGHUP), or use its copytruncate";
const ONE_WRITE: &str =
    "each process writes a line at once, so that lines never mix and pass no pipe to the master";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Logging,
    [
        negative_flag("disable-logging",
            "No line for each request; log-4xx, log-5xx and log-slow still write theirs.").short('L').reload(Live),
        flag("log-4xx",
            "Log requests with a 4xx status even with disable-logging.").reload(Live),
        flag("log-5xx",
            "Log requests with a 5xx status even with disable-logging.").reload(Live),
        integer("log-slow", "MILLISECONDS",
            "Log requests that took at least this long even with disable-logging.").reload(Live),
        unsigned64("log-big", "BYTES",
            "Log requests whose answer is larger than this even with disable-logging.").reload(Live)
            .missing(FORCED),
        flag("log-zero",
            "Log requests whose answer has no body even with disable-logging.").reload(Live)
            .missing(FORCED),
        flag("log-sendfile",
            "Log requests that were answered with sendfile even with disable-logging.").argument(Argument::Required).reload(Live)
            .missing(FORCED),
        flag("log-ioerror",
            "Log requests with read and write errors even with disable-logging.").argument(Argument::Required).reload(Live)
            .missing("each failed write has a line of its own in the log; ignore-write-errors silences them"),
        text("log-format", "FORMAT",
            "Form of request lines: text with %(variables) such as %(method), %(uri), %(status), %(msecs).").aliases(&["logformat"])
            .missing(FORMAT),
        flag("log-format-strftime",
            "Write %(ftime) of log-format by the strftime format of log-date.").aliases(&["logformat-strftime"])
            .missing(FORMAT),
        flag("log-x-forwarded-for",
            "Log the address of X-Forwarded-For instead of the peer's.").reload(Live),
        optional_text("log-date", "FORMAT",
            "Begin each line with the date, by a strftime format where one is given. Request lines, which have their own, are left as they are.").aliases(&["logdate", "log-prefix"]),
        flag("log-micros",
            "Give the time of a request in microseconds.").reload(Live),
        flag("memory-report",
            "Begin request lines with the worker's address space and resident memory.").short('m').reload(Live),
        flag("ignore-sigpipe",
            "Do not log writes to a client that went away."),
        flag("ignore-write-errors",
            "Do not log failed writes."),
        flag("disable-write-exception",
            "Do not raise OSError in the application when the client went away."),
        text("logto", "PATH",
            "Append the log to this file."),
        text("logto2", "PATH",
            "Append the log to this file, opened after uid and gid took effect; host:port sends it there by UDP.")
            .missing("use logto, which opens the file before uid and gid take effect"),
        flag("log-truncate",
            "Empty the log file at each start.")
            .missing("empty the file before the start (truncate -s 0 FILE)"),
        flag("log-reopen",
            "Open the log file anew at each reload.")
            .no_effect("a reload always opens the log file anew"),
        unsigned64("log-maxsize", "BYTES",
            "Rename the log file and begin a new one when it is larger than this.").implies(&["master", "log-master"])
            .missing(ROTATION),
        text("log-backupname", "PATH",
            "Name of the file that log-maxsize moves the log to (default the log's name, a dot and the time in seconds).")
            .missing(ROTATION),
        text("logfile-chmod", "MODE",
            "Mode of the log file, three octal digits.")
            .missing("a new log file has mode 640; create the file with another mode before the start"),
        flag("logfile-chown",
            "Give the log file to the user of uid and gid.")
            .missing("create the file with its owner before the start, or let logrotate do so (create)"),
        list("logger", "[ID ]NAME[:ARGS]",
            "Send the log to a logger (file, socket, syslog, rsyslog, pipe, ...); several may be given, ID names one for log-route. Here only zeromq:ENDPOINT works.").implies(&["master", "log-master"]),
        list("req-logger", "[ID ]NAME[:ARGS]",
            "As logger, but for request lines only, which then leave the rest of the log.").aliases(&["logger-req"]).implies(&["log-master"])
            .missing("request lines go to the same log as all others; select them where the log is read"),
        optional_text("log-syslog", "IDENT",
            "Send the log to syslog under this name (default uwsgi).").implies(&["master", "log-master"])
            .missing(SYSLOG),
        list("log-socket", "ADDRESS",
            "Send the log as datagrams to this UDP or unix socket.").implies(&["master", "log-master"])
            .missing(LOGGERS),
        #[cfg(not(feature = "mongrel2"))]
        list("log-zeromq", "ENDPOINT",
            "Send each line to this ZeroMQ endpoint, by a PUSH socket that connects to it.").implies(&["master"]).extra()
            .missing("this program was built without it; build with the cargo feature mongrel2"),
        integer("rsyslog-packet-size", "BYTES",
            "Largest packet of the rsyslog logger (default 1024, the limit of RFC 3164).")
            .missing(SYSLOG),
        flag("rsyslog-split-messages",
            "Split what is larger than a packet of the rsyslog logger instead of cutting it.")
            .missing(SYSLOG),
        list("log-encoder", "NAME[:ID] [ARGS]",
            "Change each line before it is logged: prefix, suffix, nl, format, json, gzip, compress. Several form a chain.").implies(&["master", "log-master"])
            .missing(ENCODERS),
        list("log-req-encoder", "NAME[:ID] [ARGS]",
            "As log-encoder, but for the request lines of req-logger.").implies(&["master", "log-master"])
            .missing(ENCODERS),
        list("log-route", "ID REGEX",
            "Send lines that match to this named logger and to no other.").implies(&["master", "log-master"])
            .missing(SELECT),
        list("log-req-route", "ID REGEX",
            "Send request lines that match to this named request logger and to no other.").implies(&["log-master"])
            .missing(SELECT),
        list("log-drain", "REGEX",
            "Do not log lines that match; log-filter is the opposite.").implies(&["master", "log-master"])
            .missing(SELECT),
        list("log-filter", "REGEX",
            "Log only lines that match; log-drain is the opposite.").implies(&["master", "log-master"])
            .missing(SELECT),
        flag("logger-list",
            "List the loggers that are built in or loaded.").aliases(&["loggers-list"])
            .no_effect("there are no loggers to list"),
        flag("log-master",
            "Let workers send their lines through a pipe to the master, which writes them.").implies(&["master"])
            .no_effect(ONE_WRITE),
        unsigned64("log-master-bufsize", "BYTES",
            "Longest line that log-master passes on; the rest of it is cut (default 8192).")
            .no_effect("lines pass no pipe to the master and are not cut"),
        flag("log-master-stream",
            "Make the pipe of log-master a stream instead of a sequence of packets.")
            .no_effect(ONE_WRITE),
        flag("log-master-req-stream",
            "Make the pipe of the request lines a stream instead of a sequence of packets.")
            .no_effect(ONE_WRITE),
        flag("notfound-log",
            "Log requests that the notfound plugin answers with 404.").extra()
            .missing("log-4xx logs all answers with 404"),
        text("daemonize", "PATH",
            "Run in the background and append the log to this file.").short('d'),

        // What workers log by themselves, and when files are opened anew.
        text("daemonize2", "PATH",
            "As daemonize, but go to the background only when the applications are loaded.")
            .unsupported("use daemonize; where the caller must know that the start went well, run in the foreground under systemd"),
        list("touch-logreopen", "PATH",
            "Open the log file anew when this file changes.").implies(&["master", "log-master"]).reload(Live),
        list("touch-logrotate", "PATH",
            "Rename the log file and begin a new one when this file changes.").implies(&["master", "log-master"]).reload(Live),
        flag("threaded-logger",
            "Let a thread of the master write the log that it collects from the workers.").implies(&["master", "log-master"])
            .no_effect("each process writes its lines itself, so that the master has none to write for others"),
        list("worker-logger", "[ID ]NAME[:ARGUMENT]",
            "As logger, but each worker writes to the logger itself instead of through the master.").reload(Workers).extra()
            .missing(LOGGERS),
        list("worker-logger-req", "[ID ]NAME[:ARGUMENT]",
            "As worker-logger, for request lines.").reload(Workers).extra()
            .missing(LOGGERS),
        list("worker-log-encoder", "NAME[ ARGUMENT]",
            "As log-encoder, for the loggers of worker-logger.").reload(Workers).extra()
            .missing(ENCODERS),
        list("worker-log-req-encoder", "NAME[ ARGUMENT]",
            "As log-req-encoder, for the loggers of worker-logger-req.").reload(Workers).extra()
            .missing(ENCODERS),
    ],
);
