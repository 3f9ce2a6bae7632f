//! A reload, an upgrade and a crash, seen by clients that ask all the while.
//!
//! An application that takes long to import is one that waits for the test: while the file `hold` exists.

use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;

use crate::support::fronts::{Front, Pass, Plan, program};
use crate::support::setup::app;
use crate::support::{Address, Load, Request, Server, Setup, Wire, eventually, process};

/// What an application of these tests answers: `code("x")` answers `x` and loads while `hold` exists.
fn code(answer: &str) -> String {
    format!(
        "import os, time\n\
         while os.path.exists('hold'):\n    time.sleep(0.01)\n\
         def application(environ, start_response):\n    \
             start_response('200 OK', [('Content-Length', '{}')])\n    return [b'{answer}']\n",
        answer.len()
    )
}

/// Answers `before` over a unix socket, with two workers.
fn setup() -> Setup {
    Setup::unix_socket().file("app.py", &code("before")).args(["--wsgi-file", "app.py"]).master(2)
}

/// The application loaded before the fork, and in each worker, which has done so.
fn preloaded_and_lazy(args: &[&str]) -> [Server; 2] {
    let setup = || setup().args(args.iter().copied());
    let lazy = setup().arg("--lazy-apps").start();
    lazy.wait_loaded(2);
    [setup().start(), lazy]
}

fn any(text: &str) -> bool {
    text == "before" || text == "after"
}

fn before(text: &str) -> bool {
    text == "before"
}

/// Puts another application in the place of the one that runs.
fn deploy(server: &Server, text: &str) {
    std::fs::write(server.path("app.next"), text).unwrap();
    std::fs::rename(server.path("app.next"), server.path("app.py")).unwrap();
}

/// Waits until the new application answers.
#[track_caller]
fn wait_after(server: &Server) {
    eventually("an answer of the new application", || server.get("/").text() == "after");
}

// --- reloads that work

#[test]
fn reload_loses_no_request() {
    ours_only!("a worker that ends may close what it has just accepted");
    for server in preloaded_and_lazy(&[]) {
        let old = server.workers(2);
        let load = Load::start(&server, "/", 4, any);
        load.wait_answers(50);
        deploy(&server, &code("after"));
        server.signal(Signal::SIGHUP);
        server.wait_replaced(&old);
        wait_after(&server);
        load.wait_answers(50);
        load.stop_without_failure();
    }
}

#[test]
fn old_generation_serves_while_the_new_one_loads() {
    ours_only!("its clients wait until the new one is loaded");
    for server in preloaded_and_lazy(&[]) {
        let old = server.workers(2);
        let load = Load::start(&server, "/", 4, any);
        load.wait_answers(50);
        std::fs::write(server.path("hold"), "").unwrap();
        deploy(&server, &code("after"));
        server.signal(Signal::SIGHUP);
        load.wait_answers(500);
        assert!(old.iter().all(|pid| process::alive(*pid)), "a worker ended before its successor");
        assert_eq!(server.get("/").text(), "before");
        std::fs::remove_file(server.path("hold")).unwrap();
        server.wait_replaced(&old);
        wait_after(&server);
        load.stop_without_failure();
    }
}

#[test]
fn slow_import_is_waited_for() {
    for server in preloaded_and_lazy(&[]) {
        let old = server.workers(2);
        std::fs::write(server.path("hold"), "").unwrap();
        deploy(&server, &code("after"));
        server.signal(Signal::SIGHUP);
        std::fs::remove_file(server.path("hold")).unwrap();
        server.wait_replaced(&old);
        wait_after(&server);
    }
}

#[test]
fn reload_behind_nginx_loses_no_request() {
    ours_only!("a worker that ends may close what it has just accepted");
    needs!(program("nginx").is_some(), "nginx is not installed");
    let server = setup().start();
    let nginx = Front::nginx(Plan::new(Pass::Uwsgi), &server.address());
    let mut kept = nginx.connect();
    for round in 0..3 {
        let old = server.workers(2);
        server.signal(Signal::SIGHUP);
        while server.workers(2).iter().any(|pid| old.contains(pid)) {
            let answer = kept.ask(&Request::get("/"));
            assert_eq!((answer.status, &*answer.text()), (200, "before"), "reload {round}");
        }
        server.wait_replaced(&old);
    }
    assert_eq!(nginx.errors(), "");
}

#[test]
fn kept_connections_go_on() {
    ours_only!("http-socket has no keep-alive");
    let setup = Setup::new(Wire::Http).args(["--http-socket", "127.0.0.1:0"]);
    let setup = setup.file("app.py", &code("before")).args(["--wsgi-file", "app.py"]);
    let server = setup.master(2).start();
    let old = server.workers(2);
    let mut kept = server.connect();
    assert_eq!(kept.ask(&Request::get("/")).text(), "before");
    server.signal(Signal::SIGHUP);
    // Each answer is whole; a connection goes over to the successor, or ends between two answers.
    while old.iter().any(|pid| process::alive(*pid)) {
        kept.send(Request::get("/").to_http());
        let answer = kept.answer(false);
        assert!(answer.complete && answer.text() == "before");
        if answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            kept = server.connect();
        }
    }
    server.wait_replaced(&old);
    assert_eq!(server.get("/").text(), "before");
}

#[test]
fn reload_in_a_reload_ends_with_the_newest_application() {
    ours_only!("it ignores signals while it loads");
    let server = setup().start();
    let old = server.workers(2);
    let load = Load::start(&server, "/", 2, |text| matches!(text, "before" | "between" | "after"));
    std::fs::write(server.path("hold"), "").unwrap();
    deploy(&server, &code("between"));
    server.signal(Signal::SIGHUP);
    load.wait_answers(100);
    deploy(&server, &code("after"));
    server.signal(Signal::SIGHUP);
    load.wait_answers(100);
    std::fs::remove_file(server.path("hold")).unwrap();
    wait_after(&server);
    eventually("the end of the first generation", || !old.iter().any(|pid| process::alive(*pid)));
    load.stop_without_failure();
}

#[test]
fn touched_file_reloads() {
    // The file is compared once a second by the original, so its time has to differ by more than that.
    let touched = [("touch", true), ("fresh", false)];
    for (name, exists) in touched {
        let mut setup = setup().args(["--touch-reload", name]);
        if exists {
            setup = setup.file(name, "");
            old_time(&setup.path(name));
        }
        let server = setup.start();
        // The original takes the time of the first look as the state at the start.
        if crate::support::setup::original() {
            eventually("its first look", || {
                exists || server.logged("<*>unable to stat() fresh<*>")
            });
            server.wait_ready(2);
        }
        let old = server.workers(2);
        deploy(&server, &code("after"));
        eventually("a reload", || {
            std::fs::write(server.path(name), "").unwrap();
            server.logged("<*>has been touched... grace them all !!! ***")
        });
        eventually("new workers", || server.workers(2).iter().all(|pid| !old.contains(pid)));
        wait_after(&server);
    }
}

fn old_time(path: &std::path::Path) {
    let hour = std::time::Duration::from_secs(3600);
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(std::time::SystemTime::now() - hour).unwrap();
}

#[test]
fn touched_file_replaces_workers_or_one_after_the_other() {
    for option in ["--touch-workers-reload", "--touch-chain-reload"] {
        let setup = setup().arg("--lazy-apps").args([option, "touch"]).file("touch", "");
        old_time(&setup.path("touch"));
        let server = setup.start();
        let old = server.workers(2);
        deploy(&server, &code("after"));
        eventually("new workers", || {
            std::fs::write(server.path("touch"), "").unwrap();
            server.workers(2).iter().all(|pid| !old.contains(pid))
        });
        wait_after(&server);
        assert!(process::alive(server.pid()));
    }
}

#[test]
fn replaced_program_is_what_runs_after_a_reload() {
    let setup = setup().copied_program("server");
    let server = setup.start();
    let old = server.workers(2);
    let first = process::program(server.pid()).unwrap();
    std::fs::copy(server.path("server"), server.path("next")).unwrap();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(server.path("next"), mode).unwrap();
    std::fs::rename(server.path("next"), server.path("server")).unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_replaced(&old);
    eventually("the new program as master", || {
        process::program(server.pid()).is_some_and(|program| program != first)
    });
    let next = process::program(server.pid());
    for worker in server.workers(2) {
        assert_eq!(process::program(worker), next);
    }
    assert_eq!(server.get("/").text(), "before");
}

// --- reloads that fail

/// A server whose configuration is `app.ini` and whose pid is in `app.pid`.
fn configured() -> Setup {
    setup().file("app.ini", INI).args(["--ini", "app.ini"])
}

const INI: &str = "[uwsgi]\npidfile = app.pid\n";

/// Breaks something, asks for a reload under load, and sees that nothing happens but a message and an exit status.
#[track_caller]
fn failed_reload_does_no_harm(setup: Setup, wrong: impl Fn(&Server), told: &str) {
    failed_reload_of(&setup.start(), wrong, told);
}

/// As [`failed_reload_does_no_harm`], where each worker loads the application.
#[track_caller]
fn failed_lazy_reload_does_no_harm(setup: Setup, wrong: impl Fn(&Server), told: &str) {
    let server = setup.arg("--lazy-apps").start();
    server.wait_loaded(2);
    failed_reload_of(&server, wrong, told);
}

#[track_caller]
fn failed_reload_of(server: &Server, wrong: impl Fn(&Server), told: &str) {
    let old = server.workers(2);
    let load = Load::start(server, "/", 4, before);
    load.wait_answers(50);
    wrong(server);
    for _ in 0..2 {
        let mark = server.log.mark();
        let (status, text) = ask_for_reload(server);
        assert!(!status.success(), "the command that asked is told: {text}");
        server.log.wait_for_since(mark, told);
        load.wait_answers(100);
    }
    assert!(old.iter().all(|pid| process::alive(*pid)), "the old generation serves");
    load.stop_without_failure();
}

/// `uwsgi --reload app.pid`.
fn ask_for_reload(server: &Server) -> (std::process::ExitStatus, String) {
    let path = server.path("app.pid").display().to_string();
    Setup::new(Wire::Uwsgi).args(["--reload", &path]).run()
}

#[test]
fn reload_onto_an_import_error_does_no_harm() {
    ours_only!("it ends its workers first, and then answers with errors");
    let wrong = |server: &Server| deploy(server, "import no_such_module\n");
    let told = "<*>No module named 'no_such_module'<*>";
    failed_reload_does_no_harm(configured(), wrong, told);
    failed_lazy_reload_does_no_harm(configured(), wrong, told);
    failed_reload_does_no_harm(configured().arg("--need-app"), wrong, told);
}

#[test]
fn reload_onto_an_application_that_exits_does_no_harm() {
    ours_only!("it ends its workers first, and then is gone");
    let wrong = |server: &Server| deploy(server, "import os\nos._exit(7)\n");
    failed_reload_does_no_harm(configured(), wrong, "<*>reload<*>");
    failed_lazy_reload_does_no_harm(configured(), wrong, "<*>reload<*>");
}

#[test]
fn reload_onto_a_missing_application_does_no_harm() {
    ours_only!("it ends its workers first, and then answers with errors");
    let wrong = |server: &Server| std::fs::remove_file(server.path("app.py")).unwrap();
    failed_reload_does_no_harm(configured(), wrong, "<*>app.py<*>");
}

#[test]
fn reload_onto_a_syntax_error_in_the_configuration_does_no_harm() {
    ours_only!("it takes what it understands of the file");
    let wrong = |server: &Server| {
        std::fs::write(server.path("app.ini"), format!("{INI}no-such-option = 1\nstrict = 1\n"))
            .unwrap();
    };
    failed_reload_does_no_harm(configured(), wrong, "<*>app.ini<*>no-such-option<*>");
    let wrong = |server: &Server| {
        std::fs::write(server.path("app.ini"), format!("{INI}processes = many\n")).unwrap();
    };
    failed_reload_does_no_harm(configured(), wrong, "<*>app.ini<*>processes<*>");
    let wrong = |server: &Server| std::fs::remove_file(server.path("app.ini")).unwrap();
    failed_reload_does_no_harm(configured(), wrong, "<*>app.ini<*>");
}

#[test]
fn application_that_fails_its_check_is_not_put_in_place() {
    ours_only!("it has no such check");
    let ill = "def application(environ, start_response):\n    \
               start_response('500 Ill', [('Content-Length', '5')])\n    return [b'after']\n";
    let args = ["--pidfile", "app.pid", "--reload-check", "GET /health 200"];
    for server in preloaded_and_lazy(&args) {
        let old = server.workers(2);
        let load = Load::start(&server, "/", 2, before);
        load.wait_answers(20);
        deploy(&server, ill);
        let (status, text) = ask_for_reload(&server);
        assert_eq!(status.code(), Some(1), "{text}");
        server.wait_for("reload-check GET /health: answered 500, not 200");
        load.wait_answers(20);
        load.stop_without_failure();
        assert!(old.iter().all(|pid| process::alive(*pid)), "the old generation serves");
        deploy(&server, &code("after"));
        assert_eq!(ask_for_reload(&server).0.code(), Some(0));
        wait_after(&server);
    }
}

#[test]
fn reload_onto_a_taken_port_does_no_harm() {
    ours_only!("it ends its workers first, and then is gone");
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let wrong = |server: &Server| {
        let text = format!("{INI}socket = 127.0.0.1:{port}\n");
        std::fs::write(server.path("app.ini"), text).unwrap();
    };
    failed_reload_does_no_harm(configured(), wrong, &format!("<*>127.0.0.1:{port}<*>"));
}

#[test]
fn reload_works_after_one_that_failed() {
    ours_only!("there is nobody left to reload");
    let server = configured().start();
    let old = server.workers(2);
    let load = Load::start(&server, "/", 4, any);
    deploy(&server, "import no_such_module\n");
    let (status, _) = ask_for_reload(&server);
    assert!(!status.success());
    deploy(&server, &code("after"));
    let (status, text) = ask_for_reload(&server);
    assert!(status.success(), "{text}");
    server.wait_replaced(&old);
    wait_after(&server);
    load.stop_without_failure();
}

#[test]
fn program_that_does_not_start_does_no_harm() {
    ours_only!("it ends its workers first, and then is gone");
    let wrong = |server: &Server| {
        std::fs::write(server.path("next"), "#!/no/such/interpreter\n").unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(server.path("next"), mode).unwrap();
        std::fs::rename(server.path("next"), server.path("server")).unwrap();
    };
    failed_reload_does_no_harm(configured().copied_program("server"), wrong, "<*>server<*>");
}

#[test]
fn successful_reload_is_reported_when_it_is_done() {
    ours_only!("its command ends when the signal is sent");
    let server = configured().start();
    let old = server.workers(2);
    deploy(&server, &code("after"));
    let (status, text) = ask_for_reload(&server);
    assert!(status.success(), "{text}");
    // By now the new generation takes requests; the last ones of the old may be under way.
    wait_after(&server);
    server.wait_replaced(&old);
}

// --- the end of the master

/// A server with everything that `vacuum` removes.
fn vacuuming(setup: Setup) -> Setup {
    setup.args(["--vacuum", "--pidfile", "app.pid", "--stats", "stats.sock"])
}

#[test]
fn killed_master_leaves_no_process_and_no_file() {
    ours_only!("its workers end, but the files stay");
    for lazy in ["--lazy-apps=false", "--lazy-apps"] {
        let mut server = vacuuming(setup().arg(lazy)).start();
        server.signal(Signal::SIGKILL);
        server.wait();
        eventually("the end of all its processes", || process::group(server.pid()).is_empty());
        for name in ["main.sock", "app.pid", "stats.sock"] {
            assert!(!server.path(name).exists(), "{name} is left");
        }
    }
}

#[test]
fn killed_master_leaves_no_orphan() {
    let mut server = setup().start();
    server.signal(Signal::SIGKILL);
    server.wait();
    eventually("the end of all its processes", || process::group(server.pid()).is_empty());
}

#[test]
fn killed_master_gives_its_port_back() {
    let setup = |port: u16| {
        let setup = Setup::new(Wire::Uwsgi).args(["--socket", &format!("127.0.0.1:{port}")]);
        setup.arg("--wsgi-file").arg(app("probe.py")).master(2)
    };
    let mut server = setup(0).start();
    let port = server.address().port();
    server.signal(Signal::SIGKILL);
    server.wait();
    // As a service manager does: it starts the next one when the process is gone and its group was ended.
    eventually("the end of all its processes", || process::group(server.pid()).is_empty());
    let next = setup(port).start();
    assert_eq!(next.address(), Address::parse(&format!("127.0.0.1:{port}")));
    assert_eq!(next.get("/hello").text(), "hello");
}

#[test]
fn master_killed_in_a_reload_leaves_no_orphan() {
    let mut server = setup().start();
    std::fs::write(server.path("hold"), "").unwrap();
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.log.wait_for_since(mark, "<*>");
    server.signal(Signal::SIGKILL);
    server.wait();
    // One that waits at its import is ended too: nobody would ever serve with it.
    eventually("the end of all its processes", || process::group(server.pid()).is_empty());
}

#[test]
fn killed_workers_are_replaced() {
    let server = Setup::uwsgi().master(2).start();
    let mut seen = Vec::new();
    for _ in 0..6 {
        // One that has served: those that die as they boot are started again more and more slowly.
        let mut victim = 0;
        eventually("an answer of a new worker", || {
            victim = server.get("/pid").text().parse().unwrap();
            !seen.contains(&victim)
        });
        process::send(victim, Signal::SIGKILL);
        eventually("its successor", || server.workers(2).iter().all(|pid| *pid != victim));
        seen.push(victim);
    }
    server.wait_ready(2);
    assert_eq!(server.get("/hello").text(), "hello");
}
