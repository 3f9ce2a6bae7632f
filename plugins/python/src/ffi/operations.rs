//! What can be done with an object: attributes, calls, iteration, contents.
//!
//! In every call of this file the arguments are borrowed for its length and the lock is held; a new reference
//! is owned at once.

use std::ffi::c_char;
use std::ptr;

use super::error::Raised;
use super::object::{Object, Ref, check};
use super::table::{PyObject, table};
use super::{Exception, Py};

impl<'a> Ref<'a> {
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
            Err(raised) => raised.unless(py, Exception::AttributeError).map(|()| None),
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
