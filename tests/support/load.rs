//! Clients that ask all the time while a test does something to the server.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::{Address, Connection, Request, Server, Wire, eventually};

/// Requests on connections of their own, from several threads, until the end is asked for.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    address: Address,
    wire: Wire,
    request: Request,
    wanted: fn(&str) -> bool,
    answered: AtomicU64,
    over: AtomicBool,
    failures: Mutex<Vec<String>>,
}

impl Load {
    /// `clients` threads that ask the first socket of `server` for `target`; a body is good where `wanted` says so.
    pub fn start(server: &Server, target: &str, clients: usize, wanted: fn(&str) -> bool) -> Self {
        Self::of(server, Request::get(target), clients, wanted)
    }

    /// The same with a request that says more.
    pub fn of(server: &Server, request: Request, clients: usize, wanted: fn(&str) -> bool) -> Self {
        Self::at(server.address(), server.wire(), request, clients, wanted)
    }

    /// The same at an address, from where the calling thread is.
    pub fn at(
        address: Address,
        wire: Wire,
        request: Request,
        clients: usize,
        wanted: fn(&str) -> bool,
    ) -> Self {
        let shared = Arc::new(Shared {
            address,
            wire,
            request: request.header("Connection", "close"),
            wanted,
            answered: AtomicU64::new(0),
            over: AtomicBool::new(false),
            failures: Mutex::default(),
        });
        let threads = (0..clients).map(|_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.ask_until_over())
        });
        Self { threads: threads.collect(), shared }
    }

    /// How many requests were answered well so far.
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Waits for `count` good answers more: the server serves now.
    #[track_caller]
    pub fn wait_answers(&self, count: u64) {
        let goal = self.answered() + count;
        eventually("answers under load", || self.answered() >= goal || self.failed());
    }

    fn failed(&self) -> bool {
        !self.shared.failures.lock().unwrap().is_empty()
    }

    /// Ends the load, and fails the test where a single request did not get its answer.
    #[track_caller]
    pub fn stop_without_failure(mut self) {
        self.end();
        let failures = self.shared.failures.lock().unwrap();
        let (failed, answered) = (failures.len(), self.answered());
        assert!(
            failures.is_empty(),
            "{failed} of {} failed: {failures:?}",
            answered + failed as u64
        );
    }

    fn end(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a client does not panic");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    /// The failures a test shows; more of them say nothing new.
    const FAILURES_MAX: usize = 20;

    fn ask_until_over(&self) {
        while !self.over.load(Ordering::Relaxed) {
            match self.ask() {
                Ok(()) => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                }
                Err(why) => {
                    let mut failures = self.failures.lock().unwrap();
                    failures.push(why);
                    if failures.len() >= Self::FAILURES_MAX {
                        return;
                    }
                }
            }
        }
    }

    fn ask(&self) -> Result<(), String> {
        let said = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
        let mut connection = Connection::try_open(&self.address).map_err(said("connect"))?;
        let bytes = match self.wire {
            Wire::Http => self.request.to_http(),
            Wire::Uwsgi => self.request.to_packet(),
        };
        connection.try_send(&bytes).map_err(said("send"))?;
        let answer = connection.try_answer(false).map_err(said("answer"))?;
        let good = answer.status == 200 && answer.complete && (self.wanted)(&answer.text());
        if good { Ok(()) } else { Err(format!("{} {:?}", answer.status, answer.text())) }
    }
}
