//! Applications that requests name, each with an interpreter, a directory and a virtualenv of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use nix::sys::signal::Signal;

use crate::support::{Answer, Request, Server, Setup, Wire, eventually, process, python};

/// Says its name, what a module of an equal name says, and where it works.
const WHO: &str = "\
import os, sys, settings
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [('%s %s' % (settings.NAME, os.getcwd())).encode()]
";

/// A server without applications, for one worker with four threads.
fn server() -> Setup {
    Setup::new(Wire::Uwsgi).args(["--socket", "127.0.0.1:0", "--vhost", "--threads", "4"]).master(1)
}

/// Adds a site's directory, with an application that says `name`.
fn with_site(setup: Setup, name: &str) -> Setup {
    setup
        .file(&format!("{name}/app.py"), WHO)
        .file(&format!("{name}/settings.py"), &format!("NAME = '{name}'\n"))
}

/// A request for the module `app` in a directory of the server.
fn request(server: &Server, host: &str, directory: &str) -> Request {
    Request::get("/")
        .var("SERVER_NAME", host)
        .var("UWSGI_SCRIPT", "app")
        .var("UWSGI_CHDIR", &server.path(directory).display().to_string())
}

#[track_caller]
fn serves(server: &Server, request: &Request, expected: &str) {
    let answer = server.send(request);
    assert_eq!((answer.status, answer.text().as_str()), (200, expected));
}

/// Asks from several clients at once, round and round; every answer must be the expected one.
fn interleave(server: &Server, asked: &[(Request, String)], clients: usize, rounds: usize) {
    thread::scope(|scope| {
        for client in 0..clients {
            scope.spawn(move || {
                for round in 0..rounds {
                    let (request, expected) = &asked[(client + round) % asked.len()];
                    serves(server, request, expected);
                }
            });
        }
    });
}

fn real(path: &Path) -> String {
    std::fs::canonicalize(path).unwrap().display().to_string()
}

#[test]
fn hosts_and_locations_have_their_own_application_and_directory() {
    ours_only!("of several locations the first one's application answers all");
    let names = ["one", "two", "three", "four"];
    let server = names.into_iter().fold(server(), with_site).start();
    let hosts = ["a.example", "a.example", "b.example", "b.example"];
    let asked: Vec<_> = hosts
        .into_iter()
        .zip(names)
        .map(|(host, name)| {
            (request(&server, host, name), format!("{name} {}", real(&server.path(name))))
        })
        .collect();
    interleave(&server, &asked, 8, 50);
    for number in 0..4 {
        server.wait_for(&format!(
            "WSGI app {number} (mountpoint='<*>.example|') ready in <*> (dynamic: <*>.example| app)"
        ));
    }
}

#[test]
fn a_site_is_loaded_once_and_others_are_served_meanwhile() {
    const SLOW: &str = "\
import os, time
open('loads', 'a').write('x')
while not os.path.exists('go'):
    time.sleep(0.005)
def application(environ, start_response):
    start_response('200 OK', [])
    return [b'slow']
";
    let server = with_site(server(), "other").file("slow/app.py", SLOW).start();
    let slow = request(&server, "slow", "slow");
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..3).map(|_| scope.spawn(|| serves(&server, &slow, "slow"))).collect();
        eventually("a load", || server.path("slow/loads").exists());
        let other = format!("other {}", real(&server.path("other")));
        serves(&server, &request(&server, "other", "other"), &other);
        std::fs::write(server.path("slow/go"), "").unwrap();
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    assert_eq!(std::fs::read_to_string(server.path("slow/loads")).unwrap(), "x");
}

#[test]
fn a_site_that_does_not_load_is_remembered_until_it_is_mended() {
    let server = with_site(server(), "good")
        .file("bad/app.py", "import settings\nopen('loads', 'a').write('x')\nsettings.broken()\n")
        .file("bad/settings.py", "def broken(): raise ValueError('broken settings')\n")
        .start();
    let bad = request(&server, "bad", "bad");
    for _ in 0..3 {
        assert_eq!(server.send(&bad).status, 500);
        let good = format!("good {}", real(&server.path("good")));
        serves(&server, &request(&server, "good", "good"), &good);
    }
    server.wait_for("ValueError: broken settings");
    let loads = || std::fs::read_to_string(server.path("bad/loads")).unwrap();
    assert_eq!(loads(), "x", "the failure is remembered");
    std::fs::write(server.path("bad/settings.py"), "NAME = 'mended'\n").unwrap();
    assert_eq!(server.send(&bad).status, 500, "the other file has to change too");
    assert_eq!(loads(), "xx", "a file of the traceback has changed");
    std::fs::write(server.path("bad/app.py"), WHO).unwrap();
    serves(&server, &bad, &format!("mended {}", real(&server.path("bad"))));
}

#[test]
fn a_touched_file_loads_the_site_anew() {
    let server = with_site(server(), "site").file("touch", "").start();
    let touch = server.path("touch");
    let asked =
        request(&server, "a", "site").var("UWSGI_TOUCH_RELOAD", &touch.display().to_string());
    let directory = real(&server.path("site"));
    serves(&server, &asked, &format!("site {directory}"));
    std::fs::write(server.path("site/settings.py"), "NAME = 'new'\n").unwrap();
    serves(&server, &asked, &format!("site {directory}"));
    std::fs::write(&touch, "1").unwrap();
    serves(&server, &asked, &format!("new {directory}"));
    std::fs::write(server.path("site/settings.py"), "raise ValueError('not yet')\n").unwrap();
    std::fs::write(&touch, "22").unwrap();
    serves(&server, &asked, &format!("new {directory}"));
    server.wait_for("its old form goes on serving");
    std::fs::write(server.path("site/settings.py"), "NAME = 'third'\n").unwrap();
    std::fs::write(&touch, "333").unwrap();
    serves(&server, &asked, &format!("third {directory}"));
    assert!(!server.logged("<*>stays in memory<*>"), "{}", server.log.text());
}

#[test]
fn a_worker_has_so_many_applications() {
    let server = ["one", "two", "three"].into_iter().fold(server(), with_site);
    let server = server.args(["--max-apps", "2"]).start();
    for name in ["one", "two"] {
        assert_eq!(server.send(&request(&server, name, name)).status, 200);
    }
    for _ in 0..3 {
        assert_eq!(server.send(&request(&server, "three", "three")).status, 500);
    }
    let complaint = "three| app is not loaded: this worker has 2 applications already (max-apps)";
    server.wait_for(complaint);
    let log = server.log.text();
    assert!(log.matches(complaint).count() < 3, "at most one a second: {log}");
    assert_eq!(server.send(&request(&server, "one", "one")).status, 200);
}

#[test]
fn an_extension_that_refuses_is_explained() {
    const REFUSES: &str = "raise ImportError('cannot load module more than once per process')\n";
    let setup = with_site(server(), "site").file("site/settings.py", REFUSES);
    let server = setup.start();
    assert_eq!(server.send(&request(&server, "a", "site")).status, 500);
    server.wait_for("an extension module refuses to be loaded in an interpreter of its own (cannot load module more than once per process): set single-interpreter<*>app-isolation = process<*>");
}

#[test]
fn what_is_not_there_is_named() {
    let server = with_site(server(), "site").start();
    let missing = server.path("missing").display().to_string();
    let asked = || request(&server, "a", "site");
    for (request, line) in [
        (asked().var("UWSGI_CHDIR", &missing), format!("UWSGI_CHDIR: chdir({missing}): <*>")),
        (
            asked().var("UWSGI_PYHOME", &missing),
            format!("the virtualenv {missing} (UWSGI_PYHOME) does not exist"),
        ),
        (
            asked().var("UWSGI_SCRIPT", "").var("UWSGI_FILE", &missing),
            format!("there is no file {missing}"),
        ),
        (asked().var("UWSGI_SCRIPT", "nothing"), "ModuleNotFoundError: <*>'nothing'".into()),
        (asked().var("UWSGI_CALLABLE", "other"), "app has no callable 'other'<*>".into()),
    ] {
        assert_eq!(server.send(&request).status, 500, "{line}");
        server.wait_for(&line);
    }
}

#[test]
fn modules_callables_and_files_are_named() {
    const APPS: &str = "\
def one(environ, start_response):
    start_response('200 OK', [])
    return [b'one']
def two(environ, start_response):
    start_response('200 OK', [])
    return [b'two']
applications = {'/x': one, '/y': 'two'}
";
    let server = server().file("apps.py", APPS).start();
    let file = server.path("apps.py").display().to_string();
    let asked = |vars: &[(&str, &str)]| {
        vars.iter().fold(Request::get("/"), |request, (name, value)| request.var(name, value))
    };
    for (vars, expected) in [
        (&[("UWSGI_SCRIPT", "apps:one")][..], "one"),
        (&[("UWSGI_SCRIPT", "apps"), ("UWSGI_CALLABLE", "two")], "two"),
        (&[("UWSGI_MODULE", "apps"), ("UWSGI_CALLABLE", "one")], "one"),
        (&[("UWSGI_FILE", &file), ("UWSGI_CALLABLE", "two")], "two"),
        (&[("UWSGI_SCRIPT", &format!("{file}:one"))], "one"),
        (&[("UWSGI_SCRIPT", "apps"), ("SCRIPT_NAME", "/y")], "two"),
        (&[("UWSGI_SCRIPT", "apps"), ("UWSGI_APPID", "/x")], "one"),
    ] {
        serves(&server, &asked(vars), expected);
    }
}

#[test]
fn variables_of_a_site_are_its_own() {
    const SHOW: &str = "\
import os
def application(environ, start_response):
    start_response('200 OK', [])
    return [repr((os.environ.get('A'), os.environ.get('B'), os.getenv('PATH') is not None)).encode()]
";
    let server = server().file("show.py", SHOW).start();
    let asked = |host| Request::get("/").var("SERVER_NAME", host).var("UWSGI_SCRIPT", "show");
    let mut with = asked("a");
    // Several of one name, as nginx sends them.
    for pair in ["A=1", "B=x=y"] {
        with.vars.push(("UWSGI_SETENV".into(), pair.into()));
    }
    let mut bytes = Vec::new();
    for (name, value) in with.cgi() {
        if name != "UWSGI_SETENV" {
            bytes.push((name, value));
        }
    }
    bytes.extend(with.vars.iter().filter(|(name, _)| name == "UWSGI_SETENV").cloned());
    let mut connection = server.connect();
    let block = crate::support::request::block(&bytes);
    connection.send(crate::support::request::packet(0, 0, &block));
    let answer = Answer::whole(&connection.rest(), false).unwrap();
    assert_eq!(answer.text(), "('1', 'x=y', True)");
    serves(&server, &asked("b"), "(None, None, True)");
}

/// A virtualenv of the Python that tests run with, or of `program`.
fn make_virtualenv(program: &Path, at: &Path) {
    let made = Command::new(program).args(["-m", "venv", "--without-pip"]).arg(at).status();
    assert!(made.unwrap().success());
}

/// The folder of its packages.
fn packages(virtualenv: &Path) -> PathBuf {
    let library = std::fs::read_dir(virtualenv.join("lib")).unwrap();
    let python = library.map(|entry| entry.unwrap().path());
    python
        .into_iter()
        .find(|path| path.join("site-packages").is_dir())
        .unwrap()
        .join("site-packages")
}

/// Uses a package that each virtualenv has in another version, and one that a `.pth` file leads to.
const CLASH: &str = "\
import sys, clash, beside
def application(environ, start_response):
    start_response('200 OK', [])
    return [('%s %s %s' % (clash.VERSION, beside.NAME, sys.prefix)).encode()]
";

fn fill_virtualenv(at: &Path, version: &str) {
    let packages = packages(at);
    std::fs::create_dir_all(packages.join("clash")).unwrap();
    std::fs::write(packages.join("clash/__init__.py"), format!("VERSION = '{version}'\n")).unwrap();
    let beside = at.join("beside");
    std::fs::create_dir_all(&beside).unwrap();
    std::fs::write(beside.join("beside.py"), format!("NAME = 'beside {version}'\n")).unwrap();
    std::fs::write(packages.join("beside.pth"), format!("{}\n", beside.display())).unwrap();
}

fn of_virtualenv(server: &Server, host: &str, name: &str) -> Request {
    Request::get("/")
        .var("SERVER_NAME", host)
        .var("UWSGI_SCRIPT", "uses")
        .var("UWSGI_PYHOME", &server.path(name).display().to_string())
}

#[test]
fn virtualenvs_with_clashing_versions_answer_side_by_side() {
    ours_only!("it is built for one Python");
    let setup = server().file("uses.py", CLASH);
    for version in ["v1", "v2"] {
        make_virtualenv("python3".as_ref(), &setup.path(version));
        fill_virtualenv(&setup.path(version), version);
    }
    let server = setup.start();
    let asked: Vec<_> = [("a", "v1"), ("b", "v2")]
        .into_iter()
        .map(|(host, name)| {
            let expected = format!("{name} beside {name} {}", server.path(name).display());
            (of_virtualenv(&server, host, name), expected)
        })
        .collect();
    interleave(&server, &asked, 6, 30);
}

#[test]
fn a_virtualenv_of_another_python_is_refused() {
    ours_only!("it is built for one Python");
    let config = "home = /usr/bin\nversion = 2.7.18\n";
    let server = server().file("uses.py", CLASH).file("old/pyvenv.cfg", config).start();
    assert_eq!(server.send(&of_virtualenv(&server, "a", "old")).status, 500);
    server.wait_for("the virtualenv <*>/old (UWSGI_PYHOME) is for Python 2.7, this server runs 3.<*>: with app-isolation = process each application has the Python of its virtualenv");
}

#[test]
fn one_interpreter_has_one_virtualenv() {
    ours_only!("it is built for one Python");
    let setup = server().arg("--single-interpreter").file("uses.py", CLASH);
    for version in ["v1", "v2"] {
        make_virtualenv("python3".as_ref(), &setup.path(version));
        fill_virtualenv(&setup.path(version), version);
    }
    let server = setup.start();
    let prefix = |answer: &Answer| answer.text().starts_with("v1 beside v1 ");
    assert!(prefix(&server.send(&of_virtualenv(&server, "a", "v1"))));
    assert_eq!(server.send(&of_virtualenv(&server, "b", "v2")).status, 500);
    server.wait_for(
        "the virtualenv <*>/v2 (UWSGI_PYHOME) cannot be used beside <*>/v1 in one interpreter<*>",
    );
    assert!(prefix(&server.send(&of_virtualenv(&server, "a", "v1"))));
}

/// Marks the interpreter, and says who did.
fn marking(name: &str) -> String {
    format!(
        "import sys\nsys.marks = getattr(sys, 'marks', []) + ['{name}']\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    return [','.join(sys.marks).encode()]\n"
    )
}

fn mounted() -> Setup {
    let names = ["one", "two", "three"];
    names
        .into_iter()
        .fold(server(), |setup, name| setup.file(&format!("{name}.py"), &marking(name)))
        .args(["--manage-script-name", "--mount", "/one=one.py", "--mount", "/two=two.py"])
        .args(["--mount", "/three=three.py"])
}

#[test]
fn mounts_have_interpreters_of_their_own() {
    let server = mounted().start();
    for name in ["one", "two", "three"] {
        serves(&server, &Request::get(&format!("/{name}/x")), name);
    }
    let mut shared = mounted().arg("--single-interpreter").start();
    for name in ["one", "two", "three"] {
        serves(&shared, &Request::get(&format!("/{name}/x")), "one,two,three");
    }
    assert_eq!(shared.stop().code(), Some(0));
}

#[test]
fn a_mount_that_does_not_load_keeps_a_reload_from_happening() {
    ours_only!("there, the new workers serve 500");
    let server = mounted().start();
    serves(&server, &Request::get("/two/"), "two");
    std::fs::write(server.path("two.py"), "raise ValueError('not now')\n").unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for("an application does not load: it does not take the place of what serves");
    serves(&server, &Request::get("/two/"), "two");
}

#[test]
fn mount_points_have_hosts() {
    ours_only!("mount points with hosts are found by SCRIPT_NAME alone");
    let server = ["one", "two", "three", "four"]
        .into_iter()
        .fold(server(), |setup, name| setup.file(&format!("{name}.py"), &marking(name)))
        .args(["--manage-script-name", "--wsgi-file", "one.py", "--mount", "a.example|/x=two.py"])
        .args(["--mount", "/x=three.py", "--mount", "b.example|=four.py"])
        .start();
    let asked = |host: &str, path: &str| Request::get(path).header("Host", host);
    for (host, path, expected) in [
        ("A.example:8080", "/x/y", "two"),
        ("c.example", "/x/y", "three"),
        ("b.example", "/x", "three"),
        ("b.example", "/", "four"),
        ("a.example", "/", "one"),
    ] {
        serves(&server, &asked(host, path), expected);
    }
    let named =
        asked("a.example", "/").var("UWSGI_FILE", "three.py").var("SERVER_NAME", "a.example");
    serves(&server, &named, "three");
    serves(&server, &named.clone().var("SCRIPT_NAME", "/x"), "two");
}

#[test]
fn only_peers_that_may_have_applications_loaded() {
    ours_only!("everyone may");
    let setup = with_site(server(), "site").args(["--dynamic-apps-from", "10.0.0.0/8"]);
    let server = setup.start();
    assert_eq!(server.send(&request(&server, "a", "site")).status, 403);
    assert!(!server.logged("WSGI app<*>"));
}

#[test]
fn sys_exit_of_one_ends_the_worker_and_nothing_else() {
    let exits = "import sys\ndef application(environ, start_response):\n    sys.exit(3)\n";
    let server = with_site(server(), "good").file("bad/app.py", exits).start();
    let good = request(&server, "good", "good");
    let expected = format!("good {}", real(&server.path("good")));
    serves(&server, &good, &expected);
    let before = server.worker(1);
    server.raw(&request(&server, "bad", "bad"));
    server.wait_replaced(&[before]);
    serves(&server, &good, &expected);
}

/// Runs until it is interrupted, without ever waiting.
const BUSY: &str = "\
def application(environ, start_response):
    while True:
        pass
";

#[test]
fn a_busy_site_is_interrupted() {
    ours_only!("there is no harakiri-interrupt");
    let server = with_site(server(), "good")
        .file("busy/app.py", BUSY)
        .args(["--harakiri-interrupt", "1"])
        .start();
    let good = request(&server, "good", "good");
    let expected = format!("good {}", real(&server.path("good")));
    let worker = server.worker(1);
    for _ in 0..2 {
        assert_eq!(server.send(&request(&server, "busy", "busy")).status, 504);
        server.wait_for("uwsgi.RequestTimeout: the request took longer than harakiri-interrupt");
        serves(&server, &good, &expected);
    }
    assert!(process::alive(worker));
    assert_eq!(server.worker(1), worker);
}

/// A thread that computes gives way to threads of its own interpreter only, up to Python 3.12.
#[test]
fn a_site_that_computes_lets_others_run() {
    const COMPUTES: &str = "\
import time
def application(environ, start_response):
    open('begun', 'w').close()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        pass
    start_response('200 OK', [])
    return [b'computed']
";
    let server = with_site(server(), "good")
        .file("computes/app.py", COMPUTES)
        .file("main.py", COMPUTES)
        .args(["--wsgi-file", "main.py"])
        .start();
    let good = request(&server, "good", "good");
    let expected = format!("good {}", real(&server.path("good")));
    serves(&server, &good, &expected);
    let busy = request(&server, "computes", "computes");
    for (busy, begun) in [(busy, "computes/begun"), (Request::get("/"), "begun")] {
        thread::scope(|scope| {
            let computing = scope.spawn(|| serves(&server, &busy, "computed"));
            eventually("a busy thread", || server.path(begun).exists());
            for _ in 0..10 {
                serves(&server, &good, &expected);
            }
            assert!(!computing.is_finished(), "the others had to wait");
        });
    }
}

/// Serves with interpreters of CPython `wanted`, or prints why not.
fn serves_with(wanted: &str) {
    ours_only!("it is built for one Python");
    let Some(venv) = python::virtualenv(&format!("python{wanted}")) else {
        return println!("skipped: no virtualenv of Python {wanted}");
    };
    const USES: &str = "\
import ctypes, datetime, decimal, hashlib, json, logging, re, threading, uwsgi
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda number: number + 1)
def application(environ, start_response):
    start_response('200 OK', [])
    when = datetime.datetime(2020, 1, 1).isoformat()
    number = compare(int(decimal.Decimal('1.0')))
    return [json.dumps([NAME, when, number, bool(threading.current_thread().name)]).encode()]
";
    let setup = ["one", "two", "three"].into_iter().fold(server(), |setup, name| {
        setup.file(&format!("{name}/app.py"), &format!("NAME = '{name}'\n{USES}"))
    });
    let mut server = setup
        .args(["--manage-script-name", "--mount", "/one=one/app.py", "--mount", "/two=two/app.py"])
        .arg("-H")
        .arg(&venv)
        .file("touch", "")
        .start();
    let expected = |name: &str| format!("[\"{name}\", \"2020-01-01T00:00:00\", 2, true]");
    let touch = server.path("touch");
    let named =
        request(&server, "a", "three").var("UWSGI_TOUCH_RELOAD", &touch.display().to_string());
    let asked = [
        (Request::get("/one"), expected("one")),
        (Request::get("/two"), expected("two")),
        (named, expected("three")),
    ];
    for round in 0..4 {
        interleave(&server, &asked, 5, 50);
        std::fs::write(&touch, "x".repeat(round + 1)).unwrap();
    }
    let worker = server.worker(1);
    server.signal(Signal::SIGHUP);
    server.wait_replaced(&[worker]);
    server.wait_for("worker 1 buried after <*>");
    assert_eq!(server.stop().code(), Some(0));
    let log = server.log.text();
    for sign in
        ["Fatal Python error", "killed by signal", "Exception ignored", "stays in memory", "DAMN"]
    {
        assert!(!log.contains(sign), "{log}");
    }
}

#[test]
fn interpreters_of_python_3_9() {
    serves_with("3.9");
}

#[test]
fn interpreters_of_python_3_10() {
    serves_with("3.10");
}

#[test]
fn interpreters_of_python_3_11() {
    serves_with("3.11");
}

#[test]
fn interpreters_of_python_3_12() {
    serves_with("3.12");
}

#[test]
fn interpreters_of_python_3_13() {
    serves_with("3.13");
}
