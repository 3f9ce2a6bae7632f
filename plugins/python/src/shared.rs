//! What all threads of the process do alike: calls of `boot.py`, hooks, and the list of interpreters.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use uwsgi_plugin_api::LoadReport;

use crate::ffi::{self, Object, Py};
use crate::load::Apps;
use crate::room::Room;
use crate::{Running, Shared, embed, interrupt};

impl Shared {
    /// Runs a function of `boot.py`; an exception is logged.
    pub(crate) fn boot(
        &self,
        py: Py<'_>,
        name: &str,
        arguments: &[ffi::Ref<'_>],
    ) -> Option<Object> {
        self.boot_of(py, self.running.get(py)?, name, arguments)
    }

    /// As [`Shared::boot`], in the current interpreter, which `running` is of.
    pub(crate) fn boot_of(
        &self,
        py: Py<'_>,
        running: &Running,
        name: &str,
        arguments: &[ffi::Ref<'_>],
    ) -> Option<Object> {
        match embed::call(py, &running.boot, name, arguments) {
            Ok(value) => Some(value),
            Err(raised) => {
                self.host.log(&format!("python: {name}: {}", raised.describe(py)));
                None
            }
        }
    }

    /// Sets the signal handlers that a fork may have lost.
    pub(crate) fn arm(&self, py: Py<'_>, running: &Running) {
        if let Err(raised) = embed::arm_stack_dump(py, &running.boot) {
            self.host.log(&format!("python: no stack dumps: {}", raised.describe(py)));
        }
        if self.options.interrupts
            && let Err(raised) = interrupt::arm(py, &running.boot)
        {
            interrupt::report(raised, py);
        }
    }

    /// `uwsgi.post_fork_hook`, once a process: after its fork and after its applications were loaded.
    pub(crate) fn run_post_fork_hook(&self) {
        ffi::park();
        let mut hooked = self.hooked.lock(); // others wait without the GIL until the hook is done
        let process = std::process::id();
        if *hooked == process {
            return;
        }
        ffi::with(|py| {
            if let Some(running) = self.running.get(py) {
                self.run_hook(py, running);
            }
            for room in self.configured_rooms(py) {
                room.enter(py, |py, things| self.run_hook(py, &things.running));
            }
        });
        *hooked = process;
    }

    /// `uwsgi.post_fork_hook` of the current interpreter.
    pub(crate) fn run_hook(&self, py: Py<'_>, running: &Running) {
        if let Ok(name) = py.text("post_fork_hook") {
            self.boot_of(py, running, "run_hook", &[name.borrowed()]);
        }
    }

    /// Interpreters of applications of the configuration, but for the main one.
    pub(crate) fn configured_rooms(&self, py: Py<'_>) -> Vec<Arc<Room>> {
        let mut rooms: Vec<Arc<Room>> = Vec::new();
        let apps = self.apps.get(py).map(|apps| apps.callables.as_slice());
        for room in apps.unwrap_or_default().iter().filter_map(|app| app.room.as_ref()) {
            if !rooms.iter().any(|known| Arc::ptr_eq(known, room)) {
                rooms.push(Arc::clone(room));
            }
        }
        rooms
    }

    /// All interpreters but the main one.
    pub(crate) fn rooms(&self, py: Py<'_>) -> Vec<Arc<Room>> {
        let mut rooms = self.configured_rooms(py);
        rooms.extend(self.sites.rooms());
        rooms
    }

    /// From now on these are served.
    pub(crate) fn serve(&self, py: Py<'_>, apps: Apps) {
        self.configured.store(apps.callables.len(), Ordering::Relaxed);
        self.apps.set(py, apps);
    }

    /// Loads what has to be loaded after the fork.
    pub(crate) fn load_rest(&self) -> LoadReport {
        let report = ffi::with(|py| {
            let half = self.half.get(py).and_then(|half| half.borrow_mut().take());
            let (mut apps, rest) = half?;
            let report = rest.load(py, self, &mut apps);
            self.serve(py, apps);
            Some(report)
        });
        let Some(report) = report else { return LoadReport::default() };
        *self.loaded.lock() = Some(SystemTime::now());
        if self.is_forked() {
            self.run_post_fork_hook();
        }
        report
    }
}
