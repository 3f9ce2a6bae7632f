//! Programs that the master starts beside its workers: commands of a shell, each in a session of its own.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{setpgid, setsid};

use super::privileges::{Identity, PrivilegesError};
use super::process::{self, Fork, Pid};
use super::signal;

/// A command, and the surroundings it is to have.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    /// The file.
    pub executable: &'a Path,
    /// Its arguments, without its name.
    pub arguments: Vec<&'a str>,
    /// Where it starts; where this process is, if nothing is said.
    pub directory: Option<&'a Path>,
    /// Who it is.
    pub identity: Identity,
    /// What its standard input is.
    pub stdin: Input<'a>,
    /// Where its output and errors go, if not where this process's go.
    pub output: Option<BorrowedFd<'a>>,
    /// Variables that its environment has besides this process's, or has not.
    pub variables: Vec<(&'a str, Option<String>)>,
    /// Descriptors that it has too, by the same numbers.
    pub kept: Vec<BorrowedFd<'a>>,
    /// The kernel kills it when this process ends.
    pub dies_with_us: bool,
    /// It is process 1 of a namespace of its own; a process outside stands for it.
    pub pid_namespace: bool,
    /// It leads a session of its own; else only a process group. Kernels with autogroup share processors among sessions, and then let a
    /// small one wait for seconds where a large one is busy: not for who has to answer in time.
    pub session: bool,
}

/// The standard input of a program.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// `/dev/null`.
    Nothing,
    /// That of this process.
    Ours,
    /// A copy of this.
    Given(BorrowedFd<'a>),
}

impl Input<'_> {
    fn open(self) -> io::Result<Stdio> {
        Ok(match self {
            Self::Nothing => Stdio::null(),
            Self::Ours => Stdio::inherit(),
            Self::Given(fd) => fd.try_clone_to_owned()?.into(),
        })
    }
}

impl<'a> Program<'a> {
    /// A command of a shell, of which nothing else is said.
    pub fn of_shell(shell: &'a Path, command: &'a str) -> Self {
        Self::new(shell, vec!["-c", command])
    }

    /// A file with arguments, of which nothing else is said.
    pub fn new(executable: &'a Path, arguments: Vec<&'a str>) -> Self {
        Self {
            executable,
            arguments,
            directory: None,
            identity: Identity::default(),
            stdin: Input::Nothing,
            output: None,
            variables: Vec::new(),
            kept: Vec::new(),
            dies_with_us: false,
            pid_namespace: false,
            session: true,
        }
    }
}

impl Program<'_> {
    /// Starts it and returns the process that leads its session. Nobody but the caller of [`process::reap`] waits for it.
    /// Output and errors go where this process's go; other descriptors are closed, signals have their defaults and
    /// none is blocked. Waits only until the shell is executed.
    ///
    /// # Errors
    /// Process limit; the directory, the shell or the identity cannot be had.
    pub fn start(&self) -> io::Result<Pid> {
        let mut command = Command::new(self.executable);
        command.args(&self.arguments).stdin(self.stdin.open()?);
        if let Some(output) = self.output {
            command.stdout(output.try_clone_to_owned()?).stderr(output.try_clone_to_owned()?);
        }
        if let Some(directory) = self.directory {
            command.current_dir(directory);
        }
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let kept: Vec<_> = self.kept.iter().map(AsRawFd::as_raw_fd).collect();
        let (identity, parent) = (self.identity.clone(), process::current());
        let (dies_with_us, pid_namespace) = (self.dies_with_us, self.pid_namespace);
        let session = self.session;
        let prepare = move || {
            match session {
                true => drop(setsid()?),
                false => setpgid(Pid::from_raw(0), Pid::from_raw(0))?,
            }
            close_on_exec()?;
            kept.iter().try_for_each(|fd| keep(*fd))?;
            signal::restore_defaults()?;
            let mut keeper = parent;
            if pid_namespace {
                enter_pid_namespace(dies_with_us.then_some(parent))?;
                // Whoever is outside has no number here.
                keeper = Pid::from_raw(0);
            }
            identity.take().map_err(system_error)?;
            // After the change of identity, which would undo it.
            if (dies_with_us || pid_namespace) && !process::die_with_parent(keeper)? {
                return Err(Errno::ESRCH.into());
            }
            Ok(())
        };
        // SAFETY: the master has one thread, so that its copy may do all that the master may: no lock of the C library can
        // be held by a thread that does not exist here.
        unsafe { command.pre_exec(prepare) };
        let child = command.spawn()?;
        // Dropping the handle neither ends the process nor waits for it.
        Ok(Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?))
    }
}

/// The child can only hand a number of the system over.
fn system_error(error: PrivilegesError) -> io::Error {
    match error {
        PrivilegesError::Call { source, .. } => source,
        _ => Errno::EPERM.into(),
    }
}

/// What was opened without it, in this process or before it was started, does not reach the program.
fn close_on_exec() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: the call only sets a flag of descriptors.
    let done = unsafe {
        libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    };
    match Errno::result(done) {
        // An older kernel: whatever this program opens has the flag already.
        Ok(_) | Err(Errno::ENOSYS | Errno::EINVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The program has this descriptor.
fn keep(fd: i32) -> io::Result<()> {
    // SAFETY: the caller of `start` lends it, and this is a copy of that process.
    fcntl(unsafe { BorrowedFd::borrow_raw(fd) }, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(())
}

/// Only children of the caller are in the new namespace: the caller stays outside, waits for the one that goes on, and ends
/// as that did. The kernel kills it with `parent`.
fn enter_pid_namespace(parent: Option<Pid>) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWPID)?;
    match process::fork()? {
        Fork::Child => Ok(()),
        Fork::Parent(inside) => {
            let orphan =
                parent.is_some_and(|parent| !process::die_with_parent(parent).unwrap_or(true));
            if orphan {
                process::exit_now(1);
            }
            stand_for(inside)
        }
    }
}

fn stand_for(inside: Pid) -> ! {
    // Signals for the session are the program's business.
    let _ = signal::ignore(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT]);
    let _ = signal::ignore(&[Signal::SIGUSR1, Signal::SIGUSR2]);
    // Whoever started it waits for the end of a pipe that is open here too.
    for fd in open_descriptors() {
        // SAFETY: nothing in this process uses a descriptor any more.
        unsafe { libc::close(fd) };
    }
    loop {
        match waitpid(inside, None) {
            Ok(WaitStatus::Exited(_, code)) => process::exit_now(code),
            // As a shell says it.
            Ok(WaitStatus::Signaled(_, signal, _)) => process::exit_now(128 + signal as i32),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => process::exit_now(1),
        }
    }
}

/// All above standard error.
fn open_descriptors() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
    let fds = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    fds.filter(|fd| *fd > 2).collect()
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::killpg;
    use nix::unistd::{Gid, Uid, geteuid, getpgid, getsid};

    use super::*;

    fn program(command: &str) -> Program<'_> {
        Program::of_shell(Path::new("/bin/sh"), command)
    }

    /// Runs `command` with its output in a file, and returns that.
    fn output(command: &str, change: impl FnOnce(&mut Program<'_>)) -> (WaitStatus, String) {
        let folder = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let file = folder.path().join("out");
        let command = format!("({command}) > {}", file.display());
        let mut program = program(&command);
        change(&mut program);
        let pid = program.start().unwrap();
        let status = waitpid(pid, None).unwrap();
        (status, std::fs::read_to_string(file).unwrap_or_default())
    }

    #[test]
    fn a_program_starts_clean() {
        // One that does not close on exec by itself.
        let leak = nix::unistd::dup(std::io::stderr()).unwrap();
        let look =
            "readlink /proc/self/fd/0; ls /proc/self/fd | wc -l; grep SigBlk /proc/self/status";
        let (status, text) = output(look, |_| {});
        drop(leak);
        assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
        // Descriptors 0 to 2, and the directory that is read.
        assert_eq!(text, "/dev/null\n4\nSigBlk:\t0000000000000000\n");
    }

    #[test]
    fn it_starts_where_it_is_to() {
        let (_, text) = output("pwd", |program| program.directory = Some(Path::new("/usr")));
        assert_eq!(text, "/usr\n");
        let mut lost = program("true");
        lost.directory = Some(Path::new("/nonexistent"));
        assert_eq!(lost.start().unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn it_leads_a_session_so_that_a_signal_reaches_all() {
        let pid = program("sleep 1000 & sleep 1000").start().unwrap();
        assert_eq!((getpgid(Some(pid)), getsid(Some(pid))), (Ok(pid), Ok(pid)));
        killpg(pid, Signal::SIGTERM).unwrap();
        let status = waitpid(pid, None).unwrap();
        assert!(matches!(status, WaitStatus::Signaled(_, Signal::SIGTERM, _)), "{status:?}");
    }

    #[test]
    fn root_may_become_another() {
        if !geteuid().is_root() {
            return;
        }
        let identity = Identity::resolve(Some("54321"), Some("54322")).unwrap();
        let (_, text) = output("id -u; id -g; id -G", |program| program.identity = identity);
        assert_eq!(text, "54321\n54322\n54322\n");
        assert!(Uid::current().is_root() && Gid::current().as_raw() == 0);
    }

    #[test]
    fn a_namespace_has_its_own_numbers_and_its_end_is_told() {
        let mut inside = program("[ $$ = 1 ] && exit 7");
        inside.pid_namespace = true;
        match inside.start() {
            Ok(pid) => assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 7))),
            // Not everybody may, and not everywhere.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
        }
    }

    #[test]
    fn a_namespace_ends_with_the_one_who_stands_for_it() {
        let mut inside = program("sleep 1000");
        inside.pid_namespace = true;
        let Ok(pid) = inside.start() else { return };
        killpg(pid, Signal::SIGTERM).unwrap();
        assert_eq!(nix::sys::signal::kill(pid, None), Ok(()), "it leaves that to the program");
        killpg(pid, Signal::SIGKILL).unwrap();
        assert!(matches!(waitpid(pid, None), Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _))));
    }
}
