//! What answers in the place of a site that cannot be started: nothing, so that the server answers 500.

use std::sync::Arc;

use uwsgi_plugin_api::{
    CoreId, Handler, Host, Listener, LoadReport, OptionRow, Outcome, Plugin, PluginError, Request,
    Response, Settings, WorkerId,
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

    fn options(&self) -> &'static [OptionRow] {
        &[]
    }

    fn claims_argument(&self, _argument: &str) -> bool {
        false
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

    fn before_fork(&self) {}

    fn after_fork_parent(&self) {}

    fn after_fork_child(&self, _worker: WorkerId) {}

    fn handler(&self, _core: CoreId) -> Box<dyn Handler> {
        Box::new(Self)
    }

    fn dump_stack(&self, _thread: i32) {}

    fn shutdown(&self) {}
}

impl Handler for StandIn {
    fn handle(&mut self, _request: &mut Request<'_>, _response: &mut dyn Response) -> Outcome {
        Outcome::default()
    }

    fn park(&mut self) {}
}
