//! System calls that need `unsafe`.

use libc::c_int;

/// Distance from `SIGRTMIN`; the first ones are left to applications.
const OFFSET: c_int = 7;

/// Number of the signal.
pub(crate) fn stack_dump_signal() -> c_int {
    libc::SIGRTMIN() + OFFSET
}

/// Sends a signal to one thread of this process; false where there is none of this id.
pub(crate) fn send_to_thread(thread: i32, signal: c_int) -> bool {
    // SAFETY: plain system calls without pointers.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal) == 0 }
}

/// A descriptor of our own for what `fd` is open on, closed at exec; `None` where it is not open.
pub(crate) fn duplicate(fd: c_int) -> Option<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: a plain system call without pointers.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
    // SAFETY: the descriptor is new and ours alone.
    (copy >= 0).then(|| unsafe { std::os::fd::OwnedFd::from_raw_fd(copy) })
}
