//! Workers that are replaced after a request, for what it did or left behind.

use crate::support::{Request, Server, Setup, eventually, process};

/// Waits until worker 1 is another process than `old`, which has ended, and returns the lines since `mark`.
fn replaced(server: &Server, mark: usize, old: i32) -> String {
    server.log.wait_for_since(mark, "Respawned uWSGI worker 1 (new pid: <N>)");
    eventually("the successor", || server.get("/pid").text() != old.to_string());
    eventually("the end of the old one", || !process::alive(old));
    server.log.text()[mark..].to_owned()
}

#[test]
fn any_exception_replaces_the_worker() {
    let server = Setup::uwsgi().master(1).arg("--reload-on-exception").start();
    let (mark, old) = (server.log.mark(), server.worker(1));
    server.get("/hello");
    server.raw(&Request::get("/boom"));
    let lines = replaced(&server, mark, old);
    let line = format!("... monitored exception detected, respawning worker 1 (pid: {old})...");
    assert!(lines.contains(&line), "{lines}");
    assert!(!lines.contains("DAMN"), "it was wanted: {lines}");
}

#[test]
fn exception_of_this_text_replaces_the_worker() {
    let server = Setup::uwsgi()
        .master(1)
        .args(["--reload-on-exception-value", "boom before start_response"])
        .start();
    let (mark, old) = (server.log.mark(), server.worker(1));
    server.raw(&Request::get("/module?no_such_name"));
    assert_eq!(server.get("/pid").text(), old.to_string(), "another exception");
    server.raw(&Request::get("/boom"));
    replaced(&server, mark, old);
}

#[test]
fn exception_of_this_class_replaces_the_worker() {
    ours_only!("with Python 3 it compares classes with nothing");
    for option in [
        "--reload-on-exception-type=ValueError",
        "--reload-on-exception-repr=ValueError: boom before start_response",
    ] {
        let server = Setup::uwsgi().master(1).arg(option).start();
        let (mark, old) = (server.log.mark(), server.worker(1));
        server.raw(&Request::get("/module?no_such_name"));
        assert_eq!(server.get("/pid").text(), old.to_string(), "another exception");
        server.raw(&Request::get("/boom"));
        replaced(&server, mark, old);
    }
}

#[test]
fn worker_of_this_size_is_replaced_after_a_request() {
    for option in ["--reload-on-rss", "--reload-on-as"] {
        let args = [option, "5", "--min-worker-lifetime", "0"];
        let server = Setup::uwsgi().master(1).args(args).start();
        let (mark, old) = (server.log.mark(), server.worker(1));
        server.get("/hello");
        replaced(&server, mark, old);
        server.wait_for(&format!("...The work of process {old} is done. Seeya!"));
    }
}

#[test]
fn worker_below_this_size_or_of_a_young_age_stays() {
    for args in [
        ["--reload-on-rss", "4000", "--min-worker-lifetime", "0"],
        ["--reload-on-rss", "5", "--min-worker-lifetime", "600"],
    ] {
        let server = Setup::uwsgi().master(1).args(args).start();
        let old = server.get("/pid").text();
        for _ in 0..5 {
            assert_eq!(server.get("/pid").text(), old);
        }
    }
}

#[test]
fn worker_that_leaks_is_replaced_before_the_limit_of_its_memory() {
    ours_only!("it fails requests for want of memory");
    const LEAK: &str = "\
kept = []
def application(environ, start_response):
    kept.append(bytearray(1 << 18))
    start_response('200 OK', [])
    return [b'%d' % len(kept)]
";
    let args = ["--limit-as", "128", "-w", "leak"];
    let server = Setup::unix_socket().file("leak.py", LEAK).master(1).args(args).start();
    let (mark, old) = (server.log.mark(), server.worker(1));
    let mut most = 0;
    eventually("the successor", || {
        let answer = server.get("/");
        assert_eq!(answer.status, 200, "{}", server.log.text());
        most = most.max(answer.text().parse::<u32>().unwrap());
        server.log.text()[mark..].contains("Respawned uWSGI worker 1")
    });
    assert!(most > 20, "it was replaced long before: {most}");
    server.wait_for(&format!("...The work of process {old} is done. Seeya!"));
}
