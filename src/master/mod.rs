//! The processes of an instance: performs what the supervisor decides.
//!
//! The master has one thread for ever, which is what makes fork sound, and one place where it waits. It
//! never runs application code and never sleeps.

mod alone;
mod board_view;
mod child;
mod context;
mod image;
mod run;
pub mod vacuum;

pub use alone::run_without_master;
pub use context::{Hooks, MasterContext};
pub use image::ignore_reload_signals;
pub use run::run;
pub use vacuum::Vacuum;
