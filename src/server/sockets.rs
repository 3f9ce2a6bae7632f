//! The listening sockets of an instance, opened by whom and when its options say.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use uwsgi_plugin_api::{Known, Listener};

use super::{ServeError, exposure, failed};
use crate::config::Config;
use crate::config::model::proxies::Introduced;
use crate::isolation::{self, Image};
use crate::log;
use crate::master::{EndpointListener, ListenerOrder, Vacuum};
use crate::net::decode;
use crate::net::inherit::Inheritance;
use crate::net::listen::{self, EndpointSocket, Socket};
use crate::net::reactor::Listening;

pub(super) fn watch_sockets(
    config: &Config,
    sockets: &Sockets,
    vacuum: &mut Vacuum,
) -> Result<(), ServeError> {
    if !config.runtime.vacuum {
        return Ok(());
    }
    let fault = |path: &Path| failed(format!("watch {}", path.display()));
    for path in sockets.served.iter().filter_map(|socket| socket.path.as_ref()) {
        vacuum.watch_socket(path).map_err(fault(path))?;
    }
    for EndpointSocket { endpoint, path, .. } in &sockets.answered {
        if let Some(path) = path {
            vacuum.watch_endpoint(endpoint.name(), path).map_err(fault(path))?;
        }
    }
    Ok(())
}

/// Sockets with the names under which other images find them.
pub(super) type Named<T> = Vec<(String, T)>;

pub(super) fn named(sockets: Sockets) -> (Named<Listening>, Named<EndpointListener>) {
    let (count, forms) = (sockets.served.len(), decode::RECOGNIZED.len());
    let served = sockets.served.into_iter().enumerate().map(|(at, socket)| {
        let name = socket.handover_name();
        let id = u16::try_from(count + at * forms).unwrap_or(u16::MAX);
        (
            name,
            Listening::new(
                Arc::new(socket.fd),
                socket.info,
                (socket.introduced, socket.private),
                id,
            ),
        )
    });
    let answered = sockets.answered.into_iter().map(|socket| {
        let EndpointSocket { endpoint, fd, address, handover_name, .. } = socket;
        (handover_name, EndpointListener { endpoint, fd: Arc::new(fd), address })
    });
    (served.collect(), answered.collect())
}

/// The listeners of the instance that a site is a part of: connections that came by them are handed to it.
pub(super) fn elsewhere(listeners: &[ListenerOrder]) -> io::Result<Named<Listening>> {
    let nothing = Arc::new(OwnedFd::from(File::open("/dev/null")?));
    let (count, forms) = (listeners.len(), decode::RECOGNIZED.len());
    let number = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
    let one = |(at, order): (usize, &ListenerOrder)| {
        let known = |name: &str| Known::ALL.iter().find(|known| known.as_str() == name).copied();
        let vars = order.vars.iter();
        let info = Listener {
            id: number(at),
            protocol: order.protocol,
            name: order.name.clone(),
            modifiers: order.modifiers,
            static_vars: vars
                .filter_map(|(name, value)| Some((known(name)?, value.clone())))
                .collect(),
        };
        let how = (Introduced::Nobody, order.private);
        let id = number(count + at * forms);
        (order.name.clone(), Listening::new(nothing.clone(), info, how, id).elsewhere())
    };
    Ok(listeners.iter().enumerate().map(one).collect())
}

/// Drops privileges and changes the directory. Sockets come after that, as with uWSGI, so that a unix socket
/// belongs to the user and a relative path to the directory. But where a socket is given an owner, or a port
/// that only root may bind, sockets come first.
pub(super) fn open_sockets(
    config: &Config,
    inheritance: Inheritance,
    image: Image,
) -> Result<Result<Sockets, Inheritance>, ServeError> {
    let runtime = &config.runtime;
    let identity = isolation::identity(config)?;
    isolation::before_privileges(config, image)?;
    let early =
        runtime.chown_socket.is_some() || (runtime.uid.is_some() && listen::needs_root(config));
    let sockets = if early { Ok(bind(config, inheritance)?) } else { Err(inheritance) };
    identity.take()?;
    isolation::after_privileges(config, image)?;
    if let Some(directory) = &runtime.chdir {
        let name = directory.display();
        std::env::set_current_dir(directory)
            .map_err(failed(format!("change to --chdir {name}")))?;
        log::line(format_args!("chdir() to {name}"));
    }
    Ok(sockets)
}

/// All listening sockets.
#[derive(Default)]
pub(super) struct Sockets {
    /// By workers.
    pub(super) served: Vec<Socket>,
    /// By the master itself.
    pub(super) answered: Vec<EndpointSocket>,
}

/// Sockets that are all there already.
pub(super) fn bind_silently(
    config: &Config,
    mut inheritance: Inheritance,
) -> Result<Sockets, ServeError> {
    let answered = listen::bind_endpoints(config, &mut inheritance)?;
    Ok(Sockets { served: listen::bind_all(config, inheritance)?, answered })
}

pub(super) fn bind(config: &Config, inheritance: Inheritance) -> Result<Sockets, ServeError> {
    let sockets = bind_silently(config, inheritance)?;
    for socket in &sockets.served {
        log::line(format_args!("{}", socket.line));
        if let Some(line) = &socket.router_line {
            log::line(format_args!("{line}"));
        }
    }
    for line in exposure::warnings(config, &sockets.served) {
        log::line(format_args!("{line}"));
    }
    Ok(sockets)
}
