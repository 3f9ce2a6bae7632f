//! Connections that leave this process because their request is another's: a site's, or the instance's own.
//!
//! ```text
//!   worker of the instance --- head names a site ------> its channel --> a process of the site
//!   process of a site      --- head is another's ------> the rescue channel of the instance --> any of its workers
//! ```
//! As with `rescue`, what goes is the connection itself with all that was read of it, and nothing is proxied. It goes when a
//! head is complete and before anything of its body was taken, so that it always is a head and what one read brought besides.
//!
//! The processes of a site that runs as another user have no way home, and their connections end with the answer. They could
//! make up what a connection has said, and say it in the name of whoever may have applications loaded: no socket shows
//! whose the bytes are that were read of it. And they could keep a copy of a connection that is another site's next.
//!
//! A worker knows the channels of sites that it was asked for. For others it asks the master; meanwhile, and where a channel
//! is full, the connection waits here, in no thread's hands. A worker that leaves gives to the others what waits here. A site
//! whose processes take nothing must not cost the others their places: only so many wait for one site, and only so long.
//!
//! Deliberately absent: which request is whose (`sorting`), and when a site has processes (`supervisor/sites`).

mod waiting;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use mio::unix::SourceFd;
use parking_lot::Mutex;
use uwsgi_plugin_api::WireProtocol;
use uwsgi_protocol::VarsView;

use self::waiting::{Room, Waiting};
use super::connection::{Connection, Step};
use super::hub::Hub;
use super::leaving::Course;
use super::site_peer::Sender;
use super::sorting::{Destination, Sorting, Suits};
use crate::config::model::site_spec::SiteSpec;
use crate::config::model::sites::Sites;
use crate::log::throttle::Throttle;
use crate::sys::channel::{Channel, MESSAGE_BYTES_MAX};
use crate::sys::memory;

/// How often it is looked whether a full channel has room, in milliseconds.
pub(super) const RETRY_MS: u64 = 20;

/// After so many milliseconds without an answer the master is asked again: the question may have found its channel full.
const ASK_AGAIN_MS: u64 = 1_000;

/// What has waited here for so long is answered with 503, in milliseconds.
const WAIT_MS_MAX: u64 = 30_000;

/// More sites than any instance has (`max-sites`): those that were refused are forgotten then.
const OUTLETS_MAX: usize = 2 * u16::MAX as usize;

/// Asks the master for the channel of a site; its answer comes by [`Hub::know_site`]. An error where there is no master, or its
/// channel is full.
pub type Ask = dyn Fn(&SiteSpec) -> io::Result<()> + Send + Sync;

/// See the module.
pub struct Away {
    sorting: Sorting,
    ask: Box<Ask>,
    outlets: Mutex<HashMap<Vec<u8>, Outlet>>,
    /// So many channels are open at once.
    open_max: usize,
    room: Room,
    /// Of lines about sites that take nothing.
    complaints: Throttle,
}

/// The way to a site.
enum Outlet {
    Asked {
        again_ms: u64,
    },
    Open(Arc<Channel>),
    /// The instance has as many sites as it may.
    Refused,
}

/// What has become of an attempt to send a connection away.
enum Attempt {
    Sent,
    Later,
    /// It is answered here, with this status.
    Never(u16),
}

impl fmt::Debug for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Away").field("sorting", &self.sorting).finish_non_exhaustive()
    }
}

impl Away {
    /// `None` where every request is this process's own.
    pub fn new(sites: &Sites, suits: Box<Suits>, ask: Box<Ask>) -> Option<Arc<Self>> {
        let sorting = Sorting::new(sites, suits)?;
        Some(Arc::new(Self {
            sorting,
            ask,
            outlets: Mutex::default(),
            open_max: open_max(memory::open_files_max()),
            room: Room::default(),
            complaints: Throttle::default(),
        }))
    }

    /// Where a request goes that is not for this process.
    #[inline]
    pub(super) fn sort(
        &self,
        request: (WireProtocol, VarsView<'_>),
        from: Sender<'_>,
    ) -> Option<Destination> {
        let is_open = |key: &[u8]| matches!(self.outlets.lock().get(key), Some(Outlet::Open(_)));
        self.sorting.sort(request, from, is_open)
    }

    /// Tells why a request is answered with 503, a few times a second at most.
    fn complain(&self, to: &Destination, now_ms: u64) {
        let Some(left_out) = self.complaints.admits(now_ms / 1_000) else { return };
        let name = to.name();
        let more = if left_out > 0 { format!(", as {left_out} before") } else { String::new() };
        crate::log::line(format_args!(
            "{name}: takes no requests, and too many wait for it or for too long: answered with 503{more}"
        ));
    }

    fn channel(&self, spec: &SiteSpec, now_ms: u64) -> Result<Arc<Channel>, Attempt> {
        let mut outlets = self.outlets.lock();
        match outlets.get(&spec.key) {
            Some(Outlet::Open(channel)) => return Ok(channel.clone()),
            Some(Outlet::Asked { again_ms }) if now_ms < *again_ms => return Err(Attempt::Later),
            Some(Outlet::Refused) => {
                // The next request asks anew.
                outlets.remove(&spec.key);
                return Err(Attempt::Never(503));
            }
            _ => {}
        }
        match (self.ask)(spec) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                let name = &spec.name;
                crate::log::line(format_args!(
                    "site {name}: cannot ask the master for it: {error}"
                ));
                Err(Attempt::Never(503))
            }
            _ => {
                if outlets.len() >= OUTLETS_MAX {
                    outlets.retain(|_, outlet| matches!(outlet, Outlet::Open(_)));
                }
                let again_ms = now_ms + ASK_AGAIN_MS;
                outlets.insert(spec.key.clone(), Outlet::Asked { again_ms });
                Err(Attempt::Later)
            }
        }
    }
}

impl Hub {
    fn away(&self) -> Option<&Arc<Away>> {
        self.bounds.away.as_ref()
    }

    /// Whether connections wait for a way to their site.
    pub(super) fn holds_some(&self) -> bool {
        self.away().is_some_and(|away| away.room.holds_some())
    }

    /// Sends a connection away, or has it wait; gives it back, with what is to be done, where it is to be answered here.
    pub(super) fn send_away(
        &self,
        connection: Box<Connection>,
        to: Destination,
        now_ms: u64,
    ) -> Option<(Box<Connection>, Step)> {
        self.send_or_wait(Waiting { connection, to, since_ms: now_ms }, now_ms)
    }

    fn send_or_wait(&self, waiting: Waiting, now_ms: u64) -> Option<(Box<Connection>, Step)> {
        let Waiting { connection, to, since_ms } = waiting;
        let Some(away) = self.away() else { return Some((connection, Step::Close)) };
        let status = match self.attempt(&connection, &to, now_ms) {
            Attempt::Sent => {
                self.let_go(connection);
                return None;
            }
            Attempt::Never(status) => status,
            Attempt::Later => {
                let connection = match self.course() {
                    // Others find the way sooner than this worker, which has other things to do.
                    Course::HandingOver => match self.pass_on(connection) {
                        Ok(()) => return None,
                        Err(kept) => kept.connection,
                    },
                    _ => connection,
                };
                let waiting = Waiting { connection, to, since_ms };
                let waiting = match now_ms < since_ms + WAIT_MS_MAX {
                    true => match away.room.admit(waiting, self.table.capacity()) {
                        Ok(first) => {
                            if first {
                                self.wake();
                            }
                            return None;
                        }
                        Err(refused) => refused,
                    },
                    false => waiting,
                };
                away.complain(&waiting.to, now_ms);
                return Some(self.deny(waiting.connection, 503));
            }
        };
        Some(self.deny(connection, status))
    }

    fn deny(&self, mut connection: Box<Connection>, status: u16) -> (Box<Connection>, Step) {
        connection.denied = Some(status);
        // Its head is found again.
        let step = self.look_at(&mut connection);
        (connection, step)
    }

    fn attempt(&self, connection: &Connection, to: &Destination, now_ms: u64) -> Attempt {
        let message = match self.parcel(connection) {
            Some(message) if message.len() <= MESSAGE_BYTES_MAX => message,
            _ => {
                crate::log::line(format_args!(
                    "a request is answered with 500: its head is too big to be handed over (at most {MESSAGE_BYTES_MAX} bytes)"
                ));
                return Attempt::Never(500);
            }
        };
        let Some(away) = self.away() else { return Attempt::Later };
        let sent = match to {
            Destination::Home => match &self.doors.rescue {
                // A site without a home would send it to itself.
                Some(rescue) if rescue.leads_home() => rescue.send(&message, connection.fd()),
                _ => Err(io::ErrorKind::BrokenPipe.into()),
            },
            Destination::Site(spec) => match away.channel(spec, now_ms) {
                Ok(channel) => channel.send_with_fd(&message, connection.fd()),
                Err(attempt) => return attempt,
            },
        };
        let Err(error) = sent else { return Attempt::Sent };
        match (error.kind(), to) {
            // No room now; or as many descriptors are on their way as this user may have.
            (io::ErrorKind::WouldBlock, _) => Attempt::Later,
            _ if error.raw_os_error() == Some(libc::ETOOMANYREFS) => Attempt::Later,
            (
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset,
                Destination::Site(spec),
            ) => {
                // The master has another pair for it by now.
                away.outlets.lock().remove(&spec.key);
                Attempt::Later
            }
            _ => {
                crate::log::line(format_args!("cannot hand a connection over: {error}"));
                Attempt::Never(503)
            }
        }
    }

    /// The connection is another process's now.
    pub(super) fn let_go(&self, mut connection: Box<Connection>) {
        // The copy that is on its way keeps the registration of ours alive.
        if connection.token.is_some() {
            let fd = connection.fd().as_raw_fd();
            let _ = self.registry.deregister(&mut SourceFd(&fd));
        }
        connection.input.consume(usize::MAX);
        self.close(connection);
    }

    /// A connection that rests between two requests goes back to the instance; where that is gone, it ends.
    pub(super) fn go_home(&self, connection: Box<Connection>) {
        let sent = connection.can_move()
            && matches!(
                self.attempt(&connection, &Destination::Home, self.now_ms()),
                Attempt::Sent
            );
        match sent {
            true => self.let_go(connection),
            false => self.close(connection),
        }
    }

    /// The master's answer: the channel of a site, or that it has none to give.
    pub fn know_site(&self, key: &[u8], channel: Option<Channel>) {
        let Some(away) = self.away() else { return };
        let outlet = channel.map_or(Outlet::Refused, |channel| Outlet::Open(Arc::new(channel)));
        let mut outlets = away.outlets.lock();
        let is_open = |outlet: &Outlet| matches!(outlet, Outlet::Open(_));
        if is_open(&outlet) && outlets.values().filter(|one| is_open(one)).count() >= away.open_max
        {
            // Any of them: it is asked for again.
            let other = outlets.iter().find(|(_, one)| is_open(one)).map(|(key, _)| key.clone());
            other.and_then(|other| outlets.remove(&other));
        }
        outlets.insert(key.to_vec(), outlet);
    }

    /// Tries again what waits. What cannot go at all is answered here and is put into `jobs`.
    pub fn deliver(&self, now_ms: u64, jobs: &mut VecDeque<Box<Connection>>) {
        let Some(away) = self.away().filter(|away| away.room.holds_some()) else { return };
        let taken = away.room.take();
        let count = taken.len();
        let mut full = HashSet::new();
        for waiting in taken {
            let key = waiting.to.key().to_vec();
            let stays =
                self.course() != Course::HandingOver && now_ms < waiting.since_ms + WAIT_MS_MAX;
            if stays && full.contains(&key) {
                // Behind those that came before it.
                away.room.keep(waiting);
                continue;
            }
            let before = away.room.len();
            match self.send_or_wait(waiting, now_ms) {
                Some((connection, step)) => self.settle(connection, step, now_ms, jobs),
                None if away.room.len() > before => drop(full.insert(key)),
                None => {}
            }
        }
        away.room.looked_at(count);
    }
}

/// A quarter of the descriptors, so that connections have the most of them.
fn open_max(descriptors_max: Option<u64>) -> usize {
    let quarter = descriptors_max.unwrap_or(u64::MAX) / 4;
    usize::try_from(quarter).unwrap_or(usize::MAX).clamp(1, OUTLETS_MAX)
}

#[cfg(test)]
mod tests;
