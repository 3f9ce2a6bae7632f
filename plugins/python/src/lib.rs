//! Python (WSGI) plugin: any CPython from 3.9 on, found and loaded at run time.
//!
//! The first application lives in the main interpreter, each further one in its own (`room`), as under uWSGI; with
//! `single-interpreter` all are in the main one. The folder `ffi` holds all contact with libpython, everything else is safe
//! Rust over it; `boot.py` and `sites.py` are what is easier said in Python.
#![deny(unsafe_code)]

mod autoreload;
mod cluster;
mod directory;
mod embed;
mod environ;
mod failure;
mod ffi;
mod find;
mod input;
mod interrupt;
mod load;
mod module;
mod names;
mod options;
mod pace;
mod raw;
mod respond;
mod room;
mod shapes;
mod shared;
mod sites;
mod start_response;
mod websocket;
mod wsgi;

use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant, SystemTime};

use uwsgi_plugin_api::{
    CoreId, Handler, Host, Listener, LoadReport, LoadedApp, OptionRow, Plugin, PluginError,
    Settings, WorkerId,
};

use ffi::{Kept, Object, Py, Raised};
use find::Surroundings;
use load::{Apps, Loader, Rest};
use options::Options;

pub use options::ARGUMENT;

/// The Python plugin. A process has one.
#[derive(Default)]
pub struct PythonPlugin {
    shared: OnceLock<Arc<Shared>>,
}

/// What all threads share.
struct Shared {
    options: Options,
    host: Arc<dyn Host>,
    host_name: Vec<u8>,
    settings: Settings,
    /// In the main interpreter.
    running: Kept<Running>,
    apps: Kept<Apps>,
    /// How many of them there are.
    configured: AtomicUsize,
    /// What was loaded before the fork, where something is to be loaded after it.
    half: Kept<RefCell<Option<(Apps, Rest)>>>,
    /// For threads that wait for the main interpreter's, where there are others.
    pace: OnceLock<Option<Arc<pace::Pace>>>,
    /// Applications that requests name.
    sites: sites::Sites,
    /// Its request threads.
    marks: interrupt::Marks,
    /// When the applications were loaded; inherited over the fork.
    loaded: parking_lot::Mutex<Option<SystemTime>>,
    /// The first fork froze the garbage collector.
    frozen: AtomicBool,
    /// Process that has run its `post_fork_hook`.
    hooked: parking_lot::Mutex<u32>,
    /// Process that was forked last, 0 before the first fork.
    forked: AtomicU32,
}

/// Python objects that exist once in each interpreter.
#[derive(Debug)]
struct Running {
    boot: Object,
    /// `uwsgi.RequestTimeout`.
    timeout: Object,
    file_wrapper: Object,
    starts: start_response::StartClass,
    writers: start_response::WriterClass,
    inputs: input::InputClass,
}

impl Running {
    fn new(py: Py<'_>, boot: Object) -> Result<Self, Raised> {
        let name = py.interned("FileWrapper")?;
        Ok(Self {
            file_wrapper: boot.borrowed().attribute(py, name.borrowed())?,
            timeout: interrupt::install(py, &boot)?,
            boot,
            starts: ffi::Class::new(py)?,
            writers: ffi::Class::new(py)?,
            inputs: ffi::Class::new(py)?,
        })
    }
}

impl PythonPlugin {
    /// A plugin that has not been started.
    pub fn new() -> Self {
        Self::default()
    }

    fn shared(&self) -> Result<&Arc<Shared>, PluginError> {
        self.shared.get().ok_or_else(|| PluginError(String::from("python was not started")))
    }
}

impl Plugin for PythonPlugin {
    fn name(&self) -> &'static str {
        "python"
    }

    fn modifiers(&self) -> &'static [u8] {
        &[0]
    }

    fn options(&self) -> &'static [OptionRow] {
        options::ROWS
    }

    fn claims_argument(&self, argument: &str) -> bool {
        options::claims_argument(argument)
    }

    fn check(&self, settings: &Settings) -> Result<(), PluginError> {
        Options::read(settings).map(drop).map_err(PluginError)
    }

    fn language_version(&self, settings: &Settings) -> Option<Result<String, PluginError>> {
        let options = Options::read(settings);
        let version =
            options.and_then(|options| find::version(&options, &Surroundings::of_process()));
        Some(version.map_err(PluginError))
    }

    fn suits(&self, home: &Path) -> bool {
        self.shared().is_err() || find::suits(home, ffi::minor_version())
    }

    fn start(
        &self,
        settings: &Settings,
        host: Arc<dyn Host>,
        _listeners: &[Listener],
    ) -> Result<(), PluginError> {
        let options = Options::read(settings).map_err(PluginError)?;
        let shared = Arc::new(Shared {
            options,
            host,
            host_name: load::host_name(),
            settings: settings.clone(),
            running: Kept::new(),
            apps: Kept::new(),
            configured: AtomicUsize::new(0),
            half: Kept::new(),
            pace: OnceLock::new(),
            sites: sites::Sites::default(),
            marks: interrupt::Marks::default(),
            loaded: parking_lot::Mutex::new(None),
            frozen: AtomicBool::new(false),
            hooked: parking_lot::Mutex::new(0),
            forked: AtomicU32::new(0),
        });
        embed::start(
            &shared.options,
            &shared.host,
            |py| module::install(py, &shared.host, settings, &shared.host_name),
            |py, boot| {
                let running = Running::new(py, boot)?;
                if shared.options.interrupts {
                    interrupt::arm(py, &running.boot)?;
                }
                shared.running.set(py, running);
                Ok(())
            },
        )
        .map_err(PluginError)?;
        let _ = self.shared.set(shared); // a second start was refused by the interpreter
        Ok(())
    }

    fn load(&self) -> Result<LoadReport, PluginError> {
        let shared = self.shared()?;
        let report = ffi::with(|py| {
            let Some(running) = shared.running.get(py) else { return Ok(LoadReport::default()) };
            let (apps, rest, report) = Loader::new(shared, running)
                .load(py)
                .map_err(|raised| PluginError(raised.describe(py)))?;
            if rest.is_empty() {
                shared.serve(py, apps);
            } else {
                shared.half.set(py, RefCell::new(Some((apps, rest))));
            }
            Ok::<_, PluginError>(report)
        })?;
        *shared.loaded.lock() = Some(SystemTime::now());
        if !shared.is_forked() {
            return Ok(report);
        }
        let rest = shared.load_rest();
        shared.run_post_fork_hook();
        Ok(LoadReport { apps: report.apps + rest.apps, failed: report.failed + rest.failed })
    }

    fn load_rest(&self) -> LoadReport {
        self.shared().map(|shared| shared.load_rest()).unwrap_or_default()
    }

    fn apps(&self) -> Vec<LoadedApp> {
        let Ok(shared) = self.shared() else { return Vec::new() };
        let apps = ffi::with(|py| {
            let half = shared
                .half
                .get(py)
                .and_then(|half| half.borrow().as_ref().map(|(apps, _)| apps.infos.clone()));
            half.or_else(|| shared.apps.get(py).map(|apps| apps.infos.clone()))
        });
        let mut apps = apps.unwrap_or_default();
        apps.extend(shared.sites.infos());
        apps
    }

    fn before_fork(&self) {
        let Ok(shared) = self.shared() else { return };
        if !shared.frozen.swap(true, Ordering::Relaxed) {
            ffi::with(|py| {
                let threads = shared.boot(py, "other_threads", &[]);
                let count = threads.map_or(0, |threads| threads.borrowed().list_len(py));
                if count > 0 {
                    shared.host.log(&format!(
                        "WARNING: the application has started {count} thread(s) while it was loaded; threads do not survive the fork of the workers. Start them in uwsgi.post_fork_hook, or use lazy-apps"
                    ));
                }
                shared.boot(py, "freeze", &[]);
            });
        }
        ffi::before_fork();
    }

    fn after_fork_parent(&self) {
        if self.shared().is_ok() {
            ffi::after_fork_parent();
        }
    }

    fn after_fork_child(&self, _worker: WorkerId) {
        let Ok(shared) = self.shared() else { return };
        ffi::after_fork_child(); // reseeds `random` as well, by its own fork hook
        shared.forked.store(std::process::id(), Ordering::Relaxed);
        let loaded = ffi::with(|py| {
            if let Some(running) = shared.running.get(py) {
                shared.arm(py, running);
            }
            shared.apps.get(py).is_some()
        });
        if loaded {
            shared.run_post_fork_hook();
        }
    }

    fn handler(&self, core: CoreId) -> Box<dyn Handler> {
        match self.shared() {
            Ok(shared) => {
                ffi::let_through(ffi::stack_dump_signal());
                ffi::let_through(ffi::interrupt_signal());
                shared.load_rest(); // nothing, where the server asked for it
                shared.run_post_fork_hook();
                name_thread(shared, core);
                let mark = ffi::with(|py| shared.marks.add(py, core));
                if core.0 == 0 {
                    autoreload::start(shared);
                }
                Box::new(wsgi::WsgiHandler::new(Arc::clone(shared), core, mark))
            }
            Err(_) => Box::new(Unstarted),
        }
    }

    fn dump_stack(&self, thread: i32) {
        if self.shared().is_ok() {
            ffi::send_to_thread(thread, ffi::stack_dump_signal());
            await_dump(thread);
        }
    }

    fn interrupt(&self, thread: i32, still_runs: &dyn Fn() -> bool) -> bool {
        let Ok(shared) = self.shared() else { return false };
        let raised = shared.marks.interrupt(shared, thread, still_runs);
        ffi::leave_thread();
        raised
    }

    fn shutdown(&self) {
        let Ok(shared) = self.shared() else { return };
        if !gil_is_free() {
            shared.host.log("python: a thread does not give the GIL back: exit hooks are not run");
            return;
        }
        ffi::with(|py| {
            for room in shared.rooms(py) {
                room.enter(py, |py, things| {
                    drop(shared.boot_of(py, &things.running, "run_exit_functions", &[]));
                });
            }
            drop(shared.boot(py, "run_exit_functions", &[]));
        });
    }
}

/// Waits until the thread has taken the signal and had time to write: the caller may be about to end the process.
fn await_dump(thread: i32) {
    const PATIENCE: Duration = Duration::from_secs(1);
    const LOOK: Duration = Duration::from_millis(2);
    /// A hundred frames take far less.
    const WRITING: Duration = Duration::from_millis(50);
    let until = Instant::now() + PATIENCE;
    while signal_is_pending(thread) && Instant::now() < until {
        std::thread::sleep(LOOK);
    }
    std::thread::sleep(WRITING);
}

/// Whether a thread of this process has a signal of its own that it has not taken yet (proc(5), `SigPnd`).
fn signal_is_pending(thread: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/self/task/{thread}/status"));
    let pending = |status: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix("SigPnd:"))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    status.ok().as_deref().and_then(pending).is_some_and(|signals| signals != 0)
}

/// Names of request threads as uWSGI has them; the first one is Python's main thread.
fn name_thread(shared: &Shared, core: CoreId) {
    ffi::with(|py| {
        if let Some(running) = shared.running.get(py) {
            name_thread_in(py, shared, running, core);
        }
    });
}

/// Names the calling thread in the current interpreter, which `running` is of.
fn name_thread_in(py: Py<'_>, shared: &Shared, running: &Running, core: CoreId) {
    if core.0 == 0 {
        return;
    }
    let name = format!("uWSGIWorker{}Core{core}", shared.host.worker_id());
    if let Ok(name) = py.text(&name) {
        shared.boot_of(py, running, "name_thread", &[name.borrowed()]);
    }
}

/// Whether the lock can be had within a bound: exit must not wait for a thread that is stuck in C.
fn gil_is_free() -> bool {
    const PATIENCE: Duration = Duration::from_secs(3);
    if ffi::held() {
        return true;
    }
    let (sender, receiver) = mpsc::channel();
    let probe = std::thread::Builder::new().name(String::from("gil-probe")).spawn(move || {
        ffi::with(|_| ());
        ffi::leave_thread();
        sender.send(())
    });
    probe.is_ok() && receiver.recv_timeout(PATIENCE).is_ok()
}

/// Stands in for a handler of a plugin that was not started.
struct Unstarted;

impl Handler for Unstarted {
    fn handle(
        &mut self,
        _request: &mut uwsgi_plugin_api::Request<'_>,
        response: &mut dyn uwsgi_plugin_api::Response,
    ) -> uwsgi_plugin_api::Outcome {
        response.abort();
        uwsgi_plugin_api::Outcome::default()
    }

    fn park(&mut self) {}
}
