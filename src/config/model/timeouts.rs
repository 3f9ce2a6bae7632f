//! What happens to a request that takes too long.

use std::time::Duration;

/// The grades before `harakiri`, and its gentler forms. Nothing is configured by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// `harakiri-log`: the age of a request at which its stack is logged.
    pub log: Option<Duration>,
    /// `harakiri-interrupt`: the age of a request at which an exception is raised in it.
    pub interrupt: Option<Duration>,
    /// `harakiri-graceful-timeout` with `harakiri-graceful-signal`.
    pub graceful: Option<Graceful>,
    /// `harakiri-queue-threshold`: requests are left alone while fewer connections wait in a listen queue.
    pub queue_threshold: Option<u64>,
}

/// The signal before the kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Graceful {
    /// How long the worker has after the signal.
    pub timeout: Duration,
    /// The signal's number, one that exists.
    pub signal: i32,
}
