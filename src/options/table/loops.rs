//! Loop engines, suspend engines, offloading.

use uwsgi_plugin_api::option::{chapter, flag, integer, negative_flag, text};
use uwsgi_plugin_api::{OptionRow, Reload, Section};

const THREADS: &str =
    "set threads instead, to the number of requests that a worker is to serve at once";
const SUSPEND: &str = "no request is suspended; set threads to the number of requests that a worker should serve at once";
const PATCH: &str = "threads need no patching; an application that uses gevent calls gevent.monkey.patch_all() before all else";
const DUMB: &str = "start the code as a process or service of its own";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Loops,
    [
        integer("gevent", "N",
            "Serve up to N requests at once in each worker, as greenlets of gevent.")
            .unsupported(THREADS),
        flag("gevent-early-monkey-patch",
            "Have gevent patch Python's standard library before the application is loaded.").reload(Reload::Workers)
            .missing(PATCH),
        flag("gevent-monkey-patch",
            "Have gevent patch Python's standard library when its loop starts.").reload(Reload::Workers)
            .missing(PATCH),
        flag("gevent-wait-for-hub",
            "Let a stopping worker wait for all greenlets, those of the application among them.").reload(Reload::Workers)
            .missing("wait for the application's greenlets in an atexit function"),
        integer("asyncio", "N",
            "Serve up to N requests at once in each worker, as greenlets on an asyncio loop.").extra()
            .unsupported(THREADS),
        integer("tornado", "N",
            "Serve up to N requests at once in each worker, as greenlets on the loop of Tornado.").extra()
            .unsupported(THREADS),
        integer("async", "N",
            "Serve up to N requests at once in each worker, without threads. The application must give way by itself.")
            .unsupported(THREADS),
        negative_flag("disable-async-warn-on-queue-full",
            "Do not log that all cores of the async mode are busy.").extra()
            .no_effect("there is no such warning"),
        text("loop", "NAME",
            "Loop engine that waits for requests and runs them, such as gevent, asyncio or async.")
            .unsupported("leave it out; there is one loop, and threads says how many requests a worker serves at once"),
        flag("loops-list",
            "Write the names of the loop engines to the log.").aliases(&["loop-list"])
            .no_effect("there is one loop, so that none is listed"),

        // What suspends a request.
        flag("greenlet",
            "Suspend requests of the async mode with greenlets.")
            .extra().missing(SUSPEND),
        flag("ugreen",
            "Suspend requests of the async mode with uGreen, coroutines in C.")
            .missing(SUSPEND),
        integer("ugreen-stacksize", "PAGES",
            "Stack of each uGreen coroutine, in pages of memory.")
            .missing("there are no such coroutines; leave it out"),
        flag("stackless",
            "Suspend requests of the async mode with the tasklets of Stackless Python.")
            .extra().missing(SUSPEND),
        integer("coroae", "N",
            "Serve up to N requests of a Perl application at once in each worker, with Coro::AnyEvent.")
            .extra().unsupported("only Python applications run; serve Perl ones with a PSGI server"),
        flag("fiber",
            "Suspend requests of a Ruby application in the async mode with fibers.")
            .extra().unsupported("only Python applications run; serve Ruby ones with a Rack server"),
        flag("rbthreads",
            "Serve requests of a Ruby application on threads of Ruby.").aliases(&["rb-threads", "rbthread", "rb-thread"])
            .extra().unsupported("only Python applications run; serve Ruby ones with a Rack server"),

        // The loop that serves no requests.
        text("dumbloop-code", "FILE",
            "File with the function that each thread runs with loop = dumbloop, in place of serving requests.")
            .extra().unsupported(DUMB),
        text("dumbloop-function", "NAME",
            "Function that each thread runs with loop = dumbloop (default dumbloop).")
            .extra().unsupported(DUMB),
        integer("dumbloop-modifier1", "N",
            "Modifier of the plugin that runs the function of dumbloop-code (default 0).")
            .extra().missing(DUMB),

        // Work taken off the request threads.
        integer("offload-threads", "N",
            "Threads of each worker that send files and relay connections after the application is done (default 0).").aliases(&["offload-thread"])
            .reload(Reload::Workers).no_effect("the event loop sends what a slow client has not taken yet, so that no request thread waits for it"),
    ],
);
