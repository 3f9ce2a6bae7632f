//! `import uwsgi` in the application.

use crate::support::{Server, Setup, eventually};

#[track_caller]
fn evaluate(server: &Server, expression: &str) -> String {
    let query = expression.replace('%', "%25").replace(' ', "%20").replace('#', "%23");
    let answer = server.get(&format!("/module?{query}"));
    assert_eq!(answer.status, 200, "{expression}: {}", answer.text());
    answer.text()
}

#[test]
fn facts_of_the_instance() {
    let server = Setup::uwsgi().master(2).args(["--threads", "2", "--buffer-size", "8192"]).start();
    assert_eq!(evaluate(&server, "uwsgi.masterpid()"), server.pid().to_string());
    assert_eq!(evaluate(&server, "uwsgi.numproc"), "2");
    assert_eq!(evaluate(&server, "uwsgi.cores"), "2");
    assert_eq!(evaluate(&server, "uwsgi.buffer_size"), "8192");
    assert_eq!(evaluate(&server, "uwsgi.has_threads"), "1");
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    assert_eq!(evaluate(&server, "uwsgi.hostname"), format!("b'{host}'"));
    assert!(["1", "2"].contains(&evaluate(&server, "uwsgi.worker_id()").as_str()));
    assert!(evaluate(&server, "uwsgi.started_on").parse::<u64>().is_ok());
}

#[test]
fn version_has_the_shape_applications_expect() {
    let server = Server::uwsgi();
    assert_eq!(evaluate(&server, "type(uwsgi.version)"), "<class 'bytes'>");
    assert_eq!(evaluate(&server, "uwsgi.version_info[:2] >= (2, 0)"), "True");
    assert_eq!(evaluate(&server, "len(uwsgi.version_info)"), "5");
}

#[test]
fn masterpid_is_zero_without_master() {
    assert_eq!(evaluate(&Server::uwsgi(), "uwsgi.masterpid()"), "0");
}

#[test]
fn options_are_bytes_or_true() {
    let server = Setup::uwsgi().master(1).arg("--disable-logging").start();
    assert_eq!(evaluate(&server, "uwsgi.opt['disable-logging']"), "True");
    assert_eq!(evaluate(&server, "uwsgi.opt['processes']"), "b'1'");
    assert_eq!(evaluate(&server, "'no-such-option' in uwsgi.opt"), "False");
}

#[test]
fn requests_and_workers_are_counted() {
    let server = Setup::uwsgi().master(2).start();
    for _ in 0..3 {
        server.get("/hello");
    }
    eventually("the lines of the requests", || {
        server.log.text().matches("GET /hello => generated 5 bytes").count() == 3
    });
    assert_eq!(evaluate(&server, "uwsgi.total_requests()"), "3");
    assert_eq!(evaluate(&server, "[w['id'] for w in uwsgi.workers()]"), "[1, 2]");
    let pids = format!("[{}, {}]", server.worker(1), server.worker(2));
    assert_eq!(evaluate(&server, "[w['pid'] for w in uwsgi.workers()]"), pids);
    let own = "[w['status'] for w in uwsgi.workers() if w['id'] == uwsgi.worker_id()]";
    assert_eq!(evaluate(&server, own), "[b'busy']");
}

#[test]
fn log_writes_a_line() {
    let server = Server::uwsgi();
    assert_eq!(evaluate(&server, "uwsgi.log('a line of the application')"), "True");
    server.wait_for("<*>a line of the application");
}

#[test]
fn reload_of_the_application_reloads() {
    let server = Setup::uwsgi().master(1).start();
    let before = server.worker(1);
    let mark = server.log.mark();
    evaluate(&server, "uwsgi.reload()");
    server.await_reload(mark);
    assert_ne!(server.worker(1), before);
}

#[test]
fn worker_knows_that_it_serves_and_how_large_it_is() {
    let server = Setup::uwsgi().master(1).start();
    assert_eq!(evaluate(&server, "uwsgi.ready()"), "True");
    assert_eq!(evaluate(&server, "uwsgi.mule_id()"), "0");
    assert_eq!(evaluate(&server, "0 < uwsgi.mem()[0] < uwsgi.mem()[1]"), "True");
}

#[test]
fn application_sees_that_it_was_reloaded() {
    // The original gives up an automatic port at a reload.
    let setup = Setup::unix_socket().arg("--wsgi-file").arg(crate::support::setup::app("probe.py"));
    let server = setup.master(1).start();
    assert_eq!(evaluate(&server, "uwsgi.is_a_reload"), "False");
    server.signal(nix::sys::signal::Signal::SIGHUP);
    eventually("the next generation", || {
        let answer = server.raw(&crate::support::Request::get("/module?uwsgi.is_a_reload"));
        String::from_utf8_lossy(&answer).ends_with("True")
    });
}

#[test]
fn application_names_its_process() {
    let server = Setup::uwsgi().master(1).start();
    assert_eq!(evaluate(&server, "uwsgi.setprocname('shop worker')"), "None");
    let command = std::fs::read(format!("/proc/{}/cmdline", server.worker(1))).unwrap();
    assert!(command.starts_with(b"shop worker"), "{}", String::from_utf8_lossy(&command));
}

#[test]
fn stop_of_the_application_stops() {
    let mut server = Setup::uwsgi().master(1).start();
    server.raw(&crate::support::Request::get("/module?uwsgi.stop()"));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn disconnect_lets_the_client_go_before_the_request_ends() {
    let code = "import time, uwsgi\ndef application(e, s):\n    s('200 OK', [('Content-Type', 'text/plain')])\n    \
                yield b'gone'\n    uwsgi.disconnect()\n    uwsgi.log('still working')\n    time.sleep(60)\n";
    let setup = Setup::new(crate::support::Wire::Uwsgi).file("d.py", code);
    let server = setup.args(["-s", "127.0.0.1:0", "--wsgi-file", "d.py"]).start();
    assert_eq!(server.get("/").text(), "gone");
    server.wait_for("<*>still working");
}

#[test]
fn connection_descriptor_is_a_socket() {
    let server = Server::uwsgi();
    let link =
        evaluate(&server, "__import__('os').readlink('/proc/self/fd/%d' % uwsgi.connection_fd())");
    assert!(link.starts_with("'socket:["), "{link}");
}

#[test]
fn post_fork_hook_runs_in_each_worker() {
    let code = "import os, uwsgi\ndef hook():\n    uwsgi.log('hook in %d' % uwsgi.worker_id())\n\
                uwsgi.post_fork_hook = hook\ndef application(e, s):\n    s('200 OK', [])\n    return [b'x']\n";
    let setup = Setup::new(crate::support::Wire::Uwsgi).file("hook.py", code);
    let server = setup.args(["-s", "127.0.0.1:0", "--wsgi-file", "hook.py"]).master(2).start();
    server.wait_for("<*>hook in 1");
    server.wait_for("<*>hook in 2");
}

#[test]
fn atexit_hook_runs_when_the_server_stops() {
    let code = "import uwsgi\ndef bye():\n    open('bye', 'a').write('%d ' % uwsgi.worker_id())\nuwsgi.atexit = bye\n\
                def application(e, s):\n    s('200 OK', [])\n    return [b'x']\n";
    let setup = Setup::new(crate::support::Wire::Uwsgi).file("exit.py", code);
    let mut server = setup.args(["-s", "127.0.0.1:0", "--wsgi-file", "exit.py"]).master(1).start();
    server.get("/");
    server.wait_for("<*> GET / => generated 1 bytes <*>");
    server.stop();
    let path = server.path("bye");
    eventually("the hook", || std::fs::read_to_string(&path).is_ok_and(|text| text.contains("1 ")));
}

#[test]
fn atexit_functions_of_python_run() {
    let code = "import atexit, os\natexit.register(lambda: open('bye', 'a').write('x'))\n\
                def application(e, s):\n    s('200 OK', [])\n    return [b'x']\n";
    let setup = Setup::new(crate::support::Wire::Uwsgi).file("exit.py", code);
    let mut server = setup.args(["-s", "127.0.0.1:0", "--wsgi-file", "exit.py"]).master(1).start();
    server.get("/");
    server.wait_for("<*> GET / => generated 1 bytes <*>");
    server.stop();
    let path = server.path("bye");
    eventually("the function", || path.exists());
}

#[test]
fn options_of_sites_are_known() {
    ours_only!("it has none of them but vhost");
    let server = Setup::uwsgi()
        .master(1)
        .args(["--vhost", "--app-isolation", "process", "--max-sites", "9", "--show-config"])
        .args(["--site-option", "threads=4", "--site-option", "b:threads=2"])
        .args(["--dynamic-apps-from", "unix", "--dynamic-apps-root", "/"])
        .start();
    for (name, value) in [
        ("vhost", "True"),
        ("app-isolation", "b'process'"),
        ("max-sites", "b'9'"),
        ("site-option", "[b'threads=4', b'b:threads=2']"),
        ("dynamic-apps-from", "b'unix'"),
        ("dynamic-apps-root", "b'/'"),
    ] {
        assert_eq!(evaluate(&server, &format!("uwsgi.opt['{name}']")), value, "{name}");
    }
    for line in ["app-isolation = process", "site-option = b:threads=2", "dynamic-apps-root = /"] {
        server.wait_for(line);
    }
}
