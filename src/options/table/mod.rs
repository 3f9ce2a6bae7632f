//! The rows, a file a chapter.
//!
//! A row is written on two or three lines: constructor, name and metavariable; the help and what differs from
//! most rows; the status where the option does not simply work.

mod configuration;
mod http;
mod limits;
mod logging;
mod paths;
mod processes;
mod sockets;

use uwsgi_plugin_api::OptionRow;

/// The server's own rows by topic.
pub const CORE: &[&[OptionRow]] = &[
    sockets::ROWS,
    http::ROWS,
    processes::ROWS,
    limits::ROWS,
    logging::ROWS,
    paths::ROWS,
    configuration::ROWS,
];
