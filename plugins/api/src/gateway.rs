//! A process of its own beside the workers that carries something between the instance and others.
//!
//! The master starts it, starts it again when it dies, and lets it live through reloads, so that whoever is at the other end
//! does not notice that workers come and go.

use std::os::fd::BorrowedFd;
use std::os::unix::net::SocketAddr;

use crate::{OptionRow, PluginError, Settings};

/// What a kind of gateways carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cargo {
    /// Requests, from where no listening socket could have them: it is a front end of the instance and speaks FastCGI to the
    /// workers, over a socket that only this user may connect to. In a graceful stop it ends before the workers do.
    Requests,
    /// The log: all that the processes of the instance write to standard output and error comes by its standard input. It
    /// ends last.
    Log,
    /// Nothing of the instance's own: it is the node by which the instance belongs to a cluster. Its standard input brings
    /// [`crate::cluster::Outgoing`], a datagram each, in JSON. It is told to end when a stop begins, so that others send nothing
    /// more to workers that go.
    Cluster,
}

/// What a gateway process is given.
#[derive(Clone, Copy)]
pub struct Post<'a> {
    /// Where the workers listen, for requests: FastCGI, with answers that begin with a status line.
    pub workers: Option<&'a SocketAddr>,
    /// Requests that the workers can run at the same time; more are not to be sent.
    pub requests_max: usize,
    /// Standard input.
    pub input: BorrowedFd<'a>,
    /// Readable when the end is asked for: nothing more is taken in, what was taken is finished.
    pub stop: BorrowedFd<'a>,
    /// Writes a line to the log; of a gateway that carries the log, to where that went before.
    pub log: &'a dyn Fn(&str),
    /// The instance, for its node in a cluster.
    pub instance: Option<&'a dyn crate::Instance>,
}

/// One kind of gateways.
pub trait Gateway: Send + Sync {
    /// Its name on the command line (`uwsgi gateway NAME`) and in the log.
    fn name(&self) -> &'static str;
    /// What it carries.
    fn cargo(&self) -> Cargo;
    /// Its options.
    fn options(&self) -> &'static [OptionRow];
    /// The settings that a process of it needs, by names of its options.
    fn settings(&self, settings: &Settings) -> Vec<(String, String)> {
        let own = |option: &str| self.options().iter().any(|row| row.name == option);
        settings.pairs().iter().filter(|(option, _)| own(option)).cloned().collect()
    }
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
