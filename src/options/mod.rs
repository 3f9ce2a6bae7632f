//! The option table and what is rendered from it.
//!
//! Every option exists once, as a row of a slice by topic. [`Registry`] joins these slices with those of
//! the plugins; the readers of the command line, the environment and the files, the help text and the
//! "did you mean" all walk it. A row promises that the option works: an option that is accepted without
//! an effect, or known and not there yet, stands in a table of its own with the reason that is printed.
//! This module reads nothing and sets nothing.

mod configuration;
mod known;
mod limits;
mod logging;
mod nearest;
mod paths;
mod processes;
mod registry;
mod render;
mod sockets;

pub use known::{NO_EFFECT, NoEffect, UNSUPPORTED, Unsupported};
pub use registry::{Abbreviation, Entry, Registry, Standing};
pub use render::{help, version};

use uwsgi_plugin_api::{OptionKind, OptionRow, Reload, Section};

/// The version of uWSGI whose behaviour is kept; what scripts compare (`%V`, `uwsgi.version`).
pub const COMPATIBLE_WITH: &str = "2.0.31";

/// The server's own rows by topic.
pub const CORE: &[&[OptionRow]] = &[
    sockets::ROWS,
    processes::ROWS,
    limits::ROWS,
    logging::ROWS,
    paths::ROWS,
    configuration::ROWS,
];

/// What the rows of a slice leave out: a flag that needs a new master image.
const BASE: OptionRow = OptionRow {
    name: "",
    aliases: &[],
    short: None,
    kind: OptionKind::Flag,
    metavar: "",
    section: Section::Configuration,
    reload: Reload::Exec,
    implies: &[],
    immediate: false,
    help: "",
};
