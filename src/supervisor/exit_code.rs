//! Exit statuses by which a worker says why it ended, as in uWSGI (behaviour note 3.1).

/// Nothing could be served.
pub const FAILURE: i32 = 1;
/// An exception was to end the worker (`reload-on-exception`).
pub const EXCEPTION: i32 = 5;
/// Ends to be replaced: drained, or `max-requests` reached.
pub const RECYCLE: i32 = 17;
/// No application and `need-app`.
pub const NO_APP: i32 = 22;
/// `reload-check` got another answer than it wants. Ours: uWSGI has no such check.
pub const CHECK_FAILED: i32 = 24;
/// An application does not load, and something else serves. Ours.
pub const NOT_LOADED: i32 = 25;
/// Was told to end at once.
pub const END: i32 = 30;
