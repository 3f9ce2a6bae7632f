//! Groups of cases; each runs in a process of its own.

mod cluster;
mod environ;
mod input;
mod interrupt;
mod lifecycle;
mod loading;
mod reuse;
mod uwsgi_module;
mod wsgi;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use uwsgi_plugin_api::{CoreId, Handler, Listener, LoadReport, Outcome, Plugin, Settings};
use uwsgi_plugin_python::PythonPlugin;

use crate::support::{
    MockBody, MockHead, MockHost, MockResponse, http_listener, plain, serve, uwsgi_listener,
};

type Group = (&'static str, fn(&Path));

const GROUPS: &[Group] = &[
    ("environ", environ::run),
    ("wsgi", wsgi::run),
    ("validate", wsgi::validate),
    ("catch_exceptions", wsgi::catch_exceptions),
    ("input", input::run),
    ("reuse", reuse::run),
    ("uwsgi_module", uwsgi_module::run),
    ("cluster", cluster::run),
    ("cluster_environ", cluster::environ),
    ("mounts", loading::mounts),
    ("applications", loading::applications),
    ("factories_and_files", loading::factories_and_files),
    ("failures", loading::failures),
    ("virtualenv", loading::virtualenv),
    ("virtual_env_variable", loading::virtual_env_variable),
    ("prefix", loading::prefix),
    ("shim_in_path", loading::shim_in_path),
    ("pyenv", loading::pyenv),
    ("locale", loading::locale),
    ("optimize", loading::optimize),
    ("missing_virtualenv", loading::missing_virtualenv),
    ("fork", lifecycle::fork),
    ("lazy_fork", lifecycle::lazy_fork),
    ("threads", lifecycle::threads),
    ("stack_dump", lifecycle::stack_dump),
    ("dump_after_fork", lifecycle::dump_after_fork),
    ("shutdown", lifecycle::shutdown),
    ("interrupt", interrupt::run),
    ("monitored", interrupt::monitored),
];

/// Names of all groups.
pub fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().map(|(name, _)| *name)
}

/// Runs a group; panics where a case fails.
pub fn run(name: &str, python: &Path) {
    let (_, group) = GROUPS.iter().find(|(known, _)| *known == name).unwrap();
    group(python);
}

/// A plugin with its applications and a handler on this thread.
pub struct Server {
    pub plugin: PythonPlugin,
    pub host: Arc<MockHost>,
    pub report: LoadReport,
    pub http: Listener,
    pub uwsgi: Listener,
    handler: Option<Box<dyn Handler>>,
}

/// What a request brought.
pub struct Answer {
    pub outcome: Outcome,
    pub response: MockResponse,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.response.body).into_owned()
    }

    pub fn status(&self) -> &str {
        self.response.status.as_deref().unwrap_or("")
    }

    /// Asserts a complete answer without any exception, and returns its text.
    pub fn ok(&self) -> String {
        assert!(!self.outcome.exception && !self.response.aborted, "{:?}", self.outcome);
        assert_eq!(self.status(), "200 OK");
        self.text()
    }
}

impl Server {
    /// Starts the interpreter with these settings; no application yet.
    pub fn start(python: &Path, settings: &[(&str, &str)]) -> Self {
        let python = python.display().to_string();
        let mut all = vec![("python", python.as_str())];
        all.extend_from_slice(settings);
        Self::search(&all)
    }

    /// Starts with these settings alone, so that the interpreter is looked for.
    pub fn search(settings: &[(&str, &str)]) -> Self {
        let host = Arc::new(MockHost::default());
        let pairs = settings.iter().map(|(k, v)| (String::from(*k), String::from(*v))).collect();
        let plugin = PythonPlugin::new();
        let (http, uwsgi) = (http_listener(), uwsgi_listener());
        plugin.start(&Settings::new(pairs), host.clone(), &[http.clone(), uwsgi.clone()]).unwrap();
        Self { plugin, host, report: LoadReport::default(), http, uwsgi, handler: None }
    }

    /// Starts and loads.
    pub fn new(python: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start(python, settings).loaded()
    }

    /// Loads.
    pub fn loaded(mut self) -> Self {
        let (first, rest) = (self.plugin.load().unwrap(), self.plugin.load_rest());
        self.report =
            LoadReport { apps: first.apps + rest.apps, failed: first.failed + rest.failed };
        self
    }

    /// With the application of `probe.py`.
    pub fn probe(python: &Path) -> Self {
        let server = Self::new(python, &[("wsgi-file", "probe.py")]);
        assert_eq!(server.report, LoadReport { apps: 1, failed: 0 });
        server
    }

    pub fn get(&mut self, path: &str) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        self.request(&plain(path, query), &mut MockBody::new(&[]), MockResponse::default())
    }

    pub fn post(&mut self, path: &str, mut body: MockBody) -> Answer {
        self.request(&plain(path, ""), &mut body, MockResponse::default())
    }

    pub fn into(&mut self, path: &str, response: MockResponse) -> Answer {
        self.request(&plain(path, ""), &mut MockBody::new(&[]), response)
    }

    pub fn request(
        &mut self,
        vars: &[(&str, &[u8])],
        body: &mut MockBody,
        response: MockResponse,
    ) -> Answer {
        let listener = self.http.clone();
        self.request_by(&listener, vars, body, response)
    }

    pub fn request_by(
        &mut self,
        listener: &Listener,
        vars: &[(&str, &[u8])],
        body: &mut MockBody,
        mut response: MockResponse,
    ) -> Answer {
        let handler = self.handler.get_or_insert_with(|| self.plugin.handler(CoreId(0)));
        let head = MockHead::new(vars);
        let outcome = serve(&mut **handler, listener, &head, body, &mut response);
        self.host.requests.fetch_add(1, Ordering::Relaxed);
        Answer { outcome, response }
    }

    pub fn park(&mut self) {
        if let Some(handler) = &mut self.handler {
            handler.park();
        }
    }
}
