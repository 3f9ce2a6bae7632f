//! Sockets and what they speak.

use uwsgi_plugin_api::option::{chapter, flag, integer, list, optional_text, text, unsigned16};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Sockets,
    [
        list("socket", "ADDRESS",
            "Listen for the default protocol (see protocol). ADDRESS is :PORT, HOST:PORT, [IPV6]:PORT, a path, @ABSTRACT or fd://N; port 0 takes a free one.").short('s'),
        list("uwsgi-socket", "ADDRESS",
            "Listen for the uwsgi protocol."),
        text("protocol", "NAME",
            "What plain socket speaks: uwsgi (default) or http.").aliases(&["socket-protocol"]),
        integer("listen", "N",
            "Length of the queue of connections that wait to be accepted (default 100); at most the kernel's net.core.somaxconn.").short('l').immediate(),
        optional_text("chmod-socket", "MODE",
            "Mode of unix sockets, three octal digits; 666 without a value.").short('C').aliases(&["chmod"]),
        text("chown-socket", "USER[:GROUP]",
            "Owner of unix sockets, by name or number."),
        flag("abstract-socket",
            "Make every unix socket an abstract one, without a file.").short('a'),
        unsigned16("buffer-size", "BYTES",
            "Largest request head in bytes (default 4096, at most 65535).").short('b'),
        integer("socket-timeout", "SECONDS",
            "Longest wait for a client's next bytes, and for a whole request head (default 4).").short('z'),
        flag("reuse-port",
            "Bind with SO_REUSEPORT, so that several servers may listen on one port."),
        flag("so-keepalive",
            "Switch on TCP keep-alive probes."),
        flag("tcp-nodelay",
            "Switch on TCP_NODELAY; it is always on for HTTP sockets."),
        flag("no-defer-accept",
            "Wake for a new TCP connection at once instead of at its first bytes."),
    ],
);
