//! Waiting for what must be there before the server starts (`wait-for-*`, `wait_for_*`).
//!
//! Signals act as they do during the start in general: an interrupt ends the process, and with it the waiting.

use std::fs;
use std::io;
use std::net::ToSocketAddrs as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::net::if_::if_nametoindex;
use socket2::SockAddr;

use crate::config::model::hooks::{Awaited, Waits};
use crate::log;
use crate::sys::socket;

/// Pause between two looks.
const LOOK_MS: u64 = 100;
/// How long one attempt to connect may take.
const CONNECT_SECONDS_MAX: u64 = 3;

/// What was waited for did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("{name} unavailable after {seconds} seconds")]
pub struct WaitError {
    name: String,
    seconds: u64,
}

/// Waits for interfaces and what is on the disk: before privileges are dropped.
///
/// # Errors
/// [`WaitError`] of the first that does not come.
pub fn before_privileges(waits: &Waits) -> Result<(), WaitError> {
    each(waits, |wanted| !matches!(wanted, Awaited::Socket(_)))
}

/// Waits for sockets: when privileges were dropped.
///
/// # Errors
/// As [`before_privileges`].
pub fn after_privileges(waits: &Waits) -> Result<(), WaitError> {
    each(waits, |wanted| matches!(wanted, Awaited::Socket(_)))
}

fn each(waits: &Waits, which: fn(&Awaited) -> bool) -> Result<(), WaitError> {
    waits
        .wanted
        .iter()
        .filter(|wanted| which(wanted))
        .try_for_each(|wanted| for_one(wanted, waits.limit(wanted)))
}

/// Waits for one of them, with uWSGI's lines.
pub(super) fn for_one(wanted: &Awaited, limit: Duration) -> Result<(), WaitError> {
    let name = wanted.name();
    let start = Instant::now();
    log::line(format_args!("waiting for {name} (max {} seconds) ...", limit.as_secs()));
    loop {
        if let Some(found) = look(wanted) {
            log::line(format_args!("{name} {found}"));
            return Ok(());
        }
        if start.elapsed() >= limit {
            return Err(WaitError { name: name.into_owned(), seconds: start.elapsed().as_secs() });
        }
        std::thread::sleep(Duration::from_millis(LOOK_MS));
    }
}

/// The word for what is there; `None` where it is not.
fn look(wanted: &Awaited) -> Option<String> {
    let found = |there: bool| there.then(|| "found".to_owned());
    match wanted {
        Awaited::Path(path) => found(path.exists()),
        Awaited::File(path) => found(path.is_file()),
        Awaited::Directory(path) => found(path.is_dir()),
        Awaited::MountPoint(path) => {
            is_mount_point(path).unwrap_or(false).then(|| "mounted".to_owned())
        }
        Awaited::Socket(text) => connects(text).then(|| "ready".to_owned()),
        Awaited::Interface(name) => {
            let index = if_nametoindex(name.as_str()).ok()?;
            Some(format!("found with index {index}"))
        }
    }
}

/// A directory on another device than its parent; the root is one too.
fn is_mount_point(path: &Path) -> io::Result<bool> {
    let (own, parent) = (fs::metadata(path)?, fs::metadata(path.join(".."))?);
    Ok(own.is_dir() && (own.dev() != parent.dev() || own.ino() == parent.ino()))
}

fn connects(text: &str) -> bool {
    let addresses: Vec<SockAddr> = match (text.strip_prefix('@'), text.contains(':')) {
        (Some(name), _) => SockAddr::unix(format!("\0{name}")).into_iter().collect(),
        (None, false) => SockAddr::unix(text).into_iter().collect(),
        (None, true) => match text.to_socket_addrs() {
            Ok(found) => found.map(SockAddr::from).collect(),
            Err(_) => Vec::new(),
        },
    };
    let limit = Duration::from_secs(CONNECT_SECONDS_MAX);
    addresses.iter().any(|address| socket::connect(address, limit).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let (folder, file) = (|| directory.path().to_owned(), || file.clone());
        for (wanted, there) in [
            (Awaited::Path(file()), true),
            (Awaited::Path(folder()), true),
            (Awaited::Path(folder().join("none")), false),
            (Awaited::File(file()), true),
            (Awaited::File(folder()), false),
            (Awaited::Directory(folder()), true),
            (Awaited::Directory(file()), false),
            (Awaited::MountPoint(folder()), false),
            (Awaited::MountPoint(file()), false),
            (Awaited::MountPoint("/proc".into()), true),
            (Awaited::MountPoint("/".into()), true),
            (Awaited::Interface("lo".into()), true),
            (Awaited::Interface("no-such-one".into()), false),
        ] {
            assert_eq!(look(&wanted).is_some(), there, "{wanted:?}");
        }
    }

    #[test]
    fn a_socket_is_there_when_it_takes_connections() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let wanted = Awaited::Socket(path.display().to_string());
        assert!(look(&wanted).is_none());
        let _unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(look(&wanted).is_some());
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap().to_string();
        assert!(look(&Awaited::Socket(address.clone())).is_some());
        drop(tcp);
        assert!(look(&Awaited::Socket(address)).is_none());
    }

    #[test]
    fn the_wait_is_bounded() {
        let wanted = Awaited::Path("/nonexistent".into());
        let error = for_one(&wanted, Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "/nonexistent unavailable after 0 seconds");
    }

    #[test]
    fn what_comes_later_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("later");
        let wanted = Awaited::Path(path.clone());
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| for_one(&wanted, Duration::from_secs(60)));
            fs::write(&path, "").unwrap();
            assert!(waiter.join().unwrap().is_ok());
        });
    }
}
