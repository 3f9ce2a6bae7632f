//! Loading one site.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use uwsgi_plugin_api::site::{Source, put_host};
use uwsgi_plugin_api::{LoadedApp, Site};

use super::failure::{Failure, look};
use super::{SiteApp, path};
use crate::embed::{self, call};
use crate::ffi::{Kept, Object, Py, Raised};
use crate::load::report_failure;
use crate::room::{Remains, Room};
use crate::{Running, Shared, directory};

/// What is there of a site that is loaded again.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    /// Its number, where it serves.
    pub(super) number: Option<u16>,
    /// An interpreter of it with nothing in it.
    pub(super) room: Option<Arc<Room>>,
    /// Its files have changed since that was used.
    pub(super) changed: bool,
}

/// Loads a site. What fails is logged.
pub(super) fn load(
    py: Py<'_>,
    shared: &Shared,
    site: &Site<'_>,
    earlier: Earlier,
) -> Result<(SiteApp, LoadedApp), Failure> {
    let begun = Instant::now();
    let mountpoint = mountpoint(site);
    let touched = site.touch_reload().map(|file| look(path(file)));
    let failed = |unloaded: Unloaded| {
        shared.host.log(&format!(
            "unable to load app (mountpoint='{mountpoint}') (dynamic: {}) (callable not found or import error)",
            site.name()
        ));
        let mut files = unloaded.files;
        files.extend(named_files(site));
        Err(Failure::new(files, unloaded.room))
    };
    let directory = site.chdir.map(|bytes| path(bytes).to_owned());
    if let Err(error) = directory::go(directory.as_deref(), &*shared.host) {
        let directory = directory.as_deref().unwrap_or_else(|| ".".as_ref());
        shared.host.log(&format!("UWSGI_CHDIR: chdir({}): {error}", directory.display()));
        return failed(Unloaded { room: earlier.room, ..Unloaded::default() });
    }
    let loaded = match shared.options.shares_interpreter {
        true => load_shared(py, shared, site, earlier.number.is_some()),
        false => {
            let renewed = |room| if earlier.changed { fresh(py, shared, room) } else { Some(room) };
            load_apart(py, shared, site, earlier.room.and_then(renewed))
        }
    };
    let (callable, room, interpreter) = match loaded {
        Ok(loaded) => loaded,
        Err(unloaded) => return failed(unloaded),
    };
    let number = earlier.number.unwrap_or_else(|| shared.sites.free_number(shared));
    let seconds = begun.elapsed().as_secs();
    shared.host.log(&format!(
        "WSGI app {number} (mountpoint='{mountpoint}') ready in {seconds} seconds on interpreter 0x{interpreter:x} pid: {} (dynamic: {})",
        std::process::id(),
        site.name(),
    ));
    let app = SiteApp {
        number,
        callable,
        room,
        directory,
        touched: Mutex::new(touched),
        renewing: AtomicBool::new(false),
        spare: Mutex::new(None),
    };
    Ok((app, LoadedApp { modifier1: 0, mountpoint, startup_seconds: seconds }))
}

/// What is left of a try.
#[derive(Debug, Default)]
struct Unloaded {
    /// Those that could mend it.
    files: Vec<PathBuf>,
    room: Option<Arc<Room>>,
}

/// Application, room, and the address of its interpreter.
type Loaded = Result<(Kept<Object>, Option<Arc<Room>>, usize), Unloaded>;

fn load_shared(py: Py<'_>, shared: &Shared, site: &Site<'_>, anew: bool) -> Loaded {
    let Some(running) = shared.running.get(py) else { return Err(Unloaded::default()) };
    let (kind, place) = kind(site);
    if let (true, Ok(kind), Ok(place)) = (anew, py.text(kind), py.path(place)) {
        shared.boot_of(py, running, "forget_site_module", &[kind.borrowed(), place.borrowed()]);
    }
    match import(py, shared, running, site) {
        Ok(callable) => Ok((callable, None, py.interpreter_address())),
        Err(files) => Err(Unloaded { files, room: None }),
    }
}

fn load_apart(py: Py<'_>, shared: &Shared, site: &Site<'_>, earlier: Option<Arc<Room>>) -> Loaded {
    let room = match earlier.map_or_else(|| Room::new(py, shared), Ok) {
        Ok(room) => room,
        Err(why) => {
            shared.host.log(&why);
            return Err(Unloaded::default());
        }
    };
    let loaded = room.enter(py, |py, things| {
        let callable = import(py, shared, &things.running, site)?;
        if shared.is_forked() {
            shared.run_hook(py, &things.running);
        }
        Ok((callable, py.interpreter_address()))
    });
    match loaded.unwrap_or_else(|| Err(Vec::new())) {
        Ok((callable, address)) => Ok((callable, Some(room), address)),
        Err(files) => {
            // Each interpreter costs memory that Python does not give back, so tries do not have one each.
            room.empty(py, shared);
            Err(Unloaded { files, room: Some(room) })
        }
    }
}

/// The application, from the current interpreter.
fn import(
    py: Py<'_>,
    shared: &Shared,
    running: &Running,
    site: &Site<'_>,
) -> Result<Kept<Object>, Vec<PathBuf>> {
    match call_loader(py, shared, running, site) {
        Ok(callable) => {
            let kept = Kept::new();
            kept.set(py, callable);
            Ok(kept)
        }
        Err(raised) => {
            let reported = py.path(kind(site).1).and_then(|source| {
                report_failure(py, &shared.host, &running.boot, raised, source.borrowed())
            });
            if let Err(raised) = reported {
                shared.host.log(&raised.describe(py));
            }
            Err(failed_files(py, shared, running))
        }
    }
}

fn call_loader(
    py: Py<'_>,
    shared: &Shared,
    running: &Running,
    site: &Site<'_>,
) -> Result<Object, Raised> {
    let (kind, place) = kind(site);
    let optional = |bytes: Option<&[u8]>| match bytes {
        Some(bytes) => py.path(bytes),
        None => Ok(py.none().own(py)),
    };
    let environment = site.environment().map(|pair| py.bytes(pair)).collect::<Result<_, _>>()?;
    let arguments = [
        py.text(kind)?,
        py.path(place)?,
        optional(site.callable)?,
        optional(shared.options.callable.as_deref().map(str::as_bytes))?,
        py.latin1(site.point)?,
        optional(site.chdir)?,
        optional(site.home)?,
        embed::directories(py, &shared.options)?,
        py.list(environment)?,
    ];
    let arguments: Vec<_> = arguments.iter().map(Object::borrowed).collect();
    call(py, &running.boot, "load_site", &arguments)
}

fn failed_files(py: Py<'_>, shared: &Shared, running: &Running) -> Vec<PathBuf> {
    let Some(files) = shared.boot_of(py, running, "take_failed_files", &[]) else {
        return Vec::new();
    };
    let files = files.borrowed();
    let file = |index| {
        let file = files.list_item(py, index)?;
        file.borrowed().bytes(py).map(|bytes| path(bytes).to_owned()).ok()
    };
    (0..files.list_len(py)).filter_map(file).collect()
}

/// Ends the interpreter of a try; what it is not safe to end comes back, for the next one.
pub(super) fn fresh(py: Py<'_>, shared: &Shared, room: Arc<Room>) -> Option<Arc<Room>> {
    match Arc::try_unwrap(room).map(|room| room.end(py, shared)) {
        Ok(Remains::Empty(room)) => room,
        Ok(Remains::Nothing | Remains::Threads) => None,
        Err(room) => Some(room), // someone looks into it
    }
}

/// Ends what was loaded anew as `successor`, in its old form; it comes back where someone still looks into its interpreter.
pub(super) fn end(
    py: Py<'_>,
    shared: &Shared,
    mut app: SiteApp,
    successor: &SiteApp,
) -> Option<SiteApp> {
    if let Some(spare) = app.spare.get_mut().take() {
        successor.spare.lock().get_or_insert(spare);
    }
    let Some(room) = app.room.take() else {
        drop(app.callable.take(py));
        return None;
    };
    room.enter(py, |py, _| drop(app.callable.take(py)));
    let room = match Arc::try_unwrap(room) {
        Ok(room) => room,
        Err(room) => return Some(SiteApp { room: Some(room), ..app }),
    };
    match room.end(py, shared) {
        Remains::Nothing => {}
        Remains::Empty(room) => *successor.spare.lock() = room,
        Remains::Threads => shared.host.log(&format!(
            "the old interpreter of app {} stays in memory until this worker ends: threads of the application still run in it",
            app.number
        )),
    }
    None
}

fn kind<'a>(site: &Site<'a>) -> (&'static str, &'a [u8]) {
    match site.source {
        Source::Script(text) => ("script", text),
        Source::Module(text) => ("module", text),
        Source::File(text) => ("file", text),
    }
}

/// `host|/point`, as far as there is something of each.
fn mountpoint(site: &Site<'_>) -> String {
    let mut text = Vec::new();
    if !site.host.is_empty() {
        put_host(site.host, &mut text);
        text.push(b'|');
    }
    text.extend_from_slice(site.point);
    String::from_utf8_lossy(&text).escape_debug().to_string()
}

/// The files that a request names.
fn named_files(site: &Site<'_>) -> Vec<PathBuf> {
    let base = site.chdir.map_or_else(PathBuf::new, |at| path(at).to_owned());
    let below = |file: &[u8]| base.join(path(file));
    let mut files = vec![below(site.source.text())];
    files.extend(site.chdir.map(|directory| path(directory).to_owned()));
    files.extend(site.home.map(|home| below(home).join("pyvenv.cfg")));
    files.extend(site.touch_reload().map(|file| path(file).to_owned()));
    files
}

impl Shared {
    /// Whether this process is a worker, forked or alone.
    pub(crate) fn is_forked(&self) -> bool {
        self.forked.load(Ordering::Relaxed) == std::process::id()
    }
}
