//! Where a master listens for commands that want an answer, and how one is asked.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

/// Name of the abstract unix socket of the master that is process `pid`.
pub fn name(pid: i32) -> String {
    format!("uwsgi-rs.{pid}")
}

/// What became of a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// Why it was not.
    Failed(String),
    /// What was asked for.
    Text(String),
}

/// Gives a command to the master that is process `pid` and waits for the answer, as long as that takes; `None` where
/// nobody of that process listens (it is another program, or an older one).
///
/// # Errors
/// The connection is lost.
pub fn ask(pid: i32, command: &str) -> io::Result<Option<Answer>> {
    ask_within(pid, command, None)
}

/// The same, but no read waits longer than that.
///
/// # Errors
/// As [`ask`]; `WouldBlock` where it takes longer.
pub fn ask_within(
    pid: i32,
    command: &str,
    patience: Option<Duration>,
) -> io::Result<Option<Answer>> {
    let address = SocketAddr::from_abstract_name(name(pid))?;
    let Ok(mut stream) = UnixStream::connect_addr(&address) else { return Ok(None) };
    // Anybody may take the name first; the kernel says who did.
    let peer = getsockopt(&stream, PeerCredentials)?;
    if peer.pid() != pid {
        return Ok(None);
    }
    stream.set_read_timeout(patience)?;
    stream.write_all(format!("{command}\n").as_bytes())?;
    let (mut line, mut stream) = (String::new(), BufReader::new(stream));
    stream.read_line(&mut line)?;
    match line.trim_end() {
        "ok" => Ok(Some(Answer::Done)),
        "text:" => {
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(Some(Answer::Text(text)))
        }
        "" => Ok(Some(Answer::Failed("the instance ended before it had an answer".to_owned()))),
        line => {
            let why = line.strip_prefix("failed: ").unwrap_or(line);
            Ok(Some(Answer::Failed(why.to_owned())))
        }
    }
}
