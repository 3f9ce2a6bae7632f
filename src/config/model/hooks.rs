//! Actions of the configuration at moments of the server's life, and what is waited for before it serves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sys::mount::{MountFlags, UnmountFlags};
use crate::sys::signal::Signal;

/// Everything that is done besides serving.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    /// What is done, by phase; within a phase in uWSGI's order: hook, mount, umount, exec.
    pub hooks: Vec<(Phase, Hook)>,
    /// `hook-touch`: files, and what is done in the master when they change.
    pub touch: Vec<(PathBuf, Hook)>,
    /// What is waited for at the start.
    pub waits: Waits,
    /// `binsh`: shells, the first that is there runs the commands.
    pub shells: Vec<PathBuf>,
}

impl Hooks {
    /// Signals to the master that get a meaning.
    pub fn signals(&self) -> Vec<Signal> {
        let all = self.hooks.iter().map(|(_, hook)| hook);
        let all = all.chain(self.touch.iter().map(|(_, hook)| hook));
        let signal = |hook: &Hook| match hook.action {
            Action::OnSignal { signal, .. } => Some(signal),
            _ => None,
        };
        all.filter_map(signal).collect()
    }

    /// What is done in a phase, in order.
    pub fn of(&self, phase: Phase) -> impl Iterator<Item = &Hook> {
        self.hooks.iter().filter(move |(its, _)| *its == phase).map(|(_, hook)| hook)
    }
}

/// When something is done, and in which process (behaviour note 3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// When the options are read.
    Asap,
    /// Before namespaces are left.
    PreJail,
    /// In the new namespaces; also where none are asked for.
    InJail,
    /// When namespaces were left, or `jailed` says so.
    PostJail,
    /// Before uid and gid take effect, where the process is root's.
    AsRoot,
    /// When they took effect.
    AsUser,
    /// At the end of the instance.
    AsUserAtExit,
    /// Before the applications are loaded.
    PreApp,
    /// When they are loaded.
    PostApp,
    /// In each worker after its fork.
    PostFork,
    /// In each worker when it begins to accept.
    Accepting,
    /// The same in the first life of a worker only.
    AcceptingOnce,
    /// In worker 1 when it begins to accept.
    Accepting1,
    /// The same in its first life only.
    Accepting1Once,
    /// In the master when its loop begins.
    MasterStart,
}

impl Phase {
    /// The phases, with their names in options and in the log.
    pub const ALL: [(Self, &str, &str); 15] = [
        (Self::Asap, "asap", "asap"),
        (Self::PreJail, "pre-jail", "pre-jail"),
        (Self::InJail, "in-jail", "in-jail"),
        (Self::PostJail, "post-jail", "post-jail"),
        (Self::AsRoot, "as-root", "as root"),
        (Self::AsUser, "as-user", "as user"),
        (Self::AsUserAtExit, "as-user-atexit", "atexit"),
        (Self::PreApp, "pre-app", "pre app"),
        (Self::PostApp, "post-app", "post app"),
        (Self::PostFork, "post-fork", "post-fork"),
        (Self::Accepting, "accepting", "accepting"),
        (Self::AcceptingOnce, "accepting-once", "accepting-once"),
        (Self::Accepting1, "accepting1", "accepting1"),
        (Self::Accepting1Once, "accepting1-once", "accepting1-once"),
        (Self::MasterStart, "master-start", "master-start"),
    ];

    /// Its name in the log.
    pub fn label(self) -> &'static str {
        Self::ALL.iter().find(|(phase, ..)| *phase == self).map_or("", |(.., label)| label)
    }
}

/// Which option asked for it; only the log differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `hook-*`.
    Hook,
    /// `mount-*`.
    Mount,
    /// `umount-*`.
    Unmount,
    /// `exec-*`.
    Exec,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The option's kind.
    pub form: Form,
    /// The text of the value, for the log.
    pub text: String,
    /// What it means.
    pub action: Action,
}

/// What can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // fields are the parts of the action's text
pub enum Action {
    /// `cd`, `chdir`.
    ChangeDirectory(PathBuf),
    /// `mkdir`.
    MakeDirectory(PathBuf),
    /// `putenv`: sets a variable, or removes it where there is no `=`.
    SetVariable { name: String, value: Option<String> },
    /// `chmod`.
    ChangeMode { path: PathBuf, mode: u32 },
    /// `chown` (names or numbers) and `chown2` (numbers).
    ChangeOwner { path: PathBuf, user: String, group: String },
    /// `sticky`: gives a directory the sticky bit.
    SetSticky(PathBuf),
    /// `exec`; `safeexec` may fail.
    Run { command: String, may_fail: bool },
    /// `create`, `creat`: makes an empty file where there is none.
    Create(PathBuf),
    /// `write`, `writen`, `append`, `appendn`; the text has the `n`'s line break.
    Write { path: PathBuf, text: String, append: bool },
    /// `writefifo`; `spinningfifo` waits for the fifo and its reader.
    WriteFifo { path: PathBuf, text: String, wait: bool },
    /// `unlink`.
    Remove(PathBuf),
    /// `mount`.
    Mount { kind: String, source: String, directory: PathBuf, flags: MountFlags },
    /// `umount`.
    Unmount { directory: PathBuf, flags: UnmountFlags },
    /// `hostname`.
    SetHostname(String),
    /// `wait_for_fs` and its like.
    WaitFor(Awaited),
    /// `unix_signal`: what a signal to the master means from now on.
    OnSignal { signal: Signal, function: MasterFunction },
    /// `exit`.
    Exit(i32),
    /// `print`, `log`.
    Print(String),
}

impl Action {
    /// Whether it may take long, so that the master must not do it itself.
    pub fn takes_time(&self) -> bool {
        matches!(self, Self::Run { .. } | Self::WaitFor(_) | Self::WriteFifo { .. })
    }
}

/// The functions of uWSGI's master that `unix_signal` can name (behaviour note 3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each is the C function of that name
pub enum MasterFunction {
    GracefullyKillThemAll,
    KillThemAll,
    GraceThemAll,
    ReapThemAll,
    SuspendResumeThemAll,
    Stats,
    ChainReload,
    ReloadWorkers,
    BrutallyReloadWorkers,
    LogReopen,
    LogRotate,
}

impl MasterFunction {
    /// The functions by their names in C.
    pub const ALL: [(&str, Self); 11] = [
        ("gracefully_kill_them_all", Self::GracefullyKillThemAll),
        ("kill_them_all", Self::KillThemAll),
        ("grace_them_all", Self::GraceThemAll),
        ("reap_them_all", Self::ReapThemAll),
        ("suspend_resume_them_all", Self::SuspendResumeThemAll),
        ("stats", Self::Stats),
        ("uwsgi_chain_reload", Self::ChainReload),
        ("uwsgi_reload_workers", Self::ReloadWorkers),
        ("uwsgi_brutally_reload_workers", Self::BrutallyReloadWorkers),
        ("uwsgi_log_reopen", Self::LogReopen),
        ("uwsgi_log_rotate", Self::LogRotate),
    ];
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Anything at this path.
    Path(PathBuf),
    /// A regular file.
    File(PathBuf),
    /// A directory.
    Directory(PathBuf),
    /// A directory where a file system is mounted.
    MountPoint(PathBuf),
    /// A socket that takes connections: `host:port`, a path, or `@name`.
    Socket(String),
    /// A network interface.
    Interface(String),
}

impl Awaited {
    /// Its name in the log.
    pub fn name(&self) -> std::borrow::Cow<'_, str> {
        let path = |path: &Path| path.to_string_lossy().into_owned().into();
        match self {
            Self::Path(name)
            | Self::File(name)
            | Self::Directory(name)
            | Self::MountPoint(name) => path(name),
            Self::Socket(name) => name.into(),
            Self::Interface(name) => format!("interface {name}").into(),
        }
    }
}

/// What is waited for at the start, and how long for each.
#[derive(Clone, Debug)]
pub struct Waits {
    /// In order: interfaces, then what is on the disk, before privileges are dropped; sockets after it.
    pub wanted: Vec<Awaited>,
    /// `wait-for-fs-timeout`.
    pub files_timeout: Duration,
    /// `wait-for-socket-timeout`.
    pub sockets_timeout: Duration,
    /// `wait-for-interface-timeout`.
    pub interfaces_timeout: Duration,
}

impl Waits {
    /// How long, where nothing else is said.
    pub const SECONDS: u64 = 60;

    /// How long one of them is waited for.
    pub fn limit(&self, wanted: &Awaited) -> Duration {
        match wanted {
            Awaited::Socket(_) => self.sockets_timeout,
            Awaited::Interface(_) => self.interfaces_timeout,
            _ => self.files_timeout,
        }
    }
}

impl Default for Waits {
    fn default() -> Self {
        let limit = Duration::from_secs(Self::SECONDS);
        Self {
            wanted: Vec::new(),
            files_timeout: limit,
            sockets_timeout: limit,
            interfaces_timeout: limit,
        }
    }
}
