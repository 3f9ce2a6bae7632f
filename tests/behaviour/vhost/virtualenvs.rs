//! A virtualenv for each site.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{interleave, server};
use crate::support::{Answer, Request, Server, Setup, Wire};

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

/// Of a Python that is not installed here.
const OLD: &str = "home = /usr/bin\nversion = 2.7.18\n";

#[test]
fn a_virtualenv_of_another_python_needs_a_master() {
    ours_only!("it is built for one Python");
    let alone = Setup::new(Wire::Uwsgi).args(["--socket", "127.0.0.1:0", "--vhost"]);
    let server = alone.file("uses.py", CLASH).file("old/pyvenv.cfg", OLD).start();
    assert_eq!(server.send(&of_virtualenv(&server, "a", "old")).status, 500);
    server.wait_for("the virtualenv <*>/old (UWSGI_PYHOME) is for Python 2.7, this server runs 3.<*>: with app-isolation = process each application has the Python of its virtualenv");
}

#[test]
fn a_virtualenv_whose_python_is_not_there_is_told() {
    ours_only!("it is built for one Python");
    let server = server().file("uses.py", CLASH).file("old/pyvenv.cfg", OLD).start();
    assert_eq!(server.send(&of_virtualenv(&server, "a", "old")).status, 500);
    server.wait_for("site a| uses: no usable Python in the virtualenv <*>/old:");
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
