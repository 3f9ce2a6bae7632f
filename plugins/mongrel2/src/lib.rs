//! A handler of Mongrel2: its requests, and the answers to them, over ZeroMQ.
//!
//! The handler is a gateway: a process of its own that outlives the workers, because what ZeroMQ has taken from Mongrel2 is
//! lost with the process that took it. To the workers it is a front end like any other.
#![deny(unsafe_code)]

mod answer;
mod exchange;
mod ffi;
mod flow;
mod handler;
mod head;
pub mod json;
mod logger;
pub mod options;
mod pair;
mod plan;
mod request;
mod uploads;
mod upstream;

use uwsgi_plugin_api::{Cargo, Gateway, OptionRow, PluginError, Post, Settings};

use crate::handler::Handler;
pub use crate::logger::ZeromqLog;
use crate::plan::Plan;

/// The gateway `mongrel2`.
#[derive(Debug, Default)]
pub struct Mongrel2;

impl Gateway for Mongrel2 {
    fn name(&self) -> &'static str {
        "mongrel2"
    }

    fn cargo(&self) -> Cargo {
        Cargo::Requests
    }

    fn options(&self) -> &'static [OptionRow] {
        options::ROWS
    }

    fn is_wanted(&self, settings: &Settings) -> bool {
        settings.text(options::ZEROMQ).is_some()
    }

    fn check(&self, settings: &Settings) -> Result<(), PluginError> {
        Plan::read(settings).map(drop)
    }

    fn run(&self, settings: &Settings, post: Post<'_>) -> Result<(), PluginError> {
        let plan = Plan::read(settings)?;
        let workers = post.workers.ok_or_else(|| PluginError("mongrel2: no workers".to_owned()))?;
        ffi::wake_politely();
        let identity = uuid::Uuid::new_v4().to_string();
        for endpoints in &plan.pairs {
            let responder = &endpoints.answers;
            (post.log)(&format!("zeromq UUID for responder {responder}: {identity}"));
        }
        Handler::open(&plan, post, workers, &identity)?.run()
    }
}
