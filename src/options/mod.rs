//! The option table and what is rendered from it.
//!
//! Every option exists once, as a row of a slice by topic. [`Registry`] joins these slices with those of
//! the plugins; the readers of the command line, the environment and the files, the help text and the
//! "did you mean" all walk it. A row's status says whether the option works, is accepted without an effect, or is known
//! and not there, with the reason that is printed.
//! This module reads nothing and sets nothing.

mod nearest;
mod registry;
mod render;
mod table;

pub use registry::{Abbreviation, Registry, names};
pub use render::{
    COMMON, bash_completion, dump, fish_completion, help, help_all, help_for, help_option,
    help_section, json_schema, man_page, markdown, version, zsh_completion,
};
pub use table::CORE;

/// The version of uWSGI whose behaviour is kept; what scripts compare (`%V`, `uwsgi.version`).
pub const COMPATIBLE_WITH: &str = "2.0.31";
