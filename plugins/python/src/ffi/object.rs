//! References to Python objects, and the operations on them.
//!
//! An [`Object`] owns a reference, a [`Ref`] borrows one. Every operation takes the token [`Py`]; dropping an
//! `Object` needs the lock too, which holds because closures that run without it (`gil::released`) contain
//! none and handlers drop theirs under the lock.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::error::Raised;
use super::table::{PyObject, table};
use super::{Py, gil};

/// An owned reference.
#[repr(transparent)]
pub(crate) struct Object(NonNull<PyObject>);

/// A borrowed reference to an object that lives at least for `'a`.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Ref<'a>(NonNull<PyObject>, PhantomData<&'a Object>);

/// What an object begins with in every build with a GIL (checked at start, see [`check_layout`]).
///
/// Up to 3.11 the count is a word; since 3.12 an immortal object is one whose lower half is negative, and since 3.14
/// the upper half is something else. The lower half alone is a count in all of them: none gets near its end.
#[repr(C)]
struct Head {
    #[cfg(target_endian = "big")]
    upper: u32,
    references: u32,
    #[cfg(target_endian = "little")]
    upper: u32,
    kind: *mut PyObject,
}

const IMMORTAL: u32 = 1 << 31;

/// Bytes of [`Head`]; a native object's own fields follow.
pub(super) const HEAD_SIZE: usize = size_of::<Head>();

impl Drop for Object {
    #[inline]
    fn drop(&mut self) {
        debug_assert!(gil::held());
        // SAFETY: the reference is ours and the lock is held.
        unsafe { release(self.0) };
    }
}

/// Gives a reference back.
///
/// # Safety
/// The caller owns it and holds the lock.
#[inline(always)]
unsafe fn release(object: NonNull<PyObject>) {
    // SAFETY: the layout was checked at start.
    unsafe {
        let head = object.as_ptr().cast::<Head>();
        if (*head).references & IMMORTAL != 0 {
            return;
        }
        (*head).references -= 1;
        if (*head).references == 0 {
            (table()._Py_Dealloc)(object.as_ptr());
        }
    }
}

impl Object {
    /// Takes over a new reference; null means that an exception was set.
    ///
    /// # Safety
    /// `raw` is null or a reference that the caller owns.
    #[inline]
    pub(super) unsafe fn take(raw: *mut PyObject) -> Result<Self, Raised> {
        NonNull::new(raw).map(Self).ok_or(Raised::pending())
    }

    /// Takes over a new reference that may be null without an exception.
    ///
    /// # Safety
    /// As for [`Object::take`].
    pub(super) unsafe fn take_optional(raw: *mut PyObject) -> Option<Self> {
        NonNull::new(raw).map(Self)
    }

    /// The reference as a pointer that the callee owns.
    #[inline]
    pub(super) fn into_raw(self) -> *mut PyObject {
        let raw = self.0.as_ptr();
        std::mem::forget(self);
        raw
    }

    /// The same object, borrowed.
    #[inline]
    pub(crate) fn borrowed(&self) -> Ref<'_> {
        Ref(self.0, PhantomData)
    }

    /// Another owned reference.
    #[inline]
    pub(crate) fn share(&self, py: Py<'_>) -> Object {
        self.borrowed().own(py)
    }

    /// How many references there are: 1 means that nobody but the caller has one.
    #[inline]
    pub(crate) fn reference_count(&self, _py: Py<'_>) -> u32 {
        // SAFETY: the layout was checked at start and the lock is held.
        unsafe { (*self.0.as_ptr().cast::<Head>()).references }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({:p})", self.0)
    }
}

impl fmt::Debug for Ref<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ref({:p})", self.0)
    }
}

impl<'a> Ref<'a> {
    /// A borrowed reference from C.
    ///
    /// # Safety
    /// `raw` is not null and the object lives for `'a`.
    #[inline]
    pub(super) unsafe fn lend(raw: *mut PyObject) -> Ref<'a> {
        debug_assert!(!raw.is_null());
        // SAFETY: the caller's word.
        Ref(unsafe { NonNull::new_unchecked(raw) }, PhantomData)
    }

    /// The pointer, for calls that borrow.
    #[inline]
    pub(super) fn raw(self) -> *mut PyObject {
        self.0.as_ptr()
    }

    /// An owned reference to the same object.
    #[inline]
    pub(crate) fn own(self, _py: Py<'_>) -> Object {
        // SAFETY: the object lives, the lock is held and the layout was checked at start.
        unsafe {
            let head = self.0.as_ptr().cast::<Head>();
            if (*head).references & IMMORTAL == 0 {
                (*head).references += 1;
            }
        }
        Object(self.0)
    }

    /// The object's address, as `id()` gives it.
    pub(crate) fn address(self) -> usize {
        self.0.as_ptr() as usize
    }

    #[inline]
    pub(super) fn kind(self) -> *mut PyObject {
        // SAFETY: the layout was checked at start; a type never changes to something freed while the lock is held.
        unsafe { (*self.0.as_ptr().cast::<Head>()).kind }
    }

    /// Whether the object's type is exactly this one.
    #[inline]
    pub(crate) fn is_exactly(self, kind: Ref<'_>) -> bool {
        self.kind() == kind.raw()
    }

    #[inline]
    fn is_a(self, kind: *mut PyObject) -> bool {
        // SAFETY: both are types.
        self.kind() == kind || unsafe { (table().PyType_IsSubtype)(self.kind(), kind) != 0 }
    }

    /// Whether it is `None`.
    #[inline]
    pub(crate) fn is_none(self) -> bool {
        self.raw() == table()._Py_NoneStruct
    }

    /// Whether it is a `bytes`.
    #[inline]
    pub(crate) fn is_bytes(self) -> bool {
        self.is_a(table().PyBytes_Type)
    }

    /// Whether it is a `str`.
    #[inline]
    pub(crate) fn is_str(self) -> bool {
        self.is_a(table().PyUnicode_Type)
    }

    /// Whether it is a `list`.
    #[inline]
    pub(crate) fn is_list(self) -> bool {
        self.is_a(table().PyList_Type)
    }

    /// Whether it is a `tuple`.
    #[inline]
    pub(crate) fn is_tuple(self) -> bool {
        self.is_a(table().PyTuple_Type)
    }

    /// Whether it is a `list` and of no derived class, which could have its own `__iter__` and `close`.
    #[inline]
    pub(crate) fn is_plain_list(self) -> bool {
        self.kind() == table().PyList_Type
    }

    /// As [`Ref::is_plain_list`], for `tuple`.
    #[inline]
    pub(crate) fn is_plain_tuple(self) -> bool {
        self.kind() == table().PyTuple_Type
    }

    /// As [`Ref::is_plain_list`], for `bytes`.
    #[inline]
    pub(crate) fn is_plain_bytes(self) -> bool {
        self.kind() == table().PyBytes_Type
    }

    /// Whether it is an `int` (a `bool` is one).
    pub(crate) fn is_int(self) -> bool {
        self.is_a(table().PyLong_Type)
    }

    /// Whether it is an exception (not a class of exceptions).
    pub(crate) fn is_exception(self) -> bool {
        self.is_a(table().PyExc_BaseException)
    }
}

/// Turns C's 0 and -1 into a result.
#[inline]
pub(super) fn check(code: std::ffi::c_int) -> Result<(), Raised> {
    if code < 0 { Err(Raised::pending()) } else { Ok(()) }
}

/// Makes sure that objects begin as [`Head`] says.
///
/// # Errors
/// What is different, as text.
pub(super) fn check_layout(py: Py<'_>) -> Result<(), String> {
    let unlike =
        || String::from("its objects are laid out in an unknown way (a free-threaded build?)");
    let probe = py.bytes(b"layout").map_err(|raised| raised.describe(py))?;
    let head = probe.0.as_ptr().cast::<Head>();
    // SAFETY: the object is at least two words long in every build; only plain words are read.
    let (count, kind) = unsafe { ((*head).references, (*head).kind) };
    // SAFETY: a new reference that is given back by its own call.
    let raised_count = unsafe {
        (table().Py_IncRef)(probe.0.as_ptr());
        let raised = (*head).references;
        (table().Py_DecRef)(probe.0.as_ptr());
        raised
    };
    if count != 1 || raised_count != 2 || kind != table().PyBytes_Type {
        std::mem::forget(probe); // its count is not where we would write
        return Err(unlike());
    }
    // SAFETY: a static type of the interpreter.
    let base = unsafe { Ref::lend(table().PyBaseObject_Type) };
    let size = py
        .interned("__basicsize__")
        .and_then(|name| base.attribute(py, name.borrowed()))
        .and_then(|size| size.borrowed().integer(py))
        .map_err(|raised| raised.describe(py))?;
    if size == HEAD_SIZE as i64 { Ok(()) } else { Err(unlike()) }
}
