//! A connection to another instance, and one exchange of uwsgi packets on it within a time.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, Instant};

use socket2::{SockAddr, Socket};
use uwsgi_protocol::uwsgi::{self, Header};

use super::ControlError;
use crate::net::address::{self, Address};
use crate::net::listen;
use crate::sys::socket;

/// Connects to the address that `text` is, within `timeout`.
pub(super) fn connect(text: &str, timeout: Duration) -> Result<Socket, ControlError> {
    let until = Instant::now() + timeout;
    let mut last = Err(ControlError::NotConnectable);
    for address in candidates(&address::parse(text.as_bytes())?)? {
        last = socket::connect(&address, left(until)).map_err(ControlError::Unreachable);
        if last.is_ok() {
            break;
        }
    }
    last
}

/// What to connect to, in this order.
fn candidates(address: &Address) -> Result<Vec<SockAddr>, ControlError> {
    let unix =
        |name: &[u8]| SockAddr::unix(OsStr::from_bytes(name)).map_err(ControlError::Unreachable);
    match address {
        Address::Tcp(host, port) => {
            let address = listen::resolve(host, *port).map_err(ControlError::Unresolved)?;
            Ok(vec![address.into()])
        }
        Address::Unix(path) => Ok(vec![unix(path)?]),
        // uWSGI's own sockets have the zero byte behind the name as a part of it.
        Address::Abstract(name) => Ok(vec![
            unix(&[b"\0", name.as_slice()].concat())?,
            unix(&[b"\0", name.as_slice(), b"\0"].concat())?,
        ]),
        Address::Fd(_) | Address::Shared(_) | Address::Private => Err(ControlError::NotConnectable),
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// Another instance, as long as its time lasts.
pub(super) struct Node {
    socket: Socket,
    /// End of the whole exchange: a peer that sends a byte now and then does not prolong it.
    until: Instant,
}

impl Node {
    pub(super) fn connect(text: &str, timeout: Duration) -> Result<Self, ControlError> {
        let until = Instant::now() + timeout;
        Ok(Self { socket: connect(text, timeout)?, until })
    }

    /// Sends a packet without a block and returns the header of the answer.
    pub(super) fn ask(&mut self, modifier1: u8, modifier2: u8) -> Result<Header, ControlError> {
        let mut packet = Vec::new();
        uwsgi::encode_block(modifier1, modifier2, &[], &mut packet);
        self.socket.write_all(&packet).map_err(ControlError::NoAnswer)?;
        let header = self.read(uwsgi::HEADER_BYTES)?;
        uwsgi::header(&header).ok_or(ControlError::ForeignAnswer)
    }

    /// The next `count` bytes.
    pub(super) fn read(&mut self, count: usize) -> Result<Vec<u8>, ControlError> {
        let mut bytes = vec![0; count];
        let mut filled = 0;
        while filled < count {
            match self.receive(&mut bytes[filled..]) {
                Ok(0) => return Err(no_answer("the connection was closed")),
                Ok(received) => filled += received,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(ControlError::NoAnswer(error)),
            }
        }
        Ok(bytes)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = left(self.until);
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        // Less than a microsecond would be no limit at all.
        self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        self.socket.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}

fn no_answer(why: &'static str) -> ControlError {
    ControlError::NoAnswer(io::Error::other(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener};

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn abstract_sockets_are_found_with_and_without_the_zero_byte() {
        let name = format!("uwsgi-rs-control-{}", std::process::id());
        for bound in [name.clone(), format!("{name}\0")] {
            let address = SocketAddr::from_abstract_name(&bound).expect("a name");
            let _listener = UnixListener::bind_addr(&address).expect("bind");
            connect(&format!("@{name}"), PATIENCE).expect("connects");
        }
    }

    #[test]
    fn full_queue_of_a_unix_socket_does_not_block_for_ever() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("full.sock");
        let listener = Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
        let listener = listener.expect("a socket");
        listener.bind(&SockAddr::unix(&path).expect("an address")).expect("bind");
        listener.listen(0).expect("listen");
        let text = path.to_str().expect("UTF-8");
        let mut waiting = Vec::new();
        let error = loop {
            match connect(text, Duration::from_millis(50)) {
                Ok(socket) => waiting.push(socket),
                Err(error) => break error,
            }
        };
        let ControlError::Unreachable(error) = error else { panic!("{error}") };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn silence_ends_after_the_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("an address").to_string();
        let mut node = Node::connect(&address, Duration::from_millis(50)).expect("connects");
        let Err(ControlError::NoAnswer(error)) = node.ask(100, 0) else { panic!("nobody answers") };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn dripping_answer_does_not_prolong_the_time() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("an address").to_string();
        std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().expect("accept");
            while peer.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let mut node = Node::connect(&address, Duration::from_millis(100)).expect("connects");
        assert!(matches!(node.read(65535), Err(ControlError::NoAnswer(_))));
    }

    #[test]
    fn descriptors_are_nothing_to_connect_to() {
        for text in ["fd://3", "=0"] {
            assert!(matches!(connect(text, PATIENCE), Err(ControlError::NotConnectable)), "{text}");
        }
    }
}
