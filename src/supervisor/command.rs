//! What people and programs can ask of a running instance, whichever way: signal, fifo, control socket.

/// A wish. What it means while the instance does something else is decided in `decisions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A new generation of the configuration and the application; old workers finish their requests.
    Reload,
    /// The same, but old workers end at once.
    BrutalReload,
    /// Nothing more is to come of a reload whose new generation does not serve yet.
    GiveUpReload,
    /// New workers of the same generation, as many at a time as may boot together.
    ReloadWorkers,
    /// The same, but old workers end at once.
    BrutalReloadWorkers,
    /// New workers of the same generation, one after the other.
    ChainReload,
    /// The instance ends; requests are cut off. Asked twice, nothing is waited for.
    Stop,
    /// The instance ends when the requests that run are done.
    GracefulStop,
    /// Workers take nothing new, or take requests again.
    Pause,
    /// One worker more, up to `processes`.
    MoreWorkers,
    /// One worker less, down to `cheaper`, without it down to one.
    FewerWorkers,
    /// No workers until the next connection.
    GoCheap,
    /// A new process to fork workers from, with the application loaded anew.
    Refork,
    /// A new master beside this one, with workers of its own (USR2 of Gunicorn).
    Upgrade,
    /// The workers end when their requests are done; the master stays (WINCH of Gunicorn).
    DrainWorkers,
    /// Log files are opened anew under their names.
    ReopenLogs,
    /// Log files are renamed by the time, and opened anew.
    RotateLogs,
    /// Pid files are written again.
    RewritePidfiles,
    /// The state of the instance goes to the log.
    PrintStatus,
}
