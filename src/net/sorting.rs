//! Whether a request is for this process, or for the processes of a site.

use std::net::IpAddr;

use uwsgi_plugin_api::{Site, VarsView};

use super::peer::Peer;
use crate::config::model::site_spec::SiteSpec;
use crate::config::model::sites::{AppIsolation, Sites};

/// Where a connection goes that is not for this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the processes of this site.
    Site(Box<SiteSpec>),
    /// Back to the instance that sites are parts of.
    Home,
}

/// How the connections of an instance are sorted.
#[derive(Clone, Debug)]
pub(super) struct Sorting {
    sites: Sites,
}

impl Sorting {
    /// `None` where all stay.
    pub(super) fn new(sites: &Sites) -> Option<Self> {
        let sorts = sites.isolation == AppIsolation::Process && sites.dynamic;
        (sorts || sites.own.is_some()).then(|| Self { sites: sites.clone() })
    }

    /// Where a request with these variables goes; `None`: it stays. `is_known`: the site of this key has been asked for.
    pub(super) fn sort(
        &self,
        vars: VarsView<'_>,
        peer: &Peer,
        is_known: impl FnOnce(&[u8]) -> bool,
    ) -> Option<Destination> {
        let site = Site::wanted(vars, self.sites.rules);
        if let Some(own) = &self.sites.own {
            let mut key = Vec::new();
            site.iter().for_each(|site| site.key(&mut key));
            return (key != own.key).then_some(Destination::Home);
        }
        // What may not be loaded stays: where it is refused, and counted.
        let site = site.filter(|_| may_load(&self.sites, peer))?;
        let spec = SiteSpec::of(&site);
        let approved = is_known(&spec.key) || approved(&self.sites, &site);
        approved.then(|| Destination::Site(Box::new(spec)))
    }
}

/// Whether this peer may have applications loaded.
pub fn may_load(sites: &Sites, peer: &Peer) -> bool {
    let text = std::str::from_utf8(peer.address()).unwrap_or_default();
    let address = text.parse::<IpAddr>().ok();
    (address.is_some() || text.is_empty()) && sites.from.contain(address)
}

/// Whether a site may be asked for: the one place for checks of what it names (`dynamic-apps-root`). One that may not
/// stays, and its request is refused where all of them are.
fn approved(_sites: &Sites, _site: &Site<'_>) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use uwsgi_plugin_api::SiteRules;
    use uwsgi_protocol::Vars;

    use super::*;
    use crate::config::model::sites::{OwnSite, local_peers};

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
            from: local_peers(),
            ..Sites::default()
        }
    }

    #[test]
    fn what_names_a_site_goes_there_where_its_peer_may() {
        let sorting = Sorting::new(&sites()).unwrap();
        let local = Peer::from_text(b"127.0.0.1", 1);
        let named = vars(&[("UWSGI_SCRIPT", "a")]);
        let sort = |vars: &Vars, peer: &Peer| sorting.sort(vars.view(b""), peer, |_| false);
        let Some(Destination::Site(spec)) = sort(&named, &local) else { panic!("it goes") };
        assert_eq!(spec.name, "a");
        assert_eq!(sort(&vars(&[]), &local), None);
        assert_eq!(sort(&named, &Peer::from_text(b"192.0.2.1", 1)), None);
    }

    #[test]
    fn a_site_keeps_its_own_requests_only() {
        let named = vars(&[("UWSGI_SCRIPT", "a")]);
        let mut key = Vec::new();
        Site::wanted(named.view(b""), SiteRules::default()).unwrap().key(&mut key);
        let own = Some(OwnSite { key, name: "a".into(), suspects: Vec::new() });
        let sorting = Sorting::new(&Sites { own, dynamic: false, ..sites() }).unwrap();
        let anybody = Peer::from_text(b"192.0.2.1", 1);
        let sort = |vars: &Vars| sorting.sort(vars.view(b""), &anybody, |_| false);
        assert_eq!(sort(&named), None);
        assert_eq!(sort(&vars(&[("UWSGI_SCRIPT", "b")])), Some(Destination::Home));
        assert_eq!(sort(&vars(&[])), Some(Destination::Home));
    }

    #[test]
    fn without_processes_for_sites_nothing_is_sorted() {
        let shared = Sites { isolation: AppIsolation::Interpreter, ..sites() };
        assert!(Sorting::new(&shared).is_none());
        assert!(Sorting::new(&Sites { dynamic: false, ..sites() }).is_none());
    }
}
