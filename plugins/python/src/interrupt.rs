//! `uwsgi.RequestTimeout`: an exception that is raised in one request, from outside (`harakiri-interrupt`).
//!
//! Two ways lead into a thread. Python's main thread, which serves core 0, gets a signal: its handler raises, even out
//! of a system call that waits. Other threads get an asynchronous exception, which they see at their next step of
//! Python code; one that waits in the system or in C sees it when it comes back. So it is for all threads in an interpreter
//! that is not the main one: Python runs handlers of signals in the main one only.
//!
//! Everything here happens with the GIL. Whoever holds it while another thread serves a request knows that this
//! thread is inside of its request, and that it passes [`Mark::leave`] before the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use uwsgi_plugin_api::CoreId;

use crate::embed::call;
use crate::ffi::{self, Function, Ident, Object, Py, Raised, Ref};
use crate::room::Room;
use crate::{Running, Shared, module};

/// The exception waits for the main thread's signal handler.
static MAIN_IS_DUE: AtomicBool = AtomicBool::new(false);

/// A request thread.
#[derive(Debug)]
pub(crate) struct Mark {
    /// Kernel thread id.
    kernel: i32,
    python: Ident,
    /// It is Python's main thread.
    main: bool,
    /// An exception was raised in its request.
    interrupted: AtomicBool,
    /// The interpreter that its request runs in, where that is not the main one. Written with the GIL.
    room: Mutex<Option<Arc<Room>>>,
}

/// The request threads of this process.
#[derive(Debug, Default)]
pub(crate) struct Marks(Mutex<Vec<Arc<Mark>>>);

impl Marks {
    /// The calling thread serves requests as `core` from now on.
    pub(crate) fn add(&self, py: Py<'_>, core: CoreId) -> Arc<Mark> {
        let mark = Arc::new(Mark {
            kernel: ffi::kernel_thread(),
            python: ffi::this_thread(py),
            main: core.0 == 0,
            interrupted: AtomicBool::new(false),
            room: Mutex::new(None),
        });
        let mut marks = self.0.lock();
        // A fork leaves marks of threads behind that do not exist here; this one may have the number of one.
        marks.retain(|other| other.kernel != mark.kernel);
        marks.push(Arc::clone(&mark));
        mark
    }

    fn of(&self, kernel: i32) -> Option<Arc<Mark>> {
        self.0.lock().iter().find(|mark| mark.kernel == kernel).cloned()
    }

    /// Raises `uwsgi.RequestTimeout` in the request of a thread, unless `still_runs` says no. For a thread without the GIL.
    pub(crate) fn interrupt(
        &self,
        shared: &Shared,
        kernel: i32,
        still_runs: &dyn Fn() -> bool,
    ) -> bool {
        let Some(mark) = self.of(kernel) else { return false };
        let room = mark.room.lock().clone();
        match &room {
            Some(room) => room
                .visit(|py, things| mark.interrupt(py, Some(room), &things.running, still_runs))
                .unwrap_or_default(),
            None => ffi::keep(|py| {
                let running = shared.running.get(py);
                running.is_some_and(|running| mark.interrupt(py, None, running, still_runs))
            }),
        }
    }
}

impl Mark {
    /// With the GIL, in the interpreter that the request was seen in: `room`, or the main one.
    fn interrupt(
        &self,
        py: Py<'_>,
        room: Option<&Arc<Room>>,
        running: &Running,
        still_runs: &dyn Fn() -> bool,
    ) -> bool {
        let there = match (room, &*self.room.lock()) {
            (None, None) => true,
            (Some(seen), Some(now)) => Arc::ptr_eq(seen, now),
            _ => false,
        };
        if !there || !still_runs() {
            return false;
        }
        self.interrupted.store(true, Ordering::Relaxed);
        if self.main && room.is_none() {
            MAIN_IS_DUE.store(true, Ordering::Relaxed);
            return ffi::send_to_thread(self.kernel, ffi::interrupt_signal());
        }
        ffi::raise_in(py, self.python, running.timeout.borrowed())
    }

    /// The request runs in this interpreter, the current one, until [`Mark::leave_room`].
    pub(crate) fn enter(&self, room: &Arc<Room>) {
        *self.room.lock() = Some(Arc::clone(room));
    }

    /// The request is over, and the interpreter is still the current one.
    pub(crate) fn leave_room(&self, py: Py<'_>) {
        *self.room.lock() = None;
        if self.interrupted.swap(false, Ordering::Relaxed) {
            ffi::withdraw(py, self.python);
        }
    }

    /// The request is over: what it has not seen yet must not reach the next one.
    #[inline]
    pub(crate) fn leave(&self, py: Py<'_>) {
        if self.interrupted.load(Ordering::Relaxed) {
            self.interrupted.store(false, Ordering::Relaxed);
            if self.main {
                MAIN_IS_DUE.store(false, Ordering::Relaxed);
            } else {
                ffi::withdraw(py, self.python);
            }
        }
    }
}

/// Adds the signal handler's function to the module of `boot.py`, and its exception to the module `uwsgi`.
///
/// # Errors
/// What Python raises, memory errors only.
pub(crate) fn install(py: Py<'_>, boot: &Object) -> Result<Object, Raised> {
    ffi::add_functions(py, boot.borrowed(), |functions| functions.add::<Interrupted>())?;
    let class = boot.borrowed().attribute(py, py.interned("RequestTimeout")?.borrowed())?;
    let uwsgi = py.import(c"uwsgi")?;
    uwsgi.borrowed().set_attribute(py, "RequestTimeout", class.borrowed())?;
    Ok(class)
}

/// Sets the signal handler, again where it was lost. For Python's main thread.
///
/// # Errors
/// What Python raises.
pub(crate) fn arm(py: Py<'_>, boot: &Object) -> Result<(), Raised> {
    let signal = py.integer(i64::from(ffi::interrupt_signal()))?;
    call(py, boot, "arm_interrupt", &[signal.borrowed()]).map(drop)
}

/// The handler of the signal. Native, so that the traceback ends where the request was.
struct Interrupted;

impl Function for Interrupted {
    const NAME: &'static std::ffi::CStr = c"interrupted";
    const DOC: &'static std::ffi::CStr =
        c"Raises uwsgi.RequestTimeout where the current request is due.";

    fn call(py: Py<'_>, _arguments: &[Ref<'_>]) -> Result<Object, Raised> {
        // The request that was meant may be over.
        if !MAIN_IS_DUE.swap(false, Ordering::Relaxed) {
            return Ok(py.none().own(py));
        }
        let class = py.interned("RequestTimeout")?;
        let class = py.import(c"uwsgi")?.borrowed().attribute(py, class.borrowed())?;
        let exception = class.borrowed().call(py, &[])?;
        Err(py.raise_value(exception.borrowed(), None))
    }
}

/// Logs why there is no handler.
pub(crate) fn report(raised: Raised, py: Py<'_>) {
    module::log_line(&format!("python: requests cannot be interrupted: {}", raised.describe(py)));
}
