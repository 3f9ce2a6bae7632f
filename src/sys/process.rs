//! Processes: fork, wait, sessions, standard descriptors, names.

#![allow(unsafe_code)]

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::exit;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{
    self, ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, getpid, getppid, setsid,
};

pub use nix::unistd::Pid;

/// Which side of a fork this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The parent, with the child's process id.
    Parent(Pid),
    /// The child.
    Child,
}

/// Forks. Only the calling thread exists in the child.
///
/// The caller is the master, whose own code has one thread. An application loaded before the fork may
/// have started threads; whoever loaded it brackets the fork with its own hooks (Python's
/// `PyOS_BeforeFork`), and the C library keeps its allocator usable.
///
/// # Errors
/// Process limit or memory.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: see above: no Rust lock of this program can be held by another thread at this point.
    match unsafe { unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Fork::Parent(child)),
        ForkResult::Child => Ok(Fork::Child),
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this status.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with {code}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

/// Takes the next ended child, whichever; `None` when none has ended. Never waits.
pub fn reap() -> Option<(Pid, Ended)> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => return Some((pid, Ended::Code(code))),
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                return Some((pid, Ended::Signal(signal as i32)));
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return None,
            // Interrupted, or stopped and continued children (which were not asked for).
            Ok(_) | Err(_) => {}
        }
    }
}

/// Sends a signal to one process.
///
/// # Errors
/// `NotFound`-like (`ESRCH`) when it is gone, `EPERM`.
pub fn send_signal(pid: Pid, signal: Signal) -> io::Result<()> {
    Ok(kill(pid, signal)?)
}

/// Sends a signal to all processes of the group that `leader` has made.
///
/// # Errors
/// `ESRCH` when there is no such group, `EPERM`.
pub fn send_group_signal(leader: Pid, signal: Signal) -> io::Result<()> {
    Ok(killpg(leader, signal)?)
}

/// Whether there is such a process, anybody's.
pub fn exists(pid: Pid) -> bool {
    matches!(kill(pid, None), Ok(()) | Err(Errno::EPERM))
}

/// This process.
pub fn current() -> Pid {
    getpid()
}

/// Asks the kernel to kill this process when its parent ends (`no-orphans`). False when `parent` is
/// gone already.
///
/// # Errors
/// None on Linux.
pub fn die_with_parent(parent: Pid) -> io::Result<bool> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    Ok(getppid() == parent)
}

/// Takes [`die_with_parent`] back.
///
/// # Errors
/// None on Linux.
pub fn outlive_parent() -> io::Result<()> {
    Ok(prctl::set_pdeathsig(None)?)
}

/// This process's parent.
pub fn parent() -> Pid {
    getppid()
}

/// From now on this process is the parent of its descendants' orphans.
///
/// # Errors
/// None on Linux.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(prctl::set_child_subreaper(true)?)
}

/// Forks a process that is no child of this one but of `reaper`, an ancestor that adopts orphans, and returns its id. In the
/// new process, which sees `reaper` as its parent already, it returns `None`.
///
/// # Errors
/// Process limit, memory or descriptors; in the new process never.
pub fn fork_for(reaper: Pid) -> io::Result<Option<Pid>> {
    let (mut told, mut tell) = io::pipe()?;
    match fork()? {
        Fork::Child => {
            drop(told);
            let between = current();
            match fork() {
                Ok(Fork::Child) => {
                    drop(tell);
                    await_parent(between, reaper);
                    Ok(None)
                }
                Ok(Fork::Parent(pid)) => exit_telling(&mut tell, pid.as_raw()),
                Err(error) => {
                    exit_telling(&mut tell, -error.raw_os_error().unwrap_or(libc::EAGAIN))
                }
            }
        }
        Fork::Parent(between) => {
            drop(tell);
            let mut bytes = [0; 4];
            let told = told.read_exact(&mut bytes);
            // It ends as soon as it has written.
            while waitpid(between, None) == Err(Errno::EINTR) {}
            told?;
            match i32::from_ne_bytes(bytes) {
                number if number > 0 => Ok(Some(Pid::from_raw(number))),
                number => Err(io::Error::from_raw_os_error(-number)),
            }
        }
    }
}

fn exit_telling(tell: &mut io::PipeWriter, number: i32) -> ! {
    // A reader that is gone needs no answer.
    let _ = tell.write_all(&number.to_ne_bytes());
    exit_now(0)
}

/// Waits until `between` has ended, which it does at once. Whoever is the parent then, it is not for long if it is
/// not `reaper`: the new process looks for itself.
fn await_parent(between: Pid, reaper: Pid) {
    const LOOK: Duration = Duration::from_micros(50);
    while getppid() == between && between != reaper {
        std::thread::sleep(LOOK);
    }
}

/// Leaves the terminal: two forks with a new session between them; both parents exit 0. Standard input
/// becomes `/dev/null`, output and errors go to `log`.
///
/// Must run before any thread is started.
///
/// # Errors
/// Process limit, or `/dev/null` cannot be opened.
pub fn daemonize(log: impl AsFd) -> io::Result<()> {
    let null = File::open("/dev/null")?;
    if let Fork::Parent(_) = fork()? {
        exit(0);
    }
    setsid()?;
    // The session leader goes, so that no terminal can become ours again.
    if let Fork::Parent(_) = fork()? {
        exit(0);
    }
    dup2_stdin(&null)?;
    redirect_output(log)
}

/// Sends standard output and standard error to `log`.
///
/// # Errors
/// None on an open descriptor.
pub fn redirect_output(log: impl AsFd) -> io::Result<()> {
    dup2_stdout(&log)?;
    Ok(dup2_stderr(&log)?)
}

/// Closes every descriptor from 3, in a child that uses none of what it inherited. Those of older kernels than 5.9 stay.
pub fn close_all_but_standard() {
    // SAFETY: the call takes numbers only. Nothing of this process touches an inherited descriptor afterwards: the caller
    // promises it, and a mistake is an error of the next call on it, not unsound.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) };
}

/// Kernel id of the calling thread.
pub fn thread_id() -> i32 {
    unistd::gettid().as_raw()
}

/// Ends the process at once: no destructors, no exit hooks of libraries.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: nothing of this process runs after the call.
    unsafe { libc::_exit(status) }
}
