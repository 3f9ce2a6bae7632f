//! System calls that need `unsafe`.

use libc::c_int;

/// Distances from `SIGRTMIN`; the first ones are left to applications.
const STACK_DUMP_OFFSET: c_int = 7;
const INTERRUPT_OFFSET: c_int = 8;

/// Number of the signal at which a thread writes its stack.
pub(crate) fn stack_dump_signal() -> c_int {
    libc::SIGRTMIN() + STACK_DUMP_OFFSET
}

/// Number of the signal that fetches Python's main thread out of a system call.
pub(crate) fn interrupt_signal() -> c_int {
    libc::SIGRTMIN() + INTERRUPT_OFFSET
}

/// Kernel id of the calling thread.
pub(crate) fn kernel_thread() -> i32 {
    // SAFETY: a plain system call without pointers.
    unsafe { libc::gettid() }
}

/// Lets a signal through to this thread, whatever mask it was started with.
pub(crate) fn let_through(signal: c_int) {
    // SAFETY: the set is ours and initialised by the first call.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
    }
}

/// Sends a signal that has a handler to one thread of this process. False where there is no handler (the signal
/// would end the process) or no thread of this id.
pub(crate) fn send_to_thread(thread: i32, signal: c_int) -> bool {
    // SAFETY: the action is a place of ours; the other calls have no pointers.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        if libc::sigaction(signal, std::ptr::null(), &mut action) != 0
            || action.sa_sigaction == libc::SIG_DFL
            || action.sa_sigaction == libc::SIG_IGN
        {
            return false;
        }
        libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal) == 0
    }
}

/// A descriptor of our own for what `fd` is open on, closed at exec; `None` where it is not open.
pub(crate) fn duplicate(fd: c_int) -> Option<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: a plain system call without pointers.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
    // SAFETY: the descriptor is new and ours alone.
    (copy >= 0).then(|| unsafe { std::os::fd::OwnedFd::from_raw_fd(copy) })
}
