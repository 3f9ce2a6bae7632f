//! The loop: waits for signals, workers and time; tells the supervisor; performs what it answers.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use uwsgi_plugin_api::WorkerId;

use super::board_view::BoardView;
use super::{MasterContext, child, image};
use crate::log;
use crate::supervisor::{
    Action, Ended, Event, Millis, Order, Pid, Settings, Signal, Supervisor, exit_code,
};
use crate::sys::channel::Channel;
use crate::sys::clock;
use crate::sys::process::{self, Fork};
use crate::sys::signal::{self, SignalQueue};
use crate::worker::message::{FromWorker, MESSAGE_BYTES, ToWorker};

/// The signal queue's token; a worker's is its number.
const SIGNALS: Token = Token(0);

/// Serves until the instance stops and returns the exit status. Workers run in forked children, where
/// this never returns; a reload replaces the process, and this does not return either.
pub fn run(context: MasterContext) -> i32 {
    let pid = process::current();
    context.board.header().master_pid.store(pid.as_raw(), Relaxed);
    context.name_process(format_args!("master"));
    let how = if context.reloaded { "gracefully (RE)spawned" } else { "spawned" };
    log::line(format_args!("{how} uWSGI master process (pid: {pid})"));
    match Master::new(context).and_then(|mut master| master.serve()) {
        Ok(code) => code,
        Err(error) => {
            log::line(format_args!("the master cannot wait for events: {error}"));
            exit_code::FAILURE
        }
    }
}

const EARS: &str = "only a child gives them up, and it does not come back";

struct Master {
    context: MasterContext,
    supervisor: Supervisor,
    pid: Pid,
    /// What a child must close; `None` only there.
    ears: Option<Ears>,
    exit: Option<i32>,
}

/// Descriptors of the master alone.
struct Ears {
    poll: Poll,
    signals: SignalQueue,
    /// By worker number less one. Our end; a worker that holds a sibling's would never see its end of file.
    channels: Vec<Option<Channel>>,
}

impl Master {
    fn new(context: MasterContext) -> io::Result<Self> {
        let signals = SignalQueue::new(&signal::OURS)?;
        let poll = Poll::new()?;
        listen(&poll, &signals, SIGNALS)?;
        let channels = context.board.worker_ids().map(|_| None).collect();
        let supervisor = Supervisor::new(Settings::from(&context.processes), now());
        let ears = Some(Ears { poll, signals, channels });
        Ok(Self { context, supervisor, pid: process::current(), ears, exit: None })
    }

    fn serve(&mut self) -> io::Result<i32> {
        self.send(Event::Start);
        let mut events = Events::with_capacity(64);
        loop {
            if let Some(code) = self.exit {
                self.context.vacuum.remove();
                return Ok(code);
            }
            self.wait(&mut events)?;
            // What a worker said before it ended, and what people asked for before it did, come first:
            // an interrupt from the terminal reaches workers and master together.
            let tokens: Vec<Token> = events.iter().map(|event| event.token()).collect();
            for &token in tokens.iter().filter(|&&token| token != SIGNALS) {
                self.hear(worker_of(token));
            }
            if tokens.contains(&SIGNALS) {
                self.take_signals()?;
                self.reap();
            }
            if self.supervisor.next_wake().is_some_and(|wake| wake <= now()) {
                self.tick();
            }
        }
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let timeout =
            self.supervisor.next_wake().map(|wake| Duration::from_millis(wake.since(now())));
        match self.ears_mut().poll.poll(events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn send(&mut self, event: Event<'_>) {
        let mut actions = Vec::new();
        self.supervisor.step(now(), event, &mut actions);
        self.perform(actions);
    }

    fn tick(&mut self) {
        let mut actions = Vec::new();
        self.supervisor.step(now(), Event::Tick(&BoardView(&self.context.board)), &mut actions);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Spawn { worker } => self.spawn(worker),
                Action::Tell { worker, pid, order } => self.tell(worker, pid, order),
                Action::Kill { pid, signal } => kill(pid, signal),
                Action::Log(line) => log::line(format_args!("{line}")),
                Action::Reexec => {
                    let error = image::replace(&self.context, &self.ears().signals);
                    self.send(Event::ReexecFailed { error: &error });
                }
                Action::Exit { code } => self.exit = Some(code),
            }
        }
    }

    fn spawn(&mut self, worker: WorkerId) {
        match self.fork(worker) {
            Ok(pid) => self.send(Event::Spawned { worker, pid }),
            Err(error) => self.send(Event::SpawnFailed { worker, error: &error }),
        }
    }

    fn fork(&mut self, worker: WorkerId) -> io::Result<Pid> {
        let (ours, theirs) = Channel::pair()?;
        let slot = self.context.board.worker(worker);
        if slot.last_spawn_unix.load(Relaxed) != 0 {
            slot.respawn_count.store(slot.respawn_count.load(Relaxed) + 1, Relaxed);
        }
        self.context.board.start_life(worker, clock::monotonic_ms(), clock::unix_seconds());
        (self.context.hooks.before_fork)();
        let forked = match process::fork() {
            Ok(Fork::Child) => {
                drop(ours);
                self.ears = None;
                child::live(&mut self.context, worker, Some(theirs), self.pid)
            }
            Ok(Fork::Parent(pid)) => Ok(pid),
            Err(error) => Err(error),
        };
        (self.context.hooks.after_fork_parent)();
        let pid = forked?;
        self.context.board.worker(worker).pid.store(pid.as_raw(), Relaxed);
        let ears = self.ears_mut();
        // A worker that cannot be heard never becomes ready, but serves: better than none.
        if let Err(error) = listen(&ears.poll, &ours, Token(usize::from(worker.0))) {
            log::line(format_args!("worker {worker} cannot be heard: {error}"));
        }
        ears.channels[index(worker)] = Some(ours);
        Ok(pid)
    }

    /// Over the channel; where that is full or closed, by the signal that means the same.
    fn tell(&mut self, worker: WorkerId, pid: Pid, order: Order) {
        let (message, instead) = match order {
            Order::Drain => (ToWorker::Drain, Some(Signal::SIGHUP)),
            Order::Stop => (ToWorker::Stop, Some(Signal::SIGTERM)),
            // The supervisor's SIGKILL follows in any case.
            Order::Harakiri { core } => (ToWorker::Harakiri { core }, None),
        };
        if let Order::Harakiri { .. } = order {
            let count = &self.context.board.worker(worker).harakiri_count;
            count.store(count.load(Relaxed) + 1, Relaxed);
        }
        let sent = self.ears_mut().channels[index(worker)]
            .as_ref()
            .map(|channel| channel.send(&message.encode()));
        if let (None | Some(Err(_)), Some(signal)) = (sent, instead) {
            kill(pid, signal);
        }
    }

    /// Takes every message of a worker; forgets its channel when it is closed.
    fn hear(&mut self, worker: WorkerId) {
        let mut bytes = [0; MESSAGE_BYTES];
        loop {
            let Some(channel) = &self.ears_mut().channels[index(worker)] else { return };
            let message = match channel.receive(&mut bytes) {
                Ok(Some(length)) => FromWorker::decode(&bytes[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Longer than any of ours: not from our code.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
                Ok(None) | Err(_) => {
                    self.forget_channel(worker);
                    return;
                }
            };
            match message {
                Some(FromWorker::Ready) => self.send(Event::Ready { worker }),
                Some(FromWorker::Draining) => self.send(Event::Draining { worker }),
                Some(FromWorker::Reload) => self.send(Event::ReloadAsked),
                Some(FromWorker::StopInstance) => self.send(Event::StopAsked),
                None => {}
            }
        }
    }

    fn take_signals(&mut self) -> io::Result<()> {
        while let Some(signal) = self.ears_mut().signals.take()? {
            if signal != Signal::SIGCHLD {
                self.send(Event::Signal(signal));
            }
        }
        Ok(())
    }

    fn reap(&mut self) {
        while let Some((pid, ended)) = process::reap() {
            self.bury(pid, ended);
        }
    }

    fn bury(&mut self, pid: Pid, ended: Ended) {
        let board = &self.context.board;
        let worker =
            board.worker_ids().find(|&id| board.worker(id).pid.load(Relaxed) == pid.as_raw());
        if let Some(worker) = worker {
            self.hear(worker);
            self.forget_channel(worker);
            self.context.board.worker(worker).pid.store(0, Relaxed);
        }
        self.send(Event::Exited { pid, ended });
    }

    fn forget_channel(&mut self, worker: WorkerId) {
        let ears = self.ears_mut();
        if let Some(channel) = ears.channels[index(worker)].take() {
            // Closing it would do, but not while some forked copy of it is open.
            let _ = ears.poll.registry().deregister(&mut SourceFd(&channel.as_fd().as_raw_fd()));
        }
    }

    fn ears(&self) -> &Ears {
        self.ears.as_ref().expect(EARS)
    }

    fn ears_mut(&mut self) -> &mut Ears {
        self.ears.as_mut().expect(EARS)
    }
}

fn listen(poll: &Poll, source: &impl AsFd, token: Token) -> io::Result<()> {
    poll.registry().register(&mut SourceFd(&source.as_fd().as_raw_fd()), token, Interest::READABLE)
}

fn kill(pid: Pid, signal: Signal) {
    if let Err(error) = process::send_signal(pid, signal) {
        log::line(format_args!("kill({pid}, {signal}): {error}"));
    }
}

fn worker_of(token: Token) -> WorkerId {
    WorkerId(u16::try_from(token.0).expect("tokens are made of worker numbers"))
}

fn index(worker: WorkerId) -> usize {
    usize::from(worker.0) - 1
}

fn now() -> Millis {
    Millis(clock::monotonic_ms())
}
