//! `vhost`, `dynamic-apps` and their like.

use uwsgi_plugin_api::SiteRules;

use super::loaders::loaders;
use super::settings;
use crate::config::Reading;
use crate::config::model::site_options::{INHERITED, accepted, is_for_sites};
use crate::config::model::sites::{AppIsolation, SITES_MAX_DEFAULT, SiteOption, Sites};
use crate::config::values::Values;
use crate::options::Registry;

pub(super) fn sites(values: &mut Values<'_>, reading: &Reading, registry: &Registry) -> Sites {
    let isolation = isolation(values);
    Sites {
        rules: SiteRules {
            by_host: values.flag("vhost"),
            host_header_only: values.flag("vhost-host"),
            ignore_script_name: values.plugin_flag("ignore-script-name"),
        },
        isolation,
        dynamic: values.last("dynamic-apps").is_none() || values.flag("dynamic-apps"),
        from: loaders(values),
        roots: roots(values),
        sites_max: sites_max(values),
        options: options(values, isolation),
        inherited: inherited(reading, registry),
        own: None,
    }
}

/// What the processes of sites have of this configuration.
fn inherited(reading: &Reading, registry: &Registry) -> Vec<(String, String)> {
    let all = settings(reading, registry);
    let pairs = all.pairs().iter();
    pairs.filter(|(name, _)| INHERITED.contains(&name.as_str())).cloned().collect()
}

fn sites_max(values: &mut Values<'_>) -> u16 {
    let max = values.number("max-sites", 1..=u64::from(u16::MAX));
    max.and_then(|max| u16::try_from(max).ok()).unwrap_or(SITES_MAX_DEFAULT)
}

fn isolation(values: &mut Values<'_>) -> AppIsolation {
    let shared = values.plugin_flag("single-interpreter");
    let Some(directive) = values.last("app-isolation") else {
        return if shared { AppIsolation::Shared } else { AppIsolation::Interpreter };
    };
    match directive.text() {
        "interpreter" if shared => {
            values.error(directive, "single-interpreter says that all applications share one");
            AppIsolation::Shared
        }
        "interpreter" => AppIsolation::Interpreter,
        "shared" => AppIsolation::Shared,
        "process" => AppIsolation::Process,
        _ => {
            values.error(
                directive,
                "this kind of isolation is not known; accepted: interpreter, shared, process",
            );
            AppIsolation::Interpreter
        }
    }
}

fn roots(values: &mut Values<'_>) -> Vec<std::path::PathBuf> {
    let mut roots = Vec::new();
    for directive in values.all("dynamic-apps-root").to_vec() {
        if directive.text().starts_with('/') {
            roots.push(directive.text().into());
        } else {
            values.error(directive, "a root must be an absolute path");
        }
    }
    roots
}

/// `[HOST:]NAME=VALUE`.
fn options(values: &mut Values<'_>, isolation: AppIsolation) -> Vec<SiteOption> {
    let by_host = values.flag("vhost");
    let mut options = Vec::new();
    for directive in values.all("site-option").to_vec() {
        match site_option(directive.text()) {
            Some(_) if isolation == AppIsolation::Shared => {
                let text = "no site has processes where all share one interpreter; accepted: app-isolation = process";
                values.error(directive, text);
            }
            Some(option) if option.host.is_some() && !by_host => {
                values.error(directive, "without vhost no site has a host; accepted: NAME=VALUE");
            }
            Some(option) if !is_for_sites(&option.name) => {
                let (name, accepted) = (&option.name, accepted());
                let text = format!("{name} is no option of sites; accepted: {accepted}");
                values.error(directive, text);
            }
            Some(option) => options.push(option),
            None => values.error(
                directive,
                "no option of sites; accepted: NAME=VALUE for all, HOST:NAME=VALUE for those of a host",
            ),
        }
    }
    options
}

fn site_option(text: &str) -> Option<SiteOption> {
    let (name, value) = text.split_once('=')?;
    let (host, name) = match name.rsplit_once(':') {
        Some((host, name)) => (Some(host.trim().to_lowercase()), name),
        None => (None, name),
    };
    let (name, value) = (name.trim(), value.trim());
    let named = !name.is_empty() && host.as_ref().is_none_or(|host| !host.is_empty());
    named.then(|| SiteOption { host, name: name.to_owned(), value: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_for_all_or_for_a_host() {
        let option = |host: Option<&str>, name: &str, value: &str| {
            let host = host.map(str::to_owned);
            Some(SiteOption { host, name: name.to_owned(), value: value.to_owned() })
        };
        assert_eq!(site_option("threads = 4"), option(None, "threads", "4"));
        assert_eq!(site_option("A.example:env=X=1"), option(Some("a.example"), "env", "X=1"));
        assert_eq!(site_option("threads"), None);
        assert_eq!(site_option(":threads=1"), None);
        assert_eq!(site_option("=1"), None);
    }
}
