//! HTTP served by the workers.

use uwsgi_plugin_api::option::{chapter, list, optional_text};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Http,
    [
        list("http", "ADDRESS",
            "Listen for HTTP/1.1; the workers answer themselves, with keep-alive and pipelining."),
        list("http-socket", "ADDRESS",
            "Listen for HTTP/1.1, as http does."),
        list("http11-socket", "ADDRESS",
            "Listen for HTTP/1.1, as http does."),
        optional_text("http-keepalive", "SECONDS",
            "How long an idle HTTP connection is kept: a value above 1 sets the seconds (default 75)."),
    ],
);
