//! Fork, threads, stack dumps, exit.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};

use uwsgi_plugin_api::{CoreId, Plugin, WorkerId};

use super::Server;
use crate::support::{MockBody, MockHead, MockResponse, plain, serve};

/// Forks as the server does and returns what `child` reports.
fn forked(server: &mut Server, worker: u16, child: impl FnOnce(&mut Server) -> String) -> String {
    let (mut reading, mut writing) = UnixStream::pair().unwrap();
    server.plugin.before_fork();
    // SAFETY: the tests' process has one thread here, and the child leaves by `_exit`.
    let process = unsafe { libc::fork() };
    if process == 0 {
        server.host.worker.store(worker, Ordering::Relaxed);
        server.plugin.after_fork_child(WorkerId(worker));
        let report = child(server);
        writing.write_all(report.as_bytes()).unwrap();
        drop((reading, writing));
        // SAFETY: ends the process without destructors.
        unsafe { libc::_exit(0) };
    }
    server.plugin.after_fork_parent();
    drop(writing);
    let mut report = String::new();
    reading.read_to_string(&mut report).unwrap();
    let mut status = 0;
    // SAFETY: the status is a place of ours.
    unsafe { libc::waitpid(process, &mut status, 0) };
    assert_eq!(status, 0, "the child's end");
    report
}

fn random_of(report: &str) -> &str {
    report.rsplit(", ").next().unwrap()
}

pub fn fork(python: &Path) {
    set_leave_file();
    // SAFETY: no other thread reads the environment now.
    unsafe { std::env::set_var("START_THREAD", "1") };
    let mut server = Server::new(python, &[("module", "hooked")]);
    let one = forked(&mut server, 1, |server| server.get("/").ok());
    let two = forked(&mut server, 2, |server| server.get("/").ok());
    assert!(
        one.starts_with("(['before', 'child', 'post_fork 1 in own process True'], True, "),
        "{one}"
    );
    assert!(two.contains("'post_fork 2 in own process True'], True, "), "{two}");
    assert_ne!(random_of(&one), random_of(&two), "every child has its own random numbers");
    let lines = server.host.take_lines();
    let warnings = lines.iter().filter(|line| line.contains("has started 1 thread(s)")).count();
    assert_eq!(warnings, 1, "{lines:?}");
    let own = server.get("/").ok();
    assert!(own.contains("post_fork"), "a server without fork runs the hook too: {own}");
}

/// The application is loaded in the child.
pub fn lazy_fork(python: &Path) {
    set_leave_file();
    let mut server = Server::start(python, &[("module", "hooked")]);
    let report = forked(&mut server, 1, |server| {
        assert_eq!(server.plugin.load().unwrap().apps, 1);
        format!("{}|{}", server.get("/").ok(), server.get("/").ok())
    });
    assert!(report.starts_with("(['post_fork 1 in own process False'], "), "{report}");
    assert_eq!(report.matches("post_fork").count(), 2, "once for each of two answers: {report}");
}

/// A signal handler that the child lost is set again, and without one nothing is sent that would end it.
pub fn dump_after_fork(python: &Path) {
    let mut server = Server::probe(python);
    let signal = libc::SIGRTMIN() + 7;
    // SAFETY: a plain system call.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    // SAFETY: as above.
    server.plugin.dump_stack(unsafe { libc::gettid() });
    let report = forked(&mut server, 1, |server| {
        // SAFETY: as above.
        server.plugin.dump_stack(unsafe { libc::gettid() });
        // SAFETY: as above; it tells what was set.
        let handler = unsafe { libc::signal(signal, libc::SIG_DFL) };
        format!("{}", handler != libc::SIG_DFL)
    });
    assert_eq!(report, "true");
}

/// Request threads take turns, and a thread that waits for a client lets the others run.
pub fn threads(python: &Path) {
    const THREADS: u16 = 6;
    let mut server = Server::start(python, &[("wsgi-file", "probe.py")]);
    server.host.threads.store(THREADS, Ordering::Relaxed);
    server.plugin.load().unwrap();
    let meeting = Arc::new(Barrier::new(usize::from(THREADS)));
    std::thread::scope(|scope| {
        for core in 0..THREADS {
            let (plugin, listener, meeting) = (&server.plugin, &server.http, Arc::clone(&meeting));
            scope.spawn(move || {
                let mut handler = plugin.handler(CoreId(core));
                let mut request = |path: &str, body: &mut MockBody| {
                    let head = MockHead::new(&plain(path, ""));
                    let mut response = MockResponse::default();
                    serve(&mut *handler, listener, &head, body, &mut response);
                    handler.park();
                    String::from_utf8(response.body).unwrap()
                };
                for _ in 0..300 {
                    assert_eq!(request("/tuple_", &mut MockBody::new(&[])), "tuple");
                }
                let name = request("/thread_name", &mut MockBody::new(&[]));
                if core > 0 {
                    assert_eq!(name, format!("uWSGIWorker0Core{core}"));
                }
                // All threads are inside of `fill` at the same time: none holds the GIL there.
                let mut body = MockBody::new(&[b"", b"met"]);
                let mut once = Some(meeting);
                body.on_fill = Some(Box::new(move || {
                    once.take().map(|meeting| meeting.wait());
                }));
                assert_eq!(request("/read_all", &mut body), "b'met'");
            });
        }
    });
    shared_body(&mut server);
    let environ = server.get("/environ_").ok();
    assert!(environ.contains("wsgi.multithread=True") && environ.contains("uwsgi.core=0"));
}

/// A body that waits until the application's other thread says so.
fn shared_body(server: &mut Server) {
    for (path, answer) in [
        (
            "/read_busy",
            "['ValueError: another thread of the application uses this request now', b'late']",
        ),
        ("/read_left_behind", "left"),
    ] {
        server.get("/call_uwsgi?[setattr(uwsgi,n,__import__('threading').Event())for(n)in('in_fill','go_on')]");
        let (entered, waiting) = mpsc::channel();
        let go_on = Arc::new(AtomicBool::new(false));
        let mut body = MockBody::new(&[b"", b"late"]);
        let flag = Arc::clone(&go_on);
        body.on_fill = Some(Box::new(move || {
            let _ = entered.send(());
            while !flag.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
        }));
        std::thread::scope(|scope| {
            let plugin = &server.plugin;
            let listener = &server.http;
            // Another request thread plays the events from outside.
            scope.spawn(move || {
                let mut handler = plugin.handler(CoreId(1));
                let mut call = |query: &str| {
                    let head = MockHead::new(&plain("/call_uwsgi", query));
                    let mut response = MockResponse::default();
                    serve(&mut *handler, listener, &head, &mut MockBody::new(&[]), &mut response);
                    handler.park();
                };
                waiting.recv().unwrap();
                call("uwsgi.in_fill.set()");
                call("uwsgi.go_on.wait()");
                go_on.store(true, Ordering::Release);
            });
            let head = MockHead::new(&plain(path, ""));
            let mut response = MockResponse::default();
            let mut handler = plugin.handler(CoreId(0));
            serve(&mut *handler, listener, &head, &mut body, &mut response);
            handler.park();
            assert_eq!(String::from_utf8(response.body).unwrap(), answer);
        });
    }
    assert_eq!(server.get("/left_behind").ok(), "b'late'");
    server.park();
}

/// The stack of a thread that is stuck with the GIL in its hands.
pub fn stack_dump(python: &Path) {
    let server = Server::new(python, &[("wsgi-file", "stuck.py")]);
    let path = std::env::temp_dir().join(format!("uwsgi-dump-{}", std::process::id()));
    let file = std::fs::File::create(&path).unwrap();
    // SAFETY: plain system calls on descriptors that are open.
    let saved = unsafe { libc::dup(2) };
    // SAFETY: as above.
    unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&file), 2) };
    let text = std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let (plugin, listener) = (&server.plugin, &server.http);
        let release = path.with_extension("release");
        let release_text = release.display().to_string();
        scope.spawn(move || {
            let mut handler = plugin.handler(CoreId(0));
            // SAFETY: a plain system call.
            sender.send(unsafe { libc::gettid() }).unwrap();
            let head = MockHead::new(&plain("/", &release_text));
            let mut response = MockResponse::default();
            serve(&mut *handler, listener, &head, &mut MockBody::new(&[]), &mut response);
            handler.park();
        });
        let thread = receiver.recv().unwrap();
        let text = loop {
            plugin.dump_stack(thread);
            let text = std::fs::read_to_string(&path).unwrap();
            if text.contains("in deep_down") && text.contains("in application") {
                break text;
            }
            std::thread::yield_now();
        };
        std::fs::write(&release, "").unwrap();
        text
    });
    // SAFETY: as above.
    unsafe { libc::dup2(saved, 2) };
    assert!(text.contains("Stack (most recent call first)"), "{text}");
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(path.with_extension("release")).unwrap();
}

pub fn shutdown(python: &Path) {
    let left = set_leave_file();
    let mut server = Server::new(python, &[("module", "hooked")]);
    server.get("/").ok();
    server.park();
    // The hook is for those that serve.
    server.plugin.shutdown();
    assert_eq!(std::fs::read_to_string(&left).unwrap(), "atexit\n");
    std::fs::remove_file(&left).unwrap();
    server.host.worker.store(1, Ordering::Relaxed);
    server.plugin.shutdown();
    assert_eq!(std::fs::read_to_string(&left).unwrap(), "uwsgi.atexit\n");
    std::fs::remove_file(left).unwrap();
}

fn set_leave_file() -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("uwsgi-left-{}", std::process::id()));
    // SAFETY: no other thread reads the environment now.
    unsafe { std::env::set_var("LEAVE_FILE", &path) };
    path
}
