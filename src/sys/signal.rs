//! Signals.
#![allow(unsafe_code)]
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static PIPE: AtomicI32 = AtomicI32::new(-1);

extern "C" fn note(number: libc::c_int) {
    let byte = number as u8;
    // SAFETY: write is async-signal-safe.
    unsafe { libc::write(PIPE.load(Ordering::Relaxed), (&raw const byte).cast(), 1) };
}

/// Pipe
pub fn pipe_for(signals: &[Signal]) -> io::Result<OwnedFd> {
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC | nix::fcntl::OFlag::O_NONBLOCK)?;
    PIPE.store(write.as_raw_fd(), Ordering::Relaxed);
    std::mem::forget(write);
    for signal in signals {
        // SAFETY: handler is async-signal-safe.
        unsafe { sigaction(*signal, &SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESTART, SigSet::empty()))? };
    }
    Ok(read)
}
