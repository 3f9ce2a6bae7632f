//! How a worker takes leave of its clients.
//!
//! ```text
//!   Serving -> LameDuck -> HandingOver -> Finishing      only forward; any step may be left out
//! ```
//! A worker that has heirs gives away what rests between two requests or has only begun to ask, with the bytes that
//! were read; its clients notice nothing, so no answer tells them to close. One without heirs closes what rests
//! between two requests and says so in its answers.
//!
//! Deliberately absent: who decides it (`worker/control`), and how a connection changes its worker (`rescue`).

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use super::connection::Connection;
use super::hub::Hub;
use super::peer::Peer;
use super::rescue::{Adopted, Rescue};
use super::table::Wait;
use crate::sys::socket;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Course {
    /// New connections are accepted, kept ones kept.
    Serving,
    /// New connections are accepted, but answers end their connections, so that load balancers move away.
    LameDuck,
    /// Nothing new is accepted; other workers take what rests.
    HandingOver,
    /// Nothing new is accepted; what rests between two requests closes.
    Finishing,
}

impl Course {
    fn of(value: u8) -> Self {
        [Self::Serving, Self::LameDuck, Self::HandingOver]
            .into_iter()
            .find(|&course| course as u8 == value)
            .unwrap_or(Self::Finishing)
    }
}

impl Hub {
    /// Where this worker stands.
    pub fn course(&self) -> Course {
        // Sequentially consistent, as the claims of connections are: see `park`.
        Course::of(self.course.load(Ordering::SeqCst))
    }

    /// Where it stands for the connections of a listener: those of one that heirs have not got are finished here.
    pub fn course_of(&self, listener: u16) -> Course {
        match self.course() {
            Course::HandingOver if self.is_abandoned(listener) => Course::Finishing,
            course => course,
        }
    }

    /// Heirs have no such listener.
    pub(super) fn is_abandoned(&self, listener: u16) -> bool {
        let one = self.abandoned.get(usize::from(listener));
        one.is_some_and(|abandoned| abandoned.load(Ordering::SeqCst))
    }

    /// Heirs will have no such listener; the worker is not told to drain yet. False where there is none.
    pub fn abandon(&self, listener: u16) -> bool {
        let one = self.abandoned.get(usize::from(listener));
        one.inspect(|abandoned| abandoned.store(true, Ordering::SeqCst)).is_some()
    }

    /// Nothing new is accepted any more.
    pub fn is_draining(&self) -> bool {
        self.course() >= Course::HandingOver
    }

    /// Whether an answer that is made now may leave its connection of a listener open. While the worker pauses it may
    /// not: the client's next connection then waits in the listener's queue. Nor in a site without a home, which has nothing
    /// to do with a request of another site that may come next.
    pub fn keeps_connections(&self, listener: u16) -> bool {
        let course = self.course_of(listener);
        let open = matches!(course, Course::Serving | Course::HandingOver)
            || (course == Course::Finishing && self.has_home());
        let lasts = self.has_home() || !self.is_of_site();
        open && lasts && !self.paused.load(Ordering::Relaxed)
    }

    /// These are the processes of a site: what rests between two requests can go back to the instance, whatever becomes of
    /// them.
    pub(super) fn has_home(&self) -> bool {
        self.doors.rescue.as_ref().is_some_and(Rescue::leads_home)
    }

    /// These are the processes of a site.
    pub(super) fn is_of_site(&self) -> bool {
        self.doors.rescue.as_ref().is_some_and(Rescue::is_of_site)
    }

    /// Goes on to a later stage.
    pub(super) fn take_course(&self, course: Course) {
        self.course.fetch_max(course as u8, Ordering::SeqCst);
        self.wake();
    }

    /// Answers end their connections from now on.
    pub fn become_lame_duck(&self) {
        self.take_course(Course::LameDuck);
    }

    /// Leaves the listeners for a while, or comes back; connections wait in their queues meanwhile.
    pub fn pause(&self, on: bool) {
        self.paused.store(on, Ordering::Relaxed);
        if on {
            self.doors.close(false);
        } else if let Err(error) = self.doors.open() {
            crate::log::line(format_args!("cannot come back to the listeners: {error}"));
        }
    }

    /// Nothing new is accepted from now on, by no thread. With `heirs`, other workers take what rests; without, what
    /// waits in the queues is taken here. Requests that must run here are put into `jobs`. Where the worker's threads
    /// end already when nothing is left, the caller must hold them (`Turnstile::hold`).
    pub fn drain(&self, heirs: bool, jobs: &mut VecDeque<Box<Connection>>) {
        // Before anything is given away: this worker must not be the one that is woken for it.
        self.doors.close(true);
        let Some(rescue) = self.doors.rescue.as_ref().filter(|_| heirs && !self.is_last()) else {
            self.last.store(true, Ordering::SeqCst);
            self.take_course(Course::Finishing);
            // Nobody else will ever look.
            return self.take_last_calls(jobs);
        };
        self.take_course(Course::HandingOver);
        self.tell_of_what_waits(rescue);
        if self.course() == Course::HandingOver {
            self.hand_over_resting(self.now_ms(), jobs);
        }
    }

    /// For a process that ends at once: it accepts nothing more, and others learn of what it was perhaps woken for.
    pub fn leave(&self) {
        self.doors.close(true);
        self.doors.rescue.iter().for_each(|rescue| self.tell_of_what_waits(rescue));
    }

    /// The kernel wakes one worker for a connection. Where it woke this one, nobody else knows.
    fn tell_of_what_waits(&self, rescue: &Rescue) {
        if self.doors.something_waits() {
            rescue.nudge();
        }
    }

    /// Nobody comes after: what is given away now, nobody takes.
    pub(super) fn is_last(&self) -> bool {
        self.last.load(Ordering::SeqCst)
    }

    /// There is no other process any more: takes all that waits in the queues, so that nobody is turned away, and
    /// closes the listening sockets below their descriptors, so that a new instance finds the addresses free. At most
    /// as many as the table holds. The worker must be draining.
    fn take_last_calls(&self, jobs: &mut VecDeque<Box<Connection>>) {
        let now_ms = self.now_ms();
        let mut room = self.take_back(now_ms, jobs);
        (0..self.listeners.len()).for_each(|index| self.empty(index as u16, &mut room, jobs));
    }

    /// The same for the listeners that heirs have not got.
    pub fn take_abandoned(&self, jobs: &mut VecDeque<Box<Connection>>) {
        let mut room = self.table.capacity().saturating_sub(self.table.len());
        let all = 0..self.listeners.len() as u16;
        let abandoned = all.filter(|&index| self.is_abandoned(index));
        abandoned.for_each(|index| self.empty(index, &mut room, jobs));
    }

    /// Takes what waits in a listener's queue, and closes the socket below its descriptor.
    fn empty(&self, index: u16, room: &mut usize, jobs: &mut VecDeque<Box<Connection>>) {
        let listener = self.listeners.get(usize::from(index)).filter(|one| !one.elsewhere);
        let Some(listener) = listener else { return };
        let now_ms = self.now_ms();
        while *room > 0
            && let Ok((fd, address)) = socket::accept(listener.fd.as_fd())
        {
            let deadline_ms = now_ms + self.times_of(index).head_ms;
            let connection = Connection::new(fd, index, Peer::new(address), deadline_ms);
            self.progress(connection, now_ms, jobs);
            *room -= 1;
        }
        if let Err(error) = socket::close_below(listener.fd.as_fd()) {
            let name = &listener.info.name;
            crate::log::line(format_args!("cannot close listener {name}: {error}"));
        }
    }

    /// Takes what was given away and nobody has taken; returns how many more the table holds.
    pub(super) fn take_back(&self, now_ms: u64, jobs: &mut VecDeque<Box<Connection>>) -> usize {
        let mut buffer = Vec::new();
        let mut room = self.table.capacity().saturating_sub(self.table.len());
        while room > 0 {
            match self.adopt(now_ms, &mut buffer) {
                Adopted::Connection(connection) => self.progress(connection, now_ms, jobs),
                Adopted::Nudge | Adopted::Refused => {}
                Adopted::Nothing => break,
            }
            room -= 1;
        }
        room
    }

    /// Gives a connection whose next request is here to another worker; back where it must be served here.
    pub fn offer(&self, connection: Box<Connection>) -> Option<Box<Connection>> {
        match self.course() {
            Course::HandingOver => self.pass_on(connection).err().map(|kept| kept.connection),
            _ => Some(connection),
        }
    }

    /// Gives away every connection that waits for input. What the queue has no room for rests again until it has;
    /// what is complete meanwhile becomes a job.
    pub(super) fn hand_over_resting(&self, now_ms: u64, jobs: &mut VecDeque<Box<Connection>>) {
        let take = |wait| std::iter::from_fn(move || Some((wait, self.table.take(wait)?)));
        let waits = [Wait::KeepAlive, Wait::Head, Wait::Body];
        let resting: Vec<_> = waits.into_iter().flat_map(take).collect();
        let mut until_room = false;
        for (wait, connection) in resting {
            let Err(kept) = self.pass_on(connection) else { continue };
            until_room |= kept.until_room;
            if wait == Wait::KeepAlive && self.is_abandoned(kept.connection.listener) {
                self.clear(kept.connection, now_ms, jobs);
                continue;
            }
            if let Some(back) = self.rest(kept.connection, wait, now_ms) {
                self.progress(back, now_ms, jobs);
            }
        }
        // What waits for its way elsewhere, others can wait with.
        self.deliver(now_ms, jobs);
        if until_room {
            // Only now that all rest: when there is room, they must be found.
            self.doors.await_room(true);
        }
    }

    /// This worker has no heirs: a request that has arrived already is served, other kept connections close, and
    /// those that have not asked yet get the time of one head.
    pub(super) fn clear_resting(&self, now_ms: u64, jobs: &mut VecDeque<Box<Connection>>) {
        let resting: Vec<_> = std::iter::from_fn(|| self.table.take(Wait::KeepAlive)).collect();
        resting.into_iter().for_each(|connection| self.clear(connection, now_ms, jobs));
    }

    fn clear(
        &self,
        mut connection: Box<Connection>,
        now_ms: u64,
        jobs: &mut VecDeque<Box<Connection>>,
    ) {
        connection.input_pending = true;
        self.begin_head(&mut connection, now_ms);
        self.progress(connection, now_ms, jobs);
    }
}

#[cfg(test)]
pub(super) mod tests;
