//! An interpreter of its own for an application, and what exists once in each.
//!
//! Every object here belongs to that interpreter, so it is made, used and dropped inside of it.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Weak};

use uwsgi_plugin_api::CoreId;

use crate::ffi::{self, Interpreter, Kept, Py};
use crate::pace::Pace;
use crate::wsgi::Parts;
use crate::{Running, Shared, embed, module};

/// See the module.
#[derive(Debug)]
pub(crate) struct Room {
    interpreter: Interpreter,
    /// Left to the process where the room is dropped and not ended: they may only go inside of their interpreter.
    things: ManuallyDrop<Kept<Things>>,
    pace: Option<Pace>,
    /// That of the main interpreter, whose threads would keep those waiting that are here.
    main_pace: Option<Arc<Pace>>,
}

/// The objects of a room.
#[derive(Debug)]
pub(crate) struct Things {
    pub(crate) running: Running,
    /// Of the request threads, by core, while they are elsewhere.
    parts: RefCell<Vec<Option<Parts>>>,
}

impl Things {
    /// What a core has here; it brings it back.
    pub(crate) fn take_parts(&self, core: CoreId) -> Option<Parts> {
        self.parts.borrow_mut().get_mut(usize::from(core.0)).and_then(Option::take)
    }

    /// Brings it back.
    pub(crate) fn put_parts(&self, core: CoreId, parts: Option<Parts>) {
        let mut all = self.parts.borrow_mut();
        let place = usize::from(core.0);
        if all.len() <= place {
            all.resize_with(place + 1, || None);
        }
        all[place] = parts;
    }
}

impl Room {
    /// A new interpreter with all but a path of its own.
    ///
    /// # Errors
    /// What the log is told.
    pub(crate) fn new(py: Py<'_>, shared: &Shared) -> Result<Arc<Self>, String> {
        let interpreter = Interpreter::new(py).ok_or("Python makes no further interpreter")?;
        let things = ManuallyDrop::new(Kept::new());
        let room = Self { interpreter, things, pace: None, main_pace: main_pace(shared) };
        let made = room.interpreter.enter(py, |py| {
            let uwsgi =
                |py: Py<'_>| module::install(py, &shared.host, &shared.settings, &shared.host_name);
            let running = embed::set_up_further(py, uwsgi).and_then(|boot| Running::new(py, boot));
            let running = running.map_err(|raised| raised.describe(py))?;
            room.things.set(py, Things { running, parts: RefCell::default() });
            Ok::<_, String>(())
        });
        made.map_err(|why| format!("an interpreter could not be set up: {why}"))?;
        Ok(Arc::new_cyclic(|own: &Weak<Self>| {
            let own = Weak::clone(own);
            let pace = room.main_pace.is_some().then(|| {
                Pace::start(move || {
                    own.upgrade().is_some_and(|room| room.interpreter.visit(|_| true))
                })
            });
            Self { pace: pace.and_then(|pace| noted(shared, pace)), ..room }
        }))
    }

    /// Runs `work` in the interpreter; `None` where it was not set up.
    pub(crate) fn enter<R: Send>(
        &self,
        py: Py<'_>,
        work: impl FnOnce(Py<'_>, &Things) -> R,
    ) -> Option<R> {
        let paces = [self.pace.as_ref(), self.main_pace.as_deref()];
        let _running = paces.map(|pace| pace.map(Pace::run));
        self.interpreter.enter(py, |py| self.things.get(py).map(|things| work(py, things)))
    }

    /// As [`Room::enter`], for a thread that does not hold the lock.
    pub(crate) fn visit<R: Send>(&self, work: impl FnOnce(Py<'_>, &Things) -> R) -> Option<R> {
        self.interpreter.visit(|py| self.things.get(py).map(|things| work(py, things)))
    }

    /// Takes out what was loaded for an application.
    pub(crate) fn empty(&self, py: Py<'_>, shared: &Shared) {
        self.enter(py, |py, things| {
            shared.boot_of(py, &things.running, "purge", &[]);
        });
    }

    /// Ends the interpreter, which nobody uses any more.
    pub(crate) fn end(mut self, py: Py<'_>, shared: &Shared) -> Remains {
        let says = |py: Py<'_>, things: &Things, function: &str| {
            let answer = shared.boot_of(py, &things.running, function, &[]);
            answer.is_some_and(|answer| answer.borrowed().address() == py.boolean(true).address())
        };
        let remains = self.enter(py, |py, things| {
            shared.boot_of(py, &things.running, "run_exit_functions", &[]);
            if says(py, things, "has_threads") {
                return Remains::Threads;
            }
            if says(py, things, "prepare_end") {
                return Remains::Nothing;
            }
            Remains::Empty(None)
        });
        match remains {
            Some(Remains::Nothing) => {
                let Self { interpreter, things, .. } = &mut self;
                interpreter.enter(py, |py| drop(things.take(py)));
                self.interpreter.end(py);
                Remains::Nothing
            }
            Some(Remains::Empty(_)) => {
                self.empty(py, shared);
                Remains::Empty(Some(Arc::new(self)))
            }
            Some(Remains::Threads) | None => Remains::Threads,
        }
    }
}

/// What is left of an interpreter that was to be ended.
#[derive(Debug)]
pub(crate) enum Remains {
    Nothing,
    /// To end it is not safe; nothing of the application is in it any more, so another one can be loaded there.
    Empty(Option<Arc<Room>>),
    /// Threads of the application run in it, so it stays as it is.
    Threads,
}

/// The main interpreter's, where one is needed.
fn main_pace(shared: &Shared) -> Option<Arc<Pace>> {
    if ffi::waiters_ask_all() || shared.host.threads() == 1 {
        return None;
    }
    let start = || {
        let pace = Pace::start(|| {
            ffi::with(|_| ());
            true
        });
        noted(shared, pace).map(Arc::new)
    };
    shared.pace.get_or_init(start).clone()
}

fn noted(shared: &Shared, pace: std::io::Result<Pace>) -> Option<Pace> {
    pace.inspect_err(|error| {
        shared.host.log(&format!("applications that compute keep others waiting: {error}"));
    })
    .ok()
}
