//! `uwsgi.RequestTimeout` in one request, and exceptions that replace the worker.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use uwsgi_plugin_api::{CoreId, Listener, Plugin};
use uwsgi_plugin_python::PythonPlugin;

use super::Server;
use crate::support::{MockBody, MockHead, MockResponse, plain, serve};

const SETTINGS: &[(&str, &str)] = &[("wsgi-file", "slow.py"), ("harakiri-interrupt", "1")];

/// On Python's main thread, which gets a signal, and on another one, which gets an asynchronous exception.
pub fn run(python: &Path) {
    let mut server = Server::new(python, SETTINGS);
    assert!(!server.plugin.interrupt(1, &|| true), "no request thread");
    for path in ["/spin", "/sleep"] {
        let answer = interrupted(&mut server, path);
        assert!(answer.outcome.interrupted && answer.outcome.exception, "{path}");
        assert!(answer.response.aborted);
        assert_eq!(server.get("/hello").ok(), "hello");
    }
    assert_eq!(interrupted(&mut server, "/catch").ok(), "caught");
    server.park();
    let (plugin, listener) = (&server.plugin, &server.http);
    withdrawn(plugin, listener, CoreId(0));
    only_who_is_meant(plugin, listener, CoreId(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            withdrawn(plugin, listener, CoreId(1));
            only_who_is_meant(plugin, listener, CoreId(1));
        });
    });
}

/// A request that another thread interrupts once it runs.
fn interrupted(server: &mut Server, path: &str) -> super::Answer {
    // SAFETY: a plain system call.
    let thread = unsafe { libc::gettid() };
    server.host.take_lines();
    server.get("/hello").ok(); // the handler exists, and its thread is known
    std::thread::scope(|scope| {
        let (plugin, host) = (&server.plugin, server.host.clone());
        scope.spawn(move || {
            while !host.lines.lock().unwrap().iter().any(|line| line == "it runs") {
                std::thread::yield_now();
            }
            assert!(!plugin.interrupt(thread, &|| false));
            assert!(plugin.interrupt(thread, &|| true));
        });
        let listener = server.http.clone();
        let handler = server.handler.as_mut().unwrap();
        let mut response = MockResponse::default();
        let head = MockHead::new(&plain(path, ""));
        let outcome =
            serve(&mut **handler, &listener, &head, &mut MockBody::new(&[]), &mut response);
        handler.park();
        super::Answer { outcome, response }
    })
}

/// What a request does not see any more is not left to the next one.
fn withdrawn(plugin: &PythonPlugin, listener: &Listener, core: CoreId) {
    // SAFETY: a plain system call.
    let thread = unsafe { libc::gettid() };
    let (now, asked) = std::sync::mpsc::channel();
    let (answer, raised) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for () in asked {
                answer.send(plugin.interrupt(thread, &|| true)).unwrap();
            }
        });
        let mut handler = plugin.handler(core);
        let mut request = |response: &mut MockResponse| {
            let head = MockHead::new(&plain("/hello", ""));
            serve(&mut *handler, listener, &head, &mut MockBody::new(&[]), response)
        };
        // The application has returned and the server waits for the client, without the GIL.
        let mut slow = MockResponse { slow: true, ..MockResponse::default() };
        slow.on_wait = Some(Box::new(move || {
            now.send(()).unwrap();
            assert!(raised.recv().unwrap(), "it was interrupted");
        }));
        request(&mut slow);
        assert_eq!(slow.waits, 1);
        drop(slow); // ends the thread
        for _ in 0..20 {
            let mut response = MockResponse::default();
            assert!(!request(&mut response).exception, "the request after an interrupted one");
            assert_eq!(response.body, b"hello");
        }
        handler.park();
    });
}

/// Every other request may be interrupted, as often as possible; no other one ever is.
fn only_who_is_meant(plugin: &PythonPlugin, listener: &Listener, core: CoreId) {
    const REQUESTS: u64 = 1_000;
    /// Also where an assertion fails: the other thread must end.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let (present, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let (present, over) = (&present, &over);
        scope.spawn(move || {
            let thread = receive.recv().unwrap();
            while !over.load(Ordering::Acquire) {
                // As the server does: first which request it is, then whether it still runs.
                let meant = present.load(Ordering::Acquire);
                if meant % 4 == 1 {
                    plugin.interrupt(thread, &|| present.load(Ordering::Acquire) == meant);
                }
                std::thread::yield_now();
            }
        });
        let _over = Over(over);
        let mut handler = plugin.handler(core);
        // SAFETY: a plain system call.
        send.send(unsafe { libc::gettid() }).unwrap();
        let head = MockHead::new(&plain("/steps", ""));
        let mut interrupted = 0;
        for number in 0..REQUESTS {
            // Odd numbers: a request runs. 1, 5, 9, ... are meant.
            present.store(2 * number + 1, Ordering::Release);
            let mut response = MockResponse::default();
            let outcome =
                serve(&mut *handler, listener, &head, &mut MockBody::new(&[]), &mut response);
            present.store(2 * number + 2, Ordering::Release);
            assert!(!outcome.exception || number % 2 == 0, "request {number} was not meant");
            interrupted += u64::from(outcome.exception);
            handler.park();
        }
        assert!(interrupted > 0, "the test met no request that ran");
    });
}

/// `reload-on-exception` and its family.
pub fn monitored(python: &Path) {
    let settings = [
        ("wsgi-file", "slow.py"),
        ("harakiri-interrupt", "1"),
        ("reload-on-exception-type", "uwsgi_file_slow.Broken"),
        ("reload-on-exception-value", "no good"),
    ];
    let mut server = Server::new(python, &settings);
    for (path, replaced) in [("/boom", true), ("/broken", true), ("/nowhere", false)] {
        let outcome = server.get(path).outcome;
        assert!(outcome.exception);
        assert_eq!(outcome.replace_worker, replaced, "{path}");
    }
    assert!(!server.get("/hello").outcome.replace_worker);
    assert!(!interrupted(&mut server, "/sleep").outcome.replace_worker);
}
