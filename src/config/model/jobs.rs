//! What runs beside the workers: crons, attached daemons, and what follows when files change.

use std::path::PathBuf;
use std::time::Duration;

use uwsgi_plugin_api::Cargo;

use crate::sys::signal::Signal;

/// Everything that the master starts or watches besides its workers.
#[derive(Clone, Debug)]
pub struct Jobs {
    /// `cron`, `unique-cron`, `cron2`.
    pub crons: Vec<Cron>,
    /// `attach-daemon` and its like.
    pub daemons: Vec<Daemon>,
    /// `touch-*` and `fs-*`.
    pub touches: Vec<Touch>,
    /// `reload-mercy`: how long a daemon may take to end; uWSGI's 3 seconds where it is not given.
    pub mercy: Duration,
    /// `worker-reload-mercy`: how long a gateway may take to finish what it has.
    pub gateway_mercy: Duration,
    /// Workers serve on for gateways in a graceful stop, and for nothing else: when the gateways have ended, so do they.
    pub workers_wait: bool,
}

/// A command that runs at certain times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    /// When.
    pub schedule: Schedule,
    /// What the shell is given.
    pub command: String,
    /// It is not started while it still runs.
    pub unique: bool,
    /// It is killed when it has run for so long: its own `harakiri`, else `cron-harakiri`.
    pub harakiri: Option<Duration>,
}

/// Times of the day and days, in local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// 0 to 59.
    pub minute: Field,
    /// 0 to 23.
    pub hour: Field,
    /// Day of the month, 1 to 31.
    pub day: Field,
    /// 1 to 12.
    pub month: Field,
    /// Day of the week, 0 (Sunday) to 6.
    pub weekday: Field,
}

/// One number of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// This one.
    At(u8),
    /// Those that this number divides, at least 1; 1 is every one.
    Every(u8),
}

/// A program that runs beside the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// The option with its value: another text is another daemon.
    pub text: String,
    /// What the shell is given.
    pub command: String,
    /// Where its process id is, if it is on its own: it survives reloads and the end of the server.
    pub pidfile: Option<PathBuf>,
    /// The server writes the file, since the program knows nothing of it.
    pub daemonize: bool,
    /// How long a started program may take to be found by its file.
    pub freq: Duration,
    /// When it ends, the instance does.
    pub control: bool,
    /// It is started anew when one of these files changes.
    pub touch: Vec<PathBuf>,
    /// What it is told to end with.
    pub stop_signal: Signal,
    /// What it is told at a reload, where that is something else.
    pub reload_signal: Option<Signal>,
    /// A reload is told to it although it survives it.
    pub notify: bool,
    /// It has the server's standard input instead of `/dev/null`.
    pub stdin: bool,
    /// Name or number of its user.
    pub uid: Option<String>,
    /// Name or number of its group.
    pub gid: Option<String>,
    /// It is process 1 of a namespace of its own.
    pub pid_namespace: bool,
    /// Where it starts.
    pub chdir: Option<PathBuf>,
    /// Longest pause before it is started again.
    pub throttle_max: Duration,
    /// It is this program itself, as a gateway.
    pub gateway: Option<Gateway>,
}

impl Daemon {
    /// How long a program may take to be found by its pid file, unless it is said.
    pub const FREQ: Duration = Duration::from_secs(10);
    /// Longest pause before a respawn, unless it is said.
    pub const THROTTLE_MAX: Duration = Duration::from_secs(300);

    /// What follows it in a text is not shown to anybody.
    pub const HIDDEN: char = '\0';

    /// As much of a text as may stand in a log.
    pub fn shown(text: &str) -> &str {
        text.split(Self::HIDDEN).next().unwrap_or_default()
    }

    /// One of which nothing but its command is said.
    pub fn new(text: String, command: &str) -> Self {
        Self {
            text,
            command: command.to_owned(),
            pidfile: None,
            daemonize: false,
            freq: Self::FREQ,
            control: false,
            touch: Vec::new(),
            stop_signal: Signal::SIGTERM,
            reload_signal: None,
            notify: false,
            stdin: false,
            uid: None,
            gid: None,
            pid_namespace: false,
            chdir: None,
            throttle_max: Self::THROTTLE_MAX,
            gateway: None,
        }
    }
}

/// A process of this program that carries something between the instance and others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Arguments of the program.
    pub arguments: Vec<String>,
    /// Settings that nobody may read in a list of processes; it gets them by its environment.
    pub secrets: Vec<(String, String)>,
    /// Name of the descriptor that is its standard input: the listening socket that the workers serve for it, the end of the
    /// log's channel, or of the way to the node of a cluster.
    pub input: String,
    /// What it carries, which says when it ends.
    pub cargo: Cargo,
}

/// A file, and what follows when it changes, appears or disappears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The file; for `fs-*` also a directory, in which anything may change.
    pub path: PathBuf,
    /// What follows.
    pub then: Then,
}

/// What follows a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// `touch-reload`.
    Reload,
    /// `touch-workers-reload`.
    ReloadWorkers,
    /// `touch-chain-reload`.
    ChainReload,
    /// `touch-logrotate`.
    RotateLogs,
    /// `touch-logreopen`.
    ReopenLogs,
    /// `touch-exec`: the command.
    Run(String),
    /// `fs-reload`.
    FsReload,
    /// `fs-brutal-reload`.
    FsBrutalReload,
}

impl Then {
    /// Any event in it counts, not only another time of modification.
    pub fn is_any_event(&self) -> bool {
        matches!(self, Self::FsReload | Self::FsBrutalReload)
    }
}
