//! The configuration as a user writes it: arguments and files in, a `Config` or messages out.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use uwsgi_plugin_api::WireProtocol;

use super::*;

mod composition;
mod logic;
mod scaling;
mod table;

/// A folder of its own for a test's files.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("uwsgi-config-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("folder is made");
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("file is written");
        path.to_str().expect("path is UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // best effort, the folder is temporary
    }
}

fn load_source(source: &Source) -> Result<Loaded, Vec<Diagnostic>> {
    load(&Registry::new(&[]), source, &magic::tests::machine())
}

fn loaded(args: &[&str]) -> Loaded {
    load_source(&Source::of_args(args)).expect("configuration is good")
}

fn config(args: &[&str]) -> Config {
    loaded(args).config
}

fn errors(args: &[&str]) -> Vec<String> {
    let problems = load_source(&Source::of_args(args)).expect_err("configuration is bad");
    problems.iter().map(ToString::to_string).collect()
}

fn notes(args: &[&str]) -> Vec<String> {
    read(&Registry::new(&[]), &Source::of_args(args), &magic::tests::machine()).notes
}

#[test]
fn defaults_are_uwsgis() {
    let config = config(&[]);
    assert_eq!(config.runtime.backlog, 100);
    assert_eq!(config.limits.head_bytes_max, 4096);
    assert_eq!(config.limits.vars_max, 128);
    assert_eq!(config.limits.socket_timeout, Duration::from_secs(4));
    assert_eq!(config.limits.body_bytes_max, None);
    assert_eq!(config.limits.connections_max, 768);
    assert_eq!((config.processes.workers, config.processes.threads), (1, 1));
    assert_eq!(config.processes.worker_mercy, Duration::from_secs(60));
    assert_eq!(config.processes.min_worker_lifetime, Duration::from_secs(10));
    assert_eq!(config.processes.forkbomb_delay, Duration::from_secs(2));
    assert_eq!((config.processes.master, config.processes.harakiri), (false, None));
    assert!(config.logging.requests && config.runtime.defer_accept);
    assert!(config.sockets.is_empty());
}

#[test]
fn the_command_line_of_the_readme_is_understood() {
    let config = config(&["-s", ":9090", "-M", "-p", "4", "-t", "30", "-R", "10000"]);
    assert_eq!(config.sockets[0].address, ":9090");
    assert_eq!(config.sockets[0].protocol, WireProtocol::Uwsgi);
    assert!(config.processes.master);
    assert_eq!(config.processes.workers, 4);
    assert_eq!(config.processes.harakiri, Some(Duration::from_secs(30)));
    assert_eq!(config.processes.max_requests, Some(10_000));
}

#[test]
fn sockets_keep_their_order_and_protocol() {
    let config =
        config(&["--http", ":1", "-s", "a", "--http-socket", ":2", "--uwsgi-socket", ":3"]);
    let found: Vec<_> = config
        .sockets
        .iter()
        .map(|spec| (spec.origin.as_str(), spec.address.as_str(), spec.protocol))
        .collect();
    let (http, uwsgi) = (WireProtocol::Http, WireProtocol::Uwsgi);
    assert_eq!(
        found,
        [
            ("--http", ":1", http),
            ("--socket", "a", uwsgi),
            ("--http-socket", ":2", http),
            ("--uwsgi-socket", ":3", uwsgi)
        ]
    );
}

fn of_plain_socket(protocol: &str) -> WireProtocol {
    config(&["-s", ":1", "--protocol", protocol]).sockets[0].protocol
}

#[test]
fn protocol_changes_plain_sockets_only() {
    let config = config(&["-s", ":1", "--uwsgi-socket", ":2", "--protocol", "http"]);
    assert_eq!(config.sockets[0].protocol, WireProtocol::Http);
    assert_eq!(config.sockets[1].protocol, WireProtocol::Uwsgi);
    assert_eq!(
        errors(&["--protocol=ajp"]),
        [
            "error: --protocol ajp: unable to find protocol; accepted: uwsgi, puwsgi, http, fastcgi, fastcgi-nph, scgi, scgi-nph, raw, auto"
        ]
    );
    for protocol in WireProtocol::ALL {
        assert_eq!(of_plain_socket(protocol.name()), protocol);
    }
}

#[test]
fn requests_without_modifiers_get_those_of_their_protocol() {
    let modifiers = config(&["--fastcgi-modifier1", "14", "--scgi-modifier2", "3"]).modifiers;
    assert_eq!(modifiers.of(WireProtocol::FastCgiNph, false), (14, 0));
    assert_eq!(modifiers.of(WireProtocol::Scgi, false), (0, 3));
    assert_eq!(modifiers.of(WireProtocol::Http, false), (0, 0));
    let http = config(&["--http-modifier1", "14", "--http-socket-modifier2", "3"]).modifiers;
    assert_eq!(http.of(WireProtocol::Http, true), (14, 0));
    assert_eq!(http.of(WireProtocol::Http, false), (0, 3));
}

#[test]
fn the_last_scalar_wins_and_lists_add_up() {
    let folder = Folder::new();
    let ini = folder.file("a.ini", "[uwsgi]\nprocesses = 3\nenv = A=1\nmaster = true\n");
    let before = config(&["-p", "2", "--ini", &ini, "--env", "B=2=x"]);
    assert_eq!(before.processes.workers, 3);
    assert_eq!(
        before.runtime.env,
        [("A".into(), Some("1".into())), ("B".into(), Some("2=x".into()))]
    );
    let after = config(&["--ini", &ini, "-p", "2", "--master=no"]);
    assert_eq!(after.processes.workers, 2);
    assert!(!after.processes.master);
}

#[test]
fn a_positional_file_is_read_after_all_options() {
    let folder = Folder::new();
    let ini = folder.file("a.ini", "[uwsgi]\nprocesses = 3\n[other]\nprocesses = 5\n");
    assert_eq!(config(&[&ini, "-p", "2"]).processes.workers, 3);
    assert_eq!(config(&[&format!("{ini}:other")]).processes.workers, 5);
    assert_eq!(config(&["app.py", "[x]", "pkg.mod:app"]).arguments, ["app.py", "pkg.mod:app"]);
}

#[test]
fn the_environment_comes_first() {
    let source = Source {
        outside: Outside::Open,
        environment: vec![
            ("UWSGI_PROCESSES".into(), "4".into()),
            ("UWSGI_MAX_REQUESTS".into(), "7".into()),
            ("UWSGI_OTHER_PROGRAMS".into(), "x".into()),
            ("UWSGI_RELOADS".into(), "1".into()),
        ],
        args: vec![
            "-p".into(),
            "2".into(),
            "--chdir=%(other-programs)$(UWSGI_MAX_REQUESTS)".into(),
        ],
    };
    let loaded = load_source(&source).expect("configuration is good");
    assert_eq!(loaded.config.processes.workers, 2);
    assert_eq!(loaded.config.processes.max_requests, Some(7));
    assert_eq!(loaded.config.runtime.chdir, Some(PathBuf::from("x7")));
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.settings.text("reloads"), None);
}

#[test]
fn a_likely_typing_error_in_the_environment_is_named() {
    let environment = vec![("UWSGI_PROCESES".into(), "4".into())];
    let loaded =
        load_source(&Source { environment, ..Source::default() }).expect("configuration is good");
    assert_eq!(
        loaded.warnings[0].to_string(),
        "warning: environment UWSGI_PROCESES: proceses = 4: unknown option (did you mean processes?); kept as a \
         placeholder"
    );
}

#[test]
fn values_are_read_as_leniently_as_by_c() {
    let folder = Folder::new();
    let text = "[uwsgi]\nbuffer-size =  32768  # big\nmaster = false # no comment here\nvacuum = off\n\
                disable-logging = no\nlimit-as = 2\nneed-app\n";
    let config = config(&["--ini", &folder.file("a.ini", text)]);
    assert_eq!(config.limits.head_bytes_max, 32_768);
    assert!(config.processes.master && config.processes.need_app);
    assert!(!config.runtime.vacuum);
    assert!(config.logging.requests);
    assert_eq!(config.processes.limit_as_bytes, Some(2 << 20));
    assert_eq!(self::config(&["-b", "70000"]).limits.head_bytes_max, 65_535);
    assert_eq!(self::config(&["--threads=+3"]).processes.threads, 3);
}

#[test]
fn a_number_that_is_none_is_taken_as_zero_with_a_warning() {
    let loaded = loaded(&["--harakiri", "\"30\""]);
    assert_eq!(loaded.config.processes.harakiri, None);
    assert!(loaded.warnings[0].to_string().starts_with(
        "warning: --harakiri \"30\": is read as 0: quotes are part of the value; write 30"
    ));
}

#[test]
fn all_problems_are_told_at_once_with_their_places() {
    let folder = Folder::new();
    let text = "[uwsgi]\nprocesses = -1\n\nchmod-socket = 99\nsocket-timeout = 0\numask = 8\nlisten = 5000\n";
    let ini = folder.file("bad.ini", text);
    assert_eq!(
        errors(&["--ini", &ini, "--env", "X", "--daemonize", "127.0.0.1:514"]),
        [
            "error: --env X: accepted: NAME=VALUE".to_owned(),
            format!("error: {ini}:2: processes = -1: must be > 0; accepted: a whole number from 1 to 65535, or auto"),
            format!("error: {ini}:5: socket-timeout = 0: out of range; accepted: a whole number from 1 to 2147483647"),
            "error: --daemonize 127.0.0.1:514: logging to a UDP server is not supported; accepted: the path \
             of a file"
                .to_owned(),
            format!("error: {ini}:6: umask = 8: accepted: an octal mode such as 022"),
            format!(
                "error: {ini}:7: listen = 5000: Listen queue size is greater than the system max \
                 net.core.somaxconn (4096)."
            ),
            format!(
                "error: {ini}:4: chmod-socket = 99: invalid chmod value; accepted: three octal digits such as 660"
            ),
        ]
    );
}

#[test]
fn chmod_socket_without_a_value_is_666() {
    assert_eq!(config(&["-C"]).runtime.chmod_socket, Some(0o666));
    assert_eq!(config(&["-C660"]).runtime.chmod_socket, Some(0o660));
    assert_eq!(config(&["--chmod=1"]).runtime.chmod_socket, Some(0o666));
    assert_eq!(config(&[]).runtime.chmod_socket, None);
}

#[test]
fn unknown_keys_of_files_are_placeholders_with_a_warning() {
    let folder = Folder::new();
    let ini =
        folder.file("a.ini", "[uwsgi]\ndeamonize = x\nbase = /srv\nchdir = %(base)/x\nbind = 1\n");
    let loaded = loaded(&["--ini", &ini]);
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            format!(
                "warning: {ini}:2: deamonize = x: unknown option (did you mean daemonize?); kept as a placeholder"
            ),
            format!("warning: {ini}:5: bind = 1: unknown option; kept as a placeholder"),
        ]
    );
    assert_eq!(loaded.config.runtime.chdir, Some(PathBuf::from("/srv/x")));
}

#[test]
fn strict_counts_wherever_it_stands() {
    let folder = Folder::new();
    let text = "[uwsgi]\nzzzz = 1\nstrict = true\nset-ph = mine=1\nprocesess = 2\n";
    let ini = folder.file("a.ini", text);
    assert_eq!(
        errors(&["--ini", &ini]),
        [
            format!("error: {ini}:2: zzzz = 1: [strict-mode] unknown config directive"),
            format!(
                "error: {ini}:5: procesess = 2: [strict-mode] unknown config directive (did you mean processes?)"
            ),
        ]
    );
    assert!(load_source(&Source::of_args(["--ini", &ini, "--strict=false"])).is_ok());
}

#[test]
fn set_makes_options_and_placeholders() {
    let found =
        config(&["--set", "processes=3", "-S", "x=a=b", "--set-ph", "y=1", "--chdir", "%(x)%(y)"]);
    assert_eq!(found.processes.workers, 3);
    assert_eq!(found.runtime.chdir, Some(PathBuf::from("a=b1")));
    assert_eq!(
        errors(&["--set-ph", "processes=3"]),
        [
            "error: --set-ph processes=3: you cannot use processes as a placeholder, it is already available as an \
          option"
        ]
    );
    assert_eq!(
        errors(&["--set", "foo"]),
        ["error: --set foo: invalid placeholder/--set value; accepted: KEY=VALUE"]
    );
}

#[test]
fn files_may_name_files_and_their_own_sections() {
    let folder = Folder::new();
    folder.file("sub.ini", "[uwsgi]\nthreads = 2\nchdir = %P|%n\n");
    let top =
        folder.file("top.ini", "[uwsgi]\nini = %dsub.ini\nini = :more\n[more]\nprocesses = 9\n");
    let loaded = loaded(&["--ini", &top]);
    assert_eq!((loaded.config.processes.threads, loaded.config.processes.workers), (2, 9));
    assert_eq!(loaded.config.runtime.chdir, Some(PathBuf::from(format!("{top}|sub"))));
    assert_eq!(loaded.config.runtime.config_files.len(), 3);
    assert_eq!(notes(&["--ini", &top])[0], format!("[uWSGI] getting INI configuration from {top}"));
}

#[test]
fn files_that_name_each_other_for_ever_are_an_error() {
    let folder = Folder::new();
    let ini = folder.file("a.ini", "[uwsgi]\nini = %p\n");
    assert!(errors(&["--ini", &ini])[0].contains("name each other more than 32 deep"));
}

#[test]
fn a_missing_file_or_section_is_named() {
    let folder = Folder::new();
    assert_eq!(
        errors(&["--ini", "/no/such.ini"]),
        [
            "error: --ini /no/such.ini: cannot read the configuration file /no/such.ini: No such file or directory \
          (os error 2)"
        ]
    );
    let ini = folder.file("a.ini", "[uwsgi]\n");
    assert_eq!(
        notes(&["--ini", &format!("{ini}:nope")])[1],
        format!("*** WARNING: Can't find section \"nope\" in INI configuration file {ini} ***")
    );
}

#[test]
fn what_is_not_there_is_an_error_with_its_place() {
    let folder = Folder::new();
    let ini = folder.file("a.ini", "[uwsgi]\nhttps = :1,a,b\nenable-metrics = 1\n");
    let found = errors(&["--ini", &ini]);
    assert!(
        found[0].starts_with(&format!("error: {ini}:2: https = :1,a,b: is not supported: ")),
        "{found:?}"
    );
    assert!(
        found[1].starts_with(&format!("warning: {ini}:3: enable-metrics = 1: is not supported: "))
    );
    assert!(errors(&["conf.xml"])[0].contains("cannot read the configuration file conf.xml"));
}

#[test]
fn an_option_without_an_effect_says_so_once() {
    let loaded = loaded(&["--thunder-lock", "--thunder-lock", "-T"]);
    let lines: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("hint: --thunder-lock: has no effect here: "));
}

#[test]
fn built_in_plugins_are_accepted_by_their_usual_names() {
    assert_eq!(loaded(&["--plugin", "python3,http", "--plugins=0:python311"]).warnings, []);
    assert!(
        loaded(&["--plugin", "lua"]).warnings[0].to_string().contains("there is no plugin lua")
    );
    assert!(
        errors(&["--need-plugin", "lua"])[0]
            .starts_with("error: --need-plugin lua: there is no plugin lua")
    );
}

#[test]
fn processes_are_called_what_was_asked_for() {
    for (options, master, worker) in [
        (&["--auto-procname"] as &[&str], "uWSGI master", "uWSGI worker 1"),
        (&["--procname", "N"], "N", "N"),
        (&["--procname-master", "M", "--procname-append", "+"], "M+", "uWSGI worker 1+"),
        (&["--procname-prefix", "P", "--procname-master", "M"], "PM", "PuWSGI worker 1"),
        (&["--procname", "N", "--procname-master", "M"], "M", "N"),
    ] {
        let names = config(options).runtime.names;
        assert_eq!(names.of("master").as_deref(), Some(master), "{options:?}");
        assert_eq!(names.of("worker 1").as_deref(), Some(worker), "{options:?}");
    }
    assert_eq!(config(&[]).runtime.names.of("master"), None);
}

#[test]
fn options_that_imply_others_switch_them_on() {
    assert!(config(&["--procname-prefix-spaced", "x"]).runtime.names.shown);
    assert_eq!(config(&["--procname-prefix-spaced", "x"]).runtime.names.procname_prefix, "x ");
    assert!(config(&["--forkbomb-delay", "1"]).processes.master);
}

#[test]
fn plugins_see_all_options_by_canonical_name() {
    let settings = config(&["--workers", "2", "-M", "--set", "my=1", "--logdate"]).settings;
    assert_eq!(settings.text("processes"), Some("2"));
    assert_eq!(settings.text("master"), Some("1"));
    assert_eq!(settings.text("my"), Some("1"));
    assert_eq!(settings.text("log-date"), Some("1"));
}

#[test]
fn show_config_lists_the_directives_as_written() {
    let registry = Registry::new(&[]);
    let args = ["--show-config", "-C660", "--set", "a=1", "--workers", "%(a)"];
    let reading = read(&registry, &Source::of_args(args), &magic::tests::machine());
    assert_eq!(
        reading.shown(&registry).expect("show-config was given").join("\n"),
        "\n;uWSGI instance configuration\n[uwsgi]\nshow-config = true\nchmod-socket = 660\nset = a=1\na = 1\n\
         workers = 1\n;end of configuration\n"
    );
}

#[test]
fn questions_are_noticed() {
    let machine = magic::tests::machine();
    let ask = |args: &[&str]| read(&Registry::new(&[]), &Source::of_args(args), &machine).question;
    assert_eq!(ask(&["-h"]), Some(Question::Help(String::new())));
    assert_eq!(ask(&["-M", "--version", "--help"]), Some(Question::Version));
    assert_eq!(ask(&["-M"]), None);
}

#[test]
fn keep_alive_follows_http_keepalive() {
    let seconds = |args: &[&str]| config(args).limits.keep_alive.as_secs();
    assert_eq!(seconds(&[]), 75);
    assert_eq!(seconds(&["--http-keepalive"]), 75);
    assert_eq!(seconds(&["--http-keepalive=1"]), 75);
    assert_eq!(seconds(&["--http-keepalive=20"]), 20);
    assert_eq!(seconds(&["--http-keepalive=0"]), 0);
}
