//! Answers every request with one fixed text.
//!
//! For `benches/compare`: what the server itself costs per request, and so what a language adds. Built only with
//! `--no-default-features --features fixed`; it takes the place of the language plugins.
#![forbid(unsafe_code)]

use uwsgi_plugin_api::{
    CoreId, Handler, LoadReport, Outcome, Plugin, PluginError, Request, Response,
};

/// The text: as long as the hello of the other benchmarks.
const BODY: &[u8] = b"Hello World\n";

/// The plugin.
#[derive(Debug, Default)]
pub struct Fixed;

impl Plugin for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn modifiers(&self) -> &'static [u8] {
        &[0]
    }

    fn load(&self) -> Result<LoadReport, PluginError> {
        Ok(LoadReport { apps: 1, failed: 0 })
    }

    fn handler(&self, _core: CoreId) -> Box<dyn Handler> {
        Box::new(Fixed)
    }
}

impl Handler for Fixed {
    fn handle(&mut self, _request: &mut Request<'_>, response: &mut dyn Response) -> Outcome {
        let head = response
            .start(b"200 OK")
            .and_then(|()| response.header(b"Content-Type", b"text/plain"))
            .and_then(|()| response.header(b"Content-Length", b"12"));
        // A client that is gone is the server's business; the head above is valid.
        let sent = head.is_ok() && response.write(BODY).is_ok();
        Outcome { app: Some(0), exception: !sent, switches: 1, ..Outcome::default() }
    }
}
