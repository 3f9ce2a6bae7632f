//! The process of a generation: it has the application loaded and forks workers when the master says so.
//!
//! Its children are the master's: it forks twice, and the master adopts what the one between leaves. So the master alone
//! knows and reaps workers, whichever generation they are of, and a mold may end while its workers serve. It has one
//! thread of ours, never serves and decides nothing. When the master is killed, it removes what `vacuum` promised to.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering::Relaxed;

use uwsgi_plugin_api::WorkerId;

use super::child;
use super::context::{Birth, Loading, MoldPost, name_process};
use super::message::{FromMold, MESSAGE_BYTES, ToMold};
use crate::log;
use crate::shm::Board;
use crate::sys::channel::Channel;
use crate::sys::process::Pid;
use crate::sys::{clock, memory, process, signal, will};

/// Loads the generation and serves the master until it or the generation ends. Returns the exit status; in workers it
/// never returns.
pub fn run(mut loading: Loading, post: MoldPost) -> i32 {
    // People and terminals speak to the master, which tells its molds what they have to know.
    let quiet = signal::disregard(&signal::OURS).and_then(|()| signal::release());
    if let Err(error) = quiet {
        log::line(format_args!("a mold cannot set its signals: {error}"));
    }
    name_process(&loading.process_names, format_args!("mold"));
    // Nobody hears the end of the master while the application is loaded.
    if !will::make(loading.vacuum.heirlooms(), post.master).unwrap_or(true) {
        return 1;
    }
    if let Err(status) = (loading.hooks.load)() {
        return status;
    }
    if let Err(error) = process::outlive_parent().and_then(|()| post.channel.set_nonblocking(false))
    {
        log::line(format_args!("a mold cannot wait for the master: {error}"));
        return 1;
    }
    let channel = Some(post.channel);
    let mut mold = Mold { loading, master: post.master, channel, forked: HashSet::new() };
    mold.tell(&FromMold::Loaded { workers: mold.loading.board.workers() });
    mold.obey();
    if process::parent() != mold.master {
        mold.loading.vacuum.remove_for_owner();
    }
    (mold.loading.hooks.shutdown)();
    0
}

/// Tells the master what it needs of a generation that was not made by itself: before anything is loaded.
///
/// # Errors
/// The master is gone.
pub fn introduce<'a>(
    channel: &Channel,
    board: &Board,
    listeners: impl Iterator<Item = (&'a str, BorrowedFd<'a>)>,
    sources: Option<Vec<u8>>,
) -> io::Result<()> {
    channel.send_with_fd(&FromMold::Board.encode(), board.file())?;
    for (name, fd) in listeners {
        channel.send_with_fd(&FromMold::Listener(name.to_owned()).encode(), fd)?;
    }
    if let Some(sources) = sources {
        let file = memory::file_of(c"uwsgi-sources", &sources)?;
        channel.send_with_fd(&FromMold::Sources.encode(), file.as_fd())?;
    }
    Ok(())
}

struct Mold {
    loading: Loading,
    master: Pid,
    /// `None` only in a worker.
    channel: Option<Channel>,
    /// Workers that it was asked for.
    forked: HashSet<WorkerId>,
}

impl Mold {
    fn obey(&mut self) {
        let mut bytes = [0; MESSAGE_BYTES];
        while let Some(channel) = &self.channel {
            match channel.receive_with_fd(&mut bytes) {
                Ok(Some((length, fd))) => match (ToMold::decode(&bytes[..length]), fd) {
                    (Some(ToMold::Spawn { place, worker, trial }), Some(fd)) => {
                        let first_life = self.forked.insert(worker);
                        let channel = Some(Channel::from(fd));
                        self.spawn(Birth { worker, place, channel, trial, first_life });
                    }
                    (Some(ToMold::End), _) => return,
                    (Some(ToMold::ReopenLog), _) => log::reopen(),
                    // A newer master may say what this mold does not know yet.
                    _ => log::line(format_args!("a mold does not understand its master")),
                },
                Ok(None) => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::line(format_args!("a mold cannot hear the master: {error}"));
                    return;
                }
            }
        }
    }

    fn spawn(&mut self, birth: Birth) {
        let place = birth.place;
        let answer = match self.fork(birth) {
            Ok(pid) => FromMold::Spawned { place, pid: pid.as_raw() },
            Err(error) => {
                FromMold::SpawnFailed { place, error: error.raw_os_error().unwrap_or(libc::EAGAIN) }
            }
        };
        self.tell(&answer);
    }

    fn fork(&mut self, birth: Birth) -> io::Result<Pid> {
        let (worker, place) = (birth.worker, birth.place);
        self.loading.board.start_life(worker, place, clock::monotonic_ms());
        (self.loading.hooks.before_fork)();
        signal::hold(&signal::OURS)?;
        let forked = process::fork_for(self.master);
        let pid = match forked {
            Ok(None) => {
                // The end of the mold must be seen while its workers live.
                self.channel = None;
                child::live(&mut self.loading, birth, self.master)
            }
            Ok(Some(pid)) => Ok(pid),
            Err(error) => Err(error),
        };
        signal::release()?;
        (self.loading.hooks.after_fork_parent)();
        let pid = pid?;
        self.loading.board.process(place).pid.store(pid.as_raw(), Relaxed);
        Ok(pid)
    }

    fn tell(&self, message: &FromMold) {
        let Some(channel) = &self.channel else { return };
        if let Err(error) = channel.send(&message.encode()) {
            log::line(format_args!("a mold cannot tell the master {message:?}: {error}"));
        }
    }
}
