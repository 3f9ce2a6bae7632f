//! Whether a request is for this process, or for the processes of a site.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use uwsgi_plugin_api::{Site, VarsView, WireProtocol};

use super::site_peer::Sender;
use super::site_root;
use crate::config::model::site_spec::SiteSpec;
use crate::config::model::sites::{AppIsolation, Sites};
use crate::sys::clock;

/// Whether the language that runs here can serve what lies in a virtualenv.
pub type Suits = dyn Fn(&Path) -> bool + Send + Sync;

/// So many virtualenvs are known; more than that begin anew.
const HOMES_MAX: usize = 4_096;
/// A virtualenv may be made anew, with another version: it is looked at again after so many milliseconds.
const LOOK_AGAIN_MS: u64 = 10_000;

/// Where a connection goes that is not for this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the processes of this site.
    Site(Box<SiteSpec>),
    /// Back to the instance that sites are parts of.
    Home,
}

impl Destination {
    /// What tells the site from others; nothing for what goes home.
    pub(super) fn key(&self) -> &[u8] {
        match self {
            Self::Site(spec) => &spec.key,
            Self::Home => b"",
        }
    }

    /// For people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Site(spec) => format!("site {}", spec.name),
            Self::Home => "the instance".to_owned(),
        }
    }
}

/// How the connections of an instance are sorted.
pub(super) struct Sorting {
    sites: Sites,
    suits: Box<Suits>,
    /// Whether they suit, and until when that is believed.
    homes: Mutex<HashMap<PathBuf, (bool, u64)>>,
}

impl fmt::Debug for Sorting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sorting").field("sites", &self.sites).finish_non_exhaustive()
    }
}

impl Sorting {
    /// `None` where all stay.
    pub(super) fn new(sites: &Sites, suits: Box<Suits>) -> Option<Self> {
        let sorts = sites.separates() || sites.own.is_some();
        sorts.then(|| Self { sites: sites.clone(), suits, homes: Mutex::default() })
    }

    /// Where a request with these variables goes; `None`: it stays. `is_known`: the site of this key has been asked for.
    #[inline]
    pub(super) fn sort(
        &self,
        (protocol, vars): (WireProtocol, VarsView<'_>),
        from: Sender<'_>,
        is_known: impl FnOnce(&[u8]) -> bool,
    ) -> Option<Destination> {
        let site = Site::wanted(vars, self.sites.rules);
        if let Some(own) = &self.sites.own {
            let mut key = Vec::new();
            site.iter().for_each(|site| site.key(&mut key));
            return (key != own.key).then_some(Destination::Home);
        }
        // What may not be loaded stays: where it is refused, and counted.
        let site = site.filter(|site| self.is_apart(site))?;
        if !from.may_load(protocol, &self.sites.from) {
            return None;
        }
        let spec = SiteSpec::of(&site);
        // The one place for checks of what it names. One that may not stays, too.
        let approved = is_known(&spec.key) || site_root::approve(&site, &self.sites.roots).is_ok();
        approved.then(|| Destination::Site(Box::new(spec)))
    }

    /// Whether a site has processes of its own.
    fn is_apart(&self, site: &Site<'_>) -> bool {
        match (self.sites.isolation, site.home) {
            (AppIsolation::Process, _) => true,
            (AppIsolation::Interpreter, Some(home)) => !self.suits(site, home),
            _ => false,
        }
    }

    fn suits(&self, site: &Site<'_>, home: &[u8]) -> bool {
        let now_ms = clock::monotonic_ms();
        let path = |bytes| Path::new(OsStr::from_bytes(bytes));
        let home = site.chdir.map_or_else(|| path(home).to_owned(), |at| path(at).join(path(home)));
        let mut homes = self.homes.lock();
        if let Some((suits, until_ms)) = homes.get(&home)
            && now_ms < *until_ms
        {
            return *suits;
        }
        let suits = (self.suits)(&home);
        if homes.len() >= HOMES_MAX {
            homes.clear();
        }
        homes.insert(home, (suits, now_ms + LOOK_AGAIN_MS));
        suits
    }
}

#[cfg(test)]
mod tests {
    use uwsgi_plugin_api::SiteRules;
    use uwsgi_protocol::Vars;

    use std::os::fd::AsFd;

    use super::*;
    use crate::config::model::sites::{OwnSite, local_peers};
    use crate::net::leaving::tests::listening;
    use crate::net::peer::Peer;

    fn vars(pairs: &[(&str, &str)]) -> Vars {
        let mut vars = Vars::default();
        for (name, value) in pairs {
            vars.set(b"", name.as_bytes(), value.as_bytes());
        }
        vars
    }

    fn sites() -> Sites {
        Sites {
            rules: SiteRules::default(),
            isolation: AppIsolation::Process,
            dynamic: true,
            from: local_peers().into(),
            ..Sites::default()
        }
    }

    fn sorting(sites: Sites) -> Option<Sorting> {
        Sorting::new(&sites, Box::new(|home| !home.ends_with("other")))
    }

    /// Where a request goes that a peer has sent, by the uwsgi protocol or another.
    fn sort(
        sorting: &Sorting,
        protocol: WireProtocol,
        vars: &Vars,
        peer: &[u8],
    ) -> Option<Destination> {
        let (listening, _) = listening(protocol);
        let peer = Peer::from_text(peer, 1);
        let from = Sender { listening: &listening, peer: &peer, socket: listening.fd.as_fd() };
        sorting.sort((protocol, vars.view(b"")), from, |_| false)
    }

    const LOCAL: &[u8] = b"127.0.0.1";

    #[test]
    fn what_names_a_site_goes_there_where_its_peer_may() {
        let sorting = sorting(sites()).unwrap();
        let named = vars(&[("UWSGI_SCRIPT", "a")]);
        let uwsgi = |vars: &Vars, peer: &[u8]| sort(&sorting, WireProtocol::Uwsgi, vars, peer);
        let Some(Destination::Site(spec)) = uwsgi(&named, LOCAL) else { panic!("it goes") };
        assert_eq!(spec.name, "a");
        assert_eq!(uwsgi(&vars(&[]), LOCAL), None);
        assert_eq!(uwsgi(&named, b"192.0.2.1"), None);
        assert_eq!(uwsgi(&vars(&[("UWSGI_SCRIPT", "a b")]), LOCAL), None, "not approved");
        let by_http = sort(&sorting, WireProtocol::Http, &named, b"192.0.2.1");
        assert!(by_http.is_some(), "only the configuration can have named it");
    }

    #[test]
    fn of_sites_with_interpreters_only_those_go_that_cannot_be_served_here() {
        let sorting = sorting(Sites { isolation: AppIsolation::Interpreter, ..sites() }).unwrap();
        let goes = |pairs: &[(&str, &str)]| {
            let vars = vars(&[&[("UWSGI_SCRIPT", "a")][..], pairs].concat());
            sort(&sorting, WireProtocol::Uwsgi, &vars, LOCAL).is_some()
        };
        assert!(!goes(&[]) && !goes(&[("UWSGI_PYHOME", "/venv")]));
        for _ in 0..2 {
            assert!(goes(&[("UWSGI_PYHOME", "/other")]));
            assert!(goes(&[("UWSGI_PYHOME", "other"), ("UWSGI_CHDIR", "/srv")]));
        }
        assert!(!goes(&[("UWSGI_PYHOME", "/venv"), ("UWSGI_CHDIR", "/srv/other")]));
    }

    #[test]
    fn a_site_keeps_its_own_requests_only() {
        let named = vars(&[("UWSGI_SCRIPT", "a")]);
        let mut key = Vec::new();
        Site::wanted(named.view(b""), SiteRules::default()).unwrap().key(&mut key);
        let own = Some(OwnSite { key, name: "a".into(), suspects: Vec::new() });
        let sorting = sorting(Sites { own, dynamic: false, ..sites() }).unwrap();
        let sort = |vars: &Vars| sort(&sorting, WireProtocol::Uwsgi, vars, b"192.0.2.1");
        assert_eq!(sort(&named), None);
        assert_eq!(sort(&vars(&[("UWSGI_SCRIPT", "b")])), Some(Destination::Home));
        assert_eq!(sort(&vars(&[])), Some(Destination::Home));
    }

    #[test]
    fn where_no_site_has_processes_nothing_is_sorted() {
        assert!(sorting(Sites { isolation: AppIsolation::Shared, ..sites() }).is_none());
        assert!(sorting(Sites { dynamic: false, ..sites() }).is_none());
    }
}
