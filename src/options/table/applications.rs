//! Which application gets a request, whatever the language.

use uwsgi_plugin_api::option::{chapter, flag, integer, text};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Applications,
    [
        flag("vhost", "Choose applications by the host as well as by the path, so that one server has many sites.")
            .unsupported("run one instance for each site"),
        flag("vhost-host", "As vhost, by the Host header only.").implies(&["vhost"])
            .unsupported("run one instance for each site"),
        flag("dynamic-apps", "Load applications that requests name (by UWSGI_SCRIPT and its like).").extra()
            .unsupported("name the applications with mount"),
        integer("max-apps", "N", "Most applications of a worker (default 64).")
            .no_effect("there is no limit"),
        text("allowed-modifiers", "N[,N]", "Answer only these first modifiers of the uwsgi protocol.")
            .no_effect("only the modifiers of built-in plugins are answered"),
        text("remap-modifier", "FROM:TO[,FROM:TO]", "Treat one first modifier of the uwsgi protocol as another.")
            .unsupported("set the modifier in the front end (uwsgi_modifier1 of nginx)"),
        flag("cgi-mode", "Begin answers to CGI with a Status header instead of a status line.").short('c')
            .unsupported("leave it out; front ends expect the status line that answers begin with"),
    ],
);
