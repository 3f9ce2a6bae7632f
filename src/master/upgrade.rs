//! A new master beside the old one, with workers of its own on the same sockets (USR2 of Gunicorn).
//!
//! The operator decides: WINCH ends the old one's workers and QUIT the old master, whose place the new one takes; or HUP
//! brings the old one's workers back and QUIT ends the new master. While both are there the new one's pid files end in `.2`, and
//! the old one, which may end first, removes no socket.

use std::io;
use std::path::PathBuf;
use std::process::exit;

use super::context::Files;
use super::handover;
use super::run::Master;
use crate::log;
use crate::supervisor::{Ended, Pid};
use crate::sys::handover::Image;
use crate::sys::process::{self, Fork};
use crate::sys::signal;

/// What a pid file's name ends in while the old master has the name.
const SUFFIX: &str = ".2";

/// The state of an upgrade, on either side.
#[derive(Debug, Default)]
pub(super) struct Upgrade {
    /// The new master that this one has started.
    pub(super) child: Option<Pid>,
}

/// What a master beside another one takes over when that ends.
#[derive(Clone, Debug)]
pub struct Succession {
    /// The other master.
    pub parent: Pid,
    /// The files under their own names.
    pub files: Files,
}

/// The same files, with names for the time beside another master.
pub fn beside(path: &mut Option<PathBuf>) {
    if let Some(path) = path {
        path.as_mut_os_string().push(SUFFIX);
    }
}

impl Master {
    /// Starts a new master beside this one.
    pub(super) fn upgrade(&mut self) {
        if let Some(pid) = self.upgrade.child {
            return log::line(format_args!("a new master is there already (pid: {pid})"));
        }
        if let Some(succession) = &self.context.succession {
            let parent = succession.parent;
            return log::line(format_args!("the old master is still there (pid: {parent})"));
        }
        match self.start_beside() {
            Ok(pid) => {
                self.upgrade.child = Some(pid);
                log::line(format_args!("started a new uWSGI master beside this one (pid: {pid})"));
            }
            Err(error) => log::line(format_args!("cannot start a new master: {error}")),
        }
    }

    fn start_beside(&mut self) -> io::Result<Pid> {
        match process::fork()? {
            Fork::Parent(pid) => Ok(pid),
            Fork::Child => {
                let image = Image {
                    role: handover::beside_role(self.pid),
                    reloads: self.context.origin.reloads() + 1,
                    sockets: self.sockets(),
                    passed: self.shared(),
                };
                let Err(error) =
                    signal::restore_defaults().and_then(|()| self.context.origin.execute(&image));
                let program = self.context.origin.program.display();
                log::line(format_args!("cannot run {program}: {error}"));
                exit(1)
            }
        }
    }

    /// True for the end of the new master.
    pub(super) fn upgrade_ended(&mut self, pid: Pid, ended: Ended) -> bool {
        let ours = self.upgrade.child == Some(pid);
        if ours {
            self.upgrade.child = None;
            log::line(format_args!("the new master (pid: {pid}) {ended}; this one goes on"));
        }
        ours
    }

    /// Somebody else has this instance's sockets and its name.
    pub(super) fn is_succeeded(&self) -> bool {
        self.upgrade.child.is_some()
    }

    /// At the end: what belongs to another master stays, and what is only for the time beside one goes.
    pub(super) fn remove_files(&mut self) {
        if self.context.succession.is_some() {
            self.remove_pidfiles();
        } else if !self.is_succeeded() {
            self.context.vacuum.remove();
            self.end_hooks();
        }
    }

    fn remove_pidfiles(&self) {
        let files = &self.context.files;
        for (_, path) in files.pidfiles.iter().chain(&files.safe_pidfiles) {
            // Somebody may have been faster.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Takes the old master's place once that has ended.
    pub(super) fn look_for_succession(&mut self) {
        let Some(succession) = &self.context.succession else { return };
        if process::parent() == succession.parent {
            return;
        }
        let Some(succession) = self.context.succession.take() else { return };
        let pid = self.pid;
        log::line(format_args!("the old master has ended: uWSGI master {pid} takes its place"));
        self.remove_pidfiles();
        self.context.files = succession.files;
        self.write_pidfiles();
        self.open_fifos();
        self.notify_succession();
        self.begin_jobs();
    }
}
