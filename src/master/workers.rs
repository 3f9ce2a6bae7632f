//! The workers' channels, and what is kept of workers on the board.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Relaxed;

use uwsgi_plugin_api::WorkerId;

use super::ears::Source;
use super::message::ToMold;
use super::run::{Master, kill, message};
use crate::log;
use crate::supervisor::{Command, Event, Generation, Order, Pid, Seat, Trial};
use crate::sys::channel::{Channel, MESSAGE_BYTES_MAX};
use crate::sys::clock;
use crate::worker::message::{FromWorker, MESSAGE_BYTES, ToWorker, asked_site};

/// A worker process, as the master reaches it.
pub(super) struct WorkerHandle {
    /// `None` until its mold has said it.
    pub(super) pid: Option<Pid>,
    pub(super) channel: Channel,
    /// It was ready before its mold had said who it is.
    pub(super) early: bool,
}

impl WorkerHandle {
    /// False where it does not take it.
    pub(super) fn tell(&self, message: ToWorker) -> bool {
        self.channel.send(&message.encode()).is_ok()
    }
}

impl Master {
    /// Asks the generation's mold for a worker.
    pub(super) fn spawn(&mut self, seat: Seat, worker: WorkerId, trial: Trial) -> io::Result<()> {
        let (ours, theirs) = Channel::pair()?;
        let hands = self.hands_mut();
        let mold = hands.molds.get(&seat.generation).ok_or(io::ErrorKind::NotConnected)?;
        let request = ToMold::Spawn { place: seat.place, worker, trial };
        mold.channel.send_with_fd(&request.encode(), theirs.as_fd())?;
        self.keep_worker(seat, WorkerHandle { pid: None, channel: ours, early: false });
        Ok(())
    }

    pub(super) fn keep_worker(&mut self, seat: Seat, worker: WorkerHandle) {
        let hands = self.hands_mut();
        // A worker that cannot be heard never becomes ready, but serves: better than none.
        if let Err(error) = hands.ears.listen(worker.channel.as_fd(), Source::Worker(seat)) {
            log::line(format_args!("a worker cannot be heard: {error}"));
        }
        hands.workers.insert(seat, worker);
    }

    /// Over the channel; where that is full or closed, by the signal that means the same.
    pub(super) fn tell(&mut self, seat: Seat, pid: Pid, order: Order) {
        if let Order::Harakiri { .. } = order
            && let Some(worker) = self.supervisor.worker_at(seat)
            && let Some(board) = self.hands_mut().boards.get(&seat.generation)
        {
            let count = &board.worker(worker).harakiri_count;
            count.store(count.load(Relaxed) + 1, Relaxed);
        }
        let abandoned = match order {
            Order::Drain => self.abandoned(seat.generation),
            _ => Vec::new(),
        };
        for listener in &abandoned {
            self.tell_worker(seat, ToWorker::Abandon { listener: *listener });
        }
        let (message, instead) = message(order);
        let told = self.tell_worker(seat, message);
        if let Some(signal) = instead.filter(|_| !told) {
            kill(pid, signal);
        }
        if !abandoned.is_empty() && self.supervisor.serves(seat.generation) {
            // Others see to what comes there from now on.
            self.tell_worker(seat, ToWorker::LetGo);
        }
    }

    fn tell_worker(&self, seat: Seat, message: ToWorker) -> bool {
        self.hands().workers.get(&seat).is_some_and(|worker| worker.tell(message))
    }

    /// The generation has no mold any more: its workers alone have those of its listeners that the next has not got.
    pub(super) fn let_go_of_listeners(&self, generation: Generation) {
        let workers = &self.hands().workers;
        for worker in workers.iter().filter(|(seat, _)| seat.generation == generation) {
            worker.1.tell(ToWorker::LetGo);
        }
    }

    /// Takes every message of a worker; forgets its channel when it is closed.
    pub(super) fn hear_worker(&mut self, seat: Seat) {
        let asks = self.context.config.sites.separates();
        let mut bytes = vec![0; if asks { MESSAGE_BYTES_MAX } else { MESSAGE_BYTES }];
        loop {
            let Some(worker) = self.hands_mut().workers.get(&seat) else { return };
            let message = match worker.channel.receive(&mut bytes) {
                Ok(Some(length)) => match asked_site(&bytes[..length]) {
                    Some(spec) => {
                        self.grant_site(seat, spec);
                        continue;
                    }
                    None => FromWorker::decode(&bytes[..length]),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Longer than any of ours: not from our code.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
                // Its end follows.
                Ok(None) | Err(_) => return self.stop_hearing(seat),
            };
            match message {
                Some(FromWorker::Ready) => self.on_ready(seat),
                Some(FromWorker::Draining) => self.send(Event::Draining { seat }),
                Some(FromWorker::Spent) => self.send(Event::Spent { seat }),
                Some(FromWorker::Reload) => self.send(Event::Command(Command::Reload)),
                Some(FromWorker::StopInstance) => self.send(Event::StopAsked),
                // The end of a worker of the next generation ends that generation, while the old one serves.
                Some(FromWorker::HookFailed) if seat.generation == self.supervisor.generation() => {
                    self.send(Event::StopAsked);
                }
                Some(FromWorker::HookFailed) => {}
                None => {}
            }
        }
    }

    fn on_ready(&mut self, seat: Seat) {
        match self.hands_mut().workers.get_mut(&seat) {
            Some(worker) if worker.pid.is_none() => worker.early = true,
            _ => self.send(Event::Ready { seat }),
        }
    }

    fn stop_hearing(&mut self, seat: Seat) {
        let hands = self.hands_mut();
        if let Some(worker) = hands.workers.get(&seat) {
            hands.ears.forget(worker.channel.as_fd(), Source::Worker(seat));
        }
    }

    pub(super) fn forget_worker(&mut self, seat: Seat) {
        self.stop_hearing(seat);
        let hands = self.hands_mut();
        hands.workers.remove(&seat);
        if let Some(board) = hands.boards.get(&seat.generation) {
            board.end_life(seat.place);
        }
    }

    /// The process at this seat is the worker from now on.
    pub(super) fn seat(&mut self, worker: WorkerId, seat: Seat, respawn: bool) {
        let Some(board) = self.hands_mut().boards.get(&seat.generation) else { return };
        if worker.0 > board.workers() {
            return;
        }
        board.seat(worker, Some(seat.place));
        let slot = board.worker(worker);
        slot.last_spawn_unix.store(clock::unix_seconds(), Relaxed);
        if respawn {
            slot.respawn_count.store(slot.respawn_count.load(Relaxed) + 1, Relaxed);
        }
    }
}
