//! Boot of a worker and its request threads.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use uwsgi_plugin_api::{CoreId, WorkerId};
use uwsgi_protocol::{fastcgi, http1, scgi, uwsgi};

use super::applications::Applications;
use super::check;
use super::control::{self, Control};
use super::host::ServerHost;
use super::message::{FromWorker, ask_for_site, exit_code};
use super::recycle::{Ending, Reason, Recycling};
use crate::config::Config;
use crate::config::model::Check;
use crate::config::model::hooks::Phase;
use crate::errors::{Errors, Pages};
use crate::files::Files;
use crate::hooks::{self, Stop};
use crate::isolation;
use crate::log::throttle::Throttle;
use crate::net::away::{Ask, Away};
use crate::net::connection::Bounds;
use crate::net::decode;
use crate::net::front::Fronts;
use crate::net::hub::Times;
use crate::net::reactor::{Listening, Reactor};
use crate::net::rescue::Rescue;
use crate::net::turnstile::Turnstile;
use crate::net::upload::Policy;
use crate::plugin::Registry;
use crate::request::cell::Cell;
use crate::request::figures::Figures;
use crate::request::serve::Core;
use crate::request::shared::{Routes, Shared};
use crate::shm::{Board, PlaceId, SitesBoard};
use crate::supervisor::Trial;
use crate::sys::channel::Channel;
use crate::sys::process;

/// Stack of a request thread in bytes: what Python's recursion limit expects of a thread.
const STACK_BYTES: usize = 8 << 20;

/// What a worker is made of.
pub struct Boot {
    /// The configuration.
    pub config: Arc<Config>,
    /// The scoreboard.
    pub board: Arc<Board>,
    /// Who it is.
    pub worker: WorkerId,
    /// Its place on the board.
    pub place: PlaceId,
    /// Its listening sockets.
    pub listeners: Vec<Listening>,
    /// Its plugins.
    pub plugins: Registry,
    /// The server's services.
    pub host: Arc<ServerHost>,
    /// The way to the other workers, for connections of one that dies.
    pub rescue: Option<Rescue>,
    /// The way to the master, where there is one.
    pub channel: Option<Channel>,
    /// What it has to show before it serves.
    pub trial: Trial,
    /// No process of its generation was this worker before.
    pub first_life: bool,
    /// Bodies of errors.
    pub pages: Pages,
    /// Static files, where there are any.
    pub files: Option<Arc<Files>>,
    /// Where requests of sites are counted.
    pub figures: Arc<SitesBoard>,
    /// What is to be done when the master was killed.
    pub orphaned: Arc<dyn Fn() + Send + Sync>,
}

/// Serves until told to end; returns the exit status of the process.
pub fn run(boot: Boot) -> i32 {
    boot.host.become_worker(boot.worker, boot.place);
    isolation::bind(&boot.config.isolation, boot.worker);
    boot.plugins.after_fork_child(boot.worker);
    if let Err(stop) = hooks::run(Phase::PostFork, &boot.config.hooks) {
        return end_instance(stop, boot.channel.as_ref());
    }
    // Later its generation is the one that serves.
    let first = boot.config.life_cycle.replaces && boot.first_life;
    let must_load = boot.trial != Trial::None || first;
    if boot.plugins.load_rest() > 0 && must_load {
        crate::log::line(format_args!("{NOT_IN_PLACE}"));
        return exit_code::NOT_LOADED;
    }
    if boot.config.processes.lazy_apps {
        match load_apps(&boot.config, &boot.plugins, must_load) {
            Ok(()) => {}
            Err(Unloaded::Status(status)) => return status,
            Err(Unloaded::Hook(stop)) => return end_instance(stop, boot.channel.as_ref()),
        }
    }
    let accepting = accepting_phases(&boot);
    if let Err(stop) = accepting.iter().try_for_each(|phase| hooks::run(*phase, &boot.config.hooks))
    {
        return end_instance(stop, boot.channel.as_ref());
    }
    match serve(boot) {
        Ok(status) => status,
        Err(error) => {
            crate::log::line(format_args!("worker cannot start: {error}"));
            1
        }
    }
}

/// What is done before this worker accepts, in uWSGI's order.
fn accepting_phases(boot: &Boot) -> Vec<Phase> {
    let once = |phase| boot.first_life.then_some(phase);
    let mut phases = vec![Some(Phase::Accepting), once(Phase::AcceptingOnce)];
    if boot.worker == WorkerId(1) {
        phases.extend([Some(Phase::Accepting1), once(Phase::Accepting1Once)]);
    }
    phases.into_iter().flatten().collect()
}

/// The exit status of a worker whose hooks end it. Where one failed, the instance is not what was asked for: the master
/// stops it, as uWSGI's does, or lets go of the generation where another one serves.
fn end_instance(stop: Stop, channel: Option<&Channel>) -> i32 {
    match (stop, channel) {
        (Stop::Failed, Some(channel)) => {
            // A master that is gone needs no word.
            let _ = channel.send(&FromWorker::HookFailed.encode());
            exit_code::END
        }
        _ => stop.status(),
    }
}

/// Why a process that was to load the applications cannot serve. The log says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unloaded {
    /// A hook ended it.
    Hook(Stop),
    /// The exit status where the server cannot go on without an application.
    Status(i32),
}

impl Unloaded {
    /// The exit status of the process.
    pub fn status(self) -> i32 {
        match self {
            Self::Hook(stop) => stop.status(),
            Self::Status(status) => status,
        }
    }
}

/// Loads the applications, between the hooks for it. uWSGI serves on without one that does not load, and answers 500 for it;
/// with `must_load`, where others serve in the meantime, that is an error.
///
/// # Errors
/// [`Unloaded`].
pub fn load_apps(config: &Config, plugins: &Registry, must_load: bool) -> Result<(), Unloaded> {
    hooks::run(Phase::PreApp, &config.hooks).map_err(Unloaded::Hook)?;
    load(config, plugins, must_load).map_err(Unloaded::Status)?;
    hooks::run(Phase::PostApp, &config.hooks).map_err(Unloaded::Hook)
}

const NOT_IN_PLACE: &str =
    "an application does not load: it does not take the place of what serves";

fn load(config: &Config, plugins: &Registry, must_load: bool) -> Result<(), i32> {
    match plugins.load() {
        Ok(report) if report.apps == 0 && config.processes.need_app => {
            crate::log::line(format_args!(
                "no app loaded. going in full dynamic mode is forbidden by need-app"
            ));
            Err(exit_code::NO_APP)
        }
        Ok(report) if report.failed > 0 && must_load => {
            crate::log::line(format_args!("{NOT_IN_PLACE}"));
            Err(exit_code::NOT_LOADED)
        }
        Ok(_) => Ok(()),
        Err(error) => {
            crate::log::line(format_args!("{error}"));
            Err(1)
        }
    }
}

fn serve(boot: Boot) -> io::Result<i32> {
    let Boot {
        config,
        board,
        worker,
        place,
        listeners,
        plugins,
        host,
        rescue,
        channel,
        trial,
        orphaned,
        pages,
        files,
        figures,
        ..
    } = boot;
    let signals = control::Signals::install()?;
    let channel = channel.map(Arc::new);
    let several = config.processes.workers > 1;
    let connections_max = config.limits.connections_max;
    let (reactor, hub) = Reactor::new(
        listeners,
        bounds(&config, pages, &plugins, channel.as_ref()),
        times(&config),
        connections_max,
        several,
        rescue,
    )?;
    let waker = hub.clone();
    let stile = Arc::new(Turnstile::new(reactor, Box::new(move || waker.wake())));
    let ending = Arc::new(Ending::default());
    let recycling = Recycling::new(
        &config,
        (board.clone(), worker, place),
        (hub.clone(), stile.clone()),
        ending.clone(),
        channel.clone(),
    );
    let applications = Applications::new(plugins.clone(), board.clone(), place);
    let shared = Arc::new(Shared {
        figures: Figures::new(&config.sites, figures, &plugins.apps()),
        sites: config.sites.clone(),
        refusals: Throttle::default(),
        worker,
        hub,
        stile,
        board: board.clone(),
        place,
        cells: (0..config.processes.threads).map(|_| Cell::default()).collect(),
        routes: Routes(plugins.routes()),
        harakiri: config.processes.harakiri,
        socket_timeout: config.limits.socket_timeout,
        body_bytes_max: config.limits.body_bytes_max,
        files,
        headers: config.headers.clone(),
        logging: config.logging.clone(),
        after_request: Box::new(move |outcome| {
            applications.after_request(&outcome);
            recycling.after_request(&outcome);
        }),
    });
    host.serve(shared.clone());
    let control = Control::new(
        config.clone(),
        shared.clone(),
        plugins.clone(),
        ending.clone(),
        (channel, orphaned),
    );
    let check = config.life_cycle.check.clone().filter(|_| trial == Trial::Check);
    if check.is_some() {
        // Nobody but the check gets in before it was passed.
        shared.hub.pause(true);
    } else {
        // Before its threads run: a request may ask.
        shared.process().set_ready();
        control.tell(FromWorker::Ready);
    }
    let control = thread::Builder::new().name("control".into()).stack_size(256 * 1024).spawn({
        let shared = shared.clone();
        move || {
            if let Some(check) = check {
                pass(&check, &shared, &control);
            }
            control.run(&signals);
        }
    })?;
    let mut threads = Vec::new();
    for id in 1..config.processes.threads {
        let (shared, plugins) = (shared.clone(), plugins.clone());
        let name = format!("core {id}");
        threads.push(
            thread::Builder::new()
                .name(name)
                .stack_size(STACK_BYTES)
                .spawn(move || core(CoreId(id), shared, &plugins))?,
        );
    }
    core(CoreId(0), shared, &plugins);
    for thread in threads {
        // A core that panicked outside of a request has logged it; the worker ends all the same.
        let _ = thread.join();
    }
    // An exception was told when it was seen.
    if ending.reason().is_some_and(|reason| reason != Reason::Exception) {
        let pid = std::process::id();
        crate::log::line(format_args!("...The work of process {pid} is done. Seeya!"));
    }
    plugins.shutdown();
    drop(control);
    Ok(ending.status())
}

/// Passes `reload-check` and opens the doors, or ends the process.
fn pass(check: &Check, shared: &Shared, control: &Control) {
    match check::run(shared, check) {
        Ok(()) => {
            shared.hub.pause(false);
            shared.process().set_ready();
            control.tell(FromWorker::Ready);
        }
        Err(why) => {
            crate::log::line(format_args!("{why}"));
            process::exit_now(exit_code::CHECK_FAILED);
        }
    }
}

fn core(id: CoreId, shared: Arc<Shared>, plugins: &Registry) {
    let thread = process::thread_id();
    shared.cells[id.0 as usize].belongs_to(thread);
    shared.board.core(shared.place, id).thread_id.store(thread, Ordering::Relaxed);
    let handlers = plugins.iter().map(|plugin| plugin.handler(id)).collect();
    Core::new(id, shared, handlers).run();
}

/// How this worker asks the master for the channel of a site.
fn ask(channel: Option<&Arc<Channel>>) -> Box<Ask> {
    let channel = channel.cloned();
    Box::new(move |spec| match &channel {
        Some(channel) => channel.send(&ask_for_site(spec)),
        None => Err(io::ErrorKind::NotConnected.into()),
    })
}

/// Without a master nobody starts processes for sites: all stay.
fn away(config: &Config, plugins: &Registry, channel: Option<&Arc<Channel>>) -> Option<Arc<Away>> {
    if channel.is_none() && config.sites.own.is_none() {
        return None;
    }
    let plugins = plugins.clone();
    let suits = move |home: &Path| plugins.suit(home);
    Away::new(&config.sites, Box::new(suits), ask(channel))
}

fn bounds(
    config: &Config,
    pages: Pages,
    plugins: &Registry,
    channel: Option<&Arc<Channel>>,
) -> Bounds {
    let (limits, http) = (&config.limits, &config.http);
    let (head_bytes_max, vars_max) = (limits.head_bytes_max, limits.vars_max);
    Bounds {
        head: decode::Limits {
            packet: uwsgi::Limits { block_bytes_max: head_bytes_max, vars_max },
            http: http1::Limits {
                line_bytes_max: http.line_bytes_max,
                field_bytes_max: http.field_bytes_max,
                head_bytes_max,
                headers_max: http.headers_max,
                strictness: http.strictness,
                keeps_slashes: false,
            },
            scgi: scgi::Limits { head_bytes_max, vars_max },
            fastcgi: fastcgi::Limits {
                head_bytes_max,
                vars_max,
                connections_max: limits.connections_max,
            },
        },
        body: Policy { bytes_max: limits.body_bytes_max, spool_from: limits.post_buffering_bytes },
        body_bytes_per_s: http.body_bytes_per_s,
        requests_max: http.requests_max,
        fronts: Fronts::new(config),
        trusted: config.trusted.clone(),
        errors: Arc::new(Errors::new(pages, config.errors.request_ids)),
        away: away(config, plugins, channel),
    }
}

fn times(config: &Config) -> Times {
    let socket_ms = config.limits.socket_timeout.as_millis() as u64;
    Times {
        head_ms: socket_ms,
        progress_ms: socket_ms,
        keep_alive_ms: config.limits.keep_alive.as_millis() as u64,
        linger_ms: 2_000,
    }
}
