//! Routers that pass requests and connections on to other servers, and sockets shared with them (zerg).

use uwsgi_plugin_api::option::{
    chapter, flag, integer, key_values, list, optional_text, text, unsigned64,
};
use uwsgi_plugin_api::{Argument, OptionRow, Section};

const FAST: &str = "let nginx pass requests on by host (map $host, upstream, uwsgi_pass)";
const FAST_NONE: &str = "there is no fastrouter; set it in the front end that takes its place";
const RAW: &str = "let the stream module of nginx or HAProxy pass connections on";
const RAW_NONE: &str = "there is no rawrouter; set it in the proxy that takes its place";
const TLS: &str =
    "let the stream module of nginx (ssl, ssl_preread) or HAProxy end TLS and pass connections on";
const TLS_NONE: &str = "there is no sslrouter; set it in the proxy that takes its place";
const STATISTICS: &str = "read the statistics of the proxy that takes its place";
const SUBSCRIPTIONS: &str = "list the servers in the front end (upstream in nginx)";
const OBSOLETE: &str = "it is obsolete, and uWSGI ignores it too";
const ZERG: &str = "set processes to all workers that are wanted, or start a second server on the same port, both with reuse-port";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Gateways,
    [
        flag("force-gateway",
            "Start the first gateway, such as http or fastrouter, where there is no master too.")
            .no_effect("there are no gateway processes"),

        // The fastrouter: uwsgi protocol on both sides.
        list("fastrouter", "ADDRESS",
            "Start a router that takes uwsgi requests on this address and passes them on to other servers by host.")
            .unsupported(FAST),
        list("fastrouter-to", "ADDRESS",
            "Have the fastrouter pass requests to this server; several take turns.")
            .unsupported(FAST),
        optional_text("fastrouter-use-socket", "N",
            "Have the fastrouter pass requests to this uwsgi socket of the server itself, counted from 0 (default 0).")
            .unsupported("let the front end pass requests to that socket itself"),
        text("fastrouter-use-base", "DIR",
            "Have the fastrouter pass a request to the unix socket in this directory that is named like its host.")
            .unsupported(FAST),
        text("fastrouter-use-pattern", "PATTERN",
            "Have the fastrouter pass a request to the unix socket of this path, in which %s stands for the host.")
            .unsupported(FAST),
        optional_text("fastrouter-use-cache", "CACHE",
            "Have the fastrouter look up in this cache, by the host, where a request goes.")
            .unsupported(FAST),
        text("fastrouter-use-code-string", "MODIFIER:FILE:FUNCTION",
            "Have the fastrouter ask a function, with the host, where a request goes.")
            .unsupported(FAST),
        text("fastrouter-force-key", "KEY",
            "Have the fastrouter route all requests by this key instead of their host.").extra()
            .unsupported(FAST),
        list("fastrouter-fallback", "ADDRESS",
            "Have the fastrouter pass a request to this server where the first choice fails.")
            .unsupported("let nginx do so (backup in upstream)"),
        flag("fastrouter-fallback-on-no-key",
            "Use fastrouter-fallback for hosts that nobody has subscribed to as well.")
            .unsupported("name the server for all other hosts in the front end (default_server in nginx)"),
        list("fastrouter-subscription-server", "ADDRESS",
            "Have the fastrouter listen on this address for servers that subscribe to the requests of a host.")
            .unsupported(SUBSCRIPTIONS),
        text("fastrouter-subscription-fallback-key", "HOST",
            "Pass requests for a host that nobody has subscribed to to the subscribers of this one.")
            .unsupported("name the server for all other hosts in the front end (default_server in nginx)"),
        text("fastrouter-subscription-slot", "N",
            "An obsolete setting of the fastrouter's subscription server.")
            .no_effect(OBSOLETE),
        list("fastrouter-resubscribe", "ADDRESS",
            "Have the fastrouter pass the subscriptions of others on to this subscription server.")
            .unsupported(SUBSCRIPTIONS),
        text("fastrouter-resubscribe-bind", "ADDRESS",
            "Send what fastrouter-resubscribe passes on from this address.")
            .missing(SUBSCRIPTIONS),
        text("fastrouter-emperor-socket", "PATH",
            "Ask the Emperor at this socket to start a vassal for which the fastrouter has a request.").extra()
            .unsupported("let systemd start a server at its first request (socket activation)"),
        text("fastrouter-zerg", "PATH",
            "Get the fastrouter's sockets from the zerg server at this unix socket.")
            .unsupported(FAST),
        integer("fastrouter-processes", "N",
            "Number of fastrouter processes (default 1).").aliases(&["fastrouter-workers"])
            .missing(FAST_NONE),
        integer("fastrouter-events", "N",
            "How many events a fastrouter process takes from the kernel at a time (default 64).")
            .missing(FAST_NONE),
        integer("fastrouter-timeout", "SECONDS",
            "Longest silence of a client or server before the fastrouter gives a request up (default 60).")
            .missing("there is no fastrouter; set the timeout of the front end (uwsgi_read_timeout in nginx)"),
        integer("fastrouter-defer-connect-timeout", "SECONDS",
            "How long the fastrouter may put off a connection to a server before it gives it up.").extra()
            .missing(FAST_NONE),
        integer("fastrouter-gracetime", "SECONDS",
            "Pause before a node of fastrouter-to that failed is tried again (default 30).")
            .missing("there is no fastrouter; set fail_timeout in the upstream block of nginx"),
        integer("fastrouter-max-retries", "N",
            "How many other servers the fastrouter tries for a request whose server fails.").extra()
            .missing("there is no fastrouter; set uwsgi_next_upstream_tries in nginx"),
        unsigned64("fastrouter-buffer-size", "BYTES",
            "Size of the fastrouter's buffer for each direction of a connection (default: a page of memory).")
            .missing(FAST_NONE),
        unsigned64("fastrouter-post-buffering", "BYTES",
            "Have the fastrouter receive bodies of at least BYTES into a file before it passes a request on.")
            .missing("there is no fastrouter; nginx does so unless uwsgi_request_buffering is off"),
        text("fastrouter-post-buffering-dir", "DIR",
            "Meant as the directory for the files of fastrouter-post-buffering; uWSGI uses TMPDIR instead.")
            .no_effect("uWSGI ignores it too"),
        integer("fastrouter-harakiri", "SECONDS",
            "Replace a fastrouter process that is stuck for this long.")
            .missing(FAST_NONE),
        flag("fastrouter-cheap",
            "Let the fastrouter listen only while there is somebody to pass requests to.")
            .missing(FAST_NONE),
        flag("fastrouter-quiet",
            "Do not log connections of the fastrouter to a server that fail.").argument(Argument::Required)
            .missing(FAST_NONE),
        text("fastrouter-stats", "ADDRESS",
            "Serve statistics of the fastrouter as JSON on this address.").aliases(&["fastrouter-stats-server", "fastrouter-ss"])
            .missing(STATISTICS),
        text("fastrouter-uid", "USER",
            "User that the fastrouter processes run as, by name or number.")
            .unsupported(FAST_NONE),
        text("fastrouter-gid", "GROUP",
            "Group that the fastrouter processes run as, by name or number.")
            .unsupported(FAST_NONE),

        // The rawrouter: any TCP connection.
        list("rawrouter", "ADDRESS",
            "Start a router that takes TCP connections on this address and passes them on without looking into them.")
            .unsupported(RAW),
        list("rawrouter-to", "ADDRESS",
            "Have the rawrouter pass connections to this server; several take turns.")
            .unsupported(RAW),
        optional_text("rawrouter-use-socket", "N",
            "Have the rawrouter pass connections to this socket of the server itself, counted from 0 (default 0).")
            .unsupported(RAW),
        text("rawrouter-use-base", "DIR",
            "Have the rawrouter pass a connection to the unix socket in this directory that is named like its key.")
            .unsupported(RAW),
        text("rawrouter-use-pattern", "PATTERN",
            "Have the rawrouter pass a connection to the unix socket of this path, in which %s stands for its key.")
            .unsupported(RAW),
        optional_text("rawrouter-use-cache", "CACHE",
            "Have the rawrouter look up in this cache, by its key, where a connection goes.")
            .unsupported(RAW),
        text("rawrouter-use-code-string", "MODIFIER:FILE:FUNCTION",
            "Have the rawrouter ask a function, with the key, where a connection goes.")
            .unsupported(RAW),
        list("rawrouter-fallback", "ADDRESS",
            "Have the rawrouter pass a connection to this server where the first choice fails.")
            .unsupported(RAW),
        list("rawrouter-subscription-server", "ADDRESS",
            "Have the rawrouter listen on this address for servers that subscribe to its connections.")
            .unsupported(SUBSCRIPTIONS),
        text("rawrouter-subscription-slot", "N",
            "An obsolete setting of the rawrouter's subscription server.")
            .no_effect(OBSOLETE),
        flag("rawrouter-xclient",
            "Send the client's address ahead to the server with the command XCLIENT of mail servers.")
            .unsupported("let the mail module of nginx do so (xclient)"),
        text("rawrouter-zerg", "PATH",
            "Get the rawrouter's sockets from the zerg server at this unix socket.")
            .unsupported(RAW),
        integer("rawrouter-processes", "N",
            "Number of rawrouter processes (default 1).").aliases(&["rawrouter-workers"])
            .missing(RAW_NONE),
        integer("rawrouter-events", "N",
            "How many events a rawrouter process takes from the kernel at a time (default 64).")
            .missing(RAW_NONE),
        integer("rawrouter-timeout", "SECONDS",
            "Longest silence on a connection before the rawrouter closes it (default 60).")
            .missing("there is no rawrouter; set the timeout of the proxy (proxy_timeout in nginx)"),
        integer("rawrouter-gracetime", "SECONDS",
            "Pause before a node of rawrouter-to that failed is tried again (default 30).")
            .missing("there is no rawrouter; set fail_timeout in the upstream block of nginx"),
        integer("rawrouter-max-retries", "N",
            "How many other servers the rawrouter tries for a connection whose server fails.")
            .missing("there is no rawrouter; set proxy_next_upstream_tries in nginx"),
        unsigned64("rawrouter-buffer-size", "BYTES",
            "Size of the rawrouter's buffer for each direction of a connection (default: a page of memory).")
            .missing(RAW_NONE),
        integer("rawrouter-harakiri", "SECONDS",
            "Replace a rawrouter process that is stuck for this long.")
            .missing(RAW_NONE),
        flag("rawrouter-cheap",
            "Let the rawrouter listen only while there is somebody to pass connections to.")
            .missing(RAW_NONE),
        flag("rawrouter-quiet",
            "Do not log connections of the rawrouter to a server that fail.").argument(Argument::Required)
            .missing(RAW_NONE),
        text("rawrouter-stats", "ADDRESS",
            "Serve statistics of the rawrouter as JSON on this address.").aliases(&["rawrouter-stats-server", "rawrouter-ss"])
            .missing(STATISTICS),

        // The sslrouter: TLS in front, TCP behind.
        list("sslrouter", "ADDRESS,CERT,KEY[,CIPHERS[,CLIENT_CA]]",
            "Start a router that takes TLS connections on this address and passes what is inside on to other servers.")
            .unsupported(TLS),
        key_values("sslrouter2", "addr=ADDRESS,cert=FILE,key=FILE",
            "As sslrouter, written as keys and values; also ciphers and client_ca.")
            .unsupported(TLS),
        flag("sslrouter-sni",
            "Have the sslrouter choose the server by the host name that the client asks for in TLS.")
            .unsupported("let the stream module of nginx choose it (ssl_preread, map $ssl_preread_server_name)"),
        text("sslrouter-session-context", "NAME",
            "Session id context of the sslrouter; sessions are only resumed within the same one.")
            .missing(TLS_NONE),
        list("sslrouter-to", "ADDRESS",
            "Have the sslrouter pass connections to this server; several take turns.")
            .unsupported(TLS),
        optional_text("sslrouter-use-socket", "N",
            "Have the sslrouter pass connections to this socket of the server itself, counted from 0 (default 0).")
            .unsupported(TLS),
        text("sslrouter-use-base", "DIR",
            "Have the sslrouter pass a connection to the unix socket in this directory that is named like its key.")
            .unsupported(TLS),
        text("sslrouter-use-pattern", "PATTERN",
            "Have the sslrouter pass a connection to the unix socket of this path, in which %s stands for its key.")
            .unsupported(TLS),
        optional_text("sslrouter-use-cache", "CACHE",
            "Have the sslrouter look up in this cache, by its key, where a connection goes.")
            .unsupported(TLS),
        text("sslrouter-use-code-string", "MODIFIER:FILE:FUNCTION",
            "Have the sslrouter ask a function, with the key, where a connection goes.")
            .unsupported(TLS),
        list("sslrouter-fallback", "ADDRESS",
            "Have the sslrouter pass a connection to this server where the first choice fails.")
            .unsupported(TLS),
        list("sslrouter-subscription-server", "ADDRESS",
            "Have the sslrouter listen on this address for servers that subscribe to its connections.")
            .unsupported(SUBSCRIPTIONS),
        text("sslrouter-zerg", "PATH",
            "Get the sslrouter's sockets from the zerg server at this unix socket.")
            .unsupported(TLS),
        integer("sslrouter-processes", "N",
            "Number of sslrouter processes (default 1).").aliases(&["sslrouter-workers"])
            .missing(TLS_NONE),
        integer("sslrouter-events", "N",
            "How many events an sslrouter process takes from the kernel at a time (default 64).")
            .missing(TLS_NONE),
        integer("sslrouter-timeout", "SECONDS",
            "Longest silence on a connection before the sslrouter closes it (default 60).")
            .missing("there is no sslrouter; set the timeout of the proxy (proxy_timeout in nginx)"),
        integer("sslrouter-gracetime", "SECONDS",
            "Pause before a node of sslrouter-to that failed is tried again (default 30).")
            .missing("there is no sslrouter; set fail_timeout in the upstream block of nginx"),
        integer("sslrouter-max-retries", "N",
            "How many other servers the sslrouter tries for a connection whose server fails.")
            .missing("there is no sslrouter; set proxy_next_upstream_tries in nginx"),
        unsigned64("sslrouter-buffer-size", "BYTES",
            "Size of the sslrouter's buffer for each direction of a connection (default: a page of memory).")
            .missing(TLS_NONE),
        integer("sslrouter-harakiri", "SECONDS",
            "Replace an sslrouter process that is stuck for this long.")
            .missing(TLS_NONE),
        flag("sslrouter-cheap",
            "Let the sslrouter listen only while there is somebody to pass connections to.")
            .missing(TLS_NONE),
        flag("sslrouter-quiet",
            "Do not log connections of the sslrouter to a server that fail.").argument(Argument::Required)
            .missing(TLS_NONE),
        text("sslrouter-stats", "ADDRESS",
            "Serve statistics of the sslrouter as JSON on this address.").aliases(&["sslrouter-stats-server", "sslrouter-ss"])
            .missing(STATISTICS),

        // Subscriptions of this server to a router.
        text("subscription-notify-socket", "ADDRESS",
            "Ask the routers that the server subscribes to to confirm it by a datagram to this address.").implies(&["master"])
            .missing("check from outside that requests reach the server"),

        // Zerg: servers that lend each other their sockets.
        list("zerg", "PATH",
            "Serve the sockets of the server whose zerg-server or zerg-pool is at this unix socket.")
            .unsupported(ZERG),
        flag("zerg-fallback",
            "Open the sockets of the configuration where no zerg server answers.")
            .no_effect("the sockets of the configuration are always opened"),
        text("zerg-server", "PATH",
            "Lend the server's sockets to servers that connect to this unix socket with zerg.").implies(&["master"])
            .unsupported(ZERG),
        list("zerg-pool", "PATH:ADDRESS[,ADDRESS]",
            "Open sockets only to lend them to servers that connect to the unix socket with zerg.").aliases(&["zergpool"])
            .unsupported(ZERG),
    ],
);
