//! From a checked configuration to a running server: the boot order (behaviour note 3.1), one step a line.

mod cluster;
mod exposure;
mod log_way;
mod sites;
mod sockets;

use std::collections::HashSet;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use uwsgi_plugin_api::{Host, Listener, PluginError, Settings};

use self::log_way::{keep_log, log_channel, open_log};
use self::sites::{Boards, figures, find_loaders};
use self::sockets::{
    Named, Sockets, bind, bind_silently, elsewhere, named, open_sockets, watch_sockets,
};
use crate::config::model::hooks::Phase;
use crate::config::{Config, Snapshot};
use crate::errors::{PageError, Pages};
use crate::files::{Files as StaticFiles, MimeError};
use crate::hooks;
use crate::isolation::{Image, IsolationError};
use crate::log::{self, LogError, banner, channel::Channel};
use crate::master::{
    self, EndpointListener, Files, Handover, Hooks, Loading, MasterContext, MoldPost, Passed, Role,
    SiteOrder, SitePost, Succession, Vacuum, vacuum,
};
use crate::net::inherit::Inheritance;
use crate::net::listen::ListenError;
use crate::net::reactor::Listening;
use crate::net::rescue::Rescue;
use crate::options;
use crate::plugin::Registry;
use crate::shm::{Board, ClusterMemory, SitesBoard};
use crate::supervisor::signals::{Dialect, SignalTable};
use crate::sys::handover::Origin;
use crate::sys::machine::Machine;
use crate::sys::privileges::PrivilegesError;
use crate::sys::process::Pid;
use crate::sys::{environment, memory, process};
use crate::worker::{self, Boot, ServerHost, Unloaded};

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
    #[error(transparent)]
    Isolation(#[from] IsolationError),
    #[error(transparent)]
    Page(#[from] PageError),
    #[error(transparent)]
    Mime(#[from] MimeError),
    #[error("{0}")]
    Loaders(String),
    #[error("{0}")]
    Plugin(#[from] PluginError),
    #[error("cannot {action}: {source}")]
    System { action: String, source: io::Error },
}

fn failed(action: impl Into<String>) -> impl FnOnce(io::Error) -> ServeError {
    let action = action.into();
    move |source| ServeError::System { action, source }
}

/// Serves until the instance stops, as what `role` says; returns the exit status.
///
/// # Errors
/// [`ServeError`] where it cannot start.
pub fn serve(
    config: Config,
    plugins: Registry,
    role: Role,
    snapshot: Option<Arc<Snapshot>>,
) -> Result<i32, ServeError> {
    let origin = Origin::capture().map_err(failed("find out how this process was started"))?;
    let result = match role {
        Role::First => first(config, plugins, origin, (None, Passed::new(), None)),
        Role::Site(mut site) => {
            let shared = std::mem::take(&mut site.1.shared);
            first(config, plugins, origin, (None, shared, Some(*site)))
        }
        // The command line has made it one.
        Role::Node { .. } => {
            let other = io::Error::other("this process is to be the node of a cluster");
            Err(failed("serve")(other))
        }
        Role::Beside { parent, shared } => {
            let (config, succession) = beside(config, parent);
            first(config, plugins, origin, (Some(succession), shared, None))
        }
        Role::Mold { generation: _, master, channel, shared } => {
            let sources = snapshot.map(|snapshot| snapshot.encode()).transpose();
            let sources = sources
                .map_err(|error| failed("keep the configuration")(io::Error::other(error)))?;
            next_generation(config, plugins, MoldPost { channel, master }, (shared, sources))
        }
        Role::Master { handover, shared } => next_master(config, origin, *handover, shared),
    };
    match result {
        // The log has its reason.
        Err(ServeError::Isolation(IsolationError::Hook(stop))) => Ok(stop.status()),
        result => result,
    }
}

/// A configuration for the time beside another master.
fn beside(mut config: Config, parent: Pid) -> (Config, Succession) {
    let succession = Succession { parent, files: files(&config) };
    config.life_cycle.replaces = true;
    let runtime = &mut config.runtime;
    for path in [
        &mut runtime.pidfile,
        &mut runtime.pidfile2,
        &mut runtime.safe_pidfile,
        &mut runtime.safe_pidfile2,
    ] {
        master::beside(path);
    }
    (config, succession)
}

/// A start.
fn first(
    mut config: Config,
    plugins: Registry,
    origin: Origin,
    (succession, mut passed, site): (Option<Succession>, Passed, Option<(SiteOrder, SitePost)>),
) -> Result<i32, ServeError> {
    master::ignore_reload_signals(config.processes.die_on_term).map_err(failed("set signals"))?;
    let inheritance = Inheritance::of_process()?;
    hooks::run(Phase::Asap, &config.hooks).map_err(IsolationError::from)?;
    open_log(&config, inheritance.reloaded())?;
    let machine = Machine::detect();
    // Of a site the master of its instance says what there is to say.
    let say = |lines| {
        if site.is_none() {
            say(lines)
        }
    };
    say(banner::starting(&machine));
    let mut vacuum = Vacuum::new(process::current());
    write_pidfile(&config, "pidfile", config.runtime.pidfile.as_deref(), &mut vacuum)?;
    apply_environment(&config)?;
    find_loaders(&mut config)?;
    // A master beside another one is a child of that, and inside already.
    let image = if succession.is_some() { Image::Generation } else { Image::First };
    let sockets = open_sockets(&config, inheritance, image)?;
    write_pidfile(&config, "pidfile2", config.runtime.pidfile2.as_deref(), &mut vacuum)?;
    limit_memory(&config)?;
    let root = nix::unistd::geteuid().is_root();
    // Limits, directory and user may be others by now.
    say(banner::process(
        &Machine::detect(),
        root,
        config.processes.master,
        config.sites.rules.by_host,
    ));
    let sockets = match site {
        Some(_) => Sockets::default(),
        None => sockets.map_or_else(|inheritance| bind(&config, inheritance), Ok)?,
    };
    watch_sockets(&config, &sockets, &mut vacuum)?;
    let config = Arc::new(config);
    let (listeners, endpoints) = named(sockets);
    let board = board(&config)?;
    let figures = figures(&config, &mut passed)?;
    let cluster = cluster::first(&config, &passed, &listeners)?;
    let of_site = site.map(|(order, post)| -> Result<_, ServeError> {
        let others = elsewhere(&order.listeners).map_err(failed("open /dev/null"))?;
        Ok((others, post.rescue, Arc::new(post.leash)))
    });
    let (served, rescue, leash) = match of_site.transpose()? {
        Some((others, rescue, leash)) => (others, Some(rescue), Some(leash)),
        None => (listeners.clone(), rescue(&config, &mut passed)?, None),
    };
    let mut shared = match &rescue {
        Some(rescue) if leash.is_none() => {
            rescue.descriptors().map_err(failed("share a socket pair"))?
        }
        _ => Vec::new(),
    };
    shared.extend(log_channel(&config, &mut passed)?);
    shared.push(figures.named_descriptor().map_err(failed("share memory"))?);
    let with_node =
        cluster.iter().map(ClusterMemory::named_descriptors).collect::<Result<Vec<_>, _>>();
    shared.extend(with_node.map_err(failed("share memory"))?.into_iter().flatten());
    // Those that are written later too; sockets belong to the other master as long as there is one.
    let mut leftovers = match &succession {
        None => vacuum.clone(),
        Some(_) => Vacuum::new(process::current()),
    };
    watch_pidfiles(&config, &mut leftovers);
    let boards = (&board, &figures, cluster.as_ref());
    let generation = generation(&config, &plugins, (boards, &served), (rescue, leftovers))?;
    if !config.processes.master {
        let status = master::run_without_master(generation);
        // At the exit, nothing stops.
        let _ = hooks::run(Phase::AsUserAtExit, &config.hooks);
        return Ok(status);
    }
    let context = MasterContext {
        first: Some(generation),
        shared,
        succession,
        leash,
        cluster,
        ..context(&config, origin, vacuum, (listeners, endpoints, figures))
    };
    Ok(master::run(context))
}

/// The process that loads the next generation of an instance that serves.
fn next_generation(
    mut config: Config,
    plugins: Registry,
    post: MoldPost,
    (mut shared, sources): (Passed, Option<Vec<u8>>),
) -> Result<i32, ServeError> {
    if !config.processes.master {
        let without = io::Error::other("the configuration has no master any more");
        return Err(failed("reload an instance with a master")(without));
    }
    config.life_cycle.replaces = true;
    let inheritance = Inheritance::of_process()?;
    hooks::run(Phase::Asap, &config.hooks).map_err(IsolationError::from)?;
    drop(keep_log(&config, &mut shared)?);
    open_log(&config, true)?;
    let machine = Machine::detect();
    say(banner::starting(&machine));
    apply_environment(&config)?;
    find_loaders(&mut config)?;
    let sockets = open_sockets(&config, inheritance, Image::Generation)?;
    limit_memory(&config)?;
    let root = nix::unistd::geteuid().is_root();
    // Limits, directory and user may be others by now.
    say(banner::process(&Machine::detect(), root, true, config.sites.rules.by_host));
    let sockets = sockets.map_or_else(|inheritance| bind(&config, inheritance), Ok)?;
    let mut vacuum = Vacuum::new(post.master);
    watch_sockets(&config, &sockets, &mut vacuum)?;
    watch_pidfiles(&config, &mut vacuum);
    let config = Arc::new(config);
    let (listeners, endpoints) = named(sockets);
    let board = board(&config)?;
    board.header().master_pid.store(post.master.as_raw(), Ordering::Relaxed);
    let figures = figures(&config, &mut shared)?;
    let cluster = cluster::generation(&config, &shared)?;
    ClusterMemory::withhold(&mut shared);
    let rescue = rescue(&config, &mut shared)?;
    let names = listeners.iter().map(|(name, listening)| (name.as_str(), listening.fd.as_fd()));
    let others = endpoints.iter().map(|(name, endpoint)| (name.as_str(), endpoint.fd.as_fd()));
    master::introduce(&post.channel, &board, names.chain(others), sources)
        .map_err(failed("speak to the master"))?;
    drop(endpoints); // the master's alone
    let boards = (&board, &figures, cluster.as_ref());
    let generation = generation(&config, &plugins, (boards, &listeners), (rescue, vacuum))?;
    Ok(master::run_mold(generation, post))
}

/// The next image of a master, whose workers and next generation run already.
fn next_master(
    config: Config,
    origin: Origin,
    handover: Handover,
    mut shared: Passed,
) -> Result<i32, ServeError> {
    let (config, succession) = match handover.parent() {
        Some(parent) => {
            let (config, succession) = beside(config, parent);
            (config, Some(succession))
        }
        None => (config, None),
    };
    let inheritance = Inheritance::of_process()?;
    let channel = keep_log(&config, &mut shared)?;
    open_log(&config, true)?;
    apply_environment(&config)?;
    let sockets = open_sockets(&config, inheritance, Image::Master)?;
    let sockets = sockets.map_or_else(|inheritance| bind_silently(&config, inheritance), Ok)?;
    let mut vacuum = Vacuum::new(process::current());
    watch_sockets(&config, &sockets, &mut vacuum)?;
    let files = files(&config);
    for (option, path) in files.pidfiles.iter().chain(&files.safe_pidfiles) {
        write_pidfile(&config, option, Some(path), &mut vacuum)?;
    }
    let (listeners, endpoints) = named(sockets);
    let figures = figures(&config, &mut shared)?;
    let own = figures.named_descriptor().map_err(failed("share memory"))?;
    // Its descriptors are passed on as they came.
    let cluster = cluster::next_image(&config, &shared, &listeners)?;
    let shared = shared.into_iter().map(|(name, fd)| (name, Arc::new(fd)));
    let shared = shared.chain(channel.map(Channel::descriptors).into_iter().flatten());
    let shared = shared.chain([own]).collect();
    let sockets = (listeners, endpoints, figures);
    let context = MasterContext {
        shared,
        succession,
        cluster,
        ..context(&Arc::new(config), origin, vacuum, sockets)
    };
    Ok(master::resume(context, handover))
}

fn context(
    config: &Arc<Config>,
    origin: Origin,
    vacuum: Vacuum,
    (sockets, endpoints, figures): (Named<Listening>, Named<EndpointListener>, Arc<SitesBoard>),
) -> MasterContext {
    let served = sockets.iter().map(|(_, listening)| listening.clone()).collect();
    let answered = endpoints.iter().map(|(_, endpoint)| endpoint.clone()).collect();
    let listeners = sockets.into_iter().map(|(name, listening)| (name, listening.fd));
    let others = endpoints.into_iter().map(|(name, endpoint)| (name, endpoint.fd));
    let life = &config.life_cycle;
    let dialect = if life.gunicorn_signals { Dialect::Gunicorn } else { Dialect::Uwsgi };
    MasterContext {
        signals: SignalTable::new(dialect, config.processes.die_on_term, life.graceful_on_term),
        first: None,
        listeners: listeners.chain(others).collect(),
        served,
        endpoints: answered,
        shared: Vec::new(),
        cluster: None,
        figures,
        origin,
        process_names: config.runtime.names.clone(),
        succession: None,
        leash: None,
        files: files(config),
        vacuum: if config.runtime.vacuum { vacuum } else { Vacuum::new(process::current()) },
        config: config.clone(),
    }
}

fn files(config: &Config) -> Files {
    let runtime = &config.runtime;
    let given =
        |option: &'static str, path: &Option<PathBuf>| path.clone().map(|path| (option, path));
    let pidfiles = [given("pidfile", &runtime.pidfile), given("pidfile2", &runtime.pidfile2)];
    let safe = [
        given("safe-pidfile", &runtime.safe_pidfile),
        given("safe-pidfile2", &runtime.safe_pidfile2),
    ];
    Files {
        pidfiles: pidfiles.into_iter().flatten().collect(),
        safe_pidfiles: safe.into_iter().flatten().collect(),
        log: runtime.logto.as_ref().or(runtime.daemonize.as_ref()).map(PathBuf::from),
    }
}

/// All of them, whenever the master writes them.
fn watch_pidfiles(config: &Config, vacuum: &mut Vacuum) {
    let files = files(config);
    for (option, path) in files.pidfiles.iter().chain(&files.safe_pidfiles) {
        if config.runtime.vacuum {
            // Without a working directory there is nothing that could be found again.
            let _ = vacuum.watch_pidfile(option, path);
        }
    }
}

fn board(config: &Config) -> Result<Arc<Board>, ServeError> {
    let processes = &config.processes;
    let board = Board::new(processes.workers, processes.threads);
    board.map_err(failed("map shared memory"))
}

/// The way between workers: one for all generations of an instance.
fn rescue(config: &Config, shared: &mut Passed) -> Result<Option<Rescue>, ServeError> {
    if let Some(rescue) = Rescue::adopt(shared) {
        return Ok(Some(rescue));
    }
    match config.processes.workers > 1 || config.processes.master {
        true => Ok(Some(Rescue::new().map_err(failed("make a socket pair"))?)),
        false => Ok(None),
    }
}

/// A generation that is not loaded yet.
fn generation(
    config: &Arc<Config>,
    plugins: &Registry,
    ((board, figures, cluster), listeners): (Boards<'_>, &[(String, Listening)]),
    (rescue, vacuum): (Option<Rescue>, Vacuum),
) -> Result<Loading, ServeError> {
    let listeners: Vec<Listening> =
        listeners.iter().map(|(_, listening)| listening.clone()).collect();
    let host = ServerHost::new(
        config.clone(),
        board.clone(),
        listeners.iter().filter(|one| !one.elsewhere).map(|one| one.fd.clone()).collect(),
        flags(plugins),
    );
    let host = Arc::new(host.with_cluster(cluster.map(ClusterMemory::for_workers)));
    let process_names = config.runtime.names.clone();
    let no_orphans = config.processes.no_orphans;
    let vacuum = match config.runtime.vacuum {
        true => vacuum,
        false => Vacuum::new(process::current()),
    };
    let read = (Pages::read(&config.errors.pages)?, StaticFiles::new(&config.files)?.map(Arc::new));
    let hooks = around_forks(
        (config, board, figures),
        plugins,
        &host,
        (listeners, read),
        (rescue, &vacuum),
    );
    Ok(Loading { hooks, board: board.clone(), process_names, no_orphans, vacuum })
}

/// Names of the options without a value.
fn flags(plugins: &Registry) -> HashSet<&'static str> {
    let registry = options::Registry::new(&plugins.options());
    registry.rows().iter().filter(|row| row.kind.is_flag()).map(|row| row.name).collect()
}

fn say(lines: Vec<String>) {
    for line in lines {
        log::line(format_args!("{line}"));
    }
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
    // What signs the words of the instance's node is not for applications.
    let told = config.settings.pairs().iter().filter(|(name, _)| name != "cluster-secret");
    let pairs = told.cloned().chain(arguments).collect();
    let infos: Vec<Listener> = listeners.iter().map(|listener| (*listener.info).clone()).collect();
    let host: Arc<dyn Host> = host.clone();
    Ok(plugins.start(&Settings::new(pairs), &host, &infos)?)
}

fn around_forks(
    (config, board, figures): (&Arc<Config>, &Arc<Board>, &Arc<SitesBoard>),
    plugins: &Registry,
    host: &Arc<ServerHost>,
    (listeners, (pages, files)): (Vec<Listening>, (Pages, Option<Arc<StaticFiles>>)),
    (rescue, vacuum): (Option<Rescue>, &Vacuum),
) -> Hooks {
    let leftovers = vacuum.clone();
    let orphaned: Arc<dyn Fn() + Send + Sync> = Arc::new(move || leftovers.remove_for_owner());
    let (before, after, end) = (plugins.clone(), plugins.clone(), plugins.clone());
    let load = {
        let (config, board, plugins) = (config.clone(), board.clone(), plugins.clone());
        let (host, listeners) = (host.clone(), listeners.clone());
        move || load(&config, &board, &plugins, &host, &listeners)
    };
    let (config, board, plugins, host) =
        (config.clone(), board.clone(), plugins.clone(), host.clone());
    let figures = figures.clone();
    Hooks {
        load: Box::new(load),
        before_fork: Box::new(move || before.before_fork()),
        after_fork_parent: Box::new(move || after.after_fork_parent()),
        shutdown: Box::new(move || end.shutdown()),
        worker: Box::new(move |birth| {
            worker::run(Boot {
                config: config.clone(),
                board: board.clone(),
                worker: birth.worker,
                place: birth.place,
                listeners: listeners.clone(),
                plugins: plugins.clone(),
                host: host.clone(),
                rescue: rescue.clone(),
                channel: birth.channel,
                trial: birth.trial,
                first_life: birth.first_life,
                pages: pages.clone(),
                files: files.clone(),
                figures: figures.clone(),
                orphaned: orphaned.clone(),
            })
        }),
    }
}

/// Starts the plugins and loads the applications; an exit status where nothing can be served.
fn load(
    config: &Arc<Config>,
    board: &Board,
    plugins: &Registry,
    host: &Arc<ServerHost>,
    listeners: &[Listening],
) -> Result<(), i32> {
    if let Err(error) = start_plugins(config, plugins, host, listeners) {
        log::line(format_args!("{error}"));
        return Err(1);
    }
    let processes = &config.processes;
    if config.sites.own.is_none() {
        say(banner::serving(&banner::Serving {
            backlog: config.runtime.backlog,
            worker_mercy: processes.worker_mercy,
            mapped_bytes: board.mapped_bytes(),
            workers: processes.workers,
            threads: processes.threads,
        }));
    }
    if processes.lazy_apps {
        return Ok(());
    }
    worker::load_apps(config, plugins, config.life_cycle.replaces).map_err(Unloaded::status)
}
