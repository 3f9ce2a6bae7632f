//! Turns the poller: accepts, reads, decodes, expires. One thread at a time does it (see `turnstile`).

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Waker};
use uwsgi_plugin_api::{Listener, WireProtocol};

use super::away::RETRY_MS;
use super::connection::{Bounds, Connection, Step};
use super::decode;
use super::doors::Doors;
use super::hub::Hub;
use super::leaving::Course;
use super::peer::Peer;
use super::rescue::{Adopted, Rescue};
use super::table::{Token, Wait};
use super::turnstile::Turn;
use crate::config::model::proxies::Introduced;
use crate::sys::clock;
use crate::sys::epoll::ListenerSet;
use crate::sys::socket::{self, PeerAddress};

/// Token of the waker; listeners follow.
const WAKER: usize = Token::RESERVED;
/// Token of the queue of given-away connections, when there is one.
pub(super) const ADOPTION: usize = Token::RESERVED + 1;
/// Token of that queue, when there is room for one.
pub(super) const ROOM: usize = Token::RESERVED + 2;
/// Token of the first listener.
pub(super) const LISTENERS: usize = Token::RESERVED + 3;
/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 256;
/// Connections accepted in one go where no other process wants them.
const ACCEPTS_MAX: usize = 32;
/// Longest sleep, so that a clock that was set or a lost event does no harm.
const SLEEP_MS_MAX: u64 = 60_000;

/// A listening socket of this worker.
#[derive(Clone)]
pub struct Listening {
    /// The descriptor, shared with the master.
    pub fd: Arc<OwnedFd>,
    /// What all its requests have in common.
    pub info: Arc<Listener>,
    /// Whose connections begin with a header of the PROXY protocol.
    pub(super) introduced: Introduced,
    /// Connections of other users are refused: it is for gateways.
    pub private: bool,
    /// Other processes have the socket; connections that came by it are handed to this one.
    pub elsewhere: bool,
    /// The same by what a connection turned out to speak, where that is not said beforehand.
    forms: Arc<[Arc<Listener>]>,
}

impl Listening {
    /// `id`: numbers from there on are free for the forms of a socket that speaks several protocols.
    pub fn new(
        fd: Arc<OwnedFd>,
        info: Listener,
        (introduced, private): (Introduced, bool),
        id: u16,
    ) -> Self {
        let forms = match info.protocol {
            WireProtocol::Auto => decode::RECOGNIZED.iter().zip(id..).collect(),
            _ => Vec::new(),
        };
        let forms = forms.into_iter().map(|(&protocol, id)| {
            let mut form = Listener { id, protocol, ..info.clone() };
            if protocol != WireProtocol::Http {
                form.static_vars.clear();
            }
            Arc::new(form)
        });
        let (info, forms) = (Arc::new(info.clone()), forms.collect());
        Self { fd, introduced, private, elsewhere: false, forms, info }
    }

    /// The same, of a socket that other processes have.
    pub fn elsewhere(self) -> Self {
        Self { elsewhere: true, ..self }
    }

    /// What requests have in common that come by a connection which speaks this; `None` where nobody knows yet.
    pub fn form(&self, spoken: Option<WireProtocol>) -> &Arc<Listener> {
        let same = |form: &&Arc<Listener>| Some(form.protocol) == spoken;
        self.forms.iter().find(same).unwrap_or(&self.info)
    }
}

/// The poller and what only the thread that turns it needs.
pub struct Reactor {
    poll: Poll,
    events: Events,
    hub: Arc<Hub>,
    /// What rested when the worker began to finish was looked at.
    cleared: bool,
    expired: Vec<(Wait, Box<Connection>)>,
    /// Scratch for given-away connections.
    parcel: Vec<u8>,
}

impl Reactor {
    /// A reactor and the hub that its threads share. `shared`: other processes accept from the same sockets.
    ///
    /// # Errors
    /// Where epoll cannot be set up.
    pub fn new(
        listeners: Vec<Listening>,
        bounds: Bounds,
        times: super::hub::Times,
        connections_max: usize,
        shared: bool,
        rescue: Option<Rescue>,
    ) -> io::Result<(Self, Arc<Hub>)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), mio::Token(WAKER))?;
        let set = ListenerSet::new(poll.registry())?;
        let registry = poll.registry().try_clone()?;
        let doors = Doors::new(set, listeners.clone(), rescue, shared);
        doors.open()?;
        let hub =
            Arc::new(Hub::new(registry, waker, listeners, bounds, times, connections_max, doors));
        let reactor = Self {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            hub: hub.clone(),
            cleared: false,
            expired: Vec::new(),
            parcel: Vec::new(),
        };
        Ok((reactor, hub))
    }

    fn accept(&mut self, index: usize, now_ms: u64, jobs: &mut VecDeque<Box<Connection>>) {
        let hub = self.hub.clone();
        // The doors may have been closed after the event: `drain` has told another worker of the connection.
        let Some(listener) = hub.listeners.get(index).filter(|_| hub.doors.are_open()) else {
            return;
        };
        for _ in 0..self.batch() {
            let (fd, address) = match socket::accept(listener.fd.as_fd()) {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.accept_failed(&error);
                    break;
                }
            };
            if listener.private && !socket::peer_is_this_user(fd.as_fd()) {
                let name = &listener.info.name;
                crate::log::line(format_args!("{name}: a connection of another user is refused"));
                continue;
            }
            let deadline_ms = now_ms + hub.times_of(index as u16).head_ms;
            let mut connection = Connection::new(fd, index as u16, Peer::new(address), deadline_ms);
            let ip = match address {
                PeerAddress::Ip(ip, _) => Some(ip),
                PeerAddress::Local => None,
            };
            connection.awaits_header = listener.introduced.covers(ip);
            hub.progress(connection, now_ms, jobs);
        }
        if hub.doors.shared {
            // To the tail of the kernel's queue of waiters: the next connection goes to another worker.
            hub.doors.rearm(index);
        }
    }

    fn batch(&self) -> usize {
        if self.hub.doors.shared { 1 } else { ACCEPTS_MAX }
    }

    /// Takes connections that other workers gave away, as far as there are places.
    fn adopt(&mut self, now_ms: u64, jobs: &mut VecDeque<Box<Connection>>) {
        let hub = self.hub.clone();
        for _ in 0..self.batch() {
            if !hub.doors.are_open() {
                return;
            }
            if hub.table.is_full() {
                // They wait for another worker, or for a place here. The wake-up was for one worker: it goes on.
                hub.doors.adopt(false);
                return hub.doors.rescue.iter().for_each(Rescue::nudge);
            }
            // A message whose descriptor has no number here would be lost.
            if let Err(error) = hub.doors.find_descriptor() {
                return self.accept_failed(&error);
            }
            match hub.adopt(now_ms, &mut self.parcel) {
                Adopted::Connection(connection) => hub.progress(connection, now_ms, jobs),
                Adopted::Nudge => hub.doors.rearm_all(),
                Adopted::Refused => {}
                Adopted::Nothing => break,
            }
        }
        if hub.doors.shared {
            hub.doors.rearm_adoption();
        }
    }

    /// Does what the worker's course asks for.
    fn follow_course(&mut self, jobs: &mut VecDeque<Box<Connection>>) {
        let hub = self.hub.clone();
        match hub.course() {
            Course::Serving | Course::LameDuck => {
                if hub.doors.decline() && !hub.table.is_full() {
                    hub.doors.adopt(true);
                }
            }
            Course::HandingOver => {
                if hub.came_late.load(Ordering::Relaxed)
                    && hub.came_late.swap(false, Ordering::Acquire)
                {
                    hub.hand_over_resting(hub.now_ms(), jobs);
                }
            }
            Course::Finishing if self.cleared && !hub.came_late.load(Ordering::Relaxed) => {}
            Course::Finishing => {
                self.cleared = true;
                hub.came_late.store(false, Ordering::SeqCst);
                hub.doors.await_room(false);
                if hub.is_last() {
                    hub.take_back(hub.now_ms(), jobs);
                }
                hub.clear_resting(hub.now_ms(), jobs);
            }
        }
    }

    fn accept_failed(&self, error: &io::Error) {
        /// The cause is outside of this process or lasts: no busy loop, and no more than ten lines a second.
        const PAUSE: Duration = Duration::from_millis(100);
        match error.raw_os_error() {
            // Another worker was faster, or the client has gone already.
            Some(libc::EAGAIN | libc::ECONNABORTED | libc::EINTR) => {}
            Some(libc::EMFILE | libc::ENFILE) => {
                // Nothing is lost: the connection waits in the backlog until one of ours ends.
                if !self.hub.evict() {
                    crate::log::line(format_args!("accept(): {error}"));
                    std::thread::sleep(PAUSE);
                }
            }
            _ => {
                crate::log::line(format_args!("accept(): {error}"));
                std::thread::sleep(PAUSE);
            }
        }
    }

    fn expire(&mut self, now_ms: u64, jobs: &mut VecDeque<Box<Connection>>) {
        let mut expired = std::mem::take(&mut self.expired);
        self.hub.table.expire(now_ms, &mut expired);
        for (wait, connection) in expired.drain(..) {
            self.hub.expired(wait, connection, now_ms, jobs);
        }
        self.expired = expired;
    }

    fn sleep_time(&self, block: bool) -> Duration {
        if !block {
            return Duration::ZERO;
        }
        let now_ms = clock::monotonic_ms();
        let until =
            self.hub.table.next_deadline().map_or(SLEEP_MS_MAX, |at| at.saturating_sub(now_ms));
        let most = if self.hub.holds_some() { RETRY_MS } else { SLEEP_MS_MAX };
        // One more millisecond: epoll must not wake just before the deadline.
        Duration::from_millis(until.min(most) + 1)
    }
}

impl Turn<Box<Connection>> for Reactor {
    fn turn(&mut self, block: bool, jobs: &mut VecDeque<Box<Connection>>, rest: &mut dyn FnMut()) {
        self.follow_course(jobs);
        self.hub.deliver(clock::monotonic_ms(), jobs);
        let block = block && jobs.is_empty();
        let timeout = self.sleep_time(block);
        if block {
            rest();
        }
        if let Err(error) = self.poll.poll(&mut self.events, Some(timeout))
            && error.kind() != io::ErrorKind::Interrupted
        {
            crate::log::line(format_args!("epoll_wait(): {error}"));
            return;
        }
        let now_ms = clock::monotonic_ms();
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            match event.token().0 {
                WAKER => {}
                ADOPTION => self.adopt(now_ms, jobs),
                ROOM => {
                    // First: who comes to rest from now on asks for it again.
                    self.hub.doors.await_room(false);
                    self.hub.hand_over_resting(now_ms, jobs);
                }
                token if token as u32 as usize >= LISTENERS && token >> 32 == 0 => {
                    self.accept(token - LISTENERS, now_ms, jobs);
                }
                token => {
                    let gone = event.is_read_closed() || event.is_error();
                    if let Some(mut connection) =
                        self.hub.table.notice(Token::from_usize(token), gone)
                    {
                        connection.input_pending = true;
                        connection.hung_up |= gone;
                        self.hub.begin_head(&mut connection, now_ms);
                        self.hub.progress(connection, now_ms, jobs);
                    }
                }
            }
        }
        self.events = events;
        self.expire(now_ms, jobs);
    }

    fn is_drained(&self) -> bool {
        self.hub.table.is_empty() && !self.hub.holds_some()
    }
}

impl Hub {
    /// Registers or re-registers a connection with the poller.
    pub(super) fn register(&self, connection: &mut Connection, write: bool) -> io::Result<()> {
        let fd = connection.fd().as_raw_fd();
        let mut interest = Interest::READABLE;
        if write {
            interest |= Interest::WRITABLE;
        }
        match connection.token {
            // Where sending was left off, an edge has been and gone: registered anew, the socket tells again.
            Some(token)
                if write != connection.wants_write || (write && connection.spill.is_paused()) =>
            {
                self.registry.reregister(
                    &mut SourceFd(&fd),
                    mio::Token(token.to_usize()),
                    interest,
                )?;
            }
            Some(_) => {}
            None => {
                let token = self.open_slot()?;
                let registered = self.registry.register(
                    &mut SourceFd(&fd),
                    mio::Token(token.to_usize()),
                    interest,
                );
                if let Err(error) = registered {
                    self.table.close(token);
                    return Err(error);
                }
                connection.token = Some(token);
            }
        }
        connection.wants_write = write;
        Ok(())
    }

    fn open_slot(&self) -> io::Result<Token> {
        for _ in 0..2 {
            if let Some(token) = self.table.open() {
                return Ok(token);
            }
            if !self.evict() {
                break;
            }
        }
        Err(io::Error::other("all connection slots are in use"))
    }

    /// What the requests of a connection have in common.
    pub fn listener_of(&self, connection: &Connection) -> &Arc<Listener> {
        self.listeners[connection.listener as usize].form(connection.spoken)
    }

    /// Does for a connection what can be done without waiting: it becomes a job, rests, or ends.
    pub(crate) fn progress(
        &self,
        mut connection: Box<Connection>,
        now_ms: u64,
        jobs: &mut VecDeque<Box<Connection>>,
    ) {
        let step = self.look_at(&mut connection);
        self.settle(connection, step, now_ms, jobs);
    }

    /// Reads what is there and finds a request in it. That of a gateway is only read by the thread that runs it: what is still
    /// unread when the worker is killed, nobody has begun, and the gateway asks another worker.
    pub(crate) fn look_at(&self, connection: &mut Connection) -> Step {
        let listener = &self.listeners[connection.listener as usize];
        if listener.private && connection.has_unread() {
            connection.unread = true;
            return Step::Run;
        }
        connection.advance(listener, &self.bounds, &self.pool)
    }

    /// A connection that a thread has taken, with its request; with what is to be done where there is none.
    ///
    /// # Errors
    /// No request, or none yet.
    pub(crate) fn read_request(
        &self,
        mut connection: Box<Connection>,
    ) -> Result<Box<Connection>, (Box<Connection>, Step)> {
        if !std::mem::take(&mut connection.unread) {
            return Ok(connection);
        }
        let listener = &self.listeners[connection.listener as usize];
        match connection.advance(listener, &self.bounds, &self.pool) {
            Step::Run => Ok(connection),
            step => Err((connection, step)),
        }
    }

    /// What a step means for its connection: a job, a rest, or the end.
    pub(crate) fn settle(
        &self,
        mut connection: Box<Connection>,
        mut step: Step,
        now_ms: u64,
        jobs: &mut VecDeque<Box<Connection>>,
    ) {
        loop {
            match step {
                Step::Run => return jobs.push_back(connection),
                Step::Refuse(reject) => step = self.refuse(&mut connection, reject),
                Step::Wait(wait) => match self.park(connection, wait, now_ms) {
                    Some(back) => {
                        connection = back;
                        step = self.look_at(&mut connection);
                    }
                    None => return,
                },
                Step::Away(to) => match self.send_away(connection, to, now_ms) {
                    Some((back, next)) => (connection, step) = (back, next),
                    None => return,
                },
                Step::Close => return self.close(connection),
            }
        }
    }
}

#[cfg(test)]
mod tests;
