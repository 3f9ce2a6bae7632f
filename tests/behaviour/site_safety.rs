//! Who may have applications loaded, and from where: requests that try what they may not.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::answer::Answer;
use crate::support::{Address, Connection, Request, Server, Setup, Wire, eventually, fastcgi};

/// An application that leaves a mark when it is imported.
const EVIL: &str = "\
import os
open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'imported'), 'w').close()
def application(environ, start_response):
    start_response('200 OK', [])
    return [b'evil']
";

/// What the socket of a test speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Speech {
    Uwsgi,
    FastCgi,
    Scgi,
    Auto,
}

const ALL: [Speech; 4] = [Speech::Uwsgi, Speech::FastCgi, Speech::Scgi, Speech::Auto];

impl Speech {
    fn option(self) -> &'static str {
        match self {
            Self::Uwsgi => "--uwsgi-socket",
            Self::FastCgi => "--fastcgi-socket",
            Self::Scgi => "--scgi-socket",
            Self::Auto => "--auto-socket",
        }
    }

    /// The answer to a request on a connection of this protocol.
    #[track_caller]
    fn ask(self, mut connection: Connection, request: &Request) -> Answer {
        match self {
            Self::Uwsgi | Self::Auto => {
                connection.send(request.to_packet());
                connection.answer(false)
            }
            Self::FastCgi => {
                connection.send(fastcgi::request(request, 1, false));
                fastcgi::reply(&mut connection, false).answer
            }
            Self::Scgi => {
                connection.send(fastcgi::scgi(request));
                fastcgi::answer(&connection.rest(), false)
            }
        }
    }
}

/// A server without an application of its own, with statistics.
fn bare(speech: Speech, address: &str, args: &[&str]) -> Setup {
    let setup = Setup::new(Wire::Uwsgi).file("evil.py", EVIL).args([speech.option(), address]);
    let stats = setup.path("stats.sock");
    setup.arg("--stats").arg(stats).args(args.iter().copied())
}

fn naming(name: &str, value: &str) -> Request {
    Request::get("/x").var(name, value)
}

fn stats(server: &Server) -> Value {
    let mut connection = Connection::open(&Address::Unix(server.path("stats.sock")));
    serde_json::from_slice(&connection.rest()).unwrap()
}

#[track_caller]
fn is_refused(server: &Server, answer: &Answer) {
    assert_eq!(answer.status, 403, "{answer:?}\n{}", server.log.text());
    assert!(answer.header("x-request-id").is_some(), "{answer:?}");
    assert!(!server.path("imported").exists(), "the application was imported");
}

#[test]
fn peers_that_may_not_are_refused_over_every_protocol() {
    ours_only!("it loads what anybody names");
    for speech in ALL {
        let server = bare(speech, "127.0.0.1:0", &["--dynamic-apps-from", "127.0.0.2"]).start();
        let file = server.path("evil.py").display().to_string();
        let names = [
            ("UWSGI_SCRIPT", "evil"),
            ("UWSGI_SCRIPT", &*file),
            ("UWSGI_MODULE", "evil"),
            ("UWSGI_FILE", &*file),
        ];
        for (name, value) in names {
            let answer = speech.ask(server.connect(), &naming(name, value));
            is_refused(&server, &answer);
        }
        server.wait_for(
            "the application \"evil\" of a request of 127.0.0.1 by <*> is not loaded: 127.0.0.1 may not name one; \
             accepted: those of dynamic-apps-from; answered 403, request <*>",
        );
        eventually("all are counted", || stats(&server)["dynamic_refused"] == names.len());
        let document = stats(&server);
        assert_eq!(document["workers"][0]["dynamic_refused"], names.len());
        assert_eq!(document["sites"], Value::Null, "who may not makes no sites");
    }
}

#[test]
fn a_flood_of_refusals_is_a_few_lines() {
    ours_only!("it loads what anybody names");
    let server = bare(Speech::Uwsgi, "127.0.0.1:0", &["--dynamic-apps-from", "unix"]).start();
    for _ in 0..100 {
        let answer = Speech::Uwsgi.ask(server.connect(), &naming("UWSGI_SCRIPT", "evil\n[pid: 1]"));
        is_refused(&server, &answer);
    }
    let text = server.log.text();
    let lines = text.lines().filter(|line| line.contains(" is not loaded: ")).count();
    // Five a second; a hundred requests may take a few of them.
    assert!((1..=50).contains(&lines), "{lines} lines");
    assert!(!text.lines().any(|line| line.starts_with("[pid: 1]")), "{text}");
}

#[test]
fn peers_that_may_are_not_refused() {
    ours_only!("it loads what anybody names");
    for from in ["127.0.0.1", "10.0.0.0/8,127.0.0.0/8", "::1,127.0.0.1"] {
        let server = bare(Speech::Uwsgi, "127.0.0.1:0", &["--dynamic-apps-from", from]).start();
        let answer = Speech::Uwsgi.ask(server.connect(), &naming("UWSGI_SCRIPT", "nothing_such"));
        assert_ne!(answer.status, 403, "{from}");
    }
    let server = bare(Speech::Uwsgi, "127.0.0.1:0", &[]).start();
    let answer = Speech::Uwsgi.ask(server.connect(), &naming("UWSGI_SCRIPT", "nothing_such"));
    assert_ne!(answer.status, 403, "by default peers of this machine may");
}

#[test]
fn addresses_that_headers_tell_do_not_count() {
    ours_only!("it loads what anybody names");
    const PROXY: &str = "PROXY TCP4 203.0.113.9 198.51.100.2 56324 4430\r\n";
    let forwarded = naming("UWSGI_SCRIPT", "evil").header("X-Forwarded-For", "203.0.113.9");
    for (from, may) in [("203.0.113.9", false), ("127.0.0.1", true)] {
        let args = ["--proxy-protocol-from", "127.0.0.1", "--dynamic-apps-from", from];
        let server = bare(Speech::Auto, "127.0.0.1:0", &args).start();
        let mut connection = server.connect();
        connection.send(PROXY);
        let answer = Speech::Auto.ask(connection, &naming("UWSGI_SCRIPT", "nothing_such"));
        assert_eq!(answer.status != 403, may, "{from}: {answer:?}");
        let args = ["--trusted-proxies", "127.0.0.1,192.0.2.9", "--dynamic-apps-from", from];
        let server = bare(Speech::Uwsgi, "127.0.0.1:0", &args).start();
        let mut request = forwarded.clone().var("REMOTE_ADDR", "203.0.113.9");
        request.vars[0].1 = "nothing_such".to_owned();
        let answer = Speech::Uwsgi.ask(server.connect(), &request);
        assert_eq!(answer.status != 403, may, "{from}: {answer:?}");
    }
}

/// Sends as another user and group, and reads the answer to its end.
#[track_caller]
fn ask_as(uid: u32, gid: u32, socket: &Path, request: &Request) -> Answer {
    const CLIENT: &str = "\
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.stdin.buffer.read())
while data := s.recv(65536):
    sys.stdout.buffer.write(data)
";
    let mut client = Command::new("/usr/bin/python3");
    client.args(["-c", CLIENT]).arg(socket).uid(uid).gid(gid);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut client.stdin.take().unwrap(), &request.to_packet()).unwrap();
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success());
    Answer::whole(&output.stdout, false).expect("an answer")
}

#[test]
fn processes_of_unix_sockets_are_known_by_user_and_group() {
    ours_only!("it loads what anybody names");
    needs!(nix::unistd::geteuid().is_root(), "only root has clients of other users");
    for (from, may) in [
        ("unix", [true, true, true]),
        ("127.0.0.1", [false, false, false]),
        ("user:12345", [true, false, true]),
        ("user:root", [false, false, false]),
        ("group:4242", [false, true, true]),
        ("user:12345,group:4242", [true, true, true]),
    ] {
        let setup = bare(Speech::Uwsgi, "main.sock", &["--chmod-socket=666"]);
        let folder = setup.path("");
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
        let server = setup.args(["--dynamic-apps-from", from]).start();
        let socket = server.path("main.sock");
        for ((uid, gid), may) in
            [(12_345, 1), (54_321, 4_242), (12_345, 4_242)].into_iter().zip(may)
        {
            let answer = ask_as(uid, gid, &socket, &naming("UWSGI_SCRIPT", "nothing_such"));
            assert_eq!(answer.status != 403, may, "{from} for {uid}:{gid}");
            if !may {
                let line =
                    format!("of a process of user {uid} and group {gid} by <*> is not loaded: <*>");
                server.wait_for(&format!("the application \"nothing_such\" of a request {line}"));
            }
        }
    }
}

#[test]
fn clients_of_http_name_nothing() {
    for args in [&[][..], &["--http-compat"]] {
        if crate::support::setup::original() && !args.is_empty() {
            continue;
        }
        let server = Setup::http().file("evil.py", EVIL).args(args.iter().copied()).start();
        for name in
            ["UWSGI_SCRIPT", "UWSGI-SCRIPT", "Uwsgi_Script", "UWSGI_FILE", "HTTP_UWSGI_FILE"]
        {
            let answer = server.send(&Request::get("/environ").header(name, "evil"));
            assert!(matches!(answer.status, 200 | 400), "{name}: {}", answer.status);
            let found = answer.text().lines().any(|line| line.starts_with("UWSGI_"));
            assert!(!found, "{name}: {}", answer.text());
        }
        assert!(!server.path("imported").exists());
    }
    ours_only!("the rest is of our sockets");
    let server = bare(Speech::Auto, "127.0.0.1:0", &[]).start();
    let answer = server.connect().ask(&Request::get("/x").header("UWSGI_SCRIPT", "evil"));
    assert_eq!(answer.status, 500, "there is no application");
    assert!(!server.path("imported").exists() && stats(&server)["dynamic_refused"].is_null());
}

#[test]
fn applications_of_the_configuration_are_for_everybody() {
    ours_only!("it loads what anybody names");
    let probe = crate::support::setup::app("probe.py").display().to_string();
    let mount = format!("/m={probe}");
    let args = ["--dynamic-apps-from", "unix", "--mount", &mount];
    let server = bare(Speech::Uwsgi, "127.0.0.1:0", &args).start();
    let request = Request::get("/hello").var("UWSGI_SCRIPT", "evil").var("SCRIPT_NAME", "/m");
    let answer = Speech::Uwsgi.ask(server.connect(), &request);
    assert_eq!((answer.status, &*answer.text()), (200, "hello"));
    let elsewhere = request.var("SCRIPT_NAME", "/n");
    is_refused(&server, &Speech::Uwsgi.ask(server.connect(), &elsewhere));
}

/// The paths are looked at when the plugin is about to load something.
#[test]
fn paths_outside_of_the_roots_are_refused() {
    ours_only!("it loads what anybody names");
    for speech in ALL {
        let setup =
            bare(speech, "127.0.0.1:0", &[]).file("root/site/app.py", EVIL).file("root/venv/x", "");
        std::os::unix::fs::symlink(setup.path("evil.py"), setup.path("root/site/link.py")).unwrap();
        std::os::unix::fs::symlink("..", setup.path("root/up")).unwrap();
        let root = setup.path("root").display().to_string();
        let server = setup.args(["--dynamic-apps-root", &root]).start();
        let path = |name: &str| server.path(name).display().to_string();
        let site = path("root/site");
        let huge = format!("{site}/{}", "x/".repeat(1_000));
        // SCGI ends its texts with zero bytes.
        let zero = if speech == Speech::Scgi { "\r" } else { "\0" };
        let attacks = [
            naming("UWSGI_SCRIPT", &format!("{}:application", path("evil.py"))),
            naming("UWSGI_SCRIPT", "link.py:application").var("UWSGI_CHDIR", &site),
            naming("UWSGI_SCRIPT", "app:os.abort()").var("UWSGI_CHDIR", &site),
            naming("UWSGI_FILE", &path("evil.py")),
            naming("UWSGI_FILE", &format!("{site}/../../evil.py")),
            naming("UWSGI_FILE", &format!("//{site}//..//..//evil.py")),
            naming("UWSGI_FILE", &path("root/site/link.py")),
            naming("UWSGI_FILE", &path("root/up/evil.py")),
            naming("UWSGI_FILE", &format!("/proc/self/root{}", path("evil.py"))),
            naming("UWSGI_FILE", "/proc/self/cwd/evil.py"),
            naming("UWSGI_FILE", "evil.py"),
            naming("UWSGI_FILE", "../../evil.py").var("UWSGI_CHDIR", &site),
            naming("UWSGI_FILE", &format!("{}{zero}.py", path("evil"))),
            naming("UWSGI_FILE", &format!("{site}/app.py\n")),
            naming("UWSGI_FILE", &huge),
            naming("UWSGI_SCRIPT", &path("evil.py")),
            naming("UWSGI_SCRIPT", "evil"),
            naming("UWSGI_SCRIPT", "os:system"),
            naming("UWSGI_SCRIPT", "os:system").var("UWSGI_CHDIR", &site),
            naming("UWSGI_MODULE", "os").var("UWSGI_CALLABLE", "system"),
            naming("UWSGI_MODULE", "../../evil").var("UWSGI_CHDIR", &site),
            naming("UWSGI_MODULE", "..evil").var("UWSGI_CHDIR", &site),
            naming("UWSGI_MODULE", "link").var("UWSGI_CHDIR", &site),
            naming("UWSGI_MODULE", "evil").var("UWSGI_CHDIR", &path("")),
            naming("UWSGI_MODULE", "app").var("UWSGI_CHDIR", &format!("{site}/../..")),
            naming("UWSGI_MODULE", "app").var("UWSGI_CHDIR", "root/site"),
            naming("UWSGI_MODULE", "app").var("UWSGI_CHDIR", &site).var("UWSGI_PYHOME", &path("")),
            naming("UWSGI_MODULE", "app").var("UWSGI_CHDIR", &site).var("UWSGI_HOME", "/usr"),
            naming("UWSGI_MODULE", "app")
                .var("UWSGI_CHDIR", &site)
                .var("UWSGI_TOUCH_RELOAD", "/etc/passwd"),
            naming("UWSGI_MODULE", "app")
                .var("UWSGI_CHDIR", &site)
                .var("UWSGI_SETENV", "LD_PRELOAD=/x.so"),
            naming("UWSGI_MODULE", "app")
                .var("UWSGI_CHDIR", &site)
                .var("UWSGI_SETENV", "PYTHONPATH=/x"),
        ];
        for request in &attacks {
            let answer = speech.ask(server.connect(), request);
            assert_eq!(answer.status, 403, "{:?}: {answer:?}", request.vars);
        }
        let marks = ["imported", "root/site/imported"];
        assert!(marks.iter().all(|mark| !server.path(mark).exists()), "something was imported");
        server.wait_for("an application is not loaded: UWSGI_FILE=<*>: does not lie below dynamic-apps-root; accepted: <*>");
        eventually("all are counted", || stats(&server)["dynamic_refused"] == attacks.len());
        let good = naming("UWSGI_FILE", &path("root/site/app.py"));
        assert_eq!(speech.ask(server.connect(), &good).status, 200, "{}", server.log.text());
    }
}

#[test]
fn users_that_are_not_there_end_the_start() {
    ours_only!("it has no such option");
    for (word, expected) in [
        (
            "user:no_such_user",
            "--dynamic-apps-from: user:no_such_user is no user of this machine; accepted: ",
        ),
        ("group:no_such_group", "group:no_such_group is no group of this machine; accepted: "),
        (
            "somebody",
            "\"somebody\" is no peer; accepted: addresses, networks such as 10.0.0.0/8, unix, ",
        ),
        ("user:", "\"user:\" is no peer; accepted: "),
    ] {
        let setup = bare(Speech::Uwsgi, "127.0.0.1:0", &["--dynamic-apps-from", word]);
        let (status, log) = setup.run();
        assert_eq!(status.code(), Some(1), "{word}");
        assert!(log.contains(expected), "{word}: {log}");
    }
}

#[test]
fn who_lets_others_in_is_told_at_the_start() {
    ours_only!("it says nothing of it");
    const BEYOND: &str = "WARNING: <*>: peers of other machines may have any Python code loaded and run as this user <*>";
    const LOCAL: &str = "WARNING: <*>: every local user may write to this socket <*>";
    let warns = |address: &str, args: &[&str], wanted: &str| {
        let server = bare(Speech::Uwsgi, address, args).start();
        server.logged(wanted)
    };
    let any = ["--dynamic-apps-from", "0.0.0.0/0"];
    assert!(warns("0.0.0.0:0", &any, BEYOND));
    assert!(!warns("0.0.0.0:0", &[], BEYOND) && !warns("127.0.0.1:0", &any, BEYOND));
    assert!(!warns("0.0.0.0:0", &[&any[..], &["--dynamic-apps-root", "/"]].concat(), BEYOND));
    assert!(!warns("0.0.0.0:0", &[&any[..], &["--dynamic-apps=false"]].concat(), BEYOND));
    assert!(warns("main.sock", &["--chmod-socket=666"], LOCAL));
    assert!(!warns("main.sock", &["--chmod-socket=660"], LOCAL));
    let user = ["--chmod-socket=666", "--dynamic-apps-from", "user:root"];
    assert!(!warns("main.sock", &user, LOCAL));
    assert!(warns(
        "main.sock",
        &["--dynamic-apps-root", "/none"],
        "WARNING: dynamic-apps-root /none: <*>"
    ));
}

#[test]
fn an_instance_for_sites_on_a_public_address_says_who_may() {
    ours_only!("it says nothing of it, and everybody may");
    const WHO: &str = "WARNING: 0.0.0.0:<N> can be reached from other machines: only peers of this machine may have applications loaded <*> others get 403; accepted: dynamic-apps-from = PEER <*>";
    let warns = |speech: Speech, address: &str, args: &[&str]| {
        let setup = bare(speech, address, args).file("main.py", "def application(e, s): pass\n");
        let server = setup.start();
        server.logged(WHO)
    };
    let public = "0.0.0.0:0";
    let main = ["--wsgi-file", "main.py"];
    for speech in [Speech::Uwsgi, Speech::FastCgi, Speech::Scgi] {
        assert!(warns(speech, public, &[]));
    }
    assert!(warns(Speech::Uwsgi, public, &[&main[..], &["--vhost"]].concat()));
    assert!(!warns(Speech::Uwsgi, public, &main), "it has its application");
    assert!(!warns(Speech::Uwsgi, "127.0.0.1:0", &["--vhost"]));
    assert!(!warns(Speech::Uwsgi, public, &["--dynamic-apps-from", "127.0.0.1"]));
    assert!(!warns(Speech::Uwsgi, public, &["--dynamic-apps=false"]));
}
