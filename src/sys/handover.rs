//! Becoming a new program image with sockets and other descriptors still open.
//!
//! The master does it in place: its process id stays, and so do its children, its sockets and their queues. A process that
//! is to load a new generation does it in a fork of the master.

#![allow(unsafe_code)]

use std::convert::Infallible;
use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::execve;

/// Names the inherited sockets: `fd=name` lines. Its presence, also empty, says that this image is not the first.
const SOCKETS: &str = "UWSGI_RS_INHERITED";

/// Names other descriptors, in the same form.
const PASSED: &str = "UWSGI_RS_PASSED";

/// What the image is to be; absent in the first one.
const ROLE: &str = "UWSGI_RS_ROLE";

/// Counts the reloads of an instance; uWSGI's `if-reload` looks whether it is there.
const RELOADS: &str = "UWSGI_RELOADS";

/// Variables by which systemd hands sockets over (sd_listen_fds(3)). They are meant for one image: the next one of
/// this process, which has the same id, gets the sockets from this one and would take them twice.
pub const ACTIVATION: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

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
        let ours = [SOCKETS, PASSED, ROLE].into_iter().chain(ACTIVATION);
        let environment =
            env::vars_os().filter(|(name, _)| ours.clone().all(|known| name != known)).collect();
        Ok(Self { program, arguments, directory, environment })
    }

    /// How many reloads led to this image.
    pub fn reloads(&self) -> u64 {
        let count = self.environment.iter().find(|(name, _)| name == RELOADS);
        count.and_then(|(_, value)| value.to_str()?.parse().ok()).unwrap_or(0)
    }

    /// Replaces this process by a new image of the program. All descriptors above 2 are closed but those of `image`.
    /// Returns only on failure; then nothing but the working directory has changed.
    ///
    /// # Errors
    /// The directory or the program is gone or unusable.
    pub fn execute(&self, image: &Image) -> io::Result<Infallible> {
        env::set_current_dir(&self.directory)?;
        let program = c_string(self.program.as_os_str().as_bytes())?;
        let arguments = self
            .arguments
            .iter()
            .map(|text| c_string(text.as_bytes()))
            .collect::<io::Result<Vec<_>>>()?;
        let reloads = image.reloads.to_string();
        let (sockets, passed) = (encode(&image.sockets), encode(&image.passed));
        let ours = [
            (OsStr::new(SOCKETS), OsStr::new(&sockets)),
            (OsStr::new(PASSED), OsStr::new(&passed)),
            (OsStr::new(ROLE), OsStr::new(&image.role)),
            (OsStr::new(RELOADS), OsStr::new(&reloads)),
        ];
        let environment = self
            .environment
            .iter()
            .filter(|(name, _)| name != RELOADS)
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
            .chain(ours)
            .map(|(name, value)| c_string(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
            .collect::<io::Result<Vec<_>>>()?;
        let kept = image.sockets.iter().chain(&image.passed).map(|(_, fd)| *fd);
        keep_only(&kept.collect::<Vec<_>>())?;
        Ok(execve(&program, &arguments, &environment)?)
    }
}

/// The variables by which a program that is started beside this one is told what it is to be, and what else it must not take
/// for its own.
pub fn variables(role: &str, passed: &[(String, RawFd)]) -> Vec<(&'static str, Option<String>)> {
    let told = [(ROLE, Some(role.to_owned())), (PASSED, Some(encode(passed)))];
    let other = [SOCKETS, RELOADS, "NOTIFY_SOCKET"].into_iter().chain(ACTIVATION);
    told.into_iter().chain(other.map(|name| (name, None))).collect()
}

/// What a new image is given.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// What it is to be; [`take_role`] gives the text to it.
    pub role: String,
    /// Value of `UWSGI_RELOADS`.
    pub reloads: u64,
    /// Listening sockets with their names.
    pub sockets: Vec<(String, RawFd)>,
    /// Other descriptors with their names.
    pub passed: Vec<(String, RawFd)>,
}

/// What this image is to be; `None` in the first one. Removes the variable: call it once, at the very start, while
/// there is one thread.
pub fn take_role() -> Option<String> {
    take(ROLE)
}

/// The other descriptors that were passed to this image. As [`take_role`].
pub fn take_passed() -> Vec<Inherited> {
    let text = take(PASSED).unwrap_or_default();
    decode(&text).filter_map(|(name, fd)| adopt(name, fd)).collect()
}

fn take(variable: &str) -> Option<String> {
    let text = env::var_os(variable)?;
    // SAFETY: there is one thread yet.
    unsafe { env::remove_var(variable) };
    Some(text.to_string_lossy().into_owned())
}

/// A descriptor that the image before this one left open.
#[derive(Debug)]
pub struct Inherited {
    /// Its name, as given to [`Origin::execute`].
    pub name: String,
    /// Closed on exec from now on.
    pub fd: OwnedFd,
}

/// The inherited sockets; `None` when this is no reload. Removes the variable: call it once, at the very
/// start, while there is one thread.
pub fn take_inherited() -> Option<Vec<Inherited>> {
    let text = take(SOCKETS)?;
    Some(decode(&text).filter_map(|(name, fd)| adopt(name, fd)).collect())
}

/// A descriptor that was named to us and is really open becomes ours.
fn adopt(name: String, fd: RawFd) -> Option<Inherited> {
    // SAFETY: used for one call, which says whether the descriptor is open at all.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok()?;
    // SAFETY: it is open, above 2, and nothing in this young image has opened or owns it: it was open
    // across exec, and the variable that names it can be taken once.
    Some(Inherited { name, fd: unsafe { OwnedFd::from_raw_fd(fd) } })
}

fn encode(listeners: &[(String, RawFd)]) -> String {
    listeners.iter().map(|(name, fd)| format!("{fd}={name}")).collect::<Vec<_>>().join("\n")
}

fn decode(text: &str) -> impl Iterator<Item = (String, RawFd)> {
    text.lines().filter_map(|line| {
        let (fd, name) = line.split_once('=')?;
        let fd = fd.parse().ok().filter(|&fd: &RawFd| fd > 2)?;
        Some((name.to_owned(), fd))
    })
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
    fn names_survive_the_variable() {
        let listeners = vec![("127.0.0.1:80".to_owned(), 4), ("/a=b c.sock".to_owned(), 17)];
        let decoded: Vec<_> = decode(&encode(&listeners)).collect();
        assert_eq!(decoded, listeners);
    }

    #[test]
    fn standard_descriptors_and_nonsense_are_not_adopted() {
        assert_eq!(
            decode("0=a\n2=b\nx=c\n-1=d\nplain\n\n3=e").collect::<Vec<_>>(),
            [("e".to_owned(), 3)]
        );
    }

    #[test]
    fn a_program_is_found_by_path_and_by_name() {
        let origin = Origin::capture().unwrap();
        assert!(origin.program.is_file(), "{origin:?}");
        assert!(find_program(OsStr::new("sh"), Path::new("/")).unwrap().is_absolute());
        assert_eq!(find_program(OsStr::new("./no-such-program"), Path::new("/")), None);
    }
}
