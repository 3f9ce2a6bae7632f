//! Options of a node.

use uwsgi_plugin_api::option::{chapter, flag, integer, list, text};
use uwsgi_plugin_api::{OptionRow, Section};

/// The group that is joined.
pub const CLUSTER: &str = "cluster";
/// The group that is only looked at.
pub const NODES: &str = "cluster-nodes";
/// Commands: a reload, a line of the log.
pub const RELOAD: &str = "cluster-reload";
/// See [`RELOAD`].
pub const LOG: &str = "cluster-log";
/// Port of the node's own.
pub const PORT: &str = "cluster-port";
/// Interface by name or address.
pub const INTERFACE: &str = "cluster-interface";
/// Routers that datagrams may pass.
pub const TTL: &str = "cluster-ttl";
/// What signs.
pub const SECRET: &str = "cluster-secret";
/// A file of it.
pub const SECRET_FILE: &str = "cluster-secret-file";
/// The old protocol.
pub const COMPAT: &str = "cluster-compat";
/// Others where no multicast goes.
pub const SEED: &str = "cluster-seed";
/// Fewer votes make no leader.
pub const QUORUM: &str = "cluster-quorum";
/// What is to be known after a restart.
pub const STATE: &str = "cluster-state";
/// Where crons run.
pub const CRON: &str = "cluster-cron";
/// When who is down loses its vote.
pub const FORGET: &str = "cluster-forget";
/// How far clocks may differ.
pub const SKEW: &str = "cluster-clock-tolerance";
/// Where the secret is looked for where nothing is said.
pub const SECRET_FILE_DEFAULT: &str = "/etc/uwsgi/cluster-secret";

/// All of them.
#[rustfmt::skip] // a table
pub const ROWS: &[OptionRow] = &chapter(
    Section::Cluster,
    [
        text(CLUSTER, "GROUP:PORT",
            "Join the cluster of this multicast group (225.1.1.1:1717, [ff15::1]:1717; :1717 is broadcast). Where nothing else is configured, \
             the configuration comes from the other nodes.").implies(&["master"]).extra(),
        text(NODES, "GROUP:PORT",
            "Know the nodes of this cluster without being one: no requests, no vote, no configuration.").implies(&["master"]).extra(),
        text(RELOAD, "GROUP:PORT",
            "Have all nodes of this cluster reload one after the other, and end.").immediate().extra(),
        text(LOG, "GROUP:PORT",
            "Send standard input to the log of each node of this cluster, and end.").immediate().extra(),
        integer(PORT, "PORT",
            "UDP port at which other nodes reach this one (default: the group's, or any where that is taken).").extra(),
        text(INTERFACE, "NAME|ADDRESS",
            "Interface of the cluster, by name or address (default: where the route to the group leads).").extra(),
        integer(TTL, "N",
            "How many routers datagrams to the group may pass (default 1: none).").extra(),
        list(SECRET, "SECRET",
            "What messages are signed and sealed with; all nodes have the same. More than one: the first is used, all are accepted. \
             Without one there is no cluster, but with cluster-compat.").extra(),
        text(SECRET_FILE, "FILE",
            "Read the secret from this file, a line each (default /etc/uwsgi/cluster-secret where it is there).").extra(),
        flag(COMPAT,
            "Speak the bare protocol of uWSGI 0.9.8 to 1.4: everybody who reaches the port reads the configuration and reloads the nodes.").extra(),
        list(SEED, "HOST[:PORT]",
            "A node that is reached without multicast; some of the cluster's nodes are enough.").extra(),
        integer(QUORUM, "N",
            "Fewer votes than this never make a leader (default: more than half of the nodes).").extra(),
        text(STATE, "FILE",
            "Keep here who has a vote, so that a node which is started alone does not take itself for the cluster.").extra(),
        text(CRON, "leader|every",
            "Where crons of a cluster run: on its leader alone (default), or on every node.").extra(),
        integer(FORGET, "SECONDS",
            "A node that is down for so long loses its vote (default 3600).").extra(),
        integer(SKEW, "SECONDS",
            "How far the clocks of nodes may differ (default 60).").extra(),
    ],
);
