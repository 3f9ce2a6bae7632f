//! HTTP: listeners, keep-alive, bodies, WebSockets, headers, and what uWSGI's router process can do.

use uwsgi_plugin_api::option::{chapter, flag, integer, list, optional_text, text, unsigned64};
use uwsgi_plugin_api::{Argument, OptionRow, Reload, Section};

const IN_WORKERS: &str = "HTTP is served by the workers themselves, no router process exists";
const ELSEWHERE: &str = "HTTP is answered by this server's own workers; let nginx pass requests on to others (proxy_pass, uwsgi_pass)";
const CHUNKED: &str =
    "chunked request bodies are always decoded, for wsgi.input and uwsgi.chunked_read() alike";
const PROXY: &str =
    "let the front end send plain HTTP, and the client's address in X-Forwarded-For";
const WEBSOCKETS: &str = "WebSockets are served by every socket that can carry them";
const UNPRIVILEGED: &str = "the workers serve HTTP; set uid and gid for all of them";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Http,
    [
        list("http", "ADDRESS",
            "Listen for HTTP/1.1; the workers answer themselves, with keep-alive and pipelining.").aliases(&["httprouter"]),
        list("http-socket", "ADDRESS",
            "Listen for HTTP/1.1, as http does."),
        list("http11-socket", "ADDRESS",
            "Listen for HTTP/1.1, as http does."),
        optional_text("http-keepalive", "SECONDS",
            "How long an idle HTTP connection is kept: a value above 1 sets the seconds (default 75), 0 closes it after each answer.").reload(Reload::Workers),

        unsigned64("http-keepalive-requests", "N",
            "Close an HTTP connection after this many requests; 0 is no limit (default).").aliases(&["keepalive-requests"]).reload(Reload::Workers).extra(),

        // What a request may be.
        flag("http-compat",
            "Understand HTTP of old clients: bare LF as line end, folded header lines, blanks in front of the colon, names with _, repeated equal Content-Length, no Host in HTTP/1.1. Never what leaves the end of a message in doubt: different lengths, a length beside Transfer-Encoding, codings that do not end in chunked, faults of chunks, nor any of this in headers that frame or route the message.").reload(Reload::Workers).extra(),
        unsigned64("limit-request-line", "BYTES",
            "Longest request line over HTTP; a longer one is answered with 414 (default 8190, at most buffer-size; 0 is buffer-size).").reload(Reload::Workers).extra(),
        unsigned64("limit-request-fields", "N",
            "Most header lines of a request over HTTP; more are answered with 431 (default 100, at most 32768).").reload(Reload::Workers).extra(),
        unsigned64("limit-request-field-size", "BYTES",
            "Longest header line of a request over HTTP; a longer one is answered with 431 (default 8190, at most buffer-size; 0 is buffer-size).").aliases(&["limit-request-field_size"]).reload(Reload::Workers).extra(),
        unsigned64("http-body-min-rate", "BYTES",
            "Bytes per second that a request body over HTTP must come at, on average, after a grace of ten times socket-timeout; a slower one ends like one that stops (default 240, 0 is no limit).").reload(Reload::Workers).extra(),

        // Times.
        integer("http-timeout", "SECONDS",
            "Longest silence on connections of http sockets: of a client (default: socket-timeout), and of an application, whose client then gets 504 while it runs on (default: no limit).").reload(Reload::Workers),
        integer("http-headers-timeout", "SECONDS",
            "Longest wait for a whole request head on http sockets (default: http-timeout).").reload(Reload::Workers),
        integer("http-connect-timeout", "SECONDS",
            "Longest wait of the router for a connection to a worker (default: http-timeout).")
            .no_effect(IN_WORKERS),

        // Bodies and encodings.
        flag("http-chunked-input",
            "Recognize chunked request bodies and pass them to the application as they are.")
            .no_effect(CHUNKED),
        flag("http-raw-body",
            "Pass everything that follows the head of a request to the application as it is.")
            .no_effect(CHUNKED),
        flag("http-auto-chunked",
            "Send an answer without a length in chunks where the connection is to be kept.")
            .no_effect("answers without a length are always sent chunked to HTTP/1.1 clients"),
        flag("http-auto-gzip",
            "Compress the answers of http sockets that the application marks with the header uWSGI-Encoding: gzip, for clients that accept it.").reload(Reload::Workers),
        unsigned64("http-manage-expect", "BYTES",
            "On http sockets, answer a client that asks by Expect: 100-continue for a body above BYTES with 413. Without a value nothing changes: 100 Continue is always sent.").argument(Argument::Optional).reload(Reload::Workers),
        flag("honour-range",
            "Answer Range requests for files that the server sends with the part that was asked for.").reload(Reload::Workers)
            .no_effect("ranges of static files are always answered"),
        flag("disable-sendfile",
            "Read and write files that are sent instead of using sendfile(2).").reload(Reload::Workers)
            .missing("set wsgi-disable-file-wrapper, so that the application reads its files itself"),
        text("upload-progress", "DIR",
            "Keep a JSON file in this directory for each upload under way, by its X-Progress-ID, that says how far it is.").reload(Reload::Workers)
            .missing("show the progress in the browser (progress events of XMLHttpRequest)"),
        unsigned64("http-post-buffering", "BYTES",
            "Have the router receive bodies of at least BYTES into a file before the application gets the request.").extra()
            .missing("set post-buffering"),
        text("http-post-buffering-dir", "DIR",
            "Directory for the files of http-post-buffering.").extra()
            .missing("set TMPDIR in the server's environment, which post-buffering uses"),

        // WebSockets and other protocols that begin as HTTP.
        flag("http-websockets",
            "Recognize WebSocket handshakes and relay their connections without looking into them.")
            .no_effect(WEBSOCKETS),
        integer("websockets-ping-freq", "SECONDS",
            "A WebSocket whose client was silent for so long is sent a ping (default 30, 0 for none).").aliases(&["websocket-ping-freq"]).reload(Reload::Workers),
        integer("websockets-pong-tolerance", "SECONDS",
            "How long the client of a WebSocket may stay silent after a ping before its connection is closed (default 3).").aliases(&["websocket-pong-tolerance"])
            .reload(Reload::Workers),
        unsigned64("websockets-max-size", "KIBIBYTES",
            "Largest message that is accepted from a WebSocket (default 1024).").aliases(&["websocket-max-size"]).reload(Reload::Workers),
        flag("http-manage-source",
            "Accept the method SOURCE of Icecast, and relay such connections without looking into them.")
            .unsupported("let such clients connect to Icecast itself"),
        flag("http-manage-rtsp",
            "Accept RTSP, and relay such connections without looking into them.")
            .unsupported("let such clients connect to the RTSP server itself"),

        // Clients behind a proxy.
        flag("enable-proxy-protocol",
            "Expect a header of the PROXY protocol, version 1 or 2, at the beginning of each connection to http-socket; it tells who the client is."),
        list("proxy-protocol-from", "PEER[,PEER]",
            "Expect headers of the PROXY protocol only from these addresses and networks (unix stands for unix sockets); others are served as they are. auto-socket takes headers from these, and from nobody else.").extra(),
        list("trusted-proxies", "PEER[,PEER]",
            "Believe X-Forwarded-For, -Proto and -Ssl where these addresses and networks (unix stands for unix sockets) have sent the request, as far back as only they stand in the row; from others these headers are only passed on.").extra()
            .reload(Reload::Workers),
        text("trusted-headers", "x-forwarded|forwarded",
            "The headers that trusted-proxies write: x-forwarded (default), or forwarded for the one of RFC 7239.").extra()
            .reload(Reload::Workers),
        flag("http-enable-proxy-protocol",
            "As enable-proxy-protocol, for the sockets of http.").argument(Argument::Optional),
        list("http-stud-prefix", "ADDRESS",
            "Expect the client's address in binary at the beginning of connections from this proxy (stud).")
            .unsupported(PROXY),

        // What the application gets to see.
        list("http-var", "NAME=VALUE",
            "Give every request of http sockets this variable, in place of a header's where it is called like one.").reload(Reload::Workers),
        flag("http-server-name-as-http-host",
            "Give the application the Host header of requests of http sockets as SERVER_NAME instead of the machine's name.").argument(Argument::Required).reload(Reload::Workers),
        flag("http-path-info-no-decode-slashes",
            "Leave %2F in PATH_INFO of requests of http sockets as it is, so that it differs from a slash.").argument(Argument::Required).reload(Reload::Workers).extra(),
        unsigned64("http-socket-modifier1", "N",
            "First modifier of requests of http-socket; it selects the plugin that answers (default 0, Python).").reload(Reload::Workers),
        unsigned64("http-socket-modifier2", "N",
            "Second modifier of requests of http-socket (default 0).").reload(Reload::Workers),
        integer("http-modifier1", "N",
            "First modifier of requests of http sockets; it selects the plugin that answers (default 0, Python).").reload(Reload::Workers),
        integer("http-modifier2", "N",
            "Second modifier of requests of http sockets (default 0).").reload(Reload::Workers),

        // The router's processes.
        integer("http-processes", "N",
            "Number of router processes (default 1).").aliases(&["http-workers"])
            .no_effect(IN_WORKERS),
        integer("http-events", "N",
            "How many events a router process takes from the kernel at a time (default 64).")
            .no_effect(IN_WORKERS),
        unsigned64("http-buffer-size", "BYTES",
            "Size of the router's buffer for each direction of a connection (default: a page of memory).")
            .no_effect("HTTP is served by the workers themselves; buffer-size bounds the head of a request"),
        integer("http-harakiri", "SECONDS",
            "Replace a router process that is stuck for this long.")
            .no_effect(IN_WORKERS),
        flag("http-quiet",
            "Do not log connections of the router to a worker that fail.").argument(Argument::Required)
            .no_effect(IN_WORKERS),
        flag("http-cheap",
            "Let the router listen only while there is somebody to pass requests to.")
            .no_effect(IN_WORKERS),
        integer("http-gracetime", "SECONDS",
            "Pause before a node of http-to that failed is tried again (default 30).")
            .no_effect(IN_WORKERS),
        text("http-stats", "ADDRESS",
            "Serve statistics of the router as JSON on this address.").aliases(&["http-stats-server", "http-ss"])
            .missing("read the request log, where every request stands"),
        text("http-uid", "USER",
            "User that the router processes run as, by name or number.")
            .unsupported(UNPRIVILEGED),
        text("http-gid", "GROUP",
            "Group that the router processes run as, by name or number.")
            .unsupported(UNPRIVILEGED),

        // Where the router passes requests to.
        optional_text("http-use-socket", "N",
            "Pass requests to this uwsgi socket of the server itself, counted from 0 (default 0).")
            .no_effect("the workers that serve HTTP are those of the server's sockets"),
        list("http-to", "ADDRESS",
            "Pass requests to this uwsgi server; several take turns.")
            .unsupported("leave it out where it names a socket of this server; let nginx pass requests on to others (upstream, uwsgi_pass)"),
        list("http-fallback", "ADDRESS",
            "Pass a request to this uwsgi server where the first choice fails.")
            .unsupported("let nginx do so (backup in upstream)"),
        flag("http-backend-http",
            "Speak HTTP to the servers that requests are passed to, instead of uwsgi.").extra()
            .unsupported(ELSEWHERE),
        text("http-use-base", "DIR",
            "Pass a request to the unix socket in this directory that is named like its host.")
            .unsupported(ELSEWHERE),
        text("http-use-pattern", "PATTERN",
            "Pass a request to the unix socket of this path, in which %s stands for the host.")
            .unsupported(ELSEWHERE),
        optional_text("http-use-cache", "CACHE",
            "Look up in this cache, by the host, the server that a request is passed to.")
            .unsupported(ELSEWHERE),
        text("http-use-code-string", "MODIFIER:FILE:FUNCTION",
            "Ask a function of the application, with the host, for the server that a request is passed to.")
            .unsupported(ELSEWHERE),
        list("http-subscription-server", "ADDRESS",
            "Listen on this address for servers that subscribe to the requests of a host, and pass them those.")
            .unsupported("list the servers in the front end (upstream in nginx)"),
        text("http-subscription-fallback-key", "HOST",
            "Pass requests for a host that nobody has subscribed to to the subscribers of this one.")
            .unsupported("name the server for all other hosts in the front end (default_server in nginx)"),
        list("http-resubscribe", "ADDRESS",
            "Pass the subscriptions of others on to this subscription server.")
            .unsupported("list the servers in the front end (upstream in nginx)"),
        text("http-zerg", "PATH",
            "Get the router's sockets from the zerg server at this unix socket.")
            .unsupported("give the address to http-socket"),

        // Headers of answers.
        list("add-header", "NAME: VALUE",
            "Add this header to the answer of every request, behind the application's own; the server's own, such as Connection, stay as they are.")
            .reload(Reload::Workers),
        flag("request-id",
            "Give every request an id: HTTP_X_REQUEST_ID for the application, X-Request-Id in the answer. One that a front end or a trusted proxy has given stays. Errors of the server always have one.").extra()
            .reload(Reload::Workers),
        list("del-header", "NAME",
            "Take a header out of every answer.").aliases(&["rem-header"])
            .unsupported("take it out in the front end (uwsgi_hide_header or proxy_hide_header in nginx) or in the application"),
        list("collect-header", "NAME VARIABLE",
            "Copy a header of the answer to a request variable, where routing rules and the log can see it.").aliases(&["response-header-collect"])
            .missing("no routing rule or log format could use the variable; log the header in the front end"),
        list("pull-header", "NAME VARIABLE",
            "As collect-header, but the client does not get the header.")
            .unsupported("hide it in the front end (uwsgi_hide_header or proxy_hide_header in nginx); nothing here could use the variable"),
        integer("response-headers-limit", "BYTES",
            "Largest head of an answer; a request whose answer has a larger one gets none (default 65535).")
            .no_effect("the head of an answer may have any length"),
    ],
);
