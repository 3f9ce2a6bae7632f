//! The way of all lines of an instance to its gateway that carries the log.
//!
//! Standard output and error of every process lead into one socket, whose other end is the standard input of that gateway.
//! Lines of the server are dropped and counted where the socket is full, for a worker must not wait for who reads its log;
//! what an application prints waits, as it does for a pipe.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};
use nix::unistd::{dup2_stderr, dup2_stdout};

/// Standard error leads into the channel.
static IS_ON: AtomicBool = AtomicBool::new(false);
/// Lines of this process that were dropped and not told of.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// See the module.
#[derive(Debug)]
pub struct Channel {
    reader: OwnedFd,
    before: OwnedFd,
}

impl Channel {
    /// The name of the end that is read.
    pub const NAME: &'static str = "!log";
    /// The name of what standard error was before.
    pub const BEFORE: &'static str = "!log-before";

    /// Makes a channel and turns standard output and error to it.
    ///
    /// # Errors
    /// Descriptor limit.
    pub fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (reader, writer) = socketpair(AddressFamily::Unix, SockType::Stream, None, flags)?;
        let before = io::stderr().as_fd().try_clone_to_owned()?;
        dup2_stdout(&writer)?;
        dup2_stderr(&writer)?;
        IS_ON.store(true, Ordering::Relaxed);
        Ok(Self { reader, before })
    }

    /// What an earlier image left, where standard error leads into it already.
    pub fn adopt(passed: &mut HashMap<String, OwnedFd>) -> Option<Self> {
        let channel =
            Self { reader: passed.remove(Self::NAME)?, before: passed.remove(Self::BEFORE)? };
        IS_ON.store(true, Ordering::Relaxed);
        Some(channel)
    }

    /// Turns standard output and error back.
    ///
    /// # Errors
    /// None that is known.
    pub fn close(self) -> io::Result<()> {
        close(&self.before)
    }

    /// Both descriptors with their names, for other images.
    pub fn descriptors(self) -> [(String, Arc<OwnedFd>); 2] {
        let one = |name: &str, fd| (name.to_owned(), Arc::new(fd));
        [one(Self::NAME, self.reader), one(Self::BEFORE, self.before)]
    }
}

/// Turns standard output and error back to what they were.
///
/// # Errors
/// None that is known.
pub fn close(before: &OwnedFd) -> io::Result<()> {
    IS_ON.store(false, Ordering::Relaxed);
    dup2_stdout(before)?;
    Ok(dup2_stderr(before)?)
}

/// Sends bytes into the channel, or drops them. False where there is none.
pub(super) fn sent(bytes: &[u8]) -> bool {
    if !IS_ON.load(Ordering::Relaxed) {
        return false;
    }
    let dropped = DROPPED.swap(0, Ordering::Relaxed);
    if dropped > 0 && !try_send(format!("{dropped} lines of the log were dropped\n").as_bytes()) {
        DROPPED.fetch_add(dropped + 1, Ordering::Relaxed);
    } else if !try_send(bytes) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
    true
}

fn try_send(bytes: &[u8]) -> bool {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    loop {
        match send(io::stderr().as_raw_fd(), bytes, flags) {
            Err(Errno::EINTR) => {}
            sent => return sent.is_ok(),
        }
    }
}
