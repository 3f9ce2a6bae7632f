//! Connections of `raw-socket`, which the function of `python-raw` has until it returns.

use std::os::fd::RawFd;

use uwsgi_plugin_api::Outcome;

use crate::embed::call;
use crate::failure::Failures;
use crate::ffi::{Object, Py, Raised};
use crate::{Running, Shared, module};

/// Calls the function. What it raises is logged, as an application's exception is.
pub(crate) fn take(py: Py<'_>, shared: &Shared, connection: RawFd) -> Outcome {
    let function = shared.apps.get(py).and_then(|apps| apps.raw.as_ref());
    let (Some(running), Some(function)) = (shared.running.get(py), function) else {
        module::log_line("--- no function of python-raw, check your startup logs for errors ---");
        return Outcome::default();
    };
    let mut outcome = Outcome { switches: 1, ..Outcome::default() };
    if let Err(raised) = run(py, (shared, running), function, connection) {
        Failures { shared, running }.report(py, raised, &mut outcome);
    }
    outcome
}

fn run(
    py: Py<'_>,
    (shared, running): (&Shared, &Running),
    function: &Object,
    connection: RawFd,
) -> Result<(), Raised> {
    let connection = py.integer(i64::from(connection))?;
    let seconds = py.unsigned(shared.options.socket_timeout_s)?;
    let arguments = [function.borrowed(), connection.borrowed(), seconds.borrowed()];
    call(py, &running.boot, "take", &arguments).map(drop)
}
