//! Whether a request may have the application loaded that it names.

use uwsgi_plugin_api::{Site, VarsView, Wish};

use crate::config::model::sites::Sites;
use crate::net::peer::Peer;
use crate::net::sorting::may_load;

/// The application that a request names; `None` where it names none, or nothing is loaded for requests.
#[inline]
pub(super) fn named<'a>(sites: &Sites, vars: VarsView<'a>) -> Option<Site<'a>> {
    Site::wanted(vars, sites.rules).filter(|_| sites.dynamic)
}

/// What becomes of it.
pub(super) fn wish<'a>(sites: &Sites, peer: &Peer, site: Option<&'a Site<'a>>) -> Wish<'a> {
    let Some(site) = site else { return Wish::Nothing };
    match may_load(sites, peer) {
        true => Wish::Site(site),
        false => Wish::Refused,
    }
}
