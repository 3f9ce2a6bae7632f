//! Starting the interpreter.
//!
//! `PyConfig` is laid out differently in every version, so it is not used: the pre-configuration is filled by
//! Python itself (locale coercion and UTF-8 mode as the `python` command has them) and the few settings
//! that remain have calls or variables of their own.

use std::ffi::{CStr, CString, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::library::Library;
use super::object;
use super::table::{PyStatus, Table, install, installed, table};
use super::{Py, gil};

/// How to start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start<'a> {
    /// The shared library.
    pub library: &'a Path,
    /// The version that it must be, as `3.11`.
    pub version: &'a str,
    /// What Python takes as its own executable: it finds its prefix and virtualenv from there.
    pub program: &'a Path,
    /// `PYTHONHOME`, where a prefix was given that is no virtualenv.
    pub home: Option<&'a Path>,
    /// As python's `-O` flags; `None` leaves it to `PYTHONOPTIMIZE`.
    pub optimize: Option<u8>,
}

/// Room for a `PyPreConfig` of any version (40 bytes in 3.9 to 3.13).
#[repr(C, align(16))]
struct PreConfig([u8; 512]);

/// Loads the library and starts its interpreter without signal handlers. The lock is free afterwards.
/// Returns Python's own version text.
///
/// # Errors
/// A text that says what is wrong.
pub(crate) fn start(how: &Start<'_>) -> Result<String, String> {
    if installed().is_some() {
        return Err(String::from("the interpreter is already running"));
    }
    let library = Library::open(how.library)?;
    let found = Table::look_up(&library)
        .map_err(|missing| format!("{} lacks {}", how.library.display(), missing.join(", ")))?;
    // SAFETY: the text is static and terminated; the call needs no interpreter.
    let version = unsafe { CStr::from_ptr((found.Py_GetVersion)()) }.to_string_lossy().into_owned();
    if !version.starts_with(&format!("{}.", how.version)) {
        return Err(format!("{} is Python {version}, not {}", how.library.display(), how.version));
    }
    if version.contains("free-threading") {
        return Err(format!(
            "{} is a free-threaded build of Python, which is not supported yet",
            how.library.display()
        ));
    }
    // SAFETY: the call needs no interpreter.
    if unsafe { (found.Py_IsInitialized)() } != 0 {
        return Err(String::from("the interpreter is already running"));
    }
    install(found);
    initialize(how)?;
    gil::with(object::check_layout)
        .map_err(|reason| format!("Python {version} cannot be used: {reason}"))?;
    Ok(version)
}

fn initialize(how: &Start<'_>) -> Result<(), String> {
    let table = table();
    let mut config = PreConfig([0; 512]);
    let config = std::ptr::from_mut(&mut config).cast();
    // SAFETY: the room is larger and better aligned than any version needs, and Python fills it itself.
    let status = unsafe {
        (table.PyPreConfig_InitPythonConfig)(config);
        (table.Py_PreInitialize)(config)
    };
    failed(status)?;
    let program = wide(how.program)?;
    // SAFETY: both texts are terminated and live for ever, as Python demands. `Py_OptimizeFlag` is an `int`
    // that is read by the start. The calling thread holds the lock after it.
    unsafe {
        (table.Py_SetProgramName)(program);
        if let Some(home) = how.home {
            (table.Py_SetPythonHome)(wide(home)?);
        }
        if let Some(level) = how.optimize {
            *table.Py_OptimizeFlag.cast::<c_int>() = c_int::from(level);
        }
        (table.Py_InitializeEx)(0);
        if (table.Py_IsInitialized)() == 0 {
            return Err(String::from("the interpreter did not start"));
        }
    }
    gil::adopt_first_thread();
    Ok(())
}

fn failed(status: PyStatus) -> Result<(), String> {
    // SAFETY: by value.
    if unsafe { (table().PyStatus_Exception)(status) } == 0 {
        return Ok(());
    }
    if status.message.is_null() {
        return Err(String::from("the interpreter could not be prepared"));
    }
    // SAFETY: a static, terminated text.
    Err(unsafe { CStr::from_ptr(status.message) }.to_string_lossy().into_owned())
}

/// A path as Python's wide text; never freed, because Python keeps the pointer.
fn wide(path: &Path) -> Result<*const libc::wchar_t, String> {
    let refused = || format!("{}: cannot be decoded", path.display());
    let text = CString::new(path.as_os_str().as_bytes()).map_err(|_| refused())?;
    // SAFETY: terminated; the length is not asked for.
    let wide = unsafe { (table().Py_DecodeLocale)(text.as_ptr(), std::ptr::null_mut()) };
    if wide.is_null() { Err(refused()) } else { Ok(wide) }
}

/// Second part of the version of the Python that runs: 11 of 3.11.
pub(crate) fn minor_version() -> u32 {
    // SAFETY: the text is static and terminated.
    let version = unsafe { CStr::from_ptr((table().Py_GetVersion)()) }.to_string_lossy();
    let minor = version.split('.').nth(1);
    minor.and_then(|minor| minor.parse().ok()).unwrap_or_default()
}

impl Py<'_> {
    /// Address of the current interpreter, as the start-up lines show it.
    pub(crate) fn interpreter_address(self) -> usize {
        // SAFETY: the lock is held.
        unsafe { (table().PyInterpreterState_Get)() as usize }
    }
}
