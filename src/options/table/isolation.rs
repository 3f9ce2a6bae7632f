//! Users and groups, limits that the kernel keeps, namespaces, jails, control groups, PAM sessions.

use uwsgi_plugin_api::option::{chapter, flag, integer, list, megabytes, signed_integer, text};
use uwsgi_plugin_api::{Argument, OptionRow, Section};

const EARLY_DROP: &str = "uid and gid take effect before applications are loaded; what they read must be readable by that user";
const ROOT: &str =
    "let systemd set the root directory (RootDirectory=), or run the server in a container";
const JOIN: &str =
    "start the server in the namespace by nsenter(1), or JoinsNamespaceOf= of systemd";
const OFFER: &str = "let nsenter(1) take the namespaces of the process from /proc";
const NO_NAMESPACE: &str = "namespace and setns are not supported";
const JAIL: &str = "start the server in the jail by jail(8) or jexec(8)";
const CGROUP: &str = "let systemd set limits and the control group (MemoryMax=, CPUQuota=, Slice=)";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Isolation,
    [
        text("uid", "USER",
            "User to run as, by name or number; needs root."),
        text("gid", "GROUP",
            "Group to run as, by name or number; needs root."),
        list("add-gid", "GROUP",
            "Be a member of this group too, by name or number; needs root."),
        flag("no-initgroups",
            "Do not take the further groups of the user of uid."),
        text("immediate-uid", "USER",
            "Become this user at once, before the options behind it are read; needs root.").immediate()
            .unsupported("use uid, or User= of systemd"),
        text("immediate-gid", "GROUP",
            "Take this group at once, before the options behind it are read; needs root.").immediate()
            .unsupported("use gid, or Group= of systemd"),
        flag("drop-after-init",
            "Let uid and gid take effect only when the plugins are ready.")
            .missing(EARLY_DROP),
        flag("drop-after-apps",
            "Let uid and gid take effect only when the applications are loaded.")
            .missing(EARLY_DROP),
        flag("master-as-root",
            "Let uid and gid take effect in the workers only; the master goes on as root.")
            .missing("the master takes uid and gid too; do what needs root before the start, for instance by ExecStartPre=+ of systemd"),
        megabytes("limit-as", "MEBIBYTES",
            "Largest address space of each process (RLIMIT_AS)."),
        integer("limit-nproc", "N",
            "Largest number of processes of the user (RLIMIT_NPROC)."),
        integer("max-fd", "N",
            "Largest number of open descriptors of each process (RLIMIT_NOFILE); to raise it needs root."),
        signed_integer("prio", "N",
            "Priority of the processes, from -20 (first) to 20; negative ones need root."),
        integer("cpu-affinity", "N",
            "Bind each worker to N of the processors that the server may use, one worker after the other."),
        integer("ksm", "N",
            "Offer memory to the kernel for merging equal pages (KSM), every N requests (default 10).").argument(Argument::Optional)
            .missing("workers share what was loaded before the fork (without lazy-apps); MemoryKSM= of systemd switches merging on"),
        text("chroot", "DIR",
            "Make this directory the root of the file system; needs root."),
        text("pivot-root", "NEW OLD",
            "Exchange the root of the file system by pivot_root: NEW becomes the root, the old one is found at OLD.").aliases(&["pivot_root"]),
        text("cap", "NAME[,NAME]",
            "Keep these Linux capabilities (setgid, net_bind_service, ...) and no others of root's rights, also when uid takes effect.").extra(),
        list("cgroup", "DIR",
            "Put the processes into this control group, which is made where it is not there.")
            .unsupported(CGROUP),
        list("cgroup-opt", "NAME=VALUE",
            "Set a value of the control group.")
            .unsupported(CGROUP),
        text("cgroup-dir-mode", "MODE",
            "Mode of the directory of the control group, octal (default 700).")
            .no_effect("the server makes no control groups"),
        text("unshare", "NAME[,NAME]",
            "Leave these namespaces of the kernel for new ones (mount, net, ipc, uts, user, cgroup, pid); pid needs refork-as-root."),
        text("unshare2", "NAME[,NAME]",
            "As unshare, but when chroot and pivot-root took effect."),
        text("namespace", "DIR",
            "Run in namespaces of its own, with this directory as the root of the file system.").aliases(&["ns"])
            .unsupported(ROOT),
        list("namespace-keep-mount", "DIR[:TARGET]",
            "Keep this mount in the namespace of namespace; all others are undone.")
            .no_effect(NO_NAMESPACE),
        text("namespace-net", "NAME",
            "Give the instance of namespace a network of its own.").aliases(&["ns-net"])
            .unsupported("use PrivateNetwork= or NetworkNamespacePath= of systemd, or run the server in a container"),
        text("setns", "PATH",
            "Join the namespaces of another instance, given by its setns-socket or by a directory like /proc/PID/ns.")
            .unsupported(JOIN),
        flag("setns-preopen",
            "Open the descriptors of the namespaces at the start, before /proc may become unreachable.")
            .no_effect(NO_NAMESPACE),
        text("setns-socket", "SOCKET",
            "Hand the namespaces of this instance to others that connect to this unix socket.").implies(&["master"])
            .missing(OFFER),
        list("setns-socket-skip", "NAME",
            "Do not hand out this namespace at setns-socket.").aliases(&["setns-skip"])
            .missing(OFFER),
        flag("refork",
            "Fork once more after uid and gid took effect, so that a new pid namespace is entered.").aliases(&["re-fork"]),
        flag("refork-as-root",
            "Fork once more before uid and gid take effect.").aliases(&["re-fork-as-root"]),
        flag("refork-post-jail",
            "Fork once more when namespaces were left by unshare.").aliases(&["re-fork-post-jail"]),
        flag("jailed",
            "Say that the server is in a jail already, so that the post-jail hooks run without unshare."),
        text("jail", "DIR",
            "Enter a FreeBSD jail with this root directory.").extra()
            .unsupported(JAIL),
        list("jail2", "NAME=VALUE",
            "Enter a FreeBSD jail made by jail_set with this parameter.").extra()
            .unsupported(JAIL),
        list("libjail", "NAME=VALUE",
            "Enter a FreeBSD jail made by libjail with this parameter.").extra()
            .unsupported(JAIL),
        text("jail-attach", "NAME",
            "Enter a FreeBSD jail that is there, by name or number.").extra()
            .unsupported(JAIL),
        list("jail-ip4", "ADDRESS",
            "IPv4 address of the FreeBSD jail.").extra()
            .missing(JAIL),
        list("jail-ip6", "ADDRESS",
            "IPv6 address of the FreeBSD jail.").extra()
            .missing(JAIL),
        text("jidfile", "FILE",
            "Write the number of the FreeBSD jail to this file.").aliases(&["jid-file"]).extra()
            .missing(JAIL),

        // PAM sessions.
        text("pam", "SERVICE",
            "Open a session of this PAM service for the user before privileges are dropped.").extra()
            .unsupported("let systemd open the session (PAMName= and User= in the service)"),
        text("pam-user", "USER",
            "User that the session of pam is for, where it is not that of uid.").extra()
            .unsupported("let systemd open the session (PAMName= and User= in the service)"),
    ],
);
