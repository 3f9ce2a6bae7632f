//! What answers in the place of a site that cannot be started: nothing, so that the server answers 500.

use uwsgi_plugin_api::{CoreId, Handler, Outcome, Plugin, Request, Response};

/// See the module.
#[derive(Debug)]
pub struct StandIn;

impl Plugin for StandIn {
    fn name(&self) -> &'static str {
        "stand-in"
    }

    fn modifiers(&self) -> &'static [u8] {
        &[0, 30]
    }

    fn handler(&self, _core: CoreId) -> Box<dyn Handler> {
        Box::new(Self)
    }
}

impl Handler for StandIn {
    fn handle(&mut self, _request: &mut Request<'_>, _response: &mut dyn Response) -> Outcome {
        Outcome::default()
    }
}
