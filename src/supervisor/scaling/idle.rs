//! `idle`: for how long nobody has had anything to do.

use std::collections::HashMap;
use std::time::Duration;

use uwsgi_plugin_api::WorkerId;

use super::super::Millis;
use super::{WorkerView, milliseconds};

#[derive(Debug)]
pub(in crate::supervisor) struct Idle {
    limit_ms: u64,
    /// When somebody was busy last, or began to be watched.
    active: Option<Millis>,
    requests: HashMap<(WorkerId, Millis), u64>,
}

impl Idle {
    pub(in crate::supervisor) fn new(limit: Duration) -> Self {
        Self { limit_ms: milliseconds(limit), active: None, requests: HashMap::new() }
    }

    /// Whether nothing was done for longer than the limit; counted from anew then.
    pub(in crate::supervisor) fn tick(&mut self, now: Millis, workers: &[WorkerView]) -> bool {
        let requests =
            workers.iter().map(|worker| ((worker.id, worker.since), worker.requests)).collect();
        let before = std::mem::replace(&mut self.requests, requests);
        let worked = |worker: &WorkerView| {
            let known = before.get(&(worker.id, worker.since)).copied().unwrap_or(0);
            // One that boots is about to serve whoever it was started for.
            worker.busy || !worker.serving || worker.requests > known
        };
        let active = *self.active.get_or_insert(now);
        if workers.iter().any(worked) {
            self.active = Some(now);
        } else if now.since(active) > self.limit_ms {
            self.active = None;
            return true;
        }
        false
    }

    /// The limit, for the log.
    pub(in crate::supervisor) fn seconds(&self) -> u64 {
        self.limit_ms / 1_000
    }
}
