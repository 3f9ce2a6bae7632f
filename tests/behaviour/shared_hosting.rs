//! One server for many sites behind a real nginx, as shared hosts run it: each location names its application, its directory
//! and its virtualenv.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::fronts::{Front, program};
use crate::support::{Address, Request, Setup, Wire, eventually, process};

/// One location of nginx, and what its application must say.
struct Site {
    host: &'static str,
    /// Without a slash at its end.
    location: &'static str,
    /// Name of its directory and of what the application calls itself.
    name: &'static str,
    /// Its virtualenv.
    venv: &'static str,
}

const SITES: [Site; 4] = [
    Site { host: "a.example", location: "", name: "a-main", venv: "red" },
    Site { host: "a.example", location: "/shop", name: "a-shop", venv: "green" },
    Site { host: "b.example", location: "", name: "b-main", venv: "blue" },
    Site { host: "b.example", location: "/api", name: "b-api", venv: "red" },
];

/// All sites have a module of this name, which says which one it is.
const APP: &str = "\
import colour, os, sys
NAME = '{name}'
kept = []
def application(environ, start_response):
    if environ['QUERY_STRING'] == 'leak':
        kept.append(bytearray(1 << 17))
    start_response('200 OK', [('Content-Type', 'text/plain')])
    facts = NAME, colour.VERSION, os.path.basename(os.getcwd()), '%d.%d' % sys.version_info[:2]
    return [' '.join(facts).encode()]
";

/// Two Pythons of different versions: that of the `PATH`, which the server takes where nothing is said, and another one.
fn pythons() -> Option<[(PathBuf, String); 2]> {
    let version = |python: &Path| {
        let print = "import sys; print('%d.%d' % sys.version_info[:2])";
        let output = Command::new(python).args(["-c", print]).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let first = PathBuf::from("python3");
    let own = version(&first)?;
    let cached = ["3.9", "3.10", "3.12", "3.13"]
        .into_iter()
        .filter_map(|name| crate::support::python::virtualenv(&format!("python{name}")));
    let others = cached.map(|venv| venv.join("bin/python"));
    let other = others.chain([PathBuf::from("/usr/bin/python3")]).find_map(|python| {
        let version = version(&python).filter(|version| *version != own)?;
        Some((python, version))
    })?;
    Some([(first, own), other])
}

/// Makes the virtualenvs and the sites' directories; the answer that each site must give.
fn furnish(folder: &Path, pythons: &[(PathBuf, String); 2]) -> Vec<String> {
    for (name, python) in [("red", 0), ("green", 0), ("blue", 1)] {
        let venv = folder.join(name);
        let made = Command::new(&pythons[python].0)
            .args(["-m", "venv", "--without-pip"])
            .arg(&venv)
            .status();
        assert!(made.expect("run python").success(), "a virtualenv is made");
        let package = venv.join(format!("lib/python{}/site-packages/colour", pythons[python].1));
        std::fs::create_dir_all(&package).unwrap();
        std::fs::write(package.join("__init__.py"), format!("VERSION = '{name}-1'\n")).unwrap();
    }
    let answer = |site: &Site| {
        let directory = folder.join(site.name);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("site_app.py"), APP.replace("{name}", site.name)).unwrap();
        let version = &pythons[usize::from(site.venv == "blue")].1;
        format!("{0} {1}-1 {0} {version}", site.name, site.venv)
    };
    SITES.iter().map(answer).collect()
}

fn nginx_servers(folder: &Path) -> String {
    let mut text = String::new();
    for host in ["a.example", "b.example"] {
        write!(text, "server {{ listen 127.0.0.1:{{port}}; server_name {host};").unwrap();
        for site in SITES.iter().filter(|site| site.host == host) {
            let folder = folder.display();
            let Site { location, name, venv, .. } = site;
            write!(
                text,
                "location {location}/ {{
                    include /etc/nginx/uwsgi_params; uwsgi_pass {{server}};
                    uwsgi_param UWSGI_SCRIPT site_app; uwsgi_param UWSGI_CHDIR {folder}/{name};
                    uwsgi_param UWSGI_PYHOME {folder}/{venv}; }}"
            )
            .unwrap();
        }
        text.push_str("}\n");
    }
    text
}

/// What follows `before` in the log, up to a `)`.
fn word_after(log: &str, before: &str) -> Option<String> {
    let rest = &log[log.find(before)? + before.len()..];
    rest.split([')', ' ', '\n']).next().map(str::to_owned)
}

/// Asks `count` times, by eight clients, for one site after the other; how long each answer took, by site.
fn ask(nginx: &Front, count: usize, sites: &[usize], expected: &[String]) -> Vec<Vec<Duration>> {
    let next = AtomicUsize::new(0);
    let times = SITES.iter().map(|_| Mutex::new(Vec::new())).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connection = nginx.connect();
                while let number = next.fetch_add(1, Ordering::Relaxed)
                    && number < count
                {
                    let at = sites[number % sites.len()];
                    let target = format!("{}/x{number}", SITES[at].location);
                    let begun = Instant::now();
                    let request = Request::get(&target).header("Host", SITES[at].host);
                    let answer = connection.ask(&request);
                    times[at].lock().unwrap().push(begun.elapsed());
                    let found = (answer.status, answer.text());
                    assert_eq!(found, (200, expected[at].clone()), "{target}");
                }
            });
        }
    });
    times.into_iter().map(|times| times.into_inner().unwrap()).collect()
}

fn print(title: &str, mut times: Vec<Vec<Duration>>) {
    for (site, times) in SITES.iter().zip(&mut times).filter(|(_, times)| !times.is_empty()) {
        times.sort();
        let at = |part: usize| times[(times.len() - 1) * part / 100];
        println!(
            "{title}: {}: {} answers, p50 {:?}, p99 {:?}",
            site.name,
            times.len(),
            at(50),
            at(99)
        );
    }
}

#[test]
fn right_application_package_directory_and_python_for_every_request() {
    ours_only!(
        "a virtualenv of another Python cannot be served, and of two locations the first answers both"
    );
    serves_all(&[]);
}

#[test]
fn the_same_with_processes_for_each_site() {
    ours_only!("sites have no processes of their own");
    serves_all(&["--app-isolation", "process"]);
}

fn serves_all(further: &[&str]) {
    needs!(program("nginx").is_some(), "nginx is not installed");
    let pythons = pythons();
    needs!(pythons.is_some(), "there is only one version of Python");
    let count = if std::env::var_os("UWSGI_LONG_TESTS").is_some() { 50_000 } else { 4_000 };
    let pythons = pythons.unwrap();
    // As in the documentation of many hosts, but for the port.
    let setup = Setup::new(Wire::Uwsgi).args([
        "-s",
        ":0",
        "-M",
        "-p",
        "4",
        "-t",
        "30",
        "--limit-as",
        "128",
        "-R",
        "10000",
        "-d",
        "uwsgi.log",
        "--vhost",
    ]);
    let setup = setup.args(further.iter().copied());
    let folder = setup.path("");
    let expected = furnish(&folder, &pythons);
    let mut server = setup.launch();
    assert_eq!(server.wait().code(), Some(0), "{}", server.log.text());
    let log = || std::fs::read_to_string(folder.join("uwsgi.log")).unwrap_or_default();
    eventually("the workers", || log().contains("spawned uWSGI worker 4"));
    let master = word_after(&log(), "spawned uWSGI master process (pid: ").unwrap();
    let daemon = process::Daemon(master.parse().unwrap());
    let address = word_after(&log(), "bound to TCP address ").unwrap();
    let nginx = Front::nginx_of(&nginx_servers(&folder), &Address::parse(&address));
    print("first", ask(&nginx, SITES.len(), &[0, 1, 2, 3], &expected));
    print("all", ask(&nginx, count, &[0, 1, 2, 3], &expected));

    // One of them leaks 128 KiB a request: it is recycled. In the processes of all, nobody fails; in processes of its own it may
    // run out of memory before its successor is there, and is alone with that.
    let alone = !further.is_empty();
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = nginx.connect();
            while !over.load(Ordering::Relaxed) {
                let request = Request::get("/api/?leak").header("Host", "b.example");
                let answer = connection.ask(&request);
                let failed = alone && answer.status == 500;
                assert!(
                    failed || (answer.status, answer.text()) == (200, expected[3].clone()),
                    "{}",
                    log()
                );
            }
        });
        print("beside a leak", ask(&nginx, count, &[0, 1, 2], &expected));
        eventually("a worker that is recycled", || log().contains("Respawned uWSGI worker"));
        over.store(true, Ordering::Relaxed);
    });
    let text = log();
    assert!(alone || !text.contains("MemoryError"), "{text}");
    process::send(daemon.0, Signal::SIGINT);
    eventually("the end of the daemon", || !process::alive(daemon.0));
}
