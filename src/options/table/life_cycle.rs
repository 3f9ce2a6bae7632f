//! How long workers live, how a request is ended that takes too long, and what reloads or stops the instance.

use uwsgi_plugin_api::Reload::{Live, Workers};
use uwsgi_plugin_api::option::{chapter, flag, integer, list, megabytes, text, unsigned64};
use uwsgi_plugin_api::{OptionRow, Section};

const MEMORY: &str = "replace workers after a number of requests (max-requests) and bound the memory of the service (MemoryMax= of systemd)";
const NO_MULES: &str = "there are no mules that could be reloaded";
const NO_SIGNALS: &str = "there are no uwsgi signals; let the application look at the file, or run the work from a systemd path unit (PathChanged=)";
const DESCRIPTOR: &str = "send SIGHUP to the master from the program that knows of the event";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::LifeCycle,
    [
        integer("harakiri", "SECONDS",
            "Longest time of a request; its worker is replaced after it. 0 is no limit (default).").short('t').reload(Workers),
        integer("harakiri-log", "SECONDS",
            "Log the Python stack of a request that takes longer than this, and let it run. 0 is never (default).").reload(Workers).extra(),
        integer("harakiri-interrupt", "SECONDS",
            "Answer a request that takes longer than this with 504 and raise uwsgi.RequestTimeout in it, so that its worker lives. 0 is never (default).").reload(Workers).extra(),
        flag("harakiri-verbose",
            "Log where the process was in the kernel and in Python before harakiri ends it.").reload(Live)
            .no_effect("the Python stack of a request that is out of time is always logged; the place in the kernel is not"),
        integer("harakiri-graceful-timeout", "SECONDS",
            "First send the worker a signal, and kill it only this much later (default 0: kill at once).").reload(Live),
        integer("harakiri-graceful-signal", "N",
            "The signal that harakiri-graceful-timeout sends first (default 15, SIGTERM: end at once; 1, SIGHUP: finish the other requests).").reload(Live),
        integer("harakiri-queue-threshold", "N",
            "Let requests run on while fewer than N connections wait in the listen queue.").reload(Live),
        flag("harakiri-no-arh",
            "Do not count the time of after-request hooks in harakiri.").aliases(&["no-harakiri-arh", "no-harakiri-after-req-hook"])
            .no_effect("harakiri ends with the request, and there are no after-request hooks"),
        unsigned64("max-requests", "N",
            "Replace a worker after N requests, but not before min-worker-lifetime. 0 is no limit (default).").short('R').reload(Workers),
        unsigned64("max-requests-delta", "N",
            "Add N times (worker number - 1) to max-requests, so that workers do not end together.").reload(Workers),
        unsigned64("max-requests-jitter", "N",
            "Add a number from 0 to N, by chance, to max-requests of each worker process (default 0).").reload(Workers).extra(),
        unsigned64("min-worker-lifetime", "SECONDS",
            "Shortest life of a worker before max-requests may end it (default 10).").reload(Workers),
        unsigned64("max-worker-lifetime", "SECONDS",
            "Replace workers that are older than this. 0 is no limit (default).").reload(Live),
        integer("max-worker-lifetime-delta", "SECONDS",
            "Add SECONDS times (worker number - 1) to max-worker-lifetime, so that workers do not end together.").reload(Live),
        megabytes("reload-on-rss", "MEBIBYTES",
            "Replace a worker after a request where its resident memory is at least this, but not before min-worker-lifetime.").reload(Workers).implies(&["memory-report"]),
        megabytes("reload-on-as", "MEBIBYTES",
            "Replace a worker after a request where its address space is at least this, but not before min-worker-lifetime.").reload(Workers).implies(&["memory-report"]),
        megabytes("reload-on-uss", "MEBIBYTES",
            "Replace a worker after a request where the memory it shares with nobody (USS) is at least this.").reload(Workers).implies(&["memory-report"]).extra()
            .missing(MEMORY),
        megabytes("reload-on-pss", "MEBIBYTES",
            "Replace a worker after a request where its proportional share of memory (PSS) is at least this.").reload(Workers).implies(&["memory-report"]).extra()
            .missing(MEMORY),
        megabytes("evil-reload-on-rss", "MEBIBYTES",
            "Kill a worker, in the middle of its requests, where its resident memory is at least this.").reload(Live).implies(&["master", "memory-report"]),
        megabytes("evil-reload-on-as", "MEBIBYTES",
            "Kill a worker, in the middle of its requests, where its address space is at least this.").reload(Live).implies(&["master", "memory-report"]),
        integer("mem-collector-freq", "SECONDS",
            "How often memory is measured for evil-reload-on-rss and evil-reload-on-as (default 3).").reload(Live)
            .no_effect("the master measures once a second"),
        flag("reload-on-exception",
            "Replace a worker after a request that raised an exception.").reload(Workers),
        list("reload-on-exception-type", "CLASS",
            "Replace a worker after a request that raised an exception of this class (ValueError or shop.errors.Broken; not of a subclass).").reload(Workers),
        list("reload-on-exception-value", "TEXT",
            "Replace a worker after a request that raised an exception with this text.").reload(Workers),
        list("reload-on-exception-repr", "CLASS: TEXT",
            "Replace a worker after a request that raised an exception of this class with this text.").reload(Workers),
        list("exception-handler", "NAME[:ARGUMENT]",
            "Hand exceptions of requests over to a handler of a plugin.").reload(Workers).implies(&["master"])
            .missing("report exceptions from the application, by a WSGI middleware or by its framework"),
        integer("lame-duck", "SECONDS",
            "Before a graceful stop, so long, serve on but end each HTTP connection with its answer, so that load balancers move away (default 0).").reload(Live).extra(),
        integer("worker-reload-mercy", "SECONDS",
            "How long a worker may take to end before it is killed (default 60).").reload(Live),
        integer("reload-mercy", "SECONDS",
            "How long attached daemons and the process that has the application loaded may take to end (default 60, attached daemons 3); workers have worker-reload-mercy.").reload(Live),
        integer("mule-reload-mercy", "SECONDS",
            "How long a mule may take to end before it is killed (default 60).").reload(Live)
            .no_effect(NO_MULES),
        integer("forkbomb-delay", "SECONDS",
            "Pause before workers that die at once are started again (default 2).").implies(&["master"]).reload(Live),
        integer("check-interval", "SECONDS",
            "How often the master looks after deadlines, files and the number of workers (default 1).").implies(&["master"]).reload(Live)
            .no_effect("the master acts at the very moment when something is due"),
        flag("no-threads-wait",
            "At a reload or stop do not wait for the threads of a worker.")
            .missing("worker-reload-mercy bounds how long the requests of a worker may take to finish"),
        flag("skip-atexit",
            "Do not run Python's exit functions when a worker ends.").reload(Workers)
            .missing("exit functions run when a worker ends; worker-reload-mercy bounds the time that they may take"),
        flag("skip-atexit-teardown",
            "Do not take the Python interpreter down when a worker ends.").reload(Workers)
            .no_effect("the interpreter is never taken down; workers end after the exit functions"),
        flag("die-on-term",
            "Stop on SIGTERM instead of reloading; SIGQUIT reloads."),
        flag("exit-on-reload",
            "Exit where a reload is asked for, so that a service manager starts the server anew."),
        list("touch-reload", "PATH",
            "Reload the instance when this file changes, appears or disappears; seen within a second.").implies(&["master"]).reload(Live),
        list("touch-workers-reload", "PATH",
            "Replace all workers, but not the master, when this file changes.").implies(&["master"]).reload(Live),
        list("touch-chain-reload", "PATH",
            "Replace the workers one after the other when this file changes; of use with lazy-apps.").implies(&["master"]).reload(Live),
        list("touch-mules-reload", "PATH",
            "Replace the mules when this file changes.").implies(&["master"]).reload(Live)
            .no_effect(NO_MULES),
        list("touch-spoolers-reload", "PATH",
            "Replace the spoolers when this file changes.").implies(&["master"]).reload(Live)
            .no_effect("there are no spoolers that could be reloaded"),
        list("touch-exec", "FILE COMMAND",
            "Run a command in the master when this file changes.").implies(&["master"]).reload(Live),
        list("touch-signal", "FILE N",
            "Raise uwsgi signal N when this file changes.").implies(&["master"]).reload(Live)
            .missing(NO_SIGNALS),
        list("fs-reload", "PATH",
            "As touch-reload for a file or directory, but by inotify, so at once.").implies(&["master"]).reload(Live),
        list("fs-brutal-reload", "PATH",
            "As fs-reload, but workers end without finishing their requests.").implies(&["master"]).reload(Live),
        list("fs-signal", "PATH N",
            "Raise uwsgi signal N when this file or directory changes, seen by inotify.").implies(&["master"]).reload(Live)
            .missing(NO_SIGNALS),
        flag("propagate-touch",
            "Let workers see by themselves that the instance reloads, where signals get lost.")
            .no_effect("the master tells its workers over a channel as well as by a signal"),
        list("reload-on-fd", "FD[:BYTES]",
            "Reload the instance when this descriptor becomes readable (an eventfd of cgroups, for instance).").implies(&["master"]).reload(Live)
            .missing(DESCRIPTOR),
        list("brutal-reload-on-fd", "FD[:BYTES]",
            "As reload-on-fd, but workers end without finishing their requests.").implies(&["master"]).reload(Live)
            .missing(DESCRIPTOR),
        list("check-mountpoint", "DIR",
            "Kill the instance when the file system mounted at this directory is no longer reachable.").aliases(&["mountpoint-check", "check-mount", "mount-check"]).implies(&["master"]).reload(Live)
            .missing("bind the service to the mount by systemd (BindsTo= of its mount unit)"),
        list("master-fifo", "PATH",
            "Make a named pipe from which the master reads commands, one byte each: r reloads, q stops, c reloads in a chain.").implies(&["master"]),
        text("signals", "uwsgi|gunicorn",
            "Which set of signals the master obeys: uwsgi (default), or gunicorn: TERM finishes requests and stops, TTIN and TTOU change the number of workers, USR1 opens logs anew, USR2 starts a new master beside this one, WINCH ends the workers.").implies(&["master"]).reload(Live).extra(),
        flag("graceful-on-term",
            "Stop on SIGTERM, but finish the requests that run.").reload(Live).extra(),
        text("reload-check", "METHOD PATH STATUS",
            "Ask the first worker of a new generation this request at a reload, and give the reload up where the answer has another status (GET /healthz 200).").implies(&["master"]).reload(Live).extra(),
        integer("reload-retry", "N",
            "Try a reload that failed again by itself, at most N times, with growing pauses (default 0).").implies(&["master"]).reload(Live).extra(),
        integer("reload-parallel", "N",
            "How many workers boot at the same time at a reload (default: as many as there are processors).").implies(&["master"]).reload(Live).extra(),
        integer("recycle-share", "PERCENT",
            "Largest share of the workers that is replaced at the same time by max-requests, max-worker-lifetime and the like (default 25; always at least one worker).").implies(&["master"]).reload(Live).extra(),
        text("notify-socket", "PATH",
            "Make a unix datagram socket to which other programs send notifications for the master.").implies(&["master"])
            .missing("send signals to the master: SIGHUP reloads, SIGINT stops"),
        integer("heartbeat", "SECONDS",
            "Tell the Emperor this often that the instance is alive.")
            .missing("run the instance by systemd instead of by an Emperor, and let a health check ask it by a request"),
    ],
);
