//! What answers in the place of a site that cannot be started: nothing, so that the server answers 500.

use std::sync::Arc;

use uwsgi_plugin_api::{
    CoreId, Handler, Host, Listener, LoadReport, Outcome, Plugin, PluginError, Request, Response,
    Settings,
};

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

    fn start(
        &self,
        _settings: &Settings,
        _host: Arc<dyn Host>,
        _listeners: &[Listener],
    ) -> Result<(), PluginError> {
        Ok(())
    }

    fn load(&self) -> Result<LoadReport, PluginError> {
        Ok(LoadReport { apps: 0, failed: 0 })
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
