//! Configurations as sites have them (`tests/sites`), unmodified: they start, and serve.

use std::path::Path;

use crate::support::{Request, Server, Setup, Wire};

/// An application that says who it is, under the names the sites use.
const APP: &str = "\
import os
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    names = ('SITE', 'EXTRA', 'POOL_2', 'FLASK_ENV', 'PANEL')
    values = [name + '=' + os.environ[name] for name in names if name in os.environ]
    return [' '.join(['served', environ.get('SCRIPT_NAME', '') + '|' + environ['PATH_INFO']] + values).encode()]
";

/// A setup in whose folder lie the site's files and the application.
fn site(file: &str, wire: Wire) -> Setup {
    let setup =
        Setup::new(wire).file("app.py", APP).file("shop/__init__.py", "").file("shop/wsgi.py", APP);
    [file, "vassals/template.ini"].into_iter().fold(setup, |setup, name| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sites").join(name);
        setup.file(name, &std::fs::read_to_string(path).unwrap())
    })
}

#[track_caller]
fn serves(server: &Server, target: &str, expected: &str) {
    let answer = server.send(&Request::get(target));
    assert_eq!((answer.status, answer.text().as_str()), (200, expected), "{}", server.log.text());
}

#[test]
fn django_behind_nginx() {
    let server = site("django-nginx.ini", Wire::Uwsgi).args(["--ini", "django-nginx.ini"]).start();
    serves(&server, "/x", "served |/x");
}

#[test]
fn django_with_the_file_as_argument() {
    let server = site("django-nginx.ini", Wire::Uwsgi).arg("django-nginx.ini").start();
    serves(&server, "/", "served |/");
}

#[test]
fn heroku() {
    let setup = site("heroku.ini", Wire::Http).env("PORT", "0").env("WEB_CONCURRENCY", "2");
    let server = setup.args(["heroku.ini"]).start();
    serves(&server, "/", "served |/");
    server.wait_for("spawned uWSGI worker 2 (pid: <N>, cores: 1)");
}

#[test]
fn environment_only() {
    let setup = site("heroku.ini", Wire::Http)
        .env("UWSGI_HTTP_SOCKET", "127.0.0.1:0")
        .env("UWSGI_MODULE", "app:application")
        .env("UWSGI_MASTER", "1")
        .env("UWSGI_PROCESSES", "2")
        .env("UWSGI_THREADS", "2")
        .env("UWSGI_DIE_ON_TERM", "1")
        .env("UWSGI_LAZY_APPS", "1");
    let server = setup.start();
    serves(&server, "/", "served |/");
    server.wait_for("spawned uWSGI worker 2 (pid: <N>, cores: 2)");
}

#[test]
fn kubernetes() {
    let server = site("kubernetes.ini", Wire::Http).args(["--ini", "kubernetes.ini"]).start();
    serves(&server, "/", "served |/");
}

#[test]
fn production_defaults() {
    let server = site("production.ini", Wire::Http).args(["--ini", "production.ini"]).start();
    serves(&server, "/", "served |/");
}

#[test]
fn attached_daemons() {
    let server = site("daemon.ini", Wire::Uwsgi).args(["--ini", "daemon.ini"]).start();
    serves(&server, "/", "served |/");
}

#[test]
fn cheaper() {
    let server = site("cheaper.ini", Wire::Http).args(["--ini", "cheaper.ini"]).start();
    serves(&server, "/", "served |/");
}

#[test]
fn many_sites_of_one_template() {
    let setup = site("multi-site.ini", Wire::Uwsgi).file("multi-site.env", "more\n");
    let server = setup.args(["--ini", "multi-site.ini"]).start();
    serves(&server, "/", "served |/ SITE=multi-site EXTRA=more");
    server.wait_for("spawned uWSGI worker 2 (pid: <N>, cores: 1)");
}

#[test]
fn sections_by_environment() {
    let deployed = site("base.ini", Wire::Http).args(["--ini", "base.ini"]).start();
    serves(&deployed, "/", "served |/ POOL_2=on");
    let debug = site("base.ini", Wire::Http).env("DEBUG", "1").args(["--ini", "base.ini"]).start();
    serves(&debug, "/", "served |/ POOL_2=on");
    assert!(!debug.logged("spawned uWSGI worker 2 <*>"));
}

#[test]
fn flask_in_yaml() {
    let server = site("flask.yml", Wire::Http).args(["--yaml", "flask.yml"]).start();
    serves(&server, "/", "served |/ FLASK_ENV=production");
}

#[test]
fn legacy_xml() {
    let server = site("legacy.xml", Wire::Uwsgi).args(["-x", "legacy.xml"]).start();
    serves(&server, "/", "served |/");
    server.wait_for("spawned uWSGI worker 2 (pid: <N>, cores: 1)");
}

#[test]
fn control_panel_in_json() {
    let server = site("panel.json", Wire::Uwsgi).args(["--json", "panel.json"]).start();
    serves(&server, "/", "served |/ PANEL=1");
    assert!(server.path("panel.sock").exists());
}

#[test]
fn socket_of_systemd() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = crate::support::Address::Tcp(socket.local_addr().unwrap());
    let shell = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID";
    let setup = site("systemd.ini", Wire::Uwsgi).stdin(socket.into()).shell(shell);
    let server = setup.args(["--ini", "systemd.ini"]).start();
    let mut connection = crate::support::Connection::open(&address);
    connection.send(Request::get("/").to_packet());
    assert!(String::from_utf8_lossy(&connection.rest()).ends_with("served |/"));
    drop(server);
}

#[test]
fn wiki_with_comments_behind_values() {
    let server = site("wiki.ini", Wire::Http).args(["--ini", "wiki.ini"]).launch();
    let log = server.path("wiki.log");
    crate::support::eventually("workers in the log file", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("spawned uWSGI worker 2 ("))
    });
    let text = std::fs::read_to_string(&log).unwrap();
    let (_, address) = text.split_once(" bound to TCP address ").unwrap();
    let address = crate::support::Address::parse(address.split(' ').next().unwrap());
    let mut connection = crate::support::Connection::open(&address);
    connection.send(Request::get("/wiki/page").header("Connection", "close").to_http());
    assert!(String::from_utf8_lossy(&connection.rest()).ends_with("served /wiki|/page"));
}

#[test]
fn what_is_not_supported_is_refused_or_allowed() {
    ours_only!("it has internal routing");
    let text =
        "[uwsgi]\nhttp-socket = 127.0.0.1:0\nwsgi-file = app.py\nroute = ^/old redirect:/new\n";
    let refused = site("wiki.ini", Wire::Http).file("static.ini", text).arg("static.ini").run();
    assert_eq!(refused.0.code(), Some(1));
    assert!(
        refused.1.contains("error: static.ini:4: route = ^/old redirect:/new: is not supported: ")
    );
    let setup = site("wiki.ini", Wire::Http).file("static.ini", text);
    let server = setup.args(["static.ini", "--allow-unsupported"]).start();
    server.wait_for("warning: static.ini:4: route = ^/old redirect:/new: is not supported: <*>");
    serves(&server, "/", "served |/");
}

#[test]
fn load_balancer() {
    let server = site("elb.ini", Wire::Http).args(["--ini", "elb.ini"]).start();
    serves(&server, "/", "served |/");
}
