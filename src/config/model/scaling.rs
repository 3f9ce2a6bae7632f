//! How many workers run.

use std::time::Duration;

/// `cheaper` and its relatives, `cheap` and `idle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scaling {
    /// `cheaper`: the least number of workers, below `processes`; `None`: all of them run.
    pub least: Option<u16>,
    /// Workers at the start: `cheaper-initial`, from `cheaper` to `processes`; all without `cheaper`.
    pub initial: u16,
    /// `cheaper-step`: workers that are started at a time, at least 1.
    pub step: u16,
    /// `cheaper-algo`.
    pub algorithm: Algorithm,
    /// `cheaper-overload`: ticks, connections or seconds, by the algorithm.
    pub overload: u32,
    /// `cheaper-idle`: surplus workers stop when they were idle for so long.
    pub surplus_idle: Option<Duration>,
    /// `cheaper-rss-limit-soft`: no more workers while all together have so many bytes.
    pub rss_soft_bytes: Option<u64>,
    /// `cheaper-rss-limit-hard`: fewer workers while all together have more; above the soft limit.
    pub rss_hard_bytes: Option<u64>,
    /// Of the algorithm busyness.
    pub busyness: Busyness,
    /// `cheap`: no workers until the first connection.
    pub cheap: bool,
    /// `idle`: no workers after so long without a request, until the next connection.
    pub idle: Option<Duration>,
    /// `die-on-idle`: the instance stops instead.
    pub die_on_idle: bool,
    /// What it has, it finishes then.
    pub dies_gently: bool,
}

/// How the number of workers is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// One idle worker is kept in reserve.
    #[default]
    Spare,
    /// By the connections that wait.
    Backlog,
    /// By the share of time in which workers are busy.
    Busyness,
    /// Only people change it.
    Manual,
}

/// `cheaper-busyness-*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busyness {
    /// `-max`: average percentage above which workers are started.
    pub max_percent: u64,
    /// `-min`: average percentage below which one is stopped.
    pub min_percent: u64,
    /// `-multiplier`: for so many cycles it must have been below.
    pub multiplier: u32,
    /// `-penalty`: cycles more where a worker was needed again at once.
    pub penalty: u32,
    /// `-verbose`.
    pub verbose: bool,
    /// `-backlog-alert`: emergency workers start when more connections than this wait.
    pub alert: u32,
    /// `-backlog-step`: so many at a time, at least 1.
    pub alert_step: u16,
    /// `-backlog-multiplier`: cycles before an emergency worker is stopped.
    pub alert_multiplier: u32,
    /// `-backlog-nonzero`: an emergency worker starts when connections have waited for so long.
    pub nonzero: Duration,
}

impl Busyness {
    /// uWSGI's values.
    pub const DEFAULT: Self = Self {
        max_percent: 50,
        min_percent: 25,
        multiplier: 10,
        penalty: 2,
        verbose: false,
        alert: 33,
        alert_step: 1,
        alert_multiplier: 3,
        nonzero: Duration::from_secs(60),
    };
}

impl Scaling {
    /// All of so many workers always run.
    pub const fn all(workers: u16) -> Self {
        Self {
            least: None,
            initial: workers,
            step: 1,
            algorithm: Algorithm::Spare,
            overload: 3,
            surplus_idle: None,
            rss_soft_bytes: None,
            rss_hard_bytes: None,
            busyness: Busyness::DEFAULT,
            cheap: false,
            idle: None,
            die_on_idle: false,
            dies_gently: false,
        }
    }
}
