//! The rows, a file a chapter.
//!
//! A row is written on two or three lines: constructor, name and metavariable; the help and what differs from
//! most rows; the status where the option does not simply work.

mod applications;
mod background;
mod cluster;
mod commands;
mod configuration;
mod configuration_stores;
mod emperor;
mod gateways;
mod headers;
mod hooks;
mod http;
mod isolation;
mod isolation_pam;
mod languages;
mod life_cycle;
mod limits;
mod locks;
mod logging;
mod logging_workers;
mod logic;
mod loops;
mod monitoring;
mod paths;
mod processes;
mod routing;
mod scaling;
mod sharing;
mod sockets;
mod sockets_mongrel2;
mod static_files;
mod tls;
mod tunnels;

use uwsgi_plugin_api::OptionRow;

/// The server's own rows, in the order of the chapters.
pub const CORE: &[&[OptionRow]] = &[
    sockets::ROWS,
    sockets_mongrel2::ROWS,
    http::ROWS,
    headers::ROWS,
    tls::ROWS,
    applications::ROWS,
    processes::ROWS,
    life_cycle::ROWS,
    scaling::ROWS,
    limits::ROWS,
    logging::ROWS,
    logging_workers::ROWS,
    monitoring::ROWS,
    paths::ROWS,
    configuration::ROWS,
    configuration_stores::ROWS,
    logic::ROWS,
    commands::ROWS,
    isolation::ROWS,
    isolation_pam::ROWS,
    hooks::ROWS,
    background::ROWS,
    sharing::ROWS,
    locks::ROWS,
    static_files::ROWS,
    routing::REQUEST,
    routing::RESPONSE,
    routing::ERROR,
    routing::FINAL,
    routing::ROWS,
    loops::ROWS,
    emperor::ROWS,
    cluster::ROWS,
    gateways::ROWS,
    tunnels::ROWS,
    languages::ROWS,
];
