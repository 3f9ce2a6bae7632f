//! Requests of the Mongrel2 server, over ZeroMQ.

use uwsgi_plugin_api::option::{chapter, list};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Sockets,
    [
        list("zeromq", "PULL,PUB",
            "Take requests from Mongrel2: ZeroMQ endpoints where requests come from and where answers go to.").aliases(&["zmq", "zeromq-socket", "zmq-socket", "mongrel2"]).extra()
            .unsupported("sockets speak uwsgi (socket) and HTTP (http-socket); put nginx in the place of Mongrel2"),
    ],
);
