//! Crons, attached daemons and touch files: does what their machine (`supervisor/jobs`) decides and tells it what happens.
//!
//! It waits for nothing: children are collected by the master's loop, files are heard of by a descriptor.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ears::Source;
use super::gateways::Ours;
use super::run::{Master, now};
use super::vacuum;
use crate::config::Config;
use crate::config::model::jobs::{Daemon, Then};
use crate::log;
use crate::shm::ClusterBoard;
use crate::supervisor::jobs::{
    Job, JobAction, JobEvent, Jobs as Machine, LocalTime, Stamp, Surroundings, Whom,
};
use crate::supervisor::{Command, Ended, Event, Millis, Pid};
use crate::sys::privileges::Identity;
use crate::sys::process;
use crate::sys::signal::Signal;
use crate::sys::spawn::{Input, Program};
use crate::sys::time::Local;
use crate::sys::watch::Watch;
use crate::sys::{clock, command};

/// More of a pid file is not read.
const PIDFILE_BYTES: u64 = 32;
const SECONDS_OF_MINUTE: u64 = 60;
const NANOSECONDS: i128 = 1_000_000_000;

/// What the master runs and watches beside its workers.
pub(super) struct Jobs {
    config: Arc<Config>,
    ours: Ours,
    machine: Machine,
    /// `None` where there is nothing to watch, or no inotify.
    watch: Option<Watch>,
    world: World,
    /// What files and daemons have asked for.
    asked: Vec<Command>,
}

impl Jobs {
    pub(super) fn new(config: Arc<Config>, ours: Ours) -> Self {
        let machine = Machine::new(Arc::new(config.jobs.clone()), now());
        let watch = watch(machine.watched());
        let leader_alone =
            config.cluster.as_ref().is_some_and(|membership| !membership.crons_everywhere);
        let world = World { leader: ours.cluster.clone().filter(|_| leader_alone) };
        Self { config, ours, machine, watch, world, asked: Vec::new() }
    }

    /// Goes on with what another image of the master has left; before `begin`.
    pub(super) fn restore(&mut self, lines: &[String]) {
        self.machine.restore(lines.iter().map(String::as_str));
    }

    /// For the next image.
    pub(super) fn save(&self) -> Vec<String> {
        self.machine.save()
    }

    /// The instance is over: who carries the log ends when nobody else can say anything.
    pub(super) fn fall_silent(&mut self) {
        if self.machine.has_nothing_to_say() {
            self.step(JobEvent::Silence);
        }
    }

    fn begin(&mut self) {
        self.look_at_cluster();
        let world = self.world.clone();
        self.step(JobEvent::Begin(&world));
    }

    /// Whether the instance is to get requests.
    fn look_at_cluster(&mut self) {
        if let Some(board) = &self.ours.cluster {
            let takes = !board.is_draining();
            self.step(JobEvent::TakesRequests(takes));
        }
    }

    fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(Watch::as_fd)
    }

    /// Something has happened to a watched file.
    fn ready(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        match watch.changed() {
            Ok(paths) => {
                for path in paths {
                    self.step(JobEvent::Changed { path: &path });
                }
            }
            Err(error) => log::line(format_args!("files cannot be watched: {error}")),
        }
    }

    fn ended(&mut self, pid: Pid, ended: Ended) {
        self.step(JobEvent::Exited { pid, ended });
    }

    fn tick(&mut self) {
        self.look_at_cluster();
        if self.next_wake().is_some_and(|wake| wake <= now()) {
            let world = self.world.clone();
            self.step(JobEvent::Tick(&world));
            self.complain();
        }
    }

    /// Says once why files are only seen by looking at them.
    fn complain(&mut self) {
        if let Some(error) = self.watch.as_mut().and_then(Watch::take_problem) {
            log::line(format_args!("not all files can be watched ({error}); they are looked at"));
        }
    }

    pub(super) fn next_wake(&self) -> Option<Millis> {
        self.machine.next_wake()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.machine.is_quiet()
    }

    fn step(&mut self, event: JobEvent<'_>) {
        let mut actions = Vec::new();
        self.machine.step(now(), event, &mut actions);
        if let (JobEvent::Tick(_), false, Some(watch)) =
            (event, actions.is_empty(), &mut self.watch)
        {
            // Perhaps a file has changed because of another link on the way to it.
            watch.renew();
        }
        for action in actions {
            match action {
                JobAction::Start { job, again } => self.start(job, again),
                JobAction::Signal { pid, signal, whom } => send(pid, signal, whom),
                JobAction::Log(line) => log::line(format_args!("{line}")),
                JobAction::Ask(command) => self.asked.push(command),
            }
        }
    }

    fn start(&mut self, job: Job, again: bool) {
        let config = self.config.clone();
        let jobs = &config.jobs;
        let started = match job {
            Job::Cron(index) => jobs.crons.get(index).map(|cron| self.run(&cron.command)),
            Job::Touch(index) => match jobs.touches.get(index).map(|touch| &touch.then) {
                Some(Then::Run(command)) => Some(self.run(command)),
                _ => None,
            },
            Job::Daemon(index) => jobs.daemons.get(index).map(|spec| self.attach(spec, again)),
        };
        match started.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into())) {
            Ok(pid) => self.step(JobEvent::Started { job, pid }),
            Err(error) => self.step(JobEvent::StartFailed { job, error: &error }),
        }
    }

    fn program<'a>(&'a self, command: &'a str) -> Program<'a> {
        Program::of_shell(command::shell(&self.config.hooks.shells), command)
    }

    fn run(&self, command: &str) -> io::Result<Pid> {
        self.program(command).start()
    }

    fn attach(&self, spec: &Daemon, again: bool) -> io::Result<Pid> {
        let identity = Identity::resolve(spec.uid.as_deref(), spec.gid.as_deref());
        let identity = identity.map_err(io::Error::other)?;
        let uid = identity.user.as_ref().map_or_else(|| nix::unistd::getuid().as_raw(), |it| it.0);
        let gid = identity.group.unwrap_or_else(|| nix::unistd::getgid().as_raw());
        let (what, command) = (if again { "respawning" } else { "spawning" }, &spec.command);
        log::line(format_args!("[uwsgi-daemons] {what} \"{command}\" (uid: {uid} gid: {gid})"));
        let program = match &spec.gateway {
            Some(gateway) => self.ours.gateway(gateway)?,
            None => self.program(command),
        };
        let program = Program {
            directory: spec.chdir.as_deref(),
            identity,
            stdin: if spec.stdin { Input::Ours } else { program.stdin },
            dies_with_us: spec.pidfile.is_none(),
            pid_namespace: spec.pid_namespace,
            ..program
        };
        let pid = program.start()?;
        if let Some(path) = spec.pidfile.as_ref().filter(|_| spec.daemonize) {
            let name = path.display();
            log::line(format_args!("writing pidfile to {name}"));
            if let Err(error) = vacuum::write_pidfile(path, pid) {
                log::line(format_args!("cannot write the pidfile {name}: {error}"));
            }
        }
        Ok(pid)
    }
}

fn watch(paths: Vec<PathBuf>) -> Option<Watch> {
    if paths.is_empty() {
        return None;
    }
    let watch = Watch::new(paths);
    if let Err(error) = &watch {
        log::line(format_args!("files cannot be watched ({error}); they are looked at"));
    }
    watch.ok()
}

fn send(pid: Pid, signal: Signal, whom: Whom) {
    let sent = match process::send_group_signal(pid, signal) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => match whom {
            // Its session is empty.
            Whom::Group => Ok(()),
            Whom::GroupOrProcess => process::send_signal(pid, signal),
        },
        other => other,
    };
    if let Err(error) = sent {
        log::line(format_args!("kill({pid}, {signal}): {error}"));
    }
}

/// What there is outside.
#[derive(Clone, Default)]
struct World {
    /// Says whether this node leads the cluster, where crons depend on that.
    leader: Option<Arc<ClusterBoard>>,
}

impl Surroundings for World {
    fn local(&self) -> LocalTime {
        let now = clock::unix_seconds();
        let [_, month, day, hour, minute, _, weekday] = Local::at(now).fields();
        let small = |number: i32| u8::try_from(number).unwrap_or(0);
        LocalTime {
            unix_minute: now / SECONDS_OF_MINUTE,
            minute: small(minute),
            hour: small(hour),
            day: small(day),
            month: small(month),
            weekday: small(weekday),
        }
    }

    fn stamp(&self, path: &Path) -> Option<Stamp> {
        let file = fs::metadata(path).ok()?;
        let modified_ns = i128::from(file.mtime()) * NANOSECONDS + i128::from(file.mtime_nsec());
        Some(Stamp { modified_ns, identity: (file.dev(), file.ino()) })
    }

    fn runs_crons(&self) -> bool {
        self.leader.as_ref().is_none_or(|board| board.leads(clock::monotonic_ms()))
    }

    fn pid_in(&self, path: &Path) -> Option<Pid> {
        // Whatever it is, opening and reading it must not wait.
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
        let mut bytes = Vec::new();
        file.take(PIDFILE_BYTES).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let number: i32 = text.split_whitespace().next()?.parse().ok()?;
        // 0 and less are groups; nor are init and this process daemons of ours.
        let pid = Pid::from_raw(number);
        (number > 1 && pid != process::current() && process::exists(pid)).then_some(pid)
    }
}

impl Master {
    /// Hears of watched files.
    pub(super) fn open_jobs(&mut self) {
        let hands = self.hands_mut();
        let Some(fd) = hands.jobs.watched() else { return };
        if let Err(error) = hands.ears.listen(fd, Source::Files) {
            log::line(format_args!("watched files cannot be heard: {error}"));
        }
    }

    /// Whatever there is to run may run from now on; beside an old master that is left to it.
    pub(super) fn begin_jobs(&mut self) {
        if self.context.succession.is_none() {
            self.hands_mut().jobs.begin();
            self.obey_jobs();
        }
    }

    /// The node of the instance has said something.
    pub(super) fn look_at_cluster(&mut self) {
        self.hands_mut().jobs.look_at_cluster();
        self.obey_jobs();
    }

    pub(super) fn hear_files(&mut self) {
        self.hands_mut().jobs.ready();
    }

    /// A child that is no mold and no worker has ended.
    pub(super) fn job_ended(&mut self, pid: Pid, ended: Ended) {
        self.hands_mut().jobs.ended(pid, ended);
        self.obey_jobs();
    }

    pub(super) fn tick_jobs(&mut self) {
        self.hands_mut().jobs.tick();
        self.obey_jobs();
    }

    /// The instance ends; `gracefully`: when its requests are done.
    pub(super) fn stop_jobs(&mut self, gracefully: bool) {
        let event = if gracefully { JobEvent::Draining } else { JobEvent::Stopping };
        self.hands_mut().jobs.step(event);
    }

    /// Somebody asks for the end, perhaps not for the first time.
    pub(super) fn hurry_jobs(&mut self) {
        let jobs = &mut self.hands_mut().jobs;
        if jobs.machine.is_stopping() {
            jobs.step(JobEvent::Hurry);
        }
    }

    fn obey_jobs(&mut self) {
        for command in std::mem::take(&mut self.hands_mut().jobs.asked) {
            self.send(Event::Command(command));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_names_a_living_process_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let found = || World::default().pid_in(&path).map(Pid::as_raw);
        assert_eq!(found(), None);
        let parent = process::parent().as_raw();
        for (text, expected) in [
            (format!("{parent}\n"), Some(parent)),
            (format!(" {parent} and more"), Some(parent)),
            (String::new(), None),
            ("0".into(), None),
            ("1".into(), None),
            ("-5".into(), None),
            ("x".into(), None),
            (process::current().to_string(), None),
            (i32::MAX.to_string(), None),
        ] {
            fs::write(&path, &text).unwrap();
            assert_eq!(found(), expected, "{text:?}");
        }
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(found(), None, "a fifo is not waited for");
    }

    #[test]
    fn a_stamp_follows_links_and_tells_files_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert_eq!(World::default().stamp(&path("a")), None);
        fs::write(path("a"), "").unwrap();
        fs::write(path("b"), "").unwrap();
        std::os::unix::fs::symlink("a", path("link")).unwrap();
        let stamp = World::default().stamp(&path("a"));
        assert!(stamp.is_some());
        assert_eq!(World::default().stamp(&path("link")), stamp);
        assert_ne!(World::default().stamp(&path("b")), stamp);
    }
}
