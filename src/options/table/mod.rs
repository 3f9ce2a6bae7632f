//! The rows, a file a chapter.
//!
//! A row is written on two or three lines: constructor, name and metavariable; the help and what differs from
//! most rows; the status where the option does not simply work.

mod configuration;
mod gateways;
mod headers;
mod http;
mod limits;
mod logging;
mod loops;
mod paths;
mod processes;
mod sockets;
mod tls;
mod tunnels;

use uwsgi_plugin_api::OptionRow;

/// The server's own rows by topic.
pub const CORE: &[&[OptionRow]] = &[
    sockets::ROWS,
    http::ROWS,
    headers::ROWS,
    tls::ROWS,
    processes::ROWS,
    limits::ROWS,
    logging::ROWS,
    paths::ROWS,
    configuration::ROWS,
    loops::ROWS,
    gateways::ROWS,
    tunnels::ROWS,
];
