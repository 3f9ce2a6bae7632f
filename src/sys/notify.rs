//! Messages to the service manager: the protocol of sd_notify(3), without its library.
//!
//! A message is a datagram of `NAME=value` lines to the unix socket that `NOTIFY_SOCKET` names; descriptors go along.
//! Nothing here waits: a manager that does not read gets less to read. What is said, and when, others decide.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, socket,
};

/// Longest message in bytes; systemd reads 4 KiB at once.
pub const MESSAGE_BYTES_MAX: usize = 4096;
/// Longest name of a stored descriptor in bytes (systemd's FDNAME_MAX).
const STORED_NAME_BYTES_MAX: usize = 255;
/// Stands before the names of descriptors that this server stored.
const STORED: &str = "uwsgi-rs.";

/// The socket of the service manager.
#[derive(Debug)]
pub struct NotifySocket {
    socket: OwnedFd,
    address: UnixAddr,
}

impl NotifySocket {
    /// The socket that a value of `NOTIFY_SOCKET` means: a path from the root, or `@` and an abstract name.
    ///
    /// # Errors
    /// `InvalidInput` for another value; as socket(2).
    pub fn new(value: &str) -> io::Result<Self> {
        let address = match value.as_bytes() {
            [b'/', ..] => UnixAddr::new(Path::new(value)),
            [b'@', name @ ..] if !name.is_empty() => UnixAddr::new_abstract(name),
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
        Ok(Self { socket, address: address? })
    }

    /// Sends one message with copies of these descriptors.
    ///
    /// # Errors
    /// As sendmsg(2): `WouldBlock` where the manager's queue is full, `NotFound` or `ConnectionRefused` where it is
    /// gone; `InvalidInput` for a message over [`MESSAGE_BYTES_MAX`].
    pub fn send(&self, message: &str, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        if message.is_empty() || message.len() > MESSAGE_BYTES_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let fds: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&fds)];
        let rights = if fds.is_empty() { &[][..] } else { &rights[..] };
        let parts = [IoSlice::new(message.as_bytes())];
        let fd = self.socket.as_raw_fd();
        sendmsg(fd, &parts, rights, MsgFlags::MSG_NOSIGNAL, Some(&self.address))?;
        Ok(())
    }
}

/// The name under which a descriptor is stored (`FDNAME=`): printable ASCII without colons, so everything else is
/// written as `%XX`. `None` where that is too long.
pub fn stored_name(name: &str) -> Option<String> {
    let mut stored = STORED.to_owned();
    for byte in std::ffi::OsStr::new(name).as_bytes() {
        match byte {
            b':' | b'%' | 0..=b' ' | 0x7f.. => stored.push_str(&format!("%{byte:02X}")),
            _ => stored.push(char::from(*byte)),
        }
    }
    (stored.len() <= STORED_NAME_BYTES_MAX).then_some(stored)
}

/// The name of a descriptor that [`stored_name`] made; `None` for one that somebody else named.
pub fn name_of_stored(stored: &str) -> Option<String> {
    let mut pieces = stored.strip_prefix(STORED)?.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsFd;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;
    use crate::sys::channel::Channel;

    fn text(manager: &UnixDatagram) -> String {
        let mut bytes = [0; MESSAGE_BYTES_MAX];
        let count = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[test]
    fn a_manager_at_a_path_and_one_with_an_abstract_name_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        NotifySocket::new(path.to_str().unwrap()).unwrap().send("READY=1", &[]).unwrap();
        assert_eq!(text(&manager), "READY=1");
        let name = format!("uwsgi-rs-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        NotifySocket::new(&format!("@{name}")).unwrap().send("STOPPING=1", &[]).unwrap();
        assert_eq!(text(&manager), "STOPPING=1");
    }

    #[test]
    fn descriptors_go_along() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"stored").unwrap();
        file.rewind().unwrap();
        let socket = NotifySocket::new(path.to_str().unwrap()).unwrap();
        socket.send("FDSTORE=1\nFDNAME=x", &[file.as_fd()]).unwrap();
        let mut bytes = [0; 100];
        let manager = Channel::from(OwnedFd::from(manager));
        let (count, fd) = manager.receive_with_fd(&mut bytes).unwrap().unwrap();
        assert_eq!(&bytes[..count], b"FDSTORE=1\nFDNAME=x");
        let mut received = std::fs::File::from(fd.unwrap());
        let mut read = String::new();
        received.read_to_string(&mut read).unwrap();
        assert_eq!(read, "stored");
    }

    #[test]
    fn a_manager_that_is_gone_or_does_not_read_is_an_error_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = NotifySocket::new(path.to_str().unwrap()).unwrap();
        assert_eq!(socket.send("A=1", &[]).unwrap_err().kind(), io::ErrorKind::NotFound);
        let _manager = UnixDatagram::bind(&path).unwrap();
        let full = (0..100_000).find_map(|_| socket.send("A=1", &[]).err()).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        let long = "x".repeat(MESSAGE_BYTES_MAX + 1);
        assert_eq!(socket.send(&long, &[]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn other_values_name_no_socket() {
        for value in ["", "@", "relative", "vsock:2:9", &format!("/{}", "x".repeat(200))] {
            assert!(NotifySocket::new(value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn stored_names_are_what_systemd_takes_and_come_back() {
        for name in ["127.0.0.1:80", "/run/a b%.sock", "@x=1:2", "!stats [::1]:0", "/é"] {
            let stored = stored_name(name).unwrap();
            let legal = |byte: u8| byte.is_ascii_graphic() && byte != b':';
            assert!(stored.bytes().all(legal), "{stored}");
            assert_eq!(name_of_stored(&stored).as_deref(), Some(name));
        }
        assert_eq!(stored_name(&":".repeat(100)), None);
        for other in ["http", "uwsgi-rs.%4", "uwsgi-rs.%zz", "uwsgi-rs.%FF"] {
            assert_eq!(name_of_stored(other), None, "{other}");
        }
    }
}
