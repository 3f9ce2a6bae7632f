//! What reloads, scales and stops the instance.

use std::path::PathBuf;
use std::time::Duration;

/// Reloads, recycling and the ways to ask for them.
#[derive(Clone, Debug)]
pub struct LifeCycle {
    /// `signals`: Gunicorn's set instead of uWSGI's.
    pub gunicorn_signals: bool,
    /// `graceful-on-term`: TERM finishes requests and stops.
    pub graceful_on_term: bool,
    /// `exit-on-reload`.
    pub exit_on_reload: bool,
    /// `master-fifo`: at most ten named pipes.
    pub fifos: Vec<PathBuf>,
    /// `reload-mercy`: how long everything but workers may take to end.
    pub reload_mercy: Duration,
    /// `reload-check`: what the first worker of a new generation is asked before it is trusted.
    pub check: Option<Check>,
    /// `reload-retry`: how often a failed reload is tried again by itself.
    pub retries: u32,
    /// `reload-parallel`: successors that boot at the same time; by default as many as there are processors.
    pub boots_max: u16,
    /// `recycle-share`, as a number of workers, at least 1.
    pub recycles_max: u16,
    /// `max-requests-jitter`: up to so many requests are added to `max-requests`, by chance, for each process.
    pub max_requests_jitter: u64,
    /// `lame-duck`: so long before a graceful stop, workers tell their clients to go; zero: not at all.
    pub lame_duck: Duration,
    /// `max-worker-lifetime`.
    pub lifetime: Option<Duration>,
    /// `max-worker-lifetime-delta`, added once per worker number above 1.
    pub lifetime_delta: Duration,
    /// `evil-reload-on-rss` in bytes.
    pub evil_rss_bytes: Option<u64>,
    /// `evil-reload-on-as` in bytes.
    pub evil_as_bytes: Option<u64>,
    /// No option, and set before the configuration is shared: something serves that this configuration is to replace, so
    /// every application must load.
    pub replaces: bool,
}

/// A request, and the status of the answer that is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The status.
    pub status: u16,
}
