//! Connections that wait for a way to their site, in the order in which they came.
//!
//! A site whose processes take nothing must not cost the others their places: only so many wait for one site.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::super::connection::Connection;
use super::super::sorting::Destination;

/// Of the connections that a worker may have, this part may wait for one site.
const SHARE_OF_SITE: usize = 8;

/// And this part for all sites together.
const SHARE_OF_ALL: usize = 2;

/// One of them.
pub(super) struct Waiting {
    pub(super) connection: Box<Connection>,
    pub(super) to: Destination,
    pub(super) since_ms: u64,
}

/// See the module.
#[derive(Default)]
pub(super) struct Room {
    queue: Mutex<Queue>,
    /// As many as are in the queue, and those that are being looked at.
    count: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// How many of them wait for each destination.
    by_key: HashMap<Vec<u8>, usize>,
}

impl Room {
    /// Whether a connection waits here, or is being looked at.
    pub(super) fn holds_some(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }

    /// How many are in the queue.
    pub(super) fn len(&self) -> usize {
        self.queue.lock().waiting.len()
    }

    /// Has a connection wait, in a worker that may have so many of them. True where nothing waited before: whoever turns the
    /// reactor sleeps for too long.
    ///
    /// # Errors
    /// The connection, where there is no room for it.
    pub(super) fn admit(&self, waiting: Waiting, connections_max: usize) -> Result<bool, Waiting> {
        let mut queue = self.queue.lock();
        if !queue.has_room(&waiting.to, connections_max) {
            return Err(waiting);
        }
        let before = self.count.fetch_add(1, Ordering::SeqCst);
        queue.push(waiting);
        Ok(before == 0)
    }

    /// Has one that waited already wait on, behind the others.
    pub(super) fn keep(&self, waiting: Waiting) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.queue.lock().push(waiting);
    }

    /// All that wait, to be looked at; [`Room::looked_at`] ends that.
    pub(super) fn take(&self) -> VecDeque<Waiting> {
        std::mem::take(&mut *self.queue.lock()).waiting
    }

    /// So many were looked at. Only now are they counted no more: meanwhile they were in nobody's sight.
    pub(super) fn looked_at(&self, count: usize) {
        self.count.fetch_sub(count, Ordering::SeqCst);
    }
}

impl Queue {
    fn has_room(&self, to: &Destination, connections_max: usize) -> bool {
        let same = self.by_key.get(to.key()).copied().unwrap_or(0);
        let of_site = (connections_max / SHARE_OF_SITE).max(1);
        let of_all = (connections_max / SHARE_OF_ALL).max(1);
        (same < of_site || *to == Destination::Home) && self.waiting.len() < of_all
    }

    fn push(&mut self, waiting: Waiting) {
        *self.by_key.entry(waiting.to.key().to_vec()).or_default() += 1;
        self.waiting.push_back(waiting);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::model::site_spec::SiteSpec;

    /// Of a room in which a single connection waits.
    pub(in super::super) fn one_waits(room: &Room) {
        let queue = room.queue.lock();
        let to = &queue.waiting[0].to;
        assert!(queue.has_room(to, 2 * SHARE_OF_SITE));
        assert!(!queue.has_room(to, SHARE_OF_SITE), "one may wait, and one waits");
        let other = Destination::Site(Box::new(SiteSpec { key: vec![1], ..SiteSpec::default() }));
        assert!(queue.has_room(&other, SHARE_OF_SITE));
        assert!(!queue.has_room(&other, SHARE_OF_ALL), "of all sites only so many");
    }
}
