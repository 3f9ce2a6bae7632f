//! A client of plain sockets: what it reads is what the peer wrote.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};
use std::path::PathBuf;

use super::answer::{Answer, Framing, dechunk};
use super::{PATIENCE, Request};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
    Abstract(String),
}

impl Address {
    /// As the server's log names it; a wildcard address becomes loopback.
    pub fn parse(text: &str) -> Self {
        let text = text.strip_suffix(" (port auto-assigned)").unwrap_or(text);
        if let Some(name) = text.strip_prefix('@') {
            return Self::Abstract(name.to_owned());
        }
        if text.starts_with('/') || !text.contains(':') {
            return Self::Unix(text.into());
        }
        let (host, port) = text.rsplit_once(':').expect("checked above");
        let host = match host {
            "" | "*" | "0.0.0.0" => "127.0.0.1",
            "[::]" => "[::1]",
            other => other,
        };
        let text = format!("{host}:{port}");
        Self::Tcp(
            text.parse().unwrap_or_else(|error| panic!("address {text:?} of the log: {error}")),
        )
    }

    pub fn port(&self) -> u16 {
        match self {
            Self::Tcp(address) => address.port(),
            other => panic!("{other:?} has no port"),
        }
    }

    /// As `host:port` or path, the form that configuration files take.
    pub fn text(&self) -> String {
        match self {
            Self::Tcp(address) => address.to_string(),
            Self::Unix(path) => path.display().to_string(),
            Self::Abstract(name) => format!("@{name}"),
        }
    }
}

pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// One connection, with what was read and not yet used.
pub struct Connection {
    stream: Stream,
    input: Vec<u8>,
}

impl Connection {
    pub fn try_open(address: &Address) -> io::Result<Self> {
        let stream = match address {
            Address::Tcp(address) => Stream::Tcp(TcpStream::connect(address)?),
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
            Address::Abstract(name) => {
                // The original counts the terminating NUL of its string as a part of the name.
                let named =
                    |name: &str| UnixStream::connect_addr(&UnixAddr::from_abstract_name(name)?);
                Stream::Unix(named(name).or_else(|_| named(&format!("{name}\0")))?)
            }
        };
        match &stream {
            Stream::Tcp(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
            }
            Stream::Unix(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
            }
        }
        Ok(Self { stream, input: Vec::new() })
    }

    #[track_caller]
    pub fn open(address: &Address) -> Self {
        Self::try_open(address).unwrap_or_else(|error| panic!("connect to {address:?}: {error}"))
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes.as_ref()).expect("send to the server");
    }

    /// Tells the server that no more comes.
    pub fn finish(&mut self) {
        let _ = match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 65536];
        let count = match &mut self.stream {
            Stream::Tcp(stream) => stream.read(&mut buffer),
            Stream::Unix(stream) => stream.read(&mut buffer),
        };
        // A server that closes with unread input resets the connection: for a client, the end all the same.
        let count = match count {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            other => other?,
        };
        self.input.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    /// Reads one byte, and leaves the others where they are.
    #[track_caller]
    pub fn sip(&mut self) {
        let mut byte = [0];
        let count = match &mut self.stream {
            Stream::Tcp(stream) => stream.read(&mut byte),
            Stream::Unix(stream) => stream.read(&mut byte),
        };
        assert_eq!(count.expect("read from the server"), 1, "closed before the end");
        self.input.push(byte[0]);
    }

    /// All bytes until the server closes.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill().expect("the server answers or closes") > 0 {}
        std::mem::take(&mut self.input)
    }

    /// Waits until `count` bytes more were received and takes them.
    #[track_caller]
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        while self.input.len() < count {
            assert!(self.fill().expect("read from the server") > 0, "closed before {count} bytes");
        }
        self.input.drain(..count).collect()
    }

    /// Sends over HTTP and reads the answer by its framing, leaving the connection as the server leaves it.
    #[track_caller]
    pub fn ask(&mut self, request: &Request) -> Answer {
        self.send(request.to_http());
        self.answer(request.method == "HEAD")
    }

    /// The next answer on this connection.
    #[track_caller]
    pub fn answer(&mut self, head: bool) -> Answer {
        self.try_answer(head).expect("an answer from the server")
    }

    pub fn try_answer(&mut self, head: bool) -> io::Result<Answer> {
        let (mut answer, length) = loop {
            if let Some(found) = Answer::head(&self.input) {
                break found;
            }
            if self.fill()? == 0 {
                let got = String::from_utf8_lossy(&self.input);
                return Err(io::Error::other(format!("closed before a whole head: {got:?}")));
            }
        };
        self.input.drain(..length);
        let interim = (100..200).contains(&answer.status);
        if head || interim || matches!(answer.status, 204 | 304) {
            answer.complete = true;
            return Ok(answer);
        }
        loop {
            let end = match answer.framing() {
                Framing::Length(length) => (self.input.len() >= length).then_some(length),
                Framing::Chunked => dechunk(&self.input).1,
                Framing::ToEnd => None,
            };
            if let Some(end) = end {
                let bytes = self.input.drain(..end).collect::<Vec<_>>();
                answer.complete = true;
                answer.body = match answer.framing() {
                    Framing::Chunked => dechunk(&bytes).0,
                    _ => bytes,
                };
                return Ok(answer);
            }
            if self.fill()? == 0 {
                let bytes = std::mem::take(&mut self.input);
                (answer.body, answer.complete) = match answer.framing() {
                    Framing::Chunked => (dechunk(&bytes).0, false),
                    Framing::Length(_) => (bytes, false),
                    Framing::ToEnd => (bytes, true),
                };
                return Ok(answer);
            }
        }
    }
}
