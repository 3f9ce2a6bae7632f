//! Several threads, and a reactor whose events come through a channel.

use super::*;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A reactor whose events come through a channel; an empty message wakes it.
struct Script {
    events: Receiver<Option<u32>>,
    closed: bool,
}

impl Turn<u32> for Script {
    fn turn(&mut self, block: bool, jobs: &mut VecDeque<u32>, rest: &mut dyn FnMut()) {
        if block {
            rest();
            match self.events.recv() {
                Ok(event) => jobs.extend(event),
                Err(_) => self.closed = true,
            }
        }
        while let Ok(event) = self.events.try_recv() {
            jobs.extend(event);
        }
    }

    fn is_drained(&self) -> bool {
        true
    }
}

fn turnstile() -> (Arc<Turnstile<u32, Script>>, Sender<Option<u32>>) {
    let (sender, events) = channel();
    let waker = sender.clone();
    let wake = Box::new(move || waker.send(None).unwrap_or_default());
    (Arc::new(Turnstile::new(Script { events, closed: false }, wake)), sender)
}

#[test]
fn a_long_call_does_not_hold_up_the_next_job() {
    let (turnstile, sender) = turnstile();
    let (release, hold) = channel::<()>();
    let (done, finished) = channel();
    let slow = {
        let turnstile = turnstile.clone();
        std::thread::spawn(move || {
            while let Some(job) = turnstile.next(&mut VecDeque::new(), &mut || {}) {
                if job == 0 {
                    hold.recv().unwrap();
                }
            }
        })
    };
    sender.send(Some(0)).unwrap();
    let fast = {
        let turnstile = turnstile.clone();
        std::thread::spawn(move || {
            while let Some(job) = turnstile.next(&mut VecDeque::new(), &mut || {}) {
                done.send(job).unwrap();
            }
        })
    };
    // Whichever thread got job 0 first: if it was `fast`, it is sent on at once and the next goes on.
    sender.send(Some(1)).unwrap();
    sender.send(Some(2)).unwrap();
    let mut seen = Vec::new();
    while !seen.contains(&2) {
        seen.push(finished.recv().unwrap());
        if !seen.contains(&2) && seen.contains(&0) {
            break;
        }
    }
    release.send(()).ok();
    turnstile.drain();
    slow.join().unwrap();
    fast.join().unwrap();
}

#[test]
fn threads_do_not_end_while_somebody_from_outside_holds_a_job() {
    let (turnstile, _sender) = turnstile();
    let held = turnstile.hold().expect("nobody has ended");
    turnstile.drain();
    let (asleep, slept) = channel();
    let core = {
        let turnstile = turnstile.clone();
        std::thread::spawn(move || {
            let mut rest = || asleep.send(()).unwrap();
            turnstile.next(&mut VecDeque::new(), &mut rest)
        })
    };
    // Drained but for what is held: it sleeps and does not end.
    slept.recv().unwrap();
    turnstile.push(7);
    drop(held);
    assert_eq!(core.join().unwrap(), Some(7));
    turnstile.done();
    assert_eq!(turnstile.next(&mut VecDeque::new(), &mut || {}), None);
    assert!(turnstile.hold().is_none(), "nobody would run what is taken now");
}

#[test]
fn every_job_runs_once_and_all_threads_end() {
    let (turnstile, sender) = turnstile();
    let ran = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (turnstile, ran) = (turnstile.clone(), ran.clone());
            std::thread::spawn(move || {
                while turnstile.next(&mut VecDeque::new(), &mut || {}).is_some() {
                    ran.fetch_add(1, Ordering::Relaxed);
                    turnstile.called(10);
                }
            })
        })
        .collect();
    for job in 0..10_000 {
        sender.send(Some(job)).unwrap();
    }
    turnstile.drain();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(ran.load(Ordering::Relaxed), 10_000);
}
