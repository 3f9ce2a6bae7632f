//! When a worker has done its share, and how it ends.
//!
//! A worker that has a master asks it for a successor and serves on: it is told to drain when the successor serves.
//! Without a master it ends by itself. Deliberately absent: replacing workers that do not ask (`supervisor`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, Ordering};

use uwsgi_plugin_api::{Outcome, WorkerId};

use super::message::{FromWorker, exit_code};
use crate::config::Config;
use crate::net::hub::Hub;
use crate::request::shared::Stile;
use crate::shm::{Board, PlaceId};
use crate::sys::channel::Channel;
use crate::sys::{clock, memory, random};

/// Why a worker asks to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// `max-requests`.
    Requests,
    /// The application ended (`SystemExit`).
    Application,
    /// `reload-on-rss`, `reload-on-as`, or `limit-as` is near.
    Size,
    /// `reload-on-exception` and its family.
    Exception,
}

impl Reason {
    const ALL: [Self; 4] = [Self::Requests, Self::Application, Self::Size, Self::Exception];

    /// Its number, never 0.
    fn code(self) -> u8 {
        match self {
            Self::Requests => 1,
            Self::Application => 2,
            Self::Size => 3,
            Self::Exception => 4,
        }
    }

    fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// With what a worker ends that was replaced for it.
    fn exit_code(self) -> i32 {
        match self {
            Self::Requests | Self::Application | Self::Size => exit_code::RECYCLE,
            Self::Exception => exit_code::EXCEPTION,
        }
    }
}

/// How this worker ends; the first word of each kind stays.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// Exit status, 0 while nothing was said.
    status: AtomicI32,
    /// Code of the [`Reason`] for which it asked to be replaced, 0 where it did not.
    reason: AtomicU8,
}

impl Ending {
    /// Sets the exit status; false where it was set before.
    pub(super) fn set(&self, status: i32) -> bool {
        let status = match (status, self.reason()) {
            (exit_code::RECYCLE, Some(reason)) => reason.exit_code(),
            _ => status,
        };
        self.status.compare_exchange(0, status, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(super) fn status(&self) -> i32 {
        self.status.load(Ordering::Acquire)
    }

    /// Why the worker wants to be replaced; `None` where it does not.
    pub(super) fn reason(&self) -> Option<Reason> {
        Reason::of_code(self.reason.load(Ordering::Acquire))
    }

    /// False where there was a reason before.
    fn want(&self, reason: Reason) -> bool {
        let set =
            self.reason.compare_exchange(0, reason.code(), Ordering::AcqRel, Ordering::Acquire);
        set.is_ok()
    }
}

/// How often it is looked how near a worker is to `limit-as`, in milliseconds.
const LIMIT_LOOK_MS: u64 = 100;

/// When a worker is too near to `limit-as`: its next request may fail for want of memory, whoever has leaked it.
struct Limit {
    /// Address space in bytes at which it is.
    near_bytes: u64,
    /// Not before this moment of the monotonic clock, in milliseconds, it is looked again.
    look_ms: AtomicU64,
}

impl Limit {
    /// Within an eighth of the limit, unless it was there when it began: then an eighth above what it had.
    fn new(limit_bytes: u64, at_start_bytes: u64) -> Self {
        let eighth = limit_bytes / 8;
        let near_bytes = (limit_bytes - eighth).max(at_start_bytes.saturating_add(eighth));
        Self { near_bytes, look_ms: AtomicU64::new(0) }
    }

    fn is_near(&self, now_ms: u64) -> bool {
        if now_ms < self.look_ms.load(Ordering::Relaxed) {
            return false;
        }
        self.look_ms.store(now_ms + LIMIT_LOOK_MS, Ordering::Relaxed);
        memory::usage().vsz_bytes >= self.near_bytes
    }
}

/// What decides whether a worker goes on after a request.
pub(super) struct Recycling {
    board: Arc<Board>,
    worker: WorkerId,
    place: PlaceId,
    /// Requests of this process after which it asks.
    requests_max: u64,
    /// `reload-on-rss`.
    rss_bytes_max: Option<u64>,
    /// `reload-on-as`.
    vsz_bytes_max: Option<u64>,
    /// `limit-as`, where somebody would come after this worker.
    limit: Option<Limit>,
    /// Not before this moment of the monotonic clock, in milliseconds.
    earliest_ms: u64,
    ending: Arc<Ending>,
    /// The master knows the reason.
    asked: AtomicBool,
    channel: Option<Arc<Channel>>,
    hub: Arc<Hub>,
    stile: Arc<Stile>,
}

impl Recycling {
    /// For a worker that serves from now on.
    pub(super) fn new(
        config: &Config,
        (board, worker, place): (Arc<Board>, WorkerId, PlaceId),
        (hub, stile): (Arc<Hub>, Arc<Stile>),
        ending: Arc<Ending>,
        channel: Option<Arc<Channel>>,
    ) -> Self {
        let limit = config.processes.limit_as_bytes.filter(|_| channel.is_some());
        let lifetime_ms = config.processes.min_worker_lifetime.as_millis() as u64;
        Self {
            board,
            worker,
            place,
            requests_max: requests_max(config, worker),
            rss_bytes_max: config.processes.reload_on_rss_bytes,
            vsz_bytes_max: config.processes.reload_on_as_bytes,
            limit: limit.map(|bytes| Limit::new(bytes, memory::usage().vsz_bytes)),
            earliest_ms: clock::monotonic_ms() + lifetime_ms,
            ending,
            asked: AtomicBool::new(false),
            channel,
            hub,
            stile,
        }
    }

    /// Called after each request, by its thread.
    pub(super) fn after_request(&self, outcome: &Outcome) {
        if self.ending.reason().is_none() {
            let Some(reason) = self.due(outcome) else { return };
            if self.ending.want(reason) {
                self.say(reason);
            }
        }
        if !self.asked.swap(true, Ordering::AcqRel) {
            match &self.channel {
                Some(channel) => self.ask(channel),
                None => self.end(),
            }
        }
    }

    /// The others are said at the worker's end.
    fn say(&self, reason: Reason) {
        if reason == Reason::Exception {
            let (worker, pid) = (self.worker, std::process::id());
            crate::log::line(format_args!(
                "... monitored exception detected, respawning worker {worker} (pid: {pid})..."
            ));
        }
    }

    fn due(&self, outcome: &Outcome) -> Option<Reason> {
        if outcome.end_worker {
            return Some(Reason::Application);
        }
        if outcome.replace_worker {
            return Some(Reason::Exception);
        }
        let all_served = self.requests_max != u64::MAX
            && self.board.process_requests(self.place) >= self.requests_max;
        let reason = match all_served {
            true => Some(Reason::Requests),
            false => self.is_too_large().then_some(Reason::Size),
        };
        let reason = reason.filter(|_| clock::monotonic_ms() >= self.earliest_ms);
        // However young it is: what it has leaked, it has leaked since it began.
        let near = || self.limit.as_ref().is_some_and(|limit| limit.is_near(clock::monotonic_ms()));
        reason.or_else(|| near().then_some(Reason::Size))
    }

    fn is_too_large(&self) -> bool {
        if self.rss_bytes_max.is_none() && self.vsz_bytes_max.is_none() {
            return false;
        }
        let usage = memory::usage();
        self.rss_bytes_max.is_some_and(|most| usage.rss_bytes >= most)
            || self.vsz_bytes_max.is_some_and(|most| usage.vsz_bytes >= most)
    }

    fn ask(&self, channel: &Channel) {
        match channel.send(&FromWorker::Spent.encode()) {
            Ok(()) => self.board.process(self.place).spent.store(true, Ordering::Relaxed),
            // The master does not listen just now, or is gone: asked again after the next request.
            Err(_) => self.asked.store(false, Ordering::Release),
        }
    }

    fn end(&self) {
        self.ending.set(exit_code::RECYCLE);
        self.board.process(self.place).set_draining();
        let mut jobs = VecDeque::new();
        self.hub.drain(false, &mut jobs);
        jobs.into_iter().for_each(|job| self.stile.push(job));
        self.stile.drain();
    }
}

/// `max-requests` with what keeps workers from ending together.
fn requests_max(config: &Config, worker: WorkerId) -> u64 {
    let processes = &config.processes;
    let Some(limit) = processes.max_requests else { return u64::MAX };
    let delta = processes.max_requests_delta.saturating_mul(u64::from(worker.0 - 1));
    let jitter = up_to(config.life_cycle.max_requests_jitter, random::number());
    limit.saturating_add(delta).saturating_add(jitter)
}

/// A number from 0 to `most`, made of any number.
fn up_to(most: u64, random: u64) -> u64 {
    most.checked_add(1).map_or(random, |count| random % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_keeps_to_its_bound() {
        assert_eq!([0, 5, 6].map(|random| up_to(5, random)), [0, 5, 0]);
        assert_eq!(up_to(0, u64::MAX), 0);
        assert_eq!(up_to(u64::MAX, 7), 7);
    }

    #[test]
    fn a_limit_is_near_an_eighth_before_it_and_not_where_a_worker_begins() {
        assert_eq!(Limit::new(128, 40).near_bytes, 112);
        assert_eq!(Limit::new(128, 110).near_bytes, 126);
        assert!(Limit::new(128, 120).near_bytes >= 128, "it would be replaced for ever");
        let limit = Limit::new(8, 0);
        assert!(limit.is_near(1_000));
        assert!(!limit.is_near(1_000 + LIMIT_LOOK_MS - 1), "looked a moment ago");
        assert!(limit.is_near(1_000 + LIMIT_LOOK_MS));
    }

    #[test]
    fn the_first_word_stays() {
        let ending = Ending::default();
        assert!(ending.want(Reason::Application) && !ending.want(Reason::Requests));
        assert_eq!(ending.reason(), Some(Reason::Application));
        assert!(ending.set(exit_code::RECYCLE) && !ending.set(exit_code::END));
        assert_eq!(ending.status(), exit_code::RECYCLE);
    }
}
