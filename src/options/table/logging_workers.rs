//! Logging: late leaving of the terminal, files whose change turns the log over, loggers of the workers' own.

use uwsgi_plugin_api::Reload::{Live, Workers};
use uwsgi_plugin_api::option::{chapter, flag, list, text};
use uwsgi_plugin_api::{OptionRow, Section};

const LOGGERS: &str = "the log goes to standard error or to the file of logto; let systemd's journal, the container or a pipe to logger(1) carry it on";
const ENCODERS: &str = "lines are written as they are; let the log collector (vector, fluent-bit, rsyslog) turn them into another form";
const ROTATION: &str =
    "let logrotate move the file and reload the server (SIGHUP), or use its copytruncate";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Logging,
    [
        text("daemonize2", "PATH",
            "As daemonize, but go to the background only when the applications are loaded.")
            .unsupported("use daemonize; where the caller must know that the start went well, run in the foreground under systemd"),
        list("touch-logreopen", "PATH",
            "Open the log file anew when this file changes.").implies(&["master", "log-master"]).reload(Live)
            .missing(ROTATION),
        list("touch-logrotate", "PATH",
            "Rename the log file and begin a new one when this file changes.").implies(&["master", "log-master"]).reload(Live)
            .missing(ROTATION),
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
