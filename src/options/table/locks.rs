//! Locks that an application shares among its workers, and how locks are made.

use uwsgi_plugin_api::option::{chapter, flag, integer, text};
use uwsgi_plugin_api::{OptionRow, Section};

const NO_LOCKS: &str = "the server's processes share no locks";
const NO_SEMAPHORES: &str = "no SysV semaphores are used";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Sharing,
    [
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
