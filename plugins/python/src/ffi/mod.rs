//! All contact with libpython: the only files of this plugin with `unsafe` code.
//!
//! What leaves this folder is safe to use: a token that proves the GIL ([`Py`]), owned and borrowed
//! references ([`Object`], [`Ref`]), exceptions as results ([`Raised`]), native types and functions
//! ([`Class`], [`Function`]) and the lending of a running request to them ([`Exchange`]).
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::sync::OnceLock;

mod asynchronous;
mod error;
mod exchange;
mod gil;
mod init;
mod interpreter;
mod library;
mod make;
mod native;
mod object;
mod operations;
mod system;
mod table;

pub(crate) use asynchronous::{Ident, raise_in, this_thread, withdraw};
pub(crate) use error::{Caught, Exception, Raised};
pub(crate) use exchange::{Absent, Exchange, Loan};
pub(crate) use exchange::{fill, wait};
pub(crate) use gil::{
    Py, after_fork_child, after_fork_parent, before_fork, held, keep, leave_thread, park, pause,
    with,
};
pub(crate) use init::{Start, minor_version, start};
pub(crate) use interpreter::{Interpreter, waiters_ask_all};
pub(crate) use native::{Class, Function, Method, Methods, Payload, add_functions};
pub(crate) use object::{Object, Ref};
pub(crate) use system::{
    duplicate, interrupt_signal, kernel_thread, let_through, send_to_thread, stack_dump_signal,
};

/// A value that is set once and read under the GIL, wherever it lives. Dropped without the GIL (at the end of
/// the process) it leaves its objects to the interpreter.
#[derive(Debug)]
pub(crate) struct Kept<T>(OnceLock<ManuallyDrop<T>>);

// SAFETY: the value can only be reached with a token or dropped under the lock, so the GIL orders all access.
unsafe impl<T> Send for Kept<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Kept<T> {}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.get_mut().filter(|_| gil::held()) {
            // SAFETY: nobody can reach it any more.
            unsafe { ManuallyDrop::drop(value) };
        }
    }
}

impl<T> Kept<T> {
    /// Without a value.
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The value, where it was set.
    #[inline]
    pub(crate) fn get(&self, _py: Py<'_>) -> Option<&T> {
        self.0.get().map(|value| &**value)
    }

    /// Takes the value out, to be dropped where its objects belong.
    pub(crate) fn take(&mut self, _py: Py<'_>) -> Option<T> {
        self.0.take().map(ManuallyDrop::into_inner)
    }

    /// Sets the value, once; later ones are dropped.
    pub(crate) fn set(&self, _py: Py<'_>, value: T) {
        if let Err(value) = self.0.set(ManuallyDrop::new(value)) {
            drop(ManuallyDrop::into_inner(value));
        }
    }
}
