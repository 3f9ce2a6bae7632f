//! Small messages between two processes, with descriptors where asked for.
//!
//! A `SOCK_SEQPACKET` pair: messages keep their borders, and the other side's death is an end of file.

#![allow(unsafe_code)]

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};

/// Longest message in bytes; longer ones are refused by [`Channel::send`].
/// A connection that changes its worker takes what was read from it along: a head and a buffered body.
pub const MESSAGE_BYTES_MAX: usize = 160 * 1024;

/// Descriptors that the kernel lets one message carry (`SCM_MAX_FD`).
const RIGHTS_MAX: usize = 253;

/// One end. Nothing waits unless [`Channel::set_nonblocking`] is called with false.
#[derive(Debug)]
pub struct Channel {
    fd: OwnedFd,
}

impl Channel {
    /// Two connected ends, closed on exec and non-blocking.
    ///
    /// # Errors
    /// Out of descriptors or memory.
    pub fn pair() -> io::Result<(Self, Self)> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok((Self { fd: one }, Self { fd: other }))
    }

    /// Whether [`Channel::receive`] returns `WouldBlock` or waits.
    ///
    /// # Errors
    /// None on an open descriptor.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        let flags = if nonblocking { OFlag::O_NONBLOCK } else { OFlag::empty() };
        fcntl(&self.fd, FcntlArg::F_SETFL(flags))?;
        Ok(())
    }

    /// Sends one message; never waits.
    ///
    /// # Errors
    /// `WouldBlock` while the other side does not read, `BrokenPipe` when it is gone, `InvalidInput` for
    /// an empty message or one over [`MESSAGE_BYTES_MAX`].
    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        self.send_parts(message, &[])
    }

    /// Sends one message and a duplicate of `fd`; never waits.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub fn send_with_fd(&self, message: &[u8], fd: BorrowedFd<'_>) -> io::Result<()> {
        self.send_parts(message, &[fd.as_raw_fd()])
    }

    /// Takes one message into `buffer` and returns its length; `None` when the other side is gone.
    ///
    /// # Errors
    /// `WouldBlock` while there is none; `InvalidData` for a message longer than `buffer`.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        Ok(self.receive_with_fd(buffer)?.map(|(length, _)| length))
    }

    /// Takes one message and the descriptor that came with it, closed on exec.
    ///
    /// # Errors
    /// As [`Channel::receive`].
    pub fn receive_with_fd(
        &self,
        buffer: &mut [u8],
    ) -> io::Result<Option<(usize, Option<OwnedFd>)>> {
        // Room for as many as the kernel lets anybody send: those that find no room in time stay open, and nobody knows
        // their numbers. Even room for one has room for two, because it is aligned.
        let mut space = cmsg_space!([RawFd; RIGHTS_MAX]);
        let mut parts = [IoSliceMut::new(buffer)];
        let raw = self.fd.as_raw_fd();
        let message = loop {
            match recvmsg::<()>(raw, &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC) {
                Err(Errno::EINTR) => {}
                // The other side died with our messages unread.
                Err(Errno::ECONNRESET) => return Ok(None),
                result => break result?,
            }
        };
        let fd = first_fd(message.cmsgs()?);
        if message.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "message longer than its buffer",
            ));
        }
        Ok((message.bytes > 0).then_some((message.bytes, fd)))
    }

    fn send_parts(&self, message: &[u8], fds: &[RawFd]) -> io::Result<()> {
        if message.is_empty() || message.len() > MESSAGE_BYTES_MAX {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let rights = [ControlMessage::ScmRights(fds)];
        let rights = if fds.is_empty() { &[][..] } else { &rights[..] };
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        loop {
            match sendmsg::<()>(self.fd.as_raw_fd(), &[IoSlice::new(message)], rights, flags, None)
            {
                Err(Errno::EINTR) => {}
                result => return Ok(result.map(drop)?),
            }
        }
    }
}

/// The first of the descriptors that came with a message. The others are closed: none of ours sends more than one.
fn first_fd(rights: impl Iterator<Item = ControlMessageOwned>) -> Option<OwnedFd> {
    let fds = rights.filter_map(|rights| match rights {
        ControlMessageOwned::ScmRights(fds) => Some(fds),
        _ => None,
    });
    // SAFETY: the kernel has just made these descriptors for us and nobody else knows them.
    let owned = fds.flatten().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    owned.reduce(|first, _| first)
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<OwnedFd> for Channel {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> Self {
        channel.fd
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{ErrorKind, Read, Write};

    use super::*;

    #[test]
    fn messages_keep_their_borders_and_the_end_is_seen() {
        let (one, other) = Channel::pair().unwrap();
        let mut buffer = [0; 16];
        assert_eq!(other.receive(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        one.send(b"a").unwrap();
        one.send(b"bc").unwrap();
        assert_eq!(other.receive(&mut buffer).unwrap(), Some(1));
        assert_eq!(other.receive(&mut buffer).unwrap(), Some(2));
        assert_eq!(&buffer[..2], b"bc");
        drop(one);
        assert_eq!(other.receive(&mut buffer).unwrap(), None);
        assert_eq!(other.send(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn an_end_with_unread_messages_is_an_end() {
        let (one, other) = Channel::pair().unwrap();
        other.send(b"unread").unwrap();
        drop(one);
        assert_eq!(other.receive(&mut [0; 16]).unwrap(), None);
    }

    #[test]
    fn a_full_channel_and_odd_sizes_are_refused() {
        let (one, _other) = Channel::pair().unwrap();
        assert_eq!(one.send(b"").unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(
            one.send(&vec![0; MESSAGE_BYTES_MAX + 1]).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        let refused = (0..100_000).find_map(|_| one.send(&[1; 4096]).err()).unwrap();
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn a_descriptor_arrives_with_its_message() {
        let (one, other) = Channel::pair().unwrap();
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        one.send_with_fd(b"w", writer.as_fd()).unwrap();
        one.send(b"plain").unwrap();
        let (length, fd) = other.receive_with_fd(&mut [0; 8]).unwrap().unwrap();
        File::from(fd.unwrap()).write_all(b"through").unwrap();
        assert_eq!(length, 1);
        assert!(other.receive_with_fd(&mut [0; 8]).unwrap().unwrap().1.is_none());
        writer.write_all(b"!").unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through!");
    }

    #[test]
    fn descriptors_that_nobody_asked_for_are_closed() {
        for count in [2, 3, RIGHTS_MAX] {
            let (one, other) = Channel::pair().unwrap();
            let (mut reader, writer) = std::io::pipe().unwrap();
            one.send_parts(b"w", &vec![writer.as_raw_fd(); count]).unwrap();
            drop(writer);
            let (_, first) = other.receive_with_fd(&mut [0; 8]).unwrap().unwrap();
            drop(first.unwrap());
            // The end of the pipe is seen when nobody has its other side any more.
            fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
            assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0, "of {count}");
        }
    }

    #[test]
    fn a_message_longer_than_the_buffer_is_an_error() {
        let (one, other) = Channel::pair().unwrap();
        one.send(b"12345").unwrap();
        assert_eq!(other.receive(&mut [0; 4]).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
