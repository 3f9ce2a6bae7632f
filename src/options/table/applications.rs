//! Which application gets a request, whatever the language.

use uwsgi_plugin_api::Reload::Workers;
use uwsgi_plugin_api::option::{chapter, flag, integer, list, text};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Applications,
    [
        flag("vhost", "Choose applications by the host as well as by the path, so that one server has many sites.").reload(Workers),
        flag("vhost-host", "As vhost, by the Host header only.").implies(&["vhost"]).reload(Workers),
        flag("dynamic-apps", "Load applications that requests name by UWSGI_SCRIPT and its like, where their peers may: on unless it is false.").extra().reload(Workers),
        list("dynamic-apps-from", "PEER[,PEER]",
            "Who may have applications loaded: addresses, networks, unix for all unix sockets, user:NAME and group:NAME for processes that come by one. Default: 127.0.0.0/8, ::1 and unix.").extra().reload(Workers),
        list("dynamic-apps-root", "DIR",
            "Applications that requests name, their virtualenvs and directories have to lie below this one, or another that is given so.").extra().reload(Workers),
        integer("max-apps", "N", "Most applications of a worker (default 64).").reload(Workers),
        text("app-isolation", "interpreter|shared|process",
            "What keeps applications apart: an interpreter each (default), nothing (as single-interpreter), or processes of their own with their own Python, user and limits, started by their first request.").extra(),
        list("site-option", "[HOST:]NAME=VALUE",
            "An option for the processes that app-isolation = process starts, of all sites or of those of a host.").extra(),
        integer("max-sites", "N", "Most sites that are told apart in statistics, and most that have processes of their own (default 1024).").extra(),
        text("allowed-modifiers", "N[,N]", "Answer only these first modifiers of the uwsgi protocol.")
            .no_effect("only the modifiers of built-in plugins are answered"),
        text("remap-modifier", "FROM:TO[,FROM:TO]", "Treat one first modifier of the uwsgi protocol as another.")
            .unsupported("set the modifier in the front end (uwsgi_modifier1 of nginx)"),
        flag("cgi-mode", "Begin answers to CGI with a Status header instead of a status line.").short('c')
            .unsupported("leave it out; front ends expect the status line that answers begin with"),
    ],
);
