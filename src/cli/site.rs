//! Being the processes of a site, and what is wrong with the options for them.
//!
//! `uwsgi site NAME` is how the master of an instance starts them (`master/sites`). What they are told comes by a descriptor;
//! without it, there is nothing to be.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Command, refuse};
use crate::config::model::site_options::{self, IDENTITY};
use crate::config::model::sites::AppIsolation;
use crate::config::model::{Config, SocketSpec};
use crate::config::{self, Diagnostic};
use crate::master::{ListenerOrder, Role, SiteOrder};
use crate::plugin::stand_in::StandIn;
use crate::sys::machine::Machine;
use crate::{log, options, plugin};

/// The configuration of a site's processes.
pub fn site(order: &SiteOrder, plugins: &plugin::Registry) -> Command {
    log::name(format!("site {}", order.own.name));
    let registry = options::Registry::new(&plugins.options());
    let mut loaded = match config::of_options(&registry, &Machine::detect(), &order.options) {
        Ok(loaded) => loaded,
        Err(problems) => return refuse(&problems, None),
    };
    if !order.stand_in {
        let problems = plugins.problems(&loaded.config.settings);
        let problems = problems.into_iter().map(|error| Diagnostic::general(error.to_string()));
        let problems: Vec<_> = problems.collect();
        if !problems.is_empty() {
            return refuse(&problems, None);
        }
    }
    let config = &mut loaded.config;
    log::configure(config.runtime.log_date.as_deref());
    config.sockets = order.listeners.iter().map(socket).collect();
    // What is on its way to it must not be lost.
    let names = &mut config.runtime.names;
    names.procname_prefix = format!("{}site {}: ", names.procname_prefix, order.own.name);
    config.scaling.dies_gently = true;
    config.sites.rules = order.rules;
    config.sites.dynamic = false;
    config.sites.own = Some(order.own.clone());
    Command::Serve(Box::new(loaded.config), None)
}

/// The plugins of processes that are not to run an application.
pub fn in_place_of(role: &Role) -> Option<plugin::Registry> {
    match role {
        Role::Site(site) if site.0.stand_in => {
            Some(plugin::Registry::new(vec![Arc::new(StandIn)], Vec::new()))
        }
        _ => None,
    }
}

/// What `uwsgi site` says to people.
pub(super) fn refuse_alone() -> i32 {
    log::line(format_args!("uwsgi site: only the master of an instance starts it"));
    1
}

/// A socket that others have bound, for what is configured of it.
fn socket(listener: &ListenerOrder) -> SocketSpec {
    SocketSpec {
        address: listener.name.clone(),
        protocol: listener.protocol,
        origin: String::new(),
        router: listener.router,
        private: listener.private,
    }
}

/// What would stop the processes of sites from starting.
pub(super) fn problems(config: &Config, plugins: &plugin::Registry) -> Vec<Diagnostic> {
    let sites = &config.sites;
    let mut problems = Vec::new();
    let mut say = |text: String| problems.push(Diagnostic::general(text));
    if sites.isolation == AppIsolation::Process && !config.processes.master {
        say("app-isolation = process: only a master starts the processes of sites; add master"
            .to_owned());
    }
    let root = nix::unistd::geteuid().is_root() && config.runtime.uid.is_none();
    let named = sites.options.iter().filter(|option| IDENTITY.contains(&option.name.as_str()));
    for option in named.filter(|_| !root) {
        let name = &option.name;
        say(format!(
            "site-option {name}={}: only root may start the processes of a site as another user; accepted where the \
             instance is started as root and keeps its rights (no uid)",
            option.value
        ));
    }
    let registry = options::Registry::new(&plugins.options());
    let hosts = sites.options.iter().map(|option| option.host.clone().unwrap_or_default());
    for host in hosts.collect::<BTreeSet<_>>() {
        let mut given = site_options::for_host(sites, host.as_bytes());
        for (name, value) in given.iter().filter(|(name, _)| IDENTITY.contains(&name.as_str())) {
            if let Err(error) = identity(name, value) {
                say(format!("site-option {name}={value}: {error}"));
            }
        }
        given.retain(|(name, _)| !IDENTITY.contains(&name.as_str()));
        if let Err(found) = config::of_options(&registry, &Machine::detect(), &given) {
            found
                .iter()
                .filter(|one| one.is_error())
                .for_each(|one| say(format!("site-option: {one}")));
        }
    }
    problems
}

fn identity(name: &str, value: &str) -> Result<(), String> {
    let (user, group) = if name == "uid" { (Some(value), None) } else { (None, Some(value)) };
    let found = crate::sys::privileges::Identity::resolve(user, group);
    found.map(drop).map_err(|error| error.to_string())
}
