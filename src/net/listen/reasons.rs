//! Why an address cannot be bound, in words that help.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// `address already in use (another program listens there)`.
pub(super) fn described(error: &io::Error, hint: &str) -> String {
    let text = match error.raw_os_error() {
        Some(code) => nix::errno::Errno::from_raw(code).desc().to_owned(),
        None => error.to_string(),
    };
    let text = text.to_lowercase();
    if hint.is_empty() { text } else { format!("{text} ({hint})") }
}

pub(super) fn tcp_hint(error: &io::Error, address: &SocketAddr) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens on this port, or reuse-port differs",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            "ports below 1024 need root or CAP_NET_BIND_SERVICE"
        }
        _ => "",
    }
}

pub(super) fn path_hint(error: &io::Error, path: &Path) -> String {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new(".")).display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("the directory {directory} does not exist"),
        io::ErrorKind::PermissionDenied => format!("this user may not create files in {directory}"),
        io::ErrorKind::NotADirectory => format!("{directory} is not a directory"),
        io::ErrorKind::ReadOnlyFilesystem => format!("{directory} cannot be written to"),
        _ => String::new(),
    }
}
