//! Further interpreters in the process, which share the GIL with the main one (PEP 684 calls them legacy).
//!
//! A thread has one state in each that it was in, made once. While a thread is in one, its state there is the current one;
//! outside of [`Interpreter::enter`] it is always that of the main interpreter.
//!
//! Up to Python 3.11, `PyGILState_Ensure` (callbacks of ctypes, extension modules) takes the first state that a thread had,
//! which is one of the main interpreter, and waits for ever for the lock that the thread holds with another one. It finds
//! that state in a thread local of the process; we keep it at the current state, as Python itself does from 3.12 on.

use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::init::minor_version;
use super::table::{PyThreadState, table};
use super::{Py, gil};

/// An interpreter that is not the main one. It lives until [`Interpreter::end`].
#[derive(Debug)]
pub(crate) struct Interpreter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    raw: *mut c_void,
    ended: AtomicBool,
    /// The one that Python made with it. Python 3.11 has a place for it in the interpreter, which it cannot fill again where
    /// all states are gone, so this one stays until the end.
    first: State,
    /// Of all threads.
    states: Mutex<Vec<State>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State(*mut PyThreadState);

// SAFETY: the pointers are only handed to Python, by the threads that may; the interpreter lives until all users are gone.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}
// SAFETY: as above.
unsafe impl Send for State {}

thread_local! {
    static STATES: RefCell<Vec<(Arc<Inner>, State)>> = const { RefCell::new(Vec::new()) };
}

impl Interpreter {
    /// A new one, with `site` imported. `None` where Python has no memory for it.
    pub(crate) fn new(_py: Py<'_>) -> Option<Self> {
        find_gilstate();
        // SAFETY: the lock is held, and held again after each call; afterwards the state is what it was before.
        let (state, raw) = unsafe {
            let before = (table().PyThreadState_Get)();
            let state = (table().Py_NewInterpreter)();
            let raw = match state.is_null() {
                false => (table().PyThreadState_GetInterpreter)(state),
                true => std::ptr::null_mut(),
            };
            swap(State(before));
            (State(state), raw)
        };
        if state.0.is_null() {
            return None;
        }
        let states = Mutex::new(vec![state]);
        let inner = Arc::new(Inner { raw, ended: AtomicBool::new(false), first: state, states });
        STATES.with_borrow_mut(|own| own.push((Arc::clone(&inner), state)));
        Some(Self(inner))
    }

    /// Runs `work` in this interpreter. Python may run other threads at its begin and its end.
    ///
    /// The result is `Send`, so that no object leaves it by mistake.
    pub(crate) fn enter<R: Send>(&self, _py: Py<'_>, work: impl FnOnce(Py<'_>) -> R) -> R {
        struct Back(State);
        impl Drop for Back {
            fn drop(&mut self) {
                // SAFETY: the lock is held, and the state is this thread's.
                unsafe { swap(self.0) };
            }
        }
        let state = self.own_state();
        // SAFETY: the lock is held, and the state is this thread's.
        let _back = Back(unsafe { swap(state) });
        // SAFETY: the lock is held until `work` returns.
        work(unsafe { Py::assume() })
    }

    /// As [`Interpreter::enter`], for a thread that does not hold the lock: up to Python 3.12 a thread that runs in one
    /// interpreter gives the lock only to threads that want to run in the same one, unless it waits for something.
    pub(crate) fn visit<R: Send>(&self, work: impl FnOnce(Py<'_>) -> R) -> R {
        if gil::held() {
            return gil::keep(|py| self.enter(py, work));
        }
        // SAFETY: the state is this thread's.
        let result = unsafe { gil::visit(self.own_state().0, work) };
        note_gilstate(State(gil::main_state()));
        result
    }

    /// Ends the interpreter. No other thread is in it, and none of the application lives (Python would end the process).
    pub(crate) fn end(self, _py: Py<'_>) {
        let state = self.own_state();
        self.0.ended.store(true, Ordering::Relaxed);
        // SAFETY: the lock is held. The states of other threads are not in use, and those threads do not touch them any more:
        // the mark above is set while none of them can run. From 3.12 on the lock is free after the end.
        unsafe {
            let before = swap(state);
            let others = std::mem::take(&mut *self.0.states.lock());
            for other in others.into_iter().filter(|other| *other != state) {
                (table().PyThreadState_Clear)(other.0);
                (table().PyThreadState_Delete)(other.0);
            }
            (table().Py_EndInterpreter)(state.0);
            if minor_version() >= 12 {
                (table().PyEval_RestoreThread)(before.0);
                note_gilstate(before);
            } else {
                swap(before);
            }
        }
        STATES.with_borrow_mut(|own| own.retain(|(inner, _)| !inner.ended.load(Ordering::Relaxed)));
    }

    /// This thread's state, made where there is none.
    fn own_state(&self) -> State {
        STATES.with_borrow_mut(|own| {
            if let Some((_, state)) = own.iter().find(|(inner, _)| Arc::ptr_eq(inner, &self.0)) {
                return *state;
            }
            own.retain(|(inner, _)| !inner.ended.load(Ordering::Relaxed));
            // SAFETY: the interpreter lives. Making a state needs no lock.
            let state = State(unsafe { (table().PyThreadState_New)(self.0.raw) });
            self.0.states.lock().push(state);
            own.push((Arc::clone(&self.0), state));
            state
        })
    }
}

/// Whether a thread that waits for the GIL asks those of all interpreters for it, not only those of its own.
pub(crate) fn waiters_ask_all() -> bool {
    minor_version() >= 13
}

/// Whether this thread has states in interpreters other than the main one.
pub(super) fn has_states() -> bool {
    STATES.with_borrow(|own| !own.is_empty())
}

/// Deletes this thread's states in all interpreters but the main one.
pub(super) fn leave_all(_py: Py<'_>) {
    for (inner, state) in STATES.take() {
        if inner.ended.load(Ordering::Relaxed) || state == inner.first {
            continue;
        }
        inner.states.lock().retain(|other| *other != state);
        // SAFETY: the lock is held, the interpreter lives and the state is this thread's. What it holds is dropped in its
        // own interpreter.
        unsafe {
            let before = swap(state);
            (table().PyThreadState_Clear)(state.0);
            swap(before);
            (table().PyThreadState_Delete)(state.0);
        }
    }
}

/// After a fork: Python has destroyed all interpreters but the main one.
pub(super) fn forget_all() {
    STATES.take();
}

/// Makes a state the current one.
///
/// # Safety
/// The lock is held, and the state is this thread's.
unsafe fn swap(state: State) -> State {
    // SAFETY: the caller's word.
    let before = State(unsafe { (table().PyThreadState_Swap)(state.0) });
    note_gilstate(state);
    before
}

/// Where Python up to 3.11 keeps the state that `PyGILState_Ensure` takes.
static GILSTATE: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();

/// Finds that place: the thread local of the process that holds this thread's first state. No call gives it away.
fn find_gilstate() {
    GILSTATE.get_or_init(|| {
        /// `PTHREAD_KEYS_MAX` of glibc.
        const KEYS: libc::pthread_key_t = 1_024;
        let main = gil::main_state().cast::<c_void>();
        if minor_version() >= 12 || main.is_null() {
            return None;
        }
        // SAFETY: glibc answers null for a key that does not exist.
        (0..KEYS).find(|key| unsafe { libc::pthread_getspecific(*key) } == main)
    });
}

fn note_gilstate(state: State) {
    if let Some(Some(key)) = GILSTATE.get() {
        // SAFETY: Python's own key, which it never deletes, and a value of its own kind.
        unsafe { libc::pthread_setspecific(*key, state.0.cast()) };
    }
}
