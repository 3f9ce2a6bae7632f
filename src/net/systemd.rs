//! Sockets that systemd opened: `LISTEN_PID`, `LISTEN_FDS`, `LISTEN_FDNAMES` (sd_listen_fds(3)).
//!
//! Only the variables are read here; the descriptors are checked where they are taken.

use std::os::fd::RawFd;

use uwsgi_plugin_api::WireProtocol;

/// The first descriptor that systemd passes.
const FIRST: RawFd = 3;
/// More descriptors than this are a broken variable.
const COUNT_MAX: u16 = 4096;

/// Variables that are removed once they were read, so that children do not take them for theirs.
pub use crate::sys::handover::ACTIVATION as VARIABLES;

/// A variable that cannot be meant like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActivationError {
    /// Not a process id.
    #[error("LISTEN_PID is no process id")]
    BadPid,
    /// Not a number, or more than 4096.
    #[error("LISTEN_FDS is no number of descriptors")]
    BadCount,
    /// As many names as descriptors are needed.
    #[error("LISTEN_FDNAMES does not name as many descriptors as LISTEN_FDS counts")]
    NamesMismatch,
}

/// One socket that systemd opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activated {
    /// Its descriptor.
    pub fd: RawFd,
    /// Its `FileDescriptorName=`.
    pub name: Option<String>,
}

impl Activated {
    /// What the socket speaks where its name says so (a name of `protocol`, or that with `.socket` behind it).
    pub fn protocol(&self) -> Option<WireProtocol> {
        let name = self.name.as_deref()?;
        WireProtocol::of_name(name.strip_suffix(".socket").unwrap_or(name))
    }
}

/// The sockets meant for the process `pid`; none where the variables are absent or another's.
///
/// # Errors
/// [`ActivationError`] where the variables are broken.
pub fn activated(
    pid: u32,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Activated>, ActivationError> {
    let (Some(meant), Some(count)) = (variable("LISTEN_PID"), variable("LISTEN_FDS")) else {
        return Ok(Vec::new());
    };
    let meant: u32 = number(&meant).ok_or(ActivationError::BadPid)?;
    if meant != pid {
        return Ok(Vec::new());
    }
    let count = number(&count).filter(|&count| count <= u32::from(COUNT_MAX));
    let count = count.ok_or(ActivationError::BadCount)? as usize;
    let names: Option<Vec<String>> =
        variable("LISTEN_FDNAMES").map(|names| names.split(':').map(str::to_owned).collect());
    if count > 0 && names.as_ref().is_some_and(|names| names.len() != count) {
        return Err(ActivationError::NamesMismatch);
    }
    let name = |position: usize| names.as_ref().and_then(|names| names.get(position).cloned());
    Ok((0..count).map(|at| Activated { fd: FIRST + at as RawFd, name: name(at) }).collect())
}

/// Digits only: no sign, no blanks.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    // `tests/socket_vectors.rs` reads the recorded environments.
    #[test]
    fn names_choose_the_protocol() {
        let named = |name: &str| Activated { fd: 3, name: Some(name.to_owned()) }.protocol();
        assert_eq!(named("http"), Some(WireProtocol::Http));
        assert_eq!(named("uwsgi.socket"), Some(WireProtocol::Uwsgi));
        assert_eq!(named("fastcgi"), Some(WireProtocol::FastCgi));
        assert_eq!(named("app.socket"), None);
    }
}
