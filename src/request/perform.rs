//! An answer: by a file, or by the application; and its end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use uwsgi_plugin_api::{Handler, Known, Outcome, Request, Response};

use super::answer::Answer;
use super::cell::{Cell, End};
use super::static_file;
use super::wish::Naming;
use crate::files::Files;

/// Answers a request. `files`: static files, where there are any, and the present time in seconds.
pub(super) fn answer(
    handler: &mut dyn Handler,
    request: &mut Request<'_>,
    answer: &mut Answer<'_>,
    naming: &Naming<'_>,
    (files, unix_s): (Option<&Files>, u64),
) -> Outcome {
    let vars = request.vars;
    if files.is_some_and(|files| static_file::answers(files, vars, unix_s, answer)) {
        return Outcome::default();
    }
    let mut outcome = call(handler, request, answer);
    naming.settle(&mut outcome, answer);
    answer.send_named(vars, unix_s);
    outcome
}

/// Runs the application. A panic is ours, not the client's: it is logged and answered like an exception.
fn call(handler: &mut dyn Handler, request: &mut Request<'_>, answer: &mut Answer<'_>) -> Outcome {
    if request.vars.get(Known::RequestMethod) == Some(b"CONNECT") {
        // A tunnel is nothing that an application could give (RFC 9110, 9.3.6). Over HTTP, nothing comes so far.
        answer.replace(501);
        return Outcome::default();
    }
    match catch_unwind(AssertUnwindSafe(|| handler.handle(request, answer))) {
        Ok(outcome) => outcome,
        Err(_) => {
            crate::log::line(format_args!(
                "a request handler panicked; the request is answered with 500"
            ));
            answer.abort();
            Outcome { exception: true, ..Outcome::default() }
        }
    }
}

/// Ends the request: who answered, and whether the connection may be kept as far as the answer is concerned.
pub(super) fn conclude(answer: &mut Answer<'_>, cell: &Cell) -> (bool, End) {
    let finished = finish(answer);
    let end = cell.end();
    match end {
        End::Own => {}
        End::Replaced => answer.was_cut(),
        End::Midway => answer.was_ended(),
    }
    (finished, end)
}

/// Completes an answer; true where the connection may be kept.
fn finish(answer: &mut Answer<'_>) -> bool {
    let nothing = !answer.is_sealed() && (answer.sent.aborted || !answer.started());
    if nothing && answer.sent.error.is_none() {
        answer.sent.aborted = false;
        answer.replace(500);
    }
    answer.finish()
}
