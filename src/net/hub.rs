//! What a worker's request threads and its reactor share: the table of connections, and the rules by which
//! a connection rests, is refused and ends. No lock is held across a system call that may wait.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use mio::{Registry, Waker};
use uwsgi_plugin_api::WireProtocol;
use uwsgi_protocol::Reject;

use super::connection::{Bounds, Connection, Step};
use super::doors::Doors;
use super::leaving::Course;
use super::pace::Pace;
use super::pool::Pool;
use super::reactor::Listening;
use super::table::{Rest, Table, Wait};
use crate::sys::clock;

/// How long a front end may keep a connection without using it, in milliseconds.
const FRONT_IDLE_MS_MAX: u64 = 3_600_000;

/// How long connections may wait, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From the first byte of a head to its last (`socket-timeout`).
    pub head_ms: u64,
    /// Between two pieces of a body that is buffered, or between two that a slow reader takes (`socket-timeout`).
    pub progress_ms: u64,
    /// Between two requests of a kept connection (`http-keepalive`).
    pub keep_alive_ms: u64,
    /// For the client's end after ours.
    pub linger_ms: u64,
}

/// See the module.
pub struct Hub {
    pub(super) registry: Registry,
    waker: Waker,
    /// The listening sockets, by number.
    pub listeners: Vec<Listening>,
    /// Limits of input.
    pub bounds: Bounds,
    /// Limits of time.
    pub times: Times,
    /// Registered connections.
    pub table: Table,
    /// A [`Course`]: where the worker stands.
    pub(super) course: AtomicU8,
    /// Nobody comes after this worker. Never taken back.
    pub(super) last: AtomicBool,
    /// By number: heirs have no such listener. Never taken back.
    pub(super) abandoned: Box<[AtomicBool]>,
    /// The worker has left the listeners for a while.
    pub(super) paused: AtomicBool,
    /// Something came to rest while the worker began to hand over: it must be looked for again.
    pub(super) came_late: AtomicBool,
    /// Input of this worker that did not become a request; each has its log line with this number.
    pub(super) refused: AtomicU64,
    /// Memory of idle connections.
    pub pool: Pool,
    /// What lets work in.
    pub(super) doors: Doors,
}

impl Hub {
    pub(super) fn new(
        registry: Registry,
        waker: Waker,
        listeners: Vec<Listening>,
        bounds: Bounds,
        times: Times,
        connections_max: usize,
        doors: Doors,
    ) -> Self {
        Self {
            registry,
            waker,
            abandoned: listeners.iter().map(|_| AtomicBool::new(false)).collect(),
            listeners,
            bounds,
            times,
            table: Table::new(connections_max),
            course: AtomicU8::new(Course::Serving as u8),
            last: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            came_late: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            pool: Pool::default(),
            doors,
        }
    }

    /// Ends a blocking turn of the reactor.
    pub fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            crate::log::line(format_args!("cannot wake the poller: {error}"));
        }
    }

    /// How long connections of a listener may wait.
    pub fn times_of(&self, listener: u16) -> Times {
        self.bounds.fronts.times(listener, &self.times).unwrap_or(self.times)
    }

    /// True where a connection may be kept after the request that it has now.
    pub fn may_keep(&self, connection: &Connection) -> bool {
        let protocol = self.listener_of(connection).protocol;
        let is_last = protocol == WireProtocol::Http
            && self.bounds.requests_max.is_some_and(|max| connection.requests + 1 >= max);
        self.keeps(protocol) && !is_last && self.keeps_connections(connection.listener)
    }

    /// The slowest body that is waited for; `None` without a limit. Front ends, which speak other protocols, have
    /// limits of their own.
    pub fn pace_of(&self, connection: &Connection) -> Option<Pace> {
        let bytes_per_s = self.bounds.body_bytes_per_s?;
        let http = self.listener_of(connection).protocol == WireProtocol::Http;
        http.then(|| Pace::new(bytes_per_s, self.times_of(connection.listener).progress_ms))
    }

    /// When the present wait for a body is over, in monotonic milliseconds.
    fn body_deadline_ms(&self, connection: &mut Connection, times: &Times, now_ms: u64) -> u64 {
        let silent_ms = now_ms + times.progress_ms;
        let Some(pace) = self.pace_of(connection) else { return silent_ms };
        let upload = &mut connection.upload;
        let since_ms = *upload.waiting_since_ms.get_or_insert(now_ms);
        silent_ms.min(since_ms.saturating_add(pace.allows_ms(upload.received())))
    }

    /// The first byte of a head starts its clock.
    pub(super) fn begin_head(&self, connection: &mut Connection, now_ms: u64) {
        if connection.input.is_empty() {
            connection.head_deadline_ms = now_ms + self.times_of(connection.listener).head_ms;
        }
    }

    /// Rests a connection, or gives it to another worker where this one hands over; gives it back where it must be
    /// looked at again.
    pub(super) fn park(
        &self,
        mut connection: Box<Connection>,
        mut wait: Wait,
        now_ms: u64,
    ) -> Option<Box<Connection>> {
        let course = self.course();
        let mut until_room = false;
        if course == Course::HandingOver && wait.is_for_input() {
            let kept = self.pass_on(connection).err()?;
            (connection, until_room) = (kept.connection, kept.until_room);
        }
        if wait == Wait::KeepAlive && self.course_of(connection.listener) == Course::Finishing {
            if connection.requests > 0 {
                match self.has_home() {
                    true => self.go_home(connection),
                    false => self.close(connection),
                }
                return None;
            }
            // Accepted just now: its first request may be on its way, and nobody else would get it.
            wait = Wait::Head;
        }
        let back = self.rest(connection, wait, now_ms);
        if until_room {
            self.doors.await_room(true);
        } else if back.is_none() && self.course() != course {
            self.came_late.store(true, Ordering::Release);
            self.wake();
        }
        back
    }

    /// Puts a connection into its slot; gives it back where input came meanwhile.
    pub(super) fn rest(
        &self,
        mut connection: Box<Connection>,
        wait: Wait,
        now_ms: u64,
    ) -> Option<Box<Connection>> {
        if let Err(error) = self.register(&mut connection, wait == Wait::Flush) {
            crate::log::line(format_args!("cannot keep a connection: {error}"));
            self.close(connection);
            return None;
        }
        let own = self.bounds.fronts.times(connection.listener, &self.times);
        let times = own.unwrap_or(self.times);
        let deadline_ms = match wait {
            Wait::Head => connection.head_deadline_ms,
            Wait::Body => self.body_deadline_ms(&mut connection, &times, now_ms),
            Wait::Flush => now_ms + times.progress_ms,
            // Without keep-alive a new connection has the time of one head for its first byte.
            Wait::KeepAlive if connection.requests == 0 || times.keep_alive_ms == 0 => {
                now_ms + times.keep_alive_ms.max(times.head_ms)
            }
            Wait::KeepAlive => now_ms + times.keep_alive_ms,
            // Absolute: a client that goes on sending gets no more time.
            Wait::Linger => *connection.linger_until_ms.get_or_insert(now_ms + times.linger_ms),
        };
        let rest = Rest { wait, deadline_ms, other_times: own.is_some() };
        self.pool.reclaim(&mut connection);
        let token = connection.token?;
        let mut back = self.table.park(token, connection, rest)?;
        back.input_pending = true;
        self.begin_head(&mut back, now_ms);
        Some(back)
    }

    /// Ends a connection and frees its slot.
    pub fn close(&self, mut connection: Box<Connection>) {
        let token = connection.token.take();
        connection.input.consume(usize::MAX);
        self.pool.reclaim(&mut connection);
        // The descriptor first: the next user of the slot must not get its events.
        drop(connection);
        if let Some(token) = token {
            self.table.close(token);
            let last = self.is_draining() && self.table.is_empty();
            // The thread that turns the reactor waited for this one.
            if last || self.doors.decline() {
                self.wake();
            }
        }
    }

    /// Whether connections of this protocol may have another request. Only HTTP's can be told not to: front ends keep
    /// theirs for as long as they want, and would lose requests on connections that close when they do not expect it.
    pub fn keeps(&self, protocol: WireProtocol) -> bool {
        protocol != WireProtocol::Http || self.times.keep_alive_ms > 0
    }

    /// True for a connection of a front end that has rested, but not for so long that nobody will come back to it.
    fn may_rest_again(&self, connection: &mut Connection, now_ms: u64) -> bool {
        let front = self.listener_of(connection).protocol != WireProtocol::Http;
        let until_ms = connection.idle_until_ms.get_or_insert(now_ms + FRONT_IDLE_MS_MAX);
        front && connection.requests > 0 && now_ms < *until_ms
    }

    /// Closes the longest idle kept connection; false where there is none.
    pub(super) fn evict(&self) -> bool {
        let Some(connection) = self.table.evict() else { return false };
        self.close(connection);
        true
    }

    /// A wait is over.
    pub(super) fn expired(
        &self,
        wait: Wait,
        mut connection: Box<Connection>,
        now_ms: u64,
        jobs: &mut VecDeque<Box<Connection>>,
    ) {
        let begun = connection.has_begun();
        match wait {
            Wait::Body if connection.give_up_body() => {
                return self.progress(connection, now_ms, jobs);
            }
            Wait::KeepAlive if self.may_rest_again(&mut connection, now_ms) => {
                if let Some(back) = self.park(connection, wait, now_ms) {
                    self.progress(back, now_ms, jobs);
                }
                return;
            }
            Wait::Head | Wait::Body if begun => {
                if let Step::Wait(wait) =
                    self.refuse(&mut connection, Reject::new(408, "request_timeout"))
                {
                    if let Some(back) = self.park(connection, wait, now_ms) {
                        self.progress(back, now_ms, jobs);
                    }
                    return;
                }
            }
            _ => {}
        }
        self.close(connection);
    }

    /// Present time for deadlines.
    pub fn now_ms(&self) -> u64 {
        clock::monotonic_ms()
    }
}
