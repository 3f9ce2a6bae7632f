//! HTTP: limits of requests, and what the `http` family of options asks for.

use std::time::Duration;

use uwsgi_plugin_api::websocket;
use uwsgi_protocol::http1::{Limits as HeadLimits, Strictness};

use super::{SECONDS_MAX, narrow};
use crate::config::Diagnostic;
use crate::config::model::{Http, Router};
use crate::config::values::Values;

/// No mobile network is slower than this, in bytes per second.
const BODY_BYTES_PER_S: u64 = 240;
/// Most header lines that can be asked for, as in gunicorn.
const HEADERS_MAX: u64 = 32_768;

/// `head_bytes_max`: `buffer-size`.
pub(super) fn http(values: &mut Values<'_>, head_bytes_max: usize) -> Http {
    let strictness =
        if values.flag("http-compat") { Strictness::Compat } else { Strictness::Strict };
    let default = HeadLimits::DEFAULT;
    let headers = values.number("limit-request-fields", 1..=HEADERS_MAX);
    let rate = values.number("http-body-min-rate", 0..=u64::from(u32::MAX));
    Http {
        strictness,
        line_bytes_max: line(values, "limit-request-line", default.line_bytes_max, head_bytes_max),
        field_bytes_max: line(
            values,
            "limit-request-field-size",
            default.field_bytes_max,
            head_bytes_max,
        ),
        headers_max: narrow(headers, default.headers_max),
        requests_max: values
            .positive("http-keepalive-requests", u64::from(u32::MAX))
            .and_then(|requests| u32::try_from(requests).ok()),
        body_bytes_per_s: u32::try_from(rate.unwrap_or(BODY_BYTES_PER_S))
            .ok()
            .filter(|rate| *rate > 0),
        websockets: websockets(values),
        router: router(values),
    }
}

/// 0 is no ping, and no patience with silence after one.
fn websockets(values: &mut Values<'_>) -> websocket::Terms {
    const KIBIBYTES_MAX: u64 = 4 << 20;
    let default = websocket::Terms::default();
    let mut seconds = |name, default| {
        let seconds = values.number(name, 0..=SECONDS_MAX);
        seconds.map_or(default, Duration::from_secs)
    };
    let ping_every = seconds("websockets-ping-freq", default.ping_every.unwrap_or_default());
    let pong_within = seconds("websockets-pong-tolerance", default.pong_within);
    let size = values.number("websockets-max-size", 1..=KIBIBYTES_MAX);
    websocket::Terms {
        ping_every: Some(ping_every).filter(|every| !every.is_zero()),
        pong_within,
        message_bytes_max: narrow(
            size.map(|kibibytes| kibibytes * 1024),
            default.message_bytes_max,
        ),
    }
}

/// A limit of a line; 0 is as much as the head may have.
fn line(values: &mut Values<'_>, name: &str, default: usize, head_bytes_max: usize) -> usize {
    let Some(bytes) = values.number(name, 0..=u64::MAX) else { return default.min(head_bytes_max) };
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    if let (true, Some(directive)) = (bytes > head_bytes_max, values.last(name)) {
        let text = format!(
            "is never reached, because buffer-size bounds the whole head; accepted: up to {head_bytes_max}"
        );
        values.problems.push(Diagnostic::warning(directive, text));
    }
    if bytes == 0 { head_bytes_max } else { bytes.min(head_bytes_max) }
}

fn router(values: &mut Values<'_>) -> Router {
    let timeout = seconds(values, "http-timeout");
    Router {
        vars: vars(values),
        host_is_server_name: values.flag("http-server-name-as-http-host"),
        keeps_slashes: values.flag("http-path-info-no-decode-slashes"),
        expect_bytes_max: expect(values),
        gzip: values.flag("http-auto-gzip"),
        timeout,
        head_timeout: seconds(values, "http-headers-timeout").or(timeout),
    }
}

fn seconds(values: &mut Values<'_>, name: &str) -> Option<Duration> {
    values.number(name, 1..=SECONDS_MAX).map(Duration::from_secs)
}

/// `http-manage-expect`: a flag for uWSGI, too, which takes the largest body as its value.
fn expect(values: &mut Values<'_>) -> Option<u64> {
    match values.text("http-manage-expect").as_deref() {
        None | Some("" | "true") => None,
        Some(_) => values.positive("http-manage-expect", u64::MAX),
    }
}

/// uWSGI passes over what has no `=`, too.
fn vars(values: &mut Values<'_>) -> Vec<(String, String)> {
    let mut vars = Vec::new();
    for directive in values.all("http-var").to_vec() {
        match directive.text().split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                vars.push((name.to_owned(), value.to_owned()));
            }
            _ => values.problems.push(Diagnostic::warning(
                directive,
                "is no variable and is passed over; accepted: NAME=VALUE",
            )),
        }
    }
    vars
}
