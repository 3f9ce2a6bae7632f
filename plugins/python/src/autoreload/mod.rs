//! `py-autoreload`: worker 1 watches the files of the loaded modules and asks for a reload when one changes.
//!
//! Its thread sleeps until the system tells of a change; it takes the GIL only to learn which modules there are (where
//! their number changed) and to compile what changed. A file that cannot be compiled causes no reload, only a line in
//! the log; whatever else keeps the new generation from loading, the old one goes on serving and watching.

mod watch;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use uwsgi_plugin_api::WorkerId;

use crate::ffi::{self, Py, Raised};
use crate::{Running, Shared, embed};
use watch::Watch;

/// The worker that watches.
const WATCHER: WorkerId = WorkerId(1);
/// A change counts when nothing more has changed for so long: editors and checkouts write several files.
const QUIET: Duration = Duration::from_millis(100);
/// It counts after this time in any case.
const UNREST_MAX: Duration = Duration::from_secs(2);

/// Starts the thread where this process is the one that watches.
pub(crate) fn start(shared: &Arc<Shared>) {
    let Some(seconds) = shared.options.autoreload else { return };
    if shared.host.worker_id() != WATCHER {
        return;
    }
    let reloader = Watch::new().map(|watch| Reloader {
        shared: Arc::clone(shared),
        watch,
        pause: Duration::from_secs(seconds.into()),
        modules: 0,
        pending: BTreeSet::new(),
    });
    let thread = std::thread::Builder::new().name(String::from("autoreload"));
    let started = match reloader {
        Ok(reloader) => thread.spawn(move || reloader.run()).map(drop),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = started {
        shared.host.log(&format!("py-autoreload does not work: {error}"));
    }
}

struct Reloader {
    shared: Arc<Shared>,
    watch: Watch,
    /// Between two looks for new modules.
    pause: Duration,
    /// How many modules there were at the last look.
    modules: usize,
    /// What changed and could not be loaded so far.
    pending: BTreeSet<PathBuf>,
}

impl Reloader {
    fn run(mut self) {
        let files = self.learn(false);
        self.shared.host.log("Python auto-reloader enabled");
        // What changed after it was loaded and before it was watched, as in a reload that another change caused.
        self.pending.extend(self.changed_since_load(files));
        if !self.pending.is_empty() {
            self.reload();
        }
        loop {
            self.wait(self.pause);
            let mut changed = self.turn();
            let since = Instant::now();
            while !changed.is_empty() && since.elapsed() < UNREST_MAX && self.wait(QUIET) {
                changed.append(&mut self.turn());
            }
            if !changed.is_empty() {
                self.pending.append(&mut changed);
                self.reload();
            }
            // Not before: a file that was loaded and changed since the last look is a stranger until then.
            self.learn(false);
        }
    }

    /// True where something happened within this time.
    fn wait(&self, time: Duration) -> bool {
        let mut descriptors = [PollFd::new(self.watch.descriptor(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
        poll(&mut descriptors, timeout).is_ok_and(|ready| ready > 0)
    }

    /// The files that changed.
    fn turn(&mut self) -> BTreeSet<PathBuf> {
        let mut seen = self.watch.turn();
        if seen.strangers.iter().any(|path| path.extension().is_some_and(|kind| kind == "py")) {
            // It may have been loaded since the last look, before or after the change.
            self.learn(true);
            seen.changed.extend(seen.strangers.into_iter().filter(|path| self.watch.knows(path)));
        }
        seen.changed
    }

    fn changed_since_load(&self, files: Vec<PathBuf>) -> Vec<PathBuf> {
        let Some(loaded) = *self.shared.loaded.lock() else { return Vec::new() };
        let changed = |path: &Path| {
            let file = std::fs::metadata(path).and_then(|file| file.modified());
            file.is_ok_and(|changed| changed > loaded)
        };
        files.into_iter().filter(|path| changed(path)).collect()
    }

    /// Watches what was loaded since the last look, and says what that was; `anyway`: even where there are as many modules as
    /// then.
    fn learn(&mut self, anyway: bool) -> Vec<PathBuf> {
        let known = Some(self.modules).filter(|_| !anyway);
        let learned = ffi::with(|py| {
            module_files(py, &self.shared, known).unwrap_or_else(|raised| {
                self.shared.host.log(&format!("py-autoreload: {}", raised.describe(py)));
                None
            })
        });
        let Some((count, files)) = learned else { return Vec::new() };
        self.modules = count;
        for file in &files {
            if let Some(error) = self.watch.add(file) {
                let (file, seconds) = (file.display(), self.pause.as_secs());
                self.shared.host.log(&format!(
                    "py-autoreload: the folder of {file} cannot be watched ({error}): its files are looked at every {seconds} second(s)"
                ));
            }
        }
        files
    }

    /// Asks for a reload, where everything that changed can be compiled.
    fn reload(&mut self) {
        let host = &self.shared.host;
        for path in &self.pending {
            if let Some(error) = self.syntax_error(path) {
                let path = path.display();
                host.log(&format!(
                    "[uwsgi-python-reloader] {path} cannot be compiled, so there is no reload before it changes again: {error}"
                ));
                return;
            }
        }
        if !host.accepting() {
            // Its successor watches.
            return;
        }
        for path in &self.pending {
            let path = path.display();
            host.log(&format!("[uwsgi-python-reloader] module/file {path} has been modified"));
        }
        if !host.reload() {
            host.log("[uwsgi-python-reloader] there is no master that could reload");
        }
        self.pending.clear();
    }

    fn syntax_error(&self, path: &Path) -> Option<String> {
        ffi::with(|py| {
            let running = self.shared.running.get(py)?;
            let error = py.path(path.as_os_str().as_bytes()).and_then(|path| {
                embed::call(py, &running.boot, "syntax_error", &[path.borrowed()])
            });
            match error {
                Ok(error) if error.borrowed().is_none() => None,
                Ok(error) => Some(error.borrowed().text(py)),
                Err(raised) => Some(raised.describe(py)),
            }
        })
    }
}

/// How many modules there are, and the files of all but the ignored ones; `None` where there are `known` modules.
fn module_files(
    py: Py<'_>,
    shared: &Shared,
    known: Option<usize>,
) -> Result<Option<(usize, Vec<PathBuf>)>, Raised> {
    let Some(running) = shared.running.get(py) else { return Ok(None) };
    let rooms = shared.rooms(py);
    let mut count = module_count(py, running)?;
    for room in &rooms {
        count += room
            .enter(py, |py, things| {
                module_count(py, &things.running).or_else(|raised| {
                    raised.forget(py);
                    Ok::<_, Raised>(0)
                })
            })
            .unwrap_or(Ok(0))?;
    }
    if known == Some(count) {
        return Ok(None);
    }
    let mut paths = files_of(py, shared, running)?;
    for room in &rooms {
        let files = room.enter(py, |py, things| {
            files_of(py, shared, &things.running).unwrap_or_else(|raised| {
                raised.forget(py);
                Vec::new()
            })
        });
        paths.extend(files.unwrap_or_default());
    }
    Ok(Some((count, paths)))
}

/// How many modules the current interpreter has.
fn module_count(py: Py<'_>, running: &Running) -> Result<usize, Raised> {
    let count = embed::call(py, &running.boot, "module_count", &[])?;
    Ok(usize::try_from(count.borrowed().integer(py)?).unwrap_or_default())
}

/// The files of its modules, but for the ignored ones.
fn files_of(py: Py<'_>, shared: &Shared, running: &Running) -> Result<Vec<PathBuf>, Raised> {
    let ignored = shared.options.autoreload_ignored.iter();
    let ignored = ignored.map(|name| py.path(name.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let ignored = py.list(ignored)?;
    let files = embed::call(py, &running.boot, "module_files", &[ignored.borrowed()])?;
    let iterator = files.borrowed().iterator(py)?;
    let mut paths = Vec::new();
    while let Some(file) = iterator.borrowed().next(py)? {
        paths.push(PathBuf::from(OsStr::from_bytes(file.borrowed().bytes(py)?)));
    }
    Ok(paths)
}
