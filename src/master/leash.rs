//! The master of a site: what holds it to the instance that it is a part of.
//!
//! The leash is a channel from the master of the instance. A word on it, or its end, is the end of the site.

use std::io;
use std::os::fd::AsFd;

use super::ears::Source;
use super::run::Master;
use super::site_order::STOP;
use crate::log;
use crate::supervisor::{Command, Ended, Event, exit_code};

impl Master {
    /// Hears of the end of the instance, in the master of a site.
    pub(super) fn open_leash(&mut self) {
        let Some(leash) = self.context.leash.clone() else { return };
        if let Err(error) = self.hands_mut().ears.listen(leash.as_fd(), Source::Leash) {
            log::line(format_args!("the instance cannot be heard: {error}"));
        }
    }

    /// The processes of a site are not loaded anew: they end, and start again when they are asked for.
    pub(super) fn as_of_site(&self, command: Command) -> Command {
        use Command::{BrutalReload, ChainReload, GracefulStop, Reload, Upgrade};
        match command {
            Reload | BrutalReload | ChainReload | Upgrade if self.context.leash.is_some() => {
                GracefulStop
            }
            command => command,
        }
    }

    /// A site whose application dies while it is loaded is not tried again here: somebody waits for an answer.
    pub(super) fn as_of_site_mold(&self, ended: Ended) -> Ended {
        let loads = self.context.leash.is_some() && self.context.first.is_some();
        match ended {
            Ended::Signal(_) if loads && !self.supervisor.stops() => {
                log::line(format_args!("the process that loads the application {ended}"));
                Ended::Code(exit_code::FAILURE)
            }
            ended => ended,
        }
    }

    /// The master of the instance that this site is a part of says something, or is gone.
    pub(super) fn hear_leash(&mut self) {
        let Some(leash) = self.context.leash.clone() else { return };
        let mut word = [0; 8];
        let command = match leash.receive(&mut word) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Ok(Some(length)) if &word[..length] == STOP => Command::Stop,
            _ => Command::GracefulStop,
        };
        self.hands_mut().ears.forget(leash.as_fd(), Source::Leash);
        self.send(Event::Command(command));
    }
}
