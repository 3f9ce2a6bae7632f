//! A configuration from the cluster, for a node that has none of its own.

use std::time::Duration;

use uwsgi_plugin_api::PluginError;
use uwsgi_plugin_api::cluster::{ClusterView, NodeState, Options};

use super::guest::Guest;
use crate::id::Millis;
use crate::plan::Plan;
use crate::run::clock;
use crate::wire::{Reply, Request};

/// How often it is told that nobody answers, in milliseconds.
const TELL_EVERY: Millis = 10_000;
/// How long it is waited after an error, in milliseconds.
const AGAIN: Millis = 1_000;
/// How long a configuration may take to come, in milliseconds.
const CONFIG_MAX: Millis = 30_000;

/// Waits until some node has a configuration. Whatever the network does is waited out.
pub(crate) fn fetch(plan: &Plan, log: &dyn Fn(&str)) -> Result<(u64, Options), PluginError> {
    if plan.compat {
        return super::bare::fetch(plan, log);
    }
    let mut told = None;
    let mut guest = None;
    log(&format!("cluster: asking {} for a configuration", plan.group));
    loop {
        let began = clock::monotonic();
        let why = match attempt(plan, &mut guest) {
            Ok((from, config)) => {
                let count = config.1.len();
                log(&format!("cluster: {count} options from {from}"));
                return Ok(config);
            }
            Err(error) => error,
        };
        let now = clock::monotonic();
        if now >= *told.get_or_insert(began) + TELL_EVERY {
            told = Some(now);
            log(&format!("{why}; it is waited for"));
        }
        std::thread::sleep(Duration::from_millis((began + AGAIN).saturating_sub(now)));
    }
}

type Fetched = (String, (u64, Options));

/// One try, with a guest that is kept while it is good.
fn attempt(plan: &Plan, kept: &mut Option<Guest>) -> Result<Fetched, PluginError> {
    let mut guest = match kept.take() {
        Some(guest) => guest,
        None => Guest::open(plan)?,
    };
    let fetched = attempt_with(&mut guest);
    *kept = Some(guest);
    fetched
}

fn attempt_with(guest: &mut Guest) -> Result<Fetched, PluginError> {
    let members = guest.find()?;
    let view = guest.view(&members)?;
    let mut last = PluginError(format!("cluster {}: no node has a configuration yet", view.group));
    for key in sources(&view) {
        let asked = guest.meet(key).and_then(|node| guest.ask(node, &Request::Config, CONFIG_MAX));
        match asked {
            Ok(Reply::Config { version, options }) if !options.is_empty() => {
                return Ok((key.to_string(), (version, options)));
            }
            Ok(_) => {}
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Nodes that have a configuration: the latest change first, the leader before its equals.
fn sources(view: &ClusterView) -> Vec<crate::id::NodeKey> {
    let there =
        |state| matches!(state, NodeState::Alive | NodeState::Draining | NodeState::Suspect);
    let mut nodes: Vec<_> =
        view.nodes.iter().filter(|node| !node.observer && there(node.state)).collect();
    nodes.sort_by_key(|node| {
        (std::cmp::Reverse((node.config.version, node.leader)), node.config.hash == 0)
    });
    nodes.iter().map(|node| node.endpoint).collect()
}
