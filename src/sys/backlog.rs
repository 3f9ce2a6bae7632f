//! How many connections wait at a listening socket: accepted by the kernel, not yet by a worker.
//!
//! TCP says it in TCP_INFO (tcp(7)): of a listening socket `tcpi_unacked` is the length of the accept queue and
//! `tcpi_sacked` its limit. Unix sockets say it to NETLINK_SOCK_DIAG (sock_diag(7)), which answers within the call
//! that asks. uWSGI takes the queue of a unix socket for empty (behaviour note 3.3). Nothing here waits.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};
use nix::sys::stat::fstat;
use socket2::{Domain, SockRef};

/// Longest answer that is read; one has about 60 bytes.
const ANSWER_BYTES_MAX: usize = 1_024;
/// Answers to earlier questions that are passed over before one is given up.
const STALE_ANSWERS_MAX: usize = 8;

/// Bytes of a netlink header (netlink(7)).
const HEADER_BYTES: usize = 16;
/// Bytes of `unix_diag_req` behind it.
const QUESTION_BYTES: usize = 24;
/// Bytes of `unix_diag_msg` behind the header of an answer; attributes follow.
const RECORD_BYTES: usize = 16;
/// `SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h: type of questions and answers.
const BY_FAMILY: u16 = 20;
/// `UDIAG_SHOW_RQLEN` of linux/unix_diag.h: tell the length of the queue.
const SHOW_LENGTH: u32 = 0x10;
/// `UNIX_DIAG_RQLEN`: the attribute that does.
const LENGTH: u16 = 4;
/// Every state of a socket.
const ANY_STATE: u32 = u32::MAX;

/// The accept queue of one or more listening sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Connections that wait.
    pub length: u32,
    /// So many may.
    pub max: u32,
}

/// Asks for accept queues. Keeps the socket by which it asks about unix sockets.
#[derive(Debug, Default)]
pub struct Gauge {
    netlink: Option<OwnedFd>,
    asked: u32,
}

impl Gauge {
    /// The queue of a listening stream socket.
    ///
    /// # Errors
    /// As getsockopt(2) and netlink(7); `Unsupported` where the kernel does not tell it.
    pub fn read(&mut self, listener: BorrowedFd<'_>) -> io::Result<Backlog> {
        match SockRef::from(&listener).domain()? {
            Domain::UNIX => self.unix(listener),
            _ => tcp(listener),
        }
    }

    fn unix(&mut self, listener: BorrowedFd<'_>) -> io::Result<Backlog> {
        // Both kinds of number are the socket's own in sockfs, and of 32 bits in questions and answers.
        let inode = fstat(listener)?.st_ino as u32;
        self.asked = self.asked.wrapping_add(1);
        let asked = self.asked;
        let netlink = self.netlink()?.as_fd().as_raw_fd();
        send(netlink, &question(asked, inode), MsgFlags::MSG_DONTWAIT)?;
        let mut answer = [0; ANSWER_BYTES_MAX];
        for _ in 0..STALE_ANSWERS_MAX {
            let length = recv(netlink, &mut answer, MsgFlags::MSG_DONTWAIT)?;
            if let Some(result) = parse(&answer[..length], asked, inode) {
                return result;
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    fn netlink(&mut self) -> io::Result<&OwnedFd> {
        if self.netlink.is_none() {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let protocol = SockProtocol::NetlinkSockDiag;
            self.netlink =
                Some(socket(AddressFamily::Netlink, SockType::Datagram, flags, protocol)?);
        }
        Ok(self.netlink.as_ref().expect("it was made above"))
    }
}

fn tcp(listener: BorrowedFd<'_>) -> io::Result<Backlog> {
    // SAFETY: all-zero bytes are a valid tcp_info, which consists of numbers.
    let mut info: libc::tcp_info = unsafe { mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: `info` and `length` are valid for writes, and `length` holds the size of `info`; the kernel writes no
    // more, and less where it is older. The descriptor is borrowed for the call.
    let result = unsafe {
        libc::getsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &mut length,
        )
    };
    match result {
        0 => Ok(Backlog { length: info.tcpi_unacked, max: info.tcpi_sacked }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A header and a `unix_diag_req`, in the machine's byte order.
fn question(asked: u32, inode: u32) -> Vec<u8> {
    let total = (HEADER_BYTES + QUESTION_BYTES) as u32;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + QUESTION_BYTES);
    bytes.extend(total.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend((libc::NLM_F_REQUEST as u16).to_ne_bytes());
    bytes.extend(asked.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes()); // port: the kernel fills it in
    bytes.extend([libc::AF_UNIX as u8, 0, 0, 0]); // family, protocol, padding
    bytes.extend(ANY_STATE.to_ne_bytes());
    bytes.extend(inode.to_ne_bytes());
    bytes.extend(SHOW_LENGTH.to_ne_bytes());
    bytes.extend([0xff; 8]); // no cookie: whichever socket has the inode
    bytes
}

/// The answer to this question; `None` for another one's.
fn parse(bytes: &[u8], asked: u32, inode: u32) -> Option<io::Result<Backlog>> {
    let broken = || Some(Err(io::ErrorKind::InvalidData.into()));
    let (Some(kind), Some(number)) = (u16_at(bytes, 4), u32_at(bytes, 8)) else { return broken() };
    if number != asked {
        return None;
    }
    if kind == libc::NLMSG_ERROR as u16 {
        let code = u32_at(bytes, HEADER_BYTES).unwrap_or_default() as i32;
        return Some(Err(match code.checked_neg() {
            // The kernel's module that answers is missing.
            Some(libc::ENOENT) => io::ErrorKind::Unsupported.into(),
            Some(code) if code > 0 => io::Error::from_raw_os_error(code),
            _ => io::ErrorKind::InvalidData.into(),
        }));
    }
    // Behind family, type, state and padding the record names the socket.
    if kind != BY_FAMILY || u32_at(bytes, HEADER_BYTES + 4) != Some(inode) {
        return broken();
    }
    Some(attribute(bytes.get(HEADER_BYTES + RECORD_BYTES..).unwrap_or_default(), LENGTH))
}

/// Two numbers in one of several attributes: length with its own four bytes, type, value, padded to four bytes.
fn attribute(mut bytes: &[u8], wanted: u16) -> io::Result<Backlog> {
    while let (Some(length), Some(kind)) = (u16_at(bytes, 0), u16_at(bytes, 2)) {
        let length = usize::from(length);
        if let (true, Some(waiting), Some(max)) =
            (kind == wanted && length >= 12, u32_at(bytes, 4), u32_at(bytes, 8))
        {
            return Ok(Backlog { length: waiting, max });
        }
        // An attribute without its own header would be read again and again.
        bytes = bytes.get(length.max(4).next_multiple_of(4)..).unwrap_or_default();
    }
    Err(io::ErrorKind::Unsupported.into())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

    use super::*;
    use crate::sys::listen;

    /// The kernel may take a moment to move a TCP connection into the queue.
    fn eventually(gauge: &mut Gauge, listener: BorrowedFd<'_>, length: u32) -> Backlog {
        loop {
            let backlog = gauge.read(listener).unwrap();
            if backlog.length == length {
                return backlog;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_tcp_queue_is_as_long_as_connections_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listen::listen(listener.as_fd(), 50).unwrap();
        let mut gauge = Gauge::default();
        assert_eq!(gauge.read(listener.as_fd()).unwrap(), Backlog { length: 0, max: 50 });
        let address = listener.local_addr().unwrap();
        let waiting: Vec<_> = (0..7).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert_eq!(eventually(&mut gauge, listener.as_fd(), 7).max, 50);
        let taken = listener.accept().unwrap();
        eventually(&mut gauge, listener.as_fd(), 6);
        drop((waiting, taken));
    }

    #[test]
    fn a_unix_queue_is_as_long_as_connections_wait() {
        let name = format!("uwsgi-backlog-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let other = UnixListener::bind_addr(
            &SocketAddr::from_abstract_name(format!("uwsgi-other-{}", std::process::id())).unwrap(),
        )
        .unwrap();
        listen::listen(listener.as_fd(), 50).unwrap();
        let mut gauge = Gauge::default();
        let empty = match gauge.read(listener.as_fd()) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                println!("skipped: this kernel has no unix_diag");
                return;
            }
            result => result.unwrap(),
        };
        assert_eq!(empty, Backlog { length: 0, max: 50 });
        let waiting: Vec<_> = (0..7).map(|_| UnixStream::connect_addr(&address).unwrap()).collect();
        eventually(&mut gauge, listener.as_fd(), 7);
        assert_eq!(gauge.read(other.as_fd()).unwrap().length, 0);
        let taken = listener.accept().unwrap();
        eventually(&mut gauge, listener.as_fd(), 6);
        drop((waiting, taken));
    }

    #[test]
    fn what_does_not_listen_has_no_queue() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(Gauge::default().read(file.as_fd()).is_err());
    }

    #[test]
    fn whatever_an_answer_is_it_is_no_panic() {
        let whole = {
            let mut bytes = vec![0; HEADER_BYTES + RECORD_BYTES];
            bytes[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
            bytes[8..12].copy_from_slice(&5_u32.to_ne_bytes());
            bytes[20..24].copy_from_slice(&77_u32.to_ne_bytes());
            for (length, kind) in [(5_u16, 1_u16), (0, 9), (12, LENGTH)] {
                bytes.extend(length.to_ne_bytes());
                bytes.extend(kind.to_ne_bytes());
                bytes.extend(vec![0; usize::from(length.max(4)).next_multiple_of(4) - 4]);
            }
            let end = bytes.len();
            bytes[end - 8..end - 4].copy_from_slice(&3_u32.to_ne_bytes());
            bytes[end - 4..].copy_from_slice(&9_u32.to_ne_bytes());
            bytes
        };
        let read = |bytes: &[u8]| parse(bytes, 5, 77);
        assert_eq!(read(&whole).unwrap().unwrap(), Backlog { length: 3, max: 9 });
        assert!(parse(&whole, 6, 77).is_none(), "another question's");
        assert!(parse(&whole, 5, 78).unwrap().is_err(), "another socket's");
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).unwrap().is_err(), "{length} bytes");
        }
    }
}
