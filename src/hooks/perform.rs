//! Doing one action.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::time::{Duration, Instant};

use super::wait;
use crate::config::model::hooks::{Action, Hooks};
use crate::log;
use crate::sys::privileges::{self, PrivilegesError};
use crate::sys::process::Ended;
use crate::sys::{command, environment, mount, namespace};

/// The sticky bit of a mode.
const STICKY: u32 = 0o1000;
/// A fifo that nobody opens is given up after this time.
const SPIN_SECONDS_MAX: u64 = 60;
/// Pause between two attempts to open a fifo.
const SPIN_PAUSE_MS: u64 = 1000;

/// Why an action failed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The system refused.
    #[error("{what}: {source}")]
    System {
        /// The action and what it was about.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// No such user or group.
    #[error(transparent)]
    Owner(#[from] PrivilegesError),
    /// A command ended badly; uWSGI's words.
    #[error("command \"{command}\" exited with non-zero code: {code}")]
    Code {
        /// What the shell was given.
        command: String,
        /// Its exit status.
        code: i32,
    },
    /// A command was killed.
    #[error("command \"{command}\" was killed by signal {signal}")]
    Signal {
        /// What the shell was given.
        command: String,
        /// The signal's number.
        signal: i32,
    },
    /// What was waited for did not come.
    #[error(transparent)]
    Waited(#[from] wait::WaitError),
}

/// Does it, and answers the status that `exit` asks for. `limit` bounds a command.
pub(super) fn perform(
    action: &Action,
    hooks: &Hooks,
    limit: Option<Duration>,
) -> Result<Option<i32>, HookError> {
    match action {
        Action::ChangeDirectory(path) => at("chdir", path, std::env::set_current_dir(path))?,
        Action::MakeDirectory(path) => at("mkdir", path, fs::create_dir(path))?,
        Action::SetVariable { name, value } => {
            let changed = match value {
                Some(value) => environment::set(name, value),
                None => environment::remove(name),
            };
            at("putenv", Path::new(name), changed)?;
        }
        Action::ChangeMode { path, mode } => {
            at("chmod", path, fs::set_permissions(path, Permissions::from_mode(*mode)))?;
        }
        Action::ChangeOwner { path, user, group } => {
            let (uid, gid) = (privileges::find_uid(user)?, privileges::find_group(group)?);
            at("chown", path, chown(path, Some(uid), Some(gid)))?;
        }
        Action::SetSticky(path) => at("sticky", path, set_sticky(path))?,
        Action::Run { command, may_fail } => run(command, *may_fail, hooks, limit)?,
        Action::Create(path) => at("create", path, create(path))?,
        Action::Write { path, text, append } => at("write", path, write(path, text, *append))?,
        Action::WriteFifo { path, text, wait } => write_fifo(path, text, *wait)?,
        Action::Remove(path) => at("unlink", path, fs::remove_file(path))?,
        Action::Mount { kind, source, directory, flags } => {
            at("mount", directory, mount::mount(kind, source, directory, *flags))?;
        }
        Action::Unmount { directory, flags } => {
            at("umount", directory, mount::unmount(directory, *flags))?;
        }
        Action::SetHostname(name) => {
            at("hostname", Path::new(name), namespace::set_hostname(name))?;
        }
        Action::WaitFor(wanted) => wait::for_one(wanted, hooks.waits.limit(wanted))?,
        // What a signal means is the master's affair; its sequence takes this action out.
        Action::OnSignal { .. } => {}
        Action::Exit(status) => return Ok(Some(*status)),
        Action::Print(text) => log::line(format_args!("{text}")),
    }
    Ok(None)
}

fn at(what: &str, path: &Path, result: io::Result<()>) -> Result<(), HookError> {
    let what = || format!("{what}:{}", path.display());
    result.map_err(|source| HookError::System { what: what(), source })
}

fn set_sticky(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 | STICKY))
}

fn create(path: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path).map(drop)
}

fn write(path: &Path, text: &str, append: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(append).write(true).truncate(!append);
    options.open(path)?.write_all(text.as_bytes())
}

fn run(
    text: &str,
    may_fail: bool,
    hooks: &Hooks,
    limit: Option<Duration>,
) -> Result<(), HookError> {
    let shell = command::shell(&hooks.shells);
    let ended = command::spawn(shell, text).and_then(|running| running.wait(limit));
    let ended = ended.map_err(|source| HookError::System {
        what: format!("exec:{text}: {}", shell.display()),
        source,
    });
    match ended.and_then(|ended| judge(text, ended)) {
        Err(error) if may_fail => {
            log::line(format_args!("{error}"));
            Ok(())
        }
        result => result,
    }
}

/// What the end of a command means.
pub(super) fn judge(command: &str, ended: Ended) -> Result<(), HookError> {
    let command = command.to_owned();
    match ended {
        Ended::Code(0) => Ok(()),
        Ended::Code(code) => Err(HookError::Code { command, code }),
        Ended::Signal(signal) => Err(HookError::Signal { command, signal }),
    }
}

/// Never waits for a reader, unless it `wait`s for fifo and reader. Without it, a fifo that nobody reads is no failure,
/// as in uWSGI: what it would stop is not there.
fn write_fifo(path: &Path, text: &str, wait: bool) -> Result<(), HookError> {
    let until = Instant::now() + Duration::from_secs(SPIN_SECONDS_MAX);
    loop {
        let error = match open_fifo(path).and_then(|mut fifo| fifo.write_all(text.as_bytes())) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let unread = error.raw_os_error() == Some(nix::libc::ENXIO);
        if wait && Instant::now() < until {
            log::line(format_args!("waiting for {} ...", path.display()));
            std::thread::sleep(Duration::from_millis(SPIN_PAUSE_MS));
            continue;
        }
        let failed =
            HookError::System { what: format!("writefifo:{}", path.display()), source: error };
        if wait || !unread {
            return Err(failed);
        }
        log::line(format_args!("{failed}"));
        return Ok(());
    }
}

fn open_fifo(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;
    use std::path::PathBuf;

    use super::*;

    fn done(action: Action) -> Result<Option<i32>, String> {
        perform(&action, &Hooks::default(), None).map_err(|error| error.to_string())
    }

    #[test]
    fn files_are_made_changed_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("folder");
        done(Action::MakeDirectory(folder.clone())).unwrap();
        assert!(done(Action::MakeDirectory(folder.clone())).unwrap_err().contains("File exists"));
        done(Action::SetSticky(folder.clone())).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7000, STICKY);
        let file = folder.join("file");
        done(Action::Create(file.clone())).unwrap();
        let write = |text: &str, append| {
            done(Action::Write { path: file.clone(), text: text.to_owned(), append }).unwrap();
            fs::read_to_string(&file).unwrap()
        };
        assert_eq!(write("one", false), "one");
        assert_eq!(write("two\n", true), "onetwo\n");
        assert_eq!(write("x", false), "x");
        done(Action::Create(file.clone())).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "x", "create empties nothing");
        done(Action::ChangeMode { path: file.clone(), mode: 0o640 }).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
        let owner = |user: String| {
            let group = nix::unistd::getgid().to_string();
            done(Action::ChangeOwner { path: file.clone(), user, group })
        };
        owner(nix::unistd::getuid().to_string()).unwrap();
        assert_eq!(owner("no-such-user".into()).unwrap_err(), "unable to find user no-such-user");
        done(Action::Remove(file.clone())).unwrap();
        assert!(done(Action::Remove(file)).unwrap_err().contains("No such file"));
    }

    #[test]
    fn a_failing_command_is_told() {
        let run =
            |command: &str, may_fail| done(Action::Run { command: command.to_owned(), may_fail });
        assert_eq!(run("exit 0", false), Ok(None));
        assert_eq!(
            run("exit 7", false).unwrap_err(),
            "command \"exit 7\" exited with non-zero code: 7"
        );
        assert!(run("kill -9 $$", false).unwrap_err().ends_with("was killed by signal 9"));
        assert_eq!(run("exit 7", true), Ok(None));
    }

    #[test]
    fn a_fifo_is_written_to_where_somebody_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path: PathBuf = directory.path().join("fifo");
        let write = |wait| Action::WriteFifo { path: path.clone(), text: "Q".into(), wait };
        assert!(done(write(false)).unwrap_err().contains("No such file"));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(done(write(false)), Ok(None), "nobody reads");
        let mut options = OpenOptions::new();
        let reader = options.read(true).custom_flags(nix::libc::O_NONBLOCK).open(&path).unwrap();
        assert_eq!(done(write(true)), Ok(None));
        let mut byte = [0];
        assert_eq!(io::Read::read(&mut &reader, &mut byte).unwrap(), 1);
        assert_eq!(&byte, b"Q");
    }
}
