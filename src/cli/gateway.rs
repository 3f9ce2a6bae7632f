//! Gateways: which processes a configuration asks for, and being one.
//!
//! `uwsgi gateway NAME --option=value ...` is how the master starts them. It also stands on its own, before an instance that
//! listens with `fastcgi-nph-socket`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::time::Duration;

use uwsgi_plugin_api::{Cargo, Gateway, Instance, Post, Settings, WireProtocol};

use super::cluster::SECRET;
use super::instance::Parent;
use crate::config::Config;
use crate::config::model::{SocketSpec, jobs};
use crate::log::channel::Channel;
use crate::master::GATEWAY_SECRETS;
use crate::net::address::{self, Address};
use crate::shm::ClusterMemory;
use crate::sys::environment;
use crate::sys::listen::{self, Bound};
use crate::sys::signal::{Signal, SignalPipe};
use crate::{log, plugin};

/// Where the workers listen; their socket is standard input where this is not given.
const WORKERS: &str = "workers";
/// How many requests they run at once.
const REQUESTS_MAX: &str = "requests-max";
/// As the option of the same name.
const LOG_DATE: &str = "log-date";
/// Workers listen for gateways under names that begin so.
const SOCKET: &str = "!gateway ";
/// Requests at once where nothing is said.
const REQUESTS_MAX_DEFAULT: usize = 64;

/// Adds to a configuration what its gateways need: a process for each, and a socket of the workers or the log's channel.
pub(super) fn plan(config: &mut Config, plugins: &plugin::Registry) {
    let wanted = plugins.gateways().filter(|gateway| gateway.is_wanted(&config.settings));
    for gateway in wanted.cloned().collect::<Vec<_>>() {
        let daemon = daemon(&*gateway, config);
        match gateway.cargo() {
            Cargo::Log => config.runtime.log_leaves = true,
            Cargo::Cluster => {}
            Cargo::Requests => {
                config.sockets.push(socket(&*gateway));
                let life_cycle = &mut config.life_cycle;
                if life_cycle.lame_duck.is_zero() {
                    // In a graceful stop workers serve on until the gateways have ended, which get as much time.
                    life_cycle.lame_duck = config.jobs.gateway_mercy + Duration::from_secs(1);
                    config.jobs.workers_wait = true;
                }
            }
        }
        config.jobs.daemons.push(daemon);
    }
}

fn socket_name(gateway: &dyn Gateway) -> String {
    format!("{SOCKET}{}", gateway.name())
}

fn socket(gateway: &dyn Gateway) -> SocketSpec {
    SocketSpec {
        address: socket_name(gateway),
        protocol: WireProtocol::FastCgiNph,
        origin: format!("the {} gateway", gateway.name()),
        router: false,
        private: true,
    }
}

fn daemon(gateway: &dyn Gateway, config: &Config) -> jobs::Daemon {
    let mut arguments = vec!["gateway".to_owned(), gateway.name().to_owned()];
    let settings = gateway.settings(&config.settings).into_iter();
    let (secrets, settings): (Vec<_>, Vec<_>) = settings.partition(|(name, _)| is_secret(name));
    let settings = settings.into_iter();
    arguments.extend(settings.map(|(option, value)| format!("--{option}={value}")));
    let cargo = gateway.cargo();
    if cargo == Cargo::Requests {
        let processes = &config.processes;
        let requests_max = usize::from(processes.workers) * usize::from(processes.threads);
        arguments.push(format!("--{REQUESTS_MAX}={requests_max}"));
    }
    let date = config.runtime.log_date.as_ref();
    arguments.extend(date.map(|format| format!("--{LOG_DATE}={format}")));
    let input = match cargo {
        Cargo::Log => Channel::NAME.to_owned(),
        Cargo::Requests => socket_name(gateway),
        Cargo::Cluster => ClusterMemory::INBOX.to_owned(),
    };
    let command = arguments.join(" ");
    // Another secret makes another process. Nobody but the next image of the master sees the text.
    let hidden =
        secrets.iter().map(|(name, value)| format!("{}{name}={value}", jobs::Daemon::HIDDEN));
    let text = hidden.fold(command.clone(), |text, hidden| text + &hidden);
    jobs::Daemon {
        gateway: Some(jobs::Gateway { arguments, secrets, input, cargo }),
        ..jobs::Daemon::new(text, &command)
    }
}

/// Everybody on the machine can read the arguments of a process.
fn is_secret(name: &str) -> bool {
    name == SECRET
}

/// What nobody was to read, out of the environment, where whatever this process starts would find it.
fn secrets() -> Result<Vec<(String, String)>, String> {
    let Some(text) = std::env::var_os(GATEWAY_SECRETS) else { return Ok(Vec::new()) };
    let broken = |error: &dyn std::fmt::Display| format!("{GATEWAY_SECRETS}: {error}");
    environment::remove(GATEWAY_SECRETS).map_err(|error| broken(&error))?;
    serde_json::from_slice(text.as_bytes()).map_err(|error| broken(&error))
}

/// Is one until its end; returns the exit status.
pub(super) fn run(
    args: &[OsString],
    plugins: &plugin::Registry,
    memory: Option<&ClusterMemory>,
) -> i32 {
    match try_run(args, plugins, memory) {
        Ok(()) => 0,
        Err(error) => {
            log::line(format_args!("uwsgi gateway: {error}"));
            1
        }
    }
}

fn try_run(
    args: &[OsString],
    plugins: &plugin::Registry,
    memory: Option<&ClusterMemory>,
) -> Result<(), String> {
    let mut args = args.iter().map(|arg| arg.to_string_lossy());
    let name = args.next().unwrap_or_default();
    let gateway = plugins.gateways().find(|gateway| gateway.name() == name).ok_or_else(|| {
        let names: Vec<_> = plugins.gateways().map(|gateway| gateway.name()).collect();
        format!("there is no gateway {name:?}; accepted: {}", names.join(", "))
    })?;
    let mut pairs = secrets()?;
    for arg in args {
        pairs.push(pair(&arg, &**gateway)?);
    }
    let settings = Settings::new(pairs);
    log::configure(settings.text(LOG_DATE));
    gateway.check(&settings).map_err(|error| error.to_string())?;
    if !gateway.is_wanted(&settings) {
        return Err(format!("{name} has nothing to do; see uwsgi --help gateways"));
    }
    let requests = gateway.cargo() == Cargo::Requests;
    let workers = requests.then(|| workers(settings.text(WORKERS))).transpose()?;
    let stop = SignalPipe::install(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
    let stop = stop.map_err(|error| format!("cannot hear signals: {error}"))?;
    let requests_max =
        settings.number(REQUESTS_MAX).and_then(|number| usize::try_from(number).ok());
    let input = io::stdin();
    let instance = memory.cloned().map(Parent::new);
    let post = Post {
        workers: workers.as_ref(),
        requests_max: requests_max.unwrap_or(REQUESTS_MAX_DEFAULT).max(1),
        input: input.as_fd(),
        stop: stop.as_fd(),
        log: &|line| log::line(format_args!("{line}")),
        instance: instance.as_ref().map(|instance| instance as &dyn Instance),
    };
    gateway.run(&settings, post).map_err(|error| error.to_string())
}

/// `--name=value`, or `--name` for a flag.
fn pair(arg: &str, gateway: &dyn Gateway) -> Result<(String, String), String> {
    let own = [WORKERS, REQUESTS_MAX, LOG_DATE];
    let text = arg.strip_prefix("--");
    let (name, value) = text
        .map(|text| text.split_once('=').unwrap_or((text, "1")))
        .ok_or_else(|| format!("{arg:?} is no option; accepted: --name=value"))?;
    let row = gateway.options().iter().find(|row| row.name == name || row.aliases.contains(&name));
    match row {
        Some(row) => Ok((row.name.to_owned(), value.to_owned())),
        None if own.contains(&name) => Ok((name.to_owned(), value.to_owned())),
        None => {
            let names = gateway.options().iter().map(|row| row.name).chain(own);
            let names: Vec<_> = names.map(|name| format!("--{name}")).collect();
            Err(format!("{arg}: unknown option; accepted: {}", names.join(", ")))
        }
    }
}

/// Where the workers listen.
fn workers(text: Option<&str>) -> Result<SocketAddr, String> {
    let Some(text) = text else {
        let bound = listen::bound(io::stdin().as_fd()).ok();
        let found = bound.and_then(|bound| match bound {
            Bound::Unix(path) => SocketAddr::from_pathname(path).ok(),
            Bound::Abstract(name) => SocketAddr::from_abstract_name(name).ok(),
            Bound::Tcp(_) => None,
        });
        return found.ok_or_else(|| {
            format!("--{WORKERS}=PATH is missing, and standard input is no listening unix socket")
        });
    };
    let wrong = |why: String| format!("--{WORKERS}={text}: {why}; accepted: a path, @ABSTRACT");
    match address::parse(text.as_bytes()).map_err(|error| wrong(error.to_string()))? {
        Address::Unix(path) => SocketAddr::from_pathname(OsStr::from_bytes(&path)),
        Address::Abstract(name) => SocketAddr::from_abstract_name(name),
        _ => return Err(wrong("no unix socket".to_owned())),
    }
    .map_err(|error| wrong(error.to_string()))
}
