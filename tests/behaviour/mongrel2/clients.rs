//! Clients whose requests have numbers: what becomes of each is compared with what the application has noted.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::mongrel2::Mongrel2;
use crate::support::{Address, Connection, Request};

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// By the application, with its own number.
    Answered,
    /// With this status instead.
    Refused(u16),
}

/// Clients on connections that they keep, each with one request at a time, of which every one has its number.
pub(super) struct Clients {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    address: Address,
    /// Said to the application with each number.
    suffix: String,
    next: AtomicU64,
    answered: AtomicU64,
    over: AtomicBool,
    fates: Mutex<HashMap<u64, Fate>>,
    /// What must not happen.
    failures: Mutex<Vec<String>>,
}

impl Clients {
    pub(super) fn start(mongrel2: &Mongrel2, count: usize, suffix: &str) -> Self {
        let shared = Arc::new(Shared {
            address: mongrel2.address.clone(),
            suffix: suffix.to_owned(),
            next: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            over: AtomicBool::new(false),
            fates: Mutex::default(),
            failures: Mutex::default(),
        });
        let threads = (0..count).map(|_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.ask_until_over())
        });
        Self { threads: threads.collect(), shared }
    }

    pub(super) fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Waits for so many answers. Each client has its own patience.
    pub(super) fn wait_answered(&self, goal: u64) {
        while self.answered() < goal && !self.threads.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets them wait for their last answers; returns what became of each request.
    #[track_caller]
    pub(super) fn finish(mut self) -> HashMap<u64, Fate> {
        self.end();
        let failures = self.shared.failures.lock().unwrap();
        let count = failures.len();
        assert!(failures.is_empty(), "{count} of {} failed: {failures:?}", self.answered());
        std::mem::take(&mut self.shared.fates.lock().unwrap())
    }

    fn end(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().expect("a client does not panic"));
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn ask_until_over(&self) {
        let mut connection = None;
        while !self.over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            match self.ask(number, &mut connection) {
                Ok(fate) => {
                    self.fates.lock().unwrap().insert(number, fate);
                    self.answered.fetch_add(1, Ordering::Relaxed);
                }
                Err(why) => {
                    self.failures.lock().unwrap().push(format!("request {number}: {why}"));
                    return;
                }
            }
        }
        // Nothing may be on the way to this client any more: the next byte would be a second answer.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        match self.ask(number, &mut connection) {
            Ok(fate) => drop(self.fates.lock().unwrap().insert(number, fate)),
            Err(why) => self.failures.lock().unwrap().push(format!("last request {number}: {why}")),
        }
    }

    fn ask(&self, number: u64, kept: &mut Option<Connection>) -> Result<Fate, String> {
        let said = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => Connection::try_open(&self.address).map_err(said("connect"))?,
        };
        let request = Request::get(&format!("/?{number}{}", self.suffix));
        connection.try_send(&request.to_http()).map_err(said("send"))?;
        let answer = connection.try_answer(false).map_err(said("answer"))?;
        if answer.header("connection") != Some("close") {
            *kept = Some(connection);
        }
        match answer.status {
            200 if answer.complete && answer.text() == number.to_string() => Ok(Fate::Answered),
            status @ 502 => Ok(Fate::Refused(status)),
            status => Err(format!("{status} {:?}", answer.text())),
        }
    }
}

/// What is wrong with a run.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    /// Refused although its process was not killed, or begun more than once.
    pub(super) requests: Vec<(u64, Fate, Vec<i32>)>,
    /// Begun, but nobody got an answer.
    pub(super) unanswered: Vec<u64>,
    /// Refused, and nobody had begun it.
    pub(super) unbegun: Vec<u64>,
    pub(super) refused: usize,
}

/// Compares what clients saw with what the application noted.
pub(super) fn check(
    fates: &HashMap<u64, Fate>,
    marks: &[(u64, i32)],
    killed: &HashSet<i32>,
) -> Wrong {
    let mut begun: HashMap<u64, Vec<i32>> = HashMap::new();
    for (number, pid) in marks {
        begun.entry(*number).or_default().push(*pid);
    }
    let mut wrong = Wrong::default();
    for (number, fate) in fates {
        let pids = begun.remove(number).unwrap_or_default();
        wrong.refused += usize::from(*fate != Fate::Answered);
        match (fate, &pids[..]) {
            (Fate::Answered, [_]) => {}
            (Fate::Refused(_), [pid]) if killed.contains(pid) => {}
            (Fate::Refused(_), []) => wrong.unbegun.push(*number),
            _ => wrong.requests.push((*number, *fate, pids)),
        }
    }
    wrong.unanswered.extend(begun.keys());
    wrong
}
