//! Applications that requests name, in plain words.

use uwsgi_plugin_api::WireProtocol;

use crate::config::Config;
use crate::config::model::sites::AppIsolation;

/// What is said of them, a sentence each.
pub(super) fn sentences(config: &Config) -> Vec<String> {
    let sites = &config.sites;
    let mut lines = Vec::new();
    if sites.rules.by_host {
        let host = match sites.rules.host_header_only {
            true => "Host header",
            false => "host",
        };
        lines.push(format!(
            "chooses applications by the {host} of a request as well as by its path"
        ));
    }
    if !sites.dynamic {
        lines.push("loads no application that a request names".to_owned());
    } else if names_applications(config) {
        lines.push(loads(config));
        lines.extend(apart(config));
    }
    if sites.rules.by_host || (sites.dynamic && names_applications(config)) {
        lines.push(format!("counts up to {} sites apart", sites.sites_max));
    }
    lines
}

/// Whether requests may have variables that a client of HTTP cannot give them.
pub(super) fn names_applications(config: &Config) -> bool {
    let names = |protocol| !matches!(protocol, WireProtocol::Http | WireProtocol::Raw);
    config.sites.dynamic && config.sockets.iter().any(|socket| names(socket.protocol))
}

fn loads(config: &Config) -> String {
    let from: Vec<_> = config.settings.all("dynamic-apps-from").collect();
    let from = match from.is_empty() {
        true => "peers of this machine".to_owned(),
        false => from.join(", "),
    };
    let roots: Vec<_> = config.sites.roots.iter().map(|root| root.display().to_string()).collect();
    let below = match roots.is_empty() {
        true => String::new(),
        false => format!(", from below {}", roots.join(" or ")),
    };
    format!(
        "loads applications that requests of {from} name by UWSGI_SCRIPT and its like{below}; answers others that do with 403"
    )
}

fn apart(config: &Config) -> Vec<String> {
    let sites = &config.sites;
    let mut lines = vec![match sites.isolation {
        AppIsolation::Interpreter => "runs each of them in an interpreter of its own, and those that need another Python in processes of their own",
        AppIsolation::Shared => "runs all of them in one interpreter: they share modules and variables",
        AppIsolation::Process => "runs each of them in processes of its own, with its own Python, user and limits: they start with its first request, and end when it is idle",
    }
    .to_owned()];
    for option in &sites.options {
        let whose =
            option.host.as_ref().map_or("all sites".to_owned(), |host| format!("sites of {host}"));
        lines.push(format!("gives processes of {whose} {} = {}", option.name, option.value));
    }
    lines
}
