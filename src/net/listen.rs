//! Listening sockets: opened as configured, or taken over where they are open already.
//!
//! The master owns them; a worker only reads [`Socket::fd`] and [`Socket::info`]. Every problem is one line
//! that names the option. Nothing is logged here: each socket carries its start-up line.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use uwsgi_plugin_api::{Known, Listener, WireProtocol};

use super::address::{self, Address};
use super::inherit::{Inheritance, Inherited, Reason};
use super::socket_file;
use crate::config::Config;
use crate::config::model::SocketSpec;
use crate::config::model::proxies::Introduced;
use crate::sys::listen::{self as system, Bound, TcpOptions};
use crate::sys::machine;

mod endpoint;
mod reasons;
mod resolve;
#[cfg(test)]
mod tests;

pub use endpoint::{Endpoint, EndpointSocket, bind_endpoints, is_endpoint};
use reasons::{described, path_hint, tcp_hint};
pub use resolve::resolve;

/// Why the server cannot listen. The text is one line for the user; the exit status is 1.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// A socket of the configuration.
    #[error("cannot bind {place}: {reason}")]
    Bind {
        /// The option with its place and value.
        place: String,
        /// What is wrong and what helps.
        reason: String,
    },
    /// A socket that was there at start.
    #[error("cannot use the sockets that were left to this process: {0}")]
    Inherited(String),
    /// Nothing to serve.
    #[error("The -s/--socket option is missing and stdin is not a socket.")]
    Nothing,
}

/// An open listening socket: non-blocking, close-on-exec.
#[derive(Debug)]
pub struct Socket {
    /// Its descriptor.
    pub fd: OwnedFd,
    /// What plugins and request threads see of it.
    pub info: Listener,
    /// Whose connections begin with a header of the PROXY protocol.
    pub introduced: Introduced,
    /// For processes of this user alone.
    pub private: bool,
    /// The address of a TCP socket.
    pub tcp: Option<SocketAddr>,
    /// The path of a unix socket that has a file, for `vacuum`.
    pub path: Option<PathBuf>,
    /// The start-up line, as uWSGI writes it.
    pub line: String,
    /// The line of uWSGI's HTTP router besides, for a socket of `http`.
    pub router_line: Option<String>,
    reason: Reason,
}

impl Socket {
    /// The name under which the next image of the server finds this socket again (`sys::handover`).
    pub fn handover_name(&self) -> String {
        self.reason.name()
    }
}

/// Checks the addresses of all sockets without opening any.
pub fn check(config: &Config) -> Vec<ListenError> {
    let endpoints = endpoint::specs(config).map(|(_, spec)| spec);
    let all = config.sockets.iter().cloned().chain(endpoints);
    all.filter_map(|spec| wanted(config, &spec).err()).collect()
}

/// Opens all sockets of the configuration, in its order, and adds those that the starter activated.
///
/// # Errors
/// The first socket's that cannot be opened.
pub fn bind_all(config: &Config, mut inheritance: Inheritance) -> Result<Vec<Socket>, ListenError> {
    let mut sockets = Vec::new();
    let mut stdin_named = false;
    for spec in &config.sockets {
        let address = wanted(config, spec)?;
        stdin_named |= address == Address::Fd(0);
        let mut opened = open(config, spec, &address, &spec.address, &mut inheritance)?;
        opened.options(config, spec.protocol).map_err(|error| failed(spec, &error.to_string()))?;
        sockets.push(opened.socket(config, sockets.len(), spec.protocol, Some(spec)));
    }
    if inheritance.stdin && !stdin_named {
        inheritance.sockets.push(standard_input()?);
    }
    for inherited in inheritance.sockets {
        if let Reason::Activated(protocol) = inherited.reason {
            let protocol = protocol.unwrap_or(config.default_protocol);
            let mut opened = Opened::from(inherited);
            opened
                .options(config, protocol)
                .map_err(|error| ListenError::Inherited(error.to_string()))?;
            sockets.push(opened.socket(config, sockets.len(), protocol, None));
        }
    }
    if sockets.is_empty() { Err(ListenError::Nothing) } else { Ok(sockets) }
}

/// Whether some port may only be bound by root, so that sockets must be opened before privileges are dropped.
pub fn needs_root(config: &Config) -> bool {
    const FIRST_FREE_PORT: u16 = 1024;
    let privileged = |spec: &SocketSpec| match wanted(config, spec) {
        Ok(Address::Tcp(_, port)) => port != 0 && port < FIRST_FREE_PORT,
        _ => false,
    };
    config.sockets.iter().any(privileged)
        || endpoint::specs(config).any(|(_, spec)| privileged(&spec))
}

/// The address of an option, with `abstract-socket` applied.
fn wanted(config: &Config, spec: &SocketSpec) -> Result<Address, ListenError> {
    if spec.private {
        return Ok(Address::Private);
    }
    let parsed = address::parse(spec.address.as_bytes())
        .map_err(|error| failed(spec, &error.to_string()))?;
    match parsed {
        Address::Shared(_) => {
            Err(failed(spec, "shared sockets are not supported; give the address itself"))
        }
        Address::Unix(path) if config.runtime.abstract_socket => Ok(Address::Abstract(path)),
        address => Ok(address),
    }
}

fn failed(spec: &SocketSpec, reason: &str) -> ListenError {
    ListenError::Bind {
        place: format!("{} {}", spec.origin, spec.address),
        reason: reason.to_owned(),
    }
}

/// A socket that is bound, and how it came about.
struct Opened {
    fd: OwnedFd,
    bound: Bound,
    reason: Reason,
    /// It was there already.
    inherited: bool,
    /// The kernel chose the port.
    auto_port: bool,
}

impl From<Inherited> for Opened {
    fn from(inherited: Inherited) -> Self {
        let Inherited { fd, bound, reason } = inherited;
        Self { fd, bound, reason, inherited: true, auto_port: false }
    }
}

/// `name` is that under which an earlier image of the server left the socket.
fn open(
    config: &Config,
    spec: &SocketSpec,
    address: &Address,
    name: &str,
    inheritance: &mut Inheritance,
) -> Result<Opened, ListenError> {
    let fail = |error: io::Error, hint: &str| failed(spec, &described(&error, hint));
    let configured = Reason::Configured(name.to_owned());
    let target = match address {
        Address::Tcp(host, port) => {
            Bound::Tcp(resolve(host, *port).map_err(|error| failed(spec, &error))?)
        }
        Address::Unix(path) => Bound::Unix(PathBuf::from(std::ffi::OsStr::from_bytes(path))),
        Address::Abstract(name) => Bound::Abstract(name.clone()),
        Address::Private => {
            if let Some(inherited) = inheritance.claim(name, None) {
                return Ok(inherited.into());
            }
            let bound = system::bind_private().and_then(|fd| {
                system::listen(fd.as_fd(), config.runtime.backlog)?;
                Ok((system::bound(fd.as_fd())?, fd))
            });
            let (bound, fd) = bound.map_err(|error| fail(error, ""))?;
            return Ok(Opened {
                fd,
                bound,
                reason: configured,
                inherited: false,
                auto_port: false,
            });
        }
        Address::Shared(_) => return Err(failed(spec, "shared sockets are not supported")),
        Address::Fd(fd) => {
            if let Some(inherited) = inheritance.claim(name, None) {
                return Ok(inherited.into());
            }
            let (fd, bound) = adopt(*fd).map_err(|error| fail(error, ""))?;
            return Ok(Inherited { fd, bound, reason: configured }.into());
        }
    };
    if let Some(inherited) = inheritance.claim(name, Some(&target)) {
        return Ok(Opened { reason: configured, ..inherited.into() });
    }
    let fd = match &target {
        Bound::Tcp(socket_address) => {
            let bound = system::bind_tcp(*socket_address, config.runtime.reuse_port);
            bound.map_err(|error| {
                let hint = tcp_hint(&error, socket_address);
                fail(error, hint)
            })?
        }
        Bound::Unix(path) => bind_path(config, path).map_err(|reason| failed(spec, &reason))?,
        Bound::Abstract(name) => {
            let path = [b"\0", name.as_slice()].concat();
            let bound = system::bind_unix(Path::new(std::ffi::OsStr::from_bytes(&path)));
            bound.map_err(|error| fail(error, "another program listens there"))?
        }
    };
    let auto_port = matches!(target, Bound::Tcp(address) if address.port() == 0);
    let local = system::local_tcp(fd.as_fd()).map_err(|error| fail(error, ""))?;
    let bound = local.map_or(target, Bound::Tcp);
    Ok(Opened { fd, bound, reason: configured, inherited: false, auto_port })
}

/// A descriptor of the starter's.
fn adopt(fd: RawFd) -> io::Result<(OwnedFd, Bound)> {
    let copy = system::duplicate(fd)?;
    let bound = system::bound(copy.as_fd())?;
    Ok((copy, bound))
}

fn standard_input() -> Result<Inherited, ListenError> {
    let (fd, bound) =
        adopt(0).map_err(|error| ListenError::Inherited(format!("standard input: {error}")))?;
    Ok(Inherited { fd, bound, reason: Reason::Activated(None) })
}

/// Binds a path, with its mode and owner set before anybody can connect.
fn bind_path(config: &Config, path: &Path) -> Result<OwnedFd, String> {
    socket_file::clear_the_way(path)?;
    let fd =
        system::bind_unix(path).map_err(|error| described(&error, &path_hint(&error, path)))?;
    if let Some(mode) = config.runtime.chmod_socket {
        socket_file::change_mode(path, mode).map_err(|error| format!("chmod-socket: {error}"))?;
    }
    if let Some(owner) = &config.runtime.chown_socket {
        socket_file::change_owner(path, owner)
            .map_err(|error| format!("chown-socket {owner}: {error}"))?;
    }
    Ok(fd)
}

impl Opened {
    /// Options that connections inherit, and the queue. Inherited sockets get them anew: the
    /// configuration may have changed.
    fn options(&mut self, config: &Config, protocol: WireProtocol) -> io::Result<()> {
        let runtime = &config.runtime;
        if let Bound::Tcp(_) = self.bound {
            let seconds = config.limits.socket_timeout.as_secs();
            let options = TcpOptions {
                no_delay: runtime.tcp_nodelay || may_answer_again(protocol),
                keep_alive: runtime.so_keepalive,
                // Who connects to a raw socket may wait to be spoken to.
                defer_seconds: match runtime.defer_accept && protocol != WireProtocol::Raw {
                    true => u32::try_from(seconds).unwrap_or(u32::MAX),
                    false => 0,
                },
            };
            system::set_tcp_options(self.fd.as_fd(), options)?;
        }
        system::listen(self.fd.as_fd(), runtime.backlog)
    }

    fn socket(
        self,
        config: &Config,
        id: usize,
        protocol: WireProtocol,
        spec: Option<&SocketSpec>,
    ) -> Socket {
        let router = spec.is_some_and(|spec| spec.router);
        let name = self.name(spec);
        let line = self.line(id, &name);
        let router_line =
            router.then(|| format!("uWSGI http bound on {name} fd {}", self.fd.as_raw_fd()));
        let static_vars = match protocol {
            WireProtocol::Http | WireProtocol::Auto => http_vars(&self.bound),
            _ => Vec::new(),
        };
        let id = u16::try_from(id).unwrap_or(u16::MAX);
        let modifiers = config.modifiers.of(protocol, router);
        let info = Listener { id, protocol, name, modifiers, static_vars };
        let (path, tcp) = match self.bound {
            Bound::Unix(path) => (Some(path), None),
            Bound::Tcp(address) => (None, Some(address)),
            Bound::Abstract(_) => (None, None),
        };
        let private = spec.is_some_and(|spec| spec.private);
        let introduced = config.proxy_protocol.of(protocol, router);
        let (fd, reason) = (self.fd, self.reason);
        Socket { fd, info, introduced, private, tcp, path, line, router_line, reason }
    }

    /// The address as written, with the port that it got.
    fn name(&self, spec: Option<&SocketSpec>) -> String {
        match (&self.bound, spec) {
            (Bound::Tcp(address), Some(spec))
                if !spec.address.trim_start().starts_with("fd://") =>
            {
                let host = spec.address.trim().rsplit_once(':').map_or("", |(host, _)| host);
                format!("{host}:{}", address.port())
            }
            (Bound::Tcp(address), _) => address.to_string(),
            (Bound::Unix(path), _) => path.display().to_string(),
            (Bound::Abstract(name), _) => format!("@{}", String::from_utf8_lossy(name)),
        }
    }

    /// uWSGI's line, whose text scripts look for.
    fn line(&self, id: usize, name: &str) -> String {
        let fd = self.fd.as_raw_fd();
        let (verb, to) = if self.inherited { ("inherited", "") } else { ("bound", "to ") };
        let kind = match &self.bound {
            Bound::Tcp(_) if self.inherited => "INET",
            Bound::Tcp(SocketAddr::V6(_)) if !self.auto_port => "TCP6",
            Bound::Tcp(_) => "TCP",
            _ => "UNIX",
        };
        let assigned = if self.auto_port { " (port auto-assigned)" } else { "" };
        format!("uwsgi socket {id} {verb} {to}{kind} address {name}{assigned} fd {fd}")
    }
}

/// Whether an answer is not the last thing on its connection, so that the kernel must not wait with its last bytes.
fn may_answer_again(protocol: WireProtocol) -> bool {
    match protocol {
        WireProtocol::Uwsgi | WireProtocol::Scgi | WireProtocol::ScgiNph => false,
        WireProtocol::PersistentUwsgi | WireProtocol::Http | WireProtocol::Auto => true,
        WireProtocol::FastCgi | WireProtocol::FastCgiNph | WireProtocol::Raw => true,
    }
}

/// What uWSGI adds to each HTTP request of a socket (behaviour note 5.2).
fn http_vars(bound: &Bound) -> Vec<(Known, Vec<u8>)> {
    let port = match bound {
        Bound::Tcp(address) => address.port().to_string(),
        _ => "80".to_owned(),
    };
    vec![
        (Known::ServerName, machine::hostname().into_bytes()),
        (Known::ServerPort, port.into_bytes()),
        (Known::ScriptName, Vec::new()),
    ]
}
