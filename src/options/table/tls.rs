//! TLS: sockets, certificates, sessions.

use uwsgi_plugin_api::option::{
    chapter, flag, integer, key_values, list, optional_text, text, unsigned64,
};
use uwsgi_plugin_api::{Argument, OptionRow, Section};

const FRONT_END: &str = "let a front end such as nginx do TLS";
const THERE: &str = "let a front end such as nginx do TLS, and set it there";
const CERTIFICATES: &str =
    "let a front end such as nginx do TLS, with a server block for each name (ssl_certificate)";
const SESSIONS: &str = "let a front end such as nginx do TLS, and keep sessions there (ssl_session_cache, ssl_session_timeout)";
const VERSIONS: &str =
    "let a front end such as nginx do TLS, and choose the versions there (ssl_protocols)";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Tls,
    [
        list("https", "ADDRESS,CERT,KEY[,CIPHERS[,CLIENT_CA]]",
            "Start a router process that listens for HTTPS and passes requests to the workers.")
            .unsupported(FRONT_END),
        key_values("https2", "addr=ADDRESS,cert=FILE,key=FILE",
            "As https, written as keys and values; also ciphers and client_ca.")
            .unsupported(FRONT_END),
        list("https-socket", "ADDRESS,CERT,KEY[,CIPHERS[,CLIENT_CA]]",
            "Listen for HTTPS in the workers, without a router process.")
            .unsupported(FRONT_END),
        unsigned64("https-socket-modifier1", "N",
            "First modifier of requests of https-socket; it selects the plugin that answers (default 0).")
            .missing(FRONT_END),
        unsigned64("https-socket-modifier2", "N",
            "Second modifier of requests of https-socket (default 0).")
            .missing(FRONT_END),
        list("suwsgi-socket", "ADDRESS,CERT,KEY[,CIPHERS[,CLIENT_CA]]",
            "Listen for the uwsgi protocol inside TLS.").aliases(&["ssl-socket"])
            .unsupported("listen with socket on a private network or behind a tunnel (stunnel, WireGuard)"),
        list("http-to-https", "ADDRESS",
            "Listen for HTTP and answer every request with a redirect to its HTTPS address.")
            .unsupported("let the front end redirect (return 301 https://$host$request_uri in nginx)"),

        // Certificates.
        list("sni", "NAME CERT,KEY[,CIPHERS[,CLIENT_CA]]",
            "Certificate and key for clients that ask for this host name.")
            .unsupported(CERTIFICATES),
        list("sni-regexp", "REGEX CERT,KEY[,CIPHERS[,CLIENT_CA]]",
            "As sni, for all host names that match a regular expression.")
            .unsupported(CERTIFICATES),
        text("sni-dir", "DIR",
            "Directory in which the certificate and key of a host name are looked up when a client first asks for it.")
            .unsupported(CERTIFICATES),
        text("sni-dir-ciphers", "CIPHERS",
            "Ciphers for the certificates of sni-dir, as an OpenSSL cipher list.")
            .missing("let a front end such as nginx do TLS, and choose the ciphers there (ssl_ciphers)"),
        integer("ssl-verify-depth", "N",
            "Longest chain of certificates that is accepted from a client.").argument(Argument::Optional)
            .missing("let a front end such as nginx do TLS, and set it there (ssl_verify_depth)"),
        flag("https-export-cert",
            "Pass the client's certificate to the application as HTTPS_CC.")
            .unsupported("pass it from the front end (uwsgi_param HTTPS_CC $ssl_client_raw_cert in nginx)"),

        // Sessions, versions, details.
        text("https-session-context", "NAME",
            "Session id context of HTTPS sockets; sessions are only resumed within the same one.")
            .missing(SESSIONS),
        optional_text("ssl-sessions-use-cache", "CACHE",
            "Keep TLS sessions in this cache, shared by all processes.").aliases(&["ssl-session-use-cache"]).implies(&["master"]).extra()
            .missing(SESSIONS),
        integer("ssl-sessions-timeout", "SECONDS",
            "How long a TLS session stays in the cache of ssl-sessions-use-cache (default 300).").aliases(&["ssl-session-timeout"]).extra()
            .missing(SESSIONS),
        flag("ssl-enable-sslv3",
            "Accept SSL 3.0, which is broken and otherwise refused.").aliases(&["ssl-enable3"])
            .missing(VERSIONS),
        flag("ssl-enable-tlsv1",
            "Accept TLS 1.0, which is outdated and otherwise refused.")
            .missing(VERSIONS),
        list("ssl-option", "N",
            "Set a further option of OpenSSL by its number. The value can only be set in a file.").argument(Argument::None)
            .missing(THERE),
        text("ssl-tmp-dir", "DIR",
            "Directory for certificates and keys that have to be written to a file for OpenSSL.")
            .no_effect("no such files are written"),
        flag("ssl-verbose",
            "Log failures of TLS connections with their reason.")
            .missing(THERE),
    ],
);
