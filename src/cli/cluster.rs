//! The options of an instance in a cluster: its own, or those that the cluster runs with.

mod order;

use std::sync::Arc;

use uwsgi_plugin_api::{Cargo, Gateway, Settings};

pub(super) use self::order::{command, run};
use super::Tools;
use crate::config::model::Membership;
use crate::config::{
    self, Config, Diagnostic, Outside, Reading, Shared, admitted, is_bare, of_shared, own_options,
    shared_options,
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

#[cfg(test)]
mod tests;
