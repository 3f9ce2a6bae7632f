//! Actions of the configuration at moments of the server's life: hooks, commands, C functions, mounts, waiting.

use uwsgi_plugin_api::Reload::Workers;
use uwsgi_plugin_api::option::{chapter, integer, list};
use uwsgi_plugin_api::{OptionRow, Section};

const EMPEROR: &str = "there is no Emperor; start each instance by a systemd unit of its own (uwsgi@.service) that runs the command";
const VASSAL: &str = "there is no Emperor to talk to; use ExecStartPre=, ExecReload= and ExecStop= of the systemd unit";
const NO_C: &str =
    "no C functions are called; do the work in the application, or before the server starts";
const NO_C_EXIT: &str = "no C functions are called; use atexit in the application";
const NO_C_EMPEROR: &str = "no C functions are called, and there is no Emperor; start each instance by a systemd unit of its own";
const VASSAL_MOUNT: &str = "there is no Emperor; let the systemd unit of each instance do its mounts (BindPaths=, PrivateMounts=)";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Hooks,
    [
        list("hook-asap", "ACTION",
            "Do this (exec:COMMAND, mkdir:DIR, write:FILE TEXT, ...) as soon as the options are read."),
        list("hook-pre-jail", "ACTION",
            "Do this before namespaces are left by unshare or another root is entered."),
        list("hook-post-jail", "ACTION",
            "Do this when namespaces were left by unshare; chroot and pivot-root follow."),
        list("hook-in-jail", "ACTION",
            "Do this in the new namespaces, before hook-post-jail; also where none were asked for."),
        list("hook-as-root", "ACTION",
            "Do this as root, before uid and gid take effect."),
        list("hook-as-user", "ACTION",
            "Do this when uid and gid took effect."),
        list("hook-as-user-atexit", "ACTION",
            "Do this in the master when the instance stops; not at a reload, whose next workers serve by then."),
        list("hook-pre-app", "ACTION",
            "Do this before the applications are loaded."),
        list("hook-post-app", "ACTION",
            "Do this when the applications were loaded, before workers are forked."),
        list("hook-post-fork", "ACTION",
            "Do this in each worker when it was forked.").reload(Workers),
        list("hook-accepting", "ACTION",
            "Do this in each worker when it begins to accept connections.").reload(Workers),
        list("hook-accepting-once", "ACTION",
            "As hook-accepting, but only in the first life of each worker.").reload(Workers),
        list("hook-accepting1", "ACTION",
            "Do this in worker 1 when it begins to accept connections.").reload(Workers),
        list("hook-accepting1-once", "ACTION",
            "As hook-accepting1, but only in the first life of worker 1.").reload(Workers),
        list("hook-master-start", "ACTION",
            "Do this in the master when it begins its work; unix_signal:15 gracefully_kill_them_all makes SIGTERM a graceful stop."),
        list("hook-touch", "FILE ACTION",
            "Do this in the master when the file changes; a command does not keep the master waiting."),
        list("hook-as-mule", "ACTION",
            "Do this in each mule when it starts.")
            .no_effect("there are no mules"),
        list("hook-as-gateway", "ACTION",
            "Do this in each gateway, such as the HTTP router, when it starts.")
            .no_effect("there are no gateway processes; the workers serve HTTP themselves"),
        list("hook-emperor-start", "ACTION",
            "Do this when the Emperor starts.")
            .missing(EMPEROR),
        list("hook-emperor-stop", "ACTION",
            "Do this when the Emperor tells this instance to stop.")
            .missing(VASSAL),
        list("hook-emperor-reload", "ACTION",
            "Do this when the Emperor tells this instance to reload.")
            .missing(VASSAL),
        list("hook-emperor-lost", "ACTION",
            "Do this when the connection to the Emperor is lost.")
            .missing(VASSAL),
        list("hook-as-vassal", "ACTION",
            "Do this in the process of a new vassal, before the server is executed there.")
            .missing(EMPEROR),
        list("hook-as-vassal-before-drop", "ACTION",
            "Do this in the process of a new vassal, before it gives up root's rights.").extra()
            .missing(EMPEROR),
        list("hook-as-emperor", "ACTION",
            "Do this in the Emperor when a vassal was started.")
            .missing(EMPEROR),
        list("hook-as-emperor-before-vassal", "ACTION",
            "Do this in the Emperor before a vassal is started.").extra()
            .missing(EMPEROR),
        list("hook-as-emperor-setns", "ACTION",
            "Do this in the Emperor when it entered the namespace of a vassal.").extra()
            .missing(EMPEROR),
        list("hook-as-on-demand-vassal", "ACTION",
            "Do this when a vassal begins to wait for its first connection.").extra()
            .missing(EMPEROR),
        list("hook-as-on-config-vassal", "ACTION",
            "Do this when the configuration of a vassal changed that waits for its first connection.").extra()
            .missing(EMPEROR),
        list("after-request-hook", "FUNCTION",
            "Call this C function after each request.").aliases(&["after-request-call"]).reload(Workers)
            .missing("no C functions are called; use a WSGI middleware that acts in close() of the answer"),
        list("exec-asap", "COMMAND",
            "Run this command as soon as the options are read; where it fails, the start fails."),
        list("exec-pre-jail", "COMMAND",
            "Run this command before namespaces are left by unshare or another root is entered."),
        list("exec-post-jail", "COMMAND",
            "Run this command when namespaces were left by unshare."),
        list("exec-in-jail", "COMMAND",
            "Run this command in the new namespaces, before exec-post-jail."),
        list("exec-as-root", "COMMAND",
            "Run this command as root, before uid and gid take effect."),
        list("exec-as-user", "COMMAND",
            "Run this command when uid and gid took effect."),
        list("exec-as-user-atexit", "COMMAND",
            "Run this command in the master when the instance stops; not at a reload."),
        list("exec-pre-app", "COMMAND",
            "Run this command before the applications are loaded."),
        list("exec-post-app", "COMMAND",
            "Run this command when the applications were loaded, before workers are forked."),
        list("exec-as-vassal", "COMMAND",
            "Run this command in the process of a new vassal, before the server is executed there.")
            .missing(EMPEROR),
        list("exec-as-emperor", "COMMAND",
            "Run this command in the Emperor when a vassal was started.")
            .missing(EMPEROR),
        list("binsh", "PATH",
            "Shell that runs the commands of hooks and crons; of several the first that is there, else /bin/sh."),
        list("call-asap", "FUNCTION",
            "Call this C function as soon as the options are read.")
            .unsupported(NO_C),
        list("call-pre-jail", "FUNCTION",
            "Call this C function before a jail, namespace or new root is entered.")
            .unsupported(NO_C),
        list("call-post-jail", "FUNCTION",
            "Call this C function when a jail, namespace or new root was entered.")
            .unsupported(NO_C),
        list("call-in-jail", "FUNCTION",
            "Call this C function inside of the jail or namespace when it is ready.")
            .unsupported(NO_C),
        list("call-as-root", "FUNCTION",
            "Call this C function before uid and gid take effect.")
            .unsupported(NO_C),
        list("call-as-user", "FUNCTION",
            "Call this C function when uid and gid took effect.")
            .unsupported(NO_C),
        list("call-as-user-atexit", "FUNCTION",
            "Call this C function when the instance stops.")
            .missing(NO_C_EXIT),
        list("call-pre-app", "FUNCTION",
            "Call this C function before the applications are loaded.")
            .unsupported(NO_C),
        list("call-post-app", "FUNCTION",
            "Call this C function when the applications were loaded.")
            .unsupported(NO_C),
        list("call-as-vassal", "FUNCTION",
            "Call this C function, without arguments, in the process of a new vassal.")
            .missing(NO_C_EMPEROR),
        list("call-as-vassal1", "FUNCTION",
            "Call this C function in the process of a new vassal, with the vassal's name.")
            .missing(NO_C_EMPEROR),
        list("call-as-vassal3", "FUNCTION",
            "Call this C function in the process of a new vassal, with the vassal's name, uid and gid.")
            .missing(NO_C_EMPEROR),
        list("call-as-emperor", "FUNCTION",
            "Call this C function, without arguments, in the Emperor when a vassal was started.")
            .missing(NO_C_EMPEROR),
        list("call-as-emperor1", "FUNCTION",
            "Call this C function in the Emperor when a vassal was started, with the vassal's name.")
            .missing(NO_C_EMPEROR),
        list("call-as-emperor2", "FUNCTION",
            "Call this C function in the Emperor when a vassal was started, with the vassal's name and process id.")
            .missing(NO_C_EMPEROR),
        list("call-as-emperor4", "FUNCTION",
            "Call this C function in the Emperor when a vassal was started, with the vassal's name, process id, uid and gid.")
            .missing(NO_C_EMPEROR),
        list("mount-asap", "TYPE SOURCE DIR [FLAGS]",
            "Mount a file system as soon as the options are read."),
        list("mount-pre-jail", "TYPE SOURCE DIR [FLAGS]",
            "Mount a file system before namespaces are left by unshare or another root is entered."),
        list("mount-post-jail", "TYPE SOURCE DIR [FLAGS]",
            "Mount a file system when namespaces were left by unshare."),
        list("mount-in-jail", "TYPE SOURCE DIR [FLAGS]",
            "Mount a file system in the new namespaces, before the mounts of post-jail."),
        list("mount-as-root", "TYPE SOURCE DIR [FLAGS]",
            "Mount a file system as root, before uid and gid take effect."),
        list("mount-as-vassal", "TYPE SOURCE DIR [FLAGS]",
            "Mount a file system in the process of a new vassal.")
            .missing(VASSAL_MOUNT),
        list("mount-as-emperor", "TYPE SOURCE DIR [FLAGS]",
            "Mount a file system in the Emperor when a vassal was started.")
            .missing(VASSAL_MOUNT),
        list("umount-asap", "DIR [FLAGS]",
            "Unmount a file system as soon as the options are read."),
        list("umount-pre-jail", "DIR [FLAGS]",
            "Unmount a file system before namespaces are left by unshare or another root is entered."),
        list("umount-post-jail", "DIR [FLAGS]",
            "Unmount a file system when namespaces were left by unshare."),
        list("umount-in-jail", "DIR [FLAGS]",
            "Unmount a file system in the new namespaces, before the mounts of post-jail."),
        list("umount-as-root", "DIR [FLAGS]",
            "Unmount a file system as root, before uid and gid take effect."),
        list("umount-as-vassal", "DIR [FLAGS]",
            "Unmount a file system in the process of a new vassal.")
            .missing(VASSAL_MOUNT),
        list("umount-as-emperor", "DIR [FLAGS]",
            "Unmount a file system in the Emperor when a vassal was started.")
            .missing(VASSAL_MOUNT),
        list("wait-for-fs", "PATH",
            "Wait before the start until this file or directory is there."),
        list("wait-for-file", "FILE",
            "Wait before the start until this regular file is there."),
        list("wait-for-dir", "DIR",
            "Wait before the start until this directory is there."),
        list("wait-for-mountpoint", "DIR",
            "Wait before the start until a file system is mounted at this directory."),
        integer("wait-for-fs-timeout", "SECONDS",
            "How long to wait for files, directories and mounts before the start fails (default 60)."),
        list("wait-for-interface", "NAME",
            "Wait before the start until this network interface is up.").aliases(&["wait-interface", "wait-for-iface", "wait-iface"]),
        integer("wait-for-interface-timeout", "SECONDS",
            "How long to wait for network interfaces before the start fails (default 60).").aliases(&["wait-interface-timeout", "wait-for-iface-timeout", "wait-iface-timeout"]),
        integer("wait-for-socket-timeout", "SECONDS",
            "How long to wait for the sockets of wait-for-socket before the start fails (default 60)."),
    ],
);
