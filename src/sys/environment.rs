//! Changes of this process's environment.
//!
//! setenv(3) may move what another thread is reading, so a change is made only while the process has one
//! thread; that is asked of the kernel each time.
#![allow(unsafe_code)]

use std::ffi::OsStr;
use std::io;

/// Sets a variable.
///
/// # Errors
/// `Other` where the process has more than one thread; `InvalidInput` for a name or value that cannot be.
pub fn set(name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> io::Result<()> {
    let (name, value) = (name.as_ref(), value.as_ref());
    check(name, value)?;
    // SAFETY: `check` found this thread to be the only one, so nobody reads the environment meanwhile, and
    // the name and the value to be legal.
    unsafe { std::env::set_var(name, value) };
    Ok(())
}

/// Removes a variable.
///
/// # Errors
/// As [`set`].
pub fn remove(name: impl AsRef<OsStr>) -> io::Result<()> {
    let name = name.as_ref();
    check(name, OsStr::new(""))?;
    // SAFETY: as in `set`.
    unsafe { std::env::remove_var(name) };
    Ok(())
}

fn check(name: &OsStr, value: &OsStr) -> io::Result<()> {
    let (name, value) = (name.as_encoded_bytes(), value.as_encoded_bytes());
    if name.is_empty() || name.contains(&b'=') || name.contains(&0) || value.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("the environment cannot be changed once threads run"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_refused() {
        let (stop, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv());
        assert!(set("UWSGI_RS_TEST", "1").is_err());
        assert!(std::env::var_os("UWSGI_RS_TEST").is_none());
        drop(stop);
        assert!(thread.join().expect("thread ends").is_err());
    }

    #[test]
    fn illegal_names_are_refused() {
        for name in ["", "A=B", "A\0"] {
            assert_eq!(
                set(name, "1").map_err(|error| error.kind()),
                Err(io::ErrorKind::InvalidInput)
            );
        }
    }
}
