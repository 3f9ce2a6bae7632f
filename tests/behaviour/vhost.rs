//! Applications that requests name, each with an interpreter, a directory and a virtualenv of its own.

mod interpreters;
mod mounts;
mod virtualenvs;

use std::path::Path;
use std::thread;

use crate::support::{Answer, Request, Server, Setup, Wire, eventually};

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
        .header("Host", host)
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
    ours_only!("nobody is served while an application loads");
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
    ours_only!("each request loads it again");
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
    ours_only!("the whole worker is replaced, after one more request");
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
    assert_eq!(server.send(&request(&server, "one", "one")).status, 200);
    ours_only!("it says so for every request, and names none");
    let complaint = "three| app is not loaded: this worker has 2 applications already (max-apps)";
    server.wait_for(complaint);
    let log = server.log.text();
    assert!(log.matches(complaint).count() < 3, "at most one a second: {log}");
}

#[test]
fn a_directory_that_an_application_has_left_is_the_next_ones_again() {
    ours_only!("of two applications of a host the first answers all");
    const LEAVES: &str = "\
import os
def application(environ, start_response):
    os.chdir('/')
    start_response('200 OK', [])
    return [b'left']
";
    // One thread: all of them are served where the one before was.
    let setup = Setup::new(Wire::Uwsgi).args(["--socket", "127.0.0.1:0", "--vhost"]).master(1);
    let server = with_site(setup, "site").file("site/leaves.py", LEAVES).start();
    let stays = format!("site {}", real(&server.path("site")));
    for _ in 0..2 {
        serves(&server, &request(&server, "a", "site").var("UWSGI_SCRIPT", "leaves"), "left");
        serves(&server, &request(&server, "a", "site"), &stays);
    }
}

#[test]
fn what_is_not_there_is_named() {
    ours_only!("its lines name neither variable nor path");
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

const APPS: &str = "\
def one(environ, start_response):
    start_response('200 OK', [])
    return [b'one']
def two(environ, start_response):
    start_response('200 OK', [])
    return [b'two']
application = one
";

/// A request for one host, with these variables.
fn naming(host: &str, vars: &[(&str, &str)]) -> Request {
    let request = Request::get("/").header("Host", host).var("SERVER_NAME", host);
    vars.iter().fold(request, |request, (name, value)| request.var(name, value))
}

#[test]
fn modules_callables_and_files_are_named() {
    let server = server().file("apps.py", APPS).start();
    let file = server.path("apps.py").display().to_string();
    let cases = [
        (&[("UWSGI_SCRIPT", "apps:one")][..], "one"),
        (&[("UWSGI_MODULE", "apps"), ("UWSGI_CALLABLE", "one")], "one"),
        (&[("UWSGI_FILE", &file)], "one"),
        (&[("UWSGI_SCRIPT", "apps:two"), ("UWSGI_MODULE", "nothing")], "two"),
        (&[("UWSGI_SCRIPT", "apps:one"), ("UWSGI_FILE", &file)], "one"),
        (&[("UWSGI_SCRIPT", "apps:two"), ("SCRIPT_NAME", "/shop")], "two"),
        (&[("UWSGI_SCRIPT", "apps:one"), ("UWSGI_APPID", "an id"), ("SCRIPT_NAME", "/x")], "one"),
    ];
    for (number, (vars, expected)) in cases.into_iter().enumerate() {
        // A host each: uWSGI tells them apart by nothing else.
        serves(&server, &naming(&format!("h{number}"), vars), expected);
    }
    server.wait_for("WSGI app 5 (mountpoint='h5|/shop') ready in <N> seconds on interpreter <*>");
}

#[test]
fn scripts_may_be_files_have_callables_and_many_mount_points() {
    ours_only!(
        "UWSGI_CALLABLE goes with UWSGI_MODULE alone, a script is a module, and the first one of a dictionary answers every request"
    );
    let table = format!("{APPS}applications = {{'/x': one, '/y': 'two'}}\n");
    let server = server().file("apps.py", &table).start();
    let path = server.path("apps.py").display().to_string();
    let file = format!("{path}:one");
    for (vars, expected) in [
        (&[("UWSGI_SCRIPT", &*file)][..], "one"),
        (&[("UWSGI_FILE", &path), ("UWSGI_CALLABLE", "two")], "two"),
        (&[("UWSGI_SCRIPT", "apps"), ("UWSGI_CALLABLE", "two")], "two"),
        (&[("UWSGI_SCRIPT", "apps"), ("SCRIPT_NAME", "/y")], "two"),
        (&[("UWSGI_SCRIPT", "apps"), ("UWSGI_APPID", "/x")], "one"),
    ] {
        serves(&server, &naming("a", vars), expected);
    }
}

#[test]
fn the_directory_of_a_request_is_its_own() {
    let server = with_site(with_site(server(), "one"), "two").start();
    server.wait_for("VirtualHosting mode enabled.");
    for _ in 0..3 {
        for (host, name) in [("a", "one"), ("b", "two")] {
            let expected = format!("{name} {}", real(&server.path(name)));
            serves(&server, &request(&server, host, name), &expected);
        }
    }
    for (number, host) in ["a", "b"].into_iter().enumerate() {
        server.wait_for(&format!("WSGI app {number} (mountpoint='{host}|') ready in <*>"));
    }
}

#[test]
fn a_site_that_does_not_load_is_told_and_others_are_served() {
    let server = with_site(server(), "good").file("bad/app.py", "raise ValueError('no')\n").start();
    for _ in 0..2 {
        assert_eq!(server.send(&request(&server, "bad", "bad")).status, 500);
        let expected = format!("good {}", real(&server.path("good")));
        serves(&server, &request(&server, "good", "good"), &expected);
    }
    server.wait_for("ValueError: no");
    server.wait_for(
        "unable to load app <*>(mountpoint='bad|') <*>(callable not found or import error)",
    );
    server.wait_for("bad [pid: <N>|app: -1|req: -1/<N>] <*> (HTTP/1.1 500) <*>");
    server.wait_for("good [pid: <N>|app: 0|req: <N>/<N>] <*> (HTTP/1.1 200) <*>");
}

#[test]
fn variables_of_a_site_are_its_own() {
    ours_only!("it sets them for the process, of which os.environ knows nothing");
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
