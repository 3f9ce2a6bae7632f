//! Signals: read from a descriptor in the master, from a pipe in a worker.
//!
//! The master blocks them (`SignalQueue`), so none is lost between two turns of its loop. A worker must
//! not: programs that its application starts would inherit the blocked mask. There a handler writes the
//! number into a pipe (`SignalPipe`).

#![allow(unsafe_code)]

use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::getpid;

pub use nix::sys::signal::Signal;

/// Signals that a process of the server gives a meaning to; a new child gets their defaults back.
pub const OURS: [Signal; 14] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGWINCH,
    Signal::SIGIO,
    Signal::SIGPWR,
    Signal::SIGCHLD,
];

/// Blocked signals of this thread, read from a descriptor.
#[derive(Debug)]
pub struct SignalQueue {
    fd: SignalFd,
}

impl SignalQueue {
    /// Blocks `signals` in this thread, which must be the process's only one that does not block them,
    /// and gives them their default disposition (an inherited "ignored" would keep them from coming).
    ///
    /// # Errors
    /// Out of descriptors or memory.
    pub fn new(signals: &[Signal]) -> io::Result<Self> {
        let set = block(signals)?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { fd })
    }

    /// Blocks `signals` again after [`release`].
    ///
    /// # Errors
    /// None with the signals of [`SignalQueue::new`].
    pub fn resume(&self, signals: &[Signal]) -> io::Result<()> {
        block(signals).map(drop)
    }

    /// The next pending signal; `None` when there is none.
    ///
    /// # Errors
    /// None on an open descriptor.
    pub fn take(&self) -> io::Result<Option<Signal>> {
        loop {
            match self.fd.read_signal() {
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
                Ok(None) => return Ok(None),
                // Numbers without a name cannot be in the mask.
                Ok(Some(info)) => return Ok(Signal::try_from(info.ssi_signo as i32).ok()),
            }
        }
    }
}

impl AsFd for SignalQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn block(signals: &[Signal]) -> io::Result<SigSet> {
    let set: SigSet = signals.iter().copied().collect();
    set.thread_block()?;
    set_all(signals, SigHandler::SigDfl)?;
    Ok(set)
}

/// Keeps `signals` waiting until [`release`] or [`restore_defaults`]: over a fork, so that the new process gets those that
/// are meant for it.
///
/// # Errors
/// None.
pub fn hold(signals: &[Signal]) -> io::Result<()> {
    let set: SigSet = signals.iter().copied().collect();
    Ok(set.thread_block()?)
}

/// Blocks nothing any more: before exec, which would hand the mask on.
///
/// # Errors
/// None.
pub fn release() -> io::Result<()> {
    Ok(SigSet::all().thread_unblock()?)
}

/// Default dispositions and nothing blocked: for a new child, before it installs its own handlers.
/// `SIGPIPE` stays ignored.
///
/// # Errors
/// None with these signals.
pub fn restore_defaults() -> io::Result<()> {
    set_all(&OURS, SigHandler::SigDfl)?;
    release()
}

/// As [`restore_defaults`], but takes `calm` and does nothing ([`disregard`]), without a moment in between in which they
/// would end the process.
///
/// # Errors
/// None with these signals.
pub fn restore_defaults_but(calm: &[Signal]) -> io::Result<()> {
    set_all(&OURS, SigHandler::SigDfl)?;
    disregard(calm)?;
    release()
}

/// Ignores `signals`, also across exec: during start, where their default would end the process and
/// there is nobody yet to give them a meaning.
///
/// # Errors
/// `InvalidInput` for `SIGKILL` and `SIGSTOP`.
pub fn ignore(signals: &[Signal]) -> io::Result<()> {
    set_all(signals, SigHandler::SigIgn)
}

/// Takes `signals` and does nothing: for a process that others speak for. Unlike with [`ignore`], programs that it starts
/// have the defaults.
///
/// # Errors
/// As [`ignore`].
pub fn disregard(signals: &[Signal]) -> io::Result<()> {
    set_all(signals, SigHandler::Handler(nothing))
}

extern "C" fn nothing(_number: libc::c_int) {}

fn set_all(signals: &[Signal], handler: SigHandler) -> io::Result<()> {
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    for &signal in signals {
        // SAFETY: the handler is the default, "ignore", `nothing` or `write_to_pipe`, which are async-signal-safe.
        unsafe { sigaction(signal, &action) }?;
    }
    Ok(())
}

/// Write end of this process's [`SignalPipe`], -1 without one.
static PIPE_WRITER: AtomicI32 = AtomicI32::new(-1);
/// The process that installed it. A forked child of the application inherits handler and pipe, but its
/// signals are not ours.
static PIPE_OWNER: AtomicI32 = AtomicI32::new(0);

/// Signals of this process, as they come, through a pipe. At most one in a process.
#[derive(Debug)]
pub struct SignalPipe {
    reader: PipeReader,
    _writer: PipeWriter,
}

impl SignalPipe {
    /// Installs handlers for `signals`. A later pipe takes over.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn install(signals: &[Signal]) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        for end in [reader.as_fd(), writer.as_fd()] {
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        PIPE_OWNER.store(getpid().as_raw(), Ordering::SeqCst);
        PIPE_WRITER.store(writer.as_raw_fd(), Ordering::SeqCst);
        set_all(signals, SigHandler::Handler(write_to_pipe))?;
        Ok(Self { reader, _writer: writer })
    }

    /// The next signal; `None` when there is none.
    ///
    /// # Errors
    /// None on an open pipe.
    pub fn take(&self) -> io::Result<Option<Signal>> {
        let mut number = [0];
        match (&self.reader).read(&mut number) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Signal::try_from(i32::from(number[0])).ok()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for SignalPipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for SignalPipe {
    fn drop(&mut self) {
        let ours = self._writer.as_raw_fd();
        // A later pipe may have taken over; then the number is not ours any more.
        let _ = PIPE_WRITER.compare_exchange(ours, -1, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// Async-signal-safe: atomics, `getpid`, `write`, `signal`, `raise`; `errno` is kept.
extern "C" fn write_to_pipe(number: libc::c_int) {
    let errno = Errno::last_raw();
    if getpid().as_raw() != PIPE_OWNER.load(Ordering::SeqCst) {
        // SAFETY: both calls are async-signal-safe. The signal is blocked while its handler runs and
        // takes its default action when the handler returns.
        unsafe {
            libc::signal(number, libc::SIG_DFL);
            libc::raise(number);
        }
        return;
    }
    let fd = PIPE_WRITER.load(Ordering::SeqCst);
    let byte = number as u8;
    if fd >= 0 {
        // SAFETY: writes one byte from a local. A full pipe drops the signal: 64 Ki of them wait already.
        unsafe { libc::write(fd, (&raw const byte).cast(), 1) };
    }
    Errno::set_raw(errno);
}
