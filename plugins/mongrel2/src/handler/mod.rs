//! The handler's loop: one thread that moves bytes between Mongrel2 and the workers.
//!
//! ```text
//!   Mongrel2 --PULL--> intake --records--> Upstream --> a worker
//!   Mongrel2 <--PUB-- delivery <--Answer-- Upstream <-- the same
//! ```
//! No more requests are with the workers than they can run; a few more wait here. Nothing waits for anybody: what cannot go
//! on is taken up again by an event or at a time.

mod delivery;
mod intake;
mod spare;
mod workers;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use uwsgi_plugin_api::{PluginError, Post};
use uwsgi_protocol::http1::http_date;

use self::spare::Spare;
use crate::exchange::Exchange;
use crate::head::Head;
use crate::pair::{Change, Pair, SOCKETS};
use crate::plan::Plan;
use crate::request::Surroundings;
use crate::uploads::{Client, Uploads};
use crate::upstream::{READ_BYTES, Upstream};

const STOP: usize = 0;
const FIRST_PAIR: usize = 1;
/// Messages that are taken from one Mongrel2 before anything else is looked at.
const BATCH: usize = 64;
const EVENTS_MAX: usize = 256;
/// How often it is looked whether workers listen again, a file has grown or a full socket has room: there is no event.
const RETRY: Duration = Duration::from_millis(10);
/// After the wish to end, so long nothing must have come before the way to Mongrel2 is left.
const QUIET: Duration = Duration::from_millis(150);
/// But not longer than this is waited for quiet.
const QUIET_MAX: Duration = Duration::from_secs(1);
/// And so long for Mongrel2 to close its side of the way.
const PARTING_MAX: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct Handler<'a> {
    post: Post<'a>,
    workers: &'a SocketAddr,
    poll: Poll,
    pairs: Vec<Pair>,
    exchanges: Slab<Exchange>,
    by_client: HashMap<Client, usize>,
    /// Requests without a connection to a worker, the oldest first.
    waiting: VecDeque<usize>,
    upstreams: Slab<Upstream>,
    /// Connections without a request; the one that was used last is at the end.
    idle: Vec<usize>,
    uploads: Uploads,
    around: Surroundings,
    head: Head,
    serial: u64,
    date: Date,
    buffer: Box<[u8]>,
    /// What one read has brought of an answer.
    stdout: Vec<u8>,
    /// Message to Mongrel2 in the making.
    message: Vec<u8>,
    spare: Spare,
    /// Clients whose next message waits for its time: number, serial.
    paced: VecDeque<(Instant, usize, u64)>,
    /// Something is to be tried again at this time.
    retry_at: Option<Instant>,
    /// While all are busy: when the next message is looked at.
    peek_at: Instant,
    /// Since when nothing more is taken in, and when something came last.
    leaving: Option<Leaving>,
    /// The last time that a message was complained of, and how many were not since.
    complained: Option<(Instant, u64)>,
}

#[derive(Clone, Copy)]
struct Leaving {
    since: Instant,
    heard: Instant,
    left: bool,
}

impl<'a> Handler<'a> {
    /// Opens everything. `identity` is its name for Mongrel2.
    ///
    /// # Errors
    /// An endpoint, the directory of uploads or the poller.
    pub(crate) fn open(
        plan: &Plan,
        post: Post<'a>,
        workers: &'a SocketAddr,
        identity: &str,
    ) -> Result<Self, PluginError> {
        let system = |error: io::Error| PluginError(format!("mongrel2: {error}"));
        let context = zmq::Context::new();
        let opened = plan.pairs.iter().enumerate().map(|(number, endpoints)| {
            Pair::open(&context, number, endpoints, plan.curve.as_ref(), identity)
        });
        let pairs = opened.collect::<Result<Vec<_>, _>>()?;
        let hostname =
            nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
        let handler = Self {
            poll: Poll::new().map_err(system)?,
            pairs,
            exchanges: Slab::new(),
            by_client: HashMap::new(),
            waiting: VecDeque::new(),
            upstreams: Slab::new(),
            idle: Vec::new(),
            uploads: Uploads::new(plan.uploads.clone())?,
            around: Surroundings { hostname, script_name: plan.script_name },
            head: Head::default(),
            serial: 0,
            date: Date::default(),
            buffer: vec![0; READ_BYTES].into(),
            stdout: Vec::new(),
            message: Vec::new(),
            spare: Spare::default(),
            paced: VecDeque::new(),
            retry_at: None,
            peek_at: Instant::now(),
            leaving: None,
            complained: None,
            post,
            workers,
        };
        handler.listen().map_err(system)?;
        Ok(handler)
    }

    fn listen(&self) -> io::Result<()> {
        let registry = self.poll.registry();
        let listen = |fd: i32, token| {
            registry.register(&mut SourceFd(&fd), Token(token), Interest::READABLE)
        };
        listen(self.post.stop.as_raw_fd(), STOP)?;
        for pair in &self.pairs {
            for (socket, fd) in
                pair.descriptors().map_err(io::Error::other)?.into_iter().enumerate()
            {
                listen(fd, FIRST_PAIR + pair.number * SOCKETS + socket)?;
            }
        }
        Ok(())
    }

    /// Serves until the end is asked for and everything is finished.
    ///
    /// # Errors
    /// The poller fails.
    pub(crate) fn run(&mut self) -> Result<(), PluginError> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            let more = self.look_at_pairs();
            self.start_waiting();
            if self.has_left() {
                return Ok(());
            }
            let timeout = if more { Some(Duration::ZERO) } else { self.sleep() };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(PluginError(format!("mongrel2: poll: {error}")));
                }
                _ => {}
            }
            self.date.look();
            for event in &events {
                match event.token().0 {
                    STOP => self.begin_to_leave(),
                    token if token < self.first_upstream() => {
                        let number = token - FIRST_PAIR;
                        self.pairs[number / SOCKETS].notice(number % SOCKETS);
                    }
                    token => {
                        let key = token - self.first_upstream();
                        if let Some(upstream) = self.upstreams.get_mut(key) {
                            upstream.hung_up |= event.is_read_closed() || event.is_error();
                            upstream.readable |= event.is_readable() || upstream.hung_up;
                            upstream.writable |= event.is_writable();
                            self.pump(key);
                        }
                    }
                }
            }
            self.tick();
        }
    }

    fn first_upstream(&self) -> usize {
        FIRST_PAIR + self.pairs.len() * SOCKETS
    }

    /// Looks at the sockets to Mongrel2. True where more is to be had at once.
    fn look_at_pairs(&mut self) -> bool {
        let mut more = false;
        for number in 0..self.pairs.len() {
            for change in self.pairs[number].changes() {
                self.connection_changed(number, change);
            }
            if let Err(error) = self.pairs[number].hear_subscriptions() {
                let endpoint = &self.pairs[number].endpoints.requests;
                (self.post.log)(&format!("mongrel2: {endpoint}: {error}"));
            }
            self.pairs[number].let_answers_go();
            if self.pairs[number].is_stuck() && self.pairs[number].flush() {
                self.resume(number);
            }
            let hears = self.must_hear(Instant::now());
            for _ in 0..BATCH {
                if !self.takes_more(hears) {
                    break;
                }
                let Some(message) = self.pairs[number].receive() else { break };
                self.take(number, &message);
            }
            more |= self.takes_more(hears) && self.pairs[number].may_have_requests();
        }
        more
    }

    fn connection_changed(&mut self, number: usize, change: Change) {
        let endpoint = self.pairs[number].endpoints.requests.clone();
        match change {
            Change::Connected => (self.post.log)(&format!("mongrel2: connected to {endpoint}")),
            Change::Lost if self.leaving.is_some_and(|leaving| leaving.left) => {}
            Change::Lost => {
                // Whoever comes back may be another one, whose clients have the same numbers.
                let gone = self.drop_clients(number);
                (self.post.log)(&format!(
                    "mongrel2: the connection to {endpoint} is lost with {gone} requests; connecting again"
                ));
            }
        }
    }

    /// The time until something is due; `None` where only events matter.
    fn sleep(&self) -> Option<Duration> {
        let paced = self.paced.front().map(|(due, ..)| *due);
        let leaving = self.leaving.filter(|leaving| !leaving.left || !self.has_parted());
        let leaving = leaving.map(|leaving| match leaving.left {
            false => (leaving.heard + QUIET).min(leaving.since + QUIET_MAX),
            true => leaving.since + PARTING_MAX,
        });
        let peek = (!self.takes_more(false)).then_some(self.peek_at);
        let due = [paced, self.retry_at, leaving, peek].into_iter().flatten().min()?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    /// Does what is due.
    fn tick(&mut self) {
        if self.paced.is_empty() && self.retry_at.is_none() && self.leaving.is_none() {
            return;
        }
        let now = Instant::now();
        while let Some(&(due, number, serial)) = self.paced.front()
            && due <= now
        {
            self.paced.pop_front();
            let exchange = self.exchanges.get_mut(number);
            if let Some(exchange) = exchange.filter(|exchange| exchange.serial == serial) {
                exchange.paced = false;
                self.deliver(number);
                self.push_on(number);
            }
        }
        if self.retry_at.is_some_and(|due| due <= now) {
            self.retry_at = None;
            self.try_again();
        }
        let quiet =
            |leaving: &Leaving| now >= leaving.heard + QUIET || now >= leaving.since + QUIET_MAX;
        if let Some(leaving) =
            self.leaving.as_mut().filter(|leaving| !leaving.left && quiet(leaving))
        {
            leaving.left = true;
            self.pairs.iter_mut().for_each(Pair::leave);
        }
        if self.leaving.is_some_and(|leaving| leaving.left && now >= leaving.since + PARTING_MAX) {
            self.pairs.iter_mut().filter(|pair| !pair.has_left()).for_each(Pair::part);
        }
    }

    fn retry_soon(&mut self) {
        self.retry_at.get_or_insert_with(|| Instant::now() + RETRY);
    }

    fn begin_to_leave(&mut self) {
        let now = Instant::now();
        if self.leaving.is_none() {
            (self.post.log)("mongrel2: finishing the requests that are here");
            self.pairs.iter_mut().for_each(Pair::hold_answers);
        }
        self.leaving.get_or_insert(Leaving { since: now, heard: now, left: false });
        // It stays readable.
        let fd = self.post.stop.as_raw_fd();
        let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
    }

    /// True where the end was asked for and nothing is left to do.
    fn has_left(&self) -> bool {
        self.leaving.is_some_and(|leaving| leaving.left)
            && self.has_parted()
            && self.exchanges.is_empty()
            && !self.pairs.iter().any(Pair::is_stuck)
    }

    /// True where nothing comes any more.
    fn has_parted(&self) -> bool {
        self.pairs.iter().all(Pair::has_left)
    }
}

/// The `Date` header, made once a second.
#[derive(Default)]
struct Date {
    second: u64,
    text: Vec<u8>,
}

impl Date {
    fn look(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if now != self.second || self.text.is_empty() {
            self.second = now;
            self.text = http_date(now).to_vec();
        }
    }
}
