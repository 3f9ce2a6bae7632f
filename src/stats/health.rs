//! `health`: what load balancers and orchestrators ask (Kubernetes: liveness and readiness probes).

use super::json::Json;

/// How the instance is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The master.
    pub pid: i32,
    /// Worker processes that take requests.
    pub ready: u16,
    /// `processes`.
    pub workers: u16,
    /// It ends, or is about to.
    pub stopping: bool,
    /// It was told to take no requests.
    pub paused: bool,
    /// Its cluster is to send it no requests.
    pub draining: bool,
    /// It has no workers and starts them at the next connection (`cheap`, `idle`).
    pub asleep: bool,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// JSON, with a line break at its end.
    pub body: String,
}

impl Health {
    /// The answer to a path: `/healthz` says that the master lives, which it does, as it answers; `/readyz` whether a
    /// request that comes now is served.
    pub fn answer(&self, path: &str) -> Reply {
        match path {
            "/healthz" => self.reply(200, "ok"),
            "/readyz" => match self.obstacle() {
                None => self.reply(200, "ok"),
                Some(obstacle) => self.reply(503, obstacle),
            },
            _ => self.reply(404, "no such path; there are /healthz and /readyz"),
        }
    }

    /// What keeps requests from being served.
    fn obstacle(&self) -> Option<&'static str> {
        if self.stopping {
            Some("stopping")
        } else if self.draining {
            Some("draining")
        } else if self.paused {
            Some("paused")
        } else if self.ready == 0 && !self.asleep {
            Some("no worker is ready")
        } else {
            None
        }
    }

    fn reply(&self, status: u16, text: &str) -> Reply {
        let body = Json::new(false).document(|json| {
            json.text("status", text);
            json.number("pid", self.pid);
            json.number("workers", self.workers);
            json.number("ready", self.ready);
        });
        Reply { status, body: body + "\n" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_needs_a_worker_and_an_instance_that_goes_on() {
        let well = Health { pid: 7, ready: 1, workers: 4, ..Health::default() };
        for (health, path, status, text) in [
            (well, "/healthz", 200, "ok"),
            (well, "/readyz", 200, "ok"),
            (well, "/", 404, "no such path; there are /healthz and /readyz"),
            (Health { ready: 0, ..well }, "/readyz", 503, "no worker is ready"),
            (Health { ready: 0, ..well }, "/healthz", 200, "ok"),
            (Health { ready: 0, asleep: true, ..well }, "/readyz", 200, "ok"),
            (Health { stopping: true, ..well }, "/readyz", 503, "stopping"),
            (Health { stopping: true, ..well }, "/healthz", 200, "ok"),
            (Health { paused: true, ..well }, "/readyz", 503, "paused"),
            (Health { draining: true, ..well }, "/readyz", 503, "draining"),
            (Health { draining: true, ..well }, "/healthz", 200, "ok"),
        ] {
            let reply = health.answer(path);
            let start = format!("{{\"status\":\"{text}\",\"pid\":7,\"workers\":4,");
            assert!(reply.status == status && reply.body.starts_with(&start), "{path} {reply:?}");
        }
    }
}
