//! argv, environment and files become ordered directives, then one checked `Config`.

pub mod model;

pub use model::Config;
