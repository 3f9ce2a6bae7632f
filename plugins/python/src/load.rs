//! Loading applications.

use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Instant;

use uwsgi_plugin_api::{Host, LoadReport, LoadedApp, MountRules, Mounts};

use crate::embed::call;
use crate::ffi::{Exception, Object, Py, Raised, Ref};
use crate::options::Options;

/// What was loaded.
#[derive(Debug)]
pub(crate) struct Apps {
    /// The callables, by number.
    pub(crate) callables: Vec<Object>,
    /// Which one answers what.
    pub(crate) mounts: Mounts,
    /// What is told of them, by number.
    pub(crate) infos: Vec<LoadedApp>,
    /// Takes raw connections.
    pub(crate) raw: Option<Object>,
}

/// A loader at work.
pub(crate) struct Loader<'a> {
    pub(crate) options: &'a Options,
    pub(crate) host: &'a Arc<dyn Host>,
    pub(crate) boot: &'a Object,
}

impl Loader<'_> {
    /// Runs the imports and loads every application that was asked for. What fails is logged and counted.
    ///
    /// # Errors
    /// What Python raises outside of the user's code, memory errors only.
    pub(crate) fn load(&self, py: Py<'_>) -> Result<(Apps, LoadReport), Raised> {
        let mut apps = Apps {
            callables: Vec::new(),
            infos: Vec::new(),
            raw: None,
            mounts: Mounts::new(MountRules {
                manage_script_name: self.options.manage_script_name,
                ignore_script_name: self.options.ignore_script_name,
                no_default: self.options.no_default_app,
            }),
        };
        let mut report = LoadReport::default();
        for name in &self.options.imports {
            let name = py.path(name.as_bytes())?;
            if let Err(raised) = call(py, self.boot, "import_module", &[name.borrowed()]) {
                self.report(py, raised, name.borrowed())?;
            }
        }
        for source in &self.options.sources {
            self.load_source(py, source, "", &mut apps, &mut report)?;
        }
        for (point, source) in &self.options.mounts {
            self.host.log(&format!("mounting {source} on {point}"));
            self.load_source(py, source, point, &mut apps, &mut report)?;
        }
        self.load_registered(py, &mut apps, &mut report)?;
        if let Some(file) = &self.options.raw {
            apps.raw = self.load_raw(py, file, &mut report)?;
        }
        report.apps = apps.callables.len();
        if apps.callables.is_empty() {
            self.host.log("*** no app loaded. going in full dynamic mode ***");
        }
        Ok((apps, report))
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
                self.report(py, raised, source.borrowed())?;
                self.note_failure(point, apps, report);
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
                self.report(py, raised, file.borrowed())?;
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
                self.report(py, raised, py.text("uwsgi.applications")?.borrowed())?;
                self.note_failure("", apps, report);
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
            apps.callables.push(app.own(py));
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

    fn note_failure(&self, point: &str, apps: &Apps, report: &mut LoadReport) {
        report.failed += 1;
        self.host.log(&format!(
            "unable to load app {} (mountpoint='{point}') (callable not found or import error)",
            apps.callables.len()
        ));
    }

    /// Prints why loading failed: traceback, search path, what to do.
    fn report(&self, py: Py<'_>, raised: Raised, source: Ref<'_>) -> Result<(), Raised> {
        let caught = raised.take(py);
        if caught.is(py, Exception::SystemExit) {
            self.host.log(&format!("{} called sys.exit() while it was loaded", source.text(py)));
        }
        call(py, self.boot, "report_load_failure", &[source, caught.value.borrowed()]).map(drop)
    }
}

/// This machine's name, as uWSGI shows it.
pub(crate) fn host_name() -> Vec<u8> {
    std::fs::read("/proc/sys/kernel/hostname")
        .map(|name| name.trim_ascii().to_vec())
        .or_else(|_| std::env::var_os("HOSTNAME").map(|name| name.as_bytes().to_vec()).ok_or(()))
        .unwrap_or_else(|()| b"localhost".to_vec())
}
