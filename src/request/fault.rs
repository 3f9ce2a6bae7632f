//! Answers of the server in the application's place: where it raised or said nothing, where a file may not be read, and
//! where a request takes too long.

use uwsgi_plugin_api::{CoreId, Response};

use super::answer::Answer;
use super::cell::Serial;
use super::shared::Shared;
use crate::errors::{Counter, Errors, RequestId};
use crate::sys::clock;

/// For the log of a front end.
const REPLACED: &str = "the server answers in place of the application; its log says why";
/// What FastCGI is told then.
const FAILED: u32 = 1;

/// Who speaks where the application does not.
#[derive(Clone, Copy)]
pub(super) struct Standin<'a> {
    pub(super) errors: &'a Errors,
    pub(super) id: RequestId<'a>,
}

impl Answer<'_> {
    /// Answers with this status in place of the application, whose head was not sent. After a 500 a client's connection
    /// closes: nobody knows what the application has left behind. A front end could not be told, and would lose the
    /// request that it sends next.
    pub fn replace(&mut self, status: u16) {
        let Standin { errors, id } = self.terms.standin;
        let id = id.to_string();
        let refusal = errors.refusal(status, self.terms.dress.form, &id);
        (self.exit_status, self.remark) = (FAILED, REPLACED);
        let body = refusal.body();
        if self.start(refusal.status_line().as_bytes()).is_err() {
            return;
        }
        for (name, value) in refusal.headers() {
            // An id is at most 128 bytes long, so that the head has room for it.
            let _ = self.header(name.as_bytes(), value.as_bytes());
        }
        self.whole_body(body.len() as u64);
        if status == 500 && self.terms.dress.is_http() {
            self.encoder.close_after();
        }
        // What fails here the answer knows of.
        let _ = self.write(&body);
        (self.sent.replaced, self.sent.body_bytes) = (Some(status), 0);
    }
}

impl Shared {
    /// Answers a stuck request with 504, from another thread; see [`super::cell::Cell::cut`].
    pub fn cut(&self, core: CoreId, request: Serial) -> bool {
        const STATUS: u16 = 504;
        let Some(cell) = self.cells.get(usize::from(core.0)) else { return false };
        let errors = &self.hub.bounds.errors;
        let made = || errors.id(Counter::Core(core.0), request.count()).to_string();
        let id = cell.given_id().unwrap_or_else(made);
        let dress = cell.dress();
        let refusal = errors.refusal(STATUS, dress.form, &id);
        let date = uwsgi_protocol::http1::http_date(clock::unix_seconds());
        let date = if dress.is_http() { &date[..] } else { &[] };
        let cut = cell.cut(request, &refusal.whole(date, dress.is_head));
        if cut {
            let slot = self.board.core(self.place, core);
            let request = slot.current.read().unwrap_or_default();
            let request = String::from_utf8_lossy(&request).escape_debug().to_string();
            let what = match dress.raw {
                true => "the server ended a raw connection".to_owned(),
                false => format!("the server answered {STATUS} in place of the application"),
            };
            crate::log::line(format_args!("{what}: {request}, request {id}"));
        }
        cut
    }

    /// Ends a request whose application says nothing for longer than `http-timeout`: with 504, or by the end of the
    /// answer that it has begun. As in uWSGI, whose router does so, the application runs on and is not told.
    pub fn end_silent(&self, core: CoreId, request: Serial) {
        let Some(cell) = self.cells.get(usize::from(core.0)) else { return };
        let what = if self.cut(core, request) {
            "its client has its answer"
        } else if cell.cut_midway(request) {
            "its answer ends here"
        } else {
            return;
        };
        let request = self.board.core(self.place, core).current.read().unwrap_or_default();
        crate::log::line(format_args!(
            "the application was silent for http-timeout, {what}: {}",
            String::from_utf8_lossy(&request).escape_debug()
        ));
    }
}
