//! The directory that a request thread works in (`UWSGI_CHDIR`).
//!
//! All threads of a process share one directory. A thread that needs its own leaves that (unshare(2), CLONE_FS, which needs
//! no right), once; threads that never serve such an application are as they always were. Some containers forbid the call:
//! there the directory is that of the whole worker, as under uWSGI, and the log warns where other threads see it.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, fchdir};
use uwsgi_plugin_api::Host;

/// Where a thread is.
struct Whereabouts {
    /// The directory in which the server works.
    home: OwnedFd,
    /// `None` there.
    at: Option<PathBuf>,
    /// Other threads are moved as well.
    is_shared: bool,
}

thread_local! {
    static HERE: RefCell<Option<Whereabouts>> = const { RefCell::new(None) };
}

/// Goes to a directory; `None` is where the server works.
///
/// # Errors
/// The system's.
pub(crate) fn go(wanted: Option<&Path>, host: &dyn Host) -> io::Result<()> {
    HERE.with_borrow_mut(|here| {
        let here = match (here, wanted) {
            (None, None) => return Ok(()),
            (Some(here), _) => here,
            (empty, Some(_)) => empty.insert(leave(host)?),
        };
        if here.at.as_deref() == wanted && !here.is_shared {
            return Ok(());
        }
        match wanted {
            Some(directory) => chdir(directory)?,
            None => fchdir(&here.home)?,
        }
        here.at = wanted.map(Path::to_owned);
        Ok(())
    })
}

/// Gives this thread a directory of its own.
fn leave(host: &dyn Host) -> io::Result<Whereabouts> {
    let home = open(".", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let unshared = unshare(CloneFlags::CLONE_FS);
    if let Err(error) = unshared
        && host.threads() > 1
    {
        host.log(&format!(
            "WARNING: the threads of this worker share one directory ({error}), so applications with UWSGI_CHDIR disturb each other: set threads = 1 or app-isolation = process"
        ));
    }
    Ok(Whereabouts { home, at: None, is_shared: unshared.is_err() })
}
