//! The processes of an instance: performs what the supervisor decides.
//!
//! The master has one thread for ever, which is what makes fork sound, and one place where it waits. It
//! never runs application code and never sleeps. A generation's applications are loaded in a process of their own, the
//! mold (`mold`), which forks the generation's workers; they are the master's children all the same.

mod alone;
mod answering;
mod asks;
mod board_view;
mod child;
mod context;
mod ears;
mod endpoints;
mod fifo;
mod gateways;
mod handover;
mod hooks;
mod jobs;
mod leash;
mod listeners;
mod message;
mod mold;
mod molds;
mod notify;
mod run;
mod site_life;
mod site_order;
mod site_room;
mod sites;
mod upgrade;
pub mod vacuum;
mod workers;

use std::io;

pub use alone::run_without_master;
pub use context::{Birth, EndpointListener, Files, Hooks, Loading, MasterContext, MoldPost};
pub use gateways::GATEWAY_SECRETS;
pub use handover::{Handover, Passed, Role};
pub use mold::{introduce, run as run_mold};
pub use run::{resume, run};
pub use site_order::{ListenerOrder, SiteOrder, SitePost};
pub use upgrade::{Succession, beside};
pub use vacuum::Vacuum;

use crate::sys::signal::{self, Signal};

/// From the start of the program until the master listens: a reload asked for in this time has nothing
/// to reload, and must not end the process as its signal's default would. Call it early in `main`.
///
/// # Errors
/// None with these signals.
pub fn ignore_reload_signals(die_on_term: bool) -> io::Result<()> {
    let brutal = if die_on_term { Signal::SIGQUIT } else { Signal::SIGTERM };
    use Signal::{SIGALRM, SIGHUP, SIGTSTP, SIGUSR1, SIGUSR2};
    signal::ignore(&[SIGHUP, brutal, SIGUSR1, SIGUSR2, SIGALRM, SIGTSTP])
}
