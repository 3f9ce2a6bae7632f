//! The shared library of an interpreter.

use std::ffi::{CStr, CString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// An open libpython. It is never closed: Python cannot be unloaded.
pub(super) struct Library {
    handle: *mut c_void,
}

impl Library {
    /// Opens a library with all its symbols visible to extension modules, which are linked against none.
    ///
    /// # Errors
    /// The loader's message.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let text = CString::new(path.as_os_str().as_bytes())
            .map_err(|_| format!("{}: a NUL in the path", path.display()))?;
        // SAFETY: a plain call with a terminated path. Loading runs the library's initialisers, which for
        // libpython do nothing.
        let handle = unsafe { libc::dlopen(text.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
        if handle.is_null() { Err(loader_message()) } else { Ok(Self { handle }) }
    }

    /// Address of a symbol, null where there is none.
    pub(super) fn symbol(&self, name: &str) -> *mut c_void {
        let Ok(name) = CString::new(name) else { return std::ptr::null_mut() };
        // SAFETY: the handle is open and the name is terminated.
        unsafe { libc::dlsym(self.handle, name.as_ptr()) }
    }

    /// Address of a symbol; notes it in `missing` where there is none.
    pub(super) fn require(
        &self,
        name: &'static str,
        missing: &mut Vec<&'static str>,
    ) -> *mut c_void {
        let address = self.symbol(name);
        if address.is_null() {
            missing.push(name);
        }
        address
    }
}

fn loader_message() -> String {
    // SAFETY: `dlerror` returns a terminated text that is valid until the next loader call of this thread.
    unsafe {
        let text = libc::dlerror();
        if text.is_null() {
            return String::from("unknown loader error");
        }
        CStr::from_ptr(text).to_string_lossy().into_owned()
    }
}
