//! What a listener asks for beyond the protocol that it speaks: the `http-*` options of the sockets of `http`.
//!
//! Most listeners ask for nothing: then there is no [`Front`], and its requests cost one look.

use std::sync::Arc;
use std::time::Duration;

use uwsgi_protocol::http1::{self, Framing};
use uwsgi_protocol::{Known, Name, Reject, Vars};

use super::hub::Times;
use crate::config::model::{Config, Router, SocketSpec};

/// See the module.
#[derive(Debug)]
pub struct Front {
    router: Router,
}

impl Front {
    /// `%2F` stays as it is in `PATH_INFO`.
    pub fn keeps_slashes(&self) -> bool {
        self.router.keeps_slashes
    }

    /// Answers that the application marks are compressed.
    pub fn compresses(&self) -> bool {
        self.router.gzip
    }

    /// How long an application may say nothing (`http-timeout`).
    pub fn silence_max(&self) -> Option<Duration> {
        self.router.timeout
    }

    /// Makes a request what this listener wants it to be; `input` is what its variables point into.
    ///
    /// # Errors
    /// 413 where the client asks whether it may send a body above `http-manage-expect`.
    pub(super) fn adapt(
        &self,
        head: &http1::Head,
        input: &[u8],
        vars: &mut Vars,
    ) -> Result<(), Reject> {
        let announced = match head.framing {
            Framing::Length(length) if head.expect_continue => length,
            _ => 0,
        };
        if self.router.expect_bytes_max.is_some_and(|max| announced > max) {
            return Err(Reject::new(413, "body_too_large"));
        }
        if self.router.host_is_server_name
            && let Some(position) = vars.position(Known::Host)
        {
            let host = vars.entries()[position].value;
            vars.push(Name::Known(Known::ServerName), host);
        }
        // They come last, so that they have the last word, as in uWSGI.
        for (name, value) in &self.router.vars {
            vars.set(input, name.as_bytes(), value.as_bytes());
        }
        Ok(())
    }

    /// The times of this listener, where they are its own; the others are `usual`.
    fn times(&self, usual: &Times) -> Option<Times> {
        let ms = |time: Duration| time.as_millis() as u64;
        let Router { timeout, head_timeout, .. } = self.router;
        if timeout.is_none() && head_timeout.is_none() {
            return None;
        }
        Some(Times {
            head_ms: head_timeout.map_or(usual.head_ms, ms),
            progress_ms: timeout.map_or(usual.progress_ms, ms),
            ..*usual
        })
    }
}

/// The fronts of a worker, by listener.
#[derive(Clone, Debug, Default)]
pub struct Fronts(Arc<[Option<Front>]>);

impl Fronts {
    /// Sockets of the configuration are the first listeners, in its order; others were inherited.
    pub fn new(config: &Config) -> Self {
        let router = &config.http.router;
        let asks = *router != Router::default();
        let front =
            |socket: &SocketSpec| (asks && socket.router).then(|| Front { router: router.clone() });
        let fronts = config.sockets.iter().map(front);
        Self(fronts.collect())
    }

    /// The front of a listener, if it has one.
    pub fn of(&self, listener: u16) -> Option<&Front> {
        self.0.get(usize::from(listener)).and_then(Option::as_ref)
    }

    /// The times of a listener, where they are its own.
    pub fn times(&self, listener: u16, usual: &Times) -> Option<Times> {
        self.of(listener).and_then(|front| front.times(usual))
    }
}
