//! Which site a request is counted for (`shm::sites`).

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use uwsgi_plugin_api::site::{self, Site};
use uwsgi_plugin_api::{LoadedApp, SiteRules, VarsView};

use super::record::Record;
use crate::config::model::sites::{OwnSite, Sites};
use crate::shm::{Served, SitesBoard};
use crate::sys::memory;

/// Where requests are counted, and what applications of the configuration are called there.
pub struct Figures {
    board: Arc<SitesBoard>,
    rules: SiteRules,
    /// The site whose process this is: all requests are its own.
    own: Option<OwnSite>,
    /// When the memory of this process was measured last, Unix time in seconds; only of a site's own.
    measured_unix: AtomicU64,
    /// Mount points by the number of the application.
    mounts: Vec<String>,
}

impl Figures {
    /// `None` where there are no sites to be told apart.
    pub fn new(sites: &Sites, board: Arc<SitesBoard>, apps: &[LoadedApp]) -> Option<Self> {
        let mounts = apps.iter().map(|app| app.mountpoint.clone()).collect();
        let any = sites.dynamic || sites.rules.by_host || sites.own.is_some();
        any.then(|| Self {
            board,
            rules: sites.rules,
            own: sites.own.clone(),
            measured_unix: AtomicU64::new(0),
            mounts,
        })
    }

    /// Whether the memory of this process says something of a site, and was not measured in this second.
    fn measures(&self, unix_s: u64) -> bool {
        self.own.is_some() && self.measured_unix.swap(unix_s, Relaxed) != unix_s
    }

    /// The host and mount point of a request that an application of the configuration has answered; `None` without
    /// `vhost`. A host that the mount point names is all that counts: clients may ask for it under other names.
    fn place<'a>(&'a self, vars: VarsView<'a>, app: Option<u16>) -> Option<(&'a [u8], &'a str)> {
        if !self.rules.by_host {
            return None;
        }
        let mount = self.mounts.get(usize::from(app?))?;
        match mount.split_once('|') {
            Some((host, mount)) => Some((host.as_bytes(), mount)),
            None => Some((site::named_host(vars, self.rules), mount)),
        }
    }
}

impl Record<'_> {
    /// Counts the request for its site, where it has one. `key` is scratch.
    pub(super) fn count_site(&self, key: &mut Vec<u8>) {
        let Some(figures) = &self.shared.figures else { return };
        if self.outcome.refused {
            return;
        }
        if let Some(own) = &figures.own {
            return self.count_as(figures, &own.key, || own.name.clone());
        }
        if let Some(site) = self.site {
            site.key(key);
            return self.count_as(figures, key, || Site::name(site));
        }
        let Some((host, mount)) = figures.place(self.vars, self.outcome.app) else { return };
        // No key of a site that a request names begins so.
        key.clear();
        key.push(b'c');
        site::put_host(host, key);
        let host_end = key.len();
        key.push(0);
        key.extend_from_slice(mount.as_bytes());
        let name = || {
            let host = String::from_utf8_lossy(&key[1..host_end]).escape_debug().to_string();
            format!("{host}|{mount}")
        };
        self.count_as(figures, key, name);
    }

    fn count_as(&self, figures: &Figures, key: &[u8], name: impl FnOnce() -> String) {
        if figures.measures(self.begun.unix_s) {
            let usage = memory::usage();
            self.shared.process().rss_bytes.store(usage.rss_bytes, Relaxed);
        }
        figures.board.slot(key, name).count(&Served {
            error: self.outcome.exception || self.status() >= 500,
            running_us: self.duration_us,
            tx_bytes: self.tx_bytes(),
            began_unix: self.begun.unix_s,
            rss_bytes: self.shared.process().rss_bytes.load(Relaxed),
        });
    }
}
