//! The applications of a worker process: which there are, and what each core did for them.

use std::sync::atomic::{AtomicU64, Ordering};

use uwsgi_plugin_api::{AppStatus, LoadedApp};

use super::{Board, PlaceId, SeqBytes};

/// Applications of a process that are counted one by one.
pub const APPS_COUNTED_MAX: usize = 8;

/// Room for their names, in words of 8 bytes.
const WORDS: usize = 64;

/// What one core did for one application. Writer: the core's own request thread.
#[derive(Debug, Default)]
pub struct AppCounters {
    /// Requests.
    pub requests: AtomicU64,
    /// Requests that ended with an exception.
    pub exceptions: AtomicU64,
}

/// The applications of a process by number, a line each. Writer: the worker, one thread at a time.
#[derive(Debug)]
pub struct AppList(SeqBytes<WORDS>);

impl Default for AppList {
    fn default() -> Self {
        Self(SeqBytes::empty())
    }
}

impl AppList {
    /// Shows these, as many as fit.
    pub fn write(&self, apps: &[LoadedApp]) {
        let mut text = String::new();
        for app in apps.iter().take(APPS_COUNTED_MAX) {
            let mountpoint = app.mountpoint.replace('\n', " ");
            let line = format!("{} {} {mountpoint}\n", app.modifier1, app.startup_seconds);
            if text.len() + line.len() > SeqBytes::<WORDS>::CAPACITY {
                break;
            }
            text.push_str(&line);
        }
        self.0.write(&[text.as_bytes()]);
    }

    /// What was shown.
    pub fn read(&self) -> Vec<LoadedApp> {
        let text = self.0.read().unwrap_or_default();
        String::from_utf8_lossy(&text).lines().filter_map(parse).collect()
    }
}

impl Board {
    /// The applications of the process at a place, with what its cores did for them.
    pub fn apps(&self, place: PlaceId) -> Vec<AppStatus> {
        let cores = self.cores_of(place);
        let listed = self.process(place).apps.read();
        let counted = (0..).zip(listed).map(|(id, app): (u16, LoadedApp)| {
            let sum = |field: fn(&AppCounters) -> &AtomicU64| {
                let counters = cores.iter().filter_map(|core| core.apps.get(usize::from(id)));
                counters.map(|counters| field(counters).load(Ordering::Relaxed)).sum()
            };
            AppStatus {
                id,
                modifier1: app.modifier1,
                mountpoint: app.mountpoint,
                startup_time: app.startup_seconds,
                requests: sum(|counters| &counters.requests),
                exceptions: sum(|counters| &counters.exceptions),
            }
        });
        counted.collect()
    }
}

fn parse(line: &str) -> Option<LoadedApp> {
    let mut words = line.splitn(3, ' ');
    let modifier1 = words.next()?.parse().ok()?;
    let startup_seconds = words.next()?.parse().ok()?;
    let mountpoint = words.next()?.to_owned();
    Some(LoadedApp { modifier1, startup_seconds, mountpoint })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(mountpoint: &str) -> LoadedApp {
        LoadedApp { modifier1: 0, startup_seconds: 3, mountpoint: mountpoint.to_owned() }
    }

    #[test]
    fn what_was_shown_is_read() {
        let list = AppList::default();
        assert_eq!(list.read(), []);
        let apps = [app(""), app("/a b"), app("/é")];
        list.write(&apps);
        assert_eq!(list.read(), apps);
    }

    #[test]
    fn a_line_break_makes_no_application() {
        let list = AppList::default();
        list.write(&[app("/a\n0 0 /b"), app("/c")]);
        let found: Vec<_> = list.read().into_iter().map(|app| app.mountpoint).collect();
        assert_eq!(found, ["/a 0 0 /b", "/c"]);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let list = AppList::default();
        list.write(&[app("/a"), app(&"x".repeat(600)), app("/c")]);
        assert_eq!(list.read(), [app("/a")]);
    }
}
