//! Datagram pairs between processes, with descriptors as passengers.
#![allow(unsafe_code)]

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg, socketpair,
};

/// Largest message in bytes: a request head and a buffered body, with room to spare.
const MESSAGE_BYTES_MAX: usize = 192 * 1024;

/// A connected pair that keeps message borders; close-on-exec, non-blocking.
///
/// # Errors
/// As socketpair(2).
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?)
}

/// Sends one message.
///
/// # Errors
/// As sendmsg(2); `WouldBlock` where the other side does not read.
pub fn send(channel: BorrowedFd<'_>, message: &[u8]) -> io::Result<()> {
    send_parts(channel, message, &[])
}

/// Sends one message with a descriptor.
///
/// # Errors
/// As [`send`].
pub fn send_with_fd(channel: BorrowedFd<'_>, message: &[u8], fd: BorrowedFd<'_>) -> io::Result<()> {
    send_parts(channel, message, &[ControlMessage::ScmRights(&[fd.as_raw_fd()])])
}

fn send_parts(channel: BorrowedFd<'_>, message: &[u8], control: &[ControlMessage<'_>]) -> io::Result<()> {
    let parts = [IoSlice::new(message)];
    sendmsg::<()>(channel.as_raw_fd(), &parts, control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Takes one message; `None` when the other side is gone.
///
/// # Errors
/// As recvmsg(2); `WouldBlock` where there is none.
pub fn receive(channel: BorrowedFd<'_>) -> io::Result<Option<Vec<u8>>> {
    Ok(receive_with_fd(channel)?.map(|(message, _)| message))
}

/// Takes one message with the descriptor that came with it; `None` when the other side is gone.
///
/// # Errors
/// As [`receive`].
pub fn receive_with_fd(channel: BorrowedFd<'_>) -> io::Result<Option<(Vec<u8>, Option<OwnedFd>)>> {
    let mut message = vec![0; MESSAGE_BYTES_MAX];
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let mut parts = [IoSliceMut::new(&mut message)];
    let received =
        recvmsg::<()>(channel.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut passed = None;
    for control in received.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            for fd in fds {
                // SAFETY: the kernel installed this descriptor for this process in this very call.
                passed = Some(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
    }
    let count = received.bytes;
    if count == 0 {
        return Ok(None);
    }
    message.truncate(count);
    Ok(Some((message, passed)))
}
