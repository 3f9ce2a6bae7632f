//! From a checked configuration to a running server: the boot order (behaviour note 3.1), one step a line.

use std::collections::HashSet;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use uwsgi_plugin_api::{Host, Listener, PluginError, Settings};

use crate::config::Config;
use crate::log::{self, LogError, banner};
use crate::master::{self, Hooks, MasterContext, Vacuum, vacuum};
use crate::net::inherit::Inheritance;
use crate::net::listen::{self, ListenError, Socket};
use crate::net::reactor::Listening;
use crate::net::rescue::Rescue;
use crate::options;
use crate::plugin::Registry;
use crate::shm::Board;
use crate::sys::handover::Origin;
use crate::sys::machine::Machine;
use crate::sys::privileges::{Identity, PrivilegesError};
use crate::sys::{clock, environment, memory, process};
use crate::worker::{self, Boot, ServerHost};

/// Why the server cannot start. The text is for the user; the exit status is 1.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each says it in its text
pub enum ServeError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Privileges(#[from] PrivilegesError),
    #[error("{0}")]
    Plugin(#[from] PluginError),
    #[error("cannot {action}: {source}")]
    System { action: String, source: io::Error },
}

fn failed(action: impl Into<String>) -> impl FnOnce(io::Error) -> ServeError {
    let action = action.into();
    move |source| ServeError::System { action, source }
}

/// Serves until the instance stops; returns the exit status.
///
/// # Errors
/// [`ServeError`] where it cannot start.
pub fn serve(config: Config, plugins: Registry) -> Result<i32, ServeError> {
    let origin = Origin::capture().map_err(failed("find out how this process was started"))?;
    master::ignore_reload_signals(config.processes.die_on_term).map_err(failed("set signals"))?;
    let inheritance = Inheritance::of_process()?;
    let reloaded = inheritance.reloaded();
    open_log(&config, reloaded)?;
    let machine = Machine::detect();
    say(banner::starting(&machine));
    let mut vacuum = Vacuum::new();
    write_pidfile(&config, "pidfile", config.runtime.pidfile.as_deref(), &mut vacuum)?;
    apply_environment(&config)?;
    let sockets = open_sockets(&config, inheritance)?;
    write_pidfile(&config, "pidfile2", config.runtime.pidfile2.as_deref(), &mut vacuum)?;
    limit_memory(&config)?;
    let root = nix::unistd::geteuid().is_root();
    say(banner::process(&machine, root, config.processes.master));
    let sockets = sockets.map_or_else(|inheritance| bind(&config, inheritance), Ok)?;
    for path in sockets.iter().filter_map(|socket| socket.path.as_ref()) {
        if config.runtime.vacuum {
            let name = path.display();
            vacuum.watch_socket(path).map_err(failed(format!("watch {name}")))?;
        }
    }
    run(config, plugins, sockets, vacuum, origin, reloaded)
}

fn run(
    config: Config,
    plugins: Registry,
    sockets: Vec<Socket>,
    mut vacuum: Vacuum,
    origin: Origin,
    reloaded: bool,
) -> Result<i32, ServeError> {
    let config = Arc::new(config);
    let names: Vec<_> =
        sockets.iter().map(|socket| (socket.handover_name(), socket.fd.as_raw_fd())).collect();
    let listeners: Vec<Listening> = sockets
        .into_iter()
        .map(|socket| Listening { fd: Arc::new(socket.fd), info: Arc::new(socket.info) })
        .collect();
    let processes = &config.processes;
    let board =
        Board::new(processes.workers, processes.threads).map_err(failed("map shared memory"))?;
    board.header().started_unix.store(clock::unix_seconds(), Ordering::Relaxed);
    let host = Arc::new(ServerHost::new(
        config.clone(),
        board.clone(),
        listeners.iter().map(|listener| listener.fd.clone()).collect(),
        flags(&plugins),
    ));
    start_plugins(&config, &plugins, &host, &listeners)?;
    say(banner::serving(&banner::Serving {
        backlog: config.runtime.backlog,
        worker_mercy: processes.worker_mercy,
        mapped_bytes: board.mapped_bytes(),
        workers: processes.workers,
        threads: processes.threads,
    }));
    if !processes.lazy_apps
        && let Some(status) = worker::load_apps(&config, &plugins)
    {
        return Ok(status);
    }
    let runtime = &config.runtime;
    write_pidfile(&config, "safe-pidfile", runtime.safe_pidfile.as_deref(), &mut vacuum)?;
    write_pidfile(&config, "safe-pidfile2", runtime.safe_pidfile2.as_deref(), &mut vacuum)?;
    if !config.runtime.vacuum {
        vacuum = Vacuum::new();
    }
    let prefix = config.runtime.procname_prefix.clone();
    let process_names = config.runtime.auto_procname.then(|| prefix.unwrap_or_default());
    let hooks = hooks(&config, &board, &plugins, &host, listeners)?;
    let (master, processes) = (processes.master, processes.clone());
    let context = MasterContext {
        processes,
        board,
        hooks,
        listeners: names,
        origin,
        process_names,
        reloaded,
        vacuum,
    };
    Ok(if master { master::run(context) } else { master::run_without_master(context) })
}

/// Names of the options without a value.
fn flags(plugins: &Registry) -> HashSet<&'static str> {
    let rows: Vec<_> = plugins.iter().map(|plugin| plugin.options()).collect();
    let registry = options::Registry::new(&rows);
    registry.rows().iter().filter(|row| row.kind.is_flag()).map(|row| row.name).collect()
}

fn say(lines: Vec<String>) {
    for line in lines {
        log::line(format_args!("{line}"));
    }
}

fn open_log(config: &Config, reloaded: bool) -> Result<(), ServeError> {
    let runtime = &config.runtime;
    if let Some(path) = &runtime.daemonize {
        log::redirect(Path::new(path))?;
        if !reloaded {
            process::daemonize(io::stderr()).map_err(failed("leave the terminal"))?;
        }
    }
    if let Some(path) = &runtime.logto {
        log::redirect(Path::new(path))?;
    }
    Ok(())
}

fn write_pidfile(
    config: &Config,
    option: &str,
    path: Option<&Path>,
    vacuum: &mut Vacuum,
) -> Result<(), ServeError> {
    let Some(path) = path else { return Ok(()) };
    let name = path.display();
    log::line(format_args!("writing pidfile to {name}"));
    let fault = || failed(format!("write --{option} {name}"));
    vacuum::write_pidfile(path, process::current()).map_err(fault())?;
    if config.runtime.vacuum {
        vacuum.watch_pidfile(option, path).map_err(fault())?;
    }
    Ok(())
}

fn apply_environment(config: &Config) -> Result<(), ServeError> {
    for (name, value) in &config.runtime.env {
        let changed = match value {
            Some(value) => environment::set(name, value),
            None => environment::remove(name),
        };
        changed.map_err(failed(format!("change the variable {name} of the environment")))?;
    }
    if let Some(mask) = config.runtime.umask {
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(mask));
    }
    Ok(())
}

/// Drops privileges and changes the directory. Sockets come after that, as with uWSGI, so that a unix socket
/// belongs to the user and a relative path to the directory. But where a socket is given an owner, or a port
/// that only root may bind, sockets come first.
fn open_sockets(
    config: &Config,
    inheritance: Inheritance,
) -> Result<Result<Vec<Socket>, Inheritance>, ServeError> {
    let runtime = &config.runtime;
    let identity = Identity::resolve(runtime.uid.as_deref(), runtime.gid.as_deref())?;
    let early =
        runtime.chown_socket.is_some() || (runtime.uid.is_some() && listen::needs_root(config));
    let sockets = if early { Ok(bind(config, inheritance)?) } else { Err(inheritance) };
    identity.take()?;
    if let Some(directory) = &runtime.chdir {
        let name = directory.display();
        std::env::set_current_dir(directory)
            .map_err(failed(format!("change to --chdir {name}")))?;
        log::line(format_args!("chdir() to {name}"));
    }
    Ok(sockets)
}

fn bind(config: &Config, inheritance: Inheritance) -> Result<Vec<Socket>, ServeError> {
    let sockets = listen::bind_all(config, inheritance)?;
    for socket in &sockets {
        log::line(format_args!("{}", socket.line));
        if let Some(line) = &socket.router_line {
            log::line(format_args!("{line}"));
        }
    }
    Ok(sockets)
}

fn limit_memory(config: &Config) -> Result<(), ServeError> {
    match config.processes.limit_as_bytes {
        Some(bytes) => {
            log::line(format_args!("limiting address space of processes..."));
            let megabytes = bytes >> 20;
            memory::limit_address_space(bytes)
                .map_err(failed(format!("set --limit-as {megabytes}")))?;
            log::line(format_args!(
                "your process address space limit is {bytes} bytes ({megabytes} MB)"
            ));
            Ok(())
        }
        None => Ok(()),
    }
}

/// Name of the setting by which plugins get positional arguments (`app.py`, `pkg.mod:app`).
const ARGUMENT: &str = "argument";

fn start_plugins(
    config: &Config,
    plugins: &Registry,
    host: &Arc<ServerHost>,
    listeners: &[Listening],
) -> Result<(), ServeError> {
    let arguments = config.arguments.iter().map(|text| (ARGUMENT.to_owned(), text.clone()));
    let pairs = config.settings.pairs().iter().cloned().chain(arguments).collect();
    let infos: Vec<Listener> = listeners.iter().map(|listener| (*listener.info).clone()).collect();
    let host: Arc<dyn Host> = host.clone();
    Ok(plugins.start(&Settings::new(pairs), &host, &infos)?)
}

fn hooks(
    config: &Arc<Config>,
    board: &Arc<Board>,
    plugins: &Registry,
    host: &Arc<ServerHost>,
    listeners: Vec<Listening>,
) -> Result<Hooks, ServeError> {
    let rescue = match config.processes.workers > 1 || config.processes.master {
        true => Some(Rescue::new().map_err(failed("make a socket pair"))?),
        false => None,
    };
    let (before, after) = (plugins.clone(), plugins.clone());
    let (config, board, plugins, host) =
        (config.clone(), board.clone(), plugins.clone(), host.clone());
    Ok(Hooks {
        before_fork: Box::new(move || before.before_fork()),
        after_fork_parent: Box::new(move || after.after_fork_parent()),
        worker: Box::new(move |worker, channel| {
            worker::run(Boot {
                config: config.clone(),
                board: board.clone(),
                worker,
                listeners: listeners.clone(),
                plugins: plugins.clone(),
                host: host.clone(),
                rescue: rescue.clone(),
                channel,
            })
        }),
    })
}
