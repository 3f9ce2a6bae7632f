//! The options of an instance in a cluster: its own, or those that the cluster runs with; and `uwsgi cluster WORD ...`.

use std::ffi::OsString;
use std::sync::Arc;

use uwsgi_plugin_api::cluster::{Options, Order};
use uwsgi_plugin_api::{Cargo, Clustering, Gateway, PluginError, Settings};

use super::{EXIT_CONFIGURATION, Tools, answer_with};
use crate::config::model::Membership;
use crate::config::{
    self, Config, Diagnostic, Inquiry, Outside, Reading, Shared, Source, admitted, is_bare,
    of_shared, own_options, shared_options,
};
use crate::shm::ClusterMemory;
use crate::{log, options, plugin};

/// The group that is joined, and the one that is looked at.
const GROUP: &str = "cluster";
const LOOKED_AT: &str = "cluster-nodes";
/// Where crons run, and its value for every node.
const CRON: &str = "cluster-cron";
const EVERY: &str = "every";
/// The old protocol, which has no leader.
const COMPAT: &str = "cluster-compat";
/// What signs messages: nobody may read it in a list of processes.
pub(super) const SECRET: &str = "cluster-secret";
/// The order that takes a configuration.
const CONFIG: &str = "config";

/// Options that an instance which came back after a change reads in place of its own files.
pub(super) fn kept(
    outside: &Outside,
    memory: Option<&ClusterMemory>,
    plugins: &plugin::Registry,
) -> Option<Arc<Shared>> {
    if let Outside::Replayed(snapshot) = outside {
        return snapshot.shared().cloned();
    }
    let (memory, clustering) = (memory?, plugins.clustering()?);
    let (staged, running) = (memory.staged()?, memory.running()?);
    let group = group(&Settings::new(running.own.clone())).unwrap_or_default();
    let line = match staged.version {
        0 => format!("cluster {group}: the options come from the cluster; own files are not read"),
        version => format!(
            "cluster {group}: the options come from the cluster (change {version}); own files are not read"
        ),
    };
    log::line(format_args!("{line}"));
    let version = staged.version;
    let options = admitted(staged.options, &|name| clustering.stays_here(name));
    Some(Arc::new(Shared { group, version, own: running.own, options }))
}

/// The reading of an instance: where nothing but a cluster is named, it is what that runs with, as soon as a node tells it.
///
/// # Errors
/// The cluster cannot be asked.
pub(super) fn completed(
    reading: Reading,
    outside: &Outside,
    (plugins, tools): (&plugin::Registry, &Tools<'_>),
) -> Result<Reading, String> {
    let Some(clustering) = plugins.clustering() else { return Ok(reading) };
    if !asks_others(&reading, plugins, tools.registry) {
        return Ok(reading);
    }
    let settings = config::settings(&reading, tools.registry);
    let wrong = plugins.problems(&settings);
    if !wrong.is_empty() || reading.problems.iter().any(Diagnostic::is_error) {
        // They are told when it is checked.
        return Ok(reading);
    }
    let group = group(&settings).unwrap_or_default();
    match outside {
        Outside::Open => {}
        _ => return Err(format!("cluster {group}: the options that it runs with are lost")),
    }
    log::configure(settings.text("log-date"));
    let say = |line: &str| log::line(format_args!("{line}"));
    let (version, options) =
        clustering.fetch(&settings, &say).map_err(|error| format!("cluster {group}: {error}"))?;
    let stays = |name: &str| clustering.stays_here(name);
    let own = own_options(&reading, tools.registry, &stays);
    let options = admitted(options, &stays);
    let shared = Arc::new(Shared { group, version, own, options });
    Ok(of_shared(tools.registry, tools.machine, &shared))
}

/// Whether an instance is to join a cluster and has nothing but that to be configured with, so that it asks others.
pub(super) fn asks_others(
    reading: &Reading,
    plugins: &plugin::Registry,
    registry: &options::Registry,
) -> bool {
    let Some(clustering) = plugins.clustering() else { return false };
    let joins = reading.effective().any(|directive| {
        registry.find(&directive.key).is_some_and(|row| row.name == GROUP)
            && !directive.text().is_empty()
    });
    joins && is_bare(reading, registry, &|name| clustering.stays_here(name))
}

fn group(settings: &Settings) -> Option<String> {
    let named = [GROUP, LOOKED_AT].into_iter().filter_map(|name| settings.text(name));
    named.map(str::to_owned).find(|group| !group.is_empty())
}

fn node(plugins: &plugin::Registry) -> Option<&Arc<dyn Gateway>> {
    plugins.gateways().find(|gateway| gateway.cargo() == Cargo::Cluster)
}

/// What the instance of a reading is in a cluster.
pub(super) fn membership(
    reading: &Reading,
    plugins: &plugin::Registry,
    registry: &options::Registry,
) -> Option<Membership> {
    let (clustering, node) = (plugins.clustering()?, node(plugins)?);
    let mut keys = reading.effective().filter_map(|directive| registry.find(&directive.key));
    keys.find(|row| [GROUP, LOOKED_AT].contains(&row.name))?;
    let settings = config::settings(reading, registry);
    if !node.is_wanted(&settings) {
        return None;
    }
    let received = reading.snapshot.as_ref().and_then(|snapshot| snapshot.shared());
    let stays = |name: &str| clustering.stays_here(name);
    let shared = received.cloned().unwrap_or_else(|| {
        Arc::new(Shared {
            group: group(&settings).unwrap_or_default(),
            version: 0,
            own: own_options(reading, registry, &stays),
            options: shared_options(reading, registry, &stays),
        })
    });
    let observes = settings.text(GROUP).is_none_or(str::is_empty);
    let everywhere = settings.text(CRON) == Some(EVERY) || settings.flag(COMPAT) || observes;
    Some(Membership { shared, received: received.is_some(), crons_everywhere: everywhere })
}

/// What has to be said of crons.
pub(super) fn remark(config: &Config) -> Option<&'static str> {
    let compatible = config.settings.flag(COMPAT) && config.settings.text(CRON) != Some(EVERY);
    (config.cluster.is_some() && compatible && !config.jobs.crons.is_empty())
        .then_some("cluster-compat has no leader: crons run on every node")
}

/// What keeps an instance from being a node.
pub(super) fn problems(
    config: &Config,
    reading_is_bare: bool,
    plugins: &plugin::Registry,
) -> Vec<Diagnostic> {
    let settings = &config.settings;
    let joins = plugins.clustering().is_some()
        && settings.text(GROUP).is_some_and(|group| !group.is_empty());
    let brings = plugins
        .gateways()
        .any(|gateway| gateway.cargo() == Cargo::Requests && gateway.is_wanted(settings));
    // Sockets of systemd are no options.
    let served = !config.sockets.is_empty() || std::env::var_os("LISTEN_FDS").is_some();
    if !joins || served || brings || reading_is_bare {
        return Vec::new();
    }
    let text = "you need to specify at least a socket to start a uWSGI cluster";
    vec![Diagnostic::general(text)]
}

/// `uwsgi cluster WORD ...`: answers and returns the exit status.
pub(super) fn run(args: &[OsString], plugins: &plugin::Registry, tools: &Tools<'_>) -> i32 {
    let Some(clustering) = plugins.clustering() else {
        log::line(format_args!("uwsgi cluster: this program was built without clusters"));
        return EXIT_CONFIGURATION;
    };
    let words: Result<Vec<String>, _> = args.iter().map(|arg| arg.clone().into_string()).collect();
    let result = words
        .map_err(|word| format!("{} is not valid UTF-8", word.to_string_lossy()))
        .and_then(|words| Request::read(&words, environment(), clustering, tools.registry));
    let request = match result {
        Ok(request) => request,
        Err(error) => {
            log::line(format_args!("uwsgi cluster: {error}"));
            return EXIT_CONFIGURATION;
        }
    };
    let asks_help = |word: &String| word == "-h" || word == "--help";
    if request.words.is_empty() || request.words.iter().take(2).any(asks_help) {
        return answer_with(clustering.usage(), i32::from(request.words.is_empty()));
    }
    perform(request, plugins, tools)
}

fn environment() -> Vec<(String, String)> {
    let text = |text: OsString| text.into_string().ok();
    std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect()
}

/// `cluster-reload` and `cluster-log`: returns the exit status.
pub(super) fn command(
    inquiry: &Inquiry,
    reading: &Reading,
    plugins: &plugin::Registry,
    tools: &Tools<'_>,
) -> i32 {
    let mut pairs = config::settings(reading, tools.registry).pairs().to_vec();
    pairs.push((GROUP.to_owned(), inquiry.target.clone()));
    perform(Request { words: vec![inquiry.name.to_owned()], settings: pairs }, plugins, tools)
}

/// An order as it was written.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    words: Vec<String>,
    /// How the cluster is reached.
    settings: Vec<(String, String)>,
}

impl Request {
    /// Takes the options by which the cluster is reached out of the words, after those of the environment.
    fn read(
        args: &[String],
        environment: Vec<(String, String)>,
        clustering: &Arc<dyn Clustering>,
        registry: &options::Registry,
    ) -> Result<Self, String> {
        let own = |name: &str| {
            let row = registry.find(name)?;
            clustering.options().iter().find(|own| own.name == row.name)
        };
        let variables = environment.into_iter().filter_map(|(variable, value)| {
            let name = config::option_name(&variable)?;
            Some((own(&name)?.name.to_owned(), value))
        });
        let mut request = Self { words: Vec::new(), settings: variables.collect() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let option = arg.strip_prefix("--").unwrap_or_default();
            let (name, value) =
                option.split_once('=').map_or((option, None), |(n, v)| (n, Some(v)));
            let Some(row) = own(name) else {
                request.words.push(arg.clone());
                continue;
            };
            let value = match (value, row.kind.is_flag()) {
                (Some(value), _) => value.to_owned(),
                (None, true) => "1".to_owned(),
                (None, false) => args.next().cloned().ok_or(format!("--{name} needs a value"))?,
            };
            request.settings.push((row.name.to_owned(), value));
        }
        Ok(request)
    }
}

fn perform(request: Request, plugins: &plugin::Registry, tools: &Tools<'_>) -> i32 {
    let Some(clustering) = plugins.clustering() else { return EXIT_CONFIGURATION };
    let Request { words, mut settings } = request;
    let read = |args: &[String]| read_config(args, plugins, tools);
    // A file that is to be rolled out says itself for which cluster it is.
    let named = settings.iter().any(|(name, _)| [GROUP, "cluster-seed"].contains(&name.as_str()));
    if let (false, Some((CONFIG, args))) =
        (named, words.split_first().map(|(word, rest)| (word.as_str(), rest)))
    {
        let reading = config::read(tools.registry, &source(&behind_parallel(args)), tools.machine);
        let stays = |name: &str| clustering.stays_here(name);
        settings.splice(0..0, own_options(&reading, tools.registry, &stays));
    }
    let settings = Settings::new(settings);
    let order = Order { words: &words, settings: &settings, read_config: &read };
    match clustering.perform(order, &mut std::io::stdout().lock()) {
        Ok(()) => 0,
        Err(error) => {
            log::line(format_args!("uwsgi cluster: {error}"));
            EXIT_CONFIGURATION
        }
    }
}

/// The arguments without `--parallel N`, which is the order's own.
fn behind_parallel(args: &[String]) -> Vec<String> {
    let mut left = args.to_vec();
    if let Some(at) = left.iter().position(|arg| arg == "--parallel") {
        left.drain(at..left.len().min(at + 2));
    }
    left.retain(|arg| !arg.starts_with("--parallel="));
    left
}

/// The command line of an instance. What this shell has in `UWSGI_*` is not for others; placeholders may refer to the rest.
fn source(args: &[String]) -> Source {
    let args = args.iter().map(OsString::from);
    let mut source = Source::here(args.collect());
    source.environment.retain(|(name, _)| !name.to_string_lossy().starts_with("UWSGI_"));
    source
}

fn read_config(
    args: &[String],
    plugins: &plugin::Registry,
    tools: &Tools<'_>,
) -> Result<Options, PluginError> {
    let failed = |problems: Vec<Diagnostic>| {
        let lines: Vec<_> = problems.iter().map(Diagnostic::to_string).collect();
        PluginError(lines.join("\n"))
    };
    let Some(clustering) = plugins.clustering() else { return Ok(Options::new()) };
    let reading = config::read(tools.registry, &source(args), tools.machine);
    let stays = |name: &str| clustering.stays_here(name);
    let options = shared_options(&reading, tools.registry, &stays);
    let loaded = config::check(tools.registry, tools.machine, reading).map_err(failed)?;
    let mut problems = super::beyond_options(&loaded.config, plugins);
    if loaded.config.sockets.is_empty() && problems.is_empty() {
        problems = self::problems(&loaded.config, false, plugins);
    }
    if !problems.is_empty() {
        return Err(failed(problems));
    }
    for warning in &loaded.warnings {
        log::line(format_args!("{warning}"));
    }
    match options.is_empty() {
        true => Err(PluginError("there is no option that others could run with".to_owned())),
        false => Ok(options),
    }
}

#[cfg(test)]
mod tests;
