//! What is logged, byte for byte where people parse it.

use crate::support::request::block;
use crate::support::setup::app;
use crate::support::{Request, Server, Setup};

const TIME: &str = "[<*> <*> <*> <N>:<N>:<N> <N>]";

#[test]
fn request_line_of_the_uwsgi_protocol() {
    let server = Server::uwsgi();
    let request = Request::get("/hello?a=b").var("REMOTE_USER", "alice");
    let (vars, bytes) = (request.cgi().len() * 2, block(&request.cgi()).len());
    server.send(&request);
    let pid = server.worker(1);
    server.wait_for(&format!(
        "[pid: {pid}|app: 0|req: 1/1] 192.0.2.9 (alice) {{{vars} vars in {bytes} bytes}} {TIME} GET /hello?a=b \
         => generated 5 bytes in <N> msecs (HTTP/1.1 200) 1 headers in 45 bytes (1 switches on core 0)"
    ));
}

#[test]
fn request_line_of_http() {
    let server = Server::http();
    server.post("/echo", "hello");
    let pid = server.worker(1);
    server.wait_for(&format!(
        "[pid: {pid}|app: 0|req: 1/1] 127.0.0.1 () {{<N> vars in <N> bytes}} {TIME} POST /echo \
         => generated 5 bytes in <N> msecs (HTTP/1.1 200) 1 headers in 45 bytes (1 switches on core 0)"
    ));
}

#[test]
fn headers_are_counted_as_the_application_gave_them() {
    let server = Server::uwsgi();
    server.get("/headers");
    // "HTTP/1.1 200 Fine Indeed" and five headers, each line with its CRLF, and the empty line.
    server.wait_for("<*> GET /headers => generated 2 bytes in <N> msecs (HTTP/1.1 200) 5 headers in 92 bytes (1 switches on core 0)");
}

#[test]
fn requests_are_counted_per_worker_and_instance() {
    let server = Setup::uwsgi().master(2).start();
    for _ in 0..6 {
        server.get("/hello");
    }
    server.wait_for("<*>|app: 0|req: <N>/6] <*>");
    let log = server.log.text();
    let own = |worker| {
        let mark = format!("[pid: {}|app: 0|req: ", server.worker(worker));
        log.lines().filter(|line| line.contains(&mark)).count()
    };
    assert_eq!(own(1) + own(2), 6);
}

#[test]
fn core_of_a_thread_is_named() {
    let server = Setup::uwsgi().args(["--threads", "2"]).start();
    server.get("/hello");
    server.wait_for("<*>(1 switches on core <N>)");
}

#[test]
fn sendfile_is_named() {
    let server = Server::uwsgi();
    let sent = server.get("/file").body.len();
    server.wait_for(&format!("<*> GET /file => generated {sent} bytes in <N> msecs via sendfile() (HTTP/1.1 200) 1 headers in <N> bytes (<N> switches on core 0)"));
}

#[test]
fn request_without_an_application() {
    let server = Setup::new(crate::support::Wire::Uwsgi).args(["--socket", "127.0.0.1:0"]).start();
    assert_eq!(server.get("/hello").status, 500);
    server.wait_for("--- no python application found, check your startup logs for errors ---");
    server.wait_for("[pid: <N>|app: -1|req: -1/1] <*> GET /hello => generated <N> bytes in <N> msecs (HTTP/1.1 500) <N> headers in <N> bytes (<N> switches on core 0)");
}

#[test]
fn start_up_lines_are_there() {
    let server = Setup::uwsgi().master(2).args(["--threads", "3"]).start();
    for line in [
        "*** Starting uWSGI <*> (64bit) on [<*>] ***",
        "os: Linux-<*>",
        "nodename: <*>",
        "machine: <*>",
        "detected number of CPU cores: <N>",
        "current working directory: <*>",
        "detected binary path: <*>",
        "your processes number limit is <N>",
        "your memory page size is <N> bytes",
        "detected max file descriptor number: <N>",
        "uwsgi socket 0 bound to TCP address 127.0.0.1:<N><*> fd <N>",
        "Python version: <N>.<N>.<N><*>",
        "Python main interpreter initialized at 0x<*>",
        "your server socket listen backlog is limited to 100 connections",
        "your mercy for graceful operations on workers is 60 seconds",
        "*** Operational MODE: preforking+threaded ***",
        "WSGI app 0 (mountpoint='') ready in <N> seconds on interpreter 0x<*> pid: <N> (default app)",
        "spawned uWSGI master process (pid: <N>)",
        "spawned uWSGI worker 1 (pid: <N>, cores: 3)",
        "spawned uWSGI worker 2 (pid: <N>, cores: 3)",
    ] {
        server.wait_for(line);
    }
}

#[test]
fn operational_modes_are_named() {
    for (args, mode) in [
        (&[][..], "single process"),
        (&["--threads", "2"], "threaded"),
        (&["--master", "--processes", "2"], "preforking"),
    ] {
        let server = Setup::uwsgi().args(args.iter().copied()).start();
        server.wait_for(&format!("*** Operational MODE: {mode} ***"));
    }
}

#[test]
fn root_is_warned() {
    needs!(nix::unistd::geteuid().is_root(), "the warning is for root");
    let server = Server::uwsgi();
    server.wait_for("*** WARNING: you are running uWSGI as root !!! (use the --uid flag) *** ");
}

/// Sends one request of each kind and then `/log`, whose text marks the end of their lines.
fn lines_of(setup: Setup) -> Vec<String> {
    let server = setup.start();
    server.get("/hello");
    server.get("/missing");
    server.get("/status?503%20Busy");
    server.get("/sleep?120");
    server.get("/log");
    server.wait_for("written to wsgi.errors");
    server
        .log
        .text()
        .lines()
        .filter(|line| line.contains(" => generated "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn disable_logging_prints_no_request() {
    assert_eq!(lines_of(Setup::uwsgi().arg("--disable-logging")), [""; 0]);
    assert_eq!(lines_of(Setup::uwsgi().arg("-L")), [""; 0]);
}

#[test]
fn chosen_requests_are_logged_despite_disable_logging() {
    for (option, path) in [
        ("--log-4xx", "GET /missing "),
        ("--log-5xx", "GET /status?503"),
        ("--log-slow=100", "GET /sleep?120"),
    ] {
        let lines = lines_of(Setup::uwsgi().arg("-L").arg(option));
        assert_eq!(lines.len(), 1, "{option}: {lines:?}");
        assert!(lines[0].contains(path), "{option}: {lines:?}");
    }
}

#[test]
fn forwarded_address_is_logged_when_asked() {
    let server = Setup::uwsgi().arg("--log-x-forwarded-for").start();
    server.send(&Request::get("/hello").header("X-Forwarded-For", "198.51.100.4"));
    server.wait_for("[pid: <N>|app: 0|req: 1/1] 198.51.100.4 () <*>");
    let server = Server::uwsgi();
    server.send(&Request::get("/hello").header("X-Forwarded-For", "198.51.100.4"));
    server.wait_for("[pid: <N>|app: 0|req: 1/1] 192.0.2.9 () <*>");
}

#[test]
fn log_date_prefixes_server_lines_and_no_request_lines() {
    let server = Setup::uwsgi().arg("--log-date").start();
    server.get("/hello");
    server.wait_for("<*> <*> <N>:<N>:<N> <N> - spawned uWSGI worker 1 (<*>");
    server.wait_for("[pid: <N>|app: 0|req: 1/1] <*>");
}

#[test]
fn log_date_takes_a_format() {
    let server = Setup::uwsgi().arg("--log-date=%Y-%m-%d").start();
    server.wait_for("<N>-<N>-<N> - spawned uWSGI worker 1 (<*>");
}

#[test]
fn microseconds_when_asked() {
    let server = Setup::uwsgi().arg("--log-micros").start();
    server.get("/hello");
    server.wait_for("<*> => generated 5 bytes in <N> micros (HTTP/1.1 200) <*>");
}

#[test]
fn memory_report_when_asked() {
    let server = Setup::uwsgi().arg("--memory-report").start();
    server.get("/hello");
    server.wait_for("{address space usage: <N> bytes/<N>MB} {rss usage: <N> bytes/<N>MB} [pid: <N>|app: 0|req: 1/1] <*>");
}

#[test]
fn output_of_the_application_is_in_the_log() {
    let server = Server::uwsgi();
    server.get("/log");
    for line in ["written to wsgi.errors", "printed to stdout", "printed to stderr"] {
        server.wait_for(line);
    }
}

#[test]
fn configuration_file_is_named() {
    let ini = format!("[uwsgi]\nsocket = 127.0.0.1:0\nwsgi-file = {}\n", app("probe.py").display());
    let setup = Setup::new(crate::support::Wire::Uwsgi).file("app.ini", &ini);
    let server = setup.args(["--ini", "app.ini"]).start();
    server.wait_for("[uWSGI] getting INI configuration from app.ini");
    assert_eq!(server.get("/hello").text(), "hello");
}
