//! Python exceptions.

use super::Py;
use super::object::{Object, Ref};
use super::table::{PyObject, table};

/// The mark of a pending exception: Python's error indicator of this thread is set.
///
/// It must be returned to Python, taken or forgotten.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Raised(());

/// Exceptions that we raise or look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each is Python's of the same name
pub(crate) enum Exception {
    AssertionError,
    AttributeError,
    OSError,
    RuntimeError,
    SystemExit,
    TypeError,
    ValueError,
}

impl Exception {
    fn raw(self) -> *mut PyObject {
        let table = table();
        match self {
            Self::AssertionError => table.PyExc_AssertionError,
            Self::AttributeError => table.PyExc_AttributeError,
            Self::OSError => table.PyExc_OSError,
            Self::RuntimeError => table.PyExc_RuntimeError,
            Self::SystemExit => table.PyExc_SystemExit,
            Self::TypeError => table.PyExc_TypeError,
            Self::ValueError => table.PyExc_ValueError,
        }
    }
}

/// An exception that was taken out of the error indicator.
#[derive(Debug)]
pub(crate) struct Caught {
    /// Its class.
    pub(crate) kind: Object,
    /// The exception itself.
    pub(crate) value: Object,
}

impl Caught {
    /// Whether it is of this class or a derived one.
    pub(crate) fn is(&self, _py: Py<'_>, exception: Exception) -> bool {
        // SAFETY: borrowed call under the lock.
        unsafe {
            (table().PyErr_GivenExceptionMatches)(self.kind.borrowed().raw(), exception.raw()) != 0
        }
    }

    /// As [`Caught::is`], for any class.
    pub(crate) fn is_a(&self, _py: Py<'_>, class: Ref<'_>) -> bool {
        // SAFETY: borrowed call under the lock.
        unsafe {
            (table().PyErr_GivenExceptionMatches)(self.kind.borrowed().raw(), class.raw()) != 0
        }
    }
}

impl Raised {
    /// Python has just reported an exception.
    #[inline]
    pub(super) fn pending() -> Self {
        Self(())
    }

    /// Takes the exception, complete with its traceback.
    pub(crate) fn take(self, py: Py<'_>) -> Caught {
        let (mut kind, mut value, mut traceback) =
            (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the calls fill in references that we own; after normalisation kind and value are set
        // (where none was pending, which would be a defect, they are filled from a new exception).
        unsafe {
            if (table().PyErr_Occurred)().is_null() {
                let _ =
                    py.raise(Exception::RuntimeError, "an error was reported without an exception");
            }
            (table().PyErr_Fetch)(&mut kind, &mut value, &mut traceback);
            (table().PyErr_NormalizeException)(&mut kind, &mut value, &mut traceback);
            if !traceback.is_null() {
                (table().PyException_SetTraceback)(value, traceback);
            }
            drop(Object::take_optional(traceback)); // the exception has it
            let none = || py.none().own(py);
            Caught {
                kind: Object::take_optional(kind).unwrap_or_else(none),
                value: Object::take_optional(value).unwrap_or_else(none),
            }
        }
    }

    /// Drops the exception.
    pub(crate) fn forget(self, _py: Py<'_>) {
        // SAFETY: the lock is held.
        unsafe { (table().PyErr_Clear)() };
    }

    /// Drops the exception where it is of this class, else hands it on.
    ///
    /// # Errors
    /// The exception, of another class.
    pub(crate) fn unless(self, py: Py<'_>, exception: Exception) -> Result<(), Raised> {
        if self.is(py, exception) {
            self.forget(py);
            return Ok(());
        }
        Err(self)
    }

    /// Whether the exception is of this class or a derived one; it stays pending.
    pub(crate) fn is(&self, _py: Py<'_>, exception: Exception) -> bool {
        // SAFETY: the lock is held; the pending class is borrowed for the call.
        unsafe {
            (table().PyErr_GivenExceptionMatches)((table().PyErr_Occurred)(), exception.raw()) != 0
        }
    }

    /// Takes the exception and says it in one line, as `ValueError: no`.
    pub(crate) fn describe(self, py: Py<'_>) -> String {
        let caught = self.take(py);
        let kind = py
            .interned("__name__")
            .and_then(|name| caught.kind.borrowed().attribute(py, name.borrowed()))
            .map_or_else(
                |raised| {
                    raised.forget(py);
                    String::from("Exception")
                },
                |name| name.borrowed().text(py),
            );
        let text = caught.value.borrowed().text(py);
        if text.is_empty() { kind } else { format!("{kind}: {text}") }
    }
}

impl Py<'_> {
    /// Sets an exception with a text.
    pub(crate) fn raise(self, exception: Exception, text: &str) -> Raised {
        match self.text(text) {
            Ok(value) => self.raise_object(exception, value.borrowed()),
            Err(raised) => raised,
        }
    }

    /// Sets an exception with one argument.
    pub(crate) fn raise_object(self, exception: Exception, argument: Ref<'_>) -> Raised {
        // SAFETY: both are borrowed.
        unsafe { (table().PyErr_SetObject)(exception.raw(), argument.raw()) };
        Raised::pending()
    }

    /// Raises an exception that exists already, with this traceback where one is given.
    ///
    /// What is no exception becomes a `TypeError`.
    pub(crate) fn raise_value(self, value: Ref<'_>, traceback: Option<Ref<'_>>) -> Raised {
        if !value.is_exception() {
            return self.raise(Exception::TypeError, "exceptions must derive from BaseException");
        }
        // SAFETY: all are borrowed; the first call checks the traceback's type.
        unsafe {
            if let Some(traceback) = traceback
                && (table().PyException_SetTraceback)(value.raw(), traceback.raw()) < 0
            {
                return Raised::pending();
            }
            (table().PyErr_SetObject)(value.kind(), value.raw());
        }
        Raised::pending()
    }
}
