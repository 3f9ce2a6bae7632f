//! What must work in interpreters other than the main one.

use std::thread;

use nix::sys::signal::Signal;

use super::{interleave, real, request, server, serves, with_site};
use crate::support::{Request, eventually, process, python};

#[test]
fn an_extension_that_refuses_is_explained() {
    ours_only!("it says what Python says");
    const REFUSES: &str = "raise ImportError('cannot load module more than once per process')\n";
    let setup = with_site(server(), "site").file("site/settings.py", REFUSES);
    let server = setup.start();
    assert_eq!(server.send(&request(&server, "a", "site")).status, 500);
    server.wait_for("an extension module refuses to be loaded in an interpreter of its own (cannot load module more than once per process): set single-interpreter<*>app-isolation = process<*>");
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
    ours_only!("the others wait until it is done");
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

#[test]
fn the_stack_of_a_site_is_logged() {
    ours_only!("it has no harakiri-log");
    const SLOW: &str = "\
import time
def application(environ, start_response):
    time.sleep(1.5)
    start_response('200 OK', [])
    return [b'slow']
";
    let server = server().file("slow/app.py", SLOW).args(["--harakiri-log", "1"]).start();
    serves(&server, &request(&server, "a", "slow"), "slow");
    server.wait_for("harakiri-log: worker 1 core <N> is in <*>its stack");
    server.wait_for("  File \"<*>/slow/app.py\", line 3 in application");
}

#[test]
fn a_changed_module_of_a_site_is_seen() {
    ours_only!("it looks at the modules of the first interpreter");
    let server = with_site(server(), "site").args(["--py-autoreload", "1"]).start();
    server.wait_for("Python auto-reloader enabled");
    let asked = request(&server, "a", "site");
    serves(&server, &asked, &format!("site {}", real(&server.path("site"))));
    let changed = "<*>[uwsgi-python-reloader] module/file <*>settings.py has been modified";
    eventually("a reload for a change", || {
        std::fs::write(server.path("site/settings.py"), "NAME = 'changed'\n").unwrap();
        server.logged(changed)
    });
    server.wait_for("gracefully (RE)spawned uWSGI master process (pid: <N>)");
    serves(&server, &asked, &format!("changed {}", real(&server.path("site"))));
}
