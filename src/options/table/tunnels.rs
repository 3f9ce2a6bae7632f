//! Routers of terminals and of network packets: pty, forkpty, tuntap.

use uwsgi_plugin_api::option::{chapter, flag, integer, list, optional_text, text, unsigned16};
use uwsgi_plugin_api::{OptionRow, Section};

const SHELLS: &str = "give access to shells with sshd";
const SHELLS_NONE: &str = "there is no forkptyrouter; give access to shells with sshd";
const TERMINAL: &str =
    "to debug in a terminal, run the server in the foreground, for instance in tmux or screen";
const VPN: &str = "connect the machines with WireGuard or OpenVPN";
const VPN_FILTER: &str = "connect the machines with WireGuard or OpenVPN, and filter and route with nftables and ip route";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Gateways,
    [
        // The terminal of a running server.
        text("pty-socket", "ADDRESS",
            "Give the server's standard input and output a pseudo terminal that pty-connect reaches at this address.").extra()
            .missing(TERMINAL),
        flag("pty-log",
            "Write what goes to the pseudo terminal of pty-socket to the log too.").extra()
            .missing(TERMINAL),
        flag("pty-input",
            "Read the server's own standard input besides the pseudo terminal of pty-socket.").extra()
            .missing(TERMINAL),
        text("pty-exec", "COMMAND",
            "Run this command in the pseudo terminal of pty-socket as soon as there is one.").extra()
            .missing(TERMINAL),
        text("pty-connect", "ADDRESS",
            "Start no server, but connect this terminal to the pty-socket or forkptyrouter at this address.").extra()
            .unsupported("connect with ssh"),
        text("pty-uconnect", "ADDRESS",
            "As pty-connect, but through a router of the uwsgi protocol (forkptyurouter).").extra()
            .unsupported("connect with ssh"),
        flag("pty-no-isig",
            "Have pty-connect pass Ctrl-C and its like on instead of being interrupted by them.").extra()
            .missing("there is no pty-connect; ssh passes them on by itself"),

        // A shell for each connection.
        list("forkptyrouter", "ADDRESS",
            "Start a router that runs a command in a new pseudo terminal for each connection to this address.").aliases(&["forkpty-router"]).extra()
            .unsupported(SHELLS),
        list("forkptyurouter", "ADDRESS",
            "As forkptyrouter, but it speaks the uwsgi protocol, so that the client can set the terminal's size.").aliases(&["forkpty-urouter"]).extra()
            .unsupported(SHELLS),
        text("forkptyrouter-command", "COMMAND",
            "What forkptyrouter runs for each connection (default /bin/sh).")
            .aliases(&["forkpty-router-command", "forkptyrouter-cmd", "forkpty-router-cmd"]).extra()
            .missing(SHELLS_NONE),
        unsigned16("forkptyrouter-rows", "N",
            "Rows of the pseudo terminals of forkptyrouter.").extra()
            .missing(SHELLS_NONE),
        unsigned16("forkptyrouter-cols", "N",
            "Columns of the pseudo terminals of forkptyrouter.").extra()
            .missing(SHELLS_NONE),
        integer("forkptyrouter-processes", "N",
            "Number of forkptyrouter processes (default 1).").aliases(&["forkptyrouter-workers"]).extra()
            .missing(SHELLS_NONE),
        integer("forkptyrouter-events", "N",
            "How many events a forkptyrouter process takes from the kernel at a time (default 64).").extra()
            .missing(SHELLS_NONE),
        integer("forkptyrouter-timeout", "SECONDS",
            "Longest silence on a connection before forkptyrouter closes it.").extra()
            .missing(SHELLS_NONE),
        list("forkptyrouter-fallback", "ADDRESS",
            "Node that forkptyrouter turns to where the first choice fails.").extra()
            .missing(SHELLS_NONE),
        integer("forkptyrouter-harakiri", "SECONDS",
            "Replace a forkptyrouter process that is stuck for this long.").extra()
            .missing(SHELLS_NONE),
        flag("forkptyrouter-cheap",
            "Run forkptyrouter in cheap mode: it listens only while it has somebody to connect clients to.").extra()
            .missing(SHELLS_NONE),
        text("forkptyrouter-stats", "ADDRESS",
            "Serve statistics of forkptyrouter as JSON on this address.").aliases(&["forkptyrouter-stats-server", "forkptyrouter-ss"]).extra()
            .missing(SHELLS_NONE),
        text("forkptyrouter-zerg", "PATH",
            "Get the sockets of forkptyrouter from the zerg server at this unix socket.").extra()
            .unsupported(SHELLS_NONE),

        // Network packets between namespaces.
        list("tuntap-router", "DEVICE SOCKET [STATS] [GATEWAY]",
            "Create a tun device and route IP packets between it and the servers that connect to this unix socket.").extra()
            .unsupported(VPN),
        list("tuntap-device", "DEVICE [SOCKET]",
            "Create a tun device and pass its packets to and from the tuntap-router at this unix socket.").extra()
            .unsupported(VPN),
        list("tuntap-device-rule", "in|out SRC/MASK DST/MASK ACTION [TARGET]",
            "Allow, deny or redirect packets of a device of tuntap-device; the first rule that matches counts.").extra()
            .unsupported(VPN_FILTER),
        list("tuntap-router-firewall-in", "allow|deny SRC/MASK DST/MASK",
            "Allow or deny packets that tuntap-router receives from its device.").extra()
            .unsupported(VPN_FILTER),
        list("tuntap-router-firewall-out", "allow|deny SRC/MASK DST/MASK",
            "Allow or deny packets that tuntap-router sends out on its device.").extra()
            .unsupported(VPN_FILTER),
        list("tuntap-router-route", "SRC/MASK DST/MASK GATEWAY",
            "Have tuntap-router pass packets between these networks through a gateway.").extra()
            .unsupported(VPN_FILTER),
        optional_text("tuntap-use-credentials", "PLUGIN",
            "Have tuntap-router check the process, user and group of those who connect to its unix socket.").extra()
            .unsupported(VPN),
        text("tuntap-router-stats", "ADDRESS",
            "Serve statistics of tuntap-router as JSON on this address.").extra()
            .missing("there is no tuntap-router; read the counters of the interface (ip -s link)"),
    ],
);
