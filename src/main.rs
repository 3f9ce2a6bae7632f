//! Entry point: reads like a table of contents.

use std::process::ExitCode;
use std::sync::Arc;

use uwsgi::master::Role;
use uwsgi::plugin::Registry;
use uwsgi::{cli, log, server};

fn main() -> ExitCode {
    let plugins = with_clusters(Registry::new(builtin(), gateways()));
    let (role, outside) = match Role::take() {
        Ok(role) => role,
        Err(error) => {
            log::line(format_args!("{error}"));
            return ExitCode::FAILURE;
        }
    };
    let is_first = matches!(role, Role::First | Role::Beside { .. });
    let command = match &role {
        Role::Site(site) => cli::site(&site.0, &plugins),
        _ => cli::parse(std::env::args_os(), &plugins, outside, role.cluster().as_ref()),
    };
    let status = match command {
        cli::Command::Exit(status) => status,
        cli::Command::Serve(config, snapshot) => {
            let fallback = config.runtime.fallback.clone().filter(|_| is_first);
            let plugins = cli::in_place_of(&role).unwrap_or(plugins);
            server::serve(*config, plugins, role, snapshot).unwrap_or_else(|error| {
                log::line(format_args!("{error}"));
                fallback.iter().for_each(|file| cli::fall_back(file));
                1
            })
        }
    };
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}

/// The same for gateways.
fn gateways() -> Vec<Arc<dyn uwsgi_plugin_api::Gateway>> {
    vec![
        #[cfg(feature = "mongrel2")]
        Arc::new(uwsgi_plugin_mongrel2::Mongrel2),
        #[cfg(feature = "mongrel2")]
        Arc::new(uwsgi_plugin_mongrel2::ZeromqLog),
        #[cfg(feature = "cluster")]
        Arc::new(uwsgi_plugin_cluster::Cluster),
    ]
}

fn with_clusters(registry: Registry) -> Registry {
    #[cfg(feature = "cluster")]
    let registry = registry.with_clustering(Arc::new(uwsgi_plugin_cluster::Cluster));
    registry
}

/// The one place that names the built-in plugins.
fn builtin() -> Vec<Arc<dyn uwsgi_plugin_api::Plugin>> {
    vec![
        #[cfg(feature = "python")]
        Arc::new(uwsgi_plugin_python::PythonPlugin::new()),
        #[cfg(feature = "fixed")]
        Arc::new(uwsgi_plugin_fixed::Fixed),
    ]
}
