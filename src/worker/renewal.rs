//! A site whose application did not load: when it is tried again.
//!
//! Its processes answer 500 until one of the files changes where the application is looked for, or for as long as they may
//! rest. Then they end, and the next request starts others.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use crate::config::Config;
use crate::config::model::site_options::IDLE_S_DEFAULT;
use crate::plugin::Registry;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Renewal {
    at: Instant,
    files: Vec<(PathBuf, Option<SystemTime>)>,
}

impl Renewal {
    /// `None` for one that is not broken, and for no site.
    pub(super) fn new(config: &Config, plugins: &Registry) -> Option<Self> {
        let own = config.sites.own.as_ref().filter(|_| plugins.apps().is_empty())?;
        let default = Duration::from_secs(IDLE_S_DEFAULT);
        let files = own.suspects.iter().map(|path| (path.clone(), changed(path)));
        let at = Instant::now() + config.scaling.idle.unwrap_or(default);
        Some(Self { at, files: files.collect() })
    }

    /// When it is to be looked at.
    pub(super) fn pause(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now()).min(LOOK)
    }

    pub(super) fn is_due(&self) -> bool {
        let now = Instant::now();
        now >= self.at || self.files.iter().any(|(path, before)| changed(path) != *before)
    }
}

fn changed(path: &PathBuf) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}
