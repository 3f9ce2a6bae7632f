//! Mount points with interpreters, and with hosts.

use nix::sys::signal::Signal;

use super::{server, serves};
use crate::support::{Request, Setup, Wire, eventually};

/// Marks the interpreter, and says who did.
fn marking(name: &str) -> String {
    format!(
        "import sys\nsys.marks = getattr(sys, 'marks', []) + ['{name}']\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    return [','.join(sys.marks).encode()]\n"
    )
}

/// Without `vhost`: uWSGI finds no mount points with it.
fn mounted() -> Setup {
    let names = ["one", "two", "three"];
    let without = Setup::new(Wire::Uwsgi).args(["--socket", "127.0.0.1:0", "--threads", "4"]);
    names
        .into_iter()
        .fold(without.master(1), |setup, name| setup.file(&format!("{name}.py"), &marking(name)))
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

/// Tells of its hooks by files.
fn hooked(name: &str) -> String {
    format!(
        "import uwsgi\ndef note(what):\n    open('%s-{name}' % what, 'a').write('x')\nuwsgi.post_fork_hook = lambda: note('fork')\nuwsgi.atexit = lambda: note('exit')\n{}",
        marking(name)
    )
}

#[test]
fn hooks_of_every_interpreter_run() {
    ours_only!("hooks of the first interpreter alone run");
    let mut server = ["one", "two", "three"]
        .into_iter()
        .fold(server(), |setup, name| setup.file(&format!("{name}.py"), &hooked(name)))
        .args(["--manage-script-name", "--mount", "/one=one.py", "--mount", "/two=two.py"])
        .start();
    for name in ["one", "two"] {
        serves(&server, &Request::get(&format!("/{name}/")), name);
    }
    serves(&server, &Request::get("/").var("UWSGI_FILE", "three.py"), "three");
    let noted = |what: &str| {
        let text = |name| std::fs::read_to_string(server.path(&format!("{what}-{name}")));
        ["one", "two", "three"].map(|name| text(name).unwrap_or_default())
    };
    assert_eq!(noted("fork"), ["x", "x", "x"]);
    assert_eq!(noted("exit"), ["", "", ""]);
    server.signal(Signal::SIGHUP);
    eventually("exit hooks", || noted("exit").iter().all(|text| !text.is_empty()));
    assert_eq!(noted("exit"), ["x", "x", "x"]);
    assert_eq!(server.stop().code(), Some(0));
}
