//! The rows, a file a chapter.
//!
//! A row is written on two or three lines: constructor, name and metavariable; the help and what differs from
//! most rows; the status where the option does not simply work.

mod cluster;
mod configuration;
mod gateways;
mod headers;
mod configuration_stores;
mod emperor;
mod http;
mod isolation_pam;
mod limits;
mod logging;
mod loops;
mod monitoring;
mod paths;
mod processes;
mod routing;
mod sharing;
mod sockets;
mod tls;
mod tunnels;
mod sockets_mongrel2;
mod static_files;

use uwsgi_plugin_api::OptionRow;

/// The server's own rows by topic.
pub const CORE: &[&[OptionRow]] = &[
    sockets::ROWS,
    sockets_mongrel2::ROWS,
    http::ROWS,
    headers::ROWS,
    tls::ROWS,
    processes::ROWS,
    limits::ROWS,
    logging::ROWS,
    monitoring::ROWS,
    paths::ROWS,
    configuration::ROWS,
    loops::ROWS,
    gateways::ROWS,
    tunnels::ROWS,
    configuration_stores::ROWS,
    isolation_pam::ROWS,
    sharing::ROWS,
    static_files::ROWS,
    routing::REQUEST,
    routing::RESPONSE,
    routing::ERROR,
    routing::FINAL,
    routing::ROWS,
    emperor::ROWS,
    cluster::ROWS,
];
