//! A process of its own beside the workers that brings them requests from where no listening socket could.
//!
//! It is a front end of the instance: it speaks FastCGI to the workers over a socket that only this user may connect to.
//! The master starts it, starts it again when it dies, and lets it live through reloads, so that whoever sends it requests
//! does not notice that workers come and go. In a graceful stop it ends before the workers do.

use std::os::fd::BorrowedFd;
use std::os::unix::net::SocketAddr;

use crate::{OptionRow, PluginError, Settings};

/// What a gateway process is given.
#[derive(Clone, Copy)]
pub struct Post<'a> {
    /// Where the workers listen: FastCGI, with answers that begin with a status line.
    pub workers: &'a SocketAddr,
    /// Requests that the workers can run at the same time; more are not to be sent.
    pub requests_max: usize,
    /// Readable when the end is asked for: nothing more is taken in, what was taken is finished.
    pub stop: BorrowedFd<'a>,
    /// Writes a line to the log.
    pub log: &'a dyn Fn(&str),
}

/// One kind of gateways.
pub trait Gateway: Send + Sync {
    /// Its name on the command line (`uwsgi gateway NAME`) and in the log.
    fn name(&self) -> &'static str;
    /// Its options; the process is given those of them that are set.
    fn options(&self) -> &'static [OptionRow];
    /// Whether these settings ask for a process.
    fn is_wanted(&self, settings: &Settings) -> bool;
    /// Looks whether its settings can be used, before anything is started.
    ///
    /// # Errors
    /// What is wrong with a value.
    fn check(&self, settings: &Settings) -> Result<(), PluginError>;
    /// Serves until the end is asked for and everything is finished.
    ///
    /// # Errors
    /// Why it cannot serve.
    fn run(&self, settings: &Settings, post: Post<'_>) -> Result<(), PluginError>;
}
