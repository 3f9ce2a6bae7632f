//! Sockets and what they speak.

use uwsgi_plugin_api::option::{
    chapter, flag, integer, list, optional_text, text, unsigned16, unsigned64,
};
use uwsgi_plugin_api::{Argument, OptionRow, Reload, Section};

const DATAGRAMS: &str =
    "send over HTTP or the uwsgi protocol, or read the datagrams in a service of their own";
const ONE_STEP: &str = "give the address to socket or http-socket; ports below 1024 are opened before uid and gid take effect";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Sockets,
    [
        list("socket", "ADDRESS",
            "Listen for the default protocol (see protocol). ADDRESS is :PORT, HOST:PORT, [IPV6]:PORT, a path, @ABSTRACT or fd://N; port 0 takes a free one.").short('s'),
        list("uwsgi-socket", "ADDRESS",
            "Listen for the uwsgi protocol."),
        text("protocol", "NAME",
            "What plain socket speaks: uwsgi (default), puwsgi, http, fastcgi, fastcgi-nph, scgi, scgi-nph or auto (see auto-socket).").aliases(&["socket-protocol"]),
        integer("listen", "N",
            "Length of the queue of connections that wait to be accepted (default 100); at most the kernel's net.core.somaxconn.").short('l').immediate(),
        optional_text("chmod-socket", "MODE",
            "Mode of unix sockets, three octal digits; 666 without a value.").short('C').aliases(&["chmod"]),
        text("chown-socket", "USER[:GROUP]",
            "Owner of unix sockets, by name or number."),
        flag("abstract-socket",
            "Make every unix socket an abstract one, without a file.").short('a'),
        unsigned16("buffer-size", "BYTES",
            "Largest request head in bytes (default 4096, at most 65535).").short('b').reload(Reload::Workers),
        integer("socket-timeout", "SECONDS",
            "Longest wait for a client's next bytes, and for a whole request head (default 4).").short('z').reload(Reload::Workers),

        // How TCP and the kernel treat them.
        flag("reuse-port",
            "Bind with SO_REUSEPORT, so that several servers may listen on one port."),
        flag("so-keepalive",
            "Switch on TCP keep-alive probes."),
        flag("tcp-nodelay",
            "Switch on TCP_NODELAY; it is always on for HTTP sockets."),
        flag("no-defer-accept",
            "Wake for a new TCP connection at once instead of at its first bytes."),
        integer("so-send-timeout", "SECONDS",
            "Longest time that one write to a client may block in the kernel (SO_SNDTIMEO). The value can only be set in a file.").argument(Argument::None)
            .aliases(&["so-write-timeout", "socket-send-timeout", "socket-write-timeout"])
            .missing("set socket-timeout, which bounds reads and writes alike"),
        unsigned64("socket-sndbuf", "BYTES",
            "Size of the kernel's send buffer of each socket (SO_SNDBUF).")
            .missing("set net.ipv4.tcp_wmem (net.core.wmem_default for unix sockets) with sysctl"),
        unsigned64("socket-rcvbuf", "BYTES",
            "Size of the kernel's receive buffer of each socket (SO_RCVBUF).")
            .missing("set net.ipv4.tcp_rmem (net.core.rmem_default for unix sockets) with sysctl"),
        integer("tcp-fastopen", "N",
            "Accept data in the first packet of a TCP connection (TCP_FASTOPEN), with at most N such connections waiting.").aliases(&["tcp-fast-open"])
            .missing("let the front end keep its connections open, which saves more handshakes"),
        flag("tcp-fastopen-client",
            "Send data in the first packet of connections that the server opens to others (MSG_FASTOPEN).").aliases(&["tcp-fast-open-client"])
            .no_effect("the server opens no connections to others"),
        flag("freebind",
            "Bind to addresses that the machine does not have yet (IP_FREEBIND).")
            .missing("set net.ipv4.ip_nonlocal_bind=1 with sysctl, or listen on every address (:PORT)"),

        // Sharing them with other processes.
        flag("close-on-exec",
            "Close a client's connection in programs that the application starts.")
            .no_effect("connections are always closed in programs that the application starts"),
        flag("close-on-exec2",
            "Close the listening sockets in programs that the application starts.")
            .no_effect("sockets are always closed in programs that the application starts"),
        list("safe-fd", "N",
            "Leave this descriptor open where a reload would close it; may be given several times.").aliases(&["fd-safe"])
            .missing("open the file again after a reload; sockets of the server are kept without it"),
        flag("shutdown-sockets",
            "Shut sockets down before they are closed, so that copies in other processes stop listening too.")
            .no_effect("no program that the application starts holds a copy of a socket"),
        flag("no-fd-passing",
            "Take no file descriptors from clients of unix sockets.")
            .no_effect("descriptors are never taken from clients"),
        list("shared-socket", "ADDRESS",
            "Open a socket before privileges are dropped; socket, http and others then name it as =N, counted from 0.")
            .unsupported(ONE_STEP),
        list("undeferred-shared-socket", "ADDRESS",
            "As shared-socket, but connections are accepted before their first bytes have come.")
            .unsupported(ONE_STEP),
        list("map-socket", "SOCKET:WORKER[,WORKER]",
            "Let only these workers accept on a socket. Sockets are counted from 0, workers from 1.")
            .missing("every worker serves every socket; run a server of its own for a socket that needs workers of its own"),
        list("wait-for-socket", "ADDRESS",
            "Load the applications only when something answers on this socket."),
        list("resolve", "KEY=NAME",
            "Look a host name up and set the placeholder %(KEY) to its address.").immediate()
            .unsupported("write the host name itself, which socket addresses may contain, or set the placeholder from the environment"),

        // Other protocols.
        list("puwsgi-socket", "ADDRESS",
            "Listen for the persistent uwsgi protocol, which serves several requests on one connection."),
        list("fastcgi-socket", "ADDRESS",
            "Listen for FastCGI; answers begin with a Status header."),
        list("fastcgi-nph-socket", "ADDRESS",
            "Listen for FastCGI and answer with an HTTP status line instead of a Status header."),
        unsigned64("fastcgi-modifier1", "N",
            "First modifier of requests that come by FastCGI; it selects the plugin that answers (default 0).").reload(Reload::Workers),
        unsigned64("fastcgi-modifier2", "N",
            "Second modifier of requests that come by FastCGI (default 0).").reload(Reload::Workers),
        list("scgi-socket", "ADDRESS",
            "Listen for SCGI; answers begin with a Status header."),
        list("scgi-nph-socket", "ADDRESS",
            "Listen for SCGI and answer with an HTTP status line instead of a Status header."),
        unsigned64("scgi-modifier1", "N",
            "First modifier of requests that come by SCGI; it selects the plugin that answers (default 0).").reload(Reload::Workers),
        unsigned64("scgi-modifier2", "N",
            "Second modifier of requests that come by SCGI (default 0).").reload(Reload::Workers),
        list("auto-socket", "ADDRESS",
            "Listen for HTTP, uwsgi, FastCGI and SCGI on one socket: the first bytes of a connection show which it is.").extra(),
        list("raw-socket", "ADDRESS",
            "Listen on a socket whose connections are given to the application as they are, without reading a request (see python-raw)."),
        unsigned64("raw-modifier1", "N",
            "First modifier of connections of raw-socket; it selects the plugin that takes them (default 0).").reload(Reload::Workers),
        unsigned64("raw-modifier2", "N",
            "Second modifier of connections of raw-socket (default 0).").reload(Reload::Workers),

        // Datagrams.
        text("udp", "ADDRESS",
            "Have the master read uwsgi packets and messages that come by UDP to this address.").implies(&["master"])
            .unsupported(DATAGRAMS),
        text("multicast", "GROUP",
            "Have the master read the UDP datagrams of this multicast group.").implies(&["master"])
            .unsupported(DATAGRAMS),
        integer("multicast-ttl", "N",
            "How many routers a multicast datagram of the server may pass.")
            .missing("the server sends no datagrams; leave it out"),
        integer("multicast-loop", "N",
            "Whether the machine receives its own multicast datagrams: 1 (default) or 0.")
            .missing("the server sends no datagrams; leave it out"),

        #[cfg(not(feature = "mongrel2"))]
        list("zeromq", "REQUESTS,ANSWERS",
            "Take requests from Mongrel2: the ZeroMQ endpoints of a handler, its send_spec and its recv_spec.").aliases(&["zmq", "zeromq-socket", "zmq-socket", "mongrel2"]).extra()
            .unsupported("this program was built without it; build with the cargo feature mongrel2"),
    ],
);
