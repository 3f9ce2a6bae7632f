//! Commands whose answer is printed: what a server sends, and what is in a file or behind a scheme.

use std::io::{self, ErrorKind, Read, Write};

use super::{ControlError, PEER_TIMEOUT, node};
use crate::config;

/// Connects to `address` and copies all that comes, until the peer closes.
pub(super) fn connection(address: &str, output: &mut impl Write) -> Result<(), ControlError> {
    let mut socket = node::connect(address, PEER_TIMEOUT)?;
    let mut buffer = [0; 16 << 10];
    loop {
        let received = match socket.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(received) => &buffer[..received],
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(ControlError::NoAnswer(error)),
        };
        if !print(received, output)? {
            return Ok(());
        }
    }
}

/// Prints a file, or what its scheme stands for.
pub(super) fn content(target: &str, output: &mut impl Write) -> Result<(), ControlError> {
    let bytes = config::read_target(target).map_err(ControlError::Unreadable)?;
    print(&bytes, output).map(drop)
}

/// Writes at once. False where the reader has gone: that is its wish and no error.
pub(super) fn print(bytes: &[u8], output: &mut impl Write) -> Result<bool, ControlError> {
    let written: io::Result<()> = output.write_all(bytes).and_then(|()| output.flush());
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(ControlError::Output(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A server that sends without end.
    fn endless() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("an address").to_string();
        std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().expect("accept");
            while peer.write_all(b"again\n").is_ok() {}
        });
        address
    }

    #[test]
    fn reader_that_has_gone_ends_the_copy() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        drop(reader);
        connection(&endless(), &mut writer).expect("no error");
    }

    #[test]
    fn full_disk_is_told() {
        let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("open");
        let error = connection(&endless(), &mut full).expect_err("nothing can be written");
        assert!(matches!(error, ControlError::Output(_)), "{error}");
    }

    #[test]
    fn content_is_printed_as_it_is() {
        let mut output = Vec::new();
        content("exec://printf 'a\\nb'", &mut output).expect("it runs");
        assert_eq!(output, b"a\nb");
    }
}
