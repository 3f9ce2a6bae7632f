//! Bounds of requests, bodies and memory.

use uwsgi_plugin_api::option::{chapter, flag, integer, unsigned64};
use uwsgi_plugin_api::{OptionRow, Reload, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Limits,
    [
        unsigned64("limit-post", "BYTES",
            "Largest request body; a larger one is answered with 413. 0 is no limit (default).").reload(Reload::Workers),
        unsigned64("post-buffering", "BYTES",
            "Read bodies before the application runs; those of at least BYTES go to a temporary file.").reload(Reload::Workers),
        unsigned64("post-buffering-bufsize", "BYTES",
            "Size of the pieces in which post-buffering reads a body (default 8192, at least post-buffering).").reload(Reload::Workers)
            .no_effect("the server chooses the size of its reads"),
        integer("max-vars", "N",
            "A request may have 2 * N variables (default 64: 128 variables).").short('v').reload(Reload::Workers),
        unsigned64("body-read-warning", "MEBIBYTES",
            "Log a warning where an application reads more than this of a body into memory at once.").reload(Reload::Workers)
            .missing("bound bodies with limit-post"),
        unsigned64("chunked-input-limit", "BYTES",
            "Largest chunk of a chunked request body (default 1048576).").reload(Reload::Workers)
            .no_effect("a chunk is passed on in pieces and never held whole; limit-post bounds the body"),
        integer("chunked-input-timeout", "SECONDS",
            "Longest wait for the next chunk of a request body (default: socket-timeout).").reload(Reload::Workers)
            .missing("set socket-timeout, which bounds every wait for a body"),
        unsigned64("write-errors-tolerance", "N",
            "How many writes to a client may fail before the application gets an exception or the answer ends (default 0).").reload(Reload::Workers)
            .missing("the first failed write ends the answer; disable-write-exception keeps it from the application"),
        flag("write-errors-exception-only",
            "Leave it to the application to end an answer after a failed write; it only gets the exception.").reload(Reload::Workers)
            .missing("a failed write always ends the answer"),
        flag("never-swap",
            "Lock all memory of the server, so that none of it is swapped out (mlockall).")
            .missing("forbid swapping from outside (MemorySwapMax=0 in the systemd unit)"),
    ],
);
