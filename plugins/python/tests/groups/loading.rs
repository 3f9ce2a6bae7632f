//! Finding the interpreter and loading applications.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use uwsgi_plugin_api::{LoadReport, Plugin, Settings};
use uwsgi_plugin_python::{ARGUMENT, PythonPlugin};

use super::Server;
use crate::support::MockHost;

pub fn mounts(python: &Path) {
    let mut server = Server::new(
        python,
        &[
            ("mount", "/one=who.py"),
            ("module", "who:application"),
            ("mount", "/two=who:second"),
            ("mount", "/two=who:application"),
            ("manage-script-name", "true"),
        ],
    );
    assert_eq!(server.report, LoadReport { apps: 3, failed: 0 });
    for (path, app, text) in [
        ("/", 0, "who '' '/'"),
        ("/x", 0, "who '' '/x'"),
        ("/one", 2, "uwsgi_file_who '/one' ''"),
        ("/one/x", 2, "uwsgi_file_who '/one' '/x'"),
        ("/onex", 0, "who '' '/onex'"),
        ("/two/", 1, "second '/two' '/'"),
    ] {
        let answer = server.get(path);
        assert_eq!((answer.ok().as_str(), answer.outcome.app), (text, Some(app)), "{path}");
    }
    let lines = server.host.take_lines();
    let find = |text: &str| lines.iter().any(|line| line.contains(text));
    assert!(find("WSGI app 0 (mountpoint='') ready in 0 seconds on interpreter 0x"));
    assert!(find("(default app)") && find("mounting who.py on /one"));
    assert!(find("WSGI app 1 (mountpoint='/two') ready in"));
    assert!(find("WSGI app 2 (mountpoint='/one') ready in"));
}

pub fn applications(python: &Path) {
    let mut server =
        Server::new(python, &[("module", "many"), ("manage-script-name", "1"), ("pp", "x")]);
    assert_eq!(server.report.apps, 3);
    for (path, text) in
        [("/", "who '' '/'"), ("/a/x", "who '/a' '/x'"), ("/b/x", "second '/b' '/x'")]
    {
        assert_eq!(server.get(path).ok(), text);
    }
}

pub fn factories_and_files(python: &Path) {
    let folder = std::env::current_dir().unwrap();
    let file = folder.join("who.py");
    let file_mount = format!("/file={}:second", file.display());
    let mut server = Server::new(
        python,
        &[
            (ARGUMENT, "who:make()"),
            ("mount", &file_mount),
            ("mount", "/dotted=who:holder.application"),
            ("manage-script-name", "1"),
            ("import", "side_effect"),
            ("pythonpath", "elsewhere"),
            ("pythonpath", "folder"),
        ],
    );
    assert_eq!(server.report, LoadReport { apps: 3, failed: 0 });
    assert_eq!(server.get("/").ok(), "made '' '/'");
    assert_eq!(server.get("/file/x").ok(), "second '/file' '/x'");
    assert_eq!(server.get("/dotted/x").ok(), "who '/dotted' '/x'");
    let lines = server.host.take_lines();
    let at = |text: &str| lines.iter().position(|line| line.contains(text));
    assert!(at("added elsewhere to pythonpath.") < at("side effect ['folder', 'elsewhere', '.']"));
    assert!(at("side effect") < at("WSGI app 0"), "imports come first: {lines:?}");
    assert!(at("Python version: 3.").is_some());
    assert!(at("Python main interpreter initialized at 0x").is_some());
    let taken = format!("python interpreter: {} (version 3.", python.display());
    assert!(at(&taken).is_some(), "{lines:?}");
}

/// Each failure is counted and logged, and the others are served.
pub fn failures(python: &Path) {
    let (log, mut server) = captured(|| {
        Server::new(
            python,
            &[
                ("module", "no_such_module"),
                ("wsgi-file", "no_such_file.py"),
                ("mount", "/raises=raises_at_import"),
                ("mount", "/exits=exits_at_import.py"),
                ("mount", "/syntax=bad_syntax.py"),
                ("mount", "/missing=who:no_such_callable"),
                ("mount", "/app=flasklike"),
                ("mount", "/good=who:application"),
                ("import", "no_such_import"),
                ("manage-script-name", "1"),
            ],
        )
    });
    assert_eq!(server.report, LoadReport { apps: 1, failed: 7 });
    for text in [
        "ModuleNotFoundError: No module named 'no_such_module'",
        "ModuleNotFoundError: No module named 'no_such_import'",
        "FileNotFoundError: [Errno 2] No such file or directory: 'no_such_file.py'",
        "raises_at_import.py\", line 4, in helper",
        "ZeroDivisionError: ",
        "exits_at_import.py called sys.exit() while it was loaded",
        "SyntaxError: ",
        "who has no callable 'no_such_callable'",
        "flasklike has no callable 'application'; it has 'app': set callable = app",
        "sys.path is:",
        "unable to load app 0 (mountpoint='') (callable not found or import error)",
        "unable to load app 0 (mountpoint='/syntax') (callable not found or import error)",
    ] {
        assert!(log.contains(text), "{text} is not in:\n{log}");
    }
    assert!(!log.contains("<uwsgi-rs>"), "our own frames are not the user's business:\n{log}");
    assert_eq!(server.get("/good/x").ok(), "who '/good' '/x'");
    let answer = server.get("/nowhere");
    assert!(answer.response.aborted && answer.outcome.app.is_none(), "the server answers 500");
    let lines = server.host.take_lines();
    let last = lines.last().unwrap();
    assert_eq!(last, "--- no python application found, check your startup logs for errors ---");
}

/// What `work` writes to descriptor 2, Python's part as well.
fn captured<T>(work: impl FnOnce() -> T) -> (String, T) {
    use std::io::{Read, Seek};
    use std::os::fd::AsRawFd;
    let path = std::env::temp_dir().join(format!("uwsgi-captured-{}", std::process::id()));
    let mut file = std::fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    // SAFETY: plain system calls on descriptors that are open.
    let saved = unsafe { libc::dup(2) };
    // SAFETY: as above.
    unsafe { libc::dup2(file.as_raw_fd(), 2) };
    let value = work();
    // SAFETY: as above.
    unsafe { libc::dup2(saved, 2) };
    let mut log = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut log).unwrap();
    eprint!("{log}");
    (log, value)
}

/// A virtualenv that is made for the purpose, or nothing where this Python makes none.
fn with_virtualenv(python: &Path, work: impl FnOnce(&str)) {
    let folder = std::env::temp_dir().join(format!("uwsgi-venv-{}", std::process::id()));
    let made = Command::new(python).args(["-m", "venv", "--without-pip"]).arg(&folder).status();
    if !made.unwrap().success() {
        return println!("this Python makes no virtualenvs");
    }
    work(&folder.display().to_string());
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Its packages are found and `sys` says what it should.
fn is_in_virtualenv(server: &mut Server, folder: &str) {
    assert_eq!(server.get("/call_uwsgi?sys.prefix").ok(), format!("'{folder}'"));
    assert_eq!(server.get("/call_uwsgi?sys.prefix!=sys.base_prefix").ok(), "True");
    assert_eq!(server.get("/call_uwsgi?sys.executable").ok(), format!("'{folder}/bin/python'"));
    let found = "any(p.startswith(sys.prefix)and(p.endswith('site-packages'))for(p)in(sys.path))";
    assert_eq!(server.get(&format!("/call_uwsgi?{found}")).ok(), "True");
}

pub fn virtualenv(python: &Path) {
    with_virtualenv(python, |folder| {
        let mut server = Server::search(&[("home", folder), ("wsgi-file", "probe.py")]).loaded();
        is_in_virtualenv(&mut server, folder);
    });
}

pub fn virtual_env_variable(python: &Path) {
    with_virtualenv(python, |folder| {
        // SAFETY: no other thread reads the environment now.
        unsafe { std::env::set_var("VIRTUAL_ENV", folder) };
        let mut server = Server::search(&[("wsgi-file", "probe.py")]).loaded();
        is_in_virtualenv(&mut server, folder);
        let lines = server.host.take_lines();
        assert!(lines.iter().any(|line| line.ends_with("named by VIRTUAL_ENV)")), "{lines:?}");
    });
}

/// A folder that is no virtualenv is taken as PYTHONHOME.
pub fn prefix(python: &Path) {
    let prefix = python.parent().unwrap().parent().unwrap().display().to_string();
    let mut server = Server::search(&[("home", &prefix), ("wsgi-file", "probe.py")]).loaded();
    assert_eq!(server.get("/call_uwsgi?sys.prefix").ok(), format!("'{prefix}'"));
    assert_eq!(server.get("/call_uwsgi?__import__('json').loads('[1]')").ok(), "[1]");
}

/// pyenv's `python3` is a script that runs another one.
pub fn shim_in_path(python: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("uwsgi-shim-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let shim = folder.join("python3");
    std::fs::write(&shim, format!("#!/bin/sh\nexec {} \"$@\"\n", python.display())).unwrap();
    std::fs::set_permissions(&shim, PermissionsExt::from_mode(0o755)).unwrap();
    // SAFETY: no other thread reads the environment now.
    unsafe { std::env::set_var("PATH", format!("/no/such/folder:{}", folder.display())) };
    let mut server = Server::search(&[("wsgi-file", "probe.py")]).loaded();
    assert_eq!(
        server.get("/call_uwsgi?sys.executable").ok(),
        format!("'{}'", python.display()),
        "not the script"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

/// What pyenv's own files say is taken without running its scripts.
pub fn pyenv(python: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let root = std::env::temp_dir().join(format!("uwsgi-pyenv-{}", std::process::id()));
    std::fs::create_dir_all(root.join("shims")).unwrap();
    std::fs::create_dir_all(root.join("versions")).unwrap();
    let prefix = python.parent().unwrap().parent().unwrap();
    std::os::unix::fs::symlink(prefix, root.join("versions/mine")).unwrap();
    let shim = root.join("shims/python3");
    std::fs::write(&shim, "#!/bin/sh\nexit 9\n").unwrap();
    std::fs::set_permissions(&shim, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(root.join("version"), "mine\n").unwrap();
    // SAFETY: no other thread reads the environment now.
    unsafe {
        std::env::remove_var("PYENV_VERSION");
        std::env::set_var("PATH", root.join("shims"));
    }
    let mut server = Server::search(&[("wsgi-file", "probe.py")]).loaded();
    let executable = root.join("versions/mine/bin/python3");
    assert_eq!(
        server.get("/call_uwsgi?sys.executable").ok(),
        format!("'{}'", executable.display())
    );
    assert_eq!(server.get("/call_uwsgi?__import__('json').loads('[1]')").ok(), "[1]");
    std::fs::remove_dir_all(&root).unwrap();
}

/// The locale gives the encodings that the `python` command has.
pub fn locale(python: &Path) {
    for name in ["LANG", "LC_CTYPE"] {
        // SAFETY: no other thread reads the environment now.
        unsafe { std::env::remove_var(name) };
    }
    // SAFETY: as above.
    unsafe { std::env::set_var("LC_ALL", "C") };
    let expression = "(sys.getfilesystemencoding(),sys.flags.utf8_mode,\
                      __import__('locale').getpreferredencoding(False))"
        .replace(' ', "");
    let own = Command::new(python)
        .args(["-c", &format!("import sys; print({expression})")])
        .output()
        .unwrap();
    let mut server = Server::probe(python);
    let ours = server.get(&format!("/call_uwsgi?{expression}")).ok();
    assert_eq!(ours, String::from_utf8(own.stdout).unwrap().trim_end());
}

pub fn optimize(python: &Path) {
    let mut server = Server::new(python, &[("optimize", "2"), ("wsgi-file", "probe.py")]);
    assert_eq!(server.get("/call_uwsgi?sys.flags.optimize").ok(), "2");
}

pub fn missing_virtualenv(python: &Path) {
    let start = |settings: &[(&str, &str)]| {
        let pairs = settings.iter().map(|(k, v)| (String::from(*k), String::from(*v))).collect();
        let error = PythonPlugin::new()
            .start(&Settings::new(pairs), Arc::new(MockHost::default()), &[])
            .unwrap_err();
        error.to_string()
    };
    let text = start(&[("home", "/no/such/venv"), ("python", &python.display().to_string())]);
    assert!(text.contains("/no/such/venv: no such folder"), "{text}");
    let text = start(&[("home", "/tmp")]);
    assert!(text.contains("/tmp: no executable bin/python or bin/python3"), "{text}");
    let text = start(&[("python", "/no/such/python3")]);
    assert!(text.contains("/no/such/python3") && text.contains("no such executable"), "{text}");
    let text = start(&[("python", "/bin/true")]);
    assert!(text.contains("/bin/true: did not answer"), "{text}");
    let text = start(&[("mount", "nonsense")]);
    assert!(text.contains("mount = nonsense"), "{text}");
}
