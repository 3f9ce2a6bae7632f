//! Whether a request may have the application loaded that it names, and what is told where it may not.

use uwsgi_plugin_api::{Outcome, Response, Site, VarsView, WireProtocol, Wish};

use super::answer::Answer;
use super::shared::Shared;
use crate::config::model::sites::Sites;
use crate::errors::RequestId;
use crate::net::site_peer::Sender;
use crate::sys::clock;

/// What is told to clients that name an application.
const STATUS: u16 = 403;

/// The application that a request names; `None` where it names none, or nothing is loaded for requests.
#[inline]
pub(super) fn named<'a>(sites: &Sites, vars: VarsView<'a>) -> Option<Site<'a>> {
    Site::wanted(vars, sites.rules).filter(|_| sites.dynamic)
}

/// What becomes of it.
pub(super) fn wish<'a>(
    sites: &Sites,
    (protocol, from): (WireProtocol, Sender<'_>),
    site: Option<&'a Site<'a>>,
) -> Wish<'a> {
    let Some(site) = site else { return Wish::Nothing };
    match from.may_load(protocol, &sites.from) {
        true => Wish::Site(site),
        false => Wish::Refused,
    }
}

/// Answers in the place of an application that was refused. True also where a plugin that knows of no wishes found no
/// application for one that is refused.
pub(super) fn settle(wish: &Wish<'_>, outcome: &mut Outcome, answer: &mut Answer<'_>) {
    let unanswered = !answer.started() && outcome.app.is_none() && !outcome.exception;
    outcome.refused |= matches!(wish, Wish::Refused) && unanswered;
    if outcome.refused {
        answer.sent.aborted = false;
        answer.replace(STATUS);
    }
}

/// Tells of a refusal, a few times a second at most.
pub(super) fn tell(
    shared: &Shared,
    from: Sender<'_>,
    (site, may): (Option<&Site<'_>>, bool),
    id: RequestId<'_>,
) {
    let Some(left_out) = shared.refusals.admits(clock::unix_seconds()) else { return };
    let name = site.map(short_name).unwrap_or_default();
    let peer = from.name();
    let socket = &from.listening.info.name;
    let why = match may {
        // Of what was wrong with it there is a line already.
        true => "it is not as it must be".to_owned(),
        false if from.listening.private => "no gateway's client may name one".to_owned(),
        false => format!("{peer} may not name one; accepted: those of dynamic-apps-from"),
    };
    let more = match left_out {
        0 => String::new(),
        count => format!(" ({count} more refusals are not shown)"),
    };
    crate::log::line(format_args!(
        "the application {name} of a request of {peer} by {socket} is not loaded: {why}; answered {STATUS}, request {id}{more}"
    ));
}

/// The name of a site as far as it fits into a line.
fn short_name(site: &Site<'_>) -> String {
    const CHARACTERS_MAX: usize = 200;
    let name = site.name();
    match name.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("\"{}\"...", &name[..end]),
        None => format!("\"{name}\""),
    }
}
