//! `uwsgi cluster ...`, `cluster-reload`, `cluster-log`: a cluster asked from outside.
//!
//! Whoever asks is a guest with the secret: it is heard by all nodes and is none.

mod bare;
mod change;
mod fetch;
mod guest;
mod log;
mod table;

use std::io::{self, Write};

use uwsgi_plugin_api::PluginError;
use uwsgi_plugin_api::cluster::{ClusterNode, ClusterView, Order};

pub(crate) use self::fetch::fetch;
use self::guest::{ANSWER_MAX, Guest, node};
use crate::id::Member;
use crate::options;
use crate::plan::Plan;
use crate::run::clock;
use crate::wire::{Reply, Request};

/// How orders are written.
pub(crate) const USAGE: &str = "\
uwsgi cluster [OPTIONS] nodes [--json]              all nodes and their states
uwsgi cluster [OPTIONS] best [--all]                address of the node with the most room; with --all of each, the best first
uwsgi cluster [OPTIONS] drain NODE                  no new requests for this node; resume NODE takes that back
uwsgi cluster [OPTIONS] reload [--parallel N]       reload all nodes one after the other, or N at a time; stops at the first that fails
uwsgi cluster [OPTIONS] config [--parallel N] ARG.. a new configuration for all nodes, in the same way: a file and options, as uwsgi itself
                                                    takes them; where it fails, the nodes go back to what they had
uwsgi cluster [OPTIONS] log [--follow]              the logs of all nodes as one
uwsgi cluster [OPTIONS] forget NODE                 a node that is down has no vote any more
NODE is its endpoint, its address or its host's name. OPTIONS say which cluster: --cluster GROUP:PORT, --cluster-seed HOST,
--cluster-secret-file FILE, ... (uwsgi --help cluster), or by the environment: UWSGI_CLUSTER=225.1.1.1:1717.
";

/// Performs an order.
///
/// # Errors
/// Why it could not be done.
pub(crate) fn perform(order: Order<'_>, out: &mut dyn Write) -> Result<(), PluginError> {
    let plan = Plan::read(order.settings)?;
    plan.warnings.iter().for_each(|warning| eprintln!("{warning}"));
    let mut words: Vec<&str> = order.words.iter().map(String::as_str).collect();
    if order.settings.text(options::LOG).is_some() || words == [options::LOG] {
        return log::send(&plan);
    }
    if order.settings.text(options::RELOAD).is_some() || words == [options::RELOAD] {
        words = vec!["reload"];
    }
    if plan.compat {
        return bare::perform(&plan, &words, out);
    }
    let usage = || PluginError(format!("accepted:\n{USAGE}"));
    let (word, rest) = words.split_first().ok_or_else(usage)?;
    match (*word, rest) {
        ("nodes", []) => nodes(&plan, false, out),
        ("nodes", ["--json"]) => nodes(&plan, true, out),
        ("best", []) => best(&plan, false, out),
        ("best", ["--all"]) => best(&plan, true, out),
        ("drain", [name]) => drain(&plan, name, true, out),
        ("resume", [name]) => drain(&plan, name, false, out),
        ("forget", [name]) => forget(&plan, name, out),
        ("log", []) => log::show(&plan, false, out),
        ("log", ["--follow" | "-f"]) => log::show(&plan, true, out),
        ("reload", rest) => {
            let (parallel, rest) = parallel(rest)?;
            if rest.is_empty() { change::reload(&plan, parallel, out) } else { Err(usage()) }
        }
        ("config", rest) => {
            let (parallel, rest) = parallel(rest)?;
            if rest.is_empty() {
                return Err(usage());
            }
            let args: Vec<_> = rest.iter().map(|arg| (*arg).to_owned()).collect();
            let options = (order.read_config)(&args)?;
            change::configure(&plan, parallel, options, out)
        }
        _ => Err(usage()),
    }
}

/// `--parallel N`, where it comes first.
fn parallel<'a>(words: &'a [&'a str]) -> Result<(u16, &'a [&'a str]), PluginError> {
    let (text, rest) = match words {
        ["--parallel", number, rest @ ..] => (*number, rest),
        [word, rest @ ..] if word.starts_with("--parallel=") => {
            (&word["--parallel=".len()..], rest)
        }
        _ => return Ok((1, words)),
    };
    let number = text.parse().ok().filter(|number| *number > 0);
    let number = number.ok_or_else(|| {
        PluginError(format!(
            "--parallel {text}: accepted: how many nodes at a time, 1 to {}",
            u16::MAX
        ))
    })?;
    Ok((number, rest))
}

/// Standard output that is closed is no fault of a cluster's.
fn say(out: &mut dyn Write, text: &str) -> Result<(), PluginError> {
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    said.map_err(|error: io::Error| PluginError(format!("cannot write: {error}")))
}

/// A guest, and the cluster as somebody sees it who knows a leader, where there is such a one.
fn enter_to_lead(plan: &Plan) -> Result<(Guest, ClusterView), PluginError> {
    let mut guest = Guest::open(plan)?;
    let members = guest.find()?;
    let mut view = guest.view(&members)?;
    for member in members {
        if view.leader().is_some() {
            break;
        }
        // Who only looks on knows of none.
        view = guest.view(&[member]).unwrap_or(view);
    }
    Ok((guest, view))
}

/// A guest, and the cluster as somebody sees it.
fn enter(plan: &Plan) -> Result<(Guest, ClusterView), PluginError> {
    let mut guest = Guest::open(plan)?;
    let members = guest.find()?;
    let view = guest.view(&members)?;
    Ok((guest, view))
}

fn nodes(plan: &Plan, json: bool, out: &mut dyn Write) -> Result<(), PluginError> {
    let (_, view) = enter(plan)?;
    if !json {
        return say(out, &table::render(&view));
    }
    say(out, &json_of(&view)?)
}

fn json_of(view: &ClusterView) -> Result<String, PluginError> {
    let text = serde_json::to_string_pretty(view);
    text.map(|text| text + "\n").map_err(|error| PluginError(format!("cluster: {error}")))
}

fn best(plan: &Plan, all: bool, out: &mut dyn Write) -> Result<(), PluginError> {
    let (_, view) = enter(plan)?;
    // Who asks in each second anew gets equals in turn.
    let turn = usize::try_from(clock::monotonic() % 1_000_003).unwrap_or(0);
    let best = view.best(turn);
    if best.is_empty() {
        return Err(PluginError(format!("cluster {}: no node takes requests", view.group)));
    }
    let count = if all { best.len() } else { 1 };
    let lines: String = best.iter().take(count).map(|node| format!("{}\n", node.address)).collect();
    say(out, &lines)
}

fn drain(plan: &Plan, name: &str, on: bool, out: &mut dyn Write) -> Result<(), PluginError> {
    let (mut guest, view) = enter(plan)?;
    let node = node(&view, name)?;
    let member = guest.meet(node.endpoint)?;
    guest.ask(member, &Request::Drain(on), ANSWER_MAX)?;
    let what = if on { "gets no new requests" } else { "gets requests again" };
    say(out, &format!("{} {what}\n", called(node)))
}

fn forget(plan: &Plan, name: &str, out: &mut dyn Write) -> Result<(), PluginError> {
    let (mut guest, view) = enter_to_lead(plan)?;
    let node = node(&view, name)?;
    let leader = guest.leader(&view)?;
    guest.ask(leader, &Request::Forget(node.endpoint), ANSWER_MAX)?;
    say(out, &format!("{} is forgotten\n", called(node)))
}

/// A node in a sentence.
fn called(node: &ClusterNode) -> String {
    format!("{} ({})", node.endpoint, node.hostname)
}

/// All nodes of a view that answer, with the names of their hosts.
fn all(guest: &mut Guest, view: &ClusterView) -> Vec<(String, Member)> {
    use uwsgi_plugin_api::cluster::NodeState::{Alive, Draining, Suspect};
    let there = view.nodes.iter().filter(|node| matches!(node.state, Alive | Draining | Suspect));
    let met =
        there.filter_map(|node| Some((node.hostname.clone(), guest.meet(node.endpoint).ok()?)));
    met.collect()
}

/// The answer was another one.
fn confused(reply: &Reply) -> PluginError {
    PluginError(format!("cluster: the answer is not understood: {reply:?}"))
}
