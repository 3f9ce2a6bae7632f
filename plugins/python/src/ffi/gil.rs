//! Who may touch Python: the token, the thread states, and the places where the lock is given back.
//!
//! A thread has one Python thread state for life, made at its first use, and one for each further interpreter
//! (`interpreter`). [`Py`] is the proof that this thread holds the lock; it is only ever lent for the length of a closure.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;

use super::interpreter;
use super::table::{PyThreadState, installed, table};

/// Proof that this thread holds the GIL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Py<'gil> {
    _lent: PhantomData<&'gil ()>,
    _this_thread_only: PhantomData<*mut ()>,
}

impl Py<'_> {
    /// # Safety
    /// This thread holds the GIL for as long as the token is used.
    pub(super) unsafe fn assume<'gil>() -> Py<'gil> {
        Py { _lent: PhantomData, _this_thread_only: PhantomData }
    }
}

struct Thread {
    state: Cell<*mut PyThreadState>,
    held: Cell<bool>,
    /// Closures that run with a token; the lock must not be given back under them.
    depth: Cell<u32>,
    /// The state is the interpreter's first one, which is never deleted.
    first: Cell<bool>,
}

thread_local! {
    static THREAD: Thread = const {
        Thread {
            state: Cell::new(ptr::null_mut()),
            held: Cell::new(false),
            depth: Cell::new(0),
            first: Cell::new(false),
        }
    };
}

impl Thread {
    fn attach(&self) {
        let table = installed().expect("the interpreter is started before anything else is called");
        if self.state.get().is_null() {
            // SAFETY: the interpreter runs (the table is installed when it was started), and making a state
            // needs no lock.
            self.state.set(unsafe { (table.PyThreadState_New)((table.PyInterpreterState_Main)()) });
        }
        // SAFETY: the state belongs to this thread, which does not hold the lock now.
        unsafe { (table.PyEval_RestoreThread)(self.state.get()) };
        self.held.set(true);
    }

    fn detach(&self) {
        self.held.set(false);
        // SAFETY: this thread holds the lock with its own state.
        unsafe { (table().PyEval_SaveThread)() };
    }
}

/// The calling thread has just started the interpreter and holds its lock.
pub(super) fn adopt_first_thread() {
    THREAD.with(|thread| {
        // SAFETY: the lock is held; saving and restoring only tells us the state's address.
        let state = unsafe { (table().PyEval_SaveThread)() };
        thread.state.set(state);
        thread.first.set(true);
        thread.held.set(false);
    });
}

/// Runs `work` with the lock and gives it back afterwards, unless the thread held it before.
///
/// The result is `Send`, so that no Python object leaves the closure: it would be dropped without the lock.
pub(crate) fn with<R: Send>(work: impl FnOnce(Py<'_>) -> R) -> R {
    let held_before = THREAD.with(|thread| thread.held.get());
    let result = keep(work);
    if !held_before {
        park();
    }
    result
}

/// Runs `work` with the lock and keeps it: the next call of this thread finds it held.
pub(crate) fn keep<R: Send>(work: impl FnOnce(Py<'_>) -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            THREAD.with(|thread| thread.depth.set(thread.depth.get() - 1));
        }
    }
    THREAD.with(|thread| {
        if !thread.held.get() {
            thread.attach();
        }
        thread.depth.set(thread.depth.get() + 1);
    });
    let _leave = Leave;
    // SAFETY: the lock is held and `park` does nothing while `depth` is not zero.
    work(unsafe { Py::assume() })
}

/// Runs Rust that Python called: the lock is held, whoever took it (a thread of the application has a state
/// that Python made).
#[inline(always)]
pub(super) fn entered<R>(work: impl FnOnce(Py<'_>) -> R) -> R {
    let before = THREAD.with(|thread| thread.held.replace(true));
    // SAFETY: Python calls with the lock held, and it stays so until `work` returns.
    let result = work(unsafe { Py::assume() });
    THREAD.with(|thread| thread.held.set(before));
    result
}

/// Gives the lock back, where this thread holds it outside of any closure of [`with`] and [`keep`].
pub(crate) fn park() {
    THREAD.with(|thread| {
        if thread.held.get() && thread.depth.get() == 0 {
            thread.detach();
        }
    });
}

/// Whether this thread holds the lock.
pub(crate) fn held() -> bool {
    THREAD.with(|thread| thread.held.get())
}

/// Runs `work` without the lock and takes it again.
///
/// # Safety
/// `work` uses no Python object and no memory that other threads may change or free with the lock.
pub(super) unsafe fn released<R>(_py: Py<'_>, work: impl FnOnce() -> R) -> R {
    struct Return {
        state: *mut PyThreadState,
        depth: u32,
    }
    impl Drop for Return {
        fn drop(&mut self) {
            // SAFETY: the state is this thread's own, saved below.
            unsafe { (table().PyEval_RestoreThread)(self.state) };
            THREAD.with(|thread| {
                thread.depth.set(self.depth);
                thread.held.set(true);
            });
        }
    }
    let _return = THREAD.with(|thread| {
        thread.held.set(false);
        // SAFETY: the token says that the lock is held. The state may be one that Python made for a thread
        // of the application, which is why it is not looked up here.
        let state = unsafe { (table().PyEval_SaveThread)() };
        Return { state, depth: thread.depth.replace(0) }
    });
    work()
}

/// Runs `work` without the lock and takes it again: for waits.
///
/// What is `Send` has no Python object in it, and no token.
pub(crate) fn pause<R: Send>(py: Py<'_>, work: impl FnOnce() -> R + Send) -> R {
    // SAFETY: see above.
    unsafe { released(py, work) }
}

/// Takes the lock with another state of this thread, which does not hold it, for as long as `work` runs.
///
/// # Safety
/// `state` is this thread's own.
pub(super) unsafe fn visit<R>(state: *mut PyThreadState, work: impl FnOnce(Py<'_>) -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            THREAD.with(|thread| {
                thread.depth.set(thread.depth.get() - 1);
                thread.detach();
            });
        }
    }
    THREAD.with(|thread| {
        // SAFETY: the caller's word.
        unsafe { (table().PyEval_RestoreThread)(state) };
        thread.held.set(true);
        thread.depth.set(thread.depth.get() + 1);
    });
    let _leave = Leave;
    // SAFETY: as in `keep`.
    work(unsafe { Py::assume() })
}

/// This thread's state in the main interpreter, null where it has none.
pub(super) fn main_state() -> *mut PyThreadState {
    THREAD.with(|thread| thread.state.get())
}

/// Deletes this thread's states; the thread is about to end. The interpreter's first thread keeps its own.
pub(crate) fn leave_thread() {
    if interpreter::has_states() {
        with(interpreter::leave_all);
    }
    THREAD.with(|thread| {
        if thread.state.get().is_null() || thread.depth.get() != 0 {
            return;
        }
        if thread.first.get() {
            if thread.held.get() {
                thread.detach();
            }
            return;
        }
        if !thread.held.get() {
            thread.attach();
        }
        let state = thread.state.replace(ptr::null_mut());
        // SAFETY: the state is this thread's and current; after the second call the lock is free.
        unsafe {
            (table().PyThreadState_Clear)(state);
            (table().PyThreadState_DeleteCurrent)();
        }
        thread.held.set(false);
    });
}

/// `PyOS_BeforeFork`; the lock stays taken until one of the next two.
pub(crate) fn before_fork() {
    // SAFETY: the lock is held.
    keep(|_| unsafe { (table().PyOS_BeforeFork)() });
}

/// `PyOS_AfterFork_Parent`.
pub(crate) fn after_fork_parent() {
    // SAFETY: the lock was taken by `before_fork` of this thread.
    keep(|_| unsafe { (table().PyOS_AfterFork_Parent)() });
    park();
}

/// `PyOS_AfterFork_Child`: the states of all other threads are gone, this one is Python's main thread.
pub(crate) fn after_fork_child() {
    // SAFETY: the lock was taken by `before_fork` of this thread, which is the child's only one.
    keep(|_| unsafe { (table().PyOS_AfterFork_Child)() });
    interpreter::forget_all();
    THREAD.with(|thread| thread.first.set(true));
    park();
}
