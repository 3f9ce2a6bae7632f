//! Making Python objects, and the ones that exist once.

use std::ffi::{CStr, c_char};

use super::Py;
use super::error::Raised;
use super::object::{Object, Ref, check};
use super::table::table;

impl<'gil> Py<'gil> {
    /// `None`.
    #[inline]
    pub(crate) fn none(self) -> Ref<'gil> {
        // SAFETY: lives as long as the interpreter; so do the next two.
        unsafe { Ref::lend(table()._Py_NoneStruct) }
    }

    /// `True` or `False`.
    #[inline]
    pub(crate) fn boolean(self, value: bool) -> Ref<'gil> {
        let table = table();
        // SAFETY: as above.
        unsafe { Ref::lend(if value { table._Py_TrueStruct } else { table._Py_FalseStruct }) }
    }

    /// A `str` from Latin-1 bytes: every byte is a character.
    ///
    /// # Errors
    /// `MemoryError`.
    #[inline]
    pub(crate) fn latin1(self, bytes: &[u8]) -> Result<Object, Raised> {
        // SAFETY: pointer and length belong together; the result is new. So in all that follow.
        unsafe {
            Object::take((table().PyUnicode_DecodeLatin1)(
                bytes.as_ptr().cast(),
                bytes.len() as isize,
                std::ptr::null(),
            ))
        }
    }

    /// A `str`.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn text(self, text: &str) -> Result<Object, Raised> {
        // SAFETY: as above.
        unsafe {
            Object::take((table().PyUnicode_DecodeUTF8)(
                text.as_ptr().cast(),
                text.len() as isize,
                std::ptr::null(),
            ))
        }
    }

    /// A `str` from bytes in the file system's encoding, with surrogates for what does not fit.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn path(self, bytes: &[u8]) -> Result<Object, Raised> {
        // SAFETY: as above.
        unsafe {
            Object::take((table().PyUnicode_DecodeFSDefaultAndSize)(
                bytes.as_ptr().cast(),
                bytes.len() as isize,
            ))
        }
    }

    /// An interned `str`: dictionaries find it by its address.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn interned(self, text: &str) -> Result<Object, Raised> {
        self.intern(self.text(text)?)
    }

    /// The interned form of a `str`.
    ///
    /// # Errors
    /// Never; for use in chains.
    pub(crate) fn intern(self, text: Object) -> Result<Object, Raised> {
        let mut raw = text.into_raw();
        // SAFETY: the call exchanges our reference for one to the interned object.
        unsafe {
            (table().PyUnicode_InternInPlace)(&mut raw);
            Object::take(raw)
        }
    }

    /// A `bytes`.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<Object, Raised> {
        // SAFETY: as above.
        unsafe {
            Object::take((table().PyBytes_FromStringAndSize)(
                bytes.as_ptr().cast::<c_char>(),
                bytes.len() as isize,
            ))
        }
    }

    /// An `int`.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn integer(self, value: i64) -> Result<Object, Raised> {
        // SAFETY: as above.
        unsafe { Object::take((table().PyLong_FromLongLong)(value)) }
    }

    /// An `int`.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn unsigned(self, value: u64) -> Result<Object, Raised> {
        // SAFETY: as above.
        unsafe { Object::take((table().PyLong_FromUnsignedLongLong)(value)) }
    }

    /// An empty `dict`.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn dict(self) -> Result<Object, Raised> {
        // SAFETY: as above.
        unsafe { Object::take((table().PyDict_New)()) }
    }

    /// An empty `dict` with room for `items`, where this libpython can make one.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn roomy_dict(self, items: usize) -> Result<Object, Raised> {
        match table()._PyDict_NewPresized {
            // SAFETY: as above.
            Some(make) => unsafe { Object::take(make(items as isize)) },
            None => self.dict(),
        }
    }

    /// A `list` of these items.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn list(self, items: Vec<Object>) -> Result<Object, Raised> {
        // SAFETY: the list is new, every place is filled once, and the calls take the references over.
        unsafe {
            let list = Object::take((table().PyList_New)(items.len() as isize))?;
            for (index, item) in items.into_iter().enumerate() {
                check((table().PyList_SetItem)(
                    list.borrowed().raw(),
                    index as isize,
                    item.into_raw(),
                ))?;
            }
            Ok(list)
        }
    }

    /// A `tuple` of these items.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn tuple(self, items: Vec<Object>) -> Result<Object, Raised> {
        // SAFETY: as for lists.
        unsafe {
            let tuple = Object::take((table().PyTuple_New)(items.len() as isize))?;
            for (index, item) in items.into_iter().enumerate() {
                check((table().PyTuple_SetItem)(
                    tuple.borrowed().raw(),
                    index as isize,
                    item.into_raw(),
                ))?;
            }
            Ok(tuple)
        }
    }

    /// Imports a module.
    ///
    /// # Errors
    /// What the import raises.
    pub(crate) fn import(self, name: &CStr) -> Result<Object, Raised> {
        // SAFETY: as above.
        unsafe { Object::take((table().PyImport_ImportModule)(name.as_ptr())) }
    }

    /// The module of this name in `sys.modules`, made empty where there is none.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn add_module(self, name: &CStr) -> Result<Object, Raised> {
        // SAFETY: the result is borrowed from `sys.modules` and owned at once.
        unsafe {
            let module = (table().PyImport_AddModule)(name.as_ptr());
            if module.is_null() {
                return Err(Raised::pending());
            }
            Ok(Ref::lend(module).own(self))
        }
    }

    /// Runs source text as a new module of this name.
    ///
    /// # Errors
    /// `SyntaxError` and what the text raises.
    pub(crate) fn run_module(
        self,
        name: &CStr,
        file: &CStr,
        source: &CStr,
    ) -> Result<Object, Raised> {
        const FILE_INPUT: std::ffi::c_int = 257; // Py_file_input
        // SAFETY: all three are terminated.
        unsafe {
            let code = Object::take((table().Py_CompileString)(
                source.as_ptr(),
                file.as_ptr(),
                FILE_INPUT,
            ))?;
            Object::take((table().PyImport_ExecCodeModule)(name.as_ptr(), code.borrowed().raw()))
        }
    }

    /// An object of the module `sys`.
    pub(crate) fn sys(self, name: &CStr) -> Option<Object> {
        // SAFETY: the result is borrowed and owned at once.
        unsafe {
            let found = (table().PySys_GetObject)(name.as_ptr());
            if found.is_null() { None } else { Some(Ref::lend(found).own(self)) }
        }
    }

    /// Sets an object of the module `sys`.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn set_sys(self, name: &CStr, value: Ref<'_>) -> Result<(), Raised> {
        // SAFETY: borrowed call under the lock.
        check(unsafe { (table().PySys_SetObject)(name.as_ptr(), value.raw()) })
    }
}
