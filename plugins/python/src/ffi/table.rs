//! The functions and objects of libpython that we use, looked up by name at run time.
//!
//! Only what CPython 3.9 to 3.13 export alike is required, so one binary serves all of them.

use std::ffi::{c_char, c_int, c_longlong, c_ulong, c_ulonglong, c_void};
use std::sync::OnceLock;

use super::library::Library;

/// A Python object; only ever seen behind a pointer.
#[repr(C)]
pub(super) struct PyObject {
    opaque: [u8; 0],
}

/// A Python thread state; only ever seen behind a pointer.
#[repr(C)]
pub(super) struct PyThreadState {
    opaque: [u8; 0],
}

/// `PyStatus`, by value in the calls that start the interpreter (the same layout since 3.8).
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct PyStatus {
    pub(super) kind: c_int,
    pub(super) function: *const c_char,
    pub(super) message: *const c_char,
    pub(super) exit_code: c_int,
}

/// `PyMethodDef`.
#[repr(C)]
pub(super) struct PyMethodDef {
    pub(super) name: *const c_char,
    pub(super) entry: Option<FastFunction>,
    pub(super) flags: c_int,
    pub(super) doc: *const c_char,
}

/// `PyMemberDef`.
#[repr(C)]
pub(super) struct PyMemberDef {
    pub(super) name: *const c_char,
    pub(super) kind: c_int,
    pub(super) offset: isize,
    pub(super) flags: c_int,
    pub(super) doc: *const c_char,
}

/// `PyType_Slot`.
#[repr(C)]
pub(super) struct PyTypeSlot {
    pub(super) slot: c_int,
    pub(super) value: *mut c_void,
}

/// `PyType_Spec`.
#[repr(C)]
pub(super) struct PyTypeSpec {
    pub(super) name: *const c_char,
    pub(super) basic_size: c_int,
    pub(super) item_size: c_int,
    pub(super) flags: u32,
    pub(super) slots: *mut PyTypeSlot,
}

/// A function of the calling convention `METH_FASTCALL`.
pub(super) type FastFunction =
    unsafe extern "C" fn(*mut PyObject, *const *mut PyObject, isize) -> *mut PyObject;

/// A vectorcall entry: callable, arguments, their number with a flag, names of keyword arguments.
pub(super) type VectorFunction = unsafe extern "C" fn(
    *mut PyObject,
    *const *mut PyObject,
    usize,
    *mut PyObject,
) -> *mut PyObject;

type Obj = *mut PyObject;
type State = *mut PyThreadState;

macro_rules! table {
    (
        functions { $($function:ident: fn($($argument:ty),*) $(-> $result:ty)?;)* }
        optional { $($option:ident: fn($($option_argument:ty),*) $(-> $option_result:ty)?;)* }
        objects { $($object:ident)* }
        pointers { $($pointer:ident)* }
    ) => {
        /// Addresses of everything we use of libpython.
        #[allow(non_snake_case)] // the names are C's
        pub(super) struct Table {
            $(pub(super) $function: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
            $(pub(super) $option: Option<unsafe extern "C" fn($($option_argument),*) $(-> $option_result)?>,)*
            $(pub(super) $object: Obj,)*
            $(pub(super) $pointer: Obj,)*
        }

        impl Table {
            /// Looks everything up.
            ///
            /// # Errors
            /// The names that this libpython does not have.
            #[allow(non_snake_case)] // the names are C's
            pub(super) fn look_up(library: &Library) -> Result<Self, Vec<&'static str>> {
                let mut missing = Vec::new();
                $(let $function = library.require(stringify!($function), &mut missing);)*
                $(let $option = library.symbol(stringify!($option));)*
                $(let $object = library.require(stringify!($object), &mut missing);)*
                $(let $pointer = library.require(stringify!($pointer), &mut missing);)*
                if !missing.is_empty() {
                    return Err(missing);
                }
                Ok(Self {
                    // SAFETY: a found symbol of this name is this function in every supported version.
                    $($function: unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>($function) },)*
                    // SAFETY: as above; `None` is the null pointer.
                    $($option: unsafe { std::mem::transmute::<*mut c_void, Option<unsafe extern "C" fn($($option_argument),*) $(-> $option_result)?>>($option) },)*
                    $($object: $object.cast(),)*
                    // SAFETY: the symbol is a variable that holds a pointer to a static object from load time on.
                    $($pointer: unsafe { *$pointer.cast::<Obj>() },)*
                })
            }
        }
    };
}

table! {
    functions {
        Py_GetVersion: fn() -> *const c_char;
        PyPreConfig_InitPythonConfig: fn(*mut c_void);
        Py_PreInitialize: fn(*const c_void) -> PyStatus;
        PyStatus_Exception: fn(PyStatus) -> c_int;
        Py_DecodeLocale: fn(*const c_char, *mut usize) -> *mut libc::wchar_t;
        Py_SetProgramName: fn(*const libc::wchar_t);
        Py_SetPythonHome: fn(*const libc::wchar_t);
        Py_InitializeEx: fn(c_int);
        Py_IsInitialized: fn() -> c_int;
        PyInterpreterState_Main: fn() -> *mut c_void;
        PyInterpreterState_Get: fn() -> *mut c_void;
        Py_NewInterpreter: fn() -> State;
        Py_EndInterpreter: fn(State);
        PyThreadState_New: fn(*mut c_void) -> State;
        PyThreadState_Get: fn() -> State;
        PyThreadState_GetInterpreter: fn(State) -> *mut c_void;
        PyThreadState_Swap: fn(State) -> State;
        PyThreadState_Delete: fn(State);
        PyThreadState_Clear: fn(State);
        PyThreadState_DeleteCurrent: fn();
        PyThreadState_SetAsyncExc: fn(c_ulong, Obj) -> c_int;
        PyThread_get_thread_ident: fn() -> c_ulong;
        PyEval_SaveThread: fn() -> State;
        PyEval_RestoreThread: fn(State);
        PyOS_BeforeFork: fn();
        PyOS_AfterFork_Parent: fn();
        PyOS_AfterFork_Child: fn();
        PyErr_Fetch: fn(*mut Obj, *mut Obj, *mut Obj);
        PyErr_NormalizeException: fn(*mut Obj, *mut Obj, *mut Obj);
        PyErr_SetObject: fn(Obj, Obj);
        PyErr_Occurred: fn() -> Obj;
        PyErr_Clear: fn();
        PyErr_GivenExceptionMatches: fn(Obj, Obj) -> c_int;
        PyException_SetTraceback: fn(Obj, Obj) -> c_int;
        Py_IncRef: fn(Obj);
        Py_DecRef: fn(Obj);
        PyObject_GetAttr: fn(Obj, Obj) -> Obj;
        PyObject_SetAttr: fn(Obj, Obj, Obj) -> c_int;
        PyObject_VectorcallDict: fn(Obj, *const Obj, usize, Obj) -> Obj;
        PyObject_GetIter: fn(Obj) -> Obj;
        PyIter_Next: fn(Obj) -> Obj;
        PyObject_Str: fn(Obj) -> Obj;
        PyObject_Repr: fn(Obj) -> Obj;
        PyObject_Bytes: fn(Obj) -> Obj;
        PyType_IsSubtype: fn(Obj, Obj) -> c_int;
        PyUnicode_DecodeLatin1: fn(*const c_char, isize, *const c_char) -> Obj;
        PyUnicode_DecodeUTF8: fn(*const c_char, isize, *const c_char) -> Obj;
        PyUnicode_DecodeFSDefaultAndSize: fn(*const c_char, isize) -> Obj;
        PyUnicode_InternInPlace: fn(*mut Obj);
        PyUnicode_AsUTF8AndSize: fn(Obj, *mut isize) -> *const c_char;
        PyUnicode_AsLatin1String: fn(Obj) -> Obj;
        PyBytes_FromStringAndSize: fn(*const c_char, isize) -> Obj;
        PyBytes_AsStringAndSize: fn(Obj, *mut *mut c_char, *mut isize) -> c_int;
        PyLong_FromLongLong: fn(c_longlong) -> Obj;
        PyLong_FromUnsignedLongLong: fn(c_ulonglong) -> Obj;
        PyLong_AsLongLong: fn(Obj) -> c_longlong;
        PyNumber_AsSsize_t: fn(Obj, Obj) -> isize;
        PyDict_New: fn() -> Obj;
        PyDict_Copy: fn(Obj) -> Obj;
        PyDict_SetItem: fn(Obj, Obj, Obj) -> c_int;
        PyDict_GetItemWithError: fn(Obj, Obj) -> Obj;
        PyList_New: fn(isize) -> Obj;
        PyList_Size: fn(Obj) -> isize;
        PyList_GetItem: fn(Obj, isize) -> Obj;
        PyList_SetItem: fn(Obj, isize, Obj) -> c_int;
        PyTuple_New: fn(isize) -> Obj;
        PyTuple_Size: fn(Obj) -> isize;
        PyTuple_GetItem: fn(Obj, isize) -> Obj;
        PyTuple_SetItem: fn(Obj, isize, Obj) -> c_int;
        PyImport_ImportModule: fn(*const c_char) -> Obj;
        PyImport_AddModule: fn(*const c_char) -> Obj;
        PyImport_ExecCodeModule: fn(*const c_char, Obj) -> Obj;
        PyModule_AddFunctions: fn(Obj, *mut PyMethodDef) -> c_int;
        Py_CompileString: fn(*const c_char, *const c_char, c_int) -> Obj;
        PySys_GetObject: fn(*const c_char) -> Obj;
        PySys_SetObject: fn(*const c_char, Obj) -> c_int;
        PyType_FromSpec: fn(*mut PyTypeSpec) -> Obj;
        PyType_GenericAlloc: fn(Obj, isize) -> Obj;
        PyObject_Free: fn(*mut c_void);
        PyVectorcall_Call: fn(Obj, Obj, Obj) -> Obj;
        _Py_Dealloc: fn(Obj);
    }
    optional {
        PyObject_Vectorcall: fn(Obj, *const Obj, usize, Obj) -> Obj;
        _PyDict_NewPresized: fn(isize) -> Obj;
    }
    objects {
        _Py_NoneStruct _Py_TrueStruct _Py_FalseStruct
        PyBaseObject_Type PyBytes_Type PyUnicode_Type PyList_Type PyTuple_Type PyLong_Type
        Py_OptimizeFlag
    }
    pointers {
        PyExc_AssertionError PyExc_AttributeError PyExc_BaseException PyExc_OSError PyExc_RuntimeError PyExc_SystemExit
        PyExc_TypeError PyExc_ValueError
    }
}

static TABLE: OnceLock<Table> = OnceLock::new();

/// Keeps the table for ever; a second one is ignored (the process has one interpreter).
pub(super) fn install(table: Table) {
    let _ = TABLE.set(table);
}

/// The table. Callers hold a [`super::Py`] or an [`super::Object`], or are called by Python itself: all
/// of these exist only after [`install`].
#[inline(always)]
pub(super) fn table() -> &'static Table {
    debug_assert!(TABLE.get().is_some());
    // SAFETY: see above; `install` happened before any caller could exist.
    unsafe { TABLE.get().unwrap_unchecked() }
}

/// The table, where there is one.
pub(super) fn installed() -> Option<&'static Table> {
    TABLE.get()
}

// SAFETY: the pointers are to functions and static objects of a library that is never unloaded.
unsafe impl Send for Table {}
// SAFETY: as above; the table is never written after it was made.
unsafe impl Sync for Table {}
