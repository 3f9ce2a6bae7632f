//! Clusters of instances: nodes that know of each other, share a configuration, change it one after the other and agree on
//! one leader; and the bare multicast cluster of uWSGI 0.9.8 to 1.4 (`cluster-compat`, protocol reference section 6).
//!
//! The node of an instance is a gateway, a process of its own. Everything that decides is pure, with time and messages
//! from outside: [`node`] and what it is made of. Only `run` and `sockets` wait and send.
#![forbid(unsafe_code)]

mod client;
pub mod compat;
pub mod election;
#[doc(hidden)]
pub mod fuzzing;
pub mod id;
pub mod membership;
pub mod node;
pub mod options;
pub mod plan;
pub mod roll;
mod run;
pub mod seal;
#[cfg(test)]
mod simulation;
mod sockets;
pub mod transfer;
pub mod wire;

use std::io::Write;

use uwsgi_plugin_api::cluster::{Clustering, Options, Order};
use uwsgi_plugin_api::{Cargo, Gateway, OptionRow, PluginError, Post, Settings};

use crate::plan::Plan;

/// The gateway `cluster`, and what the server asks of it.
#[derive(Debug, Default)]
pub struct Cluster;

/// Options that name the files which others were read from: what is in them is shared, not where it was.
const FILES: &[&str] = &[
    "ini",
    "yaml",
    "json",
    "xml",
    "toml",
    "config",
    "include",
    "inherit",
    "inject-before",
    "inject-after",
];

impl Gateway for Cluster {
    fn name(&self) -> &'static str {
        "cluster"
    }

    fn cargo(&self) -> Cargo {
        Cargo::Cluster
    }

    fn options(&self) -> &'static [OptionRow] {
        options::ROWS
    }

    fn is_wanted(&self, settings: &Settings) -> bool {
        [options::CLUSTER, options::NODES].iter().any(|name| settings.text(name).is_some())
    }

    fn check(&self, settings: &Settings) -> Result<(), PluginError> {
        Plan::read(settings).map(drop)
    }

    fn run(&self, settings: &Settings, post: Post<'_>) -> Result<(), PluginError> {
        run::serve(settings, post)
    }
}

impl Clustering for Cluster {
    fn stays_here(&self, option: &str) -> bool {
        options::ROWS.iter().any(|row| row.name == option) || FILES.contains(&option)
    }

    fn fetch(
        &self,
        settings: &Settings,
        log: &dyn Fn(&str),
    ) -> Result<(u64, Options), PluginError> {
        let plan = Plan::read(settings)?;
        plan.warnings.iter().for_each(|warning| log(warning));
        client::fetch(&plan, log)
    }

    fn perform(&self, order: Order<'_>, out: &mut dyn Write) -> Result<(), PluginError> {
        client::perform(order, out)
    }

    fn usage(&self) -> &'static str {
        client::USAGE
    }

    fn options(&self) -> &'static [OptionRow] {
        options::ROWS
    }
}
