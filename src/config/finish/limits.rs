//! Bounds of connections, requests and bodies, and what every answer gets.

use std::time::Duration;

use uwsgi_protocol::http1::{is_token, is_value};

use super::{SECONDS_MAX, narrow};
use crate::config::model::Limits;
use crate::config::values::Values;

/// An idle HTTP connection is kept this long: a little longer than common proxies keep theirs, so that
/// it is them who close.
const KEEP_ALIVE_SECONDS: u64 = 75;
/// Connections of a worker are at most this many, whatever the descriptor limit says.
const CONNECTIONS_MAX: u64 = 16_384;

/// `descriptors` is how many may be open in a process.
pub(super) fn limits(values: &mut Values<'_>, descriptors: u64) -> Limits {
    let head_bytes = values.number("buffer-size", 1..=u64::MAX).unwrap_or(4096).min(65_535);
    let pairs = values.number("max-vars", 1..=u64::from(u16::MAX)).unwrap_or(64);
    let timeout = values.number("socket-timeout", 1..=SECONDS_MAX).unwrap_or(4);
    let connections = (descriptors / 4 * 3).clamp(1, CONNECTIONS_MAX);
    Limits {
        head_bytes_max: narrow(Some(head_bytes), 4096),
        vars_max: narrow(Some(pairs * 2), 128),
        body_bytes_max: values.positive("limit-post", u64::MAX),
        post_buffering_bytes: values
            .positive("post-buffering", u64::MAX)
            .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        socket_timeout: Duration::from_secs(timeout),
        keep_alive: keep_alive(values),
        connections_max: narrow(Some(connections), 1),
    }
}

/// `add-header`, where it is one that may be sent.
pub(super) fn headers(values: &mut Values<'_>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for directive in values.all("add-header").to_vec() {
        let header =
            directive.text().split_once(':').map(|(name, value)| (name.trim(), value.trim()));
        match header.filter(|(name, value)| is_token(name.as_bytes()) && is_value(value.as_bytes()))
        {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None => values.error(
                directive,
                "no header that may be sent; accepted: NAME: VALUE, without control characters",
            ),
        }
    }
    headers
}

/// `http-keepalive`: without a value or with 1 it is on, as it always is; 0 switches it off.
fn keep_alive(values: &mut Values<'_>) -> Duration {
    let default = Duration::from_secs(KEEP_ALIVE_SECONDS);
    match values.text("http-keepalive").as_deref() {
        None | Some("" | "true") => default,
        Some(_) => match values.number("http-keepalive", 0..=SECONDS_MAX) {
            None | Some(1) => default,
            Some(seconds) => Duration::from_secs(seconds),
        },
    }
}
