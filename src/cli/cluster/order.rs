//! `uwsgi cluster WORD ...`, and the options that command a cluster and end.

use std::ffi::OsString;
use std::sync::Arc;

use uwsgi_plugin_api::cluster::{Options, Order};
use uwsgi_plugin_api::{Clustering, PluginError, Settings};

use super::{GROUP, problems};
use crate::cli::{EXIT_CONFIGURATION, Tools, answer_with};
use crate::config::{self, Diagnostic, Inquiry, Reading, Source, own_options, shared_options};
use crate::{log, options, plugin};

/// The order that takes a configuration.
const CONFIG: &str = "config";

/// `uwsgi cluster WORD ...`: answers and returns the exit status.
pub(in crate::cli) fn run(args: &[OsString], plugins: &plugin::Registry, tools: &Tools<'_>) -> i32 {
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
pub(in crate::cli) fn command(
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
pub(super) struct Request {
    pub(super) words: Vec<String>,
    /// How the cluster is reached.
    pub(super) settings: Vec<(String, String)>,
}

impl Request {
    /// Takes the options by which the cluster is reached out of the words, after those of the environment.
    pub(super) fn read(
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

pub(super) fn read_config(
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
    let mut found = crate::cli::beyond_options(&loaded.config, plugins);
    if loaded.config.sockets.is_empty() && found.is_empty() {
        found = problems(&loaded.config, false, plugins);
    }
    if !found.is_empty() {
        return Err(failed(found));
    }
    for warning in &loaded.warnings {
        log::line(format_args!("{warning}"));
    }
    match options.is_empty() {
        true => Err(PluginError("there is no option that others could run with".to_owned())),
        false => Ok(options),
    }
}
