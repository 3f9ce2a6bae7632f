//! HTTP as it is read and answered.

use std::time::Duration;

use uwsgi_plugin_api::websocket;
use uwsgi_protocol::http1::Strictness;

/// Of all HTTP sockets.
#[derive(Clone, Debug)]
pub struct Http {
    /// `http-compat`.
    pub strictness: Strictness,
    /// `limit-request-line` in bytes.
    pub line_bytes_max: usize,
    /// `limit-request-field-size` in bytes.
    pub field_bytes_max: usize,
    /// `limit-request-fields`.
    pub headers_max: usize,
    /// `http-keepalive-requests`: requests of one connection; `None` without a limit.
    pub requests_max: Option<u32>,
    /// `http-body-min-rate`: bytes of a body per second; `None` without a limit.
    pub body_bytes_per_s: Option<u32>,
    /// `websockets-*`.
    pub websockets: websocket::Terms,
    /// What sockets of `http` do besides, which uWSGI serves by a router process.
    pub router: Router,
}

/// What is asked for of the sockets of `http` and of no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Router {
    /// `http-var`: names and values, in their order.
    pub vars: Vec<(String, String)>,
    /// `http-server-name-as-http-host`.
    pub host_is_server_name: bool,
    /// `http-path-info-no-decode-slashes`.
    pub keeps_slashes: bool,
    /// `http-manage-expect` in bytes, where it has a value.
    pub expect_bytes_max: Option<u64>,
    /// `http-auto-gzip`.
    pub gzip: bool,
    /// `http-timeout`, where it takes the place of `socket-timeout`.
    pub timeout: Option<Duration>,
    /// `http-headers-timeout`.
    pub head_timeout: Option<Duration>,
}
