//! Listening sockets: the calls that make, adopt and describe them.
#![allow(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::socket::UnixAddr;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

/// What a listening socket is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// TCP.
    Tcp(SocketAddr),
    /// A unix socket with a file.
    Unix(PathBuf),
    /// An abstract unix socket, its name without the leading zero.
    Abstract(Vec<u8>),
}

/// A new TCP socket bound to `address`, non-blocking and close-on-exec, not listening yet.
///
/// # Errors
/// As socket(2), setsockopt(2), bind(2).
pub fn bind_tcp(address: SocketAddr, reuse_port: bool) -> io::Result<OwnedFd> {
    let socket = stream(Domain::for_address(address))?;
    socket.set_reuse_address(true)?;
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// A new unix socket bound to `path`; a path that begins with a zero byte is abstract.
///
/// # Errors
/// As socket(2), bind(2).
pub fn bind_unix(path: &Path) -> io::Result<OwnedFd> {
    let socket = stream(Domain::UNIX)?;
    socket.bind(&SockAddr::unix(path)?)?;
    Ok(socket.into())
}

/// Binds a unix socket without a file to a name that the kernel chooses (unix(7), autobind).
///
/// # Errors
/// As socket(2) and bind(2).
pub fn bind_private() -> io::Result<OwnedFd> {
    let socket = OwnedFd::from(stream(Domain::UNIX)?);
    nix::sys::socket::bind(socket.as_raw_fd(), &UnixAddr::new_unnamed())?;
    Ok(socket)
}

/// Non-blocking and close-on-exec from the start.
fn stream(domain: Domain) -> io::Result<Socket> {
    Socket::new(domain, Type::STREAM.cloexec().nonblocking(), None)
}

/// Starts (or restarts, with another length) the queue of waiting connections.
///
/// # Errors
/// As listen(2).
pub fn listen(socket: BorrowedFd<'_>, backlog: u32) -> io::Result<()> {
    SockRef::from(&socket).listen(i32::try_from(backlog).unwrap_or(i32::MAX))
}

/// Whether somebody listens on the unix socket of this file.
///
/// # Errors
/// As connect(2), where it says neither yes nor no (no permission, not a stream socket).
pub fn is_served(path: &Path) -> io::Result<bool> {
    match stream(Domain::UNIX)?.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock => Ok(true), // its queue is full
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(false),
            _ => Err(error),
        },
    }
}

/// TCP options that accepted connections inherit.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpOptions {
    /// TCP_NODELAY.
    pub no_delay: bool,
    /// SO_KEEPALIVE.
    pub keep_alive: bool,
    /// TCP_DEFER_ACCEPT in seconds; 0 switches it off.
    pub defer_seconds: u32,
}

/// Sets the options of a listening TCP socket.
///
/// # Errors
/// As setsockopt(2).
pub fn set_tcp_options(socket: BorrowedFd<'_>, options: TcpOptions) -> io::Result<()> {
    let reference = SockRef::from(&socket);
    reference.set_tcp_nodelay(options.no_delay)?;
    reference.set_keepalive(options.keep_alive)?;
    let seconds = i32::try_from(options.defer_seconds).unwrap_or(i32::MAX);
    // SAFETY: the pointer and the length describe `seconds`, which outlives the call; the socket is borrowed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw const seconds).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What a listening stream socket is bound to.
///
/// # Errors
/// `InvalidInput` where it is no listening stream socket, or none of a known family.
pub fn bound(socket: BorrowedFd<'_>) -> io::Result<Bound> {
    let reference = SockRef::from(&socket);
    let wrong =
        || io::Error::new(io::ErrorKind::InvalidInput, "it is not a listening stream socket");
    if reference.r#type().map_err(|_| wrong())? != Type::STREAM || !reference.is_listener()? {
        return Err(wrong());
    }
    bound_address(&reference.local_addr()?).ok_or_else(wrong)
}

fn bound_address(address: &SockAddr) -> Option<Bound> {
    if let Some(address) = address.as_socket() {
        return Some(Bound::Tcp(address));
    }
    match address.as_pathname() {
        Some(path) => Some(Bound::Unix(path.to_owned())),
        None => address.as_abstract_namespace().map(|name| Bound::Abstract(name.to_vec())),
    }
}

/// The address of a TCP socket that is bound.
///
/// # Errors
/// As getsockname(2).
pub fn local_tcp(socket: BorrowedFd<'_>) -> io::Result<Option<SocketAddr>> {
    Ok(SockRef::from(&socket).local_addr()?.as_socket())
}

/// Takes descriptors that were opened before this program ran and that its environment hands over.
/// They become non-blocking and close-on-exec.
///
/// For start only, before this program opens listening sockets of its own.
///
/// # Errors
/// The first descriptor that is not open, no socket that listens, a standard stream or named twice.
pub fn take_all(fds: &[RawFd]) -> Result<Vec<OwnedFd>, RawFd> {
    for (position, &fd) in fds.iter().enumerate() {
        if fd <= 2 || fds[..position].contains(&fd) || !listens(fd) {
            return Err(fd);
        }
    }
    // SAFETY: each descriptor is open, a socket that listens, and taken once. Nothing in this program owns
    // it: whoever started the program opened it, and our own listening sockets are not open yet.
    let owned: Vec<_> = fds.iter().map(|&fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect();
    for socket in &owned {
        prepare(socket.as_fd()).map_err(|_| socket.as_raw_fd())?;
    }
    Ok(owned)
}

/// A second descriptor, above 2, of a socket that somebody else keeps open (`fd://N`, standard input).
/// Both are closed in programs that are started, but standard streams.
///
/// # Errors
/// As fcntl(2): `EBADF` where it is not open.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    if !is_open(fd) {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the descriptor is open and this program closes none of the descriptors it was started with
    // while it sets up its listeners, so it stays open while it is borrowed.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    let copy = fcntl(borrowed, FcntlArg::F_DUPFD_CLOEXEC(3))?;
    // SAFETY: fcntl returned a new descriptor that nobody else owns.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    prepare(copy.as_fd())?;
    if fd > 2 {
        fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    Ok(copy)
}

fn is_open(fd: RawFd) -> bool {
    // SAFETY: F_GETFD only reads; it fails with EBADF on a descriptor that is not open.
    fd >= 0 && unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0
}

fn listens(fd: RawFd) -> bool {
    if !is_open(fd) {
        return false;
    }
    // SAFETY: the descriptor is open, and borrowed for one getsockopt only.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    SockRef::from(&borrowed).is_listener().unwrap_or(false)
}

fn prepare(socket: BorrowedFd<'_>) -> io::Result<()> {
    fcntl(socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    let flags = OFlag::from_bits_truncate(fcntl(socket, FcntlArg::F_GETFL)?);
    fcntl(socket, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Whether standard input is a listening socket (inetd's `wait`, spawn-fcgi).
pub fn stdin_listens() -> bool {
    let stdin = io::stdin();
    SockRef::from(&stdin).is_listener().unwrap_or(false)
}
