//! Native types and functions: Python objects whose fields and methods are Rust.

use std::any::TypeId;
use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use parking_lot::Mutex;

use super::error::{Exception, Raised};
use super::object::{HEAD_SIZE, Object, Ref, check};
use super::table::{
    PyMemberDef, PyMethodDef, PyObject, PyTypeSlot, PyTypeSpec, VectorFunction, table,
};
use super::{Py, gil};

/// The Rust part of a native type. It is shared by all threads under the GIL.
pub(crate) trait Payload: Send + Sync + Sized + 'static {
    /// Full name, as `uwsgi.Input`.
    const NAME: &'static CStr;
    /// What `help()` shows.
    const DOC: &'static CStr;
    /// Whether instances can be called, by [`Payload::call`].
    const CALLABLE: bool = false;
    /// Whether instances are iterators, by [`Payload::next`].
    const ITERATES: bool = false;

    /// Adds the type's methods.
    fn methods(_table: &mut Methods<Self>) {}

    /// A call: positional arguments, then the values of the keyword arguments named in `keywords`.
    ///
    /// # Errors
    /// What is raised.
    fn call(
        &self,
        py: Py<'_>,
        _arguments: &[Ref<'_>],
        _keywords: Option<Ref<'_>>,
    ) -> Result<Object, Raised> {
        Err(py.raise(Exception::TypeError, "not callable"))
    }

    /// The next item, `None` at the end.
    ///
    /// # Errors
    /// What is raised.
    fn next(&self, _py: Py<'_>) -> Result<Option<Object>, Raised> {
        Ok(None)
    }
}

/// A method of a native type.
pub(crate) trait Method<T: Payload> {
    /// Its name.
    const NAME: &'static CStr;
    /// What `help()` shows.
    const DOC: &'static CStr;
    /// The call.
    ///
    /// # Errors
    /// What is raised.
    fn call(py: Py<'_>, this: &T, arguments: &[Ref<'_>]) -> Result<Object, Raised>;
}

/// A function of a module.
pub(crate) trait Function {
    /// Its name.
    const NAME: &'static CStr;
    /// What `help()` shows.
    const DOC: &'static CStr;
    /// The call.
    ///
    /// # Errors
    /// What is raised.
    fn call(py: Py<'_>, arguments: &[Ref<'_>]) -> Result<Object, Raised>;
}

/// Rows of methods under construction.
pub(crate) struct Methods<T> {
    rows: Vec<PyMethodDef>,
    of: PhantomData<T>,
}

const METH_FASTCALL: c_int = 0x0080;
const T_PYSSIZET: c_int = 19;
const READONLY: c_int = 1;

impl<T: Payload> Methods<T> {
    /// Adds a method.
    pub(crate) fn add<M: Method<T>>(&mut self) {
        self.rows.push(PyMethodDef {
            name: M::NAME.as_ptr(),
            entry: Some(method_entry::<T, M>),
            flags: METH_FASTCALL,
            doc: M::DOC.as_ptr(),
        });
    }
}

/// An instance in memory. All types have a place for the vectorcall entry, so that the offset is one.
#[repr(C)]
struct Instance<T> {
    head: [u8; HEAD_SIZE],
    vectorcall: Option<VectorFunction>,
    payload: T,
}

/// A native type.
pub(crate) struct Class<T> {
    kind: Object,
    of: PhantomData<T>,
}

impl<T: Payload> std::fmt::Debug for Class<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Class({:?})", T::NAME)
    }
}

impl<T: Payload> Class<T> {
    /// Where instances have their vectorcall entry.
    const MEMBERS: &'static [PyMemberDef; 2] = &[
        PyMemberDef {
            name: c"__vectorcalloffset__".as_ptr(),
            kind: T_PYSSIZET,
            offset: offset_of!(Instance<T>, vectorcall) as isize,
            flags: READONLY,
            doc: ptr::null(),
        },
        PyMemberDef { name: ptr::null(), kind: 0, offset: 0, flags: 0, doc: ptr::null() },
    ];

    /// Makes the type. Its tables live for ever.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn new(_py: Py<'_>) -> Result<Self, Raised> {
        const SLOT_CALL: c_int = 50;
        const SLOT_DEALLOC: c_int = 52;
        const SLOT_DOC: c_int = 56;
        const SLOT_ITER: c_int = 62;
        const SLOT_ITERNEXT: c_int = 63;
        const SLOT_METHODS: c_int = 64;
        const SLOT_NEW: c_int = 65;
        const SLOT_MEMBERS: c_int = 72;
        /// Heap types cannot be assigned to other objects' `__class__` (3.10 and later know the flag).
        const IMMUTABLE: u32 = 1 << 8;
        const HAVE_VECTORCALL: u32 = 1 << 11;

        let methods = lasting::<T>(|rows| {
            let mut methods = Methods { rows: std::mem::take(rows), of: PhantomData::<T> };
            T::methods(&mut methods);
            *rows = methods.rows;
        });
        let mut slots = vec![
            slot(SLOT_DEALLOC, deallocate::<T> as *mut c_void),
            slot(SLOT_NEW, refuse_new as *mut c_void),
            slot(SLOT_DOC, T::DOC.as_ptr().cast_mut().cast()),
            slot(SLOT_METHODS, methods.cast()),
        ];
        let mut flags = IMMUTABLE;
        if T::CALLABLE {
            flags |= HAVE_VECTORCALL;
            slots.push(slot(SLOT_CALL, table().PyVectorcall_Call as *mut c_void));
            slots.push(slot(SLOT_MEMBERS, Self::MEMBERS.as_ptr().cast_mut().cast()));
        }
        if T::ITERATES {
            slots.push(slot(SLOT_ITER, iter_self as *mut c_void));
            slots.push(slot(SLOT_ITERNEXT, iter_next::<T> as *mut c_void));
        }
        slots.push(slot(0, ptr::null_mut()));
        let mut spec = PyTypeSpec {
            name: T::NAME.as_ptr(),
            basic_size: size_of::<Instance<T>>() as c_int,
            item_size: 0,
            flags,
            slots: slots.as_mut_ptr(),
        };
        // SAFETY: the tables are terminated and those that Python keeps live for ever.
        let kind = unsafe { Object::take((table().PyType_FromSpec)(&mut spec))? };
        Ok(Self { kind, of: PhantomData })
    }

    /// A new instance.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn instance(&self, _py: Py<'_>, payload: T) -> Result<Object, Raised> {
        // SAFETY: the memory is new and of the type's basic size; its head was filled by the call, and the
        // rest is written before anyone else sees it.
        unsafe {
            let raw = (table().PyType_GenericAlloc)(self.kind.borrowed().raw(), 0);
            if raw.is_null() {
                return Err(Raised::pending());
            }
            let instance = raw.cast::<Instance<T>>();
            (&raw mut (*instance).vectorcall).write(Some(vectorcall_entry::<T>));
            (&raw mut (*instance).payload).write(payload);
            Object::take(raw)
        }
    }
}

fn slot(slot: c_int, value: *mut c_void) -> PyTypeSlot {
    PyTypeSlot { slot, value }
}

/// A table of methods or functions, made once for each `T`: it lives for ever, and all interpreters have it.
fn lasting<T: 'static>(fill: impl FnOnce(&mut Vec<PyMethodDef>)) -> *mut PyMethodDef {
    struct Rows(*mut PyMethodDef);
    // SAFETY: nobody writes the rows after they were made.
    unsafe impl Send for Rows {}
    static TABLES: Mutex<Vec<(TypeId, Rows)>> = Mutex::new(Vec::new());

    let mut tables = TABLES.lock();
    let kind = TypeId::of::<T>();
    if let Some((_, rows)) = tables.iter().find(|(known, _)| *known == kind) {
        return rows.0;
    }
    let mut rows = Vec::new();
    fill(&mut rows);
    rows.push(PyMethodDef { name: ptr::null(), entry: None, flags: 0, doc: ptr::null() });
    let rows = Vec::leak(rows).as_mut_ptr();
    tables.push((kind, Rows(rows)));
    rows
}

/// Adds functions to a module; their table lives for ever.
///
/// # Errors
/// `MemoryError`.
pub(crate) fn add_functions<F: FnOnce(&mut Functions) + 'static>(
    _py: Py<'_>,
    module: Ref<'_>,
    fill: F,
) -> Result<(), Raised> {
    let rows = lasting::<F>(|rows| {
        let mut functions = Functions { rows: std::mem::take(rows) };
        fill(&mut functions);
        *rows = functions.rows;
    });
    // SAFETY: the table is terminated and lives for ever.
    check(unsafe { (table().PyModule_AddFunctions)(module.raw(), rows) })
}

/// Rows of functions under construction.
pub(crate) struct Functions {
    rows: Vec<PyMethodDef>,
}

impl Functions {
    /// Adds a function.
    pub(crate) fn add<F: Function>(&mut self) {
        self.rows.push(PyMethodDef {
            name: F::NAME.as_ptr(),
            entry: Some(function_entry::<F>),
            flags: METH_FASTCALL,
            doc: F::DOC.as_ptr(),
        });
    }
}

/// Runs Rust that Python called: a panic becomes a `RuntimeError`, for it must not cross C.
#[inline(always)]
fn guard(work: impl FnOnce(Py<'_>) -> Result<*mut PyObject, Raised>) -> *mut PyObject {
    gil::entered(|py| {
        let result = catch_unwind(AssertUnwindSafe(|| work(py))).unwrap_or_else(|_| {
            Err(py.raise(Exception::RuntimeError, "internal error of the server (see its log)"))
        });
        result.unwrap_or(ptr::null_mut())
    })
}

/// # Safety
/// Python's: `count` borrowed arguments at `arguments`.
#[inline(always)]
unsafe fn slice<'a>(arguments: *const *mut PyObject, count: usize) -> &'a [Ref<'a>] {
    if count == 0 {
        return &[];
    }
    // SAFETY: `Ref` is a transparent pointer that is not null, and the caller holds the references.
    unsafe { std::slice::from_raw_parts(arguments.cast::<Ref<'a>>(), count) }
}

unsafe extern "C" fn function_entry<F: Function>(
    _module: *mut PyObject,
    arguments: *const *mut PyObject,
    count: isize,
) -> *mut PyObject {
    // SAFETY: the calling convention of METH_FASTCALL.
    let arguments = unsafe { slice(arguments, count as usize) };
    guard(|py| F::call(py, arguments).map(Object::into_raw))
}

unsafe extern "C" fn method_entry<T: Payload, M: Method<T>>(
    this: *mut PyObject,
    arguments: *const *mut PyObject,
    count: isize,
) -> *mut PyObject {
    // SAFETY: Python checked that `this` is an instance of the type that the method was added to; it lives
    // for the call.
    let payload = unsafe { &(*this.cast::<Instance<T>>()).payload };
    // SAFETY: the calling convention of METH_FASTCALL.
    let arguments = unsafe { slice(arguments, count as usize) };
    guard(|py| M::call(py, payload, arguments).map(Object::into_raw))
}

unsafe extern "C" fn vectorcall_entry<T: Payload>(
    this: *mut PyObject,
    arguments: *const *mut PyObject,
    count: usize,
    keywords: *mut PyObject,
) -> *mut PyObject {
    /// The flag says that the place before the first argument may be used, which we do not.
    const COUNT_MASK: usize = usize::MAX >> 1;
    let count = count & COUNT_MASK;
    // SAFETY: only instances of the type have this entry, and `this` lives for the call. Keywords are a tuple
    // or null; the values of the keywords follow the positional arguments.
    unsafe {
        let payload = &(*this.cast::<Instance<T>>()).payload;
        let keywords = if keywords.is_null() { None } else { Some(Ref::lend(keywords)) };
        let named = keywords.map_or(0, |names| names.tuple_len(Py::assume()));
        let arguments = slice(arguments, count + named);
        guard(|py| payload.call(py, arguments, keywords).map(Object::into_raw))
    }
}

unsafe extern "C" fn iter_self(this: *mut PyObject) -> *mut PyObject {
    // SAFETY: Python calls with a live object; the result is a new reference.
    unsafe { (table().Py_IncRef)(this) };
    this
}

unsafe extern "C" fn iter_next<T: Payload>(this: *mut PyObject) -> *mut PyObject {
    // SAFETY: as for methods. Null without an exception ends the iteration.
    let payload = unsafe { &(*this.cast::<Instance<T>>()).payload };
    guard(|py| Ok(payload.next(py)?.map_or(ptr::null_mut(), Object::into_raw)))
}

unsafe extern "C" fn refuse_new(
    _kind: *mut PyObject,
    _arguments: *mut PyObject,
    _keywords: *mut PyObject,
) -> *mut PyObject {
    guard(|py| Err(py.raise(Exception::TypeError, "only the server makes these objects")))
}

unsafe extern "C" fn deallocate<T: Payload>(this: *mut PyObject) {
    // SAFETY: the last reference is gone; an instance of a heap type holds one to its type.
    unsafe {
        let kind = Ref::lend(this).kind();
        gil::entered(|_| ptr::drop_in_place(&raw mut (*this.cast::<Instance<T>>()).payload));
        (table().PyObject_Free)(this.cast());
        (table().Py_DecRef)(kind);
    }
}
