//! The loop: waits for signals, workers and time; tells the supervisor; performs what it answers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::answering::Answering;
use super::asks::Asks;
use super::board_view::{BoardView, Boards};
use super::context::{MasterContext, name_process};
use super::ears::{Ears, Source};
use super::fifo::Fifos;
use super::handover::Handover;
use super::hooks::MasterHooks;
use super::jobs::Jobs;
use super::listeners::Queues;
use super::molds::MoldHandle;
use super::notify::Notifier;
use super::sites::Sites;
use super::upgrade::Upgrade;
use super::vacuum;
use super::workers::WorkerHandle;
use crate::log::{self, channel::Channel};
use crate::stats::counters;
use crate::supervisor::{
    Action, Command, Ended, Event, GOODBYE, Generation, Millis, Order, Pid, Seat, Settings, Signal,
    Supervisor, exit_code,
};
use crate::sys::clock;
use crate::sys::process;
use crate::sys::socket::close_below;
use crate::worker::message::ToWorker;

/// Serves until the instance stops and returns the exit status. Workers and molds run in forked children, where
/// this never returns; a reload replaces the process, and this does not return either.
pub fn run(context: MasterContext) -> i32 {
    serve(Master::new(context))
}

/// As [`run`], in the next image of a master: goes on with what that left.
pub fn resume(context: MasterContext, handover: Handover) -> i32 {
    serve(Master::resume(context, handover))
}

fn serve(master: io::Result<Master>) -> i32 {
    match master.and_then(|mut master| master.serve()) {
        Ok(code) => code,
        Err(error) => {
            log::line(format_args!("the master cannot wait for events: {error}"));
            exit_code::FAILURE
        }
    }
}

const EARS: &str = "only a child gives them up, and it does not come back";

pub(super) struct Master {
    pub(super) context: MasterContext,
    pub(super) supervisor: Supervisor,
    pub(super) pid: Pid,
    /// What a child must close; `None` only there.
    hands: Option<Hands>,
    pub(super) hooks: MasterHooks,
    /// What happened while actions were performed.
    later: Vec<Later>,
    exit: Option<i32>,
    pub(super) upgrade: Upgrade,
}

/// Descriptors of the master alone.
pub(super) struct Hands {
    pub(super) ears: Ears,
    pub(super) molds: HashMap<Generation, MoldHandle>,
    pub(super) workers: HashMap<Seat, WorkerHandle>,
    pub(super) boards: Boards,
    pub(super) queues: RefCell<Queues>,
    pub(super) fifos: Fifos,
    pub(super) asks: Asks,
    pub(super) answering: Answering,
    pub(super) notifier: Notifier,
    pub(super) jobs: Jobs,
    pub(super) sites: Sites,
    /// Children that ended while a mold had yet to say who it had forked.
    strangers: HashMap<Pid, Ended>,
}

/// Events that are the outcome of an action.
pub(super) enum Later {
    SpawnFailed(Seat, io::Error),
    Connection,
    MoldFailed(Generation, io::Error),
}

impl Master {
    fn new(context: MasterContext) -> io::Result<Self> {
        let supervisor = Supervisor::new(Settings::from(&*context.config), now());
        let mut master = Self::with(context, supervisor, Asks::default(), Fifos::default())?;
        if let Some(first) = &master.context.first {
            first.board.header().master_pid.store(master.pid.as_raw(), Relaxed);
        }
        master.open_doors();
        master.open_endpoints();
        master.open_leash();
        master.notify_start();
        master.send(Event::Start);
        Ok(master)
    }

    fn resume(context: MasterContext, handover: Handover) -> io::Result<Self> {
        let settings = Settings::from(&*context.config);
        let supervisor = Supervisor::resume(settings, &handover.saved, now());
        let mut master = Self::with(context, supervisor, handover.asks, handover.fifos)?;
        master.hands_mut().boards = handover.boards;
        master.hands_mut().answering = handover.answering;
        master.upgrade = handover.upgrade;
        master.hands_mut().jobs.restore(&handover.jobs);
        for (generation, mut mold) in handover.molds {
            if generation == master.supervisor.generation() {
                // Both have read the same configuration.
                mold.listeners = master.listener_names();
            }
            master.keep_mold(generation, mold);
        }
        for (seat, worker) in handover.workers {
            master.keep_worker(seat, worker);
        }
        master.restore_sites(handover.sites);
        master.hands_mut().notifier.remember(handover.told);
        if master.supervisor.is_asleep() {
            master.watch_listeners(true);
        }
        master.open_doors();
        master.open_endpoints();
        master.notify_ready();
        let pid = master.pid;
        log::line(format_args!("gracefully (RE)spawned uWSGI master process (pid: {pid})"));
        master.begin_jobs();
        Ok(master)
    }

    fn with(
        context: MasterContext,
        supervisor: Supervisor,
        asks: Asks,
        fifos: Fifos,
    ) -> io::Result<Self> {
        process::adopt_orphans()?;
        let pid = process::current();
        name_process(&context.process_names, format_args!("master"));
        let hands = Hands {
            ears: Ears::new(&context.config.hooks.signals())?,
            molds: HashMap::new(),
            workers: HashMap::new(),
            boards: Boards::new(),
            queues: RefCell::default(),
            fifos,
            asks,
            answering: Answering::default(),
            notifier: Notifier::from_env(),
            jobs: Jobs::new(context.config.clone(), (&context).into()),
            sites: (&context).into(),
            strangers: HashMap::new(),
        };
        let hooks = MasterHooks::new(&context.config.hooks, now());
        Ok(Self {
            context,
            supervisor,
            pid,
            hands: Some(hands),
            hooks,
            later: Vec::new(),
            exit: None,
            upgrade: Upgrade::default(),
        })
    }

    fn serve(&mut self) -> io::Result<i32> {
        // What ended before anybody listened.
        self.reap();
        self.start_hooks();
        loop {
            if self.exit.is_some() {
                self.hands_mut().jobs.fall_silent();
            }
            if let Some(code) = self.exit
                && self.hands().jobs.is_quiet()
                && self.hands().sites.is_quiet()
            {
                self.take_log_back();
                log::line(format_args!("{GOODBYE}"));
                self.remove_files();
                return Ok(code);
            }
            let timeout = self.next_wake().map(|wake| Duration::from_millis(wake.since(now())));
            for source in self.hands_mut().ears.wait(timeout)? {
                self.hear(source)?;
            }
            if self.supervisor.next_wake().is_some_and(|wake| wake <= now()) {
                self.tick();
            }
            self.tick_jobs();
            self.tick_sites();
            self.look_at_touched();
            self.look_after_clients(now());
            self.hands_mut().notifier.beat(now());
        }
    }

    /// The gateway that carried the log has ended.
    fn take_log_back(&self) {
        let before = self.context.shared.iter().find(|(name, _)| name == Channel::BEFORE);
        if let Some((_, before)) = before {
            // Where that fails, nobody hears of it.
            let _ = log::channel::close(before);
        }
    }

    fn next_wake(&self) -> Option<Millis> {
        let hands = self.hands();
        let jobs = hands.jobs.next_wake();
        let others = [hands.answering.next_wake(), hands.notifier.next_wake(), jobs];
        let first = [self.supervisor.next_wake(), self.hooks.next_wake(), hands.sites.next_wake()];
        others.into_iter().chain(first).flatten().min()
    }

    fn hear(&mut self, source: Source) -> io::Result<()> {
        match source {
            Source::Signals => {
                self.take_signals()?;
                self.reap();
            }
            Source::Mold(generation) => self.hear_mold(generation),
            Source::Worker(seat) => self.hear_worker(seat),
            Source::Fifo(number) => self.hear_fifo(number),
            Source::Door => self.open_the_door(),
            Source::Asker(number) => self.hear_asker(number),
            Source::Endpoint(endpoint) => self.hear_endpoint(endpoint),
            Source::Client(number) => self.hear_client(number),
            Source::Files => self.hear_files(),
            Source::Site(number) => self.hear_site(number),
            Source::Leash => self.hear_leash(),
            Source::Listener(_) => self.hear_listener(),
        }
        Ok(())
    }

    pub(super) fn send(&mut self, event: Event<'_>) {
        let event = match event {
            Event::Command(command) => Event::Command(self.as_of_site(command)),
            event => event,
        };
        if matches!(event, Event::Command(Command::Stop)) {
            self.hurry_jobs();
            self.hurry_sites();
        }
        let mut actions = Vec::new();
        self.supervisor.step(now(), event, &mut actions);
        self.perform(actions);
    }

    fn tick(&mut self) {
        let mut actions = Vec::new();
        let hands = self.hands.as_ref().expect(EARS);
        let (boards, queues) = (&hands.boards, &hands.queues);
        let view = BoardView { boards, queues, listeners: &self.context.listeners };
        self.supervisor.step(now(), Event::Tick(&view), &mut actions);
        self.perform(actions);
        self.look_for_succession();
        if self.context.succession.is_none() {
            self.look_after_fifos();
        }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.act(action);
        }
        for event in std::mem::take(&mut self.later) {
            match event {
                Later::SpawnFailed(seat, error) => {
                    self.send(Event::SpawnFailed { seat, error: &error });
                }
                Later::Connection => self.send(Event::Connection),
                Later::MoldFailed(generation, error) => {
                    log::line(format_args!("fork(): {error}"));
                    self.send(Event::MoldEnded { generation, ended: Ended::Code(255) });
                }
            }
        }
    }

    fn act(&mut self, action: Action) {
        self.notify(&action);
        match action {
            Action::StartMold { generation } if self.cannot_load() => {
                self.later.push(Later::MoldFailed(generation, io::ErrorKind::Unsupported.into()));
                self.send(Event::Command(Command::GracefulStop));
            }
            Action::StartMold { generation } => {
                if let Err(error) = self.start_mold(generation) {
                    self.later.push(Later::MoldFailed(generation, error));
                }
            }
            Action::DismissMold { generation } => self.dismiss_mold(generation),
            Action::KillMold { generation } => self.kill_mold(generation),
            Action::Spawn { seat, worker, trial } => {
                if let Err(error) = self.spawn(seat, worker, trial) {
                    self.later.push(Later::SpawnFailed(seat, error));
                }
            }
            Action::Seated { worker, seat, respawn } => self.seat(worker, seat, respawn),
            Action::Tell { seat, pid, order } => {
                if order == Order::Finish && self.supervisor.stops() {
                    self.close_listeners();
                }
                self.tell(seat, pid, order);
            }
            Action::Kill { pid, signal } => kill(pid, signal),
            Action::WatchListeners(watch) => self.watch_listeners(watch),
            Action::Log(line) => log::line(format_args!("{line}")),
            Action::Report(report) => self.report(&report),
            Action::Perform(command) => self.perform_command(command),
            Action::Reexec => {
                let error = self.reexec();
                self.send(Event::ReexecFailed { error: &error });
            }
            Action::Stopping { gracefully } => {
                self.stop_jobs(gracefully);
                self.begin_to_stop_sites(gracefully);
            }
            Action::Exit { code } => {
                self.exit = Some(self.hooks.status().unwrap_or(code));
                self.stop_jobs(false);
                self.stop_sites();
            }
        }
    }

    /// Nobody comes after: who connects from now on is refused at once, and not when the last process ends. The master
    /// itself answers to the end.
    fn close_listeners(&mut self) {
        for listening in std::mem::take(&mut self.context.served) {
            // Others of this process may have the descriptor too.
            if let Err(error) = close_below(listening.fd.as_fd()) {
                log::line(format_args!("cannot close a listening socket: {error}"));
            }
        }
    }

    fn take_signals(&mut self) -> io::Result<()> {
        while let Some(signal) = self.hands_mut().ears.signals.take()? {
            if signal == Signal::SIGCHLD {
                continue;
            }
            // On a terminal, where a person changes the size of a window, it means nothing.
            let resized = signal == Signal::SIGWINCH && !self.is_succeeded();
            if let Some(command) = self.context.signals.meaning(signal).filter(|_| !resized) {
                self.send(Event::Command(command));
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
        if self.upgrade_ended(pid, ended) {
            return;
        }
        let hands = self.hands_mut();
        let mold = hands.molds.iter().find(|(_, mold)| mold.pid == pid);
        if let Some(generation) = mold.map(|(generation, _)| *generation) {
            self.hear_mold(generation);
            self.forget_mold(generation);
            let ended = self.as_of_site_mold(ended);
            self.send(Event::MoldEnded { generation, ended });
            return;
        }
        if self.hook_ended(pid, ended) {
            return;
        }
        if self.site_ended(pid, ended) {
            return;
        }
        let Some(seat) = self.supervisor.seat_of(pid) else {
            // Perhaps a worker whose mold has not said so yet.
            let hands = self.hands_mut();
            if hands.workers.values().any(|worker| worker.pid.is_none()) {
                hands.strangers.insert(pid, ended);
            }
            return self.job_ended(pid, ended);
        };
        self.hear_worker(seat);
        self.forget_worker(seat);
        self.send(Event::Exited { pid, ended });
        self.forget_old_boards();
    }

    /// A mold has forked a worker.
    pub(super) fn on_spawned(&mut self, seat: Seat, pid: Pid) {
        let hands = self.hands_mut();
        let worker = hands.workers.get_mut(&seat);
        let early = worker.is_some_and(|worker| {
            worker.pid = Some(pid);
            std::mem::take(&mut worker.early)
        });
        let ended = hands.strangers.remove(&pid);
        if hands.workers.values().all(|worker| worker.pid.is_some()) {
            hands.strangers.clear();
        }
        self.send(Event::Spawned { seat, pid });
        if early {
            self.send(Event::Ready { seat });
        }
        if let Some(ended) = ended {
            self.bury(pid, ended);
        }
    }

    fn perform_command(&mut self, command: Command) {
        match command {
            Command::ReopenLogs => self.reopen_logs(),
            Command::RotateLogs => {
                if let Some(path) = &self.context.files.log {
                    let old = format!("{}.{}", path.display(), clock::unix_seconds());
                    if let Err(error) = std::fs::rename(path, &old) {
                        log::line(format_args!("cannot rename the log to {old}: {error}"));
                    }
                }
                self.reopen_logs();
            }
            Command::RewritePidfiles => self.write_pidfiles(),
            Command::PrintStatus => self.print_status(),
            Command::Upgrade => self.upgrade(),
            _ => {}
        }
    }

    fn reopen_logs(&mut self) {
        log::line(format_args!("[{}] logsize: reopening the log", self.pid));
        log::reopen();
        // Those of sites know no file.
        self.renew_sites();
        let hands = self.hands_mut();
        for worker in hands.workers.values() {
            worker.tell(ToWorker::ReopenLog);
        }
        for mold in hands.molds.values() {
            mold.reopen_log();
        }
    }

    pub(super) fn write_pidfiles(&mut self) {
        let files = &self.context.files;
        let all: Vec<_> = files.pidfiles.iter().chain(&files.safe_pidfiles).cloned().collect();
        self.write(&all);
    }

    /// Those that are to be there only when the application is loaded.
    pub(super) fn write_safe_pidfiles(&mut self) {
        let safe = self.context.files.safe_pidfiles.clone();
        self.write(&safe);
    }

    fn write(&mut self, files: &[(&'static str, PathBuf)]) {
        for (option, path) in files {
            let name = path.display();
            log::line(format_args!("writing pidfile to {name}"));
            let written = vacuum::write_pidfile(path, self.pid);
            let watched = written.and_then(|()| match self.context.config.runtime.vacuum {
                true => self.context.vacuum.watch_pidfile(option, path),
                false => Ok(()),
            });
            if let Err(error) = watched {
                log::line(format_args!("cannot write --{option} {name}: {error}"));
            }
        }
    }

    fn print_status(&mut self) {
        let generation = self.supervisor.generation();
        if let Some(board) = self.hands().boards.get(&generation) {
            for line in counters::of_instance(board) {
                log::line(format_args!("{line}"));
            }
        }
    }

    /// As if somebody had connected, when what is going on is done.
    pub(super) fn later_connection(&mut self) {
        self.later.push(Later::Connection);
    }

    pub(super) fn hands(&self) -> &Hands {
        self.hands.as_ref().expect(EARS)
    }

    pub(super) fn hands_mut(&mut self) -> &mut Hands {
        self.hands.as_mut().expect(EARS)
    }

    /// A site's applications are loaded once: its next mold would be that of its next instance.
    fn cannot_load(&self) -> bool {
        self.context.leash.is_some() && self.context.first.is_none()
    }

    /// In a fresh child: nothing of the master's stays open.
    pub(super) fn let_go(&mut self) {
        self.hands = None;
        self.context.listeners.clear();
        self.context.served.clear();
        self.context.endpoints.clear();
        self.context.shared.clear();
        self.context.cluster = None;
    }
}

pub(super) fn kill(pid: Pid, signal: Signal) {
    if let Err(error) = process::send_signal(pid, signal) {
        log::line(format_args!("kill({pid}, {signal}): {error}"));
    }
}

pub(super) fn now() -> Millis {
    Millis(clock::monotonic_ms())
}

/// The message of an order, and the signal that means the same where the channel is full or closed.
pub(super) fn message(order: Order) -> (ToWorker, Option<Signal>) {
    match order {
        Order::Drain => (ToWorker::Drain, Some(Signal::SIGHUP)),
        Order::Finish => (ToWorker::Finish, Some(Signal::SIGHUP)),
        Order::Stop => (ToWorker::Stop, Some(Signal::SIGTERM)),
        Order::Pause => (ToWorker::Pause, None),
        Order::Resume => (ToWorker::Resume, None),
        Order::LameDuck => (ToWorker::LameDuck, None),
        // The supervisor's SIGKILL follows in any case.
        Order::Harakiri { core } => (ToWorker::Harakiri { core }, None),
        // Harakiri follows where nobody listens.
        Order::LogStack { core } => (ToWorker::LogStack { core }, None),
        Order::Interrupt { core } => (ToWorker::Interrupt { core }, None),
    }
}
