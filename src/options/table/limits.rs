//! Bounds of requests and bodies.

use uwsgi_plugin_api::option::{chapter, integer, unsigned64};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Limits,
    [
        unsigned64("limit-post", "BYTES",
            "Largest request body; a larger one is answered with 413. 0 is no limit (default)."),
        unsigned64("post-buffering", "BYTES",
            "Read bodies before the application runs; those of at least BYTES go to a temporary file."),
        integer("max-vars", "N",
            "A request may have 2 * N variables (default 64: 128 variables).").short('v'),
    ],
);
