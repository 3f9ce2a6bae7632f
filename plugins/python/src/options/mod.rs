//! The plugin's option rows, and what they were set to.

use std::path::PathBuf;

mod monitored;
mod rows;

pub(crate) use monitored::{Description, Monitored};
pub(crate) use rows::ROWS;
use uwsgi_plugin_api::{Settings, SiteRules};

/// Name of the setting under which the server hands over a positional argument that
/// [`uwsgi_plugin_api::Plugin::claims_argument`] accepted (`app.py`, `pkg.mod:app`).
pub const ARGUMENT: &str = "argument";

/// What the rows were set to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) home: Option<PathBuf>,
    pub(crate) python: Option<PathBuf>,
    pub(crate) optimize: Option<u8>,
    pub(crate) pythonpath: Vec<String>,
    pub(crate) imports: Vec<String>,
    pub(crate) callable: Option<String>,
    /// Applications without a mount point, in the order in which they are loaded.
    pub(crate) sources: Vec<String>,
    /// Mount points and what is mounted there.
    pub(crate) mounts: Vec<(String, String)>,
    /// `python-raw`: the file whose function takes raw connections.
    pub(crate) raw: Option<String>,
    /// `socket-timeout` in seconds, a row of the core.
    pub(crate) socket_timeout_s: u64,
    pub(crate) manage_script_name: bool,
    pub(crate) ignore_script_name: bool,
    pub(crate) no_default_app: bool,
    /// `single-interpreter`, or `app-isolation` other than `interpreter`.
    pub(crate) shares_interpreter: bool,
    /// `vhost` and `vhost-host`, rows of the core.
    pub(crate) by_host: bool,
    pub(crate) host_header_only: bool,
    /// `max-apps`, a row of the core.
    pub(crate) apps_max: usize,
    pub(crate) catch_exceptions: bool,
    pub(crate) file_wrapper: bool,
    /// `disable-write-exception`, a row of the core.
    pub(crate) forgiving_writes: bool,
    pub(crate) accept_buffer: bool,
    /// `reload-on-exception` and its family, rows of the core.
    pub(crate) monitored: Monitored,
    /// `py-autoreload`: pause in seconds between looks for new modules.
    pub(crate) autoreload: Option<u32>,
    /// Modules and files that do not count for it.
    pub(crate) autoreload_ignored: Vec<String>,
    /// `harakiri-interrupt` is set, a row of the core.
    pub(crate) interrupts: bool,
}

impl Options {
    /// Reads the settings.
    ///
    /// # Errors
    /// What is wrong with a value.
    pub(crate) fn read(settings: &Settings) -> Result<Self, String> {
        let list = |name| settings.all(name).map(str::to_owned).collect::<Vec<_>>();
        let mut sources = Vec::new();
        sources.extend(settings.text("module").map(str::to_owned));
        sources.extend(settings.text("wsgi-file").map(str::to_owned));
        sources.extend(list(ARGUMENT));
        Ok(Self {
            home: settings.text("home").map(PathBuf::from),
            python: settings.text("python").map(PathBuf::from),
            optimize: settings.number("optimize").map(|level| level.min(2) as u8),
            pythonpath: list("pythonpath"),
            imports: list("import"),
            callable: settings.text("callable").map(str::to_owned),
            sources,
            mounts: settings.all("mount").map(mount).collect::<Result<_, _>>()?,
            raw: raw(settings)?,
            socket_timeout_s: settings.number("socket-timeout").unwrap_or(4),
            manage_script_name: settings.flag("manage-script-name"),
            ignore_script_name: settings.flag("ignore-script-name"),
            no_default_app: settings.flag("no-default-app"),
            shares_interpreter: settings.flag("single-interpreter")
                || settings.text("app-isolation").is_some_and(|kind| kind != "interpreter"),
            by_host: settings.flag("vhost") || settings.flag("vhost-host"),
            host_header_only: settings.flag("vhost-host"),
            apps_max: apps_max(settings),
            catch_exceptions: settings.flag("catch-exceptions"),
            forgiving_writes: settings.flag("disable-write-exception"),
            file_wrapper: !settings.flag("wsgi-disable-file-wrapper"),
            accept_buffer: settings.flag("wsgi-accept-buffer"),
            monitored: Monitored::read(settings),
            autoreload: settings.number("py-autoreload").and_then(seconds),
            autoreload_ignored: list("py-auto-reload-ignore"),
            interrupts: settings.number("harakiri-interrupt").is_some_and(|seconds| seconds > 0),
        })
    }
}

/// uWSGI's number of applications where none is given.
fn apps_max(settings: &Settings) -> usize {
    const APPS_MAX_DEFAULT: usize = 64;
    let max = settings.number("max-apps").and_then(|max| usize::try_from(max).ok());
    max.filter(|max| *max > 0).unwrap_or(APPS_MAX_DEFAULT)
}

/// A socket without a function could only close its connections.
fn raw(settings: &Settings) -> Result<Option<String>, String> {
    let ours = settings.number("raw-modifier1").unwrap_or(0) == 0;
    match (settings.text("raw-socket"), settings.text("python-raw")) {
        (Some(address), None) if ours => Err(format!(
            "raw-socket = {address}: no function takes its connections; name its file with python-raw"
        )),
        (_, file) => Ok(file.map(str::to_owned)),
    }
}

impl Options {
    /// How sites are told apart.
    #[inline]
    pub(crate) fn site_rules(&self) -> SiteRules {
        SiteRules {
            by_host: self.by_host,
            host_header_only: self.host_header_only,
            ignore_script_name: self.ignore_script_name,
        }
    }
}

/// A positive number of seconds, cut where it is out of all reason; `None` for 0.
fn seconds(number: u64) -> Option<u32> {
    /// A day.
    const SECONDS_MAX: u64 = 86_400;
    u32::try_from(number.min(SECONDS_MAX)).ok().filter(|seconds| *seconds > 0)
}

/// Splits `POINT=APP`; blanks around both do not count.
fn mount(text: &str) -> Result<(String, String), String> {
    let (point, source) = text
        .split_once('=')
        .ok_or_else(|| format!("mount = {text}: expected POINT=APP, as in /blog=blog.py"))?;
    let (point, source) = (point.trim(), source.trim());
    let path = point.split_once('|').map_or(point, |(_, path)| path);
    if source.is_empty() || !(path.is_empty() || path.starts_with('/')) {
        return Err(format!(
            "mount = {text}: expected POINT=APP with a POINT that is a path from /, or HOST|PATH"
        ));
    }
    Ok((point.to_owned(), source.to_owned()))
}

/// Whether a positional argument is ours: `app.py`, `app.wsgi`, `pkg.mod:app`.
pub(crate) fn claims_argument(argument: &str) -> bool {
    if argument.ends_with(".py") || argument.ends_with(".wsgi") {
        return true;
    }
    let Some((module, callable)) = argument.split_once(':') else { return false };
    let callable = callable.strip_suffix("()").unwrap_or(callable);
    let file = module.ends_with(".py") || module.ends_with(".wsgi");
    (file || dotted_name(module)) && dotted_name(callable)
}

/// `a.b.c` of identifiers.
fn dotted_name(text: &str) -> bool {
    text.split('.').all(|part| {
        let mut letters = part.chars();
        letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
            && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
    })
}

#[cfg(test)]
mod tests {
    use uwsgi_plugin_api::Status;

    use super::*;

    #[test]
    fn names_are_unique_and_dashed() {
        let mut names: Vec<&str> =
            ROWS.iter().flat_map(|row| row.aliases.iter().copied().chain([row.name])).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        let legal =
            |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_' | b'0'..=b'9');
        assert!(names.iter().all(|name| name.bytes().all(legal)), "{names:?}");
        for row in ROWS {
            assert_eq!(row.kind.is_flag(), row.metavar.is_empty(), "{}", row.name);
        }
    }

    /// The table never lies: a row that works sets something.
    #[test]
    fn a_working_option_changes_something() {
        let read = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let options = Options::read(&Settings::new(pairs.collect()));
            format!("{:?}", options.expect("the sample is good"))
        };
        let nothing = read(&[]);
        for row in ROWS.iter().filter(|row| row.status == Status::Works) {
            let value = match row.name {
                "mount" => "/x=app.py",
                _ if row.kind.is_flag() || row.kind.is_number() => "1",
                _ => "sample",
            };
            // A question, which the server answers before options are read.
            let asks = row.name == "python-version";
            assert!(asks || read(&[(row.name, value)]) != nothing, "{} sets nothing", row.name);
        }
    }

    #[test]
    fn arguments_that_are_ours() {
        for ours in ["app.py", "/srv/x/my-app.wsgi", "pkg.mod:app", "mod:make()", "dir/app.py:app"]
        {
            assert!(claims_argument(ours), "{ours}");
        }
        for other in ["app.ini", "127.0.0.1:8000", ":9090", "app", "a b:c", "pkg.mod:", "x.yml"] {
            assert!(!claims_argument(other), "{other}");
        }
    }

    #[test]
    fn mounts_are_split_at_the_first_equals_sign() {
        assert_eq!(mount("/x = pkg.mod:app").unwrap(), ("/x".into(), "pkg.mod:app".into()));
        assert_eq!(mount("=app.py").unwrap(), (String::new(), "app.py".into()));
        assert_eq!(mount("a.example|/x=y").unwrap(), ("a.example|/x".into(), "y".into()));
        assert_eq!(mount("a.example|=y").unwrap(), ("a.example|".into(), "y".into()));
        assert!(mount("a.example|x=y").is_err());
        assert!(mount("/x").is_err());
        assert!(mount("x=app.py").is_err());
        assert!(mount("/x=").is_err());
    }
}
