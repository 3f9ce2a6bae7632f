//! The rows, a file a chapter.
//!
//! A row is written on two or three lines: constructor, name and metavariable; the help and what differs from
//! most rows; the status where the option does not simply work.

mod applications;
mod background;
mod cluster;
mod commands;
mod configuration;
mod emperor;
mod gateways;
mod hooks;
mod http;
mod isolation;
mod languages;
mod life_cycle;
mod limits;
mod logging;
mod logic;
mod loops;
mod monitoring;
mod paths;
mod processes;
mod routing;
mod scaling;
mod sharing;
mod sockets;
mod static_files;
mod tls;
mod tunnels;

use uwsgi_plugin_api::OptionRow;

/// The server's own rows, in the order of the chapters.
pub const CORE: &[&[OptionRow]] = &[
    sockets::ROWS,
    http::ROWS,
    tls::ROWS,
    applications::ROWS,
    processes::ROWS,
    life_cycle::ROWS,
    scaling::ROWS,
    limits::ROWS,
    logging::ROWS,
    monitoring::ROWS,
    paths::ROWS,
    configuration::ROWS,
    logic::ROWS,
    commands::ROWS,
    isolation::ROWS,
    hooks::ROWS,
    background::ROWS,
    sharing::ROWS,
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
