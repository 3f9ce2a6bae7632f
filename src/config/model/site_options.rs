//! The options that the processes of a site are started with.

use uwsgi_plugin_api::site::Source;

use super::site_spec::SiteSpec;
use super::sites::Sites;

/// What sites have of the configuration of their instance: how requests are read, answered, bounded and logged, how
/// processes are recycled, and how Python is set up. Not: where the instance listens and what it runs besides, which are
/// the instance's own; and not the applications, which requests name.
pub const INHERITED: &[&str] = &[
    // Requests
    "buffer-size",
    "socket-timeout",
    "max-vars",
    "limit-post",
    "post-buffering",
    "trusted-proxies",
    "trusted-headers",
    "add-header",
    "request-id",
    "error-page-403",
    "error-page-404",
    "error-page-500",
    "error-page",
    // HTTP
    "http-keepalive",
    "http-keepalive-requests",
    "http-compat",
    "limit-request-line",
    "limit-request-fields",
    "limit-request-field-size",
    "http-body-min-rate",
    "http-timeout",
    "http-headers-timeout",
    "http-auto-gzip",
    "http-manage-expect",
    "http-var",
    "http-server-name-as-http-host",
    "http-path-info-no-decode-slashes",
    "websockets-ping-freq",
    "websockets-pong-tolerance",
    "websockets-max-size",
    // Static files
    "static-map",
    "static-map2",
    "check-static",
    "check-static-docroot",
    "static-index",
    "static-skip-ext",
    "static-safe",
    "mime-file",
    "file-serve-mode",
    "static-internal",
    "static-expires",
    "static-expires-mtime",
    "static-expires-uri",
    "static-expires-uri-mtime",
    "static-expires-path-info",
    "static-expires-path-info-mtime",
    "static-expires-type",
    "static-expires-type-mtime",
    "static-gzip-all",
    "static-gzip",
    "static-gzip-dir",
    "static-gzip-ext",
    "static-precompressed",
    // Processes and their life
    "threads",
    "lazy-apps",
    "auto-procname",
    "procname-prefix",
    "procname-prefix-spaced",
    "procname-append",
    "harakiri",
    "harakiri-log",
    "harakiri-interrupt",
    "harakiri-graceful-timeout",
    "harakiri-graceful-signal",
    "harakiri-queue-threshold",
    "max-requests",
    "max-requests-delta",
    "max-requests-jitter",
    "min-worker-lifetime",
    "max-worker-lifetime",
    "max-worker-lifetime-delta",
    "reload-on-rss",
    "reload-on-as",
    "evil-reload-on-rss",
    "evil-reload-on-as",
    "reload-on-exception",
    "reload-on-exception-type",
    "reload-on-exception-value",
    "reload-on-exception-repr",
    "worker-reload-mercy",
    "reload-mercy",
    "forkbomb-delay",
    "recycle-share",
    "limit-as",
    "umask",
    // Log
    "disable-logging",
    "log-4xx",
    "log-5xx",
    "log-slow",
    "log-x-forwarded-for",
    "log-date",
    "log-micros",
    "memory-report",
    "ignore-sigpipe",
    "ignore-write-errors",
    "disable-write-exception",
    // Python
    "home",
    "pythonpath",
    "python-version",
    "import",
    "catch-exceptions",
    "wsgi-disable-file-wrapper",
    "wsgi-accept-buffer",
    "optimize",
    "py-autoreload",
    "py-auto-reload-ignore",
];

/// What `site-option` may say besides.
const OF_SITES: &[&str] = &[
    "processes",
    "idle",
    "uid",
    "gid",
    "env",
    "limit-nproc",
    "max-fd",
    "prio",
    "cpu-affinity",
    "touch-reload",
];

/// Who a site's processes are: taken before they are started.
pub const IDENTITY: [&str; 2] = ["uid", "gid"];

/// Options of each site that nothing can change: what makes its processes those of a site.
const FIXED: &[(&str, &str)] = &[("master", "true"), ("die-on-idle", "true")];

/// Seconds without a request after which a site's processes end, where nothing else is said.
pub const IDLE_S_DEFAULT: u64 = 60;

/// Whether `site-option` may say it.
pub fn is_for_sites(name: &str) -> bool {
    INHERITED.contains(&name) || OF_SITES.contains(&name)
}

/// All that `site-option` may say, for a message.
pub fn accepted() -> String {
    let mut all: Vec<&str> = OF_SITES.iter().chain(INHERITED).copied().collect();
    all.sort_unstable();
    all.join(", ")
}

/// The value of an option of a site, the last one that was given.
pub fn value<'a>(options: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = options.iter().rev().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

/// The options for the sites of a host: those of the instance, and over them what `site-option` says.
pub fn for_host(sites: &Sites, host: &[u8]) -> Vec<(String, String)> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut options = vec![
        ("processes".to_owned(), "1".to_owned()),
        ("idle".to_owned(), IDLE_S_DEFAULT.to_string()),
    ];
    options.extend(sites.inherited.iter().cloned());
    let for_it = |of: &Option<String>| of.as_ref().is_none_or(|of| of.as_bytes() == host);
    // What is said of a host counts more than what is said of all, whatever comes first.
    for of_host in [false, true] {
        let said = sites.options.iter().filter(|option| option.host.is_some() == of_host);
        let said = said.filter(|option| for_it(&option.host));
        options.extend(said.map(|option| (option.name.clone(), option.value.clone())));
    }
    options.extend(FIXED.iter().map(pair));
    options
}

/// The options for a site: those for its host, and what the request names.
pub fn for_site(sites: &Sites, spec: &SiteSpec) -> Vec<(String, String)> {
    let mut options = for_host(sites, &spec.host);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            options.push((name.to_owned(), value));
        }
    };
    let (source, own_callable) = source(spec);
    add(if is_path(spec, &source) { "wsgi-file" } else { "module" }, source);
    add("callable", if spec.callable.is_empty() { own_callable } else { text(&spec.callable) });
    add("home", text(&spec.home));
    add("chdir", text(&spec.chdir));
    add("touch-reload", text(&spec.touch));
    spec.environment.iter().for_each(|one| add("env", text(one)));
    options
}

/// What is to be loaded, and the callable behind a colon.
fn source(spec: &SiteSpec) -> (String, String) {
    let source = if spec.is_file { Source::File } else { Source::Script };
    let (place, callable) = source(&spec.source).parts();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(place), text(callable.unwrap_or_default()))
}

fn is_path(spec: &SiteSpec, source: &str) -> bool {
    // Not `.wsgi`, which is how the module of a Django project ends.
    spec.is_file || source.contains('/') || source.ends_with(".py")
}

/// Files whose change may mend a site that does not load: where its application is looked for.
pub fn suspects(spec: &SiteSpec) -> Vec<String> {
    let (source, _) = source(spec);
    let folder = String::from_utf8_lossy(&spec.chdir);
    let below = |file: String| match (file.starts_with('/'), folder.is_empty()) {
        (false, false) => format!("{}/{file}", folder.trim_end_matches('/')),
        _ => file,
    };
    let mut files = match is_path(spec, &source) {
        true => vec![source],
        false => {
            let path = source.replace('.', "/");
            vec![format!("{path}.py"), format!("{path}/__init__.py")]
        }
    };
    files.iter_mut().for_each(|file| *file = below(std::mem::take(file)));
    if !spec.home.is_empty() {
        files.push(format!("{}/pyvenv.cfg", String::from_utf8_lossy(&spec.home)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::super::sites::SiteOption;
    use super::*;

    fn option(host: Option<&str>, name: &str, value: &str) -> SiteOption {
        SiteOption { host: host.map(str::to_owned), name: name.into(), value: value.into() }
    }

    #[test]
    fn what_is_said_of_a_host_counts_more() {
        let sites = Sites {
            options: vec![
                option(Some("a.example"), "threads", "3"),
                option(None, "threads", "2"),
                option(Some("b.example"), "idle", "5"),
            ],
            inherited: vec![("threads".into(), "8".into())],
            ..Sites::default()
        };
        let of = |host: &[u8], name: &str| {
            value(&for_host(&sites, host), name).map(str::to_owned).unwrap_or_default()
        };
        assert_eq!(
            (of(b"a.example", "threads"), of(b"a.example", "idle")),
            ("3".into(), "60".into())
        );
        assert_eq!(
            (of(b"b.example", "threads"), of(b"b.example", "idle")),
            ("2".into(), "5".into())
        );
        assert_eq!(of(b"", "processes"), "1");
    }

    #[test]
    fn a_source_is_a_module_or_a_file() {
        let of = |is_file: bool, source: &str, callable: &str| {
            let spec = SiteSpec {
                is_file,
                source: source.into(),
                callable: callable.into(),
                ..SiteSpec::default()
            };
            let options = for_site(&Sites::default(), &spec);
            let one = |name| value(&options, name).unwrap_or_default().to_owned();
            (one("module"), one("wsgi-file"), one("callable"))
        };
        let expect = |module: &str, file: &str, callable: &str| {
            (module.to_owned(), file.to_owned(), callable.to_owned())
        };
        assert_eq!(of(false, "shop.wsgi:app", ""), expect("shop.wsgi", "", "app"));
        assert_eq!(of(false, "shop", "app"), expect("shop", "", "app"));
        assert_eq!(of(false, "/srv/a.py", ""), expect("", "/srv/a.py", ""));
        assert_eq!(of(false, "a.py:app", ""), expect("", "a.py", "app"));
        assert_eq!(of(true, "a:b", ""), expect("", "a:b", ""));
    }

    #[test]
    fn suspects_are_where_the_application_is_looked_for() {
        let spec = SiteSpec {
            source: b"shop.web:app".to_vec(),
            chdir: b"/srv/".to_vec(),
            home: b"/venv".to_vec(),
            ..SiteSpec::default()
        };
        assert_eq!(
            suspects(&spec),
            ["/srv/shop/web.py", "/srv/shop/web/__init__.py", "/venv/pyvenv.cfg"]
        );
    }
}
