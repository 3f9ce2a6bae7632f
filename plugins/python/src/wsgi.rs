//! One request, from the choice of the application to `close()`.

use std::os::fd::RawFd;
use std::sync::Arc;

use uwsgi_plugin_api::site::mounted_host;
use uwsgi_plugin_api::{
    Asked, Chosen, CoreId, Handler, Known, Outcome, Request, Response, Site, Wish,
};

use crate::environ::{Environs, Facts};
use crate::failure::Failures;
use crate::ffi::{self, Exception, Exchange, Loan, Object, Py, Raised, Ref};
use crate::input::Input;
use crate::interrupt::Mark;
use crate::module::{self, Current};
use crate::respond::{Delivery, Stop};
use crate::room::Room;
use crate::sites::Found;
use crate::start_response::{StartResponse, Writer};
use crate::{Running, Shared, directory, raw, websocket};

/// Serves WSGI requests on one thread.
pub(crate) struct WsgiHandler {
    shared: Arc<Shared>,
    core: CoreId,
    mark: Arc<Mark>,
    /// In the main interpreter. `None` once it is dropped: its objects need the GIL.
    parts: Option<Parts>,
    /// The last request was for an application with an interpreter or a directory of its own.
    astray: bool,
    /// Keys of sites are written here; its memory is kept.
    key: Vec<u8>,
}

/// The Python objects of a thread in an interpreter.
#[derive(Debug)]
pub(crate) struct Parts {
    environs: Environs,
    callables: Callables,
    close: Object,
    scratch: Vec<u8>,
}

/// The objects that an application is lent, reused while nobody keeps them.
#[derive(Debug)]
struct Callables {
    exchange: Arc<Exchange>,
    start_response: Object,
    writer: Object,
    input: Object,
}

impl Callables {
    fn new(py: Py<'_>, shared: &Shared, running: &Running) -> Result<Self, Raised> {
        let exchange = Arc::new(Exchange::new(shared.options.forgiving_writes));
        let writer = running.writers.instance(py, Writer::new(Arc::clone(&exchange)))?;
        module::set_exchange(&exchange);
        let start = StartResponse::new(py, Arc::clone(&exchange), writer.share(py));
        Ok(Self {
            start_response: running.starts.instance(py, start)?,
            input: running.inputs.instance(py, Input::new(Arc::clone(&exchange)))?,
            writer,
            exchange,
        })
    }

    /// Whether nobody but this thread has any of them (`start_response` has the writer).
    #[inline]
    fn unshared(&self, py: Py<'_>) -> bool {
        self.start_response.reference_count(py) == 1
            && self.input.reference_count(py) == 1
            && self.writer.reference_count(py) == 2
    }
}

impl WsgiHandler {
    /// For the calling thread, which `mark` is of.
    pub(crate) fn new(shared: Arc<Shared>, core: CoreId, mark: Arc<Mark>) -> Self {
        Self { shared, core, mark, parts: None, astray: false, key: Vec::new() }
    }
}

impl Drop for WsgiHandler {
    fn drop(&mut self) {
        let parts = self.parts.take();
        ffi::with(|_| drop(parts));
        ffi::leave_thread();
    }
}

impl Handler for WsgiHandler {
    fn handle(&mut self, request: &mut Request<'_>, response: &mut dyn Response) -> Outcome {
        module::set_current(Some(Current {
            core: request.core,
            connection: request.connection_fd,
        }));
        let outcome = ffi::keep(|py| {
            let outcome = self.serve(py, request, response);
            self.mark.leave(py);
            outcome
        });
        module::set_current(None);
        outcome
    }

    fn take(&mut self, core: CoreId, connection: RawFd) -> Outcome {
        module::set_current(Some(Current { core, connection }));
        let outcome = ffi::keep(|py| {
            self.come_back();
            let outcome = raw::take(py, &self.shared, connection);
            self.mark.leave(py);
            outcome
        });
        module::set_current(None);
        outcome
    }

    fn ready(&mut self) {
        ffi::keep(|_| ());
    }

    fn park(&mut self) {
        ffi::park();
    }
}

impl WsgiHandler {
    fn serve(
        &mut self,
        py: Py<'_>,
        request: &mut Request<'_>,
        response: &mut dyn Response,
    ) -> Outcome {
        let shared = Arc::clone(&self.shared);
        let running = shared.running.get(py);
        let apps = shared.apps.get(py);
        let (Some(running), Some(apps)) = (running, apps) else {
            return no_application(response);
        };
        let vars = request.vars;
        let chosen = apps.mounts.choose(Asked {
            app_id: vars.get(Known::UwsgiAppid),
            script_name: vars.get(Known::ScriptName),
            path_info: vars.get(Known::PathInfo).unwrap_or_default(),
            host: mounted_host(vars, shared.options.site_rules()),
        });
        match (chosen, request.wish) {
            (None, Wish::Nothing) => no_application(response),
            (Some(Chosen { by_default: true, .. }) | None, Wish::Site(site)) => {
                self.named(py, site, request, response)
            }
            (Some(Chosen { by_default: true, .. }) | None, Wish::Refused) => {
                Outcome { refused: true, ..Outcome::default() }
            }
            (Some(chosen), _) => {
                let Some(app) = apps.callables.get(usize::from(chosen.app)) else {
                    return no_application(response);
                };
                if self.astray {
                    self.come_back();
                }
                if let Some(room) = &app.room {
                    return self.in_room(py, room, &app.callable, chosen, (request, response));
                }
                let place = Place { shared: &shared, running, core: self.core };
                place.answer(py, &mut self.parts, &app.callable, chosen, (request, response))
            }
        }
    }

    /// The request of an application that it names itself.
    fn named(
        &mut self,
        py: Py<'_>,
        site: &Site<'_>,
        request: &mut Request<'_>,
        response: &mut dyn Response,
    ) -> Outcome {
        let shared = Arc::clone(&self.shared);
        self.come_back();
        site.key(&mut self.key);
        let app = match shared.sites.find(py, &shared, site, &self.key) {
            Found::Loaded(app) => app,
            Found::Refused => return Outcome { refused: true, ..Outcome::default() },
            Found::Failed => {
                response.abort(); // the log has the reason
                return Outcome::default();
            }
        };
        let (Some(running), Some(callable)) = (shared.running.get(py), app.callable.get(py)) else {
            return no_application(response);
        };
        self.astray = true;
        if let Err(error) = directory::go(app.directory.as_deref(), &*shared.host) {
            let directory = app.directory.as_deref().unwrap_or_else(|| ".".as_ref());
            module::log_line(&format!("chdir({}): {error}", directory.display()));
            response.abort();
            return Outcome { app: Some(app.number), ..Outcome::default() };
        }
        let chosen = Chosen { app: app.number, moved: None, by_default: false };
        let outcome = match &app.room {
            Some(room) => self.in_room(py, room, callable, chosen, (request, response)),
            None => {
                let place = Place { shared: &shared, running, core: self.core };
                place.answer(py, &mut self.parts, callable, chosen, (request, response))
            }
        };
        drop(app);
        shared.sites.end_retired(py, &shared);
        outcome
    }

    /// Answers in an interpreter that is not the main one.
    fn in_room(
        &mut self,
        py: Py<'_>,
        room: &Arc<Room>,
        app: &Object,
        chosen: Chosen,
        (request, response): (&mut Request<'_>, &mut dyn Response),
    ) -> Outcome {
        self.astray = true;
        let (shared, core, mark) = (&*self.shared, self.core, &*self.mark);
        let outcome = room.enter(py, |py, things| {
            mark.enter(room);
            let mut parts = things.take_parts(core);
            if let Some(parts) = &parts {
                module::set_exchange(&parts.callables.exchange);
            } else {
                crate::name_thread_in(py, shared, &things.running, core);
            }
            let place = Place { shared, running: &things.running, core };
            let outcome = place.answer(py, &mut parts, app, chosen, (request, response));
            things.put_parts(core, parts);
            mark.leave_room(py);
            outcome
        });
        outcome.unwrap_or_default()
    }

    /// Back to the main interpreter's objects, and to the server's directory.
    #[cold]
    fn come_back(&mut self) {
        if !std::mem::take(&mut self.astray) {
            return;
        }
        if let Some(parts) = &self.parts {
            module::set_exchange(&parts.callables.exchange);
        }
        if let Err(error) = directory::go(None, &*self.shared.host) {
            module::log_line(&format!("the server's directory: {error}"));
        }
    }
}

/// An interpreter and a thread, which answer a request.
struct Place<'a> {
    shared: &'a Shared,
    running: &'a Running,
    core: CoreId,
}

impl Place<'_> {
    #[inline]
    fn answer(
        &self,
        py: Py<'_>,
        parts: &mut Option<Parts>,
        app: &Object,
        chosen: Chosen,
        (request, response): (&mut Request<'_>, &mut dyn Response),
    ) -> Outcome {
        let outcome = Outcome { app: Some(chosen.app), ..Outcome::default() };
        let prepared = self.prepare(py, parts).and_then(|parts| {
            let input = parts.callables.input.borrowed();
            let environ = parts.environs.build(py, request, chosen, input)?;
            Ok((parts, environ))
        });
        match prepared {
            Ok((parts, environ)) => {
                let exchange = Arc::clone(&parts.callables.exchange);
                let connection = request.connection_fd;
                let loan = Loan { body: request.body, response, connection };
                exchange.lend(py, loan, || {
                    let run =
                        Run { shared: self.shared, running: self.running, exchange: &exchange };
                    let outcome = run.application(py, parts, (app, environ), outcome);
                    websocket::finish(py, &exchange, outcome.exception);
                    outcome
                })
            }
            Err(raised) => {
                module::log_line(&format!("cannot build the environ: {}", raised.describe(py)));
                response.abort();
                Outcome { exception: true, ..outcome }
            }
        }
    }

    /// The objects of this thread, with callables that nobody kept.
    #[inline]
    fn prepare<'a>(
        &self,
        py: Py<'_>,
        place: &'a mut Option<Parts>,
    ) -> Result<&'a mut Parts, Raised> {
        if place.is_none() {
            *place = Some(Parts::new(py, self.shared, self.running, self.core)?);
        }
        let parts = place
            .as_mut()
            .ok_or_else(|| py.raise(Exception::RuntimeError, "no objects for this thread"))?;
        if !parts.callables.unshared(py) {
            parts.callables = Callables::new(py, self.shared, self.running)?;
        }
        Ok(parts)
    }
}

impl Parts {
    fn new(py: Py<'_>, shared: &Shared, running: &Running, core: CoreId) -> Result<Self, Raised> {
        let facts = Facts {
            host_name: shared.host_name.clone(),
            multithread: shared.host.threads() > 1,
            multiprocess: shared.host.worker_count() > 1,
            core: (shared.host.threads() > 1).then_some(core.0),
            cluster: shared.host.cluster_group().map(str::to_owned),
        };
        let wrapper = running.file_wrapper.share(py);
        let wrapper = shared.options.file_wrapper.then_some(wrapper);
        let errors = py.sys(c"stderr").unwrap_or_else(|| py.none().own(py));
        Ok(Self {
            environs: Environs::new(py, facts, wrapper, errors)?,
            callables: Callables::new(py, shared, running)?,
            close: py.interned("close")?,
            scratch: Vec::new(),
        })
    }
}

fn no_application(response: &mut dyn Response) -> Outcome {
    module::log_line("--- no python application found, check your startup logs for errors ---");
    // The server answers 500.
    response.abort();
    Outcome::default()
}

/// A request that runs.
struct Run<'a> {
    shared: &'a Shared,
    running: &'a Running,
    exchange: &'a Exchange,
}

impl Run<'_> {
    fn failures(&self) -> Failures<'_> {
        Failures { shared: self.shared, running: self.running }
    }

    #[inline]
    fn application(
        &self,
        py: Py<'_>,
        parts: &mut Parts,
        (app, environ): (&Object, Object),
        mut outcome: Outcome,
    ) -> Outcome {
        let arguments = [environ.borrowed(), parts.callables.start_response.borrowed()];
        match app.borrowed().call(py, &arguments) {
            Ok(result) => self.answer(py, parts, result.borrowed(), &mut outcome),
            Err(raised) => self.fail(py, raised, &mut outcome),
        }
        outcome
    }

    #[inline]
    fn answer(&self, py: Py<'_>, parts: &mut Parts, result: Ref<'_>, outcome: &mut Outcome) {
        let mut delivery = Delivery {
            exchange: self.exchange,
            boot: &self.running.boot,
            file_wrapper: self.running.file_wrapper.borrowed(),
            accept_buffer: self.shared.options.accept_buffer,
            scratch: &mut parts.scratch,
            items: 0,
        };
        let delivered = delivery.deliver(py, result);
        outcome.switches = delivery.items;
        match delivered {
            Ok(()) => outcome.switches = outcome.switches.max(1),
            Err(Stop::Disconnected) => {}
            Err(Stop::Raised(raised)) => self.fail(py, raised, outcome),
        }
        if !(result.is_plain_list() || result.is_plain_tuple() || result.is_plain_bytes()) {
            self.close(py, parts, result, outcome);
        }
    }

    /// `close()`, once, however the response went.
    fn close(&self, py: Py<'_>, parts: &Parts, result: Ref<'_>, outcome: &mut Outcome) {
        let closed =
            result.attribute_if_any(py, parts.close.borrowed()).and_then(|close| match close {
                Some(close) => close.borrowed().call(py, &[]).map(drop),
                None => Ok(()),
            });
        if let Err(raised) = closed {
            self.failures().report(py, raised, outcome);
        }
    }

    /// An exception of the application: the answer cannot be completed.
    fn fail(&self, py: Py<'_>, raised: Raised, outcome: &mut Outcome) {
        let text = self.failures().report(py, raised, outcome);
        let answered = text.is_some_and(|text| self.show(py, &text));
        if !answered {
            let _ = self.exchange.response(py, |response| response.abort()); // gone with its request
        }
    }

    /// Answers with a traceback (`catch-exceptions`); false where the head is out.
    fn show(&self, py: Py<'_>, text: &Object) -> bool {
        let Ok(text) = text.borrowed().bytes(py) else { return false };
        let shown = self.exchange.response(py, |response| {
            if response.head_sent()
                || response.start(b"500 Internal Server Error").is_err()
                || response.header(b"Content-Type", b"text/plain").is_err()
            {
                return false;
            }
            response.whole_body(text.len() as u64);
            response.write(text).is_ok()
        });
        shown == Ok(true)
    }
}
