//! Listening sockets that were open before this program ran: from its own earlier image (re-exec), from
//! systemd, or on standard input.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use uwsgi_plugin_api::WireProtocol;

use super::listen::{ListenError, Socket};
use super::systemd;
use crate::sys::environment;
use crate::sys::listen::{self as system, Bound};

/// Names the descriptors that an image leaves to its successor: `FD=KIND:ADDRESS;...`.
pub const LISTENERS_VARIABLE: &str = "UWSGI_RS_LISTENERS";

/// Why a socket was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The configuration of the earlier image had it at this address, in its words.
    Configured(String),
    /// The starter opened it and no option names it; with its protocol where that is known.
    Activated(Option<WireProtocol>),
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
}

impl Inheritance {
    /// Takes what the environment names, and removes the variables so that no child takes it for its own.
    /// Call it once, at start.
    ///
    /// # Errors
    /// [`ListenError::Inherited`] where a variable is broken or names what is no listening socket.
    pub fn of_process() -> Result<Self, ListenError> {
        let inheritance = Self::of(std::process::id(), |name| std::env::var(name).ok())?;
        for name in systemd::VARIABLES.into_iter().chain([LISTENERS_VARIABLE]) {
            if std::env::var_os(name).is_some() {
                environment::remove(name)
                    .map_err(|error| ListenError::Inherited(error.to_string()))?;
            }
        }
        Ok(Self { stdin: inheritance.sockets.is_empty() && system::stdin_listens(), ..inheritance })
    }

    fn of(pid: u32, variable: impl Fn(&str) -> Option<String>) -> Result<Self, ListenError> {
        let mut named = left(variable(LISTENERS_VARIABLE).as_deref().unwrap_or_default())?;
        let activated = systemd::activated(pid, variable);
        let activated = activated.map_err(|error| ListenError::Inherited(error.to_string()))?;
        named.extend(
            activated.iter().map(|socket| (socket.fd, Reason::Activated(socket.protocol()))),
        );

        let fds: Vec<_> = named.iter().map(|(fd, _)| *fd).collect();
        let owned = system::take_all(&fds).map_err(broken)?;
        let mut sockets = Vec::new();
        for (fd, (_, reason)) in owned.into_iter().zip(named) {
            let bound = system::bound(fd.as_fd()).map_err(|_| broken(fd.as_raw_fd()))?;
            sockets.push(Inherited { fd, bound, reason });
        }
        Ok(Self { sockets, stdin: false })
    }

    /// What an earlier image left, as [`leave`] wrote it.
    #[cfg(test)]
    pub(super) fn of_text(text: &str) -> Result<Self, ListenError> {
        Self::of(0, |name| (name == LISTENERS_VARIABLE).then(|| text.to_owned()))
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

fn broken(fd: RawFd) -> ListenError {
    ListenError::Inherited(format!(
        "the environment names descriptor {fd}, which is no listening socket"
    ))
}

/// The value of [`LISTENERS_VARIABLE`] that leaves `sockets` to the next image. Their descriptors must stay
/// open across exec: close-on-exec is to be cleared on each.
pub fn leave(sockets: &[Socket]) -> String {
    let entry = |socket: &Socket| {
        let (kind, address) = match &socket.reason {
            Reason::Configured(address) => ("c", escape(address)),
            Reason::Activated(None) => ("a", String::new()),
            Reason::Activated(Some(WireProtocol::Http)) => ("h", String::new()),
            Reason::Activated(Some(WireProtocol::Uwsgi)) => ("u", String::new()),
        };
        format!("{}={kind}:{address}", socket.fd.as_raw_fd())
    };
    sockets.iter().map(entry).collect::<Vec<_>>().join(";")
}

fn left(text: &str) -> Result<Vec<(RawFd, Reason)>, ListenError> {
    let entry = |entry: &str| {
        let (fd, rest) = entry.split_once('=')?;
        let (kind, address) = rest.split_once(':')?;
        let reason = match kind {
            "c" => Reason::Configured(unescape(address)),
            "a" => Reason::Activated(None),
            "h" => Reason::Activated(Some(WireProtocol::Http)),
            "u" => Reason::Activated(Some(WireProtocol::Uwsgi)),
            _ => return None,
        };
        Some((fd.parse().ok()?, reason))
    };
    let broken = || ListenError::Inherited(format!("{LISTENERS_VARIABLE} cannot be read: {text}"));
    text.split(';')
        .filter(|part| !part.is_empty())
        .map(|part| entry(part).ok_or_else(broken))
        .collect()
}

fn escape(address: &str) -> String {
    address.replace('%', "%25").replace(';', "%3B")
}

fn unescape(text: &str) -> String {
    text.replace("%3B", ";").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_found_again() {
        for address in [":80", "/run/a;b%3B.sock", "[::1%lo]:80", "@x=1:2"] {
            let text = format!("7=c:{};9=h:", escape(address));
            assert_eq!(
                left(&text).expect("text is good"),
                [
                    (7, Reason::Configured(address.to_owned())),
                    (9, Reason::Activated(Some(WireProtocol::Http)))
                ]
            );
        }
    }

    #[test]
    fn a_broken_variable_or_descriptor_is_an_error() {
        for text in ["x", "3", "x=c:a", "3=z:a", "3=c"] {
            assert!(left(text).is_err(), "{text}");
        }
        let closed = |name: &str| (name == LISTENERS_VARIABLE).then(|| "999999=c:/x".to_owned());
        let error = Inheritance::of(1, closed).expect_err("descriptor is not open").to_string();
        assert!(error.contains("names descriptor 999999, which is no listening socket"), "{error}");
    }
}
