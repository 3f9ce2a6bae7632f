//! `reload-check`: a new generation is asked a request before it is trusted.
//!
//! The request comes through a pair of sockets into a worker that has not opened its doors yet, and runs as any other:
//! the same threads, the same application, one line in the log. Only the status of the answer counts.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use uwsgi_plugin_api::WireProtocol;
use uwsgi_protocol::{fastcgi, scgi, uwsgi};

use crate::config::model::Check;
use crate::net::connection::Connection;
use crate::net::peer::Peer;
use crate::request::shared::Shared;

/// An application that takes longer for its first answer is not ready.
const CHECK_SECONDS_MAX: u64 = 60;
/// Of the answer so much is read to find its status.
const HEAD_BYTES_MAX: usize = 4096;
/// Where the request comes from, as the application sees it.
const ADDRESS: &[u8] = b"127.0.0.1";
const AGENT: &[u8] = b"uwsgi reload-check";

/// Asks, and says what is wrong with the answer.
pub(super) fn run(shared: &Shared, check: &Check) -> Result<(), String> {
    let Check { method, target, status } = check;
    let failed = |what: String| format!("reload-check {method} {target}: {what}");
    let answer = ask(shared, check).map_err(|error| failed(format!("no answer: {error}")))?;
    match status_of(&answer) {
        Some(found) if found == *status => Ok(()),
        Some(found) => Err(failed(format!("answered {found}, not {status}"))),
        None => Err(failed("the answer has no status".to_owned())),
    }
}

fn ask(shared: &Shared, check: &Check) -> io::Result<Vec<u8>> {
    let listeners = &shared.hub.listeners;
    let speaks_http = |index: &usize| {
        matches!(listeners[*index].info.protocol, WireProtocol::Http | WireProtocol::Auto)
    };
    let index = (0..listeners.len()).find(speaks_http);
    let request = request(listeners[index.unwrap_or(0)].info.protocol, check)?;
    let (mut ours, theirs) = UnixStream::pair()?;
    theirs.set_nonblocking(true)?;
    ours.write_all(&request)?;
    let now_ms = shared.hub.now_ms();
    let listener = index.unwrap_or(0) as u16;
    let deadline_ms = now_ms + shared.hub.times.head_ms;
    let peer = Peer::from_text(ADDRESS, 0);
    let connection = Connection::new(OwnedFd::from(theirs), listener, peer, deadline_ms);
    let mut jobs = VecDeque::new();
    shared.hub.progress(connection, now_ms, &mut jobs);
    jobs.into_iter().for_each(|job| shared.stile.push(job));
    shared.hub.wake();
    read_head(&mut ours)
}

fn read_head(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let until = Instant::now() + Duration::from_secs(CHECK_SECONDS_MAX);
    let mut answer = Vec::new();
    let mut bytes = [0; HEAD_BYTES_MAX];
    while !answer.contains(&b'\n') && answer.len() < HEAD_BYTES_MAX {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}

/// As a client or a front end of this protocol sends it.
fn request(protocol: WireProtocol, check: &Check) -> io::Result<Vec<u8>> {
    let pairs = pairs(check);
    let request = match protocol {
        WireProtocol::Http | WireProtocol::Auto => Some(http_request(check)),
        WireProtocol::Uwsgi | WireProtocol::PersistentUwsgi => {
            let mut request = Vec::new();
            uwsgi::encode(0, 0, &pairs, &mut request).then_some(request)
        }
        WireProtocol::FastCgi | WireProtocol::FastCgiNph => fastcgi::request(1, false, &pairs),
        WireProtocol::Scgi | WireProtocol::ScgiNph => Some(scgi::encode(0, &pairs)),
        WireProtocol::Raw => return Err(io::Error::other("raw connections have no requests")),
    };
    request.ok_or_else(|| io::Error::other("the request is too long"))
}

fn http_request(Check { method, target, .. }: &Check) -> Vec<u8> {
    let agent = String::from_utf8_lossy(AGENT);
    format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

fn pairs(Check { method, target, .. }: &Check) -> [(&[u8], &[u8]); 11] {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    [
        (b"REQUEST_METHOD", method.as_bytes()),
        (b"REQUEST_URI", target.as_bytes()),
        (b"PATH_INFO", path.as_bytes()),
        (b"QUERY_STRING", query.as_bytes()),
        (b"SERVER_PROTOCOL", b"HTTP/1.1"),
        (b"SERVER_NAME", b"localhost"),
        (b"SERVER_PORT", b"80"),
        (b"REMOTE_ADDR", ADDRESS),
        (b"REMOTE_PORT", b"0"),
        (b"HTTP_HOST", b"localhost"),
        (b"HTTP_USER_AGENT", AGENT),
    ]
}

/// The number behind the version or `Status:`, perhaps behind the header of a record.
fn status_of(answer: &[u8]) -> Option<u16> {
    let begins = |what: &[u8]| memchr::memmem::find(answer, what);
    let start = begins(b"HTTP/1.").or_else(|| begins(b"Status: "))?;
    let line = answer[start..].split(|byte| *byte == b'\n').next()?;
    let status = line.split(|byte| *byte == b' ').nth(1)?;
    std::str::from_utf8(status.trim_ascii()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_behind_the_version() {
        assert_eq!(status_of(b"HTTP/1.1 204 No Content\r\n\r\n"), Some(204));
        assert_eq!(status_of(b"HTTP/1.0 503\r\n"), Some(503));
        assert_eq!(status_of(b"\x01\x06\0\x01\0\x0f\0\0Status: 404 No\r\n"), Some(404));
        assert_eq!((status_of(b""), status_of(b"HTTP/1.1 x\r\n")), (None, None));
    }
}
