//! The molds, from the master's side: started, heard, dismissed.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::process::exit;
use std::sync::Arc;

use super::context::MoldPost;
use super::ears::Source;
use super::message::{FromMold, MESSAGE_BYTES, ToMold};
use super::run::{Master, kill};
use super::{handover, mold};
use crate::log;
use crate::shm::Board;
use crate::supervisor::{Event, Generation, Pid, Seat, Signal};
use crate::sys::channel::Channel;
use crate::sys::handover::Image;
use crate::sys::process::{self, Fork};
use crate::sys::signal;

/// A mold, as the master reaches it.
pub(super) struct MoldHandle {
    pub(super) pid: Pid,
    pub(super) channel: Channel,
    /// What its configuration was read from; the first one's is that of the master.
    pub(super) sources: Option<OwnedFd>,
    /// Names of its listeners, in its workers' order; empty where they are not known.
    pub(super) listeners: Vec<String>,
}

impl MoldHandle {
    pub(super) fn reopen_log(&self) {
        // One that is loading reads it later; one that ends needs it no more.
        let _ = self.channel.send(&ToMold::ReopenLog.encode());
    }
}

impl Master {
    /// The first generation is loaded in a fork of this process, others in a new image of the program.
    pub(super) fn start_mold(&mut self, generation: Generation) -> io::Result<()> {
        let (ours, theirs) = Channel::pair()?;
        let pid = match process::fork()? {
            Fork::Child => {
                // With its own copy of our end the mold would never see the master's.
                drop(ours);
                self.become_mold(generation, theirs)
            }
            Fork::Parent(pid) => pid,
        };
        if let Some(board) = self.context.first.as_ref().map(|first| first.board.clone()) {
            let boards = &mut self.hands_mut().boards;
            // Where it died and is tried again, it has another number and the same board.
            boards.clear();
            boards.insert(generation, board);
        }
        // One that is executed tells which it has.
        let listeners = match self.context.first {
            Some(_) => self.listener_names(),
            None => Vec::new(),
        };
        self.keep_mold(generation, MoldHandle { pid, channel: ours, sources: None, listeners });
        Ok(())
    }

    fn become_mold(&mut self, generation: Generation, channel: Channel) -> ! {
        let master = self.pid;
        if let Some(first) = self.context.first.take() {
            self.let_go();
            let status = mold::run(first, MoldPost { channel, master });
            exit(status)
        }
        let fd = channel.as_fd().as_raw_fd();
        let image = Image {
            role: handover::mold_role(generation, master),
            reloads: self.context.origin.reloads() + 1,
            sockets: self.sockets(),
            passed: self.shared().into_iter().chain([(handover::CHANNEL.to_owned(), fd)]).collect(),
        };
        let Err(error) = process::die_with_parent(master)
            .and_then(|_| signal::restore_defaults())
            .and_then(|()| self.context.origin.execute(&image));
        let program = self.context.origin.program.display();
        log::line(format_args!("cannot run {program}: {error}"));
        process::exit_now(1)
    }

    /// Descriptors that every generation gets, with their names.
    pub(super) fn shared(&self) -> Vec<(String, RawFd)> {
        let pair = |(name, fd): &(String, Arc<OwnedFd>)| (name.clone(), fd.as_raw_fd());
        self.context.shared.iter().map(pair).collect()
    }

    pub(super) fn listener_names(&self) -> Vec<String> {
        self.context.listeners.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The listeners of a generation that the one in charge has not got, by number.
    pub(super) fn abandoned(&self, generation: Generation) -> Vec<u16> {
        let molds = &self.hands().molds;
        let listeners = |of: &Generation| {
            molds.get(of).map(|mold| &mold.listeners).filter(|names| !names.is_empty())
        };
        let charge = listeners(&self.supervisor.generation());
        let (Some(old), Some(new)) = (listeners(&generation), charge) else { return Vec::new() };
        (0..).zip(old).filter(|(_, name)| !new.contains(name)).map(|(index, _)| index).collect()
    }

    /// The listening sockets with their names.
    pub(super) fn sockets(&self) -> Vec<(String, RawFd)> {
        let pair = |(name, fd): &(String, Arc<OwnedFd>)| (name.clone(), fd.as_raw_fd());
        self.context.listeners.iter().map(pair).collect()
    }

    pub(super) fn keep_mold(&mut self, generation: Generation, mold: MoldHandle) {
        let hands = self.hands_mut();
        if let Err(error) = hands.ears.listen(mold.channel.as_fd(), Source::Mold(generation)) {
            log::line(format_args!("a mold cannot be heard: {error}"));
        }
        hands.molds.insert(generation, mold);
    }

    pub(super) fn dismiss_mold(&mut self, generation: Generation) {
        if let Some(mold) = self.hands_mut().molds.get(&generation)
            && mold.channel.send(&ToMold::End.encode()).is_err()
        {
            self.kill_mold(generation);
        }
    }

    pub(super) fn kill_mold(&mut self, generation: Generation) {
        if let Some(mold) = self.hands_mut().molds.get(&generation) {
            kill(mold.pid, Signal::SIGKILL);
        }
    }

    pub(super) fn forget_mold(&mut self, generation: Generation) {
        self.stop_hearing_mold(generation);
        self.hands_mut().molds.remove(&generation);
        self.let_go_of_listeners(generation);
        // Whoever it was to fork has no process and no word will come.
        let lost = |seat: &Seat| seat.generation == generation;
        let hands = self.hands_mut();
        hands.workers.retain(|seat, worker| !lost(seat) || worker.pid.is_some());
    }

    fn stop_hearing_mold(&mut self, generation: Generation) {
        let hands = self.hands_mut();
        if let Some(mold) = hands.molds.get(&generation) {
            hands.ears.forget(mold.channel.as_fd(), Source::Mold(generation));
        }
    }

    /// Takes every message of a mold.
    pub(super) fn hear_mold(&mut self, generation: Generation) {
        let mut bytes = [0; MESSAGE_BYTES];
        loop {
            let Some(mold) = self.hands_mut().molds.get(&generation) else { return };
            let (message, fd) = match mold.channel.receive_with_fd(&mut bytes) {
                Ok(Some((length, fd))) => (FromMold::decode(&bytes[..length]), fd),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => (None, None),
                // Its end follows.
                Ok(None) | Err(_) => return self.stop_hearing_mold(generation),
            };
            match (message, fd) {
                (Some(FromMold::Board), Some(fd)) => self.take_board(generation, fd),
                (Some(FromMold::Listener(name)), Some(fd)) => {
                    self.take_listener(generation, name, fd);
                }
                (Some(FromMold::Sources), fd @ Some(_)) => {
                    if let Some(mold) = self.hands_mut().molds.get_mut(&generation) {
                        mold.sources = fd;
                    }
                }
                (Some(FromMold::Loaded { workers }), _) => self.on_loaded(generation, workers),
                (Some(FromMold::Spawned { place, pid }), _) => {
                    self.on_spawned(Seat { generation, place }, Pid::from_raw(pid));
                }
                (Some(FromMold::SpawnFailed { place, error }), _) => {
                    let seat = Seat { generation, place };
                    self.forget_worker(seat);
                    let error = io::Error::from_raw_os_error(error);
                    self.send(Event::SpawnFailed { seat, error: &error });
                }
                _ => {}
            }
        }
    }

    fn on_loaded(&mut self, generation: Generation, workers: u16) {
        if self.context.first.take().is_some() {
            self.write_safe_pidfiles();
            let pid = self.pid;
            log::line(format_args!("spawned uWSGI master process (pid: {pid})"));
            self.send(Event::MoldLoaded { generation, workers });
            // As in uWSGI, workers come first.
            return self.begin_jobs();
        }
        self.send(Event::MoldLoaded { generation, workers });
    }

    fn take_board(&mut self, generation: Generation, fd: OwnedFd) {
        match Board::adopt(fd) {
            Ok(board) => {
                self.hands_mut().boards.insert(generation, board);
            }
            // Another version of the program: its own master will read it.
            Err(_) => log::line(format_args!(
                "the new program keeps its figures in another way; they are read when the master is new too"
            )),
        }
    }

    fn take_listener(&mut self, generation: Generation, name: String, fd: OwnedFd) {
        if let Some(mold) = self.hands_mut().molds.get_mut(&generation) {
            mold.listeners.push(name.clone());
        }
        if !self.context.listeners.iter().any(|(known, _)| *known == name) {
            self.context.listeners.push((name, Arc::new(fd)));
        }
    }

    /// Boards that nobody serves by any more.
    pub(super) fn forget_old_boards(&mut self) {
        let hands = self.hands_mut();
        let (molds, workers) = (&hands.molds, &hands.workers);
        hands.boards.retain(|generation, _| {
            molds.contains_key(generation)
                || workers.keys().any(|seat| seat.generation == *generation)
        });
    }
}
