//! What an instance shares with its node in a cluster: one memory for all its generations and images.

use std::io;
use std::os::fd::AsFd;

use uwsgi_plugin_api::cluster::Outgoing;

use super::{ServeError, failed};
use crate::config::Config;
use crate::config::model::Membership;
use crate::log;
use crate::master::Passed;
use crate::net::reactor::Listening;
use crate::shm::{ClusterMemory, RunningOptions, StagedOptions};
use crate::sys::listen::{self, Bound};

/// Of a start: that of the master that this one is beside of, or a new one. Options that came from the cluster are what
/// later generations start with, too.
pub(super) fn first(
    config: &Config,
    passed: &Passed,
    listeners: &[(String, Listening)],
) -> Result<Option<ClusterMemory>, ServeError> {
    let Some(membership) = &config.cluster else { return Ok(None) };
    let memory = match ClusterMemory::adopt(passed) {
        Some(memory) => memory,
        None => {
            let memory =
                ClusterMemory::new().map_err(failed("share memory with the cluster's node"))?;
            if membership.received {
                let staged = memory.stage(Some(&shared(membership)));
                staged.map_err(failed("keep the cluster's options"))?;
            }
            memory
        }
    };
    tell(&memory, membership, listeners)?;
    share_log(&memory);
    Ok(Some(memory))
}

/// The node gets each line that the server writes, for who asks for the log of all nodes. What it has no time for is left out.
fn share_log(memory: &ClusterMemory) {
    let end = memory.for_workers();
    log::share(Box::new(move |line| {
        end.tell(&Outgoing::Line(line.to_owned()));
    }));
}

/// Of a later generation.
///
/// # Errors
/// The instance was in no cluster: nothing of its processes would reach a node.
pub(super) fn generation(
    config: &Config,
    passed: &Passed,
) -> Result<Option<ClusterMemory>, ServeError> {
    let memory = ClusterMemory::adopt(passed);
    if config.cluster.is_some() && memory.is_none() {
        let late = io::Error::other("cluster and cluster-nodes count from the start on");
        return Err(failed("join a cluster after a reload")(late));
    }
    let memory = memory.filter(|_| config.cluster.is_some());
    memory.iter().for_each(share_log);
    Ok(memory)
}

/// Of the next image of a master: what runs is another configuration.
pub(super) fn next_image(
    config: &Config,
    passed: &Passed,
    listeners: &[(String, Listening)],
) -> Result<Option<ClusterMemory>, ServeError> {
    let memory = generation(config, passed)?;
    if let (Some(memory), Some(membership)) = (&memory, &config.cluster) {
        tell(memory, membership, listeners)?;
    }
    Ok(memory)
}

fn shared(membership: &Membership) -> StagedOptions {
    let shared = &membership.shared;
    StagedOptions { version: shared.version, options: shared.options.clone() }
}

fn tell(
    memory: &ClusterMemory,
    membership: &Membership,
    listeners: &[(String, Listening)],
) -> Result<(), ServeError> {
    // Said at the start of the instance, for all its life.
    let before = memory.running();
    let is_founder = before.map_or(!membership.received, |running| running.is_founder);
    let running = RunningOptions {
        is_founder,
        shared: shared(membership),
        own: membership.shared.own.clone(),
        address: address(listeners),
    };
    memory.run(&running).map_err(failed("tell the cluster's node what runs"))
}

/// The first socket that others can reach, or that front ends on this machine can.
fn address(listeners: &[(String, Listening)]) -> String {
    let served = listeners.iter().filter(|(_, listening)| !listening.private);
    let bound: Vec<_> =
        served.filter_map(|(_, it)| Some((it, listen::bound(it.fd.as_fd()).ok()?))).collect();
    let tcp = bound.iter().find_map(|(_, bound)| match bound {
        Bound::Tcp(address) if address.ip().is_unspecified() => {
            Some(format!(":{}", address.port()))
        }
        Bound::Tcp(address) => Some(address.to_string()),
        Bound::Unix(_) | Bound::Abstract(_) => None,
    });
    tcp.or_else(|| bound.first().map(|(it, _)| it.info.name.clone())).unwrap_or_default()
}
