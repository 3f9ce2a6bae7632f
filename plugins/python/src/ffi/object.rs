//! References to Python objects, and the operations on them.
//!
//! An [`Object`] owns a reference, a [`Ref`] borrows one. Every operation takes the token [`Py`]; dropping an
//! `Object` needs the lock too, which holds because closures that run without it (`gil::released`) contain
//! none and handlers drop theirs under the lock.

use std::ffi::c_char;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

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
#[repr(C)]
struct Head {
    references: isize,
    kind: *mut PyObject,
}

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
    // SAFETY: the layout was checked at start. From 3.12 on an immortal object is one whose lower half is
    // negative; before, no count ever gets there.
    unsafe {
        let count = object.as_ptr().cast::<isize>();
        if (*count as i32) < 0 {
            return;
        }
        *count -= 1;
        if *count == 0 {
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
    pub(crate) fn reference_count(&self, _py: Py<'_>) -> usize {
        // SAFETY: the layout was checked at start and the lock is held.
        unsafe { (*self.0.as_ptr().cast::<Head>()).references as usize }
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
        // SAFETY: the object lives and the lock is held; for immortal objects see `release`.
        unsafe {
            let count = self.0.as_ptr().cast::<isize>();
            if (*count as i32) >= 0 {
                *count += 1;
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

    /// An attribute.
    ///
    /// # Errors
    /// `AttributeError` and what else the object raises.
    pub(crate) fn attribute(self, _py: Py<'_>, name: Ref<'_>) -> Result<Object, Raised> {
        // SAFETY: as above; the result is new.
        unsafe { Object::take((table().PyObject_GetAttr)(self.raw(), name.raw())) }
    }

    /// An attribute, `None` where the object has none of this name.
    ///
    /// # Errors
    /// What the object raised other than `AttributeError`.
    pub(crate) fn attribute_if_any(
        self,
        py: Py<'_>,
        name: Ref<'_>,
    ) -> Result<Option<Object>, Raised> {
        match self.attribute(py, name) {
            Ok(value) => Ok(Some(value)),
            Err(raised) => raised.unless(py, super::Exception::AttributeError).map(|()| None),
        }
    }

    /// Sets an attribute.
    ///
    /// # Errors
    /// What the object raises.
    pub(crate) fn set_attribute(
        self,
        py: Py<'_>,
        name: &str,
        value: Ref<'_>,
    ) -> Result<(), Raised> {
        let name = py.interned(name)?;
        // SAFETY: as above.
        check(unsafe { (table().PyObject_SetAttr)(self.raw(), name.borrowed().raw(), value.raw()) })
    }

    /// Calls it with positional arguments.
    ///
    /// # Errors
    /// What it raises.
    #[inline]
    pub(crate) fn call(self, _py: Py<'_>, arguments: &[Ref<'_>]) -> Result<Object, Raised> {
        let table = table();
        let list = arguments.as_ptr().cast::<*mut PyObject>(); // `Ref` is a transparent pointer
        let call = table.PyObject_Vectorcall.unwrap_or(table.PyObject_VectorcallDict);
        // SAFETY: the arguments live for the call, and the last parameter of both functions may be null.
        unsafe { Object::take(call(self.raw(), list, arguments.len(), ptr::null_mut())) }
    }

    /// Calls a method.
    ///
    /// # Errors
    /// What it raises, `AttributeError` where there is none of this name.
    pub(crate) fn call_method(
        self,
        py: Py<'_>,
        name: &str,
        arguments: &[Ref<'_>],
    ) -> Result<Object, Raised> {
        self.attribute(py, py.interned(name)?.borrowed())?.borrowed().call(py, arguments)
    }

    /// An iterator over it.
    ///
    /// # Errors
    /// `TypeError` where it is not iterable.
    pub(crate) fn iterator(self, _py: Py<'_>) -> Result<Object, Raised> {
        // SAFETY: as above; the result is new.
        unsafe { Object::take((table().PyObject_GetIter)(self.raw())) }
    }

    /// The next item of an iterator, `None` at its end.
    ///
    /// # Errors
    /// What it raises.
    pub(crate) fn next(self, _py: Py<'_>) -> Result<Option<Object>, Raised> {
        // SAFETY: as above; the result is new. Null without an exception is the end.
        unsafe {
            match Object::take_optional((table().PyIter_Next)(self.raw())) {
                Some(item) => Ok(Some(item)),
                None if (table().PyErr_Occurred)().is_null() => Ok(None),
                None => Err(Raised::pending()),
            }
        }
    }

    /// `str(self)`, as text; a text that cannot be had is described.
    pub(crate) fn text(self, py: Py<'_>) -> String {
        // SAFETY: as above; the result is new.
        self.describe(py, unsafe { Object::take((table().PyObject_Str)(self.raw())) })
    }

    /// `repr(self)`.
    pub(crate) fn representation(self, py: Py<'_>) -> String {
        // SAFETY: as above; the result is new.
        self.describe(py, unsafe { Object::take((table().PyObject_Repr)(self.raw())) })
    }

    fn describe(self, py: Py<'_>, text: Result<Object, Raised>) -> String {
        text.and_then(|text| text.borrowed().utf8(py).map(str::to_owned)).unwrap_or_else(|raised| {
            raised.forget(py);
            format!("<object at 0x{:x}>", self.address())
        })
    }

    /// A `str` as UTF-8, which lives as long as the `str`.
    ///
    /// # Errors
    /// `TypeError` for something else, `UnicodeEncodeError` for lone surrogates.
    #[inline]
    pub(crate) fn utf8(self, _py: Py<'_>) -> Result<&'a str, Raised> {
        let mut length = 0isize;
        // SAFETY: Python keeps the UTF-8 form within the object, which lives for `'a` and is immutable.
        unsafe {
            let start = (table().PyUnicode_AsUTF8AndSize)(self.raw(), &mut length);
            if start.is_null() {
                return Err(Raised::pending());
            }
            let bytes = std::slice::from_raw_parts(start.cast::<u8>(), length as usize);
            Ok(std::str::from_utf8_unchecked(bytes))
        }
    }

    /// A `str` as a `bytes` object in Latin-1.
    ///
    /// # Errors
    /// `UnicodeEncodeError` for characters outside of it.
    pub(crate) fn latin1_object(self, _py: Py<'_>) -> Result<Object, Raised> {
        // SAFETY: as above; the result is new.
        unsafe { Object::take((table().PyUnicode_AsLatin1String)(self.raw())) }
    }

    /// `bytes(self)` for anything with the buffer protocol or `__bytes__`.
    ///
    /// # Errors
    /// `TypeError`.
    pub(crate) fn bytes_object(self, _py: Py<'_>) -> Result<Object, Raised> {
        // SAFETY: as above; the result is new.
        unsafe { Object::take((table().PyObject_Bytes)(self.raw())) }
    }

    /// Contents of a `bytes`, which is immutable.
    ///
    /// # Errors
    /// `TypeError` for something else.
    #[inline]
    pub(crate) fn bytes(self, _py: Py<'_>) -> Result<&'a [u8], Raised> {
        let (mut start, mut length) = (ptr::null_mut::<c_char>(), 0isize);
        // SAFETY: the contents live as long as the object and never change.
        unsafe {
            check((table().PyBytes_AsStringAndSize)(self.raw(), &mut start, &mut length))?;
            Ok(std::slice::from_raw_parts(start.cast::<u8>(), length as usize))
        }
    }

    /// An `int`.
    ///
    /// # Errors
    /// `TypeError`, `OverflowError`.
    pub(crate) fn integer(self, _py: Py<'_>) -> Result<i64, Raised> {
        // SAFETY: as above.
        let value = unsafe { (table().PyLong_AsLongLong)(self.raw()) };
        // SAFETY: as above.
        if value == -1 && unsafe { !(table().PyErr_Occurred)().is_null() } {
            return Err(Raised::pending());
        }
        Ok(value)
    }

    /// A size: an `int` or anything with `__index__`, clamped to what fits.
    ///
    /// # Errors
    /// `TypeError`.
    pub(crate) fn size_argument(self, _py: Py<'_>) -> Result<isize, Raised> {
        // SAFETY: as above; a null exception means "clamp".
        let value = unsafe { (table().PyNumber_AsSsize_t)(self.raw(), ptr::null_mut()) };
        // SAFETY: as above.
        if value == -1 && unsafe { !(table().PyErr_Occurred)().is_null() } {
            return Err(Raised::pending());
        }
        Ok(value)
    }

    /// Number of items of a `list`; 0 for something else.
    #[inline]
    pub(crate) fn list_len(self, _py: Py<'_>) -> usize {
        if !self.is_list() {
            return 0;
        }
        // SAFETY: as above, and it is a list.
        unsafe { (table().PyList_Size)(self.raw()) as usize }
    }

    /// An item of a `list`. Owned, for Python code may change the list at any time.
    #[inline]
    pub(crate) fn list_item(self, py: Py<'_>, index: usize) -> Option<Object> {
        if index >= self.list_len(py) {
            return None;
        }
        // SAFETY: the index is within the list; the borrowed item is owned at once.
        Some(unsafe { Ref::lend((table().PyList_GetItem)(self.raw(), index as isize)) }.own(py))
    }

    /// Number of items of a `tuple`; 0 for something else.
    #[inline]
    pub(crate) fn tuple_len(self, _py: Py<'_>) -> usize {
        if !self.is_tuple() {
            return 0;
        }
        // SAFETY: as above, and it is a tuple.
        unsafe { (table().PyTuple_Size)(self.raw()) as usize }
    }

    /// An item of a `tuple`, which is immutable.
    #[inline]
    pub(crate) fn tuple_item(self, py: Py<'_>, index: usize) -> Option<Ref<'a>> {
        if index >= self.tuple_len(py) {
            return None;
        }
        // SAFETY: the index is within the tuple, whose items live as long as it does.
        Some(unsafe { Ref::lend((table().PyTuple_GetItem)(self.raw(), index as isize)) })
    }

    /// Sets an item of a `dict`.
    ///
    /// # Errors
    /// What hashing or comparing a key raises.
    #[inline]
    pub(crate) fn set_item(self, _py: Py<'_>, key: Ref<'_>, value: Ref<'_>) -> Result<(), Raised> {
        // SAFETY: as above; the call checks that it is a dict.
        check(unsafe { (table().PyDict_SetItem)(self.raw(), key.raw(), value.raw()) })
    }

    /// An item of a `dict`, owned.
    ///
    /// # Errors
    /// What hashing or comparing a key raises.
    pub(crate) fn item(self, py: Py<'_>, key: Ref<'_>) -> Result<Option<Object>, Raised> {
        // SAFETY: as above; the borrowed result is owned at once.
        unsafe {
            let found = (table().PyDict_GetItemWithError)(self.raw(), key.raw());
            if found.is_null() {
                let failed = !(table().PyErr_Occurred)().is_null();
                return if failed { Err(Raised::pending()) } else { Ok(None) };
            }
            Ok(Some(Ref::lend(found).own(py)))
        }
    }

    /// A shallow copy of a `dict`.
    ///
    /// # Errors
    /// `MemoryError`.
    #[inline]
    pub(crate) fn copy_dict(self, _py: Py<'_>) -> Result<Object, Raised> {
        // SAFETY: as above; the result is new.
        unsafe { Object::take((table().PyDict_Copy)(self.raw())) }
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
