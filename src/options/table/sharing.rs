//! Memory that all processes of the server share: caches, queues, raw areas; and their locks.

use uwsgi_plugin_api::option::{
    chapter, flag, integer, key_values, list, optional_text, text, unsigned64,
};
use uwsgi_plugin_api::{OptionRow, Section};

const CACHE: &str = "uwsgi.cache_get and its like are not there; use Redis, memcached or another cache of the framework, and leave this out where only the server used it";
const CACHE_FILE: &str =
    "there is no cache in the server; use one that keeps its items, such as Redis";
const CACHE_NETWORK: &str =
    "there is no cache in the server; use one that several hosts share, such as Redis or memcached";
const CACHE_ANSWERS: &str = "let the front end cache answers (nginx: uwsgi_cache or proxy_cache)";
const QUEUE: &str = "there is no queue in the server; use Redis (a list) or a message broker";
const AREA: &str = "share memory by multiprocessing.shared_memory or a file that is mapped (mmap)";
const NO_LOCKS: &str = "the server's processes share no locks";
const NO_SEMAPHORES: &str = "no SysV semaphores are used";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Sharing,
    [
        key_values("cache2", "KEY=VALUE,...",
            "Make a cache in shared memory: name, items, blocksize (default 65536 bytes), store, expiry and more.")
            .unsupported(CACHE),
        unsigned64("cache", "N",
            "Make a cache of N items in shared memory, named default.")
            .unsupported(CACHE),
        unsigned64("cache-blocksize", "BYTES",
            "Largest item of cache (default 65536).")
            .missing(CACHE),
        text("cache-store", "FILE",
            "Keep the items of cache in this file, so that they outlive the server.").implies(&["master"])
            .missing(CACHE_FILE),
        integer("cache-store-sync", "N",
            "Write cache-store to disk every N rounds of the master, about a second each.")
            .missing(CACHE_FILE),
        flag("cache-no-expire",
            "Do not remove expired items of the caches.")
            .missing(CACHE),
        integer("cache-expire-freq", "SECONDS",
            "Time between two searches for expired items of the caches (default 3).")
            .missing(CACHE),
        flag("cache-report-freed-items",
            "Log each expired item that is removed from a cache.")
            .missing(CACHE),
        flag("cache-use-last-modified",
            "Keep with each item of cache the time of its last change.")
            .missing(CACHE),
        list("add-cache-item", "[CACHE ]KEY=VALUE",
            "Put an item into a cache at the start.")
            .missing(CACHE),
        list("load-file-in-cache", "[CACHE ]FILE",
            "Put a file into a cache at the start; the key is its name.")
            .missing(CACHE_ANSWERS),
        list("load-file-in-cache-gzip", "[CACHE ]FILE",
            "Put a file into a cache at the start, compressed; the key is its name.")
            .missing(CACHE_ANSWERS),
        optional_text("check-cache", "CACHE",
            "Answer requests whose path is the key of an item with that item, without the application.")
            .missing(CACHE_ANSWERS),
        text("cache-sync", "ADDRESS",
            "Copy all items of another server's cache at the start.")
            .missing(CACHE_NETWORK),
        list("cache-udp-server", "ADDRESS",
            "Take changes of the cache from other servers on this UDP address.").implies(&["master"])
            .missing(CACHE_NETWORK),
        list("cache-udp-node", "ADDRESS",
            "Send changes of the cache to the cache-udp-server of another server.").implies(&["master"])
            .missing(CACHE_NETWORK),
        integer("queue", "N",
            "Make a queue of N slots in shared memory for uwsgi.queue_push and its like.")
            .unsupported(QUEUE),
        integer("queue-blocksize", "BYTES",
            "Largest item of queue (default 8192).")
            .missing(QUEUE),
        text("queue-store", "FILE",
            "Keep the items of queue in this file, so that they outlive the server.").implies(&["master"])
            .unsupported(QUEUE),
        integer("queue-store-sync", "N",
            "Write queue-store to disk every N rounds of the master, about a second each.")
            .missing(QUEUE),
        key_values("sharedarea", "PAGES",
            "Share an area of this many memory pages for uwsgi.sharedarea_read and its like; or KEY=VALUE,....").short('A')
            .unsupported(AREA),
        unsigned64("rpc-max", "N",
            "Largest number of functions that can be registered for RPC (default 64).")
            .missing("there is no RPC in the server; offer the functions over HTTP"),

        // Locks.
        integer("locks", "N",
            "Number of locks that applications share among workers by uwsgi.lock() and uwsgi.unlock(), besides lock 0.")
            .unsupported("use a lock file (fcntl.flock) or a lock of the database in the application"),
        text("lock-engine", "NAME",
            "What locks between processes are made of; ipcsem is SysV semaphores, the default is the best the system has.")
            .no_effect(NO_LOCKS),
        text("ftok", "PATH",
            "File that the key of SysV semaphores is made from, so that instances do not share them by accident.")
            .no_effect(NO_SEMAPHORES),
        flag("persistent-ipcsem",
            "Leave SysV semaphores in the system when the server stops.")
            .no_effect(NO_SEMAPHORES),
    ],
);
