//! Calls on connected sockets, and one to connect them, that nix and socket2 lack or make dear.
#![allow(unsafe_code)]

use std::io::{self, IoSlice};
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;
use socket2::{SockAddr, Socket, Type};

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// TCP: address and port.
    Ip(IpAddr, u16),
    /// A unix socket: no address.
    Local,
}

/// Connects a new stream socket, blocking and close-on-exec. The wait is bounded by `timeout`, and so is every
/// send afterwards; zero counts as a millisecond.
///
/// # Errors
/// As socket(2) and connect(2); `TimedOut` where nobody answered in time.
pub fn connect(address: &SockAddr, timeout: Duration) -> io::Result<Socket> {
    let socket = Socket::new(address.domain(), Type::STREAM.cloexec(), None)?;
    // Bounds connect(2) too (socket(7)), also where the queue of a unix socket is full.
    socket.set_write_timeout(Some(timeout.max(Duration::from_millis(1))))?;
    match socket.connect(address) {
        Ok(()) => Ok(socket),
        // TCP and unix sockets tell the same thing in two ways.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EAGAIN)) => {
            Err(io::ErrorKind::TimedOut.into())
        }
        Err(error) => Err(error),
    }
}

/// Accepts one connection, non-blocking and close-on-exec, with its peer's address in the same call.
///
/// # Errors
/// As accept4(2); `WouldBlock` where no connection waits.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, PeerAddress)> {
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: `storage` and `length` are valid for writes, and `length` holds the size of `storage`.
    let fd = unsafe {
        libc::accept4(
            listener.as_raw_fd(),
            storage.as_mut_ptr().cast(),
            &mut length,
            libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: accept4 returned a new descriptor that nobody else owns.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: the storage was zeroed, so every byte is initialised, whatever the kernel wrote.
    let storage = unsafe { storage.assume_init() };
    Ok((fd, peer_address(&storage)))
}

/// Whether the process that connected this unix socket belonged to the user of this process, or to root.
pub fn peer_is_this_user(socket: BorrowedFd<'_>) -> bool {
    let peer = getsockopt(&socket, PeerCredentials);
    peer.is_ok_and(|peer| peer.uid() == 0 || peer.uid() == geteuid().as_raw())
}

/// Who made the connection at the other end of a unix socket, as the kernel noted it then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Effective user.
    pub user: u32,
    /// Effective group.
    pub group: u32,
    /// Further groups.
    pub groups: Vec<u32>,
}

/// Of Linux since 4.13; the libc crate does not have it. Another number on SPARC.
const SO_PEERGROUPS: libc::c_int = 59;

/// The credentials of a unix socket's peer.
///
/// # Errors
/// As getsockopt(2). Where the kernel cannot tell the further groups (before Linux 4.13) there are none.
pub fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    let peer = getsockopt(&socket, PeerCredentials)?;
    let groups = peer_groups(socket).unwrap_or_default();
    Ok(Credentials { user: peer.uid(), group: peer.gid(), groups })
}

fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    // Enough for most; the kernel says how many there are where it is not.
    let mut groups = vec![0_u32; 64];
    loop {
        let mut bytes = libc::socklen_t::try_from(mem::size_of_val(&groups[..]))
            .map_err(|_| io::ErrorKind::OutOfMemory)?;
        // SAFETY: the pointer and the length describe `groups`, which is borrowed for writing.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &mut bytes,
            )
        };
        let count = bytes as usize / mem::size_of::<u32>();
        if result == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}

/// The address of the other end, as the kernel has it.
///
/// # Errors
/// As getpeername(2): the peer is gone.
pub fn peer(socket: BorrowedFd<'_>) -> io::Result<PeerAddress> {
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: `storage` and `length` are valid for writes, and `length` holds the size of `storage`.
    let result =
        unsafe { libc::getpeername(socket.as_raw_fd(), storage.as_mut_ptr().cast(), &mut length) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the storage was zeroed, so every byte is initialised, whatever the kernel wrote.
    let storage = unsafe { storage.assume_init() };
    Ok(peer_address(&storage))
}

fn peer_address(storage: &libc::sockaddr_storage) -> PeerAddress {
    let pointer: *const libc::sockaddr_storage = storage;
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the storage, which is large and aligned enough, holds a sockaddr_in.
            let address = unsafe { &*pointer.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
            PeerAddress::Ip(ip.into(), u16::from_be(address.sin_port))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that the storage, which is large and aligned enough, holds a sockaddr_in6.
            let address = unsafe { &*pointer.cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
            PeerAddress::Ip(ip, u16::from_be(address.sin6_port))
        }
        _ => PeerAddress::Local,
    }
}

/// Receives what is there; 0 means that the peer sent its end.
///
/// # Errors
/// As recv(2); `WouldBlock` where nothing is there. An interrupted call is repeated.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        // SAFETY: the pointer and the length describe `buffer`, which is borrowed for writing. The system call
        // itself and not libc's function, which is a cancellation point and pays for it in every call.
        let count = unsafe {
            let (data, none) = (buffer.as_mut_ptr(), std::ptr::null::<u8>());
            libc::syscall(
                libc::SYS_recvfrom,
                socket.as_raw_fd(),
                data,
                buffer.len(),
                libc::MSG_DONTWAIT,
                none,
                none,
            )
        };
        if count >= 0 {
            return Ok(count as usize);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Sends as much of `parts` as the socket takes at once; never raises SIGPIPE.
///
/// # Errors
/// As sendmsg(2); `WouldBlock` where the socket is full. An interrupted call is repeated.
pub fn send(socket: BorrowedFd<'_>, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: all-zero bytes are a valid msghdr (null pointers, zero lengths).
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = parts.as_ptr().cast_mut().cast();
    message.msg_iovlen = parts.len() as _;
    loop {
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
        let fd = socket.as_raw_fd();
        // SAFETY: IoSlice has the layout of iovec; the slices are borrowed for the call and only read. The system
        // calls themselves, as in `receive`.
        let count = unsafe {
            match parts {
                [one] => {
                    let none = std::ptr::null::<u8>();
                    libc::syscall(libc::SYS_sendto, fd, one.as_ptr(), one.len(), flags, none, 0)
                }
                _ => libc::syscall(libc::SYS_sendmsg, fd, &raw const message, flags),
            }
        };
        if count >= 0 {
            return Ok(count as usize);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Sends up to `length` bytes of `file` from `offset`; 0 means that the file ended early.
///
/// # Errors
/// As sendfile(2); `WouldBlock` where the socket is full.
pub fn send_file(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    length: u64,
) -> io::Result<usize> {
    let mut position = i64::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    // One call moves at most about 2 GiB; the caller repeats.
    let count =
        usize::try_from(length.min(0x7fff_f000)).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(nix::sys::sendfile::sendfile64(socket, file, Some(&mut position), count)?)
}

/// Waits until the socket can be read (or written, with `write`) or the time is over; false on time-out.
///
/// # Errors
/// As poll(2).
pub fn wait(socket: BorrowedFd<'_>, write: bool, timeout: Duration) -> io::Result<bool> {
    let events = if write { PollFlags::POLLOUT } else { PollFlags::POLLIN };
    let until = std::time::Instant::now() + timeout;
    loop {
        let left = until.saturating_duration_since(std::time::Instant::now());
        let timeout = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        match nix::poll::poll(&mut [PollFd::new(socket, events)], timeout) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Closes the socket below a descriptor that other code holds, too: the number then stands for a fresh socket that is
/// bound to nothing.
///
/// # Errors
/// As socket(2) and dup3(2).
pub fn close_below(socket: BorrowedFd<'_>) -> io::Result<()> {
    let nothing = Socket::new(socket2::Domain::UNIX, Type::STREAM.cloexec().nonblocking(), None)?;
    // SAFETY: both descriptors are open. The number stays open and its owner's, only what it refers to changes; nothing
    // relies on that but for calls whose errors are handled.
    let result = unsafe { libc::dup3(nothing.as_raw_fd(), socket.as_raw_fd(), libc::O_CLOEXEC) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Ends one direction or both; errors are of no interest, the connection is going away.
pub fn shut(socket: BorrowedFd<'_>, how: nix::sys::socket::Shutdown) {
    let _ = nix::sys::socket::shutdown(socket.as_raw_fd(), how);
}
