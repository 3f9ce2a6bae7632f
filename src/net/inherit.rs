//! Listening sockets that were open before this program ran: from its own earlier image (re-exec), from
//! systemd, or on standard input.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::sys::stat::fstat;
use uwsgi_plugin_api::WireProtocol;

use super::listen::ListenError;
use super::systemd;
use crate::sys::environment;
use crate::sys::handover;
use crate::sys::listen::{self as system, Bound};
use crate::sys::notify;

/// Stands before the name of a socket that no option asked for, in what is left to the next image.
/// No address of an option begins so.
const ACTIVATED: &str = "!activated ";

/// Whether this name, under which a socket is left to the next image, is that of one that the starter opened.
pub fn is_activated(name: &str) -> bool {
    name.starts_with(ACTIVATED)
}

/// Why a socket is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// An option has it at this address, in its words.
    Configured(String),
    /// The starter opened it and no option names it; with its protocol where that is known.
    Activated(Option<WireProtocol>),
}

impl Reason {
    /// The name for the next image; it holds no line break.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Configured(address) => address.clone(),
            Self::Activated(None) => ACTIVATED.to_owned(),
            Self::Activated(Some(protocol)) => format!("{ACTIVATED}{}", protocol.name()),
        }
    }

    fn of_name(name: &str) -> Self {
        match name.strip_prefix(ACTIVATED) {
            None => Self::Configured(name.to_owned()),
            Some(protocol) => Self::Activated(WireProtocol::of_name(protocol)),
        }
    }
}

/// One socket that is there already.
#[derive(Debug)]
pub(super) struct Inherited {
    pub fd: OwnedFd,
    pub bound: Bound,
    pub reason: Reason,
}

/// All sockets that are there already. Those that no option names and nobody activated are closed with it.
#[derive(Debug, Default)]
pub struct Inheritance {
    pub(super) sockets: Vec<Inherited>,
    /// Standard input is a listening socket.
    pub(super) stdin: bool,
    reloaded: bool,
}

impl Inheritance {
    /// Takes what the environment names, and removes the variables so that no child takes it for its own.
    /// Call it once, at start, while there is one thread and before sockets are opened.
    ///
    /// # Errors
    /// [`ListenError::Inherited`] where a variable is broken or names what is no listening socket.
    pub fn of_process() -> Result<Self, ListenError> {
        let left = handover::take_inherited();
        let reloaded = left.is_some();
        let mut sockets = left_sockets(left.unwrap_or_default())?;
        let activated = systemd::activated(std::process::id(), |name| std::env::var(name).ok());
        sockets.extend(activated_sockets(&activated.map_err(inherited)?)?);
        for name in systemd::VARIABLES {
            if std::env::var_os(name).is_some() {
                environment::remove(name).map_err(inherited)?;
            }
        }
        let stdin = !reloaded && sockets.is_empty() && system::stdin_listens();
        Ok(Self { sockets, stdin, reloaded })
    }

    /// What an earlier image left, by name.
    #[cfg(test)]
    pub(super) fn left(sockets: Vec<handover::Inherited>) -> Self {
        Self { sockets: left_sockets(sockets).expect("they listen"), stdin: false, reloaded: true }
    }

    /// This program took the place of an earlier image of itself.
    pub fn reloaded(&self) -> bool {
        self.reloaded
    }

    /// The socket for an option: one that an earlier image bound for the same words, or an activated one
    /// that is bound to the same address.
    pub(super) fn claim(&mut self, address: &str, wanted: Option<&Bound>) -> Option<Inherited> {
        let same_words =
            |socket: &Inherited| socket.reason == Reason::Configured(address.to_owned());
        let same_place = |socket: &Inherited| {
            matches!(socket.reason, Reason::Activated(_)) && Some(&socket.bound) == wanted
        };
        let position = self.sockets.iter().position(same_words);
        let position = position.or_else(|| self.sockets.iter().position(same_place))?;
        Some(self.sockets.remove(position))
    }
}

fn left_sockets(left: Vec<handover::Inherited>) -> Result<Vec<Inherited>, ListenError> {
    left.into_iter().map(|socket| inspected(socket.fd, Reason::of_name(&socket.name))).collect()
}

fn activated_sockets(activated: &[systemd::Activated]) -> Result<Vec<Inherited>, ListenError> {
    let fds: Vec<_> = activated.iter().map(|socket| socket.fd).collect();
    let owned = system::take_all(&fds).map_err(broken)?.into_iter();
    let pairs = owned.zip(activated);
    let sockets = pairs.map(|(fd, socket)| inspected(fd, reason(socket)));
    without_copies(sockets.collect::<Result<_, _>>()?)
}

/// One that this server had stored with systemd comes back under its name.
fn reason(socket: &systemd::Activated) -> Reason {
    match socket.name.as_deref().and_then(notify::name_of_stored) {
        Some(name) => Reason::of_name(&name),
        None => Reason::Activated(socket.protocol()),
    }
}

/// A socket that systemd had opened and that was stored besides comes twice.
fn without_copies(sockets: Vec<Inherited>) -> Result<Vec<Inherited>, ListenError> {
    let inode = |socket: &Inherited| fstat(&socket.fd).map(|file| file.st_ino).map_err(inherited);
    let activated = |socket: &Inherited| matches!(socket.reason, Reason::Activated(_));
    let (activated, stored): (Vec<_>, Vec<_>) = sockets.into_iter().partition(activated);
    let known = stored.iter().map(inode).collect::<Result<Vec<_>, _>>()?;
    let mut all = stored;
    for socket in activated {
        if !known.contains(&inode(&socket)?) {
            all.push(socket);
        }
    }
    Ok(all)
}

fn inspected(fd: OwnedFd, reason: Reason) -> Result<Inherited, ListenError> {
    let bound = system::bound(fd.as_fd()).map_err(|_| broken(fd.as_raw_fd()))?;
    Ok(Inherited { fd, bound, reason })
}

fn inherited(error: impl ToString) -> ListenError {
    ListenError::Inherited(error.to_string())
}

fn broken(fd: RawFd) -> ListenError {
    inherited(format!("the environment names descriptor {fd}, which is no listening socket"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_found_again_by_its_name() {
        for reason in [
            Reason::Configured("127.0.0.1:0".to_owned()),
            Reason::Configured("@x=1:2".to_owned()),
            Reason::Activated(None),
            Reason::Activated(Some(WireProtocol::Http)),
            Reason::Activated(Some(WireProtocol::Uwsgi)),
        ] {
            assert_eq!(Reason::of_name(&reason.name()), reason);
        }
    }

    #[test]
    fn a_socket_that_was_stored_comes_back_once_and_by_its_name() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let reasons = [
            Reason::Activated(None),
            Reason::of_name("127.0.0.1:80"),
            Reason::Activated(Some(WireProtocol::Http)),
        ];
        let copies = [&listener, &listener, &other].map(|one| one.try_clone().expect("a copy"));
        let sockets = copies.into_iter().zip(reasons);
        let sockets = sockets.map(|(fd, reason)| inspected(fd.into(), reason).expect("it listens"));
        let kept = without_copies(sockets.collect()).expect("descriptors can be looked at");
        let kept: Vec<_> = kept.into_iter().map(|socket| socket.reason).collect();
        let configured = Reason::Configured("127.0.0.1:80".to_owned());
        assert_eq!(kept, [configured.clone(), Reason::Activated(Some(WireProtocol::Http))]);
        let name = notify::stored_name("127.0.0.1:80");
        assert_eq!(reason(&systemd::Activated { fd: 3, name }), configured);
        let name = Some("http.socket".to_owned());
        let expected = Reason::Activated(Some(WireProtocol::Http));
        assert_eq!(reason(&systemd::Activated { fd: 3, name }), expected);
    }

    #[test]
    fn an_activated_descriptor_must_listen() {
        let closed = [systemd::Activated { fd: 999_999, name: None }];
        let error = activated_sockets(&closed).expect_err("it is not open").to_string();
        assert!(error.contains("names descriptor 999999, which is no listening socket"), "{error}");
        let file = std::fs::File::open("/dev/null").expect("opened");
        let no_socket = [systemd::Activated { fd: file.as_raw_fd(), name: None }];
        assert!(activated_sockets(&no_socket).is_err());
    }
}
