//! Sockets and what they speak.

use uwsgi_plugin_api::OptionKind::{Flag, OptionalText, Text, TextList, Unsigned16};
use uwsgi_plugin_api::{OptionKind, OptionRow, Section};

const BASE: OptionRow = OptionRow { section: Section::Sockets, ..super::BASE };
const ADDRESS: OptionRow = OptionRow { kind: TextList, metavar: "ADDRESS", ..BASE };
const HTTP: OptionRow = OptionRow { section: Section::Http, ..ADDRESS };

pub(super) const ROWS: &[OptionRow] = &[
    OptionRow {
        name: "socket",
        short: Some('s'),
        help: "Listen for the default protocol (see protocol). ADDRESS is :PORT, HOST:PORT, [IPV6]:PORT, a \
               path, @ABSTRACT or fd://N; port 0 takes a free one.",
        ..ADDRESS
    },
    OptionRow { name: "uwsgi-socket", help: "Listen for the uwsgi protocol.", ..ADDRESS },
    OptionRow {
        name: "protocol",
        aliases: &["socket-protocol"],
        kind: Text,
        metavar: "NAME",
        help: "What plain socket speaks: uwsgi (default) or http.",
        ..BASE
    },
    OptionRow {
        name: "listen",
        short: Some('l'),
        kind: OptionKind::Integer,
        metavar: "N",
        immediate: true,
        help: "Length of the queue of connections that wait to be accepted (default 100); at most the \
               kernel's net.core.somaxconn.",
        ..BASE
    },
    OptionRow {
        name: "chmod-socket",
        aliases: &["chmod"],
        short: Some('C'),
        kind: OptionalText,
        metavar: "MODE",
        help: "Mode of unix sockets, three octal digits; 666 without a value.",
        ..BASE
    },
    OptionRow {
        name: "chown-socket",
        kind: Text,
        metavar: "USER[:GROUP]",
        help: "Owner of unix sockets, by name or number.",
        ..BASE
    },
    OptionRow {
        name: "abstract-socket",
        short: Some('a'),
        help: "Make every unix socket an abstract one, without a file.",
        ..BASE
    },
    OptionRow {
        name: "buffer-size",
        short: Some('b'),
        kind: Unsigned16,
        metavar: "BYTES",
        help: "Largest request head in bytes (default 4096, at most 65535).",
        ..BASE
    },
    OptionRow {
        name: "socket-timeout",
        short: Some('z'),
        kind: OptionKind::Integer,
        metavar: "SECONDS",
        help: "Longest wait for a client's next bytes, and for a whole request head (default 4).",
        ..BASE
    },
    OptionRow {
        name: "reuse-port",
        kind: Flag,
        help: "Bind with SO_REUSEPORT, so that several servers may listen on one port.",
        ..BASE
    },
    OptionRow { name: "so-keepalive", help: "Switch on TCP keep-alive probes.", ..BASE },
    OptionRow {
        name: "tcp-nodelay",
        help: "Switch on TCP_NODELAY; it is always on for HTTP sockets.",
        ..BASE
    },
    OptionRow {
        name: "no-defer-accept",
        help: "Wake for a new TCP connection at once instead of at its first bytes.",
        ..BASE
    },
    OptionRow {
        name: "http",
        help: "Listen for HTTP/1.1; the workers answer themselves, with keep-alive and pipelining.",
        ..HTTP
    },
    OptionRow { name: "http-socket", help: "Listen for HTTP/1.1, as http does.", ..HTTP },
    OptionRow { name: "http11-socket", help: "Listen for HTTP/1.1, as http does.", ..HTTP },
    OptionRow {
        name: "http-keepalive",
        kind: OptionalText,
        metavar: "SECONDS",
        help: "How long an idle HTTP connection is kept: a value above 1 sets the seconds (default 75).",
        ..HTTP
    },
];
