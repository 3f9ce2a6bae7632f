//! Listeners in mio's epoll, with the flags that mio does not offer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

/// The epoll instance below a `mio::Poll`, for sockets that mio must not register edge-triggered.
#[derive(Debug)]
pub struct ListenerSet {
    epoll: Epoll,
}

impl ListenerSet {
    /// Shares the instance of a registry.
    ///
    /// # Errors
    /// Where the descriptor cannot be duplicated.
    pub fn new(registry: &mio::Registry) -> io::Result<Self> {
        Ok(Self { epoll: Epoll(registry.as_fd().try_clone_to_owned()?) })
    }

    /// Adds a listener, level-triggered. With `exclusive`, the kernel wakes one of the processes that wait for it.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn add(&self, listener: BorrowedFd<'_>, token: usize, exclusive: bool) -> io::Result<()> {
        let mut flags = EpollFlags::EPOLLIN;
        if exclusive {
            flags |= EpollFlags::EPOLLEXCLUSIVE;
        }
        Ok(self.epoll.add(listener, EpollEvent::new(flags, token as u64))?)
    }

    /// Adds a socket of which only is wanted, level-triggered, whether it can be written to.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn add_writable(&self, socket: BorrowedFd<'_>, token: usize) -> io::Result<()> {
        Ok(self.epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLOUT, token as u64))?)
    }

    /// Takes a listener out.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn remove(&self, listener: BorrowedFd<'_>) -> io::Result<()> {
        Ok(self.epoll.delete(listener)?)
    }
}
