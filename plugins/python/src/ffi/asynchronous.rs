//! Exceptions that one thread raises in another.

use std::ffi::c_ulong;

use super::Py;
use super::object::Ref;
use super::table::table;

/// A thread, as Python names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ident(c_ulong);

/// The calling thread.
pub(crate) fn this_thread(_py: Py<'_>) -> Ident {
    // SAFETY: a call without arguments.
    Ident(unsafe { (table().PyThread_get_thread_ident)() })
}

/// Raises an exception of this class in a thread, at the next step of Python code that it makes. False where
/// Python does not know the thread.
pub(crate) fn raise_in(_py: Py<'_>, thread: Ident, class: Ref<'_>) -> bool {
    // SAFETY: the lock is held, and the call takes a reference of its own.
    unsafe { (table().PyThreadState_SetAsyncExc)(thread.0, class.raw()) > 0 }
}

/// Takes back what was raised in a thread and not seen by it yet.
pub(crate) fn withdraw(_py: Py<'_>, thread: Ident) {
    // SAFETY: the lock is held; a null exception clears.
    unsafe { (table().PyThreadState_SetAsyncExc)(thread.0, std::ptr::null_mut()) };
}
