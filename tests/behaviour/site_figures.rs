//! What is told of sites: in the statistics, by a command, in the log.

use serde_json::Value;

use crate::support::{Address, Connection, Request, Server, Setup, Wire, eventually, process};

fn with_stats(setup: Setup) -> Setup {
    let path = setup.path("stats.sock");
    setup.arg("--stats").arg(path).args(["--pidfile", "server.pid"])
}

fn stats(server: &Server) -> Value {
    let mut connection = Connection::open(&Address::Unix(server.path("stats.sock")));
    serde_json::from_slice(&connection.rest()).unwrap()
}

fn requests(server: &Server) -> Vec<(String, u64, u64)> {
    let document = stats(server);
    let sites = document["sites"].as_array().cloned().unwrap_or_default();
    let figures = |site: &Value| {
        let number = |key: &str| site[key].as_u64().unwrap();
        (site["name"].as_str().unwrap().to_owned(), number("requests"), number("errors"))
    };
    sites.iter().map(figures).collect()
}

fn host(target: &str, host: &str) -> Request {
    Request::get(target).header("Host", host)
}

#[test]
fn hosts_are_counted_over_workers_and_reloads() {
    ours_only!("it counts no sites");
    let setup = Setup::http().master(2).args(["--vhost", "--memory-report", "--max-sites", "2"]);
    let server = with_stats(setup).start();
    assert_eq!(requests(&server), []);
    for _ in 0..6 {
        server.send(&host("/hello", "a.example"));
        server.send(&host("/hello", "A.Example:8080"));
    }
    server.send(&host("/boom", "b.example"));
    server.send(&host("/hello", "c.example"));
    server.send(&host("/hello", "d.example"));
    let site = |name: &str, requests, errors| (name.to_owned(), requests, errors);
    let expected = [site("a.example|", 12, 0), site("b.example|", 1, 1), site("other", 2, 0)];
    eventually("all are counted", || requests(&server) == expected);
    let document = stats(&server);
    let keys: Vec<_> = document["sites"][0].as_object().unwrap().keys().cloned().collect();
    let wanted = [
        "name",
        "requests",
        "errors",
        "running_time",
        "avg_rt",
        "tx",
        "last_request",
        "rss",
        "pid",
    ];
    assert_eq!(keys, wanted);
    assert!(document["sites"][0]["rss"].as_u64().unwrap() > 100_000);
    let last = document.as_object().unwrap().keys().next_back().cloned();
    assert_eq!(last.as_deref(), Some("sites"));
    let mark = server.log.mark();
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.await_reload(mark);
    server.send(&host("/hello", "b.example"));
    let expected = [site("a.example|", 12, 0), site("b.example|", 2, 1), site("other", 2, 0)];
    eventually("the next generation counts on", || requests(&server) == expected);
    let file = server.path("server.pid");
    let (status, table) = Setup::http().arg("--sites").arg(file).run();
    assert_eq!(status.code(), Some(0), "{table}");
    let lines: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        (lines.len(), lines[0][0], lines[0].last()),
        (4, "requests", Some(&"site")),
        "{table}"
    );
    assert_eq!(
        (&lines[1][..2], lines[1].last()),
        (&["12", "0"][..], Some(&"a.example|")),
        "{table}"
    );
}

#[test]
fn without_sites_nothing_is_shown() {
    ours_only!("it counts no sites");
    let server = with_stats(Setup::http().master(1)).start();
    server.send(&Request::get("/hello"));
    eventually("it is counted", || stats(&server)["workers"][0]["requests"] == 1);
    let document = stats(&server);
    assert!(document["sites"].is_null() && document["dynamic_refused"].is_null());
    let (status, table) = Setup::http().arg("--sites").arg(server.path("server.pid")).run();
    assert_eq!((status.code(), &*table), (Some(0), "no site was asked for yet\n"));
}

#[test]
fn the_command_needs_a_master() {
    ours_only!("it has no such command");
    let server = Setup::http().args(["--pidfile", "server.pid"]).start();
    let (status, text) = Setup::http().arg("--sites").arg(server.path("server.pid")).run();
    assert_eq!(status.code(), Some(1));
    assert!(text.contains(" is no master of this program that could be asked"), "{text}");
    assert!(process::alive(server.pid()));
}

/// As uWSGI 2.0.31 writes it.
#[test]
fn lines_of_vhost_begin_with_the_host() {
    for setup in Setup::both() {
        let server = setup.arg("--vhost").start();
        server.send(&host("/hello", "A.example:99"));
        server.wait_for(
            "A.example:99 [pid: <N>|app: <N>|req: <N>/<N>] <*> GET /hello => generated <*>",
        );
    }
}

#[test]
fn sites_that_requests_name_are_counted() {
    ours_only!("it counts no sites");
    const APP: &str = "\
def application(environ, start_response):
    if environ['PATH_INFO'] == '/boom':
        raise ValueError('boom')
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'served']
";
    let setup = Setup::uwsgi().master(2).arg("--vhost").file("one.py", APP).file("two.py", APP);
    let server = with_stats(setup).start();
    let named = |host: &str, target: &str, script: &str| {
        Request::get(target).var("SERVER_NAME", host).var("UWSGI_SCRIPT", script)
    };
    for _ in 0..5 {
        server.send(&named("a.example", "/", "one"));
        server.send(&named("a.example", "/", "two").var("SCRIPT_NAME", "/shop"));
    }
    server.send(&named("b.example", "/boom", "one"));
    server.send(&named("b.example", "/", "no_such_module"));
    let site = |name: &str, requests, errors| (name.to_owned(), requests, errors);
    let mut expected = [
        site("a.example| one", 5, 0),
        site("a.example|/shop two", 5, 0),
        site("b.example| no_such_module", 1, 1),
        site("b.example| one", 1, 1),
    ];
    expected.sort_by(|one, two| two.1.cmp(&one.1).then(one.0.cmp(&two.0)));
    eventually("all are counted", || requests(&server) == expected);
    // As in uWSGI: what the client asks for.
    server.wait_for("localhost [pid: <N>|app: <N>|req: <N>/<N>] <*> GET / => generated <*>");
}

#[test]
fn processes_of_sites_are_counted_and_shown() {
    ours_only!("sites have no processes of their own");
    const APP: &str = "\
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'served']
";
    let setup = Setup::uwsgi().master(1).file("one.py", APP);
    let args = ["--vhost", "--app-isolation", "process", "--site-option", "idle=2"];
    let server = with_stats(setup.args(args)).start();
    let request = Request::get("/").var("SERVER_NAME", "a.example").var("UWSGI_SCRIPT", "one");
    for _ in 0..3 {
        assert_eq!(server.send(&request).status, 200);
    }
    let site = || stats(&server)["sites"][0].clone();
    eventually("all are counted", || site()["requests"] == 3);
    let shown = site();
    assert_eq!(shown["name"], "a.example| one");
    let pid = i32::try_from(shown["pid"].as_u64().unwrap()).unwrap();
    assert!(process::alive(pid) && shown["rss"].as_u64().unwrap() > 100_000, "{shown}");
    server.wait_for(&format!("site a.example| one: started (pid {pid})"));
    eventually("its end", || site()["pid"] == 0 && !process::alive(pid));
    assert_eq!(server.send(&request).status, 200);
    eventually("figures outlive processes", || site()["requests"] == 4 && site()["pid"] != 0);
}

/// Says which applications its worker has.
const NEIGHBOURS: &str = "\
import uwsgi
def application(environ, start_response):
    start_response('200 OK', [])
    apps = uwsgi.workers()[0]['apps']
    return [b' '.join(b'%d:%s' % (app['id'], app['mountpoint']) for app in apps)]
";

fn named(host: &str) -> Request {
    Request::get("/").var("SERVER_NAME", host).header("Host", host).var("UWSGI_SCRIPT", "app")
}

/// Mount points and requests of the first worker's applications.
fn applications(server: &Server) -> Vec<(String, u64)> {
    let document = stats(server);
    let apps = document["workers"][0]["apps"].as_array().cloned().unwrap_or_default();
    let figures = |app: &Value| {
        (app["mountpoint"].as_str().unwrap().to_owned(), app["requests"].as_u64().unwrap())
    };
    apps.iter().map(figures).collect()
}

fn without_applications() -> Setup {
    let setup = Setup::new(Wire::Uwsgi).args(["--socket", "127.0.0.1:0", "--vhost"]);
    setup.master(1).args(["--threads", "2"]).file("app.py", NEIGHBOURS)
}

#[test]
fn applications_that_requests_name_are_among_those_of_their_worker() {
    let server = with_stats(without_applications()).start();
    assert_eq!(applications(&server), []);
    for host in ["a", "b", "a", "a"] {
        assert_eq!(server.send(&named(host)).status, 200);
    }
    let expected = [("a|".to_owned(), 3), ("b|".to_owned(), 1)];
    eventually("all are listed", || applications(&server) == expected);
    assert_eq!(server.send(&named("b")).text(), "0:a| 1:b|");
}

#[test]
fn the_first_eight_are_listed_and_all_requests_count() {
    ours_only!("it lists max-apps of them");
    let server = with_stats(without_applications()).start();
    let hosts: Vec<_> = (0..10).map(|number| format!("h{number}")).collect();
    for host in hosts.iter().chain(&hosts) {
        assert_eq!(server.send(&named(host)).status, 200);
    }
    let expected: Vec<_> = hosts[..8].iter().map(|host| (format!("{host}|"), 2)).collect();
    eventually("all are listed", || applications(&server) == expected);
    let worker = stats(&server)["workers"][0]["requests"].clone();
    assert_eq!(worker, 20);
    let sites = requests(&server);
    assert_eq!(sites.len(), 10);
    assert!(sites.iter().all(|(_, requests, errors)| (*requests, *errors) == (2, 0)), "{sites:?}");
}
