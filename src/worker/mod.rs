//! Life of a worker: boot, request threads, drain.
//!
//! A worker has its request threads and one control thread. The control thread hears the master's messages
//! and the signals, and never touches a connection but in place of a request that is stuck. It exists
//! because all request threads may be inside the application.

mod applications;
mod check;
mod control;
mod host;
pub mod message;
mod recycle;
mod renewal;
mod run;

pub use host::ServerHost;
pub use run::{Boot, Unloaded, load_apps, run};
