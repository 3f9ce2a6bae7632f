//! The two traits of a plugin, by role.

use std::os::fd::RawFd;
use std::path::Path;
use std::sync::Arc;

use crate::{CoreId, Host, Listener, OptionRow, Request, Response, Settings, WorkerId};

/// Why a plugin could not do its part at start. The text is shown as it is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PluginError(pub String);

/// What was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Applications that are ready.
    pub apps: usize,
    /// Applications that were asked for and could not be loaded (each was logged with its reason).
    pub failed: usize,
}

/// An application that was loaded; its number is its place among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedApp {
    /// First modifier of the requests that it answers.
    pub modifier1: u8,
    /// Where it is mounted; empty for the default application.
    pub mountpoint: String,
    /// How long loading took.
    pub startup_seconds: u64,
}

/// How a request went; what the log line and the counters need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Number of the application, `None` where none was found.
    pub app: Option<u16>,
    /// The application raised.
    pub exception: bool,
    /// The worker must end after this request (`SystemExit`).
    pub end_worker: bool,
    /// The worker must be replaced after this request (`reload-on-exception` and its family).
    pub replace_worker: bool,
    /// The exception was the one of [`Plugin::interrupt`].
    pub interrupted: bool,
    /// The request names an application that its peer may not have loaded, and there is no other: the server answers 403.
    pub refused: bool,
    /// How often the handler was entered for this answer: uWSGI's "switches".
    pub switches: u32,
}

/// A language or a service. One value, made before fork and shared by all threads of a worker.
pub trait Plugin: Send + Sync {
    /// Name as in `--plugins-list`.
    fn name(&self) -> &'static str;
    /// First modifiers that it answers.
    fn modifiers(&self) -> &'static [u8];
    /// Its options.
    fn options(&self) -> &'static [OptionRow] {
        &[]
    }
    /// True when the plugin knows what to do with a positional argument (`app.py`, `pkg.mod:app`).
    fn claims_argument(&self, _argument: &str) -> bool {
        false
    }
    /// Looks whether its settings can be used, before anything is started.
    ///
    /// # Errors
    /// What is wrong with a value.
    fn check(&self, _settings: &Settings) -> Result<(), PluginError> {
        Ok(())
    }
    /// Version of the language that these settings would run, where the plugin runs one.
    fn language_version(&self, _settings: &Settings) -> Option<Result<String, PluginError>> {
        None
    }
    /// Whether what runs in this process can serve an application from this virtualenv. Where not, the server gives the
    /// application processes of its own.
    fn suits(&self, _home: &Path) -> bool {
        true
    }

    /// Takes its settings and starts what must run before any application is loaded (the interpreter).
    /// The listeners are final; ports are bound.
    ///
    /// # Errors
    /// [`PluginError`]; the server exits 1.
    fn start(
        &self,
        _settings: &Settings,
        _host: Arc<dyn Host>,
        _listeners: &[Listener],
    ) -> Result<(), PluginError> {
        Ok(())
    }
    /// Loads the applications, in the master before fork or in each worker (`lazy-apps`).
    ///
    /// # Errors
    /// [`PluginError`] where nothing can be served at all.
    fn load(&self) -> Result<LoadReport, PluginError> {
        Ok(LoadReport::default())
    }
    /// Loads what cannot be loaded before the fork, in each worker, before it is ready. Nothing where [`Plugin::load`] ran in
    /// this process. Asked for once.
    fn load_rest(&self) -> LoadReport {
        LoadReport::default()
    }
    /// The applications that are loaded in this process, by number.
    fn apps(&self) -> Vec<LoadedApp> {
        Vec::new()
    }
    /// Called in the forking thread before fork; pairs with one of the next two.
    fn before_fork(&self) {}
    /// Called after fork in the parent.
    fn after_fork_parent(&self) {}
    /// Called after fork in the child, in its only thread.
    fn after_fork_child(&self, _worker: WorkerId) {}
    /// A handler for one request thread; called on that thread, which is its own for ever.
    fn handler(&self, core: CoreId) -> Box<dyn Handler>;
    /// Writes the stack of a request thread to the log, without waiting for locks the thread may hold.
    /// The number is its kernel thread id.
    fn dump_stack(&self, _thread: i32) {}
    /// Raises an exception in the request that runs on this thread (its kernel thread id), so that the thread is
    /// free for others. `still_runs` is asked at a moment when the request cannot end, and false from it leaves
    /// everything as it is: the request that was meant is over. Called by another thread of the worker; may wait
    /// for locks, but not for the request. False where nothing was raised.
    ///
    /// Code that waits in the system or in C sees the exception when it comes back.
    fn interrupt(&self, _thread: i32, _still_runs: &dyn Fn() -> bool) -> bool {
        false
    }
    /// Runs exit hooks (`atexit`); must return within its own bound.
    fn shutdown(&self) {}
}

/// Serves requests on one thread.
pub trait Handler {
    /// Answers a request. Panics are caught and answered with 500.
    fn handle(&mut self, request: &mut Request<'_>, response: &mut dyn Response) -> Outcome;
    /// Has a connection of `raw-socket` until it returns; the server closes it then. Panics are caught.
    fn take(&mut self, _core: CoreId, _connection: RawFd) -> Outcome {
        Outcome::default()
    }
    /// The thread is about to take a request: get what [`Handler::handle`] would wait for (the GIL), so that a request that
    /// was taken is one that runs. [`Handler::park`] follows where there was none.
    fn ready(&mut self) {}
    /// The thread may sleep now: give back what others wait for (the GIL). `handle` takes it again.
    fn park(&mut self) {}
}
