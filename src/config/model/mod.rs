//! The typed, immutable configuration that the rest of the server reads.

pub mod errors;
pub mod files;
pub mod hooks;
mod http;
pub mod isolation;
pub mod jobs;
mod life_cycle;
pub mod loaders;
mod monitoring;
pub mod proxies;
mod scaling;
pub mod site_options;
pub mod site_spec;
pub mod sites;
mod timeouts;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use uwsgi_plugin_api::{Settings, WireProtocol};

use crate::config::{Shared, Variable};

pub use http::{Http, Router};
pub use life_cycle::{Check, LifeCycle};
pub use monitoring::{EndpointSpec, Monitoring};
pub use scaling::{Algorithm, Busyness, Scaling};
pub use timeouts::{Graceful, Timeouts};

/// Everything that was configured, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Sockets to serve, in the order of the configuration.
    pub sockets: Vec<SocketSpec>,
    /// `protocol`: what inherited sockets speak that nothing else is said of.
    pub default_protocol: WireProtocol,
    /// Modifiers of requests that come without.
    pub modifiers: Modifiers,
    /// Who tells for whom a connection is.
    pub proxy_protocol: proxies::ProxyProtocol,
    /// Whose word on others is believed; `None` where nothing is said.
    pub trusted: Option<Arc<proxies::Trusted>>,
    /// What is told where no application answers.
    pub errors: errors::Errors,
    /// Processes and threads.
    pub processes: Processes,
    /// How many workers run.
    pub scaling: Scaling,
    /// What reloads, recycles and stops them.
    pub life_cycle: LifeCycle,
    /// How the instance tells of itself.
    pub monitoring: Monitoring,
    /// What runs and is watched beside them.
    pub jobs: jobs::Jobs,
    /// Sizes, times and counts that bound a request.
    pub limits: Limits,
    /// HTTP as it is read and answered.
    pub http: Http,
    /// `add-header`: names and values that every answer gets.
    pub headers: Vec<(String, String)>,
    /// Log destination and what is logged.
    pub logging: Logging,
    /// Files, user and directories of the process.
    pub runtime: Runtime,
    /// What is done at moments of the server's life, and waited for at its start.
    pub hooks: hooks::Hooks,
    /// What the processes may use, and what they are kept apart from.
    pub isolation: isolation::Isolation,
    /// Static files.
    pub files: files::StaticFiles,
    /// Applications that requests name, and how they are kept apart.
    pub sites: sites::Sites,
    /// The cluster that the instance is in, or looks at. Who reads options fills it in; a check of them alone knows of none.
    pub cluster: Option<Membership>,
    /// All effective options for plugins (`uwsgi.opt`), canonical names, in order.
    pub settings: Settings,
    /// Positional arguments that are not configuration files (`app.py`, `pkg.mod:app`).
    pub arguments: Vec<String>,
}

impl Config {
    /// The applications that it names, as they are written.
    pub fn applications(&self) -> Vec<String> {
        let options = ["module", "wsgi-file", "mount"].into_iter();
        let named = options.flat_map(|name| self.settings.all(name)).map(str::to_owned);
        named.chain(self.arguments.iter().cloned()).collect()
    }
}

/// What an instance is in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The options that it runs with, by whether they stay here.
    pub shared: Arc<Shared>,
    /// They came from the cluster, not from own files.
    pub received: bool,
    /// Crons run here whoever leads.
    pub crons_everywhere: bool,
}

/// One socket as configured.
#[derive(Clone, Debug)]
pub struct SocketSpec {
    /// The text of the option's value.
    pub address: String,
    /// What it speaks.
    pub protocol: WireProtocol,
    /// The option that asked for it, with its place (`--socket` or `uwsgi.ini:3: socket`), for messages.
    pub origin: String,
    /// Asked for by `http`, which uWSGI serves by a router process; only its start-up lines differ.
    pub router: bool,
    /// For processes of this user alone, of the instance as a rule: a unix socket without a file, whose name the kernel
    /// chooses. The address is only its name for the next image, and no address of an option looks like it.
    pub private: bool,
}

/// First and second modifier of requests by the sockets they come by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modifiers {
    /// `fastcgi-modifier1`, `fastcgi-modifier2`.
    pub fastcgi: (u8, u8),
    /// `scgi-modifier1`, `scgi-modifier2`.
    pub scgi: (u8, u8),
    /// `http-socket-modifier1`, `http-socket-modifier2`.
    pub http: (u8, u8),
    /// `http-modifier1`, `http-modifier2`: of sockets of `http`.
    pub router: (u8, u8),
    /// `raw-modifier1`, `raw-modifier2`.
    pub raw: (u8, u8),
}

impl Modifiers {
    /// Those of a socket's requests; packets of the uwsgi protocol have their own. `router`: a socket of `http`.
    pub fn of(&self, protocol: WireProtocol, router: bool) -> (u8, u8) {
        match protocol {
            WireProtocol::Http if router => self.router,
            WireProtocol::Http => self.http,
            WireProtocol::FastCgi | WireProtocol::FastCgiNph => self.fastcgi,
            WireProtocol::Scgi | WireProtocol::ScgiNph => self.scgi,
            WireProtocol::Raw => self.raw,
            _ => (0, 0),
        }
    }
}

/// Master, workers and threads.
#[derive(Clone, Debug)]
pub struct Processes {
    /// `master`.
    pub master: bool,
    /// `processes`, at least 1.
    pub workers: u16,
    /// `threads`: request threads of a worker, at least 1.
    pub threads: u16,
    /// `lazy-apps`: load applications in each worker instead of before fork.
    pub lazy_apps: bool,
    /// `need-app`: exit 22 where no application could be loaded.
    pub need_app: bool,
    /// `harakiri`: longest request; `None` without a limit.
    pub harakiri: Option<Duration>,
    /// `max-requests` of a worker's life; `None` without a limit.
    pub max_requests: Option<u64>,
    /// `max-requests-delta`, added once per worker number above 1.
    pub max_requests_delta: u64,
    /// `min-worker-lifetime` before a worker may be recycled.
    pub min_worker_lifetime: Duration,
    /// `worker-reload-mercy`: how long a worker may take to end.
    pub worker_mercy: Duration,
    /// `forkbomb-delay`: pause of a worker that dies at once again and again.
    pub forkbomb_delay: Duration,
    /// `die-on-term`: TERM stops, QUIT reloads.
    pub die_on_term: bool,
    /// `no-orphans`: workers die with the master.
    pub no_orphans: bool,
    /// `limit-as` in bytes.
    pub limit_as_bytes: Option<u64>,
    /// What happens to a request that takes too long, besides `harakiri`.
    pub timeouts: Timeouts,
    /// `reload-on-rss` in bytes.
    pub reload_on_rss_bytes: Option<u64>,
    /// `reload-on-as` in bytes.
    pub reload_on_as_bytes: Option<u64>,
}

/// Bounds of connections, requests and bodies.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `buffer-size`: largest request head in bytes.
    pub head_bytes_max: usize,
    /// Most variables of a request: 2 * `max-vars` (seen with uWSGI 2.0.21: `-v 20` takes 40).
    pub vars_max: usize,
    /// `limit-post`: largest body in bytes; `None` without a limit.
    pub body_bytes_max: Option<u64>,
    /// `post-buffering`: bodies of at least this many bytes are spooled to a file; `None` when off.
    pub post_buffering_bytes: Option<usize>,
    /// `socket-timeout`: a head must be complete after it; a body and a reader must make progress within it.
    pub socket_timeout: Duration,
    /// How long an idle kept connection is kept (`http-keepalive` where it has a value); zero: not at all.
    pub keep_alive: Duration,
    /// Most connections of a worker.
    pub connections_max: usize,
}

/// What is logged.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each field is the option of the same name
pub struct Logging {
    /// Request lines at all (`disable-logging` turns them off).
    pub requests: bool,
    pub log_4xx: bool,
    pub log_5xx: bool,
    /// `log-slow`, milliseconds.
    pub log_slow: Option<Duration>,
    pub log_x_forwarded_for: bool,
    /// `log-micros`.
    pub micros: bool,
    /// `memory-report`.
    pub memory_report: bool,
    pub ignore_sigpipe: bool,
    pub ignore_write_errors: bool,
    /// `disable-write-exception`.
    pub disable_write_exception: bool,
}

/// Files, user and directories.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each field is the option of the same name
pub struct Runtime {
    /// Log file.
    pub daemonize: Option<String>,
    pub logto: Option<String>,
    /// `log-date`: `Some("")` for uWSGI's own form, else a strftime format.
    pub log_date: Option<String>,
    /// A gateway carries the log.
    pub log_leaves: bool,
    pub pidfile: Option<PathBuf>,
    pub pidfile2: Option<PathBuf>,
    pub safe_pidfile: Option<PathBuf>,
    pub safe_pidfile2: Option<PathBuf>,
    pub vacuum: bool,
    pub uid: Option<String>,
    pub gid: Option<String>,
    pub chdir: Option<PathBuf>,
    pub umask: Option<u32>,
    /// Variables that are set, or removed where they have no value, in order: `env` and its like.
    pub env: Vec<Variable>,
    /// `listen`.
    pub backlog: u32,
    /// `chmod-socket`: the mode, octal digits already read.
    pub chmod_socket: Option<u32>,
    /// `chown-socket`: `user[:group]`.
    pub chown_socket: Option<String>,
    /// `abstract-socket`: unix sockets have no file.
    pub abstract_socket: bool,
    pub reuse_port: bool,
    pub so_keepalive: bool,
    pub tcp_nodelay: bool,
    /// TCP_DEFER_ACCEPT; `no-defer-accept` turns it off.
    pub defer_accept: bool,
    /// `auto-procname` and its like.
    pub names: ProcessNames,
    /// `fallback-config`: what to start with where this configuration cannot be served.
    pub fallback: Option<String>,
    /// Configuration files that were read, for the start-up lines.
    pub config_files: Vec<PathBuf>,
}

/// What processes are called in `ps`.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)] // each field is the option of the same name
pub struct ProcessNames {
    /// `auto-procname`: whether they have names at all.
    pub shown: bool,
    pub procname_prefix: String,
    pub procname: Option<String>,
    pub procname_master: Option<String>,
    pub procname_append: String,
}

impl ProcessNames {
    /// The name of a process that is `what` (`master`, `worker 1`); `None` where processes keep the name of the program.
    pub fn of(&self, what: &str) -> Option<String> {
        let master = (what == "master").then_some(self.procname_master.as_ref()).flatten();
        let name = master.or(self.procname.as_ref());
        let name = name.map_or_else(|| format!("uWSGI {what}"), String::clone);
        self.shown.then(|| format!("{}{name}{}", self.procname_prefix, self.procname_append))
    }
}
