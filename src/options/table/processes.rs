//! Master, workers and threads: how many there are, what they are called, how they start.

use uwsgi_plugin_api::Reload::Workers;
use uwsgi_plugin_api::option::{chapter, flag, integer, list, text};
use uwsgi_plugin_api::{Argument, OptionRow, Section};

const NO_SCRIPTS: &str = "run the script with the Python interpreter itself";
const OTHER_PROGRAM: &str = "run the program as a service of its own, and give it the socket by systemd's socket activation";
const PATCH: &str = "start the other program instead of this one, as a service of its own";
const FORK_SERVER: &str = "start each instance by a systemd service of its own; lazy-apps = false shares an application's memory among its workers";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Processes,
    [
        flag("master",
            "Run a master process that respawns and reloads workers.").short('M'),
        integer("processes", "N|auto",
            "Number of worker processes (default 1), the largest one with cheaper. With auto as many as the affinity mask and the CPU limit of the control group let run at a time.").short('p').aliases(&["workers"]),
        integer("threads", "N",
            "Request threads of each worker (default 1)."),
        integer("thread-stack-size", "KIBIBYTES",
            "Stack of each request thread; by default the system's (ulimit -s).").aliases(&["threads-stack-size", "thread-stacksize", "threads-stacksize"])
            .no_effect("request threads have 8 MiB of stack, of which only what is used takes memory; for more, the application starts a thread (threading.stack_size)"),
        flag("lazy-apps",
            "Load the applications in each worker instead of once before the fork."),
        flag("lazy",
            "As lazy-apps. Unlike in uWSGI, SIGHUP replaces the master too, so that a reload reads the configuration anew."),
        flag("need-app",
            "Exit with status 22 where no application could be loaded.").argument(Argument::Optional),
        list("worker-mount", "POINT=APP",
            "Load an application under this path only in the workers, after the fork, or only in one worker.").reload(Workers)
            .unsupported("use mount, and lazy-apps where the application must be loaded in the workers"),
        flag("auto-procname",
            "Give the processes telling names (uWSGI master, uWSGI worker 1)."),
        text("procname-prefix", "TEXT",
            "Text before the names of auto-procname.").implies(&["auto-procname"]),
        text("procname-prefix-spaced", "TEXT",
            "Text and a space before the names of auto-procname.").implies(&["auto-procname"]),
        text("procname-append", "TEXT",
            "Text behind the names of the processes.").implies(&["auto-procname"]),
        text("procname", "TEXT",
            "Name of all processes, instead of the names of auto-procname.").implies(&["auto-procname"]),
        text("procname-master", "TEXT",
            "Name of the master process only.").implies(&["auto-procname"]),
        flag("no-orphans",
            "Workers die with their master, whatever kills it."),
        flag("thunder-lock",
            "Let one worker at a time wait for connections, so that a new one does not wake them all.")
            .no_effect("connections are always shared out by the kernel, one wake-up for each"),
        flag("thunder-lock-watchdog",
            "Watch over the lock of thunder-lock, so that a dead worker that held it does not block the others.").extra()
            .no_effect("workers take no lock before they accept"),
        flag("reaper",
            "After each request collect ended child processes of the worker, so that none stays a zombie.").short('r')
            .missing("let the application wait for the processes that it starts (subprocess.run does)"),
        flag("honour-stdin",
            "Leave standard input as it is instead of replacing it by /dev/null.")
            .no_effect("standard input is only replaced by daemonize"),
        flag("skip-zero",
            "Do not look whether standard input is a listening socket.")
            .missing("start the server with </dev/null; a listening socket on standard input is served too"),
        flag("no-server",
            "Load the applications and exit without serving.")
            .unsupported("import the application with the Python interpreter itself to see whether it loads"),
        flag("command-mode",
            "Run one script or command in this process instead of serving requests.").immediate()
            .unsupported(NO_SCRIPTS),
        text("worker-exec", "COMMAND",
            "Workers run this program, with the socket as standard input, instead of serving themselves.")
            .unsupported(OTHER_PROGRAM),
        text("worker-exec2", "COMMAND",
            "As worker-exec, but after the hooks of hook-post-fork.")
            .unsupported(OTHER_PROGRAM),
        text("fork-server", "SOCKET",
            "Load the applications, then wait on this unix socket for an Emperor that forks vassals from this process.").extra()
            .unsupported(FORK_SERVER),
        text("fork-socket", "SOCKET",
            "Unix socket of the fork server; see fork-server.").extra()
            .unsupported(FORK_SERVER),
        text("privileged-binary-patch", "PATH",
            "Replace this program by another one before privileges are dropped, keeping what was opened.")
            .unsupported(PATCH),
        text("privileged-binary-patch-arg", "COMMAND",
            "As privileged-binary-patch, with arguments.")
            .unsupported(PATCH),
        text("unprivileged-binary-patch", "PATH",
            "Replace this program by another one after privileges were dropped, keeping what was opened.")
            .unsupported(PATCH),
        text("unprivileged-binary-patch-arg", "COMMAND",
            "As unprivileged-binary-patch, with arguments.")
            .unsupported(PATCH),
        text("profiler", "NAME",
            "Log each call or line of Python that a request runs: pycall or pyline.").reload(Workers)
            .missing("look into the running worker with py-spy, or wrap the application in a profiling middleware"),
        integer("backtrace-depth", "N",
            "Frames of the C backtrace that is logged when a process crashes (default 64).")
            .missing("no C backtrace is logged at a crash; look into the core dump (coredumpctl, gdb)"),
        flag("use-abort",
            "End by SIGABRT after a segmentation fault or a division by zero, so that a core dump is left.")
            .no_effect("a crash ends the process by its own signal, which leaves a core dump where they are switched on"),
        flag("enable-threads",
            "Let threads of the application run.").short('T')
            .no_effect("threads of the application always run"),
    ],
);
