//! Applications that requests name, loaded when the first request for them comes.
//!
//! One thread loads a site; others that want it wait for that one load, without the GIL, and other sites are served
//! meanwhile. A load that failed is remembered: requests get 500 at once until one of the files that could mend it changes,
//! or some time passed. All of this is one worker's; another worker loads for itself.

mod failure;
mod load;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use uwsgi_plugin_api::{LoadedApp, Site};

use crate::Shared;
use crate::ffi::{self, Kept, Object, Py};
use crate::room::Room;
use failure::{Failure, Look, look};
use load::Earlier;

/// Failures that are remembered; the oldest one makes place for the next.
const FAILURES_MAX: usize = 256;
/// Interpreters that are kept for the next try.
const EMPTY_ROOMS_MAX: usize = 16;
/// Between two lines about a site that is one too many.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(1);

/// The sites of this worker.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    known: Mutex<Known>,
    /// A load is over.
    loaded: Condvar,
    /// What was loaded anew and may still be in use in its old form.
    retired: Mutex<Vec<Retired>>,
    has_retired: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    by_key: HashMap<Box<[u8]>, Entry>,
    /// Of all that were ever loaded, by number after those of the configuration.
    infos: Vec<LoadedApp>,
    complained: Option<Instant>,
}

#[derive(Debug)]
enum Entry {
    Loading,
    Loaded(Arc<SiteApp>),
    Failed(Failure),
}

/// A site's application.
#[derive(Debug)]
pub(crate) struct SiteApp {
    pub(crate) number: u16,
    pub(crate) callable: Kept<Object>,
    /// `None` in the main interpreter.
    pub(crate) room: Option<Arc<Room>>,
    /// Where its requests run.
    pub(crate) directory: Option<PathBuf>,
    /// `UWSGI_TOUCH_RELOAD` as it was when this was loaded, or failed to be loaded anew.
    touched: Mutex<Option<Look>>,
    /// A thread loads it anew.
    renewing: AtomicBool,
    /// An interpreter of an earlier form that could not be ended: the next form has it.
    spare: Mutex<Option<Arc<Room>>>,
}

/// What was loaded anew, in its old form.
#[derive(Debug)]
struct Retired {
    app: Arc<SiteApp>,
    successor: Arc<SiteApp>,
}

/// What became of the search for a site.
pub(crate) enum Found {
    /// It is there.
    Loaded(Arc<SiteApp>),
    /// The server does not approve of it. The log says why.
    Refused,
    /// It cannot be served; the log said why.
    Failed,
}

/// What there is to do.
enum Step {
    Take(Found),
    Load(Earlier),
    Renew(Arc<SiteApp>),
}

impl Sites {
    /// The application of a site, loaded where it is not there yet.
    pub(crate) fn find(&self, py: Py<'_>, shared: &Shared, site: &Site<'_>, key: &[u8]) -> Found {
        match self.step(py, shared, site, key) {
            Step::Take(found) => found,
            Step::Load(earlier) => self.load(py, shared, (site, key), earlier),
            Step::Renew(old) => Found::Loaded(self.renew(py, shared, (site, key), old)),
        }
    }

    fn step(&self, py: Py<'_>, shared: &Shared, site: &Site<'_>, key: &[u8]) -> Step {
        let mut known = self.known.lock();
        loop {
            match known.by_key.get(key) {
                Some(Entry::Loaded(app)) => return ready(app, site),
                Some(Entry::Failed(failure)) if failure.lasts() => {
                    return Step::Take(Found::Failed);
                }
                Some(Entry::Loading) => {
                    drop(known);
                    ffi::pause(py, || {
                        let mut known = self.known.lock();
                        while matches!(known.by_key.get(key), Some(Entry::Loading)) {
                            self.loaded.wait(&mut known);
                        }
                    });
                    known = self.known.lock();
                    // As the one that was waited for.
                    match known.by_key.get(key) {
                        Some(Entry::Failed(_)) => return Step::Take(Found::Failed),
                        None => return Step::Take(Found::Refused),
                        Some(_) => {}
                    }
                }
                Some(Entry::Failed(_)) | None => break,
            }
        }
        if known.is_full(shared) {
            known.complain(shared, site);
            return Step::Take(Found::Failed);
        }
        Step::Load(match known.by_key.insert(key.into(), Entry::Loading) {
            Some(Entry::Failed(failure)) => {
                let changed = failure.changed();
                Earlier { number: None, room: failure.room, changed }
            }
            _ => Earlier::default(),
        })
    }

    fn load(
        &self,
        py: Py<'_>,
        shared: &Shared,
        (site, key): (&Site<'_>, &[u8]),
        earlier: Earlier,
    ) -> Found {
        /// Whatever happens, others must not wait for ever.
        struct Undo<'a>(&'a Sites, &'a [u8]);
        impl Drop for Undo<'_> {
            fn drop(&mut self) {
                let mut known = self.0.known.lock();
                if let Some(Entry::Loading) = known.by_key.get(self.1) {
                    known.by_key.remove(self.1);
                }
                self.0.loaded.notify_all();
            }
        }
        let undo = Undo(self, key);
        if let Err(why) = shared.host.approve(site) {
            shared.host.log(&why);
            return Found::Refused;
        }
        let mut entry = load::load(py, shared, site, earlier);
        if let Err(failure) = &mut entry
            && self.known.lock().empty_rooms() >= EMPTY_ROOMS_MAX
        {
            failure.room = failure.room.take().and_then(|room| load::fresh(py, shared, room));
        }
        let mut known = self.known.lock();
        let mut forgotten = None;
        let found = match entry {
            Ok((app, info)) => {
                known.note(shared, app.number, info);
                let app = Arc::new(app);
                known.by_key.insert(key.into(), Entry::Loaded(Arc::clone(&app)));
                Found::Loaded(app)
            }
            Err(failure) => {
                forgotten = known.forget_oldest_failure();
                known.by_key.insert(key.into(), Entry::Failed(failure));
                Found::Failed
            }
        };
        drop(known);
        if let Some(room) = forgotten {
            load::fresh(py, shared, room);
        }
        drop(undo);
        found
    }

    /// Loads a site anew whose file was touched; the old one serves others meanwhile, and goes on where that fails.
    fn renew(
        &self,
        py: Py<'_>,
        shared: &Shared,
        (site, key): (&Site<'_>, &[u8]),
        old: Arc<SiteApp>,
    ) -> Arc<SiteApp> {
        let touched = site.touch_reload().map(|file| look(path(file)));
        shared.host.log(&format!("[uwsgi-python-reloader] {} has been touched", site.name()));
        let renewed = match shared.host.approve(site) {
            Ok(()) => {
                let room = old.spare.lock().take();
                let earlier = Earlier { number: Some(old.number), room, changed: true };
                let renewed = load::load(py, shared, site, earlier);
                renewed.map_err(|failure| *old.spare.lock() = failure.room).ok()
            }
            Err(why) => {
                shared.host.log(&why);
                None
            }
        };
        let Some((app, info)) = renewed else {
            shared.host.log("its old form goes on serving");
            *old.touched.lock() = touched;
            old.renewing.store(false, Ordering::Relaxed);
            return old;
        };
        let app = Arc::new(app);
        let mut known = self.known.lock();
        known.note(shared, app.number, info);
        known.by_key.insert(key.into(), Entry::Loaded(Arc::clone(&app)));
        drop(known);
        self.retired.lock().push(Retired { app: old, successor: Arc::clone(&app) });
        self.has_retired.store(true, Ordering::Relaxed);
        app
    }

    /// Ends the interpreters of what was loaded anew, once nobody uses them.
    pub(crate) fn end_retired(&self, py: Py<'_>, shared: &Shared) {
        if !self.has_retired.load(Ordering::Relaxed) {
            return;
        }
        let mut free = Vec::new();
        {
            let mut retired = self.retired.lock();
            for Retired { app, successor } in std::mem::take(&mut *retired) {
                match Arc::try_unwrap(app) {
                    Ok(app) => free.push((app, successor)),
                    Err(app) => retired.push(Retired { app, successor }),
                }
            }
            self.has_retired.store(!retired.is_empty(), Ordering::Relaxed);
        }
        for (app, successor) in free {
            if let Some(app) = load::end(py, shared, app, &successor) {
                self.retired.lock().push(Retired { app: Arc::new(app), successor });
                self.has_retired.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Those that were loaded, by number after those of the configuration.
    pub(crate) fn infos(&self) -> Vec<LoadedApp> {
        self.known.lock().infos.clone()
    }

    /// The interpreters of all that are loaded.
    pub(crate) fn rooms(&self) -> Vec<Arc<Room>> {
        let known = self.known.lock();
        let rooms = known.by_key.values().filter_map(|entry| match entry {
            Entry::Loaded(app) => app.room.clone(),
            _ => None,
        });
        rooms.collect()
    }

    /// A number that no application has: counters are kept by it.
    fn free_number(&self, shared: &Shared) -> u16 {
        let mut known = self.known.lock();
        let number = shared.configured.load(Ordering::Relaxed) + known.infos.len();
        // Its place is kept: others load at the same time.
        known.infos.push(LoadedApp::default());
        u16::try_from(number).unwrap_or(u16::MAX)
    }
}

impl Known {
    fn is_full(&self, shared: &Shared) -> bool {
        let served = |entry: &&Entry| !matches!(entry, Entry::Failed(_));
        let count = self.by_key.values().filter(served).count();
        count + shared.configured.load(Ordering::Relaxed) >= shared.options.apps_max
    }

    fn complain(&mut self, shared: &Shared, site: &Site<'_>) {
        if self.complained.is_some_and(|at| at.elapsed() < COMPLAINT_PAUSE) {
            return;
        }
        self.complained = Some(Instant::now());
        shared.host.log(&format!(
            "{} is not loaded: this worker has {} applications already (max-apps)",
            site.name(),
            shared.options.apps_max
        ));
    }

    fn note(&mut self, shared: &Shared, number: u16, info: LoadedApp) {
        let configured = shared.configured.load(Ordering::Relaxed);
        let place = usize::from(number).wrapping_sub(configured);
        if let Some(known) = self.infos.get_mut(place) {
            *known = info;
        }
    }

    /// How many interpreters wait for the next try.
    fn empty_rooms(&self) -> usize {
        let failed = |entry: &&Entry| matches!(entry, Entry::Failed(Failure { room: Some(_), .. }));
        self.by_key.values().filter(failed).count()
    }

    /// Makes place for a failure; returns the interpreter of the one that is forgotten.
    fn forget_oldest_failure(&mut self) -> Option<Arc<Room>> {
        let failures = self.by_key.iter().filter_map(|(key, entry)| match entry {
            Entry::Failed(failure) => Some((failure.at(), key)),
            _ => None,
        });
        if failures.clone().count() < FAILURES_MAX {
            return None;
        }
        let oldest = failures.min_by_key(|(at, _)| *at).map(|(_, key)| key.clone())?;
        match self.by_key.remove(&oldest) {
            Some(Entry::Failed(failure)) => failure.room,
            _ => None,
        }
    }
}

/// A site that is there, unless its file was touched; then one thread loads it anew.
fn ready(app: &Arc<SiteApp>, site: &Site<'_>) -> Step {
    if let Some(file) = site.touch_reload() {
        let now = Some(look(path(file)));
        if *app.touched.lock() != now && !app.renewing.swap(true, Ordering::Relaxed) {
            return Step::Renew(Arc::clone(app));
        }
    }
    Step::Take(Found::Loaded(Arc::clone(app)))
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
