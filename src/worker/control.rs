//! The control thread of a worker: messages, signals, and requests that are stuck.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{Signal, raise};
use uwsgi_plugin_api::CoreId;

use super::message::exit_code;
use super::message::{FromWorker, MESSAGE_BYTES, ToWorker, answered_site};
use super::recycle::Ending;
use super::renewal::Renewal;
use crate::config::Config;
use crate::plugin::Registry;
use crate::request::cell::{Cell, Serial};
use crate::request::shared::{HeldStile, Shared};
use crate::shm::CoreSlot;
use crate::stats::counters;
use crate::supervisor::grades::{self, Given, Grade, Limits};
use crate::supervisor::{Millis, Running};
use crate::sys::channel::{Channel, MESSAGE_BYTES_MAX};
use crate::sys::signal::SignalPipe;
use crate::sys::{clock, process};

/// How often a worker without a master looks at its own deadlines.
const OWN_CHECK: Duration = Duration::from_secs(1);

/// Stack of a thread that interrupts a request, in bytes.
const INTERRUPTER_STACK_BYTES: usize = 256 * 1024;

/// Signals of a worker, as bytes in a pipe: no signal is blocked, because children of the application would
/// inherit that.
pub(super) struct Signals(SignalPipe);

impl Signals {
    /// HUP: finish and go. INT and TERM: go. USR1: counters. USR2: what runs.
    pub(super) fn install() -> io::Result<Self> {
        use Signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
        Ok(Self(SignalPipe::install(&[SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2])?))
    }
}

/// See the module.
pub(super) struct Control {
    config: Arc<Config>,
    shared: Arc<Shared>,
    plugins: Registry,
    ending: Arc<Ending>,
    channel: Option<Arc<Channel>>,
    /// What is to be done when the master was killed.
    orphaned: Arc<dyn Fn() + Send + Sync>,
    /// Some listeners are this worker's to empty: it stays until nobody else has them.
    stays: Option<HeldStile>,
    /// The master is gone, and what still runs then is given up.
    give_up_at: Option<Instant>,
    /// Grades of requests, where no master counts them.
    given: Given,
    /// Scratch for messages.
    buffer: Vec<u8>,
    /// What has the processes of a site end that has no application, so that it is tried again.
    renewal: Option<Renewal>,
}

impl Control {
    pub(super) fn new(
        config: Arc<Config>,
        shared: Arc<Shared>,
        plugins: Registry,
        ending: Arc<Ending>,
        (channel, orphaned): (Option<Arc<Channel>>, Arc<dyn Fn() + Send + Sync>),
    ) -> Self {
        let given = Given::default();
        let renewal = Renewal::new(&config, &plugins);
        Self {
            config,
            shared,
            plugins,
            ending,
            channel,
            orphaned,
            stays: None,
            give_up_at: None,
            given,
            buffer: Vec::new(),
            renewal,
        }
    }

    /// Tells the master; without one, nobody.
    pub(super) fn tell(&self, message: FromWorker) {
        if let Some(channel) = &self.channel
            && let Err(error) = channel.send(&message.encode())
        {
            crate::log::line(format_args!("cannot tell the master {message:?}: {error}"));
        }
    }

    /// Listens until the process ends.
    pub(super) fn run(mut self, signals: &Signals) {
        loop {
            let (channel_ready, signal_ready) = self.wait(signals.0.as_fd());
            if signal_ready {
                self.take_signals(signals);
            }
            if channel_ready {
                self.take_messages();
            }
            if self.channel.is_none() {
                self.check_own_deadlines();
            }
            self.end_silent();
            if self.renewal.take_if(|renewal| renewal.is_due()).is_some() {
                self.tell(FromWorker::StopInstance);
            }
            if self.give_up_at.is_some_and(|at| at <= Instant::now()) {
                self.give_up();
            }
        }
    }

    fn wait(&self, signals: BorrowedFd<'_>) -> (bool, bool) {
        let mut fds = vec![PollFd::new(signals, PollFlags::POLLIN)];
        if let Some(channel) = &self.channel {
            fds.push(PollFd::new(channel.as_fd(), PollFlags::POLLIN));
        }
        let left = self.give_up_at.map(|at| at.saturating_duration_since(Instant::now()));
        let own_check = self.channel.is_none().then_some(OWN_CHECK);
        let renewal = self.renewal.as_ref().map(Renewal::pause);
        let pause = [left, own_check, self.until_silent(), renewal].into_iter().flatten().min();
        let timeout = pause.map_or(PollTimeout::NONE, |pause| {
            // One more millisecond: not just before the moment.
            PollTimeout::try_from(pause.as_millis() + 1).unwrap_or(PollTimeout::MAX)
        });
        if nix::poll::poll(&mut fds, timeout).is_err() {
            return (false, false);
        }
        let ready = |at: usize| fds.get(at).and_then(|fd| fd.any()).unwrap_or(false);
        (ready(1), ready(0))
    }

    /// How long none of the requests can be silent for too long; those of later on have at least a whole
    /// `http-timeout`.
    fn until_silent(&self) -> Option<Duration> {
        let limit = self.config.http.router.timeout?;
        let now_ms = clock::monotonic_ms();
        let dues = self.shared.cells.iter().filter_map(Cell::silent);
        let lefts = dues.map(|(_, due_ms)| Duration::from_millis(due_ms.saturating_sub(now_ms)));
        Some(lefts.min().map_or(limit, |left| left.min(limit)))
    }

    fn end_silent(&self) {
        for (core, cell) in self.shared.cells.iter().enumerate() {
            if let Some((request, due_ms)) = cell.silent()
                && due_ms <= clock::monotonic_ms()
            {
                self.shared.end_silent(CoreId(core as u16), request);
            }
        }
    }

    fn take_signals(&self, signals: &Signals) {
        while let Ok(Some(signal)) = signals.0.take() {
            match signal {
                Signal::SIGHUP => {
                    self.tell(FromWorker::Draining);
                    // A master starts another worker.
                    self.drain(exit_code::RECYCLE, self.channel.is_some());
                }
                Signal::SIGUSR1 => self.print_counters(),
                Signal::SIGUSR2 => self.print_requests(),
                _ => self.end_now(),
            }
        }
    }

    fn print_counters(&self) {
        let shared = &self.shared;
        for line in counters::of_worker(&shared.board, shared.worker, shared.place) {
            crate::log::line(format_args!("{line}"));
        }
    }

    /// uWSGI shows the stack of the process in C; here it is Python's, of every request thread.
    fn print_requests(&self) {
        let (worker, pid) = (self.shared.worker, std::process::id());
        for core in 0..self.shared.cells.len() as u16 {
            let slot = self.shared.board.core(self.shared.place, CoreId(core));
            let request = slot.current.read().unwrap_or_default();
            let request = String::from_utf8_lossy(&request).escape_debug().to_string();
            // Address, method and target.
            let target = request.rsplit(' ').next().unwrap_or_default();
            if slot.in_request.load(Ordering::Relaxed) {
                let since = slot.started_unix.load(Ordering::Relaxed);
                crate::log::line(format_args!(
                    "SIGUSR2: --- uWSGI worker {worker} (pid: {pid}) is managing request {target} since {since} (core {core}) ---"
                ));
            } else {
                crate::log::line(format_args!(
                    "SIGUSR2: --- uWSGI worker {worker} (pid: {pid}) is waiting for a request (core {core}) ---"
                ));
            }
        }
        if self.shared.cells.iter().any(|cell| cell.is_busy()) {
            self.dump_stacks();
        }
    }

    fn end_now(&self) {
        self.answer_overdue();
        self.shared.hub.leave();
        self.plugins.shutdown();
        process::exit_now(exit_code::END);
    }

    /// With `heirs`, other workers take the connections that rest here.
    fn drain(&self, status: i32, heirs: bool) {
        self.ending.set(status);
        self.shared.drain(heirs);
        self.shared.process().set_draining();
    }

    fn take_messages(&mut self) {
        let Some(channel) = &self.channel else { return };
        let bytes = match self.shared.hub.bounds.away {
            Some(_) => MESSAGE_BYTES_MAX,
            None => MESSAGE_BYTES,
        };
        self.buffer.resize(bytes, 0);
        let buffer = &mut self.buffer[..];
        let mut received = channel.receive_with_fd(buffer);
        if let Ok(Some((len, fd))) = &mut received
            && let Some((key, granted)) = answered_site(&self.buffer[..*len])
        {
            let channel = fd.take().filter(|_| granted).map(Channel::from);
            return self.shared.know_site(key, channel);
        }
        let buffer = &self.buffer[..];
        match received.map(|received| received.map(|(len, _)| len)) {
            Ok(Some(len)) => match ToWorker::decode(&buffer[..len]) {
                Some(ToWorker::Drain) => {
                    self.drain(exit_code::RECYCLE, true);
                    // A reload is over only when no worker of the old generation takes requests.
                    self.tell(FromWorker::Draining);
                }
                Some(ToWorker::Finish) => self.finish(),
                Some(ToWorker::Abandon { listener }) => self.abandon(listener),
                Some(ToWorker::LetGo) => self.let_go(),
                Some(ToWorker::LameDuck) => self.shared.hub.become_lame_duck(),
                Some(ToWorker::Pause) => self.pause(true),
                Some(ToWorker::Resume) => self.pause(false),
                Some(ToWorker::Harakiri { core }) => self.harakiri(core),
                Some(ToWorker::LogStack { core }) => self.grade(core, Grade::Log),
                Some(ToWorker::Interrupt { core }) => self.grade(core, Grade::Interrupt),
                Some(ToWorker::Stop) => self.end_now(),
                Some(ToWorker::Stacks) => self.dump_stacks(),
                Some(ToWorker::ReopenLog) => crate::log::reopen(),
                None => crate::log::line(format_args!("unknown message from the master")),
            },
            Ok(None) => self.lose_master(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => crate::log::line(format_args!("cannot hear the master: {error}")),
        }
    }

    fn pause(&self, on: bool) {
        self.shared.hub.pause(on);
        let accepting = !on && !self.shared.hub.is_draining();
        let slot = self.shared.process();
        slot.accepting.store(accepting, Ordering::Relaxed);
        let (worker, what) = (self.shared.worker, if on { "suspended" } else { "resumed" });
        crate::log::line(format_args!("*** worker {worker} {what} ***"));
    }

    /// The master is gone, and nobody comes after: whoever has connected is served, within the mercy of a reload. The
    /// addresses are free at once, for a new instance.
    fn lose_master(&mut self) {
        self.channel = None;
        (self.orphaned)();
        let mercy = self.config.processes.worker_mercy;
        self.give_up_at = Some(Instant::now() + mercy);
        let (worker, seconds) = (self.shared.worker, mercy.as_secs());
        crate::log::line(format_args!(
            "worker {worker}: the master is gone; what runs is finished within {seconds} seconds"
        ));
        self.finish();
    }

    /// Nobody comes after.
    fn finish(&mut self) {
        self.drain(exit_code::END, false);
        self.stays = None;
    }

    /// Heirs will not have this listener.
    fn abandon(&mut self, listener: u16) {
        if self.shared.hub.abandon(listener) && self.stays.is_none() {
            self.stays = self.shared.stile.hold();
        }
    }

    /// Nobody but workers has the abandoned listeners any more: takes what waits there.
    fn let_go(&mut self) {
        if self.stays.is_some() {
            self.shared.take_abandoned();
            self.stays = None;
        }
    }

    /// Without exit hooks: a request that is stuck could hold them up.
    fn give_up(&self) -> ! {
        let worker = self.shared.worker;
        crate::log::line(format_args!("worker {worker}: what still runs is given up"));
        process::exit_now(exit_code::END)
    }

    fn dump_stacks(&self) {
        for cell in &self.shared.cells {
            self.plugins.iter().for_each(|plugin| plugin.dump_stack(cell.thread()));
        }
    }

    /// `harakiri-graceful-timeout` with a signal that ends the process: whoever is out of time is answered before.
    fn answer_overdue(&self) {
        for (core, cell) in self.shared.cells.iter().enumerate() {
            let (request, core) = (cell.request(), CoreId(core as u16));
            if let Some(request) = request.filter(|_| self.is_overdue(core)) {
                self.shared.cut(core, request);
            }
        }
    }

    fn is_overdue(&self, core: CoreId) -> bool {
        let due = self.slot(core).due_ms();
        due.is_some_and(|due_ms| clock::monotonic_ms() >= due_ms)
    }

    fn slot(&self, core: CoreId) -> &CoreSlot {
        self.shared.board.core(self.shared.place, core)
    }

    /// Without a master nobody else looks at the deadlines.
    fn check_own_deadlines(&mut self) {
        let limits = Limits::from(&self.config.processes.timeouts);
        for core in (0..self.shared.cells.len() as u16).map(CoreId) {
            if self.slot(core).in_request.load(Ordering::Relaxed) {
                self.give_own_grades(core, &limits);
            }
            if self.is_overdue(core) {
                self.log_harakiri(core);
                self.harakiri(core);
            }
        }
    }

    /// What the master would say and order.
    fn give_own_grades(&mut self, core: CoreId, limits: &Limits) {
        let slot = self.slot(core);
        let running = Running {
            since: Millis(slot.started_ms.load(Ordering::Relaxed)),
            since_unix: slot.started_unix.load(Ordering::Relaxed),
            description: slot.current.read().unwrap_or_default(),
        };
        let now = Millis(clock::monotonic_ms());
        let (due, _) = self.given.due(core, running.since, now, limits);
        for grade in due {
            let line = grades::line(grade, (self.shared.worker, core), &running, now);
            crate::log::line(format_args!("{line}"));
            self.grade(core, grade);
        }
    }

    /// What the master would say.
    fn log_harakiri(&self, core: CoreId) {
        let slot = self.slot(core);
        let request = slot.current.read().unwrap_or_default();
        let since = slot.started_unix.load(Ordering::Relaxed);
        let (worker, pid) = (self.shared.worker, std::process::id());
        crate::log::line(format_args!(
            "*** HARAKIRI ON WORKER {worker} (pid: {pid}, try: 1, graceful: yes) ***"
        ));
        crate::log::line(format_args!(
            "HARAKIRI [core {core}] {} since {since}",
            String::from_utf8_lossy(&request).escape_debug()
        ));
    }

    /// A request takes long: logs where it is, or interrupts it. One that is younger than that is the next one.
    fn grade(&self, core: CoreId, grade: Grade) {
        let Some(cell) = self.shared.cells.get(core.0 as usize) else { return };
        let Some(request) = cell.request() else { return };
        let since_ms = self.slot(core).started_ms.load(Ordering::Relaxed);
        let age_ms = clock::monotonic_ms().saturating_sub(since_ms);
        let limit_ms = Limits::from(&self.config.processes.timeouts).of(grade);
        if limit_ms.is_none_or(|limit_ms| age_ms < limit_ms) {
            return;
        }
        match grade {
            Grade::Log => self.plugins.iter().for_each(|plugin| plugin.dump_stack(cell.thread())),
            Grade::Interrupt => self.interrupt(core, request),
        }
    }

    /// Answers a request with 504 where its own answer has not begun, and raises an exception in it.
    ///
    /// The plugin may have to wait for a lock that the request holds for ever, and this thread must hear of
    /// harakiri meanwhile. A core has at most one thread that waits like this: while it does, no request of the
    /// worker gets on.
    fn interrupt(&self, core: CoreId, request: Serial) {
        let (shared, plugins) = (self.shared.clone(), self.plugins.clone());
        let cell = &shared.cells[core.0 as usize];
        shared.cut(core, request);
        let thread = cell.thread();
        let interrupter = std::thread::Builder::new()
            .name(format!("interrupt {core}"))
            .stack_size(INTERRUPTER_STACK_BYTES)
            .spawn(move || {
                let still_runs = || shared.cells[core.0 as usize].request() == Some(request);
                plugins.iter().any(|plugin| plugin.interrupt(thread, &still_runs))
            });
        if let Err(error) = interrupter {
            crate::log::line(format_args!("core {core} cannot be interrupted: {error}"));
        }
    }

    /// A request is stuck: shows where, answers in its place, lets the others finish, and ends the process.
    fn harakiri(&self, core: CoreId) {
        let Some(cell) = self.shared.cells.get(core.0 as usize) else { return };
        self.plugins.iter().for_each(|plugin| plugin.dump_stack(cell.thread()));
        if let Some(request) = cell.request() {
            self.shared.cut(core, request);
        }
        self.drain(exit_code::RECYCLE, true);
        if self.others_are_stuck(core) {
            // Nobody is left to begin them here.
            self.shared.hand_over();
        }
        self.await_others();
        // As a signal and not as an exit, so that the log reads as users know it.
        let _ = raise(Signal::SIGKILL);
    }

    fn others_are_stuck(&self, stuck: CoreId) -> bool {
        let others = self.shared.cells.iter().enumerate().filter(|(id, _)| *id != stuck.0 as usize);
        others.into_iter().all(|(_, cell)| cell.is_busy())
    }

    /// Waits for the other cores, at most until each must have hit its own deadline.
    fn await_others(&self) {
        let bound = self.config.processes.harakiri.unwrap_or(self.config.processes.worker_mercy);
        let until = Instant::now() + bound;
        // The stuck request is one of those that run.
        let others = || self.shared.stile.running() > 1 || self.shared.stile.others_wait();
        while Instant::now() < until && others() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
