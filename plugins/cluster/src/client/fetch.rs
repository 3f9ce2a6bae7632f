//! A configuration from the cluster, for a node that has none of its own.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use uwsgi_plugin_api::PluginError;
use uwsgi_plugin_api::cluster::{ClusterView, NodeState, Options};

use super::guest::Guest;
use crate::id::{Millis, NodeKey};
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

/// Nodes that have a configuration: what most nodes run first, then the latest change, the leader before its equals. The latest
/// alone would spread a change that was taken back, from a node that could not be told.
fn sources(view: &ClusterView) -> Vec<NodeKey> {
    let there =
        |state| matches!(state, NodeState::Alive | NodeState::Draining | NodeState::Suspect);
    let mut nodes: Vec<_> =
        view.nodes.iter().filter(|node| !node.observer && there(node.state)).collect();
    let mut runs: HashMap<u64, usize> = HashMap::new();
    for hash in nodes.iter().map(|node| node.config.hash).filter(|hash| *hash != 0) {
        *runs.entry(hash).or_default() += 1;
    }
    nodes.sort_by_key(|node| {
        let count = runs.get(&node.config.hash).copied().unwrap_or(0);
        Reverse((count, node.config.version, node.leader))
    });
    nodes.iter().map(|node| node.endpoint).collect()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use uwsgi_plugin_api::cluster::{ClusterNode, ConfigMark};

    use super::*;

    fn node(number: u16, state: NodeState, (version, hash): (u64, u64)) -> ClusterNode {
        ClusterNode {
            state,
            config: ConfigMark { version, hash },
            leader: number == 3,
            ..ClusterNode::unknown(SocketAddr::from(([10, 0, 0, 1], number)))
        }
    }

    fn order(nodes: Vec<ClusterNode>) -> Vec<u16> {
        let view = ClusterView { nodes, ..ClusterView::default() };
        sources(&view).iter().map(SocketAddr::port).collect()
    }

    #[test]
    fn a_change_that_most_nodes_do_not_have_is_not_spread() {
        use NodeState::{Alive, Down, Draining};
        let (kept, failed, own) = ((7, 70), (9, 90), (0, 10));
        let nodes = vec![
            node(1, Alive, failed),
            node(2, Draining, kept),
            node(3, Alive, kept),
            node(4, Down, failed),
            node(5, Down, failed),
            node(6, Alive, own),
            node(7, Alive, (0, 0)),
        ];
        assert_eq!(order(nodes), [3, 2, 1, 6, 7]);
        // Where as many have this as that the later one counts.
        assert_eq!(order(vec![node(1, Alive, own), node(2, Alive, kept)]), [2, 1]);
    }
}
