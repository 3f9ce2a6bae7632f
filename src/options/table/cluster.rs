//! Instances that know of each other in ways that are not here: subscriptions to routers, legions. Clusters have a plugin.

use uwsgi_plugin_api::option::{
    chapter, flag, integer, key_values, list, text, unsigned16, unsigned64,
};
use uwsgi_plugin_api::{Argument, OptionRow, Section};

const SUBSCRIBE: &str =
    "name the instance's address in the front end (nginx: upstream with server lines)";
const WEIGHT: &str = "set the weight in the front end (nginx: server ADDRESS weight=N)";
const ROUTER: &str = "there is no router that takes subscriptions; list the instances in the front end (nginx: upstream)";
const BALANCING: &str =
    "choose the method in the front end (nginx: least_conn, hash or ip_hash in upstream)";
const TRUST: &str = "there is no router that takes subscriptions; the front end's list of instances is what it trusts";
const CLUSTER_ROUTER: &str = "there is no router that spreads requests over the nodes of a cluster; list them in the front end (uwsgi cluster best --all names \
     them), or ask uwsgi.cluster_best_node()";
const LEGION: &str =
    "let keepalived or a cluster manager such as Pacemaker watch the nodes and choose the master";
const LEGION_HOOK: &str =
    "let keepalived (notify_master, notify_backup) or Pacemaker run the action";
const LEGION_TUNING: &str = "there are no legions; keepalived and Pacemaker have such settings";
const LEGION_JOB: &str =
    "run it by the cluster manager (a resource of Pacemaker), on the node that it chooses";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Cluster,
    [
        list("subscribe-to", "SERVER:KEY[:ALGORITHM:FILE]",
            "Announce this instance to a subscription server (a router) for this key, mostly a host name.").aliases(&["st", "subscribe"]).implies(&["master"])
            .unsupported(SUBSCRIBE),
        key_values("subscribe2", "KEY=VALUE,...",
            "As subscribe-to, with more to say: server, key, socket, addr, weight, modifier1, sign, check, SNI files.").implies(&["master"])
            .unsupported(SUBSCRIBE),
        integer("subscribe-freq", "SECONDS",
            "Time between two announcements (default 10).")
            .missing(SUBSCRIBE),
        text("subscribe-with-modifier1", "N",
            "The modifier1 that routers shall send with requests to this instance.").implies(&["master"])
            .missing("set it in the front end (nginx: uwsgi_modifier1)"),
        flag("start-unsubscribed",
            "Announce nothing until told to, for instance by the master's FIFO.")
            .missing("take the instance out of the front end (nginx: server ADDRESS down)"),
        flag("unsubscribe-on-graceful-reload",
            "Take the announcement back before a graceful reload too.")
            .missing("clients wait through a reload, so that the instance may stay in the front end"),
        flag("subscription-clear-on-shutdown",
            "At the end clear the announcement instead of taking it back (uWSGI 2.1).").extra()
            .missing(SUBSCRIBE),
        unsigned64("weight", "N",
            "Share of the requests that a router gives to this instance (default 1).")
            .missing(WEIGHT),
        flag("auto-weight",
            "Make the number of workers and threads the weight.").argument(Argument::Required)
            .missing(WEIGHT),

        text("subscription-algo", "NAME",
            "How a router chooses among the instances of a key: wrr (default), lrc, wlrc.")
            .missing(BALANCING),
        flag("subscription-dotsplit",
            "Let a router look for a key without its first part (b.c for a.b.c) where a key is not known.")
            .missing("name the hosts with a wildcard in the front end (nginx: server_name *.b.c)"),
        integer("subscription-mountpoint", "N",
            "How many parts of the path a router adds to the host name to make a key (uWSGI 2.1).").aliases(&["subscription-mountpoints"]).implies(&["master"]).extra()
            .missing(ROUTER),
        integer("subscription-tolerance", "SECONDS",
            "A router forgets an instance that was silent for so long (default 17).")
            .missing(ROUTER),
        integer("subscription-tolerance-inactive", "SECONDS",
            "How long a router keeps an inactive instance that was silent (uWSGI 2.1).").extra()
            .missing(ROUTER),
        flag("subscription-vassal-required",
            "Refuse announcements that do not name their vassal (uWSGI 2.1).").implies(&["master"]).extra()
            .unsupported(TRUST),
        text("subscriptions-sign-check", "ALGORITHM:DIR",
            "Accept only signed announcements; the directory holds the public keys, by subscription key.").implies(&["master"])
            .unsupported(TRUST),
        integer("subscriptions-sign-check-tolerance", "SECONDS",
            "Largest age of a signed announcement (default 86400, a day).").implies(&["master"])
            .missing(ROUTER),
        list("subscriptions-sign-skip-uid", "UID",
            "Accept unsigned announcements of this user over unix sockets.").implies(&["master"])
            .missing(ROUTER),
        flag("subscriptions-use-credentials",
            "Look at the user and group that announcements over unix sockets come from.")
            .unsupported(TRUST),
        list("subscriptions-credentials-check", "DIR",
            "Directory that says for each key which user and group may announce it.").implies(&["master"])
            .unsupported(TRUST),

        text("http-use-cluster", "GROUP:PORT",
            "Have the HTTP router of uWSGI 0.9.8 to 1.4 send requests to the nodes of this cluster.").extra()
            .unsupported(CLUSTER_ROUTER),
        text("fastrouter-use-cluster", "GROUP:PORT",
            "The same for its fast router.").extra()
            .unsupported(CLUSTER_ROUTER),
        text("rawrouter-use-cluster", "GROUP:PORT",
            "The same for its raw router.").extra()
            .unsupported(CLUSTER_ROUTER),

        list("legion", "NAME ADDRESS VALOR ALGORITHM:SECRET",
            "Join a legion: a group of instances that elects the one with the highest valor as its lord.").implies(&["master"])
            .unsupported(LEGION),
        list("legion-mcast", "NAME ADDRESS VALOR ALGORITHM:SECRET",
            "As legion, with a multicast address that all members share.").implies(&["master"])
            .unsupported(LEGION),
        list("legion-node", "NAME ADDRESS",
            "Address of another member of a legion.").implies(&["master"])
            .missing(LEGION),
        list("legion-quorum", "NAME N",
            "How many votes a legion needs before it elects a lord.").implies(&["master"])
            .missing(LEGION),
        list("legion-lord", "NAME ACTION",
            "Run this hook action when this instance becomes lord, for instance to take over an address.").implies(&["master"])
            .unsupported(LEGION_HOOK),
        list("legion-unlord", "NAME ACTION",
            "Run this hook action when this instance is lord no longer.").implies(&["master"])
            .unsupported(LEGION_HOOK),
        list("legion-setup", "NAME ACTION",
            "Run this hook action when the legion is set up, at start.").implies(&["master"])
            .missing(LEGION_HOOK),
        list("legion-death", "NAME ACTION",
            "Run this hook action when this instance ends.").implies(&["master"])
            .missing(LEGION_HOOK),
        list("legion-join", "NAME ACTION",
            "Run this hook action when the legion has its quorum for the first time.").implies(&["master"])
            .missing(LEGION_HOOK),
        list("legion-node-joined", "NAME ACTION",
            "Run this hook action when another member joins.").implies(&["master"])
            .missing(LEGION_HOOK),
        list("legion-node-left", "NAME ACTION",
            "Run this hook action when another member leaves.").implies(&["master"])
            .missing(LEGION_HOOK),
        integer("legion-death-on-lord-error", "SECONDS",
            "Take part as a dead member for so long where an action of legion-lord fails.").implies(&["master"])
            .missing(LEGION_TUNING),
        integer("legion-freq", "SECONDS",
            "Time between two packets to the other members.").implies(&["master"])
            .missing(LEGION_TUNING),
        integer("legion-tolerance", "SECONDS",
            "A member that was silent for so long counts as dead.").implies(&["master"])
            .missing(LEGION_TUNING),
        integer("legion-skew-tolerance", "SECONDS",
            "How far the clocks of members may differ (default 60).").implies(&["master"])
            .missing(LEGION_TUNING),
        list("legion-scroll", "NAME TEXT",
            "Text that this member tells the others, for the application to read.").implies(&["master"])
            .missing("pass the text to the application as an environment variable, or keep it in etcd or Consul"),
        unsigned16("legion-scroll-max-size", "BYTES",
            "Largest scroll of a single member.")
            .missing(LEGION_TUNING),
        unsigned64("legion-scroll-list-max-size", "BYTES",
            "Largest list of the scrolls of all members.")
            .missing(LEGION_TUNING),
        list("legion-attach-daemon", "NAME COMMAND",
            "As attach-daemon, only while this instance is the legion's lord.").implies(&["master"])
            .missing(LEGION_JOB),
        list("legion-smart-attach-daemon", "NAME PIDFILE COMMAND",
            "As smart-attach-daemon, only while this instance is the legion's lord.").implies(&["master"])
            .missing(LEGION_JOB),
        list("legion-smart-attach-daemon2", "NAME PIDFILE COMMAND",
            "As smart-attach-daemon2, only while this instance is the legion's lord.").implies(&["master"])
            .missing(LEGION_JOB),
    ],
);
