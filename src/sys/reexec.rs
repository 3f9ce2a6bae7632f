//! Becoming a new program image with the listening sockets still open (binary reload).
//!
//! The process id stays, and so do the sockets and their queues: clients wait, nobody is refused.

#![allow(unsafe_code)]

use std::convert::Infallible;
use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::execve;

/// How this process was started; taken before anything changes it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The program file, as it was found by the shell, so that a newer one is used.
    pub program: PathBuf,
    /// Arguments, with the program's name.
    pub arguments: Vec<OsString>,
    /// Working directory.
    pub directory: PathBuf,
    /// Environment.
    pub environment: Vec<(OsString, OsString)>,
}

impl Origin {
    /// Looks at this process.
    ///
    /// # Errors
    /// The working directory is gone.
    pub fn capture() -> io::Result<Self> {
        let arguments: Vec<OsString> = env::args_os().collect();
        let directory = env::current_dir()?;
        let name = arguments.first().map_or(OsStr::new(""), OsString::as_os_str);
        let program = find_program(name, &directory).map_or_else(env::current_exe, Ok)?;
        let environment = env::vars_os().collect();
        Ok(Self { program, arguments, directory, environment })
    }

    /// Replaces this process by a new image of the program. All descriptors above 2 are closed but those
    /// `kept`, which the environment variable `named` tells of. Returns only on failure; then nothing but the working directory has changed.
    ///
    /// # Errors
    /// The directory or the program is gone or unusable.
    pub fn reexec(&self, kept: &[RawFd], named: (&str, &str)) -> io::Result<Infallible> {
        env::set_current_dir(&self.directory)?;
        let program = c_string(self.program.as_os_str().as_bytes())?;
        let arguments = self
            .arguments
            .iter()
            .map(|text| c_string(text.as_bytes()))
            .collect::<io::Result<Vec<_>>>()?;
        let environment = self
            .environment
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
            .filter(|(name, _)| *name != named.0)
            .chain([(OsStr::new(named.0), OsStr::new(named.1))])
            .map(|(name, value)| c_string(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
            .collect::<io::Result<Vec<_>>>()?;
        keep_only(kept)?;
        Ok(execve(&program, &arguments, &environment)?)
    }
}

/// Marks every descriptor above 2 as closed on exec, but these.
fn keep_only(kept: &[RawFd]) -> io::Result<()> {
    let open: Vec<RawFd> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&fd| fd > 2)
        .collect();
    for fd in open {
        let flags = if kept.contains(&fd) { FdFlag::empty() } else { FdFlag::FD_CLOEXEC };
        // SAFETY: used for this call only; a descriptor that is closed by now (the listing's own) gives EBADF.
        match fcntl(unsafe { BorrowedFd::borrow_raw(fd) }, FcntlArg::F_SETFD(flags)) {
            Ok(_) | Err(Errno::EBADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// As the shell does: a name with a slash is a path, another one is looked for in `PATH`.
fn find_program(name: &OsStr, directory: &Path) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Some(directory.join(name)).filter(|path| path.is_file());
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| directory.join(folder).join(name))
        .find(|file| file.is_file())
}

fn c_string(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_path_and_by_name() {
        let origin = Origin::capture().unwrap();
        assert!(origin.program.is_file(), "{origin:?}");
        assert!(find_program(OsStr::new("sh"), Path::new("/")).unwrap().is_absolute());
        assert_eq!(find_program(OsStr::new("./no-such-program"), Path::new("/")), None);
    }
}
