//! `app-isolation = process`: sites with processes of their own.

mod connections;
mod failures;

use std::os::unix::fs::PermissionsExt;
use std::thread;

use nix::sys::signal::Signal;

use crate::support::python::{public, version, virtualenv};
use crate::support::{
    Address, Answer, Connection, Load, Request, Server, Setup, Wire, eventually, process,
};

/// An application that says who it is, and does what harms others where they share a process.
const APP: &str = "\
import ctypes, os, sys, time
KEPT = []
def application(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/crash':
        ctypes.string_at(0)
    if path == '/hang':
        time.sleep(60)
    if path == '/slow':
        time.sleep(0.5)
    if path == '/leak':
        KEPT.append(bytes(bytearray(16 << 20)))
    body = environ['wsgi.input'].read()
    start_response('200 OK', [('Content-Type', 'text/plain')])
    version = '%d.%d' % sys.version_info[:2]
    facts = [__name__.split('_')[-1], version, os.getppid(), os.getpid(), os.getuid(), len(body), os.environ.get('MARK', '-')]
    return [' '.join(map(str, facts)).encode()]
";

fn setup() -> Setup {
    Setup::new(Wire::Uwsgi)
        .args(["--socket", "127.0.0.1:0", "--app-isolation", "process"])
        .master(2)
        .file("one/one.py", APP)
        .file("two/two.py", APP)
}

/// A request for the application `name` in the folder of the same name.
fn ask(server: &Server, name: &str, target: &str) -> Request {
    let folder = server.path(name);
    Request::get(target).var("UWSGI_SCRIPT", name).var("UWSGI_CHDIR", &folder.display().to_string())
}

/// What the application says of itself.
#[derive(Debug)]
struct Facts {
    name: String,
    master: i32,
    worker: i32,
    uid: u32,
    length: usize,
    mark: String,
}

#[track_caller]
fn facts(answer: &Answer) -> Facts {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let words: Vec<&str> = text.split(' ').collect();
    Facts {
        name: words[0].to_owned(),
        master: words[2].parse().unwrap(),
        worker: words[3].parse().unwrap(),
        uid: words[4].parse().unwrap(),
        length: words[5].parse().unwrap(),
        mark: words[6].to_owned(),
    }
}

#[track_caller]
fn get(server: &Server, name: &str) -> Facts {
    let facts = facts(&server.send(&ask(server, name, "/")));
    assert_eq!(facts.name, name);
    facts
}

fn count(server: &Server, wanted: &str) -> usize {
    server.log.text().lines().filter(|line| line.contains(wanted)).count()
}

#[test]
fn two_versions_answer_side_by_side_under_load() {
    ours_only!("uWSGI loads what requests name into its workers");
    let homes = (virtualenv("python3.9"), virtualenv("python3.12"));
    let (Some(old), Some(new)) = homes else { return println!("skipped: two Pythons are needed") };
    let server = setup().start();
    let of = |name: &str, home: &std::path::Path| {
        ask(&server, name, "/").var("UWSGI_PYHOME", &home.display().to_string())
    };
    let loads = [
        Load::of(&server, of("one", &old), 2, |text| text.starts_with("one 3.9 ")),
        Load::of(&server, of("two", &new), 2, |text| text.starts_with("two 3.12 ")),
    ];
    loads.iter().for_each(|load| load.wait_answers(500));
    loads.into_iter().for_each(Load::stop_without_failure);
    assert_eq!(version(&old).as_deref(), Some("3.9"));
    assert_eq!((count(&server, "site one: started"), count(&server, "site two: started")), (1, 1));
}

#[test]
fn the_first_requests_start_it_once_and_none_is_lost() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().start();
    assert_eq!(count(&server, "site one"), 0);
    let masters: Vec<i32> = thread::scope(|scope| {
        let ask = || scope.spawn(|| get(&server, "one").master);
        let clients: Vec<_> = (0..20).map(|_| ask()).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(masters.iter().all(|master| *master == masters[0]), "{masters:?}");
    assert_eq!(count(&server, "site one: started"), 1);
    let other = get(&server, "two");
    assert_ne!(other.master, masters[0]);
    assert!(process::children(server.pid()).contains(&other.master));
}

#[test]
fn an_idle_site_ends_and_comes_back() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().args(["--site-option", "idle=1"]).start();
    let first = get(&server, "one");
    server.wait_for("site one: idle, stopped");
    assert!(!process::alive(first.master) && !process::alive(first.worker));
    assert_ne!(get(&server, "one").master, first.master);
}

#[test]
fn nothing_is_lost_between_idle_and_awake() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().args(["--site-option", "idle=1"]).start();
    // Requests come at all moments of its end.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(6);
    let mut pause_ms = 950;
    while std::time::Instant::now() < until {
        get(&server, "one");
        thread::sleep(std::time::Duration::from_millis(pause_ms));
        pause_ms += 25;
    }
}

#[test]
fn a_reload_under_load_loses_nothing() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().start();
    let before = (get(&server, "one").master, get(&server, "two").master);
    let loads = [
        Load::of(&server, ask(&server, "one", "/"), 2, |text| text.starts_with("one ")),
        Load::of(&server, ask(&server, "two", "/slow"), 2, |text| text.starts_with("two ")),
    ];
    loads.iter().for_each(|load| load.wait_answers(2));
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.await_reload(mark);
    eventually("the end of the sites", || !process::alive(before.0) && !process::alive(before.1));
    loads.iter().for_each(|load| load.wait_answers(4));
    loads.into_iter().for_each(Load::stop_without_failure);
    assert_ne!(get(&server, "one").master, before.0);
}

#[test]
fn a_site_is_recycled_and_has_several_workers_under_load() {
    ours_only!("uWSGI loads what requests name into its workers");
    let options = ["processes=2", "max-requests=30", "threads=2", "min-worker-lifetime=1"];
    let server = setup().args(options.map(|it| format!("--site-option={it}"))).start();
    let load = Load::of(&server, ask(&server, "one", "/"), 4, |text| text.starts_with("one "));
    eventually("recycled workers", || count(&server, "The work of process") >= 4);
    load.wait_answers(20);
    load.stop_without_failure();
    assert_eq!(count(&server, "site one: started"), 1);
}

#[test]
fn a_site_has_its_own_user() {
    ours_only!("uWSGI loads what requests name into its workers");
    needs!(nix::unistd::geteuid().is_root() && public(), "only root starts others");
    let setup = setup().public_python().args([
        "--vhost",
        "--site-option",
        "a.example:uid=12345",
        "--site-option",
        "gid=23456",
    ]);
    let folder = setup.path("");
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
    let server = setup.start();
    let of = |host: &str| facts(&server.send(&ask(&server, "one", "/").var("SERVER_NAME", host)));
    let (a, b) = (of("a.example"), of("b.example"));
    assert_eq!((a.uid, b.uid), (12345, 0));
    let gid = process::status_line(a.worker, "Gid").unwrap();
    assert!(gid.starts_with("23456"), "{gid}");
    assert_eq!(count(&server, "as the user of any site"), 1, "loopback is no user");
}

#[test]
fn a_site_of_another_user_has_no_way_home() {
    ours_only!("uWSGI loads what requests name into its workers");
    needs!(nix::unistd::geteuid().is_root() && public(), "only root starts others");
    let setup = Setup::new(Wire::Http)
        .args(["--http", "127.0.0.1:0", "--app-isolation", "process", "--vhost"])
        .args(["--http-var", "UWSGI_SCRIPT=one", "--site-option", "a.example:uid=12345"])
        .public_python()
        .master(2)
        .file("one.py", APP);
    std::fs::set_permissions(setup.path(""), PermissionsExt::from_mode(0o755)).unwrap();
    let server = setup.start();
    let get = |host: &str| Request::get("/").header("Host", host);
    let passed = |facts: &Facts| {
        let environment = std::fs::read(format!("/proc/{}/environ", facts.master)).unwrap();
        String::from_utf8_lossy(&environment).into_owned()
    };
    // Two requests at once: the second one is not another site's to be read by this one.
    let mut connection = server.connect();
    connection.send([get("a.example"), get("b.example")].map(|one| one.to_http()).concat());
    let answer = connection.answer(false);
    let strange = facts(&answer);
    assert_eq!(strange.uid, 12345);
    assert!(connection.rest().is_empty(), "it ends with its answer");
    let own = facts(&server.connect().ask(&get("b.example")));
    assert!(passed(&own).contains("rescue-send"));
    assert!(!passed(&strange).contains("rescue-send"));
    for _ in 0..10 {
        assert_eq!(facts(&server.connect().ask(&get("a.example"))).master, strange.master);
    }
}

#[test]
fn only_root_gives_sites_other_users() {
    ours_only!("uWSGI has no such option");
    let (status, log) = setup().args(["--site-option", "uid=1", "--uid", "2"]).run();
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("site-option uid=1: only root may"), "{log}");
}

#[test]
fn a_stop_ends_all() {
    ours_only!("uWSGI loads what requests name into its workers");
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let mut server = setup().start();
        let pids = ["one", "two"].map(|name| get(&server, name)).map(|it| [it.master, it.worker]);
        server.signal(signal);
        server.wait();
        eventually("the end of the sites", || {
            pids.concat().iter().all(|pid| !process::alive(*pid))
        });
    }
}

#[test]
fn a_graceful_stop_finishes_what_sites_run() {
    ours_only!("uWSGI loads what requests name into its workers");
    let mut server = setup().fifo().start();
    let first = get(&server, "one");
    let mut slow = server.connect();
    slow.send(ask(&server, "one", "/slow").to_packet());
    let mut starting = server.connect();
    starting.send(ask(&server, "two", "/").to_packet());
    server.wait_for("site two: started <*>");
    server.fifo("q");
    for (connection, name) in [(&mut slow, "one "), (&mut starting, "two ")] {
        let bytes = connection.rest();
        let answer = Answer::whole(&bytes, false).unwrap();
        assert!(answer.text().starts_with(name), "{}", answer.text());
    }
    server.wait();
    assert!(!process::alive(first.master) && !process::alive(first.worker));
}

#[test]
fn there_are_no_more_sites_than_may_be() {
    ours_only!("uWSGI has no such option");
    let server = setup().args(["--max-sites", "1"]).start();
    get(&server, "one");
    assert_eq!(server.send(&ask(&server, "two", "/")).status, 503);
    server.wait_for("site two: refused with 503, 1 others are busy (max-sites<*>");
    get(&server, "one");
}

#[test]
fn what_names_no_site_stays_in_the_instance() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().args(["--module", "one", "--chdir", "one"]).start();
    let own = facts(&server.send(&Request::get("/")));
    assert_eq!(own.master, server.pid());
    assert_ne!(get(&server, "one").master, server.pid());
}

#[test]
fn a_site_gets_its_variables_and_options() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().args(["--site-option", "env=MARK=all"]).start();
    assert_eq!(get(&server, "one").mark, "all");
    let request = ask(&server, "two", "/").var("UWSGI_SETENV", "MARK=own@(/etc/hostname)");
    assert_eq!(facts(&server.send(&request)).mark, "own@(/etc/hostname)");
}

#[test]
fn wrong_options_of_sites_are_errors_at_the_start() {
    ours_only!("uWSGI has no such option");
    for (option, said) in [
        ("socket=:1", "socket is no option of sites; accepted: "),
        ("nonsense=1", "nonsense is no option of sites; accepted: "),
        ("processes=-1", "processes = -1"),
        ("uid=no-such-user", "site-option uid=no-such-user: unable to find user no-such-user"),
        ("a.example:threads=1", "without vhost no site has a host"),
    ] {
        let (status, log) = setup().args(["--site-option", option]).run();
        assert_eq!(status.code(), Some(1), "{option}");
        assert!(log.contains(said), "{option}: {log}");
    }
    let alone = Setup::new(Wire::Uwsgi).args(["-s", "127.0.0.1:0", "--app-isolation", "process"]);
    let (status, log) = alone.run();
    assert!(status.code() == Some(1) && log.contains("add master"), "{log}");
}

#[test]
fn touching_its_file_starts_a_site_anew() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().file("touched", "").start();
    let touched = server.path("touched");
    let request =
        || ask(&server, "one", "/").var("UWSGI_TOUCH_RELOAD", &touched.display().to_string());
    let first = facts(&server.send(&request())).master;
    std::fs::write(&touched, "again").unwrap();
    eventually("another instance", || facts(&server.send(&request())).master != first);
}

#[test]
fn logs_are_opened_anew_by_sites_too() {
    ours_only!("uWSGI loads what requests name into its workers");
    let setup = Setup::new(Wire::Uwsgi)
        .args(["--socket", "one.sock", "--app-isolation", "process", "--logto", "log"])
        .args(["--master", "--master-fifo", "fifo"])
        .file("one/one.py", APP);
    let server = setup.launch();
    let path = Address::Unix(server.path("one.sock"));
    eventually("the server", || Connection::try_open(&path).is_ok());
    let get = || {
        let mut connection = Connection::open(&path);
        connection.send(ask(&server, "one", "/").to_packet());
        facts(&Answer::whole(&connection.rest(), false).unwrap()).master
    };
    let first = get();
    std::fs::rename(server.path("log"), server.path("old")).unwrap();
    server.fifo("l");
    eventually("the end of the first instance", || !process::alive(first));
    assert_ne!(get(), first);
    eventually("its lines in the new file", || {
        let text = std::fs::read_to_string(server.path("log")).unwrap_or_default();
        text.contains("site one: WSGI app 0")
    });
}
