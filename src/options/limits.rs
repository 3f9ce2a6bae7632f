//! Bounds of requests and bodies.

use uwsgi_plugin_api::OptionKind::{Integer, Unsigned64};
use uwsgi_plugin_api::{OptionRow, Section};

const BASE: OptionRow = OptionRow { section: Section::Limits, ..super::BASE };

pub(super) const ROWS: &[OptionRow] = &[
    OptionRow {
        name: "limit-post",
        kind: Unsigned64,
        metavar: "BYTES",
        help: "Largest request body; a larger one is answered with 413. 0 is no limit (default).",
        ..BASE
    },
    OptionRow {
        name: "post-buffering",
        kind: Unsigned64,
        metavar: "BYTES",
        help: "Read bodies before the application runs; those of at least BYTES go to a temporary file.",
        ..BASE
    },
    OptionRow {
        name: "max-vars",
        short: Some('v'),
        kind: Integer,
        metavar: "N",
        help: "A request may have 2 * N variables (default 64: 128 variables).",
        ..BASE
    },
];
