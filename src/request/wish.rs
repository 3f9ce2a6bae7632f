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

/// What a request names, and whether it may.
pub(super) struct Naming<'a> {
    from: Sender<'a>,
    /// `None` where it names none, or nothing is loaded for requests.
    site: Option<Site<'a>>,
    may: bool,
}

impl<'a> Naming<'a> {
    /// Of a request with these variables.
    #[inline]
    pub(super) fn of(
        sites: &Sites,
        (protocol, from): (WireProtocol, Sender<'a>),
        vars: VarsView<'a>,
    ) -> Self {
        let site = Site::wanted(vars, sites.rules).filter(|_| sites.dynamic);
        let may = site.is_some() && from.may_load(protocol, &sites.from);
        Self { from, site, may }
    }

    /// For a plugin.
    pub(super) fn wish(&self) -> Wish<'_> {
        match &self.site {
            None => Wish::Nothing,
            Some(site) if self.may => Wish::Site(site),
            Some(_) => Wish::Refused,
        }
    }

    /// The site that it is counted for.
    pub(super) fn site(&self) -> Option<&Site<'a>> {
        self.site.as_ref().filter(|_| self.may)
    }

    /// Answers in the place of an application that was refused. True also where a plugin that knows of no wishes found no
    /// application for one that is refused.
    pub(super) fn settle(&self, outcome: &mut Outcome, answer: &mut Answer<'_>) {
        let unanswered = !answer.started() && outcome.app.is_none() && !outcome.exception;
        outcome.refused |= matches!(self.wish(), Wish::Refused) && unanswered;
        if outcome.refused {
            answer.sent.aborted = false;
            answer.replace(STATUS);
        }
    }

    /// Tells of a refusal, a few times a second at most.
    pub(super) fn tell(&self, shared: &Shared, id: RequestId<'_>) {
        let Some(left_out) = shared.refusals.admits(clock::unix_seconds()) else { return };
        let name = self.site.as_ref().map(short_name).unwrap_or_default();
        let peer = self.from.name();
        let listening = self.from.listening;
        let why = match self.may {
            // Of what was wrong with it there is a line already.
            true => "it is not as it must be".to_owned(),
            false if listening.private => "no gateway's client may name one".to_owned(),
            false => format!("{peer} may not name one; accepted: those of dynamic-apps-from"),
        };
        let more = match left_out {
            0 => String::new(),
            count => format!(" ({count} more refusals are not shown)"),
        };
        let socket = &listening.info.name;
        crate::log::line(format_args!(
            "the application {name} of a request of {peer} by {socket} is not loaded: {why}; answered {STATUS}, request {id}{more}"
        ));
    }
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
