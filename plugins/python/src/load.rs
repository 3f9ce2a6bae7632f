//! Loading applications.

use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Instant;

use uwsgi_plugin_api::{Host, LoadReport, LoadedApp, MountRules, Mounts};

use crate::embed::{self, call};
use crate::ffi::{Exception, Object, Py, Raised, Ref};
use crate::options::Options;
use crate::room::Room;
use crate::{Running, Shared};

/// What was loaded.
#[derive(Debug)]
pub(crate) struct Apps {
    /// Themselves, by number.
    pub(crate) callables: Vec<App>,
    /// Which one answers what.
    pub(crate) mounts: Mounts,
    /// What is told of them, by number.
    pub(crate) infos: Vec<LoadedApp>,
    /// Takes raw connections.
    pub(crate) raw: Option<Object>,
}

/// An application of the configuration.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) callable: Object,
    /// The interpreter that it runs in, where that is not the main one.
    pub(crate) room: Option<Arc<Room>>,
}

/// Applications that have interpreters of their own. Those do not survive a fork, so these are loaded after it.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// Mount points and what is mounted there.
    mounts: Vec<(String, String)>,
}

/// A loader at work in the current interpreter.
pub(crate) struct Loader<'a> {
    options: &'a Options,
    host: &'a Arc<dyn Host>,
    boot: &'a Object,
    room: Option<Arc<Room>>,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(shared: &'a Shared, running: &'a Running) -> Self {
        Self { options: &shared.options, host: &shared.host, boot: &running.boot, room: None }
    }

    /// Runs the imports and loads every application that lives in the main interpreter: all of them with
    /// `single-interpreter`, else those without a mount point, or the first one, and those of the same modules. What fails is
    /// logged and counted.
    ///
    /// # Errors
    /// What Python raises outside of the user's code, memory errors only.
    pub(crate) fn load(&self, py: Py<'_>) -> Result<(Apps, Rest, LoadReport), Raised> {
        let mut apps = Apps {
            callables: Vec::new(),
            infos: Vec::new(),
            raw: None,
            mounts: Mounts::new(MountRules {
                manage_script_name: self.options.manage_script_name,
                ignore_script_name: self.options.ignore_script_name,
                no_default: self.options.no_default_app,
                by_host: self.options.by_host,
            }),
        };
        let mut report = LoadReport::default();
        for name in &self.options.imports {
            let name = py.path(name.as_bytes())?;
            if let Err(raised) = call(py, self.boot, "import_module", &[name.borrowed()]) {
                report_failure(py, self.host, self.boot, raised, name.borrowed())?;
            }
        }
        for source in &self.options.sources {
            self.load_source(py, source, "", &mut apps, &mut report)?;
        }
        let mut here: Vec<&str> =
            self.options.sources.iter().map(|source| module(source)).collect();
        let mut rest = Rest::default();
        for (point, source) in &self.options.mounts {
            let first = apps.callables.is_empty();
            if self.options.shares_interpreter || first || here.contains(&module(source)) {
                self.host.log(&format!("mounting {source} on {point}"));
                self.load_source(py, source, point, &mut apps, &mut report)?;
                here.push(module(source));
            } else {
                rest.mounts.push((point.clone(), source.clone()));
            }
        }
        self.load_registered(py, &mut apps, &mut report)?;
        if let Some(file) = &self.options.raw {
            apps.raw = self.load_raw(py, file, &mut report)?;
        }
        report.apps = apps.callables.len();
        if apps.callables.is_empty() {
            self.host.log("*** no app loaded. going in full dynamic mode ***");
        }
        Ok((apps, rest, report))
    }

    fn load_source(
        &self,
        py: Py<'_>,
        source: &str,
        point: &str,
        apps: &mut Apps,
        report: &mut LoadReport,
    ) -> Result<(), Raised> {
        let begun = Instant::now();
        let source = py.path(source.as_bytes())?;
        let callable = match &self.options.callable {
            Some(name) => py.text(name)?,
            None => py.none().own(py),
        };
        let mountpoint = py.text(point)?;
        let arguments = [source.borrowed(), callable.borrowed(), mountpoint.borrowed()];
        match call(py, self.boot, "load", &arguments) {
            Ok(found) => self.add(py, found.borrowed(), begun, apps),
            Err(raised) => {
                report_failure(py, self.host, self.boot, raised, source.borrowed())?;
                note_failure(self.host, point, apps, report);
                Ok(())
            }
        }
    }

    fn load_raw(
        &self,
        py: Py<'_>,
        file: &str,
        report: &mut LoadReport,
    ) -> Result<Option<Object>, Raised> {
        let file = py.path(file.as_bytes())?;
        let name = py.text(self.options.callable.as_deref().unwrap_or("application"))?;
        match call(py, self.boot, "load_raw", &[file.borrowed(), name.borrowed()]) {
            Ok(found) => Ok(Some(found)),
            Err(raised) => {
                report_failure(py, self.host, self.boot, raised, file.borrowed())?;
                report.failed += 1;
                self.host.log("unable to load the function of python-raw");
                Ok(None)
            }
        }
    }

    fn load_registered(
        &self,
        py: Py<'_>,
        apps: &mut Apps,
        report: &mut LoadReport,
    ) -> Result<(), Raised> {
        let begun = Instant::now();
        match call(py, self.boot, "registered_applications", &[]) {
            Ok(found) => self.add(py, found.borrowed(), begun, apps),
            Err(raised) => {
                let place = py.text("uwsgi.applications")?;
                report_failure(py, self.host, self.boot, raised, place.borrowed())?;
                note_failure(self.host, "", apps, report);
                Ok(())
            }
        }
    }

    /// Adds pairs of mount point and application.
    fn add(
        &self,
        py: Py<'_>,
        found: Ref<'_>,
        begun: Instant,
        apps: &mut Apps,
    ) -> Result<(), Raised> {
        for index in 0..found.list_len(py) {
            let Some(pair) = found.list_item(py, index) else { break };
            let pair = pair.borrowed();
            let (Some(point), Some(app)) = (pair.tuple_item(py, 0), pair.tuple_item(py, 1)) else {
                continue;
            };
            let encoded = point.latin1_object(py)?;
            let number = u16::try_from(apps.callables.len()).unwrap_or(u16::MAX);
            if !apps.mounts.add(encoded.borrowed().bytes(py)?, number) {
                self.host.log(&format!(
                    "there is an application at mountpoint '{}' already: a second one is ignored",
                    point.text(py)
                ));
                continue;
            }
            apps.callables.push(App { callable: app.own(py), room: self.room.clone() });
            apps.infos.push(LoadedApp {
                modifier1: 0,
                mountpoint: point.text(py),
                startup_seconds: begun.elapsed().as_secs(),
            });
            self.host.log(&format!(
                "WSGI app {number} (mountpoint='{}') ready in {} seconds on interpreter 0x{:x} pid: {}{}",
                point.text(py),
                begun.elapsed().as_secs(),
                py.interpreter_address(),
                std::process::id(),
                if apps.mounts.is_default(number) { " (default app)" } else { "" },
            ));
        }
        Ok(())
    }
}

impl Rest {
    /// Whether there is anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.mounts.is_empty()
    }

    /// Loads each in an interpreter of its own, those of the same module in one.
    pub(crate) fn load(self, py: Py<'_>, shared: &Shared, apps: &mut Apps) -> LoadReport {
        let mut report = LoadReport::default();
        let before = apps.callables.len();
        let mut rooms: Vec<(String, Arc<Room>)> = Vec::new();
        for (point, source) in self.mounts {
            shared.host.log(&format!("mounting {source} on {point}"));
            let known = rooms.iter().find(|(name, _)| name == module(&source));
            let room = match known {
                Some((_, room)) => Ok(Arc::clone(room)),
                None => make_room(py, shared),
            };
            let loaded = room.and_then(|room| {
                let entered = room.enter(py, |py, things| {
                    let running = &things.running;
                    let loader =
                        Loader { room: Some(Arc::clone(&room)), ..Loader::new(shared, running) };
                    let loaded = loader.load_source(py, &source, &point, apps, &mut report);
                    loaded.map_err(|raised| raised.describe(py))
                });
                rooms.push((module(&source).to_owned(), room));
                entered.unwrap_or(Ok(()))
            });
            if let Err(why) = loaded {
                shared.host.log(&why);
                note_failure(&shared.host, &point, apps, &mut report);
            }
        }
        report.apps = apps.callables.len() - before;
        report
    }
}

fn make_room(py: Py<'_>, shared: &Shared) -> Result<Arc<Room>, String> {
    let room = Room::new(py, shared)?;
    let path = room.enter(py, |py, things| {
        let set = embed::set_path(py, &things.running.boot, &shared.options, py.none());
        set.map_err(|raised| raised.describe(py))
    });
    path.unwrap_or(Ok(()))?;
    Ok(room)
}

/// The module or file of a source, without its callable.
fn module(source: &str) -> &str {
    match source.rsplit_once(':') {
        Some((module, callable)) if !callable.contains('/') => module,
        _ => source,
    }
}

fn note_failure(host: &Arc<dyn Host>, point: &str, apps: &Apps, report: &mut LoadReport) {
    report.failed += 1;
    host.log(&format!(
        "unable to load app {} (mountpoint='{point}') (callable not found or import error)",
        apps.callables.len()
    ));
}

/// Prints why loading failed: traceback, search path, what to do.
///
/// # Errors
/// What is raised by that.
pub(crate) fn report_failure(
    py: Py<'_>,
    host: &Arc<dyn Host>,
    boot: &Object,
    raised: Raised,
    source: Ref<'_>,
) -> Result<(), Raised> {
    let caught = raised.take(py);
    if caught.is(py, Exception::SystemExit) {
        host.log(&format!("{} called sys.exit() while it was loaded", source.text(py)));
    }
    call(py, boot, "report_load_failure", &[source, caught.value.borrowed()]).map(drop)
}

/// This machine's name, as uWSGI shows it.
pub(crate) fn host_name() -> Vec<u8> {
    std::fs::read("/proc/sys/kernel/hostname")
        .map(|name| name.trim_ascii().to_vec())
        .or_else(|_| std::env::var_os("HOSTNAME").map(|name| name.as_bytes().to_vec()).ok_or(()))
        .unwrap_or_else(|()| b"localhost".to_vec())
}
