//! The rows, a file a chapter.
//!
//! A row is written on two or three lines: constructor, name and metavariable; the help and what differs from
//! most rows; the status where the option does not simply work.

mod background;
mod configuration;
mod hooks;
mod http;
mod instance_commands;
mod isolation;
mod life_cycle;
mod limits;
mod locks;
mod logging;
mod logging_workers;
mod paths;
mod processes;
mod scaling;
mod sockets;

use uwsgi_plugin_api::OptionRow;

/// The server's own rows by topic.
pub const CORE: &[&[OptionRow]] = &[
    sockets::ROWS,
    http::ROWS,
    processes::ROWS,
    life_cycle::ROWS,
    scaling::ROWS,
    limits::ROWS,
    logging::ROWS,
    logging_workers::ROWS,
    paths::ROWS,
    configuration::ROWS,
    instance_commands::ROWS,
    isolation::ROWS,
    hooks::ROWS,
    background::ROWS,
    locks::ROWS,
];
