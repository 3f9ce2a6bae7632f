//! Headers of answers: added, taken out, kept as variables.

use uwsgi_plugin_api::option::{chapter, integer, list};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Http,
    [
        list("add-header", "NAME: VALUE",
            "Add this header to the answer of every request.")
            .unsupported("add it in the front end (add_header in nginx) or in the application"),
        list("del-header", "NAME",
            "Take a header out of every answer.").aliases(&["rem-header"])
            .unsupported("take it out in the front end (uwsgi_hide_header or proxy_hide_header in nginx) or in the application"),
        list("collect-header", "NAME VARIABLE",
            "Copy a header of the answer to a request variable, where routing rules and the log can see it.").aliases(&["response-header-collect"])
            .missing("no routing rule or log format could use the variable; log the header in the front end"),
        list("pull-header", "NAME VARIABLE",
            "As collect-header, but the client does not get the header.")
            .unsupported("hide it in the front end (uwsgi_hide_header or proxy_hide_header in nginx); nothing here could use the variable"),
        integer("response-headers-limit", "BYTES",
            "Largest head of an answer; a request whose answer has a larger one gets none (default 65535).")
            .no_effect("the head of an answer may have any length"),
    ],
);
