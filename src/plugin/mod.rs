//! Registry of plugins and the modifier map.
//!
//! `main.rs` is the one place that names the built-in plugins; everything else goes through this registry.

pub mod stand_in;

use std::path::Path;
use std::sync::Arc;

use uwsgi_plugin_api::{
    Clustering, Gateway, Host, Listener, LoadReport, LoadedApp, OptionRow, Plugin, PluginError,
    Settings, WorkerId,
};

/// The plugins of this server, in the order in which they were named.
#[derive(Clone)]
pub struct Registry {
    plugins: Vec<Arc<dyn Plugin>>,
    gateways: Vec<Arc<dyn Gateway>>,
    clustering: Option<Arc<dyn Clustering>>,
}

impl Registry {
    /// A registry of these.
    pub fn new(plugins: Vec<Arc<dyn Plugin>>, gateways: Vec<Arc<dyn Gateway>>) -> Self {
        Self { plugins, gateways, clustering: None }
    }

    /// The same, with who makes clusters of instances. Its option rows are those of its gateway.
    #[must_use]
    pub fn with_clustering(self, clustering: Arc<dyn Clustering>) -> Self {
        Self { clustering: Some(clustering), ..self }
    }

    /// Who makes clusters of instances.
    pub fn clustering(&self) -> Option<&Arc<dyn Clustering>> {
        self.clustering.as_ref()
    }

    /// All gateways, wanted or not.
    pub fn gateways(&self) -> impl Iterator<Item = &Arc<dyn Gateway>> {
        self.gateways.iter()
    }

    /// All plugins.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Plugin>> {
        self.plugins.iter()
    }

    /// Option rows of all plugins and gateways, a slice each.
    pub fn options(&self) -> Vec<&'static [OptionRow]> {
        let gateways = self.gateways.iter().map(|gateway| gateway.options());
        self.plugins.iter().map(|plugin| plugin.options()).chain(gateways).collect()
    }

    /// What plugins and gateways find wrong with their settings.
    pub fn problems(&self, settings: &Settings) -> Vec<PluginError> {
        let plugins = self.plugins.iter().filter_map(|plugin| plugin.check(settings).err());
        let gateways = self.gateways.iter().filter(|gateway| gateway.is_wanted(settings));
        plugins.chain(gateways.filter_map(|gateway| gateway.check(settings).err())).collect()
    }

    /// True when some plugin can make an application of a positional argument.
    pub fn claims_argument(&self, argument: &str) -> bool {
        self.plugins.iter().any(|plugin| plugin.claims_argument(argument))
    }

    /// Number of the plugin that answers each first modifier; the first one named wins.
    pub fn routes(&self) -> [Option<u8>; 256] {
        let mut routes = [None; 256];
        for (number, plugin) in self.plugins.iter().enumerate().take(usize::from(u8::MAX)) {
            for modifier in plugin.modifiers() {
                routes[*modifier as usize].get_or_insert(number as u8);
            }
        }
        routes
    }

    /// Starts every plugin.
    ///
    /// # Errors
    /// The first one's that cannot start.
    pub fn start(
        &self,
        settings: &Settings,
        host: &Arc<dyn Host>,
        listeners: &[Listener],
    ) -> Result<(), PluginError> {
        self.plugins.iter().try_for_each(|plugin| plugin.start(settings, host.clone(), listeners))
    }

    /// Loads every plugin's applications.
    ///
    /// # Errors
    /// The first one's that can serve nothing at all.
    pub fn load(&self) -> Result<LoadReport, PluginError> {
        self.plugins.iter().try_fold(LoadReport::default(), |sum, plugin| {
            let report = plugin.load()?;
            Ok(LoadReport { apps: sum.apps + report.apps, failed: sum.failed + report.failed })
        })
    }

    /// Loads what cannot be loaded before the fork; how many applications could not be loaded.
    pub fn load_rest(&self) -> usize {
        self.plugins.iter().map(|plugin| plugin.load_rest().failed).sum()
    }

    /// The applications of all plugins that are loaded in this process.
    pub fn apps(&self) -> Vec<LoadedApp> {
        self.plugins.iter().flat_map(|plugin| plugin.apps()).collect()
    }

    /// Whether what runs in this process can serve an application from this virtualenv.
    pub fn suit(&self, home: &Path) -> bool {
        self.plugins.iter().all(|plugin| plugin.suits(home))
    }

    /// Before fork, in the forking thread.
    pub fn before_fork(&self) {
        self.plugins.iter().for_each(|plugin| plugin.before_fork());
    }

    /// After fork, in the parent.
    pub fn after_fork_parent(&self) {
        self.plugins.iter().rev().for_each(|plugin| plugin.after_fork_parent());
    }

    /// After fork, in the child.
    pub fn after_fork_child(&self, worker: WorkerId) {
        self.plugins.iter().rev().for_each(|plugin| plugin.after_fork_child(worker));
    }

    /// Exit hooks.
    pub fn shutdown(&self) {
        self.plugins.iter().for_each(|plugin| plugin.shutdown());
    }
}
